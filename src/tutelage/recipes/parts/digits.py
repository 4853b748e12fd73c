"""The MNIST experiment's pieces: its three sets, its nets and how each is trained, and what is measured of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt
from typing import Literal

from torch import nn
from torch.optim import SGD, Adam, Optimizer

from tutelage.data import mnist, synthetic
from tutelage.data.lesson import Lesson
from tutelage.data.views import JITTERS, jitter
from tutelage.losses.kd import Average
from tutelage.models.mlp import mlp
from tutelage.optimizers.factory import Named
from tutelage.optimizers.max_norm import max_norm
from tutelage.recipes.parts.sets import Portrayed as Portrayed
from tutelage.recipes.parts.sets import Sets as Sets
from tutelage.recipes.parts.sets import publish as published
from tutelage.recipes.parts.sets import refuse_nonsense as refuse_nonsense
from tutelage.recipes.parts.sets import sets as parted
from tutelage.run import Run
from tutelage.schemes.classify import distilled, supervised, taught_by_many
from tutelage.stages import Finished

Images = Literal["mnist", "synthetic"]


def sets(run: Run, images: Images, validation: int) -> Sets:
    """The digits, with ``validation`` of the training images set apart, as ``parts.sets.sets`` does."""
    train, test = mnist.load(run.data) if images == "mnist" else synthetic.load()
    return parted(run, train, test, validation)


def hidden(name: str) -> bool:
    """The incoming weights of the hidden units, which a max-norm binds."""
    return ".hidden" in name and name.endswith(".weight")


def nesterov(named: Named, *, lr: float) -> Optimizer:
    return SGD(named, lr=lr, momentum=0.9, nesterov=True, fused=True)


def bounded_nesterov(named: Named, *, lr: float, squared_norm: float) -> Optimizer:
    """SGD, with the squared incoming weights of each hidden unit adding up to ``squared_norm`` at most."""
    return max_norm(partial(nesterov, lr=lr), sqrt(squared_norm), hidden)(named)


def adam(named: Named, *, lr: float) -> Optimizer:
    return Adam(named, lr=lr, fused=True)


def teacher(run: Run, shown: Sets, *, units: int, epochs: int, batch_size: int, lr: float, seed: int) -> Finished:
    """Two hidden layers with dropout 0.5 and max-norm 15, trained on images that move by up to two pixels."""
    lesson = Lesson(shown.train, shown.validation, jitter, JITTERS, batch_size, seed)
    optimizer = partial(bounded_nesterov, lr=lr, squared_norm=15.0)
    fit = partial(supervised, lesson=lesson, optimizer=optimizer, epochs=epochs)
    return run.stage("teacher", partial(mlp, (784, units, units, 10), dropout=0.5), fit, seed=seed)


def alone(
    run: Run, shown: Sets, *, units: int, epochs: int, batch_size: int, lr: float, seed: int, name: str = "alone"
) -> Finished:
    """Two hidden layers on labels alone, with no regularisation at all."""
    lesson = Lesson(shown.train, shown.validation, batch_size=batch_size, seed=seed)
    fit = partial(supervised, lesson=lesson, optimizer=partial(nesterov, lr=lr), epochs=epochs)
    return run.stage(name, partial(mlp, (784, units, units, 10)), fit, seed=seed)


@dataclass(frozen=True)
class Lessons:
    """How a student is distilled: the temperature, the weights of labels and soft targets, and the optimisation."""

    temperature: float
    label: float
    epochs: int
    batch_size: int
    lr: float
    seed: int


def student(
    run: Run, shown: Sets, by: nn.Module, how: Lessons, *, units: int, name: str = "student", jittered: bool = False
) -> Finished:
    """Two hidden layers, taught ``by`` a teacher on ``shown.train``, as it is or jittered."""
    moved = {"transform": jitter, "num_views": JITTERS} if jittered else {}
    lesson = Lesson(shown.train, shown.validation, batch_size=how.batch_size, seed=how.seed, **moved)  # type: ignore[arg-type]
    return _taught(run, partial(distilled, teacher=by), lesson, how, units, name)


def student_of_many(
    run: Run, shown: Sets, by: Sequence[nn.Module], average: Average, how: Lessons, *, units: int, name: str
) -> Finished:
    """Two hidden layers, taught by the ``average`` of many teachers."""
    lesson = Lesson(shown.train, shown.validation, batch_size=how.batch_size, seed=how.seed)
    return _taught(run, partial(taught_by_many, teachers=list(by), average=average), lesson, how, units, name)


def _taught(run: Run, fit: Callable[..., None], lesson: Lesson, how: Lessons, units: int, name: str) -> Finished:
    fit = partial(
        fit,
        temperature=how.temperature,
        label=how.label,
        soft=1 - how.label,
        lesson=lesson,
        optimizer=partial(adam, lr=how.lr),
        epochs=how.epochs,
    )
    return run.stage(name, partial(mlp, (784, units, units, 10)), fit, seed=how.seed)


def publish(run: Run, shown: Sets, cast: Mapping[str, Portrayed], methods: Sequence[str]) -> dict[str, int]:
    """Measure every network on the test set, put it all into the results, and return the last epochs' test errors."""
    return {name: network["errors"] for name, network in published(run, shown, cast, methods).items()}
