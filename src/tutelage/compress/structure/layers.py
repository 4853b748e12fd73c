"""Layers that make channels of others, and layers that work on each channel alone: what is known of them."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any

from torch import Size, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from tutelage.compress.structure.plain import Sizes, grown, resized, shrunk

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
ADAPTIVE = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
"""Those that refuse maps of no channels; adaptive means do not."""
KINDS = (nn.Linear, *CONVOLUTIONS, *TRANSPOSED, *NORMS, nn.PReLU)
INNER = ("forward", "_conv_forward")


def mixes(layer: nn.Module) -> bool:
    """Whether each of its outputs reads all of its input channels, or all those of its group of channels."""
    if isinstance(layer, _ConvNd):
        return layer.groups == 1 or not (is_channelwise(layer) or isinstance(layer, _ConvTransposeNd))
    return isinstance(layer, nn.Linear)


def groups_of(layer: nn.Module) -> int:
    """In how many groups of channels a layer mixes: an index of its weight's input axis reads one channel of each."""
    return layer.groups if isinstance(layer, _ConvNd) and mixes(layer) else 1


def is_channelwise(layer: nn.Module) -> bool:
    """Whether it makes of each channel one, with weights for each."""
    depthwise = isinstance(layer, _ConvNd) and layer.groups == layer.in_channels == layer.out_channels > 1
    return depthwise or isinstance(layer, _BatchNorm) or (isinstance(layer, nn.PReLU) and layer.num_parameters > 1)


def is_weighted(module: nn.Module) -> bool:
    """Whether it has weights of its own that are worth a word: a matrix, or a number for each channel of a layer."""
    return mixes(module) or is_channelwise(module) or any(p.ndim > 1 for p in module.parameters(recurse=False))


def obstacle(layer: nn.Module, owners: Counter[int]) -> str:
    """Why channels cannot be taken out of a layer of its own weights, "" where they can.

    ``owners`` counts the modules that hold a parameter, by its ``id``.
    """
    if not isinstance(layer, KINDS):
        return f"a {type(layer).__name__} is no linear layer, convolution or batch norm"
    kind = next(kind for kind in KINDS if isinstance(layer, kind))
    if any(getattr(type(layer), name, None) is not getattr(kind, name, None) for name in INNER):
        return f"a {type(layer).__name__} has a forward of its own"
    if layer._forward_hooks or layer._forward_pre_hooks:
        return "a hook is registered on it"
    if hasattr(layer, "parametrizations") or ("weight" in layer.__dict__):
        return "its weight is computed from others"
    if any(owners[id(p)] > 1 for p in layer.parameters(recurse=False)):
        return "its weights are another layer's, too"
    if isinstance(layer, _ConvNd) and not mixes(layer) and not is_channelwise(layer):
        return f"a {type(layer).__name__} in {layer.groups} groups of channels is not followed"
    return ""


def axis_of(layer: nn.Module) -> int:
    """The dimension in which its channels lie, in what it takes and in what it answers."""
    if isinstance(layer, nn.Linear):
        return -1
    return -1 - len(layer.kernel_size) if isinstance(layer, _ConvNd) else 1


def weight_axis(layer: nn.Module) -> int:
    """The dimension of its weight that has an index for each channel that it reads."""
    return 0 if isinstance(layer, _ConvTransposeNd) else 1


def counts(layer: nn.Module) -> tuple[int, int]:
    """How many channels, or inputs, it takes in each of its groups, and how many it makes in all."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    if isinstance(layer, _ConvNd):
        return layer.in_channels // groups_of(layer), layer.out_channels
    number = layer.num_features if isinstance(layer, _BatchNorm) else layer.num_parameters
    return int(number), int(number)  # type: ignore[arg-type]


def set_counts_(layer: nn.Module, inputs: int, outputs: int) -> None:
    """Let it say that it takes and makes so many: ``counts`` are these from now on."""
    if isinstance(layer, nn.Linear):
        layer.in_features, layer.out_features = inputs, outputs
    elif isinstance(layer, _ConvNd):
        groups = groups_of(layer)
        layer.groups = groups if mixes(layer) else outputs
        layer.in_channels, layer.out_channels = inputs * groups, outputs
    elif isinstance(layer, _BatchNorm):
        layer.num_features = outputs
    else:
        layer.num_parameters = outputs  # type: ignore[assignment]


def macs_each(layer: nn.Module, taken: Size, made: Size) -> int:
    """Multiplications for one channel made of one that is read, of all samples, given the shapes of both tensors."""
    if not isinstance(layer, _ConvNd | nn.Linear):
        return 0
    axis = axis_of(layer)
    shape = taken if isinstance(layer, _ConvTransposeNd) else made
    places = prod(shape[:axis]) * prod(shape[axis % len(shape) + 1 :])
    return places * (prod(layer.kernel_size) if isinstance(layer, _ConvNd) else 1)


def sizes_of(layer: nn.Module) -> Sizes:
    """What a convolution or pooling does to the sizes of a map."""
    if isinstance(layer, _ConvNd):
        if layer.padding == "same":
            return list
        pad = (0,) * len(layer.kernel_size) if layer.padding == "valid" else layer.padding
        steps: dict[str, Any] = {"kernel": layer.kernel_size, "stride": layer.stride, "padding": pad}
        if isinstance(layer, _ConvTransposeNd):
            return partial(grown, **steps, dilation=layer.dilation, extra=layer.output_padding)
        return partial(shrunk, **steps, dilation=layer.dilation)
    if isinstance(layer, ADAPTIVE):
        return partial(resized, to=_repeated(layer.output_size, dimensions(layer)))
    if isinstance(layer, POOLS):
        words = {"kernel": "kernel_size", "stride": "stride", "padding": "padding", "dilation": "dilation"}
        steps = {key: _repeated(getattr(layer, name, 1), dimensions(layer)) for key, name in words.items()}
        return partial(shrunk, **steps, rounds_up=layer.ceil_mode)
    return list


def dimensions(pool: nn.Module) -> int:
    """How many sizes of a map a pooling works on: 1, 2 or 3."""
    kinds = POOLS if isinstance(pool, POOLS) else ADAPTIVE
    return 1 + next(place for place, kind in enumerate(kinds) if isinstance(pool, kind)) % 3


def _repeated(number: Any, size: int) -> tuple[Any, ...]:
    return tuple(number) if isinstance(number, Sequence) else (number,) * size
