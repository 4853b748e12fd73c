"""What speech's recipes ask of an acoustic model and of the recordings.

The paper says how large its nets are, and nothing of FSDD's 3,000 recordings, of which it takes smaller ones: rates,
epochs and states are those that did best on the validation speaker, nets of 2 × 512 units better than deeper ones.
A student of soft targets gains from more epochs than labels alone do, and so has more of them.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias

from tyro.conf import arg

from tutelage.study.bounds import Above, AtLeast, AtMost, Names
from tutelage.study.settings import TrainingSettings

PLAIN = TrainingSettings(epochs=4, batch_size=256, lr=5e-4, schedule="cosine", optimizer="adam", weight_decay=0.0)

Layers: TypeAlias = Annotated[int, Above(0), AtMost(100)]
"""How many hidden layers there are."""
Units: TypeAlias = Annotated[int, Above(0), AtMost(10**5)]
"""The width of a hidden layer."""


@dataclass(frozen=True, kw_only=True)
class Net:
    """Hidden layers of rectified linear units, and how they are trained."""

    layers: Layers = 8
    """how many hidden layers it has"""
    units: Units = 2560
    """width of each hidden layer"""
    training: Annotated[TrainingSettings, arg(name="")] = PLAIN
    """how it is trained"""


@dataclass(frozen=True, kw_only=True)
class Speech:
    """The recordings, who said them, and what their frames are called."""

    name: Literal["fsdd", "synthetic"] = "fsdd"
    """the recordings of FSDD, or hummed tunes for a run of seconds"""
    test: Names = ("theo", "yweweler")
    """speakers that are heard once, at the end"""
    validation: Names = ("nicolas",)
    """speakers by whom an epoch is chosen; those who are left are trained on"""
    states: Annotated[int, Above(0), AtMost(12)] = 6
    """how many states a word has, one after the other"""
    rounds: Annotated[int, AtLeast(0), AtMost(100)] = 6
    """rounds of alignment after a start in equal parts; 0 keeps the equal parts"""


NET = Net(training=replace(PLAIN, lr=1e-4))
TAUGHT = replace(PLAIN, epochs=20)
SPEECH = Speech()
HUMMED = Speech(name="synthetic", test=("dee",), validation=("cid",), states=3, rounds=2)


def with_training(net: Net, **changes: object) -> Net:
    """``net`` with other settings of its training."""
    return replace(net, training=replace(net.training, **changes))  # type: ignore[arg-type]  # the fields' own types
