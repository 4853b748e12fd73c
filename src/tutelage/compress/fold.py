"""Batch norms of a finished network, folded into the layers before them."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, TypeAlias
from weakref import ref

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tutelage.copies import copy_of, learning
from tutelage.taps import AS_IT_IS, OUTPUT, Read, Tapped

Linear: TypeAlias = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
Norm: TypeAlias = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
Rectifier: TypeAlias = nn.ReLU | nn.ReLU6
LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
RECTIFIERS = (nn.ReLU, nn.ReLU6)


def fold(
    model: nn.Module,
    call: Callable[[nn.Module], object],
    keep: Iterable[str] = (),
    read: Mapping[str, Read] = AS_IT_IS,
) -> nn.Module:
    r"""A copy of ``model`` for inference, in which layers do the work of the batch norms that directly follow them.

    With ``a = γ / √(σ² + ε)`` of the norm, a convolution or linear layer gets ``W' = a W`` and ``b' = a (b − μ) + β``,
    computed in float64, and an ``nn.Identity`` takes the norm's place: the same outputs up to rounding. A ReLU that is
    the only reader of what it is given works in place, with the same outputs to the bit. The copy is in eval mode and
    wants no gradients; ``model`` is not touched.

    What follows what is seen in one pass, not read from names: ``call`` runs the network it is given once, on inputs
    of your choice (two samples do). A norm is folded if all it ever gets is what one layer puts out, and nobody else
    reads that: no other layer, no operation, no caller, and nobody who taps. ``keep`` lists what will be tapped, as in
    ``Tapped``, with ``read``; it then shows what it showed before. Left as they are: norms that use the statistics of
    the batch, norms before a layer, layers and norms with hooks, with a ``forward`` of their own, with weights that
    are computed, or with some that code reads past them. What runs on other inputs only is not seen.

    Raises ``ValueError``, as ``Tapped`` does, for an address in ``keep`` that cannot be tapped.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
    >>> x = torch.randn(2, 3, 5, 5)
    >>> fold(net, lambda net: net(x))[:2]
    Sequential(
      (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
      (1): Identity()
    )
    >>> isinstance(fold(net, lambda net: net(x), keep=["1:input"])[1], nn.BatchNorm2d)
    True
    """
    copy = learning(copy_of(model).eval(), False)
    trace = _traced(copy, call, keep, read)
    pairs = trace.pairs()
    for norm, layer in pairs.items():
        _fold_(layer, norm)
    for rectifier in trace.sole_readers():
        rectifier.inplace = True
    for module in list(copy.modules()):
        for name, child in module._modules.items():  # under every name that it has
            if child in pairs:
                module._modules[name] = _nothing(child)
    return copy


class _Output:
    """A tensor that ``layer`` put out, or an operation, and who read it: norms, ReLUs, ``None`` for anybody else."""

    def __init__(self, layer: Linear | None, tensor: Tensor) -> None:
        self.layer = layer
        self.tensor = ref(tensor)  # whoever holds it when all is over was somebody else
        self.readers: list[Norm | Rectifier | None] = []

    def is_read_by(self, reader: Norm | Rectifier) -> bool:
        return self.readers == [reader] and self.tensor() is None


class _Trace(TorchDispatchMode):
    """Sees every operation, what it makes and what it reads, and, by hooks, whether a norm or a ReLU does it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.outputs: dict[Linear, list[_Output]] = {}
        self.given: dict[Norm, list[Linear | None]] = {}
        self.rectified: dict[Rectifier, list[_Output | None]] = {}
        self.shown: list[object] = []
        self.read: set[nn.Module] = set()  # whose weights somebody else reads
        self.owners: dict[int, set[nn.Module]] = {}  # by a weight's id
        self._running: list[nn.Module] = []
        self._latest: dict[int, _Output] = {}  # by the tensor's id, which another may have after its death
        self._reading: _Output | None = None

    def pairs(self) -> dict[Norm, Linear]:
        """Norm -> the layer that it alone reads."""
        pairs = {
            norm: layers[0] for norm, layers in self.given.items() if layers[0] is not None and len({*layers}) == 1
        }
        pairs = {n: layer for n, layer in pairs.items() if self.read.isdisjoint((n, layer))}
        return {n: layer for n, layer in pairs.items() if all(x.is_read_by(n) for x in self.outputs[layer])}

    def sole_readers(self) -> list[Rectifier]:
        """ReLUs that alone read what was made for them, whenever they ran."""
        found = self.rectified.items()
        return [relu for relu, given in found if all(x is not None and x.is_read_by(relu) for x in given)]

    def find(self, x: object) -> _Output | None:
        output = self._latest.get(id(x))
        return output if output is not None and output.tensor() is x else None

    def own(self, module: nn.Module) -> None:
        """``module`` may be folded, unless others read its weights."""
        for x in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            self.owners.setdefault(id(x), set()).add(module)

    def layer_begins(self, layer: Linear, _args: Any) -> None:
        self._running.append(layer)

    def layer_ran(self, layer: Linear, _args: Any, output: Tensor) -> None:
        self._running.pop()
        traced = self._latest[id(output)] = _Output(layer, output)
        self.outputs.setdefault(layer, []).append(traced)

    def norm_begins(self, norm: Norm, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        self._running.append(norm)
        x = next(iter((*args, *named.values())))
        self._reading = output = self._read_by(norm, x)
        # A linear layer's (N, L, C) is normed over L, not over what the layer puts out.
        layer = None if output is None else output.layer
        self.given.setdefault(norm, []).append(layer if layer is not None and x.ndim == layer.weight.ndim else None)

    def rectifier_begins(self, rectifier: Rectifier, args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        self._reading = self._read_by(rectifier, next(iter((*args, *named.values()))))
        self.rectified.setdefault(rectifier, []).append(self._reading)

    def norm_ran(self, norm: Norm, args: Any, output: Tensor) -> None:
        self._running.pop()
        self.reader_ran(norm, args, output)

    def reader_ran(self, _reader: Norm | Rectifier, _args: Any, _output: Tensor) -> None:
        self._reading = None

    def _read_by(self, reader: Norm | Rectifier, x: object) -> _Output | None:
        if (output := self.find(x)) is not None:
            output.readers.append(reader)
        return output

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        for x in given:
            owners = self.owners.get(id(x), set())
            if owners.isdisjoint(self._running):
                self.read |= owners
            output = self.find(x)
            if output is not None and output is not self._reading:
                output.readers.append(None)
        result = func(*args, **(kwargs or {}))
        memory = {x.untyped_storage().data_ptr() for x in given}
        for y in tree_leaves(result):
            if isinstance(y, Tensor) and y.untyped_storage().data_ptr() not in memory:  # no view, nothing in place
                self._latest[id(y)] = _Output(None, y)
        return result


@torch.no_grad()
def _traced(
    model: nn.Module, call: Callable[[nn.Module], object], keep: Iterable[str], read: Mapping[str, Read]
) -> _Trace:
    """One pass of ``model`` that answers what is kept, seen from beginning to end."""
    trace, activations = _Trace(), []
    with ExitStack() as stack:
        for module in model.modules():
            if _can_take(module):
                trace.own(module)
                stack.callback(module.register_forward_pre_hook(trace.layer_begins).remove)
                stack.callback(module.register_forward_hook(trace.layer_ran).remove)
            elif _can_go(module):
                trace.own(module)
                stack.callback(module.register_forward_pre_hook(trace.norm_begins, with_kwargs=True).remove)
                stack.callback(module.register_forward_hook(trace.norm_ran).remove)
            elif isinstance(module, RECTIFIERS) and _is_plain(module, RECTIFIERS):
                stack.callback(module.register_forward_pre_hook(trace.rectifier_begins, with_kwargs=True).remove)
                stack.callback(module.register_forward_hook(trace.reader_ran).remove)
        tapped = Tapped(model, {*keep, OUTPUT}, read)
        stack.callback(tapped.untap)
        tapped.register_forward_hook(lambda _tapped, _args, result: activations.append(result))
        with trace:
            call(tapped)
    trace.shown = activations  # while it lives, what is tapped, or put out by the model, has a reader
    return trace


def _can_take(module: nn.Module) -> bool:
    return isinstance(module, LINEAR) and "weight" in module._parameters and _is_plain(module, LINEAR)


def _can_go(module: nn.Module) -> bool:
    return isinstance(module, NORMS) and _is_plain(module, NORMS) and not _uses_batch(module)


def _is_plain(module: nn.Module, kinds: tuple[type[nn.Module], ...]) -> bool:
    return type(module).forward in {kind.forward for kind in kinds} and not _hooked(module)


def _uses_batch(norm: Norm) -> bool:
    return norm.training or norm.running_mean is None


def _hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


def _fold_(layer: Linear, norm: Norm) -> None:
    mean, variance, weight = norm.running_mean, norm.running_var, layer.weight.double()
    assert mean is not None and variance is not None
    scale = (variance.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    bias = -mean.double() if layer.bias is None else layer.bias.double() - mean.double()
    bias = bias * scale if norm.bias is None else bias * scale + norm.bias.double()
    layer.weight = _constant((weight * scale.view(-1, *[1] * (weight.ndim - 1))).to(layer.weight.dtype))
    layer.bias = _constant(bias.to(layer.weight.dtype))


def _nothing(norm: Norm) -> nn.Module:
    """What stands for a norm: code may look at the type of its weight, so it has an empty one."""
    identity = nn.Identity().eval()
    if norm.weight is not None:
        identity.register_buffer("weight", norm.weight.new_empty(0), persistent=False)
    return identity


def _constant(x: Tensor) -> nn.Parameter:
    return nn.Parameter(x, requires_grad=False)
