"""A finished variational network as a plain one: what is noise is 0, exactly, and nothing is drawn any more."""

from collections.abc import Sequence

import torch
from torch import nn

from tutelage.compress.computed_weight import refuse_weight_of_others
from tutelage.compress.variational import BECOMES, Variational, called, variational_layers
from tutelage.compress.weights_read import unwatch_
from tutelage.copies import copy_of

PLAIN = {variational: plain for plain, variational in BECOMES.items()}


def compacted(model: nn.Module, *, beta: float = 1.0, may_be_empty: Sequence[str] = ()) -> nn.Module:
    """A plain copy of ``model`` in eval mode, with the posterior's means as weights: bit for bit the same answers.

    What has log α at or above its layer's threshold is 0. ``beta`` is what the KL counted at last, for messages.

    Raises ``ValueError`` for a network without variational layers; where a mean or variance is no number; and where
    nothing is left of a layer, which then answers the same to everything: unless ``may_be_empty`` names it, because a
    shortcut leads around it. So it does where a weight has come to be computed from others.
    """
    for name, layer in variational_layers(model):
        refuse_weight_of_others(name, layer)
    copy = unwatch_(copy_of(model)).eval()
    layers = list(variational_layers(copy))
    if not layers:
        raise ValueError(f"{type(model).__name__} has no variational layer, so there is nothing to be dropped from it.")
    names = [name for name, _ in layers]
    if strange := sorted({*may_be_empty} - {*names}):
        raise ValueError(f"may_be_empty names variational layers, {', '.join(map(repr, names))}; got {strange[0]!r}.")
    for name, layer in layers:
        _refuse_no_numbers(name, layer)
        if not (name in may_be_empty or _left(layer)):
            raise ValueError(
                f"Nothing is left of {called(name)}: log α of all its {layer.posterior.things} is "
                f"{layer.posterior.threshold:g} or more, at β = {beta:g}. Let the KL begin later or count less, or "
                f"name the layer in may_be_empty if a shortcut leads around it."
            )
        _plain_(layer)
    return copy


def emptied(model: nn.Module) -> list[str]:
    """The variational layers of ``model`` of which nothing is left."""
    return [name for name, layer in variational_layers(model) if not _left(layer)]


def _left(layer: Variational) -> bool:
    noise = layer.posterior.log_alpha(layer.weight) >= layer.posterior.threshold
    return not (noise.numel() and bool(noise.all()))  # what is no number is no noise: it is refused for what it is


@torch.no_grad()
def _plain_(layer: Variational) -> None:
    weight = layer.posterior.mean(layer.weight)
    layer.weight = nn.Parameter(weight, layer.weight.requires_grad)
    del layer.posterior
    layer.__class__ = PLAIN[type(layer)]  # type: ignore[assignment]


def _refuse_no_numbers(name: str, layer: Variational) -> None:
    for what, x in layer.named_parameters():
        if x.is_meta:
            raise ValueError(f"Weights on meta hold no values, such as {what!r} of {called(name)}; load them first.")
        if bad := int((~x.isfinite()).sum()):
            raise ValueError(
                f"{bad} of {x.numel()} numbers of {what!r} in {called(name)} are not finite: its training went astray; "
                f"lower the learning rate, or begin with a smaller log variance."
            )
