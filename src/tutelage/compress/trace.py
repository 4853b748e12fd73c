"""One forward pass that follows every channel from the layer that makes it to the layers that read it.

Layers are seen by hooks, and what happens inside them is not looked at; all else is seen operation by operation, so
any Python code will do. Every activation has, beside it, the numbers of its elements' channels (``ids``), and what is
done to the one is done to the other (``rules``).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tutelage.compress.ids import NONE, Ids, along, compact
from tutelage.compress.layers import ADAPTIVE, POOLS, axis_of, counts, is_weighted, macs_each, mixes, obstacle
from tutelage.compress.plain import Blank, Select, Zero
from tutelage.compress.rules import RECTIFIES, Call, MixesError, refuse_sizes, rule_for
from tutelage.compress.seen import ZERO, Chain, Narrowed, Ran, Seen, Traced
from tutelage.compress.watching import Watch
from tutelage.models.watch import tensors_in

SUMS = frozenset(["add", "add_"])
PRODUCTS = frozenset(["mm", "bmm", "addmm", "baddbmm", "convolution"])


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
        with self._hooked(), self:
            output = self.model(example)
        for x in tensors_in(output):
            seen = self.watch.find(x)
            if seen is not None and seen.ids is not None:
                self.watch.take(seen)
                self.traced.groups.fix(seen.ids.per_element(), "the network answers with it")
        for layer in self._layers:
            if self._names[layer] not in self.traced.layers:
                self.traced.refused.setdefault(self._names[layer], "it does not run")
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
                    stack.callback(module.register_forward_hook(self._plain_ran).remove)
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
            self._note(func, args, kwargs or {}, out)
        return out

    # ---- operations

    def _note(self, func: Any, args: Sequence[Any], named: Mapping[str, Any], out: Any) -> None:
        given = [x for x in tree_leaves((args, dict(named))) if isinstance(x, Tensor)]
        made = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
        for x in given:
            if id(x) in self._weights:
                self.watch.refuse(self._names[self._weights[id(x)]], "its weights are used outside of it, too")
        found = [seen for x in given if (seen := self.watch.find(x)) is not None]
        if not found or not made:
            self.traced.mixed |= func.overloadpacket.__name__ in PRODUCTS  # of constants: they cost something
            return
        for seen in found:
            self.watch.take(seen)
        if func.overloadpacket.__name__ == "cat":
            self._name_unknown(found, args[1] if len(args) > 1 else named.get("dim", 0))
        constants = [x for x in given if self.watch.find(x) is None]
        call = Call(func, [seen.ids for seen in found], constants, args, named, made)
        ids = self._ids_of(call)
        self.watch.step(call.name, call.found, ids)
        self._keep(call, found, ids)

    def _ids_of(self, call: Call) -> list[Ids | None]:
        groups = self.traced.groups
        try:
            rule = rule_for(call.operation)
            if rule.__name__ == "pointwise":
                refuse_sizes(groups, call)
            if rule.__name__ == "pooled" and not self._is_replaceable(call):
                first = [x.per_element()[:1] for x in call.found if x is not None]
                groups.fix(chain.from_iterable(first), "pooling wants a channel")
            return rule(groups, call)
        except MixesError as reason:
            self.traced.mixed = True
            for x in call.found:
                if x is not None:
                    groups.fix(x.per_element(), f"{reason} in {self.watch.place()}")
            return [None for _ in call.out]

    def _name_unknown(self, found: Sequence[Seen], axis: int) -> None:
        """Give channels of their own, which stay, to what nobody knew and is put beside others along ``axis``."""
        for seen in found:
            if seen.ids is None:
                fresh = self.watch.new(seen.shape[axis])
                self.traced.groups.fix(fresh, "nobody knows where it comes from")
                seen.ids = along(fresh, axis % len(seen.shape), seen.shape)

    def _is_replaceable(self, call: Call) -> bool:
        """Whether nothing can stand in the place of a pooling, which refuses maps of no channels."""
        return "adaptive_avg" in call.name or (
            bool(self.watch.where) and isinstance(self.watch.where[-1], POOLS + ADAPTIVE)
        )

    def _keep(self, call: Call, found: Sequence[Seen], ids: Sequence[Ids | None]) -> None:
        """Remember what came out."""
        first = found[0]
        depth = max(seen.depth for seen in found)
        alone = len(found) == 1 and rule_for(call.operation).__name__ == "pointwise"
        own, value = (first.chain if alone else None), object()
        if call.name in SUMS and len(found) == 2 and call.named.get("alpha", 1) == 1:
            if all(seen.ids is not None and seen.shape == call.out[0].shape for seen in found):
                self.traced.sums.append((found[0], found[1]))
            for seen in found:
                if seen.chain is not None:
                    seen.chain.overwritten |= call.name == "add_" and seen is first
            rest = [seen for seen in found if seen.value is not ZERO]
            value = rest[0].value if len(rest) == 1 and rest[0].shape == call.out[0].shape else value
        if call.name == "cat":
            rest = [seen for seen in found if seen.shape.numel()]
            value = rest[0].value if len(rest) == 1 and not call.constants else value
        if call.name in RECTIFIES and first.ids is not None and first.shape.numel():
            channels = first.ids.per_element()
            each = first.shape.numel() // (len(channels) * self.traced.samples)
            self.traced.rectified.append((self.watch.place(), channels, each))
        elif call.name in RECTIFIES or "batch_norm" in call.name:
            self.traced.elements += call.out[0].numel() // self.traced.samples
        if call.operation._schema.is_mutable:
            self._overwrite(call, found, ids)
        for x, numbers in zip(call.out, ids, strict=True):
            if own is not None:
                own.made += 1
            self.watch.remember(x, numbers, depth, chain=own, value=value)

    def _overwrite(self, call: Call, found: Sequence[Seen], ids: Sequence[Ids | None]) -> None:
        """What is written into a part of another tensor stays, and nobody knows the channels of that one any more."""
        target = call.args[0]
        before, base = self.watch.find(target), target._base
        same = before is not None and (before.ids is ids[0] or _alike(before.ids, ids[0]))
        others = [seen for seen in self.watch.seen.values() if _shares(seen.tensor(), target)]
        if same or (base is None and not others):
            return
        for numbers in [*ids, *(seen.ids for seen in [*found, *others])]:
            if numbers is not None:
                self.traced.groups.fix(
                    numbers.per_element(), f"it is written into another tensor in {self.watch.place()}"
                )
        for seen in others:
            seen.ids = None
        if base is not None:
            self.watch.remember(base, None)

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
        inputs, outputs = counts(layer)
        slots = self.watch.slots(seen, axis, inputs)
        if name in self.traced.layers or name in self.traced.refused:
            self.watch.refuse(name, self.traced.refused.get(name, "it runs more than once"), seen.ids)
            slots = None
        elif slots is None:
            self.watch.refuse(name, "it mixes places, not channels", seen.ids)
        if slots is None:
            self.watch.remember(out, None, seen.depth)
            self.watch.step(name, [seen.ids], [None])
            return
        made = self.watch.new(outputs, name)
        macs = macs_each(layer, seen.shape, out.shape) // self.traced.samples
        elements = 0 if mixes(layer) else out.numel() // (outputs * self.traced.samples)
        self.traced.layers[name] = Ran(name, mixes(layer), slots, made, macs, elements)
        ids = along(made, axis % out.ndim, out.shape)
        self.watch.step(name, [seen.ids], [ids])
        self.watch.remember(out, ids, seen.depth + mixes(layer), chain=Chain(name))

    def _plain_ran(self, module: nn.Module, args: Any, out: Tensor) -> None:
        """Of a narrowed network: what was put in."""
        seen = self.watch.find(args[0])
        assert seen is not None
        if isinstance(module, Select):
            ids = None if seen.ids is None else compact(seen.ids.full().index_select(module.axis, module.places()))
        else:
            ids = along([NONE] * out.shape[1], 1, out.shape) if out.ndim > 1 else None
        self.watch.remember(out, ids, seen.depth, value=ZERO if isinstance(module, Zero) else object())
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


def _alike(one: Ids | None, other: Ids | None) -> bool:
    return one is not None and other is not None and one.shape == other.shape and torch.equal(one.full(), other.full())


def _shares(one: Tensor | None, other: Tensor) -> bool:
    """Whether they are views of one tensor, or one is a view of the other."""
    return (
        one is not None
        and one is not other
        and (one if one._base is None else one._base) is (other if other._base is None else other._base)
    )
