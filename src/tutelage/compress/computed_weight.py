"""Layers whose weight is computed from other parameters: by gates of ours, or by weight and spectral norms."""

from torch import nn


def refuse_computed_weight(name: str, layer: nn.Module) -> None:
    """Raise ``ValueError`` for a layer that has no parameter ``weight`` of its own, with what makes it one."""
    if "weight" not in layer._parameters:
        raise ValueError(
            f"The weight of {name!r} is computed from others already; make it plain before: fold its gates, or call "
            "torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight'), or torch.nn.utils.remove_weight_norm "
            "(remove_spectral_norm) of the older kind."
        )
