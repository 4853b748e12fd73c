"""The block-sparse penalty: up to the teacher's magnitude weights are free, whatever the sizes of the two."""

import re

import pytest
import torch
from torch import nn

from tutelage.compress.block_sparse import block_sparse, blocks, paired
from tutelage.models.lenet import lenet5
from tutelage.models.mlp import mlp


def test_a_block_of_a_convolution_is_a_kernel():
    weight = torch.randn(4, 3, 5, 5)
    assert torch.equal(blocks(weight), weight.abs().amax((2, 3)))
    assert torch.equal(blocks(weight[..., 0, 0]), weight[..., 0, 0].abs())


def test_the_student_pays_for_what_exceeds_its_teacher_alone():
    teacher, student = lenet5(), lenet5()
    with torch.no_grad():
        for own, theirs in zip(student.parameters(), teacher.parameters(), strict=True):
            own.copy_(0.5 * theirs)
    total = block_sparse(student, teacher=teacher)
    total.backward()
    assert all(p.grad is None or not p.grad.any() for p in student.parameters())
    assert torch.equal(total, block_sparse(teacher, teacher=teacher))
    assert all(p.grad is None for p in teacher.parameters())


def test_of_equals_nothing_is_to_be_paid():
    student = mlp((6, 4, 2))
    block_sparse(student, teacher=mlp_like(student)).backward()
    assert not student.hidden1.weight.grad.any()


def mlp_like(student):
    made = mlp((6, 4, 2))
    made.load_state_dict(student.state_dict())
    return made


def test_a_larger_teacher_is_pooled_to_the_students_grid():
    teacher, student = nn.Linear(4, 4), nn.Linear(2, 2)
    with torch.no_grad():
        teacher.weight.zero_()
        teacher.weight[0, 0], teacher.weight[3, 2] = -3.0, 2.0
        student.weight.copy_(torch.tensor([[1.0, 1.0], [1.0, -4.0]]))
    total = block_sparse(student, teacher=teacher)
    assert total.item() == 3 + 1 + 1 + 4
    total.backward()
    assert torch.equal(student.weight.grad, torch.tensor([[0.0, 1.0], [1.0, -1.0]]))


def test_layers_are_paired_in_their_order_or_by_name():
    small, large = mlp((784, 30, 10, 10)), mlp((784, 120, 120, 10))
    assert paired(small, large) == [(name, name) for name in ("hidden1", "hidden2", "output")]
    chosen = block_sparse(small, teacher=large, layers=[("hidden2", "hidden1")])
    assert bool(chosen.isfinite())


@pytest.mark.parametrize(
    ("student", "teacher", "words"),
    [
        (mlp((9, 3, 3, 2)), mlp((9, 4, 2)), "'output' (Linear) of the student meets no layer of the teacher"),
        (mlp((9, 3, 2)), lenet5(), "'hidden1' (Linear) of the student meets 'conv1' (Conv2d) of the teacher"),
        (nn.Flatten(), mlp((9, 4, 2)), "Flatten has no linear layer or convolution to compare blocks of"),
        (nn.ConvTranspose2d(2, 3, 1), nn.Conv2d(3, 2, 1), "'' (ConvTranspose2d) of the student meets '' (Conv2d) of"),
    ],
)
def test_layers_that_do_not_fit_are_refused(student, teacher, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        block_sparse(student, teacher=teacher)


def test_in_half_precision_it_is_summed_in_float32():
    student, teacher = nn.Linear(300, 300).half(), nn.Linear(300, 300).half()
    with torch.no_grad():
        student.weight.fill_(2.0)  # 90,000 twice are more than float16 has
    total = block_sparse(student, teacher=teacher)
    assert total.dtype == torch.float32 and total.item() == 180_000


def test_a_layer_that_is_none_is_refused():
    with pytest.raises(ValueError, match="has no layer 'relu1' with a weight to compare blocks of"):
        block_sparse(mlp(), teacher=mlp(), layers=[("relu1", "hidden1")])
