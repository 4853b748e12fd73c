"""TensorBoard event files beside the log: an extra pair of ears."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from tutelage.progress import Progress

OURS = "tutelage"
"""How the names of our event files end: TensorBoard reads any, and only ours are ever taken away."""


class Events:
    """Passes everything on to ``progress``, and writes what ``log`` has gained into ``<folder>/tensorboard``.

    Each stage is a run of TensorBoard's, its steps are epochs. A run that goes on writes its events anew, so that none
    is there twice. Where they cannot be written, it says so and goes on without. Raises ``ImportError`` with the
    install line without the extra ``tensorboard``, ``ValueError`` where ``tensorboard`` is a link or no folder.
    """

    def __init__(self, log: Path, folder: Path, progress: Progress) -> None:
        try:
            self.scalar = import_module("torch.utils.tensorboard.summary").scalar
            self.event = import_module("tensorboard.compat.proto.event_pb2").Event
            self.writer = import_module("tensorboard.summary.writer.record_writer").RecordWriter
        except ImportError:
            raise ImportError(
                "TensorBoard's event files need an extra: pip install 'tutelage[tensorboard]', or leave --tensorboard."
            ) from None
        self.log, self.target, self.progress = log, folder / "tensorboard", progress
        self.files, self.read, self.works = dict[str, IO[bytes]](), 0, True
        if self.target.is_symlink() or (self.target.exists() and not self.target.is_dir()):
            raise ValueError(f"{self.target} is no folder, and TensorBoard's event files belong there; move it away.")
        with self._surviving():
            for earlier in self.target.rglob(f"events.out.tfevents.*.{OURS}"):
                earlier.unlink()

    def stage(self, name: str, epochs: int, done: int) -> None:
        self.progress.stage(name, epochs, done)
        self.catch_up()

    def step(self, step: int, steps: int | None) -> None:
        self.progress.step(step, steps)

    def epoch(self, record: Mapping[str, Any]) -> None:
        self.progress.epoch(record)
        self.catch_up()

    def finished(self, name: str) -> None:
        self.progress.finished(name)

    def note(self, text: str) -> None:
        self.progress.note(text)

    def catch_up(self) -> None:
        """Write the lines of the log that are new."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        with self._surviving():
            for record in map(json.loads, lines[self.read :] if self.works else []):
                file = self._file_of(record["stage"])
                for name, value in scalars(record).items():
                    self._put(file, step=record["epoch"], summary=self.scalar(name, value))
                file.flush()
        self.read = len(lines)

    def close(self) -> None:
        self.catch_up()
        for file in self.files.values():
            with self._surviving():
                file.close()

    def _file_of(self, stage: str) -> IO[bytes]:
        if stage not in self.files:
            folder = self.target / stage
            folder.mkdir(parents=True, exist_ok=True)
            self.files[stage] = (folder / f"events.out.tfevents.{time.time():.0f}.{os.getpid()}.{OURS}").open("xb")
            self._put(self.files[stage], file_version="brain.Event:2")
        return self.files[stage]

    def _put(self, file: IO[bytes], **content: Any) -> None:
        self.writer(file).write(self.event(wall_time=time.time(), **content).SerializeToString())

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        """A disk that is full, or a folder that is gone, ends the events and not the run."""
        try:
            yield
        except OSError as failure:
            if self.works:
                reason = failure.strerror or failure
                self.progress.note(f"TensorBoard gets no more events ({reason}), the run goes on")
            self.works = False


def scalars(record: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a log record, by the names that TensorBoard groups them under.

    >>> scalars({"losses": {"student": {"soft": 0.7}}, "validation": {"perplexity": 23.1}, "best": True})
    {'losses/student.soft': 0.7, 'validation/perplexity': 23.1}
    """
    terms = {
        f"{what}/{who}.{term}": float(value)
        for what in ("losses", "weights")
        for who, values in record.get(what, {}).items()
        for term, value in values.items()
    }
    figures = (record.get("validation") or {}).items()
    return terms | {f"validation/{name}": float(x) for name, x in figures if isinstance(x, int | float)}
