"""Commands in processes of their own: forked from one that has imported everything, or in new interpreters."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from drills import child

Trouble: TypeAlias = tuple[Any, ...]
"""The name of a function of ``drills.troubles``, and its arguments."""
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGPIPE)
REFUSING = (2, 3, 4)
LIMIT = 120.0  # seconds, after which a command hangs
PRELOADED = (
    *["killed_recipe", "torch._dynamo", "rich.console", "jinja2", "matplotlib", "drills.child"],
    *["tutelage.cli.command", "tutelage.cli.run", "tutelage.cli.conclude", "tutelage.cli.report"],
    *["tutelage.report.collected", "tutelage.report.page", "tutelage.report.story", "tutelage.report.terminal"],
)
SPAWNING = threading.Lock()  # one thread at a time looks after the children of the fork server


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said; ``code`` is ``None`` where it did not end."""

    words: Sequence[str]
    code: int | None
    out: str
    err: str

    @property
    def refusal(self) -> str:
        """The sentence in which it refused, as it was promised: exit code 2, 3 or 4, one line, the last; or nothing."""
        lines = self.err.strip().splitlines()
        said = [line for line in lines if line.startswith("tutelage: ")]
        return said[0] if self.code in REFUSING and len(said) == 1 and lines[-1] == said[0] else ""

    @property
    def refused_at_last(self) -> bool:
        """Whether it ended with a sentence, whatever the interpreter could not help saying before."""
        return self.code in REFUSING and self.err.strip().rpartition("\n")[2].startswith("tutelage: ")

    @property
    def fault(self) -> str:
        """What may never be: a traceback, a crash, words of Python's own; or nothing."""
        spoken = "Traceback (most recent call last)" in self.err + self.out or "Exception ignored" in self.err
        crashed = self.code in (1, 120) or (
            self.code is not None and self.code < 0 and self.code not in (-9, -2, -15, -1)
        )
        return f"exit code {self.code}: {self.err.strip()[-400:]}" if spoken or crashed else ""


@dataclass(frozen=True)
class Started:
    """A command on its way."""

    pid: int
    words: Sequence[str]
    out: Path
    err: Path
    poll: Callable[[], int | None]

    def send(self, number: int) -> None:
        """Send it a signal; it may have ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, limit: float = LIMIT) -> Ended:
        """How it ends; killed where it does not."""
        end, code = time.monotonic() + limit, self.poll()
        while code is None and time.monotonic() < end:
            time.sleep(0.005)
            code = self.poll()
        if code is None:
            self.send(signal.SIGKILL)
            while self.poll() is None:
                time.sleep(0.005)
        return Ended(self.words, code, *(x.read_text(errors="replace") for x in (self.out, self.err)))


def start(words: Sequence[str], out: Path, troubles: Sequence[Trouble] = (), *, afresh: bool = False) -> Started:
    """``tutelage`` with these words, or ``load FOLDER``. What it says goes to ``out`` and a file beside it."""
    err = out.with_suffix(".err")
    spec = {"words": list(words), "troubles": [list(x) for x in troubles]}
    for path in (out, err):
        path.touch()
    if afresh:
        command = [sys.executable, "-m", "drills.child", json.dumps(spec)]
        with out.open("a") as stdout, err.open("a") as stderr:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        return Started(process.pid, words, out, err, process.poll)
    with SPAWNING:
        forked = multiprocessing.get_context("forkserver").Process(target=child.forked, args=(spec, str(out), str(err)))
        forked.start()

    def poll() -> int | None:
        with SPAWNING:
            return forked.exitcode

    assert forked.pid is not None
    return Started(forked.pid, words, out, err, poll)


def prepare() -> None:
    """One thread for every process, our modules on their paths, and the fork server with everything imported."""
    here = Path(__file__).resolve().parents[1]
    paths = [str(here), str(here.parent / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ |= {"OMP_NUM_THREADS": "1", "COLUMNS": "120", "PYTHONPATH": os.pathsep.join(paths)}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
