"""What a search has found: which channels are left, and the plain network of them."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from tutelage.compress.architecture import describe, slim
from tutelage.compress.gates import closed, fold_gates_
from tutelage.compress.structure.alive import alive
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.removal import without
from tutelage.compress.structure.smallest import unfed
from tutelage.copies import copy_of


def architecture_of(network: nn.Module, example: Tensor) -> dict[str, Any]:
    """The architecture that the closed gates of ``network`` leave, as ``describe`` gives it; it is not changed.

    The smaller network is held against the whole one. Raises ``ValueError`` as ``without`` does, for a network without
    gates, and for one of which so much is closed that an answer depends on nothing.
    """
    shut = closed(network)
    folded = fold_gates_(copy_of(network))
    channels = channels_of(folded, example)
    if starved := unfed(alive(channels, shut)):
        raise ValueError(
            f"The gates of {type(network).__name__} leave {starved[0]!r} nothing to read, so that it would answer the "
            "same to every sample; open one at least of each layer on the way to it."
        )
    without(folded, channels, shut)
    return describe(channels, shut)


def found(network: nn.Module, *, architecture: Mapping[str, Any]) -> nn.Module:
    """``network``, its gates folded into the weights and only what is in ``architecture`` left of it.

    For ``run.derive("found", found, of=…, architecture=architecture_of(…))``. It answers as the network with gates does
    unless a layer closed as a whole: what that answered to nothing is gone. Raises ``ValueError`` for a network without
    gates, else as ``slim`` does.
    """
    return slim(fold_gates_(network), architecture=architecture)
