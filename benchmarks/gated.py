"""What gates cost: a step of a search for a student against one of the same network without gates.

Float32, one thread, the labels' loss and Nesterov's momentum; weights are trained alike on both sides, gates by
accelerated proximal steps. Nets of linear layers and LeNet-5 on 100 images of noise of MNIST's size, ResNet-8 and
DenseNet-BC(22, 12) on 64 of CIFAR's. What gates add does not grow with the batch, but with the weights that they are
multiplied into and with the layers, so that it weighs most where a step is small beside its weights: in a net of
linear layers.

    python benchmarks/gated.py [--rounds 30]
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from typing import Any

import torch
from measure import Figure, benchmark, interleaved, summary
from torch import nn
from torch.nn import functional as F

from tutelage.compress.gates import gated
from tutelage.data.batches import Batch
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.models.densenet import densenet_bc
from tutelage.models.lenet import lenet5
from tutelage.models.mlp import mlp
from tutelage.models.resnet import resnet8
from tutelage.objective import Clock, Objective, Term
from tutelage.optimizers.usual import nesterov
from tutelage.schemes.search import Penalty

DIGITS, PHOTOGRAPHS = (1, 28, 28), (3, 32, 32)
KINDS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int, int]] = {
    "MLP 300-100": (partial(mlp, (784, 300, 100, 10)), DIGITS, 100, 20),
    "MLP 1200-1200": (partial(mlp, (784, 1200, 1200, 10)), DIGITS, 100, 4),
    "LeNet-5": (lenet5, DIGITS, 100, 4),
    "ResNet-8": (partial(resnet8, 10), PHOTOGRAPHS, 64, 1),
    "DenseNet-BC(22, 12)": (partial(densenet_bc, 22, 12, 10), PHOTOGRAPHS, 64, 1),
}
"""How a network is built, the size of a sample, samples in a batch, and steps in one call of a subject."""
TARGETS = {f"{kind}: gated / plain": 1.05 for kind in KINDS}
FIGURES: dict[str, Figure] = {
    "A/A: plain again / plain": lambda ms: ms["plain again"] / ms["plain"],
    "gated / plain": lambda ms: ms["gated"] / ms["plain"],
}


def batches(size: tuple[int, ...], count: int) -> list[Batch]:
    g = torch.Generator().manual_seed(3)
    return [
        {"input": torch.rand(count, *size, generator=g), "target": torch.randint(10, (count,), generator=g)}
        for _ in range(4)
    ]


def steps(kind: str, has_gates: bool) -> Iterator[object]:
    build, size, count, per = KINDS[kind]
    torch.manual_seed(1)
    student, factory = build(), partial(nesterov, lr=0.01, weight_decay=1e-4)
    if has_gates:
        student = gated(lambda: student, sample=size)
        factory = Penalty(1e-4).optimizer(factory, student)
    student = student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as a run lays it out
    objective = Objective(label=Term(F.cross_entropy, "student.output", "batch.target"))
    learner = Learner(student, objective, factory)
    data = batches(size, count)

    def endless(_epoch: int, _first: int) -> Iterator[Batch]:
        return cycle(data)

    def paused(clock: Clock) -> bool:
        return clock.step % per == 0

    return iter(train({"student": learner}, endless, 1, pause=paused))


def measured(rounds: int) -> dict[str, Any]:
    each = {}
    for kind, (*_, per) in KINDS.items():
        ways = {"plain": False, "plain again": False, "gated": True}
        subjects = {name: partial(next, steps(kind, has_gates)) for name, has_gates in ways.items()}
        each[kind] = summary(interleaved(subjects, rounds, per), FIGURES)
    return {
        part: {f"{kind}: {name}": x for kind, found in each.items() for name, x in found[part].items()}
        for part in ("milliseconds", "figures")
    }


if __name__ == "__main__":
    assert __doc__
    benchmark("gated", __doc__, measured, TARGETS)
