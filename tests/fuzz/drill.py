"""Damaged files for every reader: a table of how many ended in the right answer, in a sentence, or otherwise.

    python tests/fuzz/drill.py --inputs 10000
    python tests/fuzz/drill.py --minutes 60 --reader png

Whatever goes wrong is printed with its seed, and the files are kept.
"""

import argparse
import io
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz.reader import Files, Reader, damaged
from fuzz.readers import READERS

REFUSALS = (ValueError, FileNotFoundError, PermissionError, ImportError)
PYTHONS = (UnicodeError, RecursionError)
"""Subclasses of those that are not ours."""
MEMORY = 400 * 2**20
"""Bytes that one small input may take."""
SECONDS = 20.0
"""Of the processor, that one small input may take."""


@dataclass
class Row:
    """What became of a reader's inputs."""

    reader: str
    tried: int = 0
    right: int = 0
    refused: int = 0
    silent: int = 0
    other: int = 0
    failures: list[str] = field(default_factory=list)


def fuzz(inputs: int, seed: int = 0, readers: tuple[Reader, ...] = READERS, keep: Path | None = None) -> list[Row]:
    """A row for each reader, over ``inputs`` damaged inputs each; files that failed are kept in ``keep``."""
    return [survived(reader, range(seed, seed + inputs), keep) for reader in readers]


def survived(reader: Reader, seeds: range, keep: Path | None = None, until: float = float("inf")) -> Row:
    """``fuzzed`` in a process of its own, which a damaged file may end."""
    forks = get_context("fork")
    here, there = forks.Pipe(duplex=False)
    last = forks.Value("q", seeds.start)
    child = forks.Process(target=lambda: there.send(fuzzed(reader, seeds, keep, until, last)))
    child.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        tried = last.value - seeds.start + 1
        return Row(reader.name, tried, other=1, failures=[f"{reader.name}, seed {last.value}: it ended the process"])
    finally:
        child.join()


def fuzzed(
    reader: Reader, seeds: Sequence[int], keep: Path | None = None, until: float = float("inf"), last: Any = None
) -> Row:
    """What became of the inputs that ``seeds`` make, until a moment of the clock ``time.monotonic``.

    ``last.value`` is the seed at which it is.
    """
    row = Row(reader.name)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "files")
        files, answer = sound(reader, folder)
        for seed in seeds:
            if time.monotonic() > until:
                break
            if last is not None:
                last.value = seed
            name, content, anew = damaged(files, reader, Random(f"{reader.name} {seed}"))
            _put(folder, files | {name: content})
            row.tried += 1
            outcome, words = _outcome(reader, folder, answer, judged=not anew)
            setattr(row, outcome, getattr(row, outcome) + 1)
            if outcome in ("silent", "other"):
                row.failures.append(f"{reader.name}, seed {seed}, {name}: {words}")
                if keep is not None:
                    shutil.copytree(folder, keep / f"{reader.name.replace(' ', '-')}-{seed}", dirs_exist_ok=True)
    return row


def sound(reader: Reader, folder: Path) -> tuple[Files, Any]:
    """A reader's sound files, and the answer to them."""
    folder.mkdir()
    reader.sound(folder)
    files = {x.relative_to(folder).as_posix(): x.read_bytes() for x in sorted(folder.rglob("*")) if x.is_file()}
    with _watched():
        answer = reader.read(folder)
        assert reader.agrees(answer, answer, folder), reader.name
    return files, answer


def _outcome(reader: Reader, folder: Path, answer: Any, judged: bool) -> tuple[str, str]:
    before, began = _peak(), time.process_time()
    try:
        with _watched():
            found = reader.read(folder)
        outcome, words = ("right", "") if not judged or reader.agrees(found, answer, folder) else ("silent", "wrong")
    except REFUSALS as refusal:
        words = f"{type(refusal).__name__}: {refusal}"
        strange = isinstance(refusal, PYTHONS) or not _is_sentence(str(refusal))
        outcome = "other" if strange else "refused"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        outcome, words = "other", f"{type(error).__name__}: {error}"
    if (grown := _peak() - before) > MEMORY:
        return "other", f"took {grown >> 20} MiB; {words}"
    if (seconds := time.process_time() - began) > SECONDS:
        return "other", f"took {seconds:.0f} s; {words}"
    return outcome, " ".join(words.split())[:400]


def _is_sentence(words: str) -> bool:
    """Ours end as sentences do, or with code to be pasted; Python's own do not."""
    return words.endswith((".", "?", "if you trust the file")) and words.encode(errors="replace").decode() == words


@contextmanager
def _watched() -> Iterator[None]:
    """Warnings are errors, and what hangs is interrupted."""

    def interrupt(*_: Any) -> None:
        raise Hang

    usual = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 6 * SECONDS)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):  # where readers say what was not verified
            warnings.simplefilter("error")
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, usual)


class Hang(BaseException):
    """Reading took minutes."""


def _peak() -> int:
    """The most memory, in bytes, that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _put(folder: Path, files: Files) -> None:
    shutil.rmtree(folder)
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def table(rows: list[Row]) -> str:
    """The rows as a table of Markdown."""
    lines = [
        "| reader | tried | right answer | refused in a sentence | silent | other errors |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    return "\n".join(
        lines + [f"| {x.reader} | {x.tried} | {x.right} | {x.refused} | {x.silent} | {x.other} |" for x in rows]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000, help="damaged inputs a reader")
    parser.add_argument("--seed", type=int, default=0, help="of the first input; the others follow")
    parser.add_argument("--reader", action="append", choices=[reader.name for reader in READERS])
    parser.add_argument("--minutes", type=float, help="for all readers together, in place of --inputs")
    parser.add_argument("--keep", type=Path, default=Path("damaged"), help="where files that failed are kept")
    asked = parser.parse_args()
    chosen = [reader for reader in READERS if not asked.reader or reader.name in asked.reader]
    rows = []
    for number, reader in enumerate(chosen):
        inputs = asked.inputs if asked.minutes is None else 10**9
        left = float("inf") if asked.minutes is None else asked.minutes * 60 / len(chosen)
        rows.append(survived(reader, range(asked.seed, asked.seed + inputs), asked.keep, time.monotonic() + left))
        print(f"{number + 1} of {len(chosen)}: {table(rows[-1:]).splitlines()[-1]}", file=sys.stderr, flush=True)
        print(*rows[-1].failures, sep="\n", end="\n" * bool(rows[-1].failures), file=sys.stderr, flush=True)
    print(table(rows))
    return int(any(row.silent or row.other for row in rows))


if __name__ == "__main__":
    sys.exit(main())
