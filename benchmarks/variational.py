"""What uncertain weights cost: a step of a variational student against one of the same student with sure weights.

Float32, one thread, the labels' loss and Adam: LeNet-5 and LeNet-300-100 on 100 images of noise of MNIST's size;
LeNet-5 in channels_last, too, as runs lay it out. The variational step has the KL of sparse variational dropout.
Products are twice as many; what is done to each weight and to each answer comes on top, and weighs most where a batch
is small and the layers are linear.

    python benchmarks/variational.py [--rounds 30]
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from typing import Any

import torch
from measure import Figure, benchmark, interleaved, summary
from torch import nn
from torch.nn.functional import cross_entropy

from tutelage.compress.variational import kl, variational_
from tutelage.data.batches import Batch
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.models.lenet import lenet5
from tutelage.models.mlp import mlp
from tutelage.objective import Clock, Objective, Term
from tutelage.optimizers.usual import adam


def channels_last(build: Callable[[], nn.Module]) -> nn.Module:
    """What ``build`` makes, as a run lays it out."""
    return build().to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


KINDS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "LeNet-5": (lenet5, 1),
    "LeNet-5, channels last": (partial(channels_last, lenet5), 1),
    "LeNet-300-100": (partial(mlp, (784, 300, 100, 10)), 4),
}
"""How a network is built, and steps in one call of a subject."""
SIZE, SAMPLES = 100, 60_000
TARGETS = {f"{kind}: variational / sure": 2.2 for kind in KINDS}


def batches() -> list[Batch]:
    g = torch.Generator().manual_seed(3)
    return [
        {"input": torch.rand(SIZE, 1, 28, 28, generator=g), "target": torch.randint(10, (SIZE,), generator=g)}
        for _ in range(4)
    ]


def steps(kind: str, *, doubts: bool) -> Iterator[object]:
    torch.manual_seed(1)
    student = KINDS[kind][0]()
    terms = {"label": Term(cross_entropy, "student.output", "batch.target")}
    if doubts:
        terms["kl"] = Term(partial(kl, variational_(student)), weight=1 / SAMPLES)
    learner = Learner(student, Objective(**terms), partial(adam, lr=1e-3))
    data = batches()

    def endless(_epoch: int, _first: int) -> Iterator[Batch]:
        return cycle(data)

    def paused(clock: Clock) -> bool:
        return clock.step % KINDS[kind][1] == 0

    return iter(train({"student": learner}, endless, 1, pause=paused))


def measured(rounds: int) -> dict[str, Any]:
    each = {}
    for kind, (_, per) in KINDS.items():
        ways = {"sure": False, "sure again": False, "variational": True}
        subjects = {name: partial(next, steps(kind, doubts=doubts)) for name, doubts in ways.items()}
        each[kind] = summary(interleaved(subjects, rounds, per), FIGURES)
    return {
        part: {f"{kind}: {name}": x for kind, found in each.items() for name, x in found[part].items()}
        for part in ("milliseconds", "figures")
    }


FIGURES: dict[str, Figure] = {
    "A/A: sure again / sure": lambda ms: ms["sure again"] / ms["sure"],
    "variational / sure": lambda ms: ms["variational"] / ms["sure"],
}


if __name__ == "__main__":
    assert __doc__
    benchmark("variational", __doc__, measured, TARGETS)
