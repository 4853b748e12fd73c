"""What every loss must satisfy, checked for whatever is found in ``tutelage.losses``, and for losses that break it."""

import inspect
import sys
from copy import deepcopy
from typing import get_type_hints

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import tutelage.losses
from contract.find import members, modules, returned
from tutelage.combine.resolve import ResolveConflicts
from tutelage.losses.kd import averaged_targets, soft_targets
from tutelage.shapes import (
    ACROSS,
    BatchScalar,
    Divergence,
    Embedding,
    LabelLogits,
    Labels,
    LogitMap,
    Logits,
    Relational,
    Scalar,
    ScoreMap,
    at_least_float32,
)

SIZES = {"M": 3, "N": 6, "C": 5, "D": 8, "H": 4, "W": 4}
PROMISES = Scalar, BatchScalar, Divergence, Relational
LOSSES = members(tutelage.losses, *PROMISES)


class Case:
    """A loss and what it needs: arguments drawn from the shapes in its signature; an example, if it has weights."""

    def __init__(self, loss, dtype=torch.float64):
        signature = loss.forward if inspect.isclass(loss) else loss
        self.hints = get_type_hints(signature, include_extras=True)
        self.promise = self.hints["return"]
        self.loss = loss.example(SIZES).to(dtype) if inspect.isclass(loss) else loss
        needed = [
            name
            for name, parameter in inspect.signature(signature).parameters.items()
            if parameter.default is parameter.empty and name != "self"
        ]
        self.arguments = {name: self._draw(name, dtype) for name in needed}

    def _draw(self, name, dtype):
        size = [SIZES[letter] for letter in self.letters(name) if letter != "int"]
        return torch.randint(SIZES["C"], size) if "int" in self.letters(name) else torch.randn(size, dtype=dtype)

    def letters(self, name):
        return self.hints[name].__metadata__[0].split()

    @property
    def student(self):
        return self.arguments["student"]

    @property
    def logits(self):
        return [name for name in self.arguments if self.letters(name)[-2:] == ["N", "C"]]

    @property
    def labels(self):
        return [name for name in self.arguments if "int" in self.letters(name)]

    @property
    def is_a_distance(self):
        return self.promise in (Divergence, Relational)

    @property
    def compares_classes(self):
        return "student" in self.logits

    @property
    def compares_probabilities(self):
        """Whether it is of logits of any kind: what it computes with is of the size of 1, however small these are."""
        student = self.hints.get("student")
        return student in (Logits, LabelLogits, LogitMap) or (student == ScoreMap and self.promise == Divergence)

    def __call__(self, **changed):
        return self.loss(**{**self.arguments, **changed})

    def pick(self, samples):
        """The loss of some of the samples: members stand before samples in an ensemble's logits."""
        return self(**{name: self._pick(name, x, samples) for name, x in self.arguments.items()})

    def _pick(self, name, x, samples):
        return x.index_select(self.letters(name).index("N"), samples)

    def at_the_teacher(self):
        return self(teacher=self.student.expand(self.arguments["teacher"].shape))


def gives_a_finite_scalar_with_a_gradient_for_the_student(loss):
    case = Case(loss)
    value = case(student=case.student.requires_grad_())
    assert value.shape == () and value.isfinite()
    assert value.requires_grad
    (gradient,) = torch.autograd.grad(value, case.student)
    assert gradient.isfinite().all() and gradient.abs().sum() > 0


def is_zero_at_the_teacher_and_positive_elsewhere_if_it_promises_that(loss):
    case = Case(loss)
    assert not case.is_a_distance or case.at_the_teacher().abs() < 1e-9 < case()


def ignores_the_order_of_the_batch(loss):
    case = Case(loss)
    assert torch.allclose(case.pick(torch.randperm(SIZES["N"])), case())


def is_the_mean_of_its_halves_unless_it_says_that_it_relates_samples(loss):
    case = Case(loss)
    halves = torch.stack([case.pick(half) for half in torch.arange(SIZES["N"]).chunk(2)])
    assert torch.allclose(halves.mean(), case()) != (ACROSS in case.promise.__metadata__)


def matches_finite_differences(loss):
    case = Case(loss)
    student = case.student.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: case(student=x), student, raise_exception=False)


def does_not_grow_with_the_batch(loss):
    case = Case(loss)
    assert case.pick(torch.arange(SIZES["N"]).repeat(2)).abs() < 1.5 * case().abs()


def lifts_half_precision(loss):
    case = Case(loss, torch.bfloat16)
    case.loss = case.loss.float() if isinstance(case.loss, nn.Module) else case.loss
    with torch.autocast("cpu", torch.bfloat16):
        value = case()
    exact = Case(loss)
    exact.arguments = {name: x.double() if x.is_floating_point() else x for name, x in case.arguments.items()}
    exact.loss = deepcopy(case.loss).double() if isinstance(case.loss, nn.Module) else case.loss
    assert value.dtype is torch.float32
    rough = 1e-4 if not isinstance(case.loss, nn.Module) else 0.1  # weights multiply in bfloat16, and may
    assert torch.allclose(value.double(), exact(), rtol=rough)


def changes_nothing_that_it_was_given(loss):
    case = Case(loss)
    before = {name: x.clone() for name, x in case.arguments.items()}
    case()
    assert all(torch.equal(x, case.arguments[name]) for name, x in before.items())


def says_where_it_comes_from(loss):
    module = sys.modules[loss.__module__]
    assert loss.__doc__ and ("arXiv" in loss.__doc__ or "doi" in loss.__doc__)
    assert getattr(module, "CITATIONS", {}).get(loss.__name__, "").startswith("@")


def has_its_plain_gradient_as_jacobian_row_in_second_place(loss):
    from torchjd.autojac import backward

    for chunk in (1, None):
        case = Case(loss)
        student = nn.Parameter(case.student)
        (plain,) = torch.autograd.grad(case(student=student), student)
        backward([student.square().sum(), case(student=student)], parallel_chunk_size=chunk)
        assert torch.allclose(student.jac[1], plain)
    combine = ResolveConflicts(lambda rows: rows[1])
    combine.add({"first": student.square().sum(), "second": case(student=student)}, {}, {"s": student})
    combine.settle({"s": student})
    assert torch.allclose(student.grad, plain)


LAWS = [
    gives_a_finite_scalar_with_a_gradient_for_the_student,
    is_zero_at_the_teacher_and_positive_elsewhere_if_it_promises_that,
    ignores_the_order_of_the_batch,
    is_the_mean_of_its_halves_unless_it_says_that_it_relates_samples,
    matches_finite_differences,
    does_not_grow_with_the_batch,
    lifts_half_precision,
    changes_nothing_that_it_was_given,
    says_where_it_comes_from,
    has_its_plain_gradient_as_jacobian_row_in_second_place,
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss(loss, law):
    law(loss)


def test_every_citation_is_of_a_loss_and_is_one_bibtex_entry_or_more():
    for module in modules(tutelage.losses):
        for name, entry in module.CITATIONS.items():
            assert returned(vars(module)[name]) in (*PROMISES, Tensor)  # those of tokens, and masks, are not drawn
            assert entry.startswith("@") and entry.count("{") == entry.count("}") and "year" in entry


# ---- losses that break a law, and one with weights that keeps them all


def no_gradient(student: Logits, teacher: Logits) -> Divergence:
    return soft_targets(student.detach(), teacher)


def one_value_a_sample(student: Logits, teacher: Logits) -> Divergence:
    return (student - teacher).square().mean(-1)


def not_zero_at_the_teacher(student: Logits, teacher: Logits) -> Divergence:
    return F.cross_entropy(student, teacher.softmax(-1))


def sometimes_negative(student: Logits, teacher: Logits) -> Divergence:
    return -soft_targets(student, teacher)


def order_dependent(student: Logits, teacher: Logits) -> Divergence:
    return (torch.arange(1.0, len(student) + 1) * (student - teacher).square().mean(-1)).mean()


def sum_over_the_batch(student: Logits, teacher: Logits) -> Divergence:
    return (student - teacher).square().sum()


def relates_samples_in_secret(student: Embedding, teacher: Embedding) -> Divergence:
    return (student @ student.T - teacher @ teacher.T).square().mean()


def claims_to_relate_samples(student: Logits, teacher: Logits) -> Relational:
    return soft_targets(student, teacher)


def claims_to_be_of_the_whole_batch(student: Logits, teacher: Logits) -> BatchScalar:
    return soft_targets(student, teacher)


def wrong_gradient(student: Logits, teacher: Logits) -> Divergence:
    return soft_targets(student, teacher) + (student.detach() - teacher).square().mean()


def stays_in_half_precision(student: Logits, teacher: Logits) -> Divergence:
    return F.kl_div(student.log_softmax(-1), teacher.softmax(-1), reduction="batchmean")


def lifts_too_late(student: Logits, teacher: Logits) -> Divergence:
    return at_least_float32(F.kl_div(student.log_softmax(-1), teacher.softmax(-1), reduction="batchmean"))


def writes_into_its_arguments(student: Logits, teacher: Logits) -> Divergence:
    return soft_targets(student, teacher.mul_(2))


def names_nobody(student: Logits, teacher: Logits) -> Divergence:
    """A divergence."""
    return soft_targets(student, teacher)


def cdist_under_vmap(student: Embedding, teacher: Embedding) -> Relational:
    return (torch.cdist(student, student) - torch.cdist(teacher, teacher)).square().mean()


class Projected(nn.Module):
    """A loss with weights that keeps the laws: ``mean ‖W s − t‖²``, with one more argument. arXiv:1412.6550."""

    def __init__(self, student_width, teacher_width):
        super().__init__()
        self.project = nn.Linear(student_width, teacher_width)

    @classmethod
    def example(cls, sizes):
        return cls(sizes["D"], sizes["D"])

    def forward(self, student: Embedding, teacher: Embedding, target: Labels) -> Scalar:
        gap = at_least_float32(self.project(student)) - at_least_float32(teacher)
        return gap.square().mean() + 0 * target.sum()


BROKEN = [
    (no_gradient, gives_a_finite_scalar_with_a_gradient_for_the_student),
    (one_value_a_sample, gives_a_finite_scalar_with_a_gradient_for_the_student),
    (not_zero_at_the_teacher, is_zero_at_the_teacher_and_positive_elsewhere_if_it_promises_that),
    (sometimes_negative, is_zero_at_the_teacher_and_positive_elsewhere_if_it_promises_that),
    (order_dependent, ignores_the_order_of_the_batch),
    (sum_over_the_batch, does_not_grow_with_the_batch),
    (relates_samples_in_secret, is_the_mean_of_its_halves_unless_it_says_that_it_relates_samples),
    (claims_to_relate_samples, is_the_mean_of_its_halves_unless_it_says_that_it_relates_samples),
    (claims_to_be_of_the_whole_batch, is_the_mean_of_its_halves_unless_it_says_that_it_relates_samples),
    (wrong_gradient, matches_finite_differences),
    (stays_in_half_precision, lifts_half_precision),
    (lifts_too_late, lifts_half_precision),
    (writes_into_its_arguments, changes_nothing_that_it_was_given),
    (names_nobody, says_where_it_comes_from),
    (cdist_under_vmap, has_its_plain_gradient_as_jacobian_row_in_second_place),
]


@pytest.mark.parametrize(("loss", "law"), BROKEN, ids=lambda member: member.__name__)
def test_a_broken_loss_is_caught(loss, law):
    with pytest.raises(AssertionError):
        for _ in range(9):  # one draw in twenty is right in half precision, by chance
            law(loss)


def test_every_law_catches_some_broken_loss():
    assert {law for _, law in BROKEN} == set(LAWS)


@pytest.mark.parametrize(
    "law", [law for law in LAWS if law is not says_where_it_comes_from], ids=lambda law: law.__name__
)
def test_a_loss_with_weights_is_drawn_by_its_example(law):
    law(Projected)


def test_the_order_of_the_members_is_no_part_of_the_batch():
    case = Case(averaged_targets)
    assert case.pick(torch.arange(2)).isfinite() and case.arguments["teacher"].shape == (3, 6, 5)
