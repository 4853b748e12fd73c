"""What each operation of torch makes of the channels of its tensors. What stands in no list mixes them."""

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from tutelage.compress.structure.called import Call, MixesError, Rule, unknown
from tutelage.compress.structure.ids import NONE, Groups, Ids, compact, joined
from tutelage.compress.structure.products import batched

MOVES = frozenset(
    [
        *["view", "_unsafe_view", "reshape", "_reshape_alias", "unsqueeze", "squeeze", "permute", "transpose", "t"],
        *["expand", "slice", "select", "split", "split_with_sizes", "unsafe_split", "unbind", "chunk", "unsafe_chunk"],
        *["narrow", "flip", "roll", "repeat", "index_select", "unfold", "diagonal", "pixel_shuffle", "pixel_unshuffle"],
        *["channel_shuffle", "native_channel_shuffle", "movedim", "flatten", "unflatten", "constant_pad_nd"],
    ]
)
"""Operations that leave each element as it is: they are done to the channels' numbers."""
ALONE = frozenset(
    [
        *["alias", "detach", "clone", "contiguous", "_to_copy", "lift_fresh", "_prelu_kernel", "native_dropout"],
        *["bernoulli", "hardswish", "hardswish_", "bernoulli_", "copy_"],
    ]
)  # fmt: skip
"""Element by element, though torch does not say so."""
REDUCES = frozenset(
    [
        *["mean", "sum", "amax", "amin", "max", "min", "var", "std", "logsumexp", "prod", "linalg_vector_norm", "norm"],
        *["argmax", "argmin", "any", "all", "var_mean", "std_mean", "nansum", "median"],
    ]
)
KEEPS_SIZE = frozenset(["_softmax", "_safe_softmax", "_log_softmax", "cumsum", "cumprod", "sort", "logcumsumexp"])
POOLS = re.compile(
    r"_?(adaptive_)?(avg|max)_pool([123])d|upsample_\w+?([123])d|reflection_pad([123])d|replication_pad([123])d"
)
RECTIFIES = frozenset(["relu", "relu_", "hardtanh", "hardtanh_"])
"""What the paper of the search counts: one operation an element. ``hardtanh`` is what ReLU6 is called here."""


def rule_for(operation: Any) -> Rule:
    """How the operation carries channels on."""
    name = operation.overloadpacket.__name__
    if torch.Tag.pointwise in operation.tags or name in ALONE:
        return pointwise
    if name in MOVES:
        return moved
    if POOLS.match(name):
        return pooled
    named = {"cat": concatenated, "stack": stacked, "glu": gated, "zeros_like": empty, "ones_like": empty}
    named |= dict.fromkeys(["full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty"], empty)
    named["bmm"] = batched
    named |= dict.fromkeys(REDUCES, reduced) | dict.fromkeys(KEEPS_SIZE, kept_in_size)
    return named.get(name, unknown)


def pointwise(groups: Groups, call: Call) -> list[Ids | None]:
    """Element by element: channels that meet are coupled."""
    shape = call.out[0].shape
    known = [x for x in call.found if x is not None]
    if len(known) < len(call.found):
        for x in known:
            groups.fix(x.per_element(), "it meets what is of unknown channels")
        if not known:
            return [None for _ in call.out]
    result = _aligned(known[0], shape)
    for other in known[1:]:
        result = _met(groups, result, _aligned(other, shape), call)
    return [Ids(result.core, shape) if x.shape == shape else None for x in call.out]


def refuse_sizes(groups: Groups, call: Call) -> None:
    """Channels may not go where a tensor that is no activation has a number of its own for each."""
    shape = call.out[0].shape
    for constant in call.constants:
        sizes = [1] * (len(shape) - constant.ndim) + list(constant.shape)
        for x in call.found:
            if x is not None and len(x.shape) <= len(shape):
                core = _aligned(x, shape).core
                if any(size > 1 and core.shape[d] > 1 for d, size in enumerate(sizes)):
                    groups.fix(x.per_element(), f"it meets a tensor {tuple(constant.shape)} that is no layer's")


def moved(groups: Groups, call: Call) -> list[Ids | None]:
    """As the elements move, so do their channels; those of equal parts that are shuffled go together."""
    first = call.found[0]
    if len(call.found) > 1 or any(
        isinstance(x, Tensor) and x.is_meta for x in tree_leaves((call.args[1:], dict(call.named)))
    ):
        raise MixesError(f"{call.name} moves channels to places that nobody knows before")
    if first is None:
        return [None for _ in call.out]
    rest = [x.cpu() if isinstance(x, Tensor) else x for x in call.args[1:]]
    if call.name == "constant_pad_nd":
        rest[1:] = [NONE]
    if "channel_shuffle" in call.name and (numbers := first.along(1)) is not None:
        groups.couple_alike(numbers.tolist(), call.argument("groups", 1, 1))
    full = first.full()
    try:
        answers = tree_leaves(call.operation(full, *rest, **call.named))
    except RuntimeError:  # a view of what merely repeats
        answers = tree_leaves(call.operation(full.contiguous(), *rest, **call.named))
    return [compact(x) for x in answers]


def concatenated(_groups: Groups, call: Call) -> list[Ids | None]:
    return [joined(_side_by_side(call), call.argument("dim", 1, 0))]


def stacked(_groups: Groups, call: Call) -> list[Ids | None]:
    axis = call.argument("dim", 1, 0) % call.out[0].ndim
    apart = [(x.core.unsqueeze(axis), [*x.shape[:axis], 1, *x.shape[axis:]]) for x in _side_by_side(call)]
    return [joined([Ids(core, torch.Size(shape)) for core, shape in apart], axis)]


def _side_by_side(call: Call) -> list[Ids]:
    """The ids of all tensors that are put together; constants belong to no channel."""
    found = iter(call.found)
    ids = [_none(x) if any(x is other for other in call.constants) else next(found) for x in call.args[0]]
    known = [x for x in ids if x is not None]
    if len(known) < len(ids):
        raise MixesError(f"{call.name} puts it beside what is of unknown channels")
    return known


def _none(x: Tensor) -> Ids:
    return Ids(torch.full([1] * x.ndim, NONE, device="cpu"), x.shape)


def gated(groups: Groups, call: Call) -> list[Ids | None]:
    """One half times the other, which opens and closes it."""
    (x,) = call.found
    if x is None:
        return [None]
    axis = call.argument("dim", 1, -1)
    one, other = (compact(half) for half in x.full().chunk(2, axis))
    return [_met(groups, one, other, call)]


def empty(_groups: Groups, call: Call) -> list[Ids | None]:
    """A constant of the size of an activation."""
    return [_none(x) for x in call.out]


def reduced(groups: Groups, call: Call) -> list[Ids | None]:
    """Of places, not of channels."""
    x = call.found[0]
    if x is None or len(call.found) > 1:
        return unknown(groups, call)
    dims = _dims(call, len(x.shape))
    core = _uniform(x, dims, call)
    if not core.numel():
        return empty(groups, call)
    keeps = call.out[0].ndim == len(x.shape)
    shape = [n for d, n in enumerate(core.shape) if keeps or d not in dims]
    return [Ids(core.reshape(shape), y.shape) for y in call.out]


def kept_in_size(groups: Groups, call: Call) -> list[Ids | None]:
    x = call.found[0]
    if x is None or len(call.found) > 1:
        return unknown(groups, call)
    core = _uniform(x, _dims(call, len(x.shape)), call)
    return [Ids(core, y.shape) for y in call.out]


def pooled(_groups: Groups, call: Call) -> list[Ids | None]:
    x = call.found[0]
    if x is None or len(call.found) > 1:
        return [None for _ in call.out]
    match = POOLS.match(call.name)
    assert match is not None
    count = int(next(digit for digit in match.groups()[2:] if digit))
    core = _uniform(x, range(len(x.shape) - count, len(x.shape)), call)
    return [Ids(core, y.shape) for y in call.out]


def _dims(call: Call, ndim: int) -> set[int]:
    """The dimensions that a reduction goes over: all where it names none."""
    place = [x.name for x in call.operation._schema.arguments].index("dim") if _has_dim(call.operation) else 10
    dims = call.argument("dim", place, None)
    if dims is None or dims == []:
        return set(range(ndim))
    return {d % ndim for d in (dims if isinstance(dims, Sequence) else [dims])}


def _has_dim(operation: Any) -> bool:
    return any(x.name == "dim" for x in operation._schema.arguments)


def _uniform(x: Ids, dims: Any, call: Call) -> Tensor:
    """The core, of size 1 in ``dims``, in which each row is of one channel."""
    core, dims = x.core, tuple(dims)
    if not dims or not core.numel():
        return core
    most = core.amax(dims, keepdim=True)
    if not bool(((core == most) | (core == NONE)).all()):
        raise MixesError(f"{call.name} goes over channels")
    return most


def _aligned(x: Ids, shape: torch.Size) -> Ids:
    """Broadcast to as many dimensions as ``shape`` has."""
    more = [1] * (len(shape) - len(x.shape))
    return Ids(x.core.reshape([*more, *x.core.shape]), torch.Size([*more, *x.shape]))


def _met(groups: Groups, one: Ids, other: Ids, call: Call) -> Ids:
    """The ids of what comes of both, element by element; those that meet go together."""
    shape = torch.broadcast_shapes(one.shape, other.shape)
    if one.core is other.core:
        return Ids(one.core, shape)
    spread = [_is_spread(one, other, shape), _is_spread(other, one, shape)]
    first, second = torch.broadcast_tensors(one.core, other.core)
    pairs = torch.stack([first.flatten(), second.flatten()], 1).unique(dim=0).tolist()
    for side in (0, 1):
        if spread[side]:  # it stays, and takes nobody with it: (N, 1, H, W) with (N, C, H, W)
            groups.fix({pair[side] for pair in pairs}, "it is spread over several channels")
    alone = any(spread)
    for a, b in pairs:
        if NONE in (a, b):
            groups.fix([a, b], f"padding or a constant meets it in {call.name}")
        elif not alone:
            groups.couple(a, b)
    if all(spread):
        groups.fix({x for pair in pairs for x in pair}, "it is spread over several channels")
    result, rest = (second, first) if spread[0] else (first, second)
    return Ids(torch.where(result == NONE, rest, result), shape)


def _is_spread(one: Ids, other: Ids, shape: torch.Size) -> bool:
    """Whether one element of ``one`` meets several channels of ``other``."""
    return any(
        one.shape[d] == 1 < size and other.core.shape[d] > 1 and not _alike(other.core, d)
        for d, size in enumerate(shape)
    )


def _alike(core: Tensor, axis: int) -> bool:
    return bool((core == core.narrow(axis, 0, 1)).all())
