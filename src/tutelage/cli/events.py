"""TensorBoard event files beside the log: an extra pair of ears."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tutelage.progress import Progress


class Events:
    """Passes everything on to ``progress``, and writes what ``log.jsonl`` has gained into ``<folder>/tensorboard``.

    Each stage is a run of TensorBoard's, its steps are epochs. A run that goes on writes its events anew, so that none
    is there twice. Raises ``ImportError`` with the install line without the extra ``tensorboard``.
    """

    def __init__(self, folder: Path, progress: Progress) -> None:
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError:
            raise ImportError(
                "TensorBoard's event files need an extra: pip install 'tutelage[tensorboard]', or leave --tensorboard."
            ) from None
        self.log, self.target, self.progress = folder / "log.jsonl", folder / "tensorboard", progress
        self.write, self.writers, self.read = SummaryWriter, dict[str, Any](), 0
        shutil.rmtree(self.target, ignore_errors=True)

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
        for record in map(json.loads, lines[self.read :]):
            writer = self.writers.get(record["stage"]) or self.write(str(self.target / record["stage"]))
            self.writers[record["stage"]] = writer
            for name, value in scalars(record).items():
                writer.add_scalar(name, value, record["epoch"])
            writer.flush()
        self.read = len(lines)

    def close(self) -> None:
        self.catch_up()
        for writer in self.writers.values():
            writer.close()


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
