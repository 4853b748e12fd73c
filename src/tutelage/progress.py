"""Who is told how a run goes on: a terminal, a log, TensorBoard, nobody."""

from collections.abc import Mapping
from typing import Any, Protocol


class Progress(Protocol):
    """Hears what a run does, and changes nothing by it. Calls come from one thread, in the order of the work.

    A stage begins with ``stage`` and ends with ``finished``; one that was loaded, not trained, is only a ``note``.
    """

    def stage(self, name: str, epochs: int, done: int) -> None:
        """Training of stage ``name`` begins, or goes on after ``done`` of its ``epochs``."""

    def step(self, step: int, steps: int | None) -> None:
        """``step`` steps of this stage are done, of ``steps`` an epoch; ``None`` where that number is not known.

        Called after every step: whoever listens must return within microseconds most of the time.
        """

    def epoch(self, record: Mapping[str, Any]) -> None:
        """An epoch is over; ``record`` is its line of ``log.jsonl``."""

    def finished(self, name: str) -> None:
        """Stage ``name`` is trained and saved."""

    def note(self, text: str) -> None:
        """One sentence about anything else: "teacher: loaded from runs/stages/3fa9"."""


class Silence:
    """A ``Progress`` that tells nobody."""

    def stage(self, name: str, epochs: int, done: int) -> None:
        pass

    def step(self, step: int, steps: int | None) -> None:
        pass

    def epoch(self, record: Mapping[str, Any]) -> None:
        pass

    def finished(self, name: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass
