"""One forward pass that follows every channel from the layer that makes it to the layers that read it.

Layers are seen by hooks, and what happens inside them is not looked at; all else is seen operation by operation, so
any Python code will do. Every activation has, beside it, the numbers of its elements' channels (``ids``), and what is
done to the one is done to the other (``rules``).
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils.parametrize import ParametrizationList
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tutelage.compress.structure.ids import NONE, along, compact
from tutelage.compress.structure.layers import (
    ADAPTIVE,
    POOLS,
    axis_of,
    counts,
    groups_of,
    is_weighted,
    macs_each,
    mixes,
    obstacle,
)
from tutelage.compress.structure.operations import note
from tutelage.compress.structure.plain import Blank, Select, Zero
from tutelage.compress.structure.seen import ZERO, Chain, Narrowed, Ran, Traced
from tutelage.compress.structure.watching import Watch
from tutelage.models.watch import tensors_in

ANSWERED = "the network answers with it"
"""Why channels stay that are what a network is for."""
IDLE = "it does not run"
"""Why a layer is refused that a pass does not come to."""


class Trace(TorchDispatchMode):
    """Follows channels while it is entered; those of a narrowed network it holds against what they were before."""

    def __init__(self, model: nn.Module, narrowed: Narrowed | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model, self.watch = model, Watch(model, narrowed)
        self.traced, self._names = self.watch.traced, self.watch.names
        owners = Counter(id(p) for module in model.modules() for p in module.parameters(recurse=False))
        obstacles = {m: obstacle(m, owners) for m in model.modules() if is_weighted(m)}
        self._layers = {m for m, why in obstacles.items() if not why}
        self.traced.refused = {self._names[m]: why for m, why in obstacles.items() if why and not _computes_weights(m)}
        self._weights = {id(p): m for m in self._layers for p in m.parameters(recurse=False)}
        self._inside = 0  # layers
        self._values: list[object] = []

    # ---- the pass

    @torch.no_grad()
    def run(self, example: Tensor) -> Traced:
        """What one pass over ``example`` shows.

        Raises whatever the network raises, and ``DiffersError`` where it is not what it was narrowed from.
        """
        self.watch.remember(example, None)
        self.traced.samples = len(example)
        with self._hooked(), sdpa_kernel(SDPBackend.MATH), self:
            output = self.model(example)
        for x in tensors_in(output):
            seen = self.watch.find(x)
            if seen is not None and seen.ids is not None:
                self.watch.take(seen)
                self.traced.groups.fix(seen.ids.per_element(), ANSWERED)
        for layer in self._layers:
            if self._names[layer] not in self.traced.layers:
                self.traced.refused.setdefault(self._names[layer], IDLE)
        return self.traced

    @contextmanager
    def _hooked(self) -> Iterator[None]:
        with ExitStack() as stack:
            for module in self.model.modules():
                if module in self._layers:
                    stack.callback(module.register_forward_pre_hook(self._enter).remove)
                    stack.callback(module.register_forward_hook(self._layer_ran, with_kwargs=True).remove)
                elif isinstance(module, Select | Zero | Blank):
                    stack.callback(module.register_forward_pre_hook(self._enter).remove)
                    stack.callback(module.register_forward_hook(self._plain_ran, with_kwargs=True).remove)
                else:
                    stack.callback(module.register_forward_pre_hook(self._begins, with_kwargs=True).remove)
                    stack.callback(module.register_forward_hook(self._ends, with_kwargs=True).remove)
            yield

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing here is compiled, and to say so to the compiler takes the seconds of importing it."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not self._inside:
            for x in tree_leaves((args, kwargs)):
                if id(x) in self._weights:
                    self.watch.refuse(self._names[self._weights[id(x)]], "its weights are used outside of it, too")
            note(self.watch, func, args, kwargs or {}, out)
        return out

    # ---- modules

    def _enter(self, _module: nn.Module, _args: Any) -> None:
        self._inside += 1

    def _layer_ran(self, layer: nn.Module, args: Any, kwargs: Any, out: Tensor) -> None:
        self._follow(layer, next(x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)), out)
        self._inside -= 1

    def _follow(self, layer: nn.Module, x: Tensor, out: Tensor) -> None:
        """From what the layer takes to what it answers."""
        name, axis = self._names[layer], axis_of(layer)
        seen = self.watch.find(x)
        if seen is None:
            self.watch.refuse(name, "what it reads does not follow from what the network takes")
            self.watch.remember(out, None)
            return
        self.watch.take(seen)
        (inputs, outputs), groups = counts(layer), groups_of(layer)
        slots = self.watch.slots(seen, axis, inputs * groups)
        if name in self.traced.layers or name in self.traced.refused:
            self.watch.refuse(name, self.traced.refused.get(name, "it runs more than once"), seen.ids)
            slots = None
        elif slots is None:
            self.watch.refuse(name, "it mixes places, not channels", seen.ids)
        if slots is None:
            self.watch.remember(out, None, seen.depth)
            self.watch.step(name, [seen.ids], [None])
            return
        made = self.watch.new(outputs, self.watch.left_to_make(name))
        for side in (slots, made) if groups > 1 else ():
            self.traced.groups.couple_alike(side, groups)
        macs = macs_each(layer, seen.shape, out.shape) // self.traced.samples
        elements = 0 if mixes(layer) else out.numel() // max(outputs * self.traced.samples, 1)
        self.traced.layers[name] = Ran(name, mixes(layer), slots[:inputs], made, macs, elements)
        ids = along(made, axis % out.ndim, out.shape)
        self.watch.step(name, [seen.whole or seen.ids], [ids])
        self.watch.remember(out, ids, seen.depth + mixes(layer), chain=Chain(name))

    def _plain_ran(self, module: nn.Module, args: Any, kwargs: Any, out: Tensor) -> None:
        """What was put in where something was taken out: for this trace, or before."""
        seen = self.watch.find(next(tensors_in([*args, *kwargs.values()])))
        if seen is None:
            self.watch.remember(out, None)
            self._inside -= 1
            return
        if isinstance(module, Select) and seen.ids is not None and module not in self.watch.put_in:
            self.traced.groups.fix(
                seen.ids.per_element(), f"channels of certain numbers are chosen of it in {self._names[module]}"
            )
        if isinstance(module, Select):
            ids = None if seen.ids is None else compact(seen.ids.full().index_select(module.axis, module.places()))
        else:
            ids = along([NONE] * out.shape[1], 1, out.shape) if out.ndim > 1 else None
        selects = isinstance(module, Select) and module in self.watch.put_in
        whole, chosen = (seen.ids, module.kept) if selects else (None, None)
        value = ZERO if isinstance(module, Zero) else object()
        self.watch.remember(out, ids, seen.depth, value=value, whole=whole, chosen=chosen)
        self._inside -= 1

    def _begins(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        self.watch.where.append(module)
        first = next(iter(tensors_in([*args, *kwargs.values()])), None)
        seen = None if first is None else self.watch.find(first)
        self._values.append(object() if seen is None else seen.value)

    def _ends(self, module: nn.Module, args: Any, kwargs: Any, out: Any) -> None:
        self.watch.where.pop()
        value = self._values.pop()
        seen = self.watch.find(out) if isinstance(out, Tensor) else None
        if seen is not None and seen.value is value:
            self.traced.passed.append(self._names[module])
        first = next(iter(tensors_in([*args, *kwargs.values()])), None)
        taken = None if first is None else self.watch.find(first)
        if isinstance(module, POOLS + ADAPTIVE) and taken is not None and taken.ids is not None:
            self.traced.pools[self._names[module]] = taken.ids.per_element()


def _computes_weights(module: nn.Module) -> bool:
    """Whether it is not a layer but holds what a layer's weight is computed from."""
    return isinstance(module, ParametrizationList)
