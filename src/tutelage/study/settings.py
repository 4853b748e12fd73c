"""temporary"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg


@dataclass(frozen=True)
class Above:
    least: float


@dataclass(frozen=True)
class AtLeast:
    least: float


@dataclass(frozen=True)
class Within:
    low: float
    high: float


Count = Annotated[int, Above(0)]
Positive = Annotated[float, Above(0)]
Share = Annotated[float, Within(0, 1)]
NotNegative = Annotated[float, AtLeast(0)]
Number = Annotated[int, AtLeast(0)]


@dataclass(frozen=True, kw_only=True)
class Training:
    epochs: Count = 240
    batch_size: Count = 64
    lr: Positive = 0.05
    schedule: Literal["steps", "one-cycle", "cosine"] = "steps"
    optimizer: Literal["sgd", "nesterov", "adam"] = "sgd"
    weight_decay: NotNegative = 5e-4


@dataclass(frozen=True, kw_only=True)
class Network:
    name: str
    layers: tuple[str, ...] = ()
    views: Annotated[int, Within(0, 162)] = 0
    training: Annotated[Training, arg(name="")] = Training()


@dataclass(frozen=True, kw_only=True)
class TeacherNetwork(Network):
    weights: Path | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Images:
    name: Literal["cifar100", "cifar10", "synthetic"] = "cifar100"
    validation: Number = 5000
    cache_views: Number = 16


def refuse_nonsense(recipe: Any, arguments: Any) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Which rules make one gradient of several losses, and how they are watched."""

    names: tuple[str, ...] = ("all",)
    """names of rules, torchjd's ('CAGrad(c=0.5)', …) included, or all of our own; the sum is always there"""
    look_every: Count = 50
    """how often gradients are compared, in steps"""
    time_ratio: Annotated[float, Above(0)] = 2.8
    """how many times as long as the sum's a step of a rule takes; 1 leaves out the student with more time"""
