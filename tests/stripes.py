"""Pictures in which colour, orientation, brightness and size all tell the class, and a network that has learnt them.

One network is trained; set-ups are wrong because the data are shown otherwise, or because it is changed by hand.
"""

from dataclasses import replace
from functools import cache

import torch
from torch import nn
from torch.nn import functional as F

from tutelage.data.labelled import labelled
from tutelage.data.views import normalised, plain
from tutelage.study.sets import Sets

SIDE = 16
CLASSES = tuple(str(n) for n in range(1, 13))  # as numbers; as text 10, 11 and 12 come after 1
MEAN, STD = (0.45, 0.35, 0.25), (0.25, 0.2, 0.2)
COLOURS = torch.tensor([[0.85, 0.45, 0.15], [0.25, 0.7, 0.1], [0.55, 0.15, 0.4]])


class Net(nn.Module):
    """Wants pictures of 16 pixels, normalised by ``MEAN`` and ``STD``."""

    def __init__(self, num_classes=12, width=8):
        super().__init__()
        self.features = nn.Sequential(
            *[nn.Conv2d(3, width, 5, 1, 2), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)],
            *[nn.Conv2d(width, 2 * width, 3, 1, 1), nn.BatchNorm2d(2 * width), nn.ReLU(), nn.AdaptiveAvgPool2d(1)],
        )
        self.head = nn.Linear(2 * width, num_classes)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


class Levels(Net):
    """Wants pictures from 0 to 255."""

    def forward(self, x):
        return super().forward(inputs(x))


class ImageNets(Net):
    """Wants pictures normalised as ImageNet's."""

    def forward(self, x):
        mean, std = (torch.tensor(v)[:, None, None] for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        return super().forward(inputs(255 * (x * std + mean)))


class Large(Net):
    """Wants pictures of 32 pixels."""

    def forward(self, x):
        return super().forward(F.avg_pool2d(x, 2))


def stripes(count, seed):
    """uint8 (count, 3, 16, 16): stripes in one of three colours, along or across, narrow or wide; dark background."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(12, (count,), generator=generator)
    colour, across, wide = targets % 3, targets // 3 % 2 == 1, targets // 6 == 1
    period = torch.where(wide, 8.0, 4.0) * (1 + 0.1 * (torch.rand(count, generator=generator) - 0.5))
    phase = 6.28 * torch.rand(count, generator=generator)
    wave = torch.sin(6.2832 * torch.arange(SIDE) / period[:, None] + phase[:, None]) > 0  # (N, S)
    picture = wave[:, :, None].expand(-1, -1, SIDE).float()
    picture = torch.where(across[:, None, None], picture.transpose(1, 2), picture)
    light = 0.8 + 0.4 * torch.rand(count, 1, 1, 1, generator=generator)
    x = 0.15 + picture[:, None] * COLOURS[colour][:, :, None, None] * light * 0.8
    x = x + 0.04 * torch.randn(x.shape, generator=generator)
    return (255 * x.clamp(0, 1)).to(torch.uint8), targets


def sets(count=400, seed=0, mean=MEAN, std=STD, classes=CLASSES, change=lambda x: x):
    """Three parts of ``count`` pictures each, as ``change`` shows them."""
    parts = []
    for n, name in enumerate(("train", "validation", "test")):
        images, targets = stripes(count, 100 * seed + n)
        places = torch.tensor([classes.index(x) for x in CLASSES])
        data = labelled(f"stripes {name}", change(images).contiguous(), places[targets], classes)
        parts.append(replace(data, index=data.index + n * count))
    names = tuple(f"{part}/{n}.png" for part in ("train", "val", "test") for n in range(count))
    return Sets(*parts, normalised(plain, mean, std), normalisation=(mean, std), names=names)


def inputs(levels, mean=MEAN, std=STD):
    x = levels.float() / 255
    return (x - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


@cache
def trained():
    """The state dict of a ``Net`` that learnt the pictures."""
    images, targets = stripes(800, 7)
    x = inputs(images)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Net()
        optimizer = torch.optim.Adam(net.parameters(), lr=2e-2)
        for epoch in range(8):
            for group in optimizer.param_groups:
                group["lr"] = 2e-2 * (1 - epoch / 8)
            for places in torch.randperm(len(x)).split(32):
                optimizer.zero_grad()
                F.cross_entropy(net(x[places]), targets[places]).backward()
                optimizer.step()
    return net.state_dict()


def with_background():
    """The weights of a network with one class more, before the others."""
    state = dict(trained())
    state["head.weight"] = torch.cat([torch.zeros_like(state["head.weight"][:1]), state["head.weight"]])
    state["head.bias"] = torch.cat([state["head.bias"][:1] * 0 - 9, state["head.bias"]])
    return state


def of_another():
    """The weights of a network that learnt something else: these in another order, which nothing else shows."""
    generator = torch.Generator().manual_seed(1)
    return {name: x.flatten()[torch.randperm(x.numel(), generator=generator)].view_as(x) if x.ndim else x
            for name, x in trained().items()}  # fmt: skip
