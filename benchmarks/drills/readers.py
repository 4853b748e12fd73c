"""Damaged inputs for every reader of files there is: a row a reader."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from drills.processes import start


def rows(
    inputs: int, seed: int, folder: Path, pool: ThreadPoolExecutor
) -> Iterator[tuple[str, Counter[str], list[str]]]:
    """The name of each reader, what became of its ``inputs``, and sentences about those that failed."""
    from fuzz.readers import READERS

    folder.mkdir()
    names = [reader.name for reader in READERS]
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
