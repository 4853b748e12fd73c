"""Layers whose weight is not what they compute with: gates of ours, weight and spectral norms, posteriors."""

from torch import nn

from tutelage.compress.posterior import has_posterior


def refuse_computed_weight(name: str, layer: nn.Module) -> None:
    """Raise ``ValueError`` for a layer that has no parameter ``weight`` of its own, with what makes it one."""
    refuse_uncertain_weight(name, layer)
    refuse_weight_of_others(name, layer)


def refuse_uncertain_weight(name: str, layer: nn.Module) -> None:
    """Raise ``ValueError`` for a layer that has a posterior: its weight is a mean, and has no zeros where that has."""
    if has_posterior(layer):
        raise ValueError(
            f"The weight of {name!r} is the mean of a posterior, which knows what of it is 0; make the network plain "
            f"before: tutelage.compress.compact.compacted(network)."
        )


def refuse_weight_of_others(name: str, layer: nn.Module) -> None:
    """Raise ``ValueError`` for a layer whose weight is computed from other tensors, with what makes it plain."""
    if "weight" not in layer._parameters:
        raise ValueError(
            f"The weight of {name!r} is computed from others already; make it plain before: fold its gates, or call "
            "torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight'), torch.nn.utils.prune.remove(layer, "
            "'weight'), or torch.nn.utils.remove_weight_norm (remove_spectral_norm) of the older kind."
        )
