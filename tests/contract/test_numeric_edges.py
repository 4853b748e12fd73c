"""What every loss must still be at the edges of numbers, in three precisions: found in ``tutelage.losses``."""

import inspect
import math
from copy import deepcopy
from functools import cache, partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from contract.test_losses import LOSSES, SIZES, Case
from tutelage.shapes import Divergence, Embedding, Logits, Scalar

pytestmark = pytest.mark.slow

ROUGH = 2e-3  # of the size of what is compared; in bfloat16 gradients are of 8 bits
WHO = [("student", "judged"), ("teacher",), ("student", "judged", "teacher")]
HOSTILE = [math.nan, math.inf, -math.inf, 0, -1, 1e308, 1e-320]


def samples(x):
    return x.ndim - 2 if x.ndim < 4 else 0


def picked(x, rows):
    return x.index_select(samples(x), torch.tensor(rows))


def opposite(x):
    half = picked(x, [0, 1, 2])
    return torch.cat([half, -half], samples(x))


def zeros_among_others(x):
    return picked(torch.cat([x, torch.zeros_like(x)], samples(x)), [0, 6, 2, 7, 4, 8])


EXACT = {
    "opposite": opposite,
    "equal": lambda x: picked(x, [0] * 6),
    "copies": lambda x: picked(x, [0, 1, 1, 2, 2, 2]),
    "behind a ReLU": lambda x: x.clamp_min(0),
    "zeros among others": zeros_among_others,
    "zeros": torch.zeros_like,
    "constant 12.3": lambda x: torch.full_like(x, 12.3),
    "one constant a sample": lambda x: x[..., :1].expand_as(x),
}
ROUNDED = {  # of which a number of float32 is only as good as its inputs
    **{f"scale {by:g}": partial(torch.mul, other=by) for by in (1e-12, 1e-7, 1e12)},
    "shift -1e5": partial(torch.add, other=-1e5),
    "constant 1e12": lambda x: torch.full_like(x, 1e12),
    "nearly 12": lambda x: 12 + x / 16,
}


class EdgeCase(Case):
    """The numbers are such as bfloat16 can hold, so that all precisions are of the same ones."""

    def _draw(self, name, dtype):
        x = super()._draw(name, dtype)
        return x.bfloat16().to(dtype) if x.is_floating_point() else x

    def at(self, edge, who):
        other = deepcopy(self)
        for name in set(who) & set(other.arguments):
            other.arguments[name] = edge(other.arguments[name]).bfloat16().double()
        return other

    def rounded(self):
        """Every number wrong by a few roundings of float32; logits by those of 1 too, of which probabilities are."""
        other = deepcopy(self)
        for name, x in self.arguments.items():
            if x.is_floating_point():
                size = x.abs() + (1 if self.compares_probabilities else 0)
                other.arguments[name] = x + 4 * torch.finfo(torch.float32).eps * size * torch.randn_like(x)
        return other

    def computed(self, dtype=torch.float64):
        """Value and gradient in a precision, as float64."""
        inputs = {name: x.to(dtype) if x.is_floating_point() else x for name, x in self.arguments.items()}
        loss, student = self.loss, inputs["student"].clone().requires_grad_()
        if isinstance(loss, nn.Module):
            loss = deepcopy(loss).to(torch.promote_types(dtype, torch.float32))
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
            value = loss(**{**inputs, "student": student})
        return value.detach().double(), torch.autograd.grad(value, student)[0].double()


@cache
def plain(loss):
    case = EdgeCase(loss)
    return case, [size(x) for x in case.computed()]


def size(x):
    return x.abs().max().item()


def is_what_it_is_in_float64(loss, edge, exactly):
    usual, sizes = plain(loss)
    for who in WHO:
        case = usual.at(edge, who)
        exact = case.computed()
        assert all(x.isfinite().all() for x in exact), who
        assert not case.is_a_distance or exact[0] >= 0
        for dtype in (torch.float32, torch.bfloat16):
            computed = case.computed(dtype)
            assert all(x.isfinite().all() for x in computed), (who, dtype)
            assert not case.is_a_distance or computed[0] >= 0, (who, dtype)
            if dtype is torch.bfloat16 and isinstance(case.loss, nn.Module):
                continue  # its weights multiply in bfloat16, and may
            far = [size(x - y) for x, y in zip(computed, exact, strict=True)]
            floor = 1 if exactly else 1e-5 if case.promise == Divergence and not case.compares_probabilities else 1e-3
            allowed = [ROUGH * max(size(x), floor * y) for x, y in zip(exact, sizes, strict=True)]
            allowed[1] *= 1 if dtype is torch.float32 else 5
            if not exactly and any(x > y for x, y in zip(far, allowed, strict=True)):
                moved = [case.rounded().computed() for _ in range(3)]
                spread = [max(size(x[i] - exact[i]) for x in moved) for i in (0, 1)]
                allowed = [x + 4 * y for x, y in zip(allowed, spread, strict=True)]
            assert far[0] <= allowed[0] and far[1] <= allowed[1], (who, dtype, far, allowed)


@pytest.mark.parametrize("edge", EXACT.values(), ids=EXACT)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_where_samples_are_degenerate(loss, edge):
    is_what_it_is_in_float64(loss, edge, exactly=True)


@pytest.mark.parametrize("edge", ROUNDED.values(), ids=ROUNDED)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_at_every_size(loss, edge):
    is_what_it_is_in_float64(loss, edge, exactly=False)


@pytest.mark.parametrize("loss", [member for member in LOSSES if not inspect.isclass(member.values[0])])
class TestFunctions:
    def test_half_precision_is_lifted_once_so_that_gradients_are_rounded_once(self, loss):
        case = EdgeCase(loss)
        case.arguments = {name: x.bfloat16() if x.is_floating_point() else x for name, x in case.arguments.items()}
        exact = case.computed(torch.float32)[1].bfloat16()
        assert torch.equal(case.computed(torch.bfloat16)[1].bfloat16(), exact)

    @pytest.mark.parametrize("count", [1, 2])
    def test_a_batch_of_one_or_two_is_computed_or_refused_in_a_sentence(self, loss, count):
        for edge in (lambda x: x, lambda x: x.flip(0), torch.zeros_like):
            case = EdgeCase(loss).at(edge, ["student"])
            case.arguments = {name: case._pick(name, x, torch.arange(count)) for name, x in case.arguments.items()}
            try:
                assert all(x.isfinite().all() for x in case.computed(torch.float32))
            except ValueError as error:
                assert count == 1 and "at least two samples" in str(error)


def numbers(call):
    """The names of a call's arguments whose defaults are numbers: what a user may set to anything."""
    parameters = inspect.signature(call).parameters.values()
    return [x.name for x in parameters if isinstance(x.default, int | float) and not isinstance(x.default, bool)]


def with_number(loss, name, number):
    """The loss with an argument set: of a class, its example, built with it."""
    if not inspect.isclass(loss):
        return lambda: partial(loss, **{name: number})

    class Odd(loss):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **{**named, name: number})

    return partial(loss.example.__func__, Odd)


def refuses_or_computes(loss, name):
    for number in HOSTILE:
        case = EdgeCase(loss)
        build = with_number(loss, name, number)
        try:
            case.loss = build(SIZES) if inspect.isclass(loss) else build()
            computed = case.computed(torch.float32)
        except ValueError as error:
            assert f"got {number}" in str(error) or (name == "negatives" and str(number) in str(error))
        else:
            assert all(x.isfinite().all() for x in computed), (name, number)


NUMBERS = [
    pytest.param(member.values[0], name, id=f"{member.id}.{name}")
    for member in LOSSES
    for name in numbers(member.values[0])
]


@pytest.mark.parametrize(("loss", "name"), NUMBERS)
def test_a_number_that_cannot_be_computed_with_is_refused_in_a_sentence(loss, name):
    refuses_or_computes(loss, name)


# ---- losses that break a law


def cosines_as_probabilities(student: Embedding, teacher: Embedding) -> Scalar:
    near = [(1 + (u := F.normalize(x, dim=1)) @ u.T) / 2 for x in (student, teacher)]
    return (near[1] * (near[1] / (near[0] + 1e-7)).log()).mean()


def squares_that_overflow(student: Embedding, teacher: Embedding) -> Scalar:
    tables = [F.normalize(x.float() @ x.float().T, dim=1) for x in (student, teacher)]
    return F.mse_loss(*tables)


def any_temperature(student: Logits, teacher: Logits, temperature: float = 1.0) -> Divergence:
    return F.mse_loss(student.float() / temperature, teacher.float() / temperature)


def test_losses_that_break_a_law_are_caught():
    for loss, edge, exactly in (
        (cosines_as_probabilities, EXACT["opposite"], True),
        (squares_that_overflow, ROUNDED["scale 1e+12"], False),
    ):
        with pytest.raises(AssertionError):
            is_what_it_is_in_float64(loss, edge, exactly)
    with pytest.raises(AssertionError):
        refuses_or_computes(any_temperature, "temperature")
