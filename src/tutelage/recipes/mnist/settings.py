"""What MNIST's recipes ask of a net and of the digits."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias

from tyro.conf import arg

from tutelage.study.bounds import Above, AtMost, Number
from tutelage.study.settings import TrainingSettings

PAPER = "Hinton, Vinyals & Dean 2015, arXiv:1503.02531, section 3"
PLAIN = TrainingSettings(epochs=20, batch_size=125, lr=0.1, schedule="cosine", optimizer="nesterov", weight_decay=0.0)
TAUGHT = replace(PLAIN, lr=2e-3, optimizer="adam")

Units: TypeAlias = Annotated[int, Above(0), AtMost(10**5)]
"""The width of a hidden layer."""


@dataclass(frozen=True, kw_only=True)
class Net:
    """Two hidden layers of so many units each, and how they are trained."""

    units: Units = 800
    """width of its two hidden layers"""
    training: Annotated[TrainingSettings, arg(name="")] = PLAIN
    """how it is trained"""


@dataclass(frozen=True, kw_only=True)
class Digits:
    """The images, and how many of them choose."""

    name: Literal["mnist", "synthetic"] = "mnist"
    """mnist, or synthetic digits for a run of seconds"""
    validation: Number = 5000
    """training images kept for validation; 0 trains on all of them, without a best epoch"""
    train: Number = 0
    """how many of the other training images are trained on, the same ones in every run; 0 takes them all"""


TEACHER = Net(units=1200, training=replace(PLAIN, epochs=100, batch_size=250, lr=0.15))
STUDENT = Net(units=800, training=TAUGHT)
QUICK_TEACHER = replace(TEACHER, training=replace(TEACHER.training, epochs=15))
DIGITS = Digits()
DRAWN = Digits(name="synthetic", validation=200)


def with_training(net: Net, **changes: object) -> Net:
    """``net`` with other settings of its training."""
    return replace(net, training=replace(net.training, **changes))  # type: ignore[arg-type]  # the fields' own types
