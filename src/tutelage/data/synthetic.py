"""Tiny synthetic twins of real sets: computed, not downloaded, with something to learn in them."""

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from tutelage.data.draws import below, checked_seed
from tutelage.data.labelled import Labelled

_STROKES: dict[
    int, list[list[tuple[float, float]]]
] = {  # of each digit on a grid 2 wide and 4 high, as polylines of (x, y)
    0: [[(0, 1), (1, 0), (2, 1), (2, 3), (1, 4), (0, 3), (0, 1)]],
    1: [[(0.3, 1), (1, 0), (1, 4)]],
    2: [[(0, 1), (1, 0), (2, 1), (0, 4), (2, 4)]],
    3: [[(0, 0), (2, 0), (1, 1.7), (2, 3), (1, 4), (0, 3.5)]],
    4: [[(1.5, 4), (1.5, 0), (0, 2.7), (2, 2.7)]],
    5: [[(2, 0), (0, 0), (0, 1.8), (1.4, 1.7), (2, 2.8), (1, 4), (0, 3.6)]],
    6: [[(1.6, 0), (0, 2.5), (0.6, 4), (2, 3.3), (1.2, 2.2), (0, 2.8)]],
    7: [[(0, 0), (2, 0), (0.8, 4)]],
    8: [[(1, 1.8), (0, 0.9), (1, 0), (2, 0.9), (0, 3), (1, 4), (2, 3), (1, 1.8)]],
    9: [[(2, 1.3), (1, 2), (0, 1), (1, 0), (2, 1), (1.7, 4)]],
}
_SIZE = 28  # pixels


def digit_sets(num_train: int = 2000, num_test: int = 500, seed: int = 0) -> tuple[Labelled, Labelled]:
    """``(train, test)``: two disjoint draws of ``digits``, a stand-in for ``mnist.mnist()`` where seconds count."""
    everything = digits(num_train + num_test, seed)
    return _part(everything, "train", 0, num_train), _part(everything, "test", num_train, num_train + num_test)


def digits(count: int, seed: int, name: str = "synthetic/digits") -> Labelled:
    """``count`` synthetic digits of 10 classes in equal parts: uint8 (count, 1, 28, 28), as if written by many hands.

    Each is the strokes of its digit, turned, slanted, stretched and moved, with pen and ink of its own and noise. A
    sample depends on the seed and its number alone: the first 100 of 1,000 are those of 100. Raises ``ValueError``
    for fewer than 1 sample and for a negative seed.

    >>> data = digits(20, seed=0)
    >>> data.inputs.shape, data.targets.bincount().tolist()
    (torch.Size([20, 1, 28, 28]), [2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    """
    if count < 1:
        raise ValueError(f"A set has at least 1 sample; got {count}.")
    index = torch.arange(count)
    targets = index % 10  # views and subsets shuffle; nothing depends on the order here
    ways = _uniform(checked_seed(seed), index[:, None], torch.arange(8))
    noise = _uniform(seed, index[:, None], torch.arange(8, 8 + _SIZE**2)).view(-1, _SIZE, _SIZE)
    ink = _written(targets, ways) + 0.2 * (noise - 0.5)
    grey = (ink.clamp(0, 1) * 255).to(torch.uint8)
    return Labelled(name, grey[:, None], targets, index, tuple("0123456789"))


def photographs(num_train: int = 300, num_test: int = 100, seed: int = 0) -> tuple[Labelled, Labelled]:
    """``(train, test)``: synthetic digits in some colour on a ground of another, uint8 (N, 3, 32, 32), like CIFAR's.

    >>> train, test = photographs(20, 10)
    >>> train.inputs.shape, test.index[0].item()
    (torch.Size([20, 3, 32, 32]), 20)
    """
    grey = digits(num_train + num_test, seed)
    ink = F.pad(grey.inputs, [2] * 4).float() / 255
    keys = grey.index[:, None], torch.arange(10_000, 10_006)
    pen, ground = _uniform(checked_seed(seed), *keys).view(-1, 2, 3, 1, 1).unbind(1)
    colours = (ground + (pen - ground) * ink).mul(255).to(torch.uint8)
    everything = Labelled("synthetic/photographs", colours, grey.targets, grey.index, grey.classes)
    return _part(everything, "train", 0, num_train), _part(everything, "test", num_train, num_train + num_test)


def _part(data: Labelled, name: str, start: int, stop: int) -> Labelled:
    part = data[torch.arange(start, stop)]
    return Labelled(f"synthetic/{name}", part.inputs, part.targets, part.index, part.classes)


def _written(targets: Tensor, ways: Tensor) -> Tensor:
    """Ink in 0 … 1 (N, 28, 28): each digit's field of distances, seen through the hand that wrote it."""
    turn, slant, across, down, right, low, pen, ink = (2 * ways - 1).unbind(1)  # each in -1 … 1
    cos, sin = torch.cos(0.35 * turn), torch.sin(0.35 * turn)
    width, height = 1 + 0.25 * across, 1 + 0.2 * down
    rows = [
        torch.stack([cos * width, (0.3 * slant - sin) * width, 0.2 * right], 1),
        torch.stack([sin * height, cos * height, 0.2 * low], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), [len(targets), 1, _SIZE, _SIZE], align_corners=False)
    fields = _distances()[targets][:, None]
    distance = F.grid_sample(fields, grid, padding_mode="border", align_corners=False)[:, 0]
    thickness, strength = 1.3 + 0.5 * pen, 0.85 + 0.15 * ink
    return strength[:, None, None] * (thickness[:, None, None] - distance + 0.5).clamp(0, 1)


def _distances() -> Tensor:
    """How far each point of the page is from the nearest stroke of each digit, in pixels (10, 56, 56)."""
    ticks = (torch.arange(2 * _SIZE) + 0.5) / 2 - _SIZE / 2
    page = torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), -1)  # (56, 56, 2): x, y
    fields = []
    for lines in _STROKES.values():
        ends = torch.tensor([pair for line in lines for pair in pairwise(line)])  # (S, 2, 2)
        start, stop = ((ends - torch.tensor([1.0, 2.0])) * torch.tensor([6.0, 4.7])).unbind(1)
        along = stop - start
        to_page = page[:, :, None] - start  # (56, 56, S, 2)
        share = ((to_page * along).sum(-1) / along.square().sum(-1)).clamp(0, 1)
        fields.append((to_page - share[..., None] * along).norm(dim=-1).min(-1).values)
    return torch.stack(fields)


def _uniform(*keys: int | Tensor) -> Tensor:
    """A number in [0, 1) for each entry of the broadcast ``keys``.

    Not ``draws.uniform``, whose numbers are others: the sets would change, and with them every result on them.
    """
    return below(1 << 24, *keys).float() / (1 << 24)
