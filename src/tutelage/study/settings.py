"""What recipes ask of a network, its training and rules, said once: every field is a flag, its docstring the help.

``student: NetworkSettings`` in a recipe's signature is ``--student.name``, ``--student.epochs``, … on the command line;
annotations bound them all: ``Annotated[int, Above(0)]``. No torch here: ``--help`` reads this file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from tutelage.study.bounds import (
    Above,
    AtLeast,
    AtMost,
    Count,
    Distinct,
    Epochs,
    Names,
    Positive,
    Rate,
    Seed,
    Share,
    Within,
)


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a network is trained."""

    epochs: Epochs = 240
    """how long it is trained"""
    batch_size: Count = 64
    """samples a step"""
    lr: Rate = 0.05
    """first or highest learning rate"""
    schedule: Literal["steps", "one-cycle", "cosine", "constant", "two-steps", "even-steps"] = "steps"
    """a tenth after 5/8, 6/8 and 7/8 of the epochs; up for a fifth of the steps, then down to 0; half a cosine; the
    same rate all along; a tenth after 1/2 and 3/4; or after 3/10, 6/10 and 9/10"""
    optimizer: Literal["sgd", "nesterov", "adam"] = "sgd"
    """gradient descent with a momentum of 0.9, with Nesterov's, or Adam"""
    weight_decay: Annotated[float, AtLeast(0), AtMost(100)] = 5e-4
    """weight decay"""


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """A network by its name, the layers of it that take part, and how it is trained."""

    name: str
    """resnet56, wrn_40_2, …, or a dotted path with arguments: my_lab.nets.small(width=64)"""
    layers: Annotated[tuple[str, ...], Distinct()] = ()
    """layers that teach or learn, from shallow to deep; found where none are given"""
    views: Annotated[int, Within(0, 162)] = 0
    """how many of the 162 crops and flips it sees, in turn; 0 draws any of them at random"""
    training: Annotated[TrainingSettings, arg(name="")] = (
        TrainingSettings()
    )  # flat: --student.epochs, not --student.training.epochs


@dataclass(frozen=True, kw_only=True)
class TeacherSettings(NetworkSettings):
    """A network that teaches: trained here, or elsewhere."""

    weights: Path | None = None
    """a file with its trained weights: nothing is trained then"""
    seed: Seed = 0
    """of its weights, order and views"""
    size: Annotated[int, AtLeast(0), AtMost(1024)] = 0
    """pixels a side that it takes; 0 gives it the images as the student sees them"""
    mean: tuple[Share, ...] = ()
    """means of the channels (0 to 1) with which it normalises; those of the images if none are given"""
    std: tuple[Annotated[float, Above(0), AtMost(1)], ...] = ()
    """their deviations, of channels from 0 to 1 as well"""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Which rules make one gradient of several losses, and how they are watched."""

    names: Names = ("all",)
    """names of rules, torchjd's ('CAGrad(c=0.5)', …) included, or all of our own; the sum is always there"""
    look_every: Count = 50
    """how often gradients are compared, in steps"""
    time_ratio: Annotated[float, AtLeast(1), AtMost(100)] = 2.8
    """how many times as long as the sum's a step of a rule takes; 1 leaves out the student with more time"""


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """How a student is searched for within its teacher."""

    budget: str = "quarter"
    """what it may cost: '90 MMACs', '0.3M parameters', '90M operations', '5 ms', '25 %' or 'quarter' of the MACs"""
    strength: Annotated[float, Above(0), AtMost(1e6)] = 1e-3
    """of the penalty that closes gates, λ₂ in the paper"""
    minimises: str = "divergence"
    """what is kept small beside the penalty: the divergence of soft targets; that reversed, or held at --gates.kl0;
    the loss of the labels; or a method by its name"""
    kl0: Positive = 0.1
    """the divergence that each sample is drawn to where it is held, in nats"""
    scaled_by: Literal["cost", "nothing"] = "cost"
    """whether gates that save more are closed sooner, α in the paper"""
    largest_of: Names = ("*",)
    """names of the layers among which the largest saving counts 1; what saves more counts 1, too"""
    start: Literal["teacher", "scratch"] = "teacher"
    """the weights that it begins with"""
    layers: Names = ("*",)
    """names of the layers whose inputs, or branches, get gates; * stands for anything"""
    training: Annotated[TrainingSettings, arg(name="")] = TrainingSettings()
    """how it is trained, at most"""


@dataclass(frozen=True, kw_only=True)
class Generations:
    """Networks in a row, each taught by the one before it."""

    most: Annotated[int, Above(0), AtMost(99)] = 3
    """how many of them, or how many at most"""
    until: Literal["most", "no-better"] = "most"
    """train all of them, or none after the first that does no better on validation than every one before it"""
