"""Gates on the channels that layers read, and on the branches that are added: learnt, closed, folded into weights.

A layer that mixes channels is linear, so that a gate ``g_c`` on an input channel is one on the weights that read it:
``W (g ⊙ a) = (W diag g) a``. So it stands behind the norm and the rectification of what the layer reads, as it must:
before a norm it would be normalised away, and leave what the norm adds. A gate is a parametrisation of the weight: a
step costs a product with the weights and none with activations. Where a linear layer is to learn from a batch that has
fewer numbers than its weight, they are multiplied instead, by the same gates.

Huang & Wang, "Data-Driven Sparse Structure Selection for Deep Neural Networks", ECCV 2018, arXiv:1707.01213; Gu &
Tresp, "Search for Better Students to Learn Distilled Knowledge", 2020, arXiv:2001.11612.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.graph import Channels, Closed, Reader
from tutelage.keys import Build

_ORIGINAL = re.compile(r"\.parametrizations\.(\w+)\.original$")
_GATES = re.compile(r"\.parametrizations\.\w+\.\d+\.(gate|scale)$")
Where: TypeAlias = Callable[[str, nn.Module], bool]
"""A layer's name and the layer -> whether it gets gates: one for each channel that it reads, or one for its branch."""


class Gates(nn.Module):
    """``gate`` (n,), all 1 at first, and ``scale`` (n,), by how much a penalty of each is scaled: 1 until it is set.

    In float32 at least: next to 1, half precision knows no steps as small as theirs, so that none would ever close.
    """

    scale: Tensor

    def __init__(self, count: int, like: Tensor) -> None:
        super().__init__()
        ones = torch.ones(count, dtype=torch.promote_types(like.dtype, torch.float32), device=like.device)
        self.gate = nn.Parameter(ones)
        self.register_buffer("scale", ones.clone())


class InputGates(Gates):
    """``W diag(g)``: a gate for each channel that a layer reads, over all slots of its weight that belong to it."""

    slots: Tensor | None

    def __init__(self, reader: Reader, weight: Tensor) -> None:
        super().__init__(reader.gates, weight)
        self.shape = [-1 if dim == reader.axis else 1 for dim in range(weight.ndim)]
        each, rest = divmod(len(reader.slots), reader.gates)
        self.each = each if not rest and _is_in_runs(reader.slots, each) else 0
        slots = None if self.each else reader.slots.to(weight.device)
        self.register_buffer("slots", slots, persistent=False)
        self.is_read = False  # in this pass: what the layer reads was multiplied

    def forward(self, weight: Tensor) -> Tensor:
        if self.is_read:
            self.is_read = False
            return weight
        gate = self._of_slots().to(weight.dtype)
        return weight * (gate.view(self.shape) if self.shape[-1] == 1 else gate)

    def read(self, x: Tensor) -> Tensor:
        """What a linear layer reads (…, slots), multiplied in the place of its weight."""
        self.is_read = True
        return (x * self._of_slots()).to(x.dtype)

    def _of_slots(self) -> Tensor:
        if self.slots is not None:
            return self.gate[self.slots]
        return self.gate if self.each == 1 else self.gate[:, None].expand(-1, self.each).flatten()  # a sum's gradient


class BranchGate(Gates):
    """``g W`` and ``g b``: one gate for all that the last layer of a branch answers, a norm or one that mixes."""

    def __init__(self, like: Tensor) -> None:
        super().__init__(1, like)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate.to(x.dtype)


def everywhere(_name: str, _layer: nn.Module) -> bool:
    """Whatever can have gates."""
    return True


def named(name: str, _layer: nn.Module, *, patterns: Sequence[str]) -> bool:
    """Whether a layer's name ``fits`` one of ``patterns``."""
    return fits(name, patterns)


def fits(name: str, patterns: Sequence[str]) -> bool:
    """Whether ``name`` fits one of ``patterns``, in which ``*`` stands for anything: ``block*.conv1``."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def gate_(model: nn.Module, channels: Channels, where: Where = everywhere) -> None:
    """Put gates into ``model``, whose channels these are: on what layers read and on branches, as ``where`` chooses.

    Open ones change nothing, to the bit. The samples themselves are not gated: what reads them has gates only where it
    reads other channels, too. A branch that ends in a norm without weights, or a PReLU, has no gate
    of its own. Raises ``ValueError`` where there are gates already, and where ``where`` chooses nothing.
    """
    if gates_of(model):
        raise ValueError(f"{type(model).__name__} has gates already; fold_gates_ removes them.")
    possible = [name for name in channels.readers if name not in of_samples(channels)]
    ends = [name for name in channels.branches if _is_scaled_by_its_weights(model.get_submodule(name))]
    inputs, branches = (
        [name for name in names if where(name, model.get_submodule(name))] for names in (possible, ends)
    )
    if not inputs and not branches:
        raise ValueError(f"No layer was chosen for gates; {', '.join([*possible, *ends]) or 'none'} can have them.")
    for name in inputs:
        layer, reader = model.get_submodule(name), channels.readers[name]
        parametrize.register_parametrization(layer, "weight", InputGates(reader, _tensor(layer, "weight")))
        if type(layer).forward is nn.Linear.forward:
            layer.register_forward_pre_hook(_read_the_smaller)
    for name in branches:
        layer = model.get_submodule(name)
        gate = BranchGate(_tensor(layer, "weight"))
        for what in ("weight", "bias"):
            if getattr(layer, what) is not None:
                parametrize.register_parametrization(layer, what, gate)


def gated(build: Build, *, sample: Sequence[int], layers: Sequence[str] = ("*",)) -> nn.Module:
    """What ``build`` makes, with gates where layers' names fit one of the patterns ``layers``.

    ``sample`` is the size of a sample. A partial of this is how a stage builds the network that it searches in: all of
    it can be written down. Raises ``ValueError`` as ``channels_of`` and ``gate_`` do.
    """
    model = build()
    gate_(model, channels_of(model, torch.zeros(1, *sample)), partial(named, patterns=layers))
    return model


def gates_of(model: nn.Module) -> dict[str, Gates]:
    """The gates of ``model``, by their parameters' names; those of a branch once, wherever they work."""
    return {f"{name}.gate": module for name, module in model.named_modules() if isinstance(module, Gates)}


@torch.no_grad()
def fill_(model: nn.Module, start: nn.Module) -> None:
    """Give ``model``, which has gates, the weights and buffers of ``start``, which has none; gates stay as they are.

    Raises ``ValueError`` unless the two are of one architecture.
    """
    layers = {layer_of(name) for name in gates_of(model)}  # weights of others may be computed, too
    own = {}
    for name, x in model.state_dict().items():
        if layer_of(name) not in layers:
            own[name] = x
        elif not _GATES.search(name):
            own[_ORIGINAL.sub(r".\1", name)] = x
    given = start.state_dict()
    if strange := sorted(own.keys() ^ given.keys()) or [n for n, x in own.items() if x.shape != given[n].shape]:
        raise ValueError(
            f"The weights are those of another architecture than the network with gates: {strange[0]!r} differs; "
            f"build both alike."
        )
    for name, x in own.items():
        x.copy_(given[name])


def closed(model: nn.Module, values: Mapping[str, Tensor] = MappingProxyType({})) -> Closed:
    """What gates of exactly 0 close; those named in ``values`` are taken to have these values instead."""
    inputs, branches = {}, set()
    for name, gates in gates_of(model).items():
        layer, shut = layer_of(name), (values.get(name, gates.gate).detach() == 0).cpu()
        if isinstance(gates, InputGates):
            inputs[layer] = shut
        elif bool(shut):
            branches.add(layer)
    return Closed(inputs, frozenset(branches))


def fold_gates_(model: nn.Module) -> nn.Module:
    """``model``, its gates multiplied into the weights and gone: it answers what it answered, to the bit.

    Raises ``ValueError`` where there are none.
    """
    layers = {layer_of(name) for name in gates_of(model)}
    if not layers:
        raise ValueError(f"{type(model).__name__} has no gates to fold.")
    for name in layers:
        unparametrised_(model.get_submodule(name))
    return model


def layer_of(name: str) -> str:
    """The layer that a gate of this name belongs to."""
    return name.partition(".parametrizations.")[0]


def of_samples(channels: Channels) -> set[str]:
    """The layers that read nothing but the samples themselves: channels that no layer makes."""
    made = {channel for layer in channels.layers.values() for channel in layer.makes}
    return {name for name in channels.readers if made.isdisjoint(channels.layers[name].gates)}


@torch.no_grad()
def unparametrised_(layer: nn.Module) -> None:
    """Let ``layer`` have its computed tensors as plain parameters.

    Not by ``remove_parametrizations``: that changes the class, which copies of a layer have in common.
    """
    assert isinstance(layer.parametrizations, nn.ModuleDict)
    folded = {}
    for what, made in layer.parametrizations.items():
        folded[what] = nn.Parameter(getattr(layer, what), requires_grad=bool(made.original.requires_grad))
    for number in [n for n, hook in layer._forward_pre_hooks.items() if hook is _read_the_smaller]:
        del layer._forward_pre_hooks[number]
    del layer._modules["parametrizations"]
    layer.__class__ = type(layer).__bases__[0]
    rest = {name: layer._parameters.pop(name) for name in list(layer._parameters)}
    for what, parameter in {**folded, **rest}.items():
        layer.register_parameter(what, parameter)


def _read_the_smaller(layer: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    """What ``layer`` reads times its gates, where that is less than its weight and a gradient is wanted.

    Without one, the answer is that of the folded layer, to the bit.
    """
    made = layer.parametrizations.weight  # type: ignore[union-attr]
    assert isinstance(made, parametrize.ParametrizationList) and isinstance(made.original, Tensor)
    if not arguments or not torch.is_grad_enabled() or arguments[0].numel() >= made.original.numel():
        return None  # nor of what is handed over by its name
    gates = next(module for module in made if isinstance(module, InputGates))
    return (gates.read(arguments[0]),)


def _is_scaled_by_its_weights(layer: nn.Module) -> bool:
    """Whether its answer is as many times as large as its weight and bias: not of a norm without, nor of a PReLU."""
    return not isinstance(layer, nn.PReLU) and layer.weight is not None


def _is_in_runs(slots: Tensor, each: int) -> bool:
    return torch.equal(slots.cpu(), torch.arange(len(slots), device="cpu") // max(each, 1))


def _tensor(layer: nn.Module, what: str) -> Tensor:
    tensor = getattr(layer, what)
    assert isinstance(tensor, Tensor)
    return tensor
