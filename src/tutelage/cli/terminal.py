"""Progress for people who watch: one moving line a stage."""

import time
from collections.abc import Mapping
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from tutelage.cli.output import Steady
from tutelage.cli.pace import Clock, Pace, duration, terms_of
from tutelage.printable import printable


class Terminal:
    """One line a stage, moving while it trains: name, bar, epoch, validation, time to go."""

    def __init__(self, stream: IO[str], *, verbose: bool = False, clock: Clock = time.monotonic) -> None:
        text = ["{task.fields[epoch]}", "{task.fields[validation]}", "{task.fields[eta]}"]
        name, *others = (TextColumn(part, markup=False) for part in ("{task.description}", *text))
        columns = [name, BarColumn(24), *others]
        console = Console(file=Steady(stream))  # type: ignore[arg-type]  # it writes, flushes and is asked if it is a terminal
        self.bars = Bars(*columns, console=console, auto_refresh=False)
        self.verbose, self.clock, self.shown = verbose, clock, 0.0
        self.pace = Pace("", 0, 0, clock)
        self.task = self.bars.add_task("", visible=False, epoch="", validation="", eta="")

    def stage(self, name: str, epochs: int, done: int) -> None:
        self.pace = Pace(name, epochs, done, self.clock)
        self.task = self.bars.add_task(name, total=epochs, completed=done, epoch="", validation="", eta="")
        self._show()

    def step(self, step: int, steps: int | None) -> None:
        if self.clock() - self.shown > 0.25:
            self.pace.within(step, steps)
            self._show()

    def epoch(self, record: Mapping[str, Any]) -> None:
        self.pace.over(record)
        if self.verbose:
            self.note(f"{record['stage']}: epoch {record['epoch']}, {self.pace.validation}, {terms_of(record)}")
        self._show()

    def finished(self, name: str) -> None:
        self.bars.update(self.task, description=name)
        self._show(f"done in {duration(self.clock() - self.pace.start)}")

    def note(self, text: str) -> None:
        self.bars.console.print(printable(text), markup=False, highlight=False)

    def _show(self, eta: str = "") -> None:
        pace, self.shown = self.pace, self.clock()
        number = f"{min(int(pace.done) + (pace.done < pace.epochs), pace.epochs)}/{pace.epochs}"
        eta = eta or f"eta {pace.eta}"
        self.bars.update(self.task, completed=pace.done, epoch=number, validation=pace.validation, eta=eta)
        self.bars.refresh()
