"""Small networks, batches and objectives that many tests share."""

from functools import partial

import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from tutelage.losses.kd import soft_targets
from tutelage.objective import Objective, Term
from tutelage.shapes import Embedding, Relational

SGD = partial(torch.optim.SGD, lr=0.1, momentum=0.9)


def mlp(width=8, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 5))


def cnn(width, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, 5),
    )


def vectors(count=4, size=8, seed=1):
    g = torch.Generator().manual_seed(seed)
    return [
        {"input": torch.randn(size, 8, generator=g), "target": torch.randint(5, (size,), generator=g)}
        for _ in range(count)
    ]


def images(count=4, size=8, seed=1):
    g = torch.Generator().manual_seed(seed)
    return [
        {"input": torch.randn(size, 3, 8, 8, generator=g), "target": torch.randint(5, (size,), generator=g)}
        for _ in range(count)
    ]


def label(weight=1.0):
    return Term(cross_entropy, "student.output", "batch.target", weight=weight)


def kd(label_weight=0.1, soft_weight=0.9):
    soft = Term(soft_targets, "student.output", "teacher.output", weight=soft_weight)
    return Objective(label=label(label_weight), soft=soft)


def bits(module):
    return {name: x.clone() for name, x in module.state_dict().items()}


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def run(training):
    epochs = list(training)
    return epochs[-1]


class Hint(nn.Module):
    """A loss that owns weights, lazy ones: the squared distance behind a learned map."""

    def __init__(self, regressor):
        super().__init__()
        self.regressor = regressor

    def forward(self, student, teacher):
        return mse_loss(self.regressor(student), teacher)


def similarities(student: Embedding, teacher: Embedding) -> Relational:
    """A loss that relates the samples of a batch to each other."""
    s, t = (torch.nn.functional.normalize(x.flatten(1), dim=1) for x in (student, teacher))
    return (s @ s.mT - t @ t.mT).square().mean()


def linear() -> nn.Module:
    """Of eight numbers, five."""
    return nn.Linear(8, 5)
