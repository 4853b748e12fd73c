"""The loss of a vocabulary's logits without ever having all of them: rows of hidden states, a slab after the other."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tutelage.shapes import ACROSS

CITATIONS: dict[str, str] = {}  # what is lifted says where it comes from
AT_ONCE = 256
"""Rows of which the logits are in memory at a time: fewer make matrix products slow, more only take room."""
Head: TypeAlias = nn.Linear
"""What makes logits of hidden states."""


def chunked(
    loss: Callable[..., Tensor], student_head: Head, *other_heads: Head, at_once: int = AT_ONCE
) -> Callable[..., Tensor]:
    r"""``loss(student_head(s), other_head(t), …)`` of hidden states ``(s, t, …)``, to the same value and gradient.

    ``loss`` is a mean over rows; it is called with the logits of ``at_once`` rows at a time, and its
    gradient is found on the way. Of the logits of ``N`` rows (tokens), with all that a loss keeps of them, no more than
    such a slab is ever in memory; the head's gradient is, in float32 or more. What is called takes hidden states (…,
    D), one for each head, and then whatever else ``loss`` takes with a row for each of theirs, such as labels. The
    student's hidden states and head get a gradient, the other networks get none. Logits are computed as ``nn.Linear``
    does, autocast included; what a network does to its logits afterwards belongs into ``loss``.

    ``masked(chunked(loss, …))`` picks hidden states, so that no logit of padding is computed at all; with no head but
    the student's, it is ``chunked(cross_entropy, head)(hidden, labels)``. In an objective, the heads are not run twice:
    a student of which only ``model.norm`` is read ends there.

    Raises ``ValueError`` for a head that is no ``nn.Linear``, or one that computes otherwise, for a loss that relates
    its rows to each other, for fewer than 1 ``at_once`` and, when called, for rows that are not as many; and
    ``RuntimeError`` where its gradient is to be differentiated again (``create_graph=True``).

    The way of Liger-Kernel's fused losses (Hsu et al., 2024, arXiv:2410.10989), for any loss.

    >>> from tutelage.losses.kd import soft_targets
    >>> heads, hidden = (nn.Linear(4, 9), nn.Linear(6, 9)), (torch.randn(2, 5, 4), torch.randn(2, 5, 6))
    >>> once = soft_targets(heads[0](hidden[0]), heads[1](hidden[1]))
    >>> torch.allclose(chunked(soft_targets, *heads, at_once=3)(*hidden), once)
    True
    """
    heads = (student_head, *other_heads)
    _refuse_unfit(loss, heads, at_once)

    def call(*arguments: Any) -> Tensor:
        rows = [x.flatten(0, -2) for x in arguments[: len(heads)]]
        more = [x.flatten(0, arguments[0].ndim - 2) for x in arguments[len(heads) :]]
        if len({len(x) for x in (*rows, *more)}) > 1 or len(rows) < len(heads) or not len(rows[0]):
            raise ValueError(
                f"Hidden states are wanted for each of {len(heads)} heads, of a row or more, and everything else for "
                f"each of these rows; got {', '.join(str(tuple(x.shape)) for x in arguments)}."
            )
        work = _Work(loss, rows[1:], other_heads, more, at_once)
        inputs = work, torch.is_grad_enabled(), rows[0], student_head.weight, student_head.bias
        mean: Tensor = _MeanOverSlabs.apply(*inputs)  # type: ignore[no-untyped-call]
        return mean

    vars(call)["loss"] = loss  # for whoever asks what it computes
    return call


class _Work(NamedTuple):
    """What does not learn: the loss, other networks' hidden states and heads, labels, how many rows at a time."""

    loss: Callable[..., Tensor]
    others: Sequence[Tensor]
    heads: Sequence[Head]
    more: Sequence[Tensor]
    at_once: int


class _MeanOverSlabs(torch.autograd.Function):
    """The mean of the loss over all rows; no slab of logits outlives the next one."""

    @staticmethod
    def forward(ctx: Any, work: _Work, learns: bool, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        wanted = [learns and x for x in ctx.needs_input_grad[2:]]
        gradients = [
            torch.zeros_like(x, dtype=torch.promote_types(x.dtype, torch.float32)) if want and x is not None else None
            for x, want in zip((rows, weight, bias), wanted, strict=True)
        ]
        student, heads = _cast(weight, bias, rows), [_cast(head.weight, head.bias, rows) for head in work.heads]
        total = torch.zeros((), dtype=torch.promote_types(rows.dtype, torch.float32), device=rows.device)
        for start in range(0, len(rows), work.at_once):
            slab = slice(start, start + work.at_once)
            part = rows[slab].to(student[0].dtype)
            logits = F.linear(part, *student).requires_grad_(any(wanted))
            taught = [F.linear(x[slab].to(w.dtype), w, b) for x, (w, b) in zip(work.others, heads, strict=True)]
            with torch.set_grad_enabled(any(wanted)):
                value = work.loss(logits, *taught, *(x[slab] for x in work.more)) * (len(part) / len(rows))
            total += value.detach()
            if any(wanted):
                _add(gradients, torch.autograd.grad(value, logits)[0], part, student[0], slab)
        types = [None if x is None else x.dtype for x in (rows, weight, bias)]
        ctx.save_for_backward(*(g if g is None else g.to(x) for g, x in zip(gradients, types, strict=True)))
        return total

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "The gradient of a chunked loss cannot be differentiated again: ask for it without create_graph=True, "
                "or compute the loss of whole logits."
            )
        return None, None, *(None if g is None else (slope * g).to(g.dtype) for g in ctx.saved_tensors)


def _cast(weight: Tensor, bias: Tensor | None, rows: Tensor) -> tuple[Tensor, Tensor | None]:
    """A head's weights in the precision that its product is computed in: once, not for each slab."""
    device = rows.device.type
    lowers = torch.is_autocast_enabled(device) and weight.dtype != torch.float64
    dtype = torch.get_autocast_dtype(device) if lowers else weight.dtype
    return weight.detach().to(dtype), None if bias is None else bias.detach().to(dtype)


def _add(gradients: Sequence[Tensor | None], slope: Tensor, part: Tensor, weight: Tensor, slab: slice) -> None:
    """What the logits of one slab, with the gradient ``slope``, add to that of hidden states, weight and bias."""
    of_rows, of_weight, of_bias = gradients
    if of_rows is not None:
        of_rows[slab] = slope @ weight
    if of_weight is not None and of_weight.dtype == slope.dtype:
        of_weight.addmm_(slope.mT, part)
    elif of_weight is not None:
        of_weight += slope.mT @ part
    if of_bias is not None:
        of_bias += slope.sum(0, dtype=of_bias.dtype)


def _is_plain(head: nn.Module) -> bool:
    return isinstance(head, nn.Linear) and type(head).forward is nn.Linear.forward  # a quantised one computes otherwise


def _refuse_unfit(loss: Callable[..., Tensor], heads: Sequence[Head], at_once: int) -> None:
    if at_once < 1:
        raise ValueError(f"At least 1 row is computed at a time (at_once); got {at_once}.")
    if strange := [type(head).__name__ for head in heads if not _is_plain(head)]:
        raise ValueError(
            f"A head is the nn.Linear that makes logits of hidden states, such as model.lm_head; got {strange[0]}: "
            f"what comes before it belongs to the hidden states, what comes after it into the loss."
        )
    inner = loss
    while isinstance(inner, partial):
        inner = inner.func
    if isinstance(inner, nn.Module) and any(p.requires_grad for p in inner.parameters()):
        raise ValueError(f"{type(inner).__name__} has weights of its own, which a chunked loss would not train.")
    promise = getattr(inner.forward if isinstance(inner, nn.Module) else inner, "__annotations__", {}).get("return")
    if ACROSS in getattr(promise, "__metadata__", ()):
        raise ValueError(
            f"{getattr(inner, '__name__', type(inner).__name__)} relates its rows to each other, so that it is no mean "
            f"over slabs of them: compute it of whole logits."
        )
