"""``--trace``: some steps of every stage as torch's profiler sees them, for Chrome's and Perfetto's viewers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.profiler import profile

from tutelage.files import atomically
from tutelage.progress import Progress

BEFORE, STEPS = 10, 10
"""Steps that a stage takes before any is recorded, and those that are: a trace of more is too large to look at."""


class Trace:
    """Passes everything on to ``progress``, and writes ``trace-<stage>.json`` into ``folder``: ten steps of each stage.

    A stage of fewer steps leaves none. The recorded steps take longer than others.
    """

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.folder, self.progress = folder, progress
        self.name, self.seen = "", 0
        self.profiler: profile | None = None

    def stage(self, name: str, epochs: int, done: int) -> None:
        self.close()
        self.name, self.seen = name, 0
        self.progress.stage(name, epochs, done)

    def step(self, step: int, steps: int | None) -> None:
        self.progress.step(step, steps)
        self.seen += 1
        if self.seen == BEFORE:
            self.profiler = profile()
            self.profiler.start()
        elif self.seen == BEFORE + STEPS:
            self._write()

    def epoch(self, record: Mapping[str, Any]) -> None:
        self.progress.epoch(record)

    def finished(self, name: str) -> None:
        self.close()
        self.progress.finished(name)

    def note(self, text: str) -> None:
        self.progress.note(text)

    def close(self) -> None:
        """Stop recording what is not whole."""
        if self.profiler is not None:
            self.profiler.stop()
            self.profiler = None

    def _write(self) -> None:
        if self.profiler is None:
            return
        recorded = self.profiler
        self.close()
        name = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in self.name)[:80]
        try:
            with atomically(self.folder / f"trace-{name}.json") as temporary:
                recorded.export_chrome_trace(str(temporary))
        except (OSError, RuntimeError, ValueError) as failure:  # a full disk ends the trace, and not the run
            self.progress.note(f"{self.name}: no trace was written ({failure})")
