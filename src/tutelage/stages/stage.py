"""A training as a named step of a run: made once, found again by everybody who needs the same one."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import torch
from torch import nn

from tutelage import group
from tutelage.checkpoint import copied, load_state, save_state
from tutelage.data.batches import Batches
from tutelage.files import is_file
from tutelage.learn import Epoch, Training, train
from tutelage.learner import Learner
from tutelage.objective import Clock
from tutelage.profiling import clocked, counted
from tutelage.progress import Progress
from tutelage.stages.signals import obey, stopping_gently
from tutelage.stages.storage import (
    CHECKPOINT,
    ONLY,
    BestSoFar,
    Record,
    cure_of_checkpoint,
    full_name,
    interleaved,
    keep,
)

Metrics: TypeAlias = Mapping[str, float]
"""What a validation measured, by metric. The first one decides which epoch is best."""
Validate: TypeAlias = Callable[[], Metrics]
Better: TypeAlias = Literal["lower", "higher"]


def to_the_end(_figures: Metrics) -> bool:
    """No figures end a training before its last epoch."""
    return False


class Fit(Protocol):
    """Trains ``model`` by calling ``stage.train`` once."""

    def __call__(self, stage: "Stage", model: nn.Module) -> None: ...


class JointFit(Protocol):
    """Trains all ``models`` together by calling ``stage.train`` once."""

    def __call__(self, stage: "Stage", models: Mapping[str, nn.Module]) -> None: ...


def fit_one(fit: Fit, stage: "Stage", models: Mapping[str, nn.Module]) -> None:
    """``fit`` a network that has no peers: one of one."""
    fit(stage, models[ONLY])


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
    peers: Sequence[str] = (ONLY,)  # the networks that are trained together
    records: dict[str, list[Record]] = field(default_factory=dict, init=False)  # of each peer
    best: dict[str, BestSoFar] = field(default_factory=dict, init=False)
    _sign: int = field(default=1, init=False)  # -1 where higher figures are better
    _spent: float = field(default=0.0, init=False)  # seconds of an epoch that another process began
    _saved: float = field(default=0.0, init=False)
    _signals: list[int] = field(default_factory=list, init=False)  # that asked this process to stop
    _enterable: bool = field(default=True, init=False)  # can the batches of an epoch be entered in the middle?
    _first_step: int = field(default=0, init=False)  # of this epoch
    _steps: int | None = field(default=None, init=False)  # of an epoch

    def train(
        self,
        learners: Mapping[str, Learner],
        batches: Batches | Iterable[Any],
        epochs: int,
        *,
        model: nn.Module | Mapping[str, nn.Module],
        validate: Validate | Mapping[str, Validate] | None = None,
        better: Better = "lower",
        looks: int | None = None,
        until: Callable[[Metrics], bool] = to_the_end,
        **settings: Any,
    ) -> None:
        """``tutelage.learn.train`` with everything around it. ``settings`` go there as they are.

        ``validate`` is called after every epoch, in the precision of the training; its first figure picks the best
        one, the lowest or the highest as ``better`` says, never one that is no number. Of more epochs than ``looks``
        only so many are looked at, evenly spread and the last among them. Where peers learn together, ``model`` and
        ``validate`` are by their names. No epoch follows one for whose figures, of each network that is
        validated, ``until`` holds: it is asked of what the log says, so that a training that goes on ends where it
        would have ended. The first Ctrl-C or SIGTERM ends the training after the current step, with all of it saved. A
        plain loader cannot be entered in the middle: with one, only the ends of epochs are saved.
        """
        if self._saved:
            raise ValueError(f"Stage {self.name!r} trains once; give a second training a stage of its own.")
        if better not in ("lower", "higher"):
            raise ValueError(f"Figures of stage {self.name!r} are better 'lower' or 'higher'; got {better!r}.")
        models = {ONLY: model} if isinstance(model, nn.Module) else dict(model)
        validations = {ONLY: validate} if callable(validate) else dict(validate or {})
        self._refuse_strangers(models, validations)
        self._sign = 1 if better == "lower" else -1
        self._enterable = callable(batches) or isinstance(batches, Sequence)
        training = train(learners, batches, epochs, precision=self.precision, pause=self._due, **settings)
        self.records = {peer: [] for peer in models}
        self._go_on(training)
        self.progress.stage(self.name, epochs, max(map(len, self.records.values())))
        self._saved = begun = time.monotonic()
        self._first_step = training.step + -training.batch // training.accumulate
        training.batches = counted(training.batches)
        with clocked("training steps"), stopping_gently() as self._signals:
            for epoch in self._needed(training, until):
                if epoch.finished:
                    checks = validations if _is_looked_at(epoch.number, epochs, looks) else {}
                    with clocked("validation"), training.autocast():
                        figures = {peer: check() for peer, check in checks.items()}
                    seconds = self._spent + time.monotonic() - begun
                    self._close(epoch, training.step, epochs, seconds, figures, models)
                    begun, self._spent = time.monotonic(), 0.0
                stop, overdue = self._wishes()
                if (stop or overdue) and (epoch.finished or self._enterable):
                    self._save(training, 0.0 if epoch.finished else self._spent + time.monotonic() - begun)
                if stop:
                    obey(stop)
            stop, _ = self._wishes()
            if stop:
                self._save(training, 0.0)
                obey(stop)

    @property
    def shared(self) -> Path:
        """The folder that all stages lie in, and what several of them share."""
        return self.folder.parent.parent

    @property
    def checkpoint(self) -> Path:
        return self.folder / CHECKPOINT

    def _needed(self, training: Training, until: Callable[[Metrics], bool]) -> Iterator[Epoch]:
        """The epochs of ``training``, of which none follows one that was enough: in an earlier process, too."""
        with closing(iter(training)) as epochs:
            while training.batch or not group.decided(partial(self._is_enough, until)):
                epoch = next(epochs, None)
                if epoch is None:
                    return
                yield epoch

    def _is_enough(self, until: Callable[[Metrics], bool]) -> bool:
        last = [records[-1].get("validation") for records in self.records.values() if records]
        figures = [validation for validation in last if validation]
        return bool(figures) and all(map(until, figures))

    def _refuse_strangers(self, models: Mapping[str, nn.Module], validations: Mapping[str, Validate]) -> None:
        if set(models) != set(self.peers):
            expected = "one model" if list(self.peers) == [ONLY] else f"the models {sorted(self.peers)} by their names"
            raise ValueError(f"Stage {self.name!r} trains {expected}, but model= has {sorted(models) or 'none'}.")
        if unknown := sorted(validations.keys() - models.keys()):
            raise ValueError(f"Stage {self.name!r} has no network {unknown} to validate; it has {sorted(models)}.")

    def _go_on(self, training: Training) -> None:
        cure = cure_of_checkpoint(self.folder)
        if group.decided(partial(is_file, self.checkpoint, cure)):
            state = load_state(self.checkpoint, cure)
            try:
                if state.get("stage", self.folder.name) != self.folder.name:
                    raise ValueError(f"that in {state['stage']}")
                own = [state["training"], *state.get("others", [])][group.rank()]
                training.load_state_dict(own)
                self.records = {peer: list(map(dict, state["records"][peer])) for peer in self.records}
                self.best = {
                    peer: BestSoFar(int(best["epoch"]), float(best["figure"]), dict(best["weights"]))
                    for peer, best in state["best"].items()
                }
                self._spent = float(state["spent"])
            except (LookupError, TypeError, ValueError, RuntimeError, OverflowError, AttributeError) as error:
                raise ValueError(
                    f"{self.checkpoint} is of another training than stage {self.name!r} ({_first_line(error)}); "
                    "remove it to train from the start, or raise the stage's version."
                ) from error
        for record in interleaved(self.records):
            self.write(record)

    @clocked("checkpoints")
    def _save(self, training: Training, spent: float) -> None:
        state = {"stage": self.folder.name, "training": training.state_dict(), "records": self.records, "spent": spent}
        if others := group.others(state["training"]):
            state["others"] = others
        if group.rank() == 0:
            best = {peer: vars(best) for peer, best in self.best.items()}
            save_state(self.checkpoint, {**state, "best": best})
        self._saved = time.monotonic()

    def _close(
        self,
        epoch: Epoch,
        step: int,
        epochs: int,
        seconds: float,
        figures: Mapping[str, Metrics],
        models: Mapping[str, nn.Module],
    ) -> None:
        for peer, model in models.items():
            own = {
                what: {name: x for name, x in values.items() if name == peer or name not in models}
                for what, values in (("losses", epoch.losses), ("weights", epoch.weights))
            }
            record: Record = {"stage": full_name(self.name, peer), "epoch": epoch.number + 1, "epochs": epochs}
            record |= {"step": step, "seconds": round(seconds, 3), **own}
            statistics = {n: dict(means) for n, means in epoch.statistics.items() if n == peer or n not in models}
            if statistics:
                record["statistics"] = statistics
            if figures.get(peer):
                record |= self._judged(peer, epoch.number + 1, figures[peer], model)
            self.records[peer].append(record)
            self.write(record)
            self.progress.epoch(record)
        self._first_step, self._steps = step, step - self._first_step

    def _judged(self, peer: str, epoch: int, figures: Metrics, model: nn.Module) -> Record:
        plain = {metric: _number(self.name, metric, figure) for metric, figure in figures.items()}
        first = float(next(iter(plain.values())))
        so_far = self.best.get(peer)
        better = not math.isnan(first) and (so_far is None or self._sign * first < self._sign * so_far.figure)
        if better:
            self.best[peer] = BestSoFar(epoch, first, copied(model.state_dict()))
        return {"validation": plain, "best": better}

    def _due(self, clock: Clock) -> bool:
        self.progress.step(clock.step - self._first_step, self._steps)
        stop, overdue = self._wishes()
        return bool(stop) or bool(overdue and self._enterable)

    def _wishes(self) -> tuple[int, int]:
        """The signal that asked any rank to stop, or 0; and whether it is time to save."""
        overdue = group.rank() == 0 and time.monotonic() - self._saved > self.save_every
        stop, due = group.highest(self._signals[0] if self._signals else 0, int(overdue))
        return stop, due

    @clocked("checkpoints")
    def finish(self, models: Mapping[str, nn.Module], description: Any) -> None:
        """Keep the networks and the log, drop the checkpoint; from now on the stage is loaded, not trained."""
        records = self.records[ONLY] if list(models) == [ONLY] else self.records
        keep(self.folder, models, self.best, {"name": self.name, "made": description, "records": records})


def _number(stage: str, metric: str, figure: Any) -> float:
    number = figure.item() if hasattr(figure, "item") else figure
    if not isinstance(number, int | float):
        kind = type(number).__name__
        raise ValueError(f"The validation of stage {stage!r} gives a number for each metric; {metric!r} is a {kind}.")
    return number


def _is_looked_at(number: int, epochs: int, looks: int | None) -> bool:
    return looks is None or (number + 1) * looks // epochs > number * looks // epochs


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(":")
