"""The first stage of FitNets as settings ask for it: which layers guide which, and by what loss."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from tutelage.methods.pair import Pair
from tutelage.objective import Objective
from tutelage.schemes.hints import attended, hint_terms

LOSSES: Mapping[str, dict[str, Any]] = {"regressor": {}, "attention": {"match": attended, "weight": 1000.0}}
"""What ``hinted`` is told of each loss, at its published weight; the regressor is what it takes untold."""

CITED = {
    "regressor": "tutelage.losses.hint:half_squares_by_place",
    "attention": "tutelage.losses.attention:attention_maps",
}
"""Where each is defined."""


def guidance(pair: Pair, *, loss: str, layers: str) -> Objective:
    """The first stage as a method, so that what it reads and compares can be tried before anything is trained."""
    return hint_terms(*layers_of(pair, layers), **LOSSES[loss])


def layers_of(pair: Pair, which: str) -> tuple[str | tuple[str, ...], str | tuple[str, ...]]:
    """The student's guided layers and the teacher's hints: the ``middle`` one of each, or ``all`` of them."""
    guided, hint = pair.of_student.maps, pair.of_teacher.maps
    middle = len(guided) // 2
    return (guided[middle], hint[middle]) if which == "middle" else (guided, hint)


def in_words(layers: str | Sequence[str]) -> str:
    """The layers by their names."""
    return layers if isinstance(layers, str) else ", ".join(layers)


def depth_of(network: nn.Module) -> int:
    """How many convolutions and linear layers a network has."""
    return sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in network.modules())
