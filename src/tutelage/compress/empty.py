"""Units and channels of a network with zeros that carry nothing: what they add is folded, and they are taken out."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from tutelage.compress.architecture import channels_like, describe, read_back
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.graph import Channels, Closed, Reader
from tutelage.compress.structure.layers import axis_of, groups_of, weight_axis
from tutelage.compress.structure.links import links
from tutelage.compress.structure.removal import narrowed, without
from tutelage.copies import copy_of
from tutelage.measures.predict import device_of
from tutelage.models.watch import tensors_in


def architecture_of_filled(model: nn.Module, example: Tensor) -> dict[str, Any]:
    """What is left of ``model`` without the channels that carry nothing, as ``describe`` gives it; it is not changed.

    A channel goes that nobody reads, because all weights that read it are 0, and with it what nobody else reads. So
    does one that says the same to every sample, because all weights that make it are 0: see ``fold_constants_``. A
    layer that reads nothing at all stays where it is read itself. ``example`` is one sample or more, (N, …).

    Raises ``ValueError`` as ``channels_of`` and ``without`` do.
    """
    channels = channels_of(model, example)
    plain = fold_constants_(copy_of(model), channels)
    unread = {name: _unread(plain, reader) for name, reader in channels.readers.items()}
    shut = Closed({name: gates for name, gates in unread.items() if not bool(gates.all())})
    without(plain, channels, shut)  # which holds both against each other
    return describe(channels, shut)


def filled(network: nn.Module, *, architecture: Mapping[str, Any]) -> nn.Module:
    """``network`` in eval mode, its constants folded and only what is in ``architecture`` left: the same answers.

    For ``run.derive("removed", filled, of=…, architecture=architecture_of_filled(…))``. The same but for rounding,
    since constants are added in another order. Raises ``ValueError`` as ``slim`` does.
    """
    channels = channels_like(network, architecture)
    return narrowed(fold_constants_(network, channels), channels, read_back(channels, architecture))


@torch.no_grad()
def fold_constants_(model: nn.Module, channels: Channels) -> nn.Module:
    """``model`` in eval mode, its constant channels no longer read: what they add is in the biases of who read them.

    Constant is a channel that is the same for every sample, because all weights that make it are 0; the weights that
    read it become 0, too. One that is not 0 itself stays where its reader has no bias, or pads with zeros, or is
    transposed: at the edges it adds less.
    """
    model.eval()
    for name, seen in _constants_seen(model, channels).items():
        layer, reader = model.get_submodule(name), channels.readers[name]
        weight, of = layer.get_parameter("weight"), channels.layers[name].gates
        for gate, value in seen.items():
            is_zero = not bool(value.any())
            if not (is_zero or _adds_alike(layer)) or not _is_made_of_nothing(model, channels, of[gate]):
                continue
            slots = (reader.slots == gate).nonzero().flatten().to(weight.device)
            if not is_zero:
                read = weight.index_select(reader.axis, slots).flatten(2) if weight.ndim > 2 else weight[:, slots, None]
                layer.get_parameter("bias").add_(torch.einsum("osk,s->o", read, value))
            weight.index_fill_(reader.axis, slots, 0.0)
    return model


def _constants_seen(model: nn.Module, channels: Channels) -> dict[str, dict[int, Tensor]]:
    """By reader, in their order, and gate: what its slots see, (slots,), where that is one value in all of a batch."""
    found: dict[str, dict[int, Tensor]] = {name: {} for name in channels.readers}

    def note(reader: Reader, layer: nn.Module, args: Any, kwargs: Any) -> None:
        x = next(tensors_in([*args, *kwargs.values()]))
        rows = x.movedim(axis_of(layer), 0).flatten(1)  # (slots, samples and places)
        alike, slots = (rows == rows[:, :1]).all(1).cpu(), reader.slots.repeat(groups_of(layer))
        for gate in range(reader.gates):
            own = slots == gate
            if bool(alike[own].all()):
                found[reader.name][gate] = rows[own.to(rows.device), 0]

    hooks = [
        model.get_submodule(name).register_forward_pre_hook(partial(note, reader), with_kwargs=True)
        for name, reader in channels.readers.items()
    ]
    try:
        model(channels.example().to(device_of(model)))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _unread(model: nn.Module, reader: Reader) -> Tensor:
    """Which of its gates all weights that read them are 0 for, bool (gates,)."""
    weight = model.get_submodule(reader.name).get_parameter("weight").detach()
    zero = (weight.movedim(reader.axis, 0).flatten(1) == 0).all(1).cpu()
    read = torch.zeros(reader.gates, dtype=torch.bool, device="cpu")
    read[reader.slots[~zero]] = True
    return ~read


def _is_made_of_nothing(model: nn.Module, channels: Channels, channel: int) -> bool:
    """Whether all weights are 0 that make it, or that make what it is made of one to one."""
    makers = links(channels).made_by.get(channel, ())
    for name, place in makers:
        layer, module = channels.layers[name], model.get_submodule(name)
        if layer.mixing:
            if bool(module.get_parameter("weight").select(1 - weight_axis(module), place).any()):
                return False
        elif layer.gates[place] != channel and not _is_made_of_nothing(model, channels, layer.gates[place]):
            return False
    return bool(makers) and not channels.stays[channel]


def _adds_alike(layer: nn.Module) -> bool:
    """Whether a constant adds the same to each place of what it answers, and there is a bias to hold that."""
    if layer.bias is None or isinstance(layer, _ConvTransposeNd) or groups_of(layer) > 1:
        return False
    if not isinstance(layer, _ConvNd) or layer.padding_mode != "zeros":
        return True
    return layer.padding == "valid" or not any(layer.padding)
