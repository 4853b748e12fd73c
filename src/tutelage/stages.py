"""A trained network as a named step of a run: made once, found again by everybody who needs the same one."""

import fcntl
import math
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn

from tutelage.checkpoint import copied, load, load_weights, read_json, save, save_weights, sweep, write_json
from tutelage.data.batches import Batches
from tutelage.learn import Epoch, Training, train
from tutelage.learner import Learner
from tutelage.objective import Clock
from tutelage.progress import Progress

Build: TypeAlias = Callable[[], nn.Module]
Metrics: TypeAlias = Mapping[str, float]
"""What a validation found. The first figure decides which epoch is best; smaller is better."""
Record: TypeAlias = dict[str, Any]
"""One line of ``log.jsonl``."""


class Fit(Protocol):
    """Trains ``model`` by calling ``stage.train`` once."""

    def __call__(self, stage: "Stage", model: nn.Module) -> None: ...


@dataclass(frozen=True)
class Finished:
    """A trained network: as it was after the last epoch and, where there was a validation, after the best one."""

    name: str
    key: str
    last: nn.Module
    best: nn.Module
    records: list[Record]
    best_epoch: int | None

    @property
    def seconds(self) -> float:
        """Clock time of all its epochs, validation included."""
        return float(sum(record["seconds"] for record in self.records))


@dataclass
class Stage:
    """A training in its folder: it logs, validates, saves, and goes on where an earlier process was stopped."""

    name: str
    folder: Path
    progress: Progress
    write: Callable[[Record], None]  # called with every line of the log, those of an earlier process first
    precision: torch.dtype = torch.float32
    save_every: float = 60.0  # seconds from one checkpoint to the next, within an epoch or at its end
    exact: bool = False  # whether the run forgoes whatever changes the last bits
    records: list[Record] = field(default_factory=list, init=False)
    best: tuple[int, float, dict[str, Tensor]] | None = field(default=None, init=False)  # epoch, first figure, weights
    _spent: float = field(default=0.0, init=False)  # seconds of an epoch that another process began
    _saved: float = field(default=0.0, init=False)
    _asked: list[Callable[[], None]] = field(default_factory=list, init=False)
    _enterable: bool = field(default=True, init=False)  # can the batches of an epoch be entered in the middle?
    _first_step: int = field(default=0, init=False)  # of this epoch
    _steps: int | None = field(default=None, init=False)  # of an epoch

    def train(
        self,
        learners: Mapping[str, Learner],
        batches: Batches | Iterable[Any],
        epochs: int,
        *,
        model: nn.Module,
        validate: Callable[[], Metrics] | None = None,
        **settings: Any,
    ) -> None:
        """``tutelage.learn.train`` with everything around it. ``settings`` go there as they are.

        ``validate`` is called after every epoch; its first figure, the smaller the better, picks the best one. The
        first Ctrl-C or SIGTERM ends the training after the current step, with all of it saved. A plain loader cannot
        be entered in the middle: with one, only the ends of epochs are saved.
        """
        if self._saved:
            raise ValueError(f"Stage {self.name!r} trains once; give a second training a stage of its own.")
        self._enterable = callable(batches) or isinstance(batches, Sequence)
        training = train(learners, batches, epochs, precision=self.precision, pause=self._due, **settings)
        sweep(self.folder)
        self._go_on(training)
        self.progress.stage(self.name, epochs, len(self.records))
        self._saved = begun = time.monotonic()
        self._first_step = training.step + -training.batch // training.accumulate
        with _stopping_gently() as self._asked:
            for epoch in training:
                if epoch.finished:
                    figures = validate() if validate is not None else {}
                    seconds = self._spent + time.monotonic() - begun
                    self._close(epoch, training.step, epochs, seconds, figures, model)
                    begun, self._spent = time.monotonic(), 0.0
                if (self._asked or self._overdue()) and (epoch.finished or self._enterable):
                    self._save(training, 0.0 if epoch.finished else self._spent + time.monotonic() - begun)
                if self._asked:
                    self._asked[0]()
            if self._asked:
                self._save(training, 0.0)

    @property
    def shared(self) -> Path:
        """The folder that all stages lie in, and what several of them share."""
        return self.folder.parent.parent

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    def _go_on(self, training: Training) -> None:
        if self.checkpoint.exists():
            state = load(self.checkpoint)
            try:
                training.load_state_dict(state["training"])
                self.records, self.best, self._spent = state["records"], state["best"], state["spent"]
            except (KeyError, TypeError, ValueError, RuntimeError) as error:
                raise ValueError(
                    f"{self.checkpoint} is of another training than stage {self.name!r} ({_first_line(error)}); "
                    "remove it to train from the start, or raise the stage's version."
                ) from error
        for record in self.records:
            self.write(record)

    def _save(self, training: Training, spent: float) -> None:
        state = {"training": training.state_dict(), "records": self.records, "best": self.best, "spent": spent}
        save(self.checkpoint, state)
        self._saved = time.monotonic()

    def _close(self, epoch: Epoch, step: int, epochs: int, seconds: float, figures: Metrics, model: nn.Module) -> None:
        record: Record = {"stage": self.name, "epoch": epoch.number + 1, "epochs": epochs, "step": step}
        record |= {"seconds": round(seconds, 3), "losses": epoch.losses, "weights": epoch.weights}
        if epoch.statistics:
            record["statistics"] = {name: dict(means) for name, means in epoch.statistics.items()}
        if figures:
            found = {what: x.item() if hasattr(x, "item") else x for what, x in figures.items()}
            first = float(next(iter(found.values())))
            first = math.inf if math.isnan(first) else first
            better = self.best is None or first < self.best[1]
            record |= {"validation": found, "best": better}
            if better:
                self.best = epoch.number + 1, first, copied(model.state_dict())
        self.records.append(record)
        self.write(record)
        self.progress.epoch(record)
        self._first_step, self._steps = step, step - self._first_step

    def _due(self, clock: Clock) -> bool:
        self.progress.step(clock.step - self._first_step, self._steps)
        return bool(self._asked) or (self._enterable and self._overdue())

    def _overdue(self) -> bool:
        return time.monotonic() - self._saved > self.save_every

    def finish(self, model: nn.Module, description: Any) -> None:
        """Keep the weights and the log, drop the checkpoint; from now on the stage is loaded, not trained."""
        save_weights(self.folder / "last.safetensors", model)
        if self.best is not None:
            save(self.folder / "best.safetensors", {"epoch": self.best[0], "weights": self.best[2]})
        write_json(self.folder / "stage.json", {"name": self.name, "made": description, "records": self.records})
        (self.folder / "checkpoint.safetensors").unlink(missing_ok=True)


def finished(folder: Path, name: str, build: Build) -> Finished:
    """The network that an earlier training left in ``folder``."""
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)  # of a process killed in its very last moment
    made = read_json(folder / "stage.json")
    last = load_weights(folder / "last.safetensors", build())
    best, best_epoch = last, None
    if (folder / "best.safetensors").exists():
        kept = load(folder / "best.safetensors")
        best, best_epoch = build(), int(kept["epoch"])
        best.load_state_dict(kept["weights"])
    records = [{**record, "stage": name} for record in made["records"]]
    return Finished(name, folder.name, last, best, records, best_epoch)


@contextmanager
def locked(path: Path, busy: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock file ``path``. If another process holds it, ``busy`` is told which: it raises, or we wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            busy(file.read().strip() or "unknown")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(":")


@contextmanager
def _stopping_gently() -> Iterator[list[Callable[[], None]]]:
    """While it lasts, the first Ctrl-C or SIGTERM only asks: the list is then no longer empty. The second is obeyed."""
    asked: list[Callable[[], None]] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    def terminate() -> None:
        raise SystemExit(128 + signal.SIGTERM)

    def on_signal(number: int, _frame: FrameType | None) -> None:
        act = terminate if number == signal.SIGTERM else interrupt
        if asked:
            act()
        asked.append(act)

    try:
        before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # only the main thread may: elsewhere nobody asks
        yield asked
        return
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not set by Python
    if asked:  # after the last look
        asked[0]()
