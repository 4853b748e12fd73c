"""What uncertain weights cost: a step of a variational student against one of the same student with sure weights.

Float32, one thread, the labels' loss and Adam: LeNet-5 and LeNet-300-100 on 100 images of noise of MNIST's size;
LeNet-5 in channels_last, too, as runs lay it out. The variational step has the KL of sparse variational dropout.
Products are twice as many; what is done to each weight and to each answer comes on top, and weighs most where a batch
is small and the layers are linear. ``least`` is a step that has both products and a normal number for each answer, and
nothing else: no exponential, no root, no KL. A variational one cannot be faster.

    python benchmarks/variational.py [--rounds 30]
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from typing import Any

import torch
from measure import Figure, benchmark, interleaved, summary
from torch import Tensor, nn
from torch.nn import functional as F

from tutelage.compress.posterior import Product
from tutelage.compress.variational import kl, variational_
from tutelage.data.batches import Batch
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.models.lenet import lenet5
from tutelage.models.mlp import mlp
from tutelage.objective import Clock, Objective, Term
from tutelage.optimizers.usual import adam


def channels_last(build: Callable[[], nn.Sequential]) -> nn.Sequential:
    """What ``build`` makes, as a run lays it out."""
    return build().to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


KINDS: dict[str, tuple[Callable[[], nn.Sequential], int]] = {
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


class Least(nn.Module):
    """``layer`` with a product more, of squares, and noise of that size on its answers."""

    def __init__(self, layer: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer
        self.variance = nn.Parameter(torch.full_like(layer.weight, 5e-5))

    def forward(self, x: Tensor) -> Tensor:
        product: Product = self.layer._conv_forward if isinstance(self.layer, nn.Conv2d) else F.linear
        mean, variance = product(x, self.layer.weight, self.layer.bias), product(x * x, self.variance, None)
        noise = torch.empty_like(mean)
        noise.as_strided((noise.numel(),), (1,)).normal_()  # in a row: randn_like takes ten times in channels_last
        return torch.addcmul(mean, variance, noise)


def sure(_student: nn.Sequential) -> dict[str, Term]:
    return {}


def least(student: nn.Sequential) -> dict[str, Term]:
    for place, layer in enumerate(student):
        if isinstance(layer, nn.Linear | nn.Conv2d):
            student[place] = Least(layer)
    return {}


def variational(student: nn.Sequential) -> dict[str, Term]:
    return {"kl": Term(partial(kl, variational_(student)), weight=1 / SAMPLES)}


def steps(kind: str, made: Callable[[nn.Sequential], dict[str, Term]]) -> Iterator[object]:
    torch.manual_seed(1)
    student = KINDS[kind][0]()
    terms = {"label": Term(F.cross_entropy, "student.output", "batch.target"), **made(student)}
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
        ways = {"sure": sure, "sure again": sure, "least": least, "variational": variational}
        subjects = {name: partial(next, steps(kind, made)) for name, made in ways.items()}
        each[kind] = summary(interleaved(subjects, rounds, per), FIGURES)
    return {
        part: {f"{kind}: {name}": x for kind, found in each.items() for name, x in found[part].items()}
        for part in ("milliseconds", "figures")
    }


FIGURES: dict[str, Figure] = {
    "A/A: sure again / sure": lambda ms: ms["sure again"] / ms["sure"],
    "least / sure": lambda ms: ms["least"] / ms["sure"],
    "variational / sure": lambda ms: ms["variational"] / ms["sure"],
}


if __name__ == "__main__":
    assert __doc__
    benchmark("variational", __doc__, measured, TARGETS)
