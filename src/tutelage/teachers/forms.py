"""In which form a cache keeps a teacher's answers: every number, every number in half precision, or the largest few."""

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from tutelage.losses.top_targets import top_answers

Row: TypeAlias = tuple[int, ...]
"""The shape of one sample's activation: ``(classes,)`` for logits."""
Parts: TypeAlias = dict[str, Tensor]
"""What is kept of an activation, by name; the first dimension of each part is the sample's."""


SMALLEST = -65504.0
"""Of float16: a probability of 0, but for a class that can be, so it never becomes −∞, which says that it cannot."""


class Part(NamedTuple):
    """What is kept for one row: numbers of a type in a shape."""

    dtype: torch.dtype
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Form:
    """``layout(row)`` says what one row takes; ``decode(encode(x), row)`` is what comes back of it, in float32."""

    name: str
    layout: Callable[[Row], dict[str, Part]]
    encode: Callable[[Tensor], Parts]
    decode: Callable[[Parts, Row], Tensor]


def form_named(name: str) -> Form:
    """The form that is called ``name``. Raises ``ValueError`` where there is none.

    >>> form_named("top-3").name, form_named("float16").name
    ('top-3', 'float16')
    """
    if name in ("float32", "float16"):
        return dense(getattr(torch, name))
    if (count := name.removeprefix("top-")) != name and count.isdecimal():
        return top(int(count))
    raise ValueError(f"Answers are kept as float32, float16 or top-1, top-2 …; got {name!r}.")


def dense(dtype: torch.dtype = torch.float32) -> Form:
    """All numbers: float32 keeps every bit of float32, float16 takes half the room and has 11 bits of precision.

    Raises ``ValueError`` for another type, and for a finite number that is beyond float16 (65504).

    >>> dense(torch.float16).layout((10,))
    {'values': Part(dtype=torch.float16, shape=(10,))}
    """
    if dtype not in (torch.float32, torch.float16):
        raise ValueError(f"Answers are kept as torch.float32 or torch.float16; got {dtype}.")

    def layout(row: Row) -> dict[str, Part]:
        return {"values": Part(dtype, row)}

    def encode(activation: Tensor) -> Parts:
        values = activation.to(dtype)
        if dtype == torch.float16 and not torch.equal(values.isinf(), activation.isinf()):
            largest = activation[activation.isfinite()].abs().max().item()
            raise ValueError(
                f"float16 reaches 65504, but the teacher shows {largest:g}; keep its answers as dense(torch.float32)."
            )
        return {"values": values}

    def decode(parts: Parts, _row: Row) -> Tensor:
        return parts["values"].float()

    return Form(str(dtype).removeprefix("torch."), layout, encode, decode)


def top(count: int) -> Form:
    """The log-probabilities of the ``count`` likeliest classes; the rest of the mass is spread evenly.

    What comes back are log-probabilities, which are logits that already sum to one: exact for the likeliest classes at
    temperature 1 (to float16's 11 bits), flat beyond. A row takes ``2 · (count + 1)`` bytes and one, two or four for
    each class number: 22 to 32 bytes for the top 10 of 100, instead of 400. What is below −65504, the least float16, is
    kept as that; a class that the teacher rules out (−∞) stays ruled out where it is among the likeliest, or all of the
    rest are.

    Raises ``ValueError`` for a count below 1, for activations that are not logits (N, C), and for C ≤ ``count``.

    >>> form = top(1)
    >>> parts = form.encode(torch.tensor([[0.8, 0.1, 0.1]]).log())
    >>> [round(p, 3) for p in form.decode(parts, (3,)).exp()[0].tolist()]
    [0.8, 0.1, 0.1]
    """
    if count < 1:
        raise ValueError(f"At least the 1 likeliest class is kept; got {count}.")

    def layout(row: Row) -> dict[str, Part]:
        if len(row) != 1 or row[0] <= count:
            raise ValueError(
                f"Keeping the {count} likeliest classes needs logits (N, C) with more than {count} classes; "
                f"this activation has {list(row)} for each sample: keep it as dense(torch.float16)."
            )
        kept = Part(torch.float16, (count + 1,))  # the last one is the rest: 1 - the sum would be rounding noise
        return {"log_probabilities": kept, "classes": Part(_narrowest(row[0]), (count,))}

    def encode(activation: Tensor) -> Parts:
        log_p = F.log_softmax(activation.float(), dim=-1)
        largest, classes = log_p.topk(count)
        rest = log_p.scatter(1, classes, -torch.inf).logsumexp(1, keepdim=True)
        kept = torch.cat([largest, rest], dim=1)
        kept = torch.where(kept == -torch.inf, kept, kept.clamp_min(SMALLEST)).half()
        return {"log_probabilities": kept, "classes": classes.to(_narrowest(activation.shape[1]))}

    def decode(parts: Parts, row: Row) -> Tensor:
        largest, rest = parts["log_probabilities"].float().split([count, 1], dim=1)
        spread: Tensor = (rest - log(row[0] - count)).expand(-1, row[0])
        return spread.scatter(1, parts["classes"].long(), largest)

    return Form(f"top-{count}", layout, encode, decode)


def sparse(count: int) -> Form:
    """The ``count`` likeliest classes of each row with their log-probabilities, and the log of what is left of 1.

    What comes back is (…, 2 ``count`` + 1), as ``tutelage.losses.top_targets.top_answers`` makes it, and never as wide
    as the vocabulary: ``Term(against_top, "student.output", "teacher.output")`` compares with it. Any logits (…, C) are
    kept, of tokens (T, C) too. A row takes ``4 · count + 2`` bytes, ``6 · count + 2`` with more than 65,536 classes:
    202 bytes a token for the 50 likeliest of 32,000, where float16 takes 64,000. Probabilities are those at temperature
    1, in float16's 11 bits of their logs; the tail is summed up before that. What is below −65504, the least float16,
    is kept as that; what is ruled out (−∞) stays so.

    Raises ``ValueError`` for a count below 1, for C ≤ ``count``, and for C above 2²⁴, whose numbers float32 lacks.

    >>> parts = sparse(1).encode(torch.tensor([[0.1, 0.8, 0.1]]).log())
    >>> [round(x, 2) for x in sparse(1).decode(parts, (3,))[0].tolist()]  # log 0.8, log 0.2, class 1
    [-0.22, -1.61, 1.0]
    """
    if count < 1:
        raise ValueError(f"At least the 1 likeliest class is kept; got {count}.")

    def layout(row: Row) -> dict[str, Part]:
        if not row or not count < row[-1] <= 2**24:
            raise ValueError(
                f"Keeping the {count} likeliest classes needs logits (…, C) with more than {count} classes, and 2**24 "
                f"at most; this activation has {list(row)} for each sample: keep it as dense(torch.float16)."
            )
        *places, classes = row
        numbers = Part(_numbers(classes), (*places, count))
        return {"log_probabilities": Part(torch.float16, (*places, count + 1)), "classes": numbers}

    def encode(activation: Tensor) -> Parts:
        kept, classes = top_answers(activation.float(), count).tensor_split([count + 1], -1)
        kept = torch.where(kept == -torch.inf, kept, kept.clamp_min(SMALLEST)).half()
        dtype = _numbers(activation.shape[-1])
        return {"log_probabilities": kept, "classes": (classes.int() - _offset(dtype)).to(dtype)}

    def decode(parts: Parts, row: Row) -> Tensor:
        classes = parts["classes"].float() + _offset(_numbers(row[-1]))
        return torch.cat([parts["log_probabilities"].float(), classes], -1)

    return Form(f"sparse-{count}", layout, encode, decode)


def _numbers(classes: int) -> torch.dtype:
    """In what the numbers of so many classes are kept: in two bytes up to 65,536, from −32,768 on."""
    return torch.int16 if classes <= 2**16 else torch.int32


def _offset(dtype: torch.dtype) -> int:
    return 2**15 if dtype == torch.int16 else 0


def _narrowest(classes: int) -> torch.dtype:
    if classes <= 2**8:
        return torch.uint8
    return torch.int16 if classes <= 2**15 else torch.int32
