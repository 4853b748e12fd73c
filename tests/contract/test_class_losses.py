"""What every loss that compares classes must satisfy: found in ``tutelage.losses`` by an argument of ``Logits``."""

import inspect

import pytest
import torch
from torch.nn import functional as F

from contract.test_losses import LOSSES, SIZES, Case
from tutelage.losses.dkd import dkd
from tutelage.losses.kd import arithmetic, averaged_targets, geometric, matched_logits, soft_targets
from tutelage.losses.mixed_labels import mixed_cross_entropy
from tutelage.losses.standardized import standardized
from tutelage.shapes import Divergence, Logits, MemberLogits

COMPARING = [member for member in LOSSES if Case(member.values[0]).compares_classes]


def averaged_logits(student: Logits, teacher: MemberLogits, dim: int | None = None) -> Divergence:
    return averaged_targets(student, teacher, average=geometric, dim=dim)


VARIANTS = [averaged_logits, *map(standardized, (soft_targets, matched_logits, dkd))]
MASKED = 2  # the class that a network rules out


def masked(case, *names, dtype=None):
    """The case with a logit of -inf at one class in the arguments called ``names``; no sample is labelled so."""
    for name in case.logits:
        x = case.arguments[name].clone()
        if name in names:
            x[..., MASKED] = -torch.inf
        case.arguments[name] = x if dtype is None else x.to(dtype)
    for name in case.labels:
        case.arguments[name] = torch.where(case.arguments[name] == MASKED, 0, case.arguments[name])
    return case


def value_and_gradient(case):
    student = case.student.clone().requires_grad_()
    value = case(student=student)
    return value, torch.autograd.grad(value, student)[0]


def is_finite_where_a_class_is_ruled_out_by_the_teacher(loss):
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        for ruled_out in (["teacher"], Case(loss).logits):
            case = masked(Case(loss), *ruled_out, dtype=dtype)
            value, gradient = value_and_gradient(case)
            assert value.isfinite() and gradient.isfinite().all()


def counts_nothing_for_a_class_that_both_rule_out(loss):
    case = Case(loss)
    value, gradient = value_and_gradient(masked(case, *case.logits))
    rest = [c for c in range(SIZES["C"]) if c != MASKED]
    for name in case.logits:
        case.arguments[name] = case.arguments[name][..., rest]
    for name in case.labels:
        case.arguments[name] = case.arguments[name] - (case.arguments[name] > MASKED).long()
    without, its_gradient = value_and_gradient(case)
    assert torch.allclose(value, without)
    assert torch.allclose(gradient[..., rest], its_gradient) and not gradient[..., MASKED].any()


def passes_no_gradient_to_a_class_that_the_student_rules_out(loss):
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        case = masked(Case(loss), *Case(loss).logits, dtype=dtype)
        gradient = value_and_gradient(case)[1]
        assert gradient.isfinite().all() and gradient.any() and not gradient[..., MASKED].any()


def is_not_finite_where_no_class_is_left_or_one_is_certain_without_bound(loss):
    for name in Case(loss).logits:
        alone = "dim" not in inspect.signature(loss).parameters and name != "student"  # matches each logit by itself
        for number, places in ((-torch.inf, slice(None)), (torch.inf, 1)):
            case = Case(loss)
            x = case.arguments[name]
            x[..., 0, places] = number
            assert not case().isfinite() or (alone and number < 0), (name, number)


def is_no_nan_where_the_student_alone_rules_a_class_out(loss):
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        assert not masked(Case(loss), "student", "judged", dtype=dtype)().isnan()


def is_finite_where_all_classes_but_one_are_ruled_out(loss):
    case = Case(loss)
    only = F.one_hot(torch.arange(SIZES["N"]) % SIZES["C"], SIZES["C"]).bool()
    for name in case.logits:
        case.arguments[name] = torch.where(only, case.arguments[name], -torch.inf)
    for name in case.labels:
        case.arguments[name] = torch.arange(SIZES["N"]) % SIZES["C"]
    value, gradient = value_and_gradient(case)
    assert value.isfinite() and gradient.isfinite().all()


def says_so_if_a_single_class_leaves_nothing_to_compare(loss):
    case = Case(loss)
    for name in case.logits:
        case.arguments[name] = case.arguments[name][..., :1]
    for name in case.labels:
        case.arguments[name] = torch.zeros_like(case.arguments[name])
    try:
        value, gradient = value_and_gradient(case)
    except ValueError as error:
        assert "class" in str(error)
    else:
        assert value != 0 and gradient.any()


def does_not_guess_where_the_classes_of_a_map_are(loss):
    """Of logits (N, C, H, W) it asks for ``dim``, and is then what it is of a row for each place."""
    case = Case(loss)
    rows = {name: case.arguments[name] for name in (*case.logits, *case.labels)}
    maps = {name: torch.stack([x, x.flip(rows_dim(case, name))], -1)[..., None] for name, x in rows.items()}
    rows = {name: torch.cat([x, x.flip(rows_dim(case, name))], rows_dim(case, name)) for name, x in rows.items()}
    maps = {name: x.transpose(-2, -1) for name, x in maps.items()}
    takes_dim = "dim" in inspect.signature(loss).parameters
    try:
        value = case(**maps)
    except ValueError as error:
        assert "class" in str(error)
    else:
        assert not takes_dim and torch.allclose(value, case(**rows))
    if takes_dim:
        assert torch.allclose(case(**maps, dim=1), case(**rows))


def rows_dim(case, name):
    return case.letters(name).index("N")


LAWS_OF_CLASSES = [
    passes_no_gradient_to_a_class_that_the_student_rules_out,
    is_not_finite_where_no_class_is_left_or_one_is_certain_without_bound,
    is_finite_where_a_class_is_ruled_out_by_the_teacher,
    counts_nothing_for_a_class_that_both_rule_out,
    is_no_nan_where_the_student_alone_rules_a_class_out,
    is_finite_where_all_classes_but_one_are_ruled_out,
    says_so_if_a_single_class_leaves_nothing_to_compare,
    does_not_guess_where_the_classes_of_a_map_are,
]


@pytest.mark.parametrize("law", LAWS_OF_CLASSES, ids=lambda law: law.__name__)
@pytest.mark.parametrize("loss", [*COMPARING, *VARIANTS])
def test_every_loss_that_compares_classes(loss, law):
    law(loss)


def plain_divergence(student: Logits, teacher: Logits, dim: int = -1) -> Divergence:
    log_s, log_t = student.log_softmax(dim), teacher.log_softmax(dim)
    return (log_t.exp() * (log_t - log_s)).sum(dim).mean()


def plain_variance(student: Logits, teacher: Logits) -> Divergence:
    return (student - teacher).var(-1).mean()


def of_what_is_finite(student: Logits, teacher: Logits) -> Divergence:
    return plain_divergence(student.nan_to_num(), teacher.nan_to_num())


BROKEN = {
    is_no_nan_where_the_student_alone_rules_a_class_out: plain_variance,
    passes_no_gradient_to_a_class_that_the_student_rules_out: plain_variance,
    is_not_finite_where_no_class_is_left_or_one_is_certain_without_bound: of_what_is_finite,
}


@pytest.mark.parametrize("law", LAWS_OF_CLASSES, ids=lambda law: law.__name__)
def test_a_loss_that_forgets_about_classes_is_caught(law):
    broken = BROKEN.get(law, plain_divergence)
    with pytest.raises(AssertionError):
        law(broken)


def test_the_losses_that_compare_classes_are_found():
    assert len(COMPARING) >= 12 and {soft_targets, averaged_targets} <= {case.values[0] for case in COMPARING}


@pytest.mark.parametrize("average", [arithmetic, geometric])
def test_a_member_that_counts_nothing_or_rules_a_class_out_leaves_the_average_finite(average):
    teacher = torch.randn(3, 6, 5, dtype=torch.float64)
    teacher[1, :, MASKED] = -torch.inf
    student = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    value = averaged_targets(student, teacher, average=average)
    value.backward()
    assert value.isfinite() and student.grad.isfinite().all()
    without = averaged_targets(student, teacher[[0, 2]], average=average, weights=(1, 3))
    torch.testing.assert_close(averaged_targets(student, teacher, average=average, weights=(1, 0, 3)), without)


def test_a_label_without_a_share_may_be_of_a_class_that_is_ruled_out():
    logits = torch.tensor([[1.0, -torch.inf]], requires_grad=True)
    loss = mixed_cross_entropy(logits, torch.tensor([0]), torch.tensor([1]), torch.tensor([1.0]))
    loss.backward()
    assert loss == 0 and not logits.grad.any()
