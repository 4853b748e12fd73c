"""Damaged inputs for every reader of files there is: a row a reader."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from drills.processes import start


def rows(
    inputs: int, seed: int, folder: Path, pool: ThreadPoolExecutor, chosen: Sequence[str] = ()
) -> Iterator[tuple[str, Counter[str], list[str]]]:
    """The name of each reader, or of those ``chosen``, what became of its ``inputs``, and what failed in sentences."""
    from fuzz.readers import READERS

    known = [reader.name for reader in READERS]
    if strange := sorted({*chosen} - {*known}):
        raise SystemExit(f"There is no reader {strange[0]!r}; there are {', '.join(known)}.")
    folder.mkdir()
    names = [name for name in known if name in chosen or not chosen]
    for name, row in zip(names, pool.map(partial(_fuzzed, inputs, seed, folder), names), strict=True):
        counts = {"tried": row["tried"], "same bits": row["right"], "refused": row["refused"], "silent": row["silent"]}
        yield f"reader: {name}", Counter({**counts, "traceback": row["other"]}), row["failures"]


def _fuzzed(inputs: int, seed: int, folder: Path, name: str) -> dict[str, object]:
    ended = start(["fuzz", name, str(inputs), str(seed), str(folder)], folder / f"{name.replace(' ', '-')}.out").wait(
        3600
    )
    assert ended.code == 0, ended
    found: dict[str, object] = json.loads(ended.out)
    return found
