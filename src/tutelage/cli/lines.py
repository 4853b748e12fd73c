"""Progress for a log: plain lines at a calm pace."""

import time
from collections.abc import Mapping
from typing import IO, Any

from tutelage.cli.output import Steady
from tutelage.cli.pace import Clock, Pace, duration, terms_of
from tutelage.plurals import counted
from tutelage.printable import printable


class Lines:
    """Plain lines, no control characters: the first and the last epoch of a stage, and others every few seconds.

    ``pause`` is the least number of seconds between two lines; 0 writes all, with every term.
    """

    def __init__(self, stream: IO[str], pause: float = 5.0, clock: Clock = time.monotonic) -> None:
        self.stream, self.pause, self.clock = Steady(stream), pause, clock
        self.pace = Pace("", 0, 0, clock)
        self.last = clock()

    def stage(self, name: str, epochs: int, done: int) -> None:
        self.pace = Pace(name, epochs, done, self.clock)
        self.note(f"{name}: {counted(epochs, 'epoch')}" + (f", going on after {done}" if done else ""))

    def step(self, step: int, steps: int | None) -> None:
        pass

    def epoch(self, record: Mapping[str, Any]) -> None:
        first = self.pace.done == self.pace.first
        self.pace.over(record)
        edge = first or record["epoch"] == self.pace.epochs
        if edge or self.clock() - self.last >= self.pause:
            self.last = self.clock()
            terms = terms_of(record) if self.pause == 0 else ""
            parts = [f"epoch {record['epoch']}/{self.pace.epochs}", self.pace.validation, terms, f"eta {self.pace.eta}"]
            self.note(f"{record['stage']}: {', '.join(part for part in parts if part)}")

    def finished(self, name: str) -> None:
        self.note(f"{name}: done in {duration(self.clock() - self.pace.start)}")

    def note(self, text: str) -> None:
        print(printable(text), file=self.stream, flush=True)
