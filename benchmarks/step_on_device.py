"""Steps of resnet56 → resnet20 on noise of CIFAR's size: by labels, by soft targets, and without conflict."""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tutelage.combine.base import Combine
from tutelage.combine.decompose import decomposed, symmetric
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.kd import soft_targets
from tutelage.losses.similarity_preserving import similarity_preserving
from tutelage.models.resnet import resnet20, resnet56
from tutelage.objective import Objective, Term
from tutelage.teachers.frozen import folded

Prepare = Callable[[nn.Module], nn.Module]
BATCH = 64
SGD = partial(torch.optim.SGD, lr=0.0, momentum=0.9, fused=True)
LABEL = Term(cross_entropy, "student.output", "batch.target")
SOFT = Term(soft_targets, "student.output", "teacher.output")
ALIKE = Term(similarity_preserving, "student.layer3", "teacher.layer3", across=True, weight=3000.0)
EXACT = partial(ResolveConflicts, partial(decomposed, by=symmetric))


def subjects(device: str) -> dict[str, Callable[[], Callable[[], object]]]:
    """By name what makes a step: each call of it takes one."""
    kinds: dict[str, tuple[Objective, Callable[[], Combine]]] = {
        "labels": (Objective(label=LABEL), WeightedSum),
        "labels and soft targets": (Objective(label=LABEL, soft=SOFT), WeightedSum),
        "and similarities, exact rule": (Objective(label=LABEL, soft=SOFT, alike=ALIKE), EXACT),
    }
    graphs: Prepare = partial(torch.compile, mode="reduce-overhead") if device != "cpu" else torch.compile
    ways: dict[str, tuple[Prepare, torch.dtype]] = {
        "eager": (as_it_is, torch.float32),
        "eager, bfloat16": (as_it_is, torch.bfloat16),
        "compiled": (graphs, torch.float32),
    }
    return {
        f"{kind}, {way}": partial(stepping, device, objective, combine, prepare, precision)
        for way, (prepare, precision) in ways.items()
        for kind, (objective, combine) in kinds.items()
    }


def stepping(
    device: str, objective: Objective, combine: Callable[[], Combine], prepare: Prepare, precision: torch.dtype
) -> Callable[[], object]:
    torch.manual_seed(0)
    images = torch.randn(BATCH, 3, 32, 32, device=device).contiguous(memory_format=torch.channels_last)
    batch = {"input": images, "target": torch.randint(100, (BATCH,), device=device)}
    teacher, student = (net().to(device, memory_format=torch.channels_last) for net in (resnet56, resnet20))
    reads = any(who == "teacher" for who, _ in objective.reads(list(objective.terms)))
    teachers = {"teacher": folded(teacher.eval())} if reads else {}
    learner = Learner(student, objective, SGD, combine(), teachers)
    always = {"pause": lambda _clock: True, "prepare": prepare, "precision": precision}
    training = iter(train({"student": learner}, [batch] * 1000, 10**6, **always))
    return lambda: next(training)


def as_it_is(model: nn.Module) -> nn.Module:
    return model
