"""What attention over layers adds to a step of distillation: three layers of a student over three of its teacher.

resnet56 teaches resnet20 on noise of CIFAR's size, batch 64, float32, SGD with momentum, by labels and soft targets;
then also by attention from each stage over all stages, and by SemCKD. Before anything is timed, the loss must be that
of the formula.

    python benchmarks/attention.py [--rounds 12]
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from measure import benchmark, interleaved, summary
from torch import Tensor, nn
from torch.nn import functional as F

from tutelage.data.batches import Batch
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.hint import mean_squares
from tutelage.losses.kd import soft_targets
from tutelage.matching.attentive import Attentive
from tutelage.matching.fitted import learned_orthogonal
from tutelage.matching.ranges import addresses, every_layer
from tutelage.matching.semckd import SemCKD
from tutelage.matching.similarities import QueryKey
from tutelage.models.resnet import resnet
from tutelage.objective import Objective, Term
from tutelage.teachers.frozen import frozen

STEPS, SIZE = 1, 64  # steps in one call of a subject, samples in a step
STAGES = ("layer1", "layer2", "layer3")
RANGES = every_layer([f"student.{x}" for x in STAGES], [f"teacher.{x}" for x in STAGES])
SGD = partial(torch.optim.SGD, lr=0.01, momentum=0.9)
TARGETS = {"attention step / KD step": 1.15}


def batches() -> list[Batch]:
    g = torch.Generator().manual_seed(0)
    return [
        {"input": torch.randn(SIZE, 3, 32, 32, generator=g), "target": torch.randint(100, (SIZE,), generator=g)}
        for _ in range(STEPS)
    ]


@torch.no_grad()
def new_teacher() -> nn.Module:
    """Untrained, but with statistics of its own activations, which would grow from block to block without."""
    torch.manual_seed(2)
    teacher = resnet(56)
    for module in teacher.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # a plain mean over batches
    teacher(batches()[0]["input"])
    return teacher.eval()


def ours(teacher: nn.Module, matching: Callable[[], nn.Module] | None, *, across: bool = False) -> Iterator[object]:
    """An epoch of ``STEPS`` steps at a time."""
    torch.manual_seed(1)
    terms = {
        "label": Term(F.cross_entropy, "student.output", "batch.target", weight=0.1),
        "soft": Term(soft_targets, "student.output", "teacher.output", weight=0.9),
    }
    if matching is not None:
        terms["layers"] = Term(matching(), *addresses(RANGES), across=across)
    learner = Learner(resnet(20), Objective(**terms), SGD, teachers={"teacher": frozen(teacher)})
    return iter(train({"student": learner}, batches(), epochs=10**9))


def by_hand(attention: Attentive, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
    """The formula, layer by layer."""
    values = []
    for place, layer in enumerate(student):
        s = attention.fits[place].module(F.adaptive_avg_pool2d(layer, 8))
        maps = [F.adaptive_avg_pool2d(x, 8) for x in teacher]
        maps = [attention.projects[3 * place + i].module(x) for i, x in enumerate(maps)]
        scores = torch.stack([(x.mean((2, 3)) * s.mean((2, 3))).sum(1) / 8 for x in maps], 1)
        weights = scores.softmax(1)
        mixture = torch.stack([w[:, None, None, None] * x for w, x in zip(weights.unbind(1), maps, strict=True)]).sum(0)
        values.append(F.mse_loss(s, mixture))
    return torch.stack(values).mean()


@torch.no_grad()
def refuse_another_loss() -> None:
    """A faster wrong attention would prove nothing."""
    attention = Attentive(mean_squares, RANGES)
    shapes = [(4, 16, 32, 32), (4, 32, 16, 16), (4, 64, 8, 8)]
    student, teacher = ([torch.randn(shape) for shape in shapes] for _ in range(2))
    value, expected = attention(student, teacher), by_hand(attention, student, teacher)
    if not torch.allclose(value, expected):
        raise SystemExit(f"Attention gives {value.item()}, the formula {expected.item()}.")


def measured(rounds: int) -> dict[str, Any]:
    refuse_another_loss()
    teacher = new_teacher()
    learned = partial(Attentive, mean_squares, RANGES, similarity=QueryKey(), project=learned_orthogonal)
    loops = {
        "KD step": ours(teacher, None),
        "KD step again": ours(teacher, None),
        "attention step": ours(teacher, partial(Attentive, mean_squares, RANGES)),
        "attention step, all that can be learned": ours(teacher, learned),
        "SemCKD step": ours(teacher, partial(SemCKD, RANGES, samples=SIZE), across=True),
    }
    figures = {
        "attention step / KD step": lambda ms: ms["attention step"] / ms["KD step"],
        "the same, all that can be learned": lambda ms: ms["attention step, all that can be learned"] / ms["KD step"],
        "SemCKD step / KD step": lambda ms: ms["SemCKD step"] / ms["KD step"],
        "A/A: KD step again / KD step": lambda ms: ms["KD step again"] / ms["KD step"],
    }
    return summary(interleaved({name: partial(next, loop) for name, loop in loops.items()}, rounds, STEPS), figures)


if __name__ == "__main__":
    benchmark("attention", __doc__ or "", measured, TARGETS)
