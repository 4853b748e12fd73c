"""What an operation outside of layers does to the channels of activations, written down as it runs."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from tutelage.compress.structure.called import Call, MixesError
from tutelage.compress.structure.graph import Part
from tutelage.compress.structure.ids import Ids, along
from tutelage.compress.structure.layers import ADAPTIVE, POOLS
from tutelage.compress.structure.products import multiplied
from tutelage.compress.structure.rules import RECTIFIES, refuse_sizes, rule_for
from tutelage.compress.structure.seen import ZERO, Seen
from tutelage.compress.structure.watching import Watch

SUMS = frozenset(["add", "add_"])
PRODUCTS = frozenset(["mm", "bmm", "addmm", "baddbmm", "convolution"])


def note(watch: Watch, func: Any, args: Sequence[Any], named: Mapping[str, Any], out: Any) -> None:
    """``func`` ran, and answered ``out``: remember the channels of that, and what becomes of those that it took."""
    given = [x for x in tree_leaves((args, dict(named))) if isinstance(x, Tensor)]
    made = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
    found = [seen for x in given if (seen := watch.find(x)) is not None]
    if not found or not made:
        watch.traced.mixed |= func.overloadpacket.__name__ in PRODUCTS  # of constants: they cost something
        return
    for seen in found:
        watch.take(seen)
    if func.overloadpacket.__name__ == "cat":
        _name_unknown(watch, found, args[1] if len(args) > 1 else named.get("dim", 0))
    constants = [x for x in given if watch.find(x) is None]
    call = Call(func, [seen.ids for seen in found], constants, args, named, made)
    ids = _ids_of(watch, call)
    watch.step(call.name, call.found, ids, _numbers(call))
    _keep(watch, call, found, ids)


def _ids_of(watch: Watch, call: Call) -> list[Ids | None]:
    groups = watch.traced.groups
    try:
        rule = rule_for(call.operation)
        if rule.__name__ == "pointwise":
            refuse_sizes(groups, call)
        if rule.__name__ == "pooled" and not _is_replaceable(watch, call):
            first = [x.per_element()[:1] for x in call.found if x is not None]
            groups.fix(chain.from_iterable(first), "pooling wants a channel")
        return rule(groups, call)
    except MixesError as reason:
        watch.traced.mixed = True
        for x in call.found:
            if x is not None:
                groups.fix(x.per_element(), f"{reason} in {watch.place()}")
        return [None for _ in call.out]


def _numbers(call: Call) -> list[float]:
    """The numbers by which each element is changed: one that follows from a size is another in a narrower network."""
    if rule_for(call.operation).__name__ != "pointwise":
        return []
    given = tree_leaves((call.args, dict(call.named)))
    constants = [x.item() for x in call.constants if x.numel() == 1 and not x.is_meta and not x.is_complex()]
    return [*(float(x) for x in given if isinstance(x, int | float)), *constants]


def _name_unknown(watch: Watch, found: Sequence[Seen], axis: int) -> None:
    """Give channels of their own, which stay, to what nobody knew and is put beside others along ``axis``."""
    for seen in found:
        if seen.ids is None:
            fresh = watch.new(seen.shape[axis])
            watch.traced.groups.fix(fresh, "nobody knows where it comes from")
            seen.ids = along(fresh, axis % len(seen.shape), seen.shape)


def _is_replaceable(watch: Watch, call: Call) -> bool:
    """Whether nothing can stand in the place of a pooling, which refuses maps of no channels."""
    return "adaptive_avg" in call.name or (bool(watch.where) and isinstance(watch.where[-1], POOLS + ADAPTIVE))


def _keep(watch: Watch, call: Call, found: Sequence[Seen], ids: Sequence[Ids | None]) -> None:
    """Remember what came out."""
    first = found[0]
    depth = max(seen.depth for seen in found)
    alone = len(found) == 1 and rule_for(call.operation).__name__ == "pointwise"
    own, value = (first.chain if alone else None), object()
    if call.name in SUMS and len(found) == 2 and call.named.get("alpha", 1) == 1:
        if all(seen.ids is not None and seen.shape == call.out[0].shape for seen in found):
            watch.traced.sums.append((found[0], found[1]))
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
        each = first.shape.numel() // (len(channels) * watch.traced.samples)
        watch.traced.between.append((Part(watch.place(), "rectified", elements=each), channels))
    elif call.name in RECTIFIES or "batch_norm" in call.name:
        watch.traced.elements += call.out[0].numel() // watch.traced.samples
    if call.name == "bmm" and ids[0] is not None:
        channels, each = multiplied(call, watch.traced.samples)
        watch.traced.between.append((Part(watch.place(), "product", macs=each), channels))
    if call.operation._schema.is_mutable:
        _overwrite(watch, call, found, ids)
    for x, numbers in zip(call.out, ids, strict=True):
        if own is not None:
            own.made += 1
        watch.remember(x, numbers, depth, chain=own, value=value)


def _overwrite(watch: Watch, call: Call, found: Sequence[Seen], ids: Sequence[Ids | None]) -> None:
    """What is written into a part of another tensor stays, and nobody knows the channels of that one any more."""
    target = call.args[0]
    before, base = watch.find(target), target._base
    same = before is not None and (before.ids is ids[0] or _alike(before.ids, ids[0]))
    others = [seen for seen in watch.seen.values() if _shares(seen.tensor(), target)]
    if same or (base is None and not others):
        return
    for numbers in [*ids, *(seen.ids for seen in [*found, *others])]:
        if numbers is not None:
            watch.traced.groups.fix(numbers.per_element(), f"it is written into another tensor in {watch.place()}")
    for seen in others:
        seen.ids = None
    if base is not None:
        watch.remember(base, None)


def _alike(one: Ids | None, other: Ids | None) -> bool:
    return one is not None and other is not None and one.shape == other.shape and torch.equal(one.full(), other.full())


def _shares(one: Tensor | None, other: Tensor) -> bool:
    """Whether they are views of one tensor, or one is a view of the other."""
    return (
        one is not None
        and one is not other
        and (one if one._base is None else one._base) is (other if other._base is None else other._base)
    )
