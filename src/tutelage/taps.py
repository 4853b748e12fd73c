"""Read a network's inner activations without touching its code."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from tutelage.outputs import in_words, sole_tensor

Activations: TypeAlias = dict[str, Tensor]
"""Layer name -> what it returned, ``layer:input`` -> what it was given, ``OUTPUT`` -> what the network returned."""
Read: TypeAlias = Callable[[Any], Tensor]
Versions: TypeAlias = dict[str, int]
"""Address -> which version of a tensor it showed."""

OUTPUT = "output"
AS_IT_IS: Mapping[str, Read] = MappingProxyType({})


class Tapped(nn.Module):
    """``model``, answering with the activations at ``addresses`` instead of its plain output.

    An address is a layer (``layer3``), the input of one (``fc:input``), or ``output``, what the whole network returns.
    If ``output`` is not wanted, the forward pass ends with the last activation that is. ``wanted`` may shrink and grow
    between two passes, within ``addresses``. A layer that returns no tensor needs an entry in ``read``.

    Raises ``ValueError`` for a layer that does not exist, stays silent, runs twice, or is later overwritten in place.

    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> {name: tuple(x.shape) for name, x in Tapped(net, ["1", "output"])(torch.ones(3, 4)).items()}
    {'1': (3, 8), 'output': (3, 2)}
    """

    def __init__(
        self, model: nn.Module, addresses: Iterable[str] = (OUTPUT,), read: Mapping[str, Read] = AS_IT_IS
    ) -> None:
        super().__init__()
        self.model = model
        self.wanted = frozenset(addresses)
        self._read = read
        self._passes: list[tuple[Activations, Versions]] = []  # our own, under way; to set an attribute is slow
        self._modes = [(module, module.training) for module in model.modules()]
        self._trainable = [(p, p.requires_grad) for p in model.parameters()]
        self._handles: list[RemovableHandle] = []
        try:
            for address in sorted(self.wanted - {OUTPUT}):
                self._handles.append(self._tap(address))
        except ValueError:
            self.untap()
            raise

    def forward(self, *args: Any, **kwargs: Any) -> Activations:
        shown: Activations = {}
        versions: Versions = {}
        self._passes.append((shown, versions))
        try:
            output = self.model(*args, **kwargs)
            if OUTPUT in self.wanted:
                shown[OUTPUT] = self._tensor(OUTPUT, output)
        except _NobodyReadsOn:
            pass
        finally:
            self._passes.pop()
        if len(shown) < len(self.wanted):
            silent = sorted(self.wanted - shown.keys())
            raise ValueError(f"Layers {silent} did not run. If the model is compiled, compile the Tapped one instead.")
        if overwritten := [address for address, version in versions.items() if _version(shown[address]) != version]:
            raise ValueError(
                f"{sorted(overwritten)} were overwritten in place after they were read (ReLU(inplace=True) does that); "
                "tap the layer that overwrites, or make it work out of place."
            )
        return shown

    def untap(self) -> nn.Module:
        """The model as it was before: no hooks; training mode and ``requires_grad`` of every part put back."""
        for handle in self._handles:
            handle.remove()
        for module, mode in self._modes:
            if module.training != mode:  # setting an attribute of a module is slow
                module.training = mode
        for p, trainable in self._trainable:
            if p.requires_grad != trainable:
                p.requires_grad_(trainable)
        return self.model

    def _tap(self, address: str) -> RemovableHandle:
        name, _, side = address.partition(":")
        layer = find_layer(self.model, name)
        if side == "input":
            return layer.register_forward_pre_hook(
                lambda _layer, args, kwargs: self._catch(address, next(iter((*args, *kwargs.values())), None)),
                with_kwargs=True,
            )
        if side:
            raise ValueError(f"A layer is addressed as {name!r} or '{name}:input'; got {address!r}.")
        return layer.register_forward_hook(lambda _layer, _args, output: self._catch(address, output))

    def _catch(self, address: str, value: Any) -> None:
        if not self._passes or address not in self.wanted:
            return
        shown, versions = self._passes[-1]
        if address in shown:
            raise ValueError(f"Layer {address!r} ran twice in one forward pass; tap the module that encloses it.")
        shown[address] = x = self._tensor(address, value)
        versions[address] = _version(x)
        if len(shown) == len(self.wanted) and not torch.compiler.is_compiling():
            raise _NobodyReadsOn

    def _tensor(self, address: str, value: Any) -> Tensor:
        shown = self._read.get(address, sole_tensor)(value)
        if not isinstance(shown, Tensor):
            wrap = "wrap it in tutelage.outputs.TensorOutput(network, at=…), or " if address == OUTPUT else ""
            what = in_words(shown if address in self._read else value)
            raise ValueError(
                f"{address!r} is {what}, not a tensor, in {type(self.model).__name__}; {wrap}pass "
                f"read={{{address!r}: a function that gets one}} beside the network: Learner(read=…), frozen(read=…)."
            )
        return shown


def find_layer(model: nn.Module, name: str) -> nn.Module:
    try:
        return model.get_submodule(name)
    except AttributeError:
        names = [name for name, _ in model.named_modules()]
        close = get_close_matches(name, names, n=3) or names[1:6]
        raise ValueError(
            f"{type(model).__name__} has no layer {name!r}. Did you mean one of {', '.join(map(repr, close))}?"
        ) from None


def _version(x: Tensor) -> int:
    return 0 if torch.compiler.is_compiling() or x.is_inference() else x._version  # neither of these counts them


class _NobodyReadsOn(BaseException):
    """Ends a forward pass early; not an ``Exception``, so that no model swallows it."""
