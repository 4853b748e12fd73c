"""Weights that code reads itself, past a layer that has a posterior: neither noise nor zeros reach its answers."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from warnings import warn

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from tutelage.compress.posterior import Posterior, has_posterior
from tutelage.copies import copy_of
from tutelage.measures.predict import device_of


def watch_(model: nn.Module) -> nn.Module:
    """``model``, whose first pass is tried on a copy before: in eval and in train mode, as ``refuse_read_weights``."""
    unwatch_(model)
    model.register_forward_pre_hook(_look, with_kwargs=True)
    return model


def unwatch_(model: nn.Module) -> nn.Module:
    """``model``, as if ``watch_`` had never seen it."""
    for key in [key for key, hook in model._forward_pre_hooks.items() if hook is _look]:
        del model._forward_pre_hooks[key], model._forward_pre_hooks_with_kwargs[key]
    return model


def refuse_read_weights(model: nn.Module, *args: Any, **kwargs: Any) -> bool:
    """Whether ``model(*args, **kwargs)`` runs in eval or in train mode: tried on a copy, no random number is used up.

    Raises ``ValueError`` where its code computes with the weight of a layer that has a posterior, but not by that
    layer: a head that is tied by hand, or attention that reads the weights of its projections. To look at a weight, at
    its type, its norm, whether it is finite, is no such thing, while what comes of it meets nothing else. Warns where
    both passes end and a layer runs in none of them: its KL is paid, and nothing comes of it.
    """
    if not any(isinstance(x, Posterior) for x in model.modules()):
        return True
    copy = _unhooked(copy_of(model))
    layers = {name: x for name, x in copy.named_modules() if has_posterior(x)}
    watch, ended = _Watch(layers), []
    device = device_of(model)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for train in (False, True):
            with suppress(Exception), watch:  # what it is the pass itself will tell
                given, named = tree_map_only(Tensor, Tensor.clone, (args, kwargs))
                copy.train(train)(*given, **named)
                ended.append(train)
    if watch.read:
        raise ValueError(
            f"Code outside of layer {next(iter(watch.read))!r} computes with its weight, where no noise and no zeros "
            f"of a posterior reach; let it call the layer, or {leave_out(list(watch.read))}."
        )
    if len(ended) == 2 and (idle := [name for name in layers if name not in watch.ran]):
        warn(
            f"Layer {idle[0]!r} does not run, and the KL of its posterior is paid for nothing; unless other batches "
            f"need it, {leave_out(idle)}.",
            UserWarning,
            stacklevel=2,
        )
    return bool(ended)


def leave_out(names: list[str]) -> str:
    """What to do about layers that cannot have a posterior: all of them, or the next one would be refused."""
    if len(names) == 1:
        return f"leave it out, where=lambda name: name != {names[0]!r}"
    return f"leave out all of the kind, where=lambda name: name not in {tuple(names)!r}"


class _Watch(TorchDispatchMode):
    """Sees what is computed outside of ``layers`` of their weights: of weights alone (``made``), and with others."""

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.read: dict[str, None] = {}
        self.ran: set[str] = set()
        self._made: dict[int, tuple[Tensor, list[str]]] = {}  # by id, with whose weights it is made of
        self._inside = 0
        for name, layer in layers.items():
            if (weight := layer._parameters.get("weight")) is not None:
                self._made[id(weight)] = (weight, [name])
            layer.forward = partial(self._answer, name, layer.forward)  # its copy is thrown away

    def _answer(self, name: str, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.ran.add(name)
        self._inside += 1
        try:
            return forward(*args, **kwargs)
        finally:
            self._inside -= 1

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing here is compiled, and to say so to the compiler takes the seconds of importing it."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        operation = func.overloadpacket.__name__
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        names = [name for x in given if id(x) in self._made for name in self._made[id(x)][1]]
        if not names or operation.startswith("new_") or operation.endswith("_like"):  # those ask for its type
            return out
        if self._inside and operation != "_to_copy":  # autocast keeps a cast, and gives it to others
            return out
        if all(id(x) in self._made for x in given):
            self._made |= {id(x): (x, names) for x in tree_leaves(out) if isinstance(x, Tensor)}
        else:
            self.read |= dict.fromkeys(names)
        return out


def _look(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if torch.compiler.is_compiling() or torch._C._get_tracing_state():  # a later pass of the network itself will do
        return
    unwatch_(model)
    ran = False
    try:
        ran = refuse_read_weights(model, *args, **kwargs)
    finally:
        if not ran:
            watch_(model)


def _unhooked(copy: nn.Module) -> nn.Module:
    """Hooks may write to what is not of the copy. That of a posterior tells torch to ask its layer."""
    for module in copy.modules():
        if not isinstance(module, Posterior):
            module._forward_hooks.clear()
            module._forward_pre_hooks.clear()
    return copy
