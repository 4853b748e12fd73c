"""Channels taken out of a network's layers, in place: weights sliced, and plain modules where nothing is left."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tutelage.compress.structure.alive import Alive
from tutelage.compress.structure.graph import Layer
from tutelage.compress.structure.ids import places
from tutelage.compress.structure.layers import axis_of, counts, groups_of, set_counts_, sizes_of, weight_axis
from tutelage.compress.structure.plain import Blank, Select, Selecting, Zero

T = TypeVar("T", bound=nn.Module)


def cut_(model: nn.Module, state: Alive) -> None:
    """Take out of ``model`` what is not alive. Raises ``ValueError`` for a network that has other layers."""
    layers = state.channels.layers
    modules = {name: _module(model, layer) for name, layer in layers.items()}
    new = {modules[name]: _cut(modules[name], layer, state) for name, layer in layers.items()}
    for name, seen in state.channels.pools.items():
        if all(channel < 0 or state.dead[channel] for channel in seen):
            pool = model.get_submodule(name)
            new[pool] = Blank(0, 1, sizes_of(pool))
    replace_(model, {old: x for old, x in new.items() if x is not old})


def replace_(model: nn.Module, new: Mapping[nn.Module, nn.Module]) -> None:
    """Put modules in the place of others, under every name that those have, and in their mode."""
    for module in list(model.modules()):
        for name, child in module._modules.items():
            if child in new and child is not None:
                module._modules[name] = new[child].train(child.training)


def blank(layer: nn.Module, channels: int, bias: nn.Parameter | None = None) -> Blank:
    """What answers as many channels in the place of ``layer``, and reads nothing."""
    return _instead(layer, Blank(channels, axis_of(layer), sizes_of(layer), bias))


def _instead(layer: nn.Module, plain: T) -> T:
    """``plain``, which stands for ``layer``: code may look at the type of its weight, so it has an empty one."""
    plain.register_buffer("weight", layer.get_parameter("weight").detach().new_empty(0), persistent=False)
    return plain


def _module(model: nn.Module, layer: Layer) -> nn.Module:
    name = layer.part.name
    try:
        module = model.get_submodule(name)
    except AttributeError:
        raise ValueError(f"The channels are another network's: there is no layer {name!r} in this one.") from None
    if hasattr(module, "parametrizations"):
        raise ValueError(
            f"The weight of {name!r} is computed from others; fold its gates before channels are taken out."
        )
    expected = (len(layer.slots), len(layer.makes))
    if not hasattr(module, "weight") or counts(module) != expected:
        raise ValueError(f"The channels are another network's: {name!r} does not make {expected[1]} of {expected[0]}.")
    return module


def _cut(module: nn.Module, layer: Layer, state: Alive) -> nn.Module:
    """The narrower layer: ``module`` itself, changed, where it still has something to do."""
    name = layer.part.name
    there = [slot for slot, gate in enumerate(layer.slots) if not state.dead[layer.gates[gate]]]
    makes = [place for place, channel in enumerate(layer.makes) if not state.dead[channel]]
    if state.closed[name]:
        return blank(module, len(makes)) if layer.overwritten else _instead(module, Zero())
    reads = [slot for slot in there if state.opened[name][layer.slots[slot]]] if layer.mixing else makes
    if not reads or not makes:
        return blank(module, len(makes), _bias(module, makes) if layer.mixing else None)
    _slice_(module, reads, makes, mixing=layer.mixing)
    if len(reads) == len(there):
        return module
    place = {slot: number for number, slot in enumerate(there)}
    groups = range(groups_of(module))
    select = Select([group * len(there) + place[slot] for group in groups for slot in reads], axis_of(module))
    return Selecting(OrderedDict([("select", select), (_word(module), module)]))


def _slice_(module: nn.Module, reads: Sequence[int], makes: Sequence[int], *, mixing: bool) -> None:
    if len(reads) < counts(module)[0] or len(makes) < counts(module)[1]:
        inputs = weight_axis(module) if mixing else 1
        for name, p in list(module._parameters.items()):
            if p is not None:
                p = _part(p, 1 - inputs if p.ndim > 1 else 0, makes)
                module._parameters[name] = _part(p, inputs, reads) if mixing and name == "weight" else p
        for name, x in list(module._buffers.items()):
            if x is not None and x.ndim:
                module._buffers[name] = x[places(makes, x.device)]
        set_counts_(module, len(reads), len(makes))


def _bias(module: nn.Module, makes: Sequence[int]) -> nn.Parameter | None:
    bias = module._parameters.get("bias")
    return None if bias is None or not makes else _part(bias, 0, makes)


def _part(p: Tensor, axis: int, index: Sequence[int]) -> nn.Parameter:
    chosen = p.detach().index_select(axis, places(index, p.device))
    if p.ndim == 4 and p.is_contiguous(memory_format=torch.channels_last):
        chosen = chosen.contiguous(memory_format=torch.channels_last)
    return nn.Parameter(chosen, requires_grad=p.requires_grad)


def _word(module: nn.Module) -> str:
    if isinstance(module, _BatchNorm):
        return "norm"
    return {nn.Linear: "linear", nn.PReLU: "prelu"}.get(type(module), "conv")
