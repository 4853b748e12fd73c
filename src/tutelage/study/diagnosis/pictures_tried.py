"""The ways in which pictures may be shown to a network, and the usual ones to try where it does badly."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor
from torch.nn.functional import interpolate

SIZES = (28, 32, 64, 96, 128, 160, 192, 224, 256, 299, 384)
"""Pixels a side that networks are trained with."""
Numbers = tuple[float, ...]
COLOUR: dict[str, tuple[Numbers, Numbers]] = {
    "from 0 to 1, not normalised": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "from -1 to 1": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "normalised as ImageNet is": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "normalised as CIFAR-10 is": ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    "normalised as CIFAR-100 is": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
    "normalised as CLIP's are": ((0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758)),
    "from 0 to 255": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "from 0 to 255, less ImageNet's means": ((0.485, 0.456, 0.406), (1 / 255, 1 / 255, 1 / 255)),
}
GREY: dict[str, tuple[Numbers, Numbers]] = {
    "from 0 to 1, not normalised": ((0.0,), (1.0,)),
    "from -1 to 1": ((0.5,), (0.5,)),
    "normalised as MNIST is": ((0.1307,), (0.3081,)),
    "normalised as Fashion-MNIST is": ((0.286,), (0.353,)),
    "normalised as ImageNet is, in grey": ((0.449,), (0.226,)),
    "from 0 to 255": ((0.0,), (1 / 255,)),
}


@dataclass(frozen=True)
class Way:
    """How pictures (N, C, H, W) from 0 to 1 are shown: of ``size`` pixels a side (0: as they are), changed, normalised.

    Less ``mean`` and over ``std`` where there are any; with the channels the other way round, if ``swapped``, before
    that or ``after`` it.
    """

    mean: Numbers = ()
    std: Numbers = ()
    size: int = 0
    swapped: Literal["", "before", "after"] = ""
    inverted: bool = False
    transposed: bool = False

    def shown(self, pictures: Tensor) -> Tensor:
        """What the network is given.

        >>> import torch
        >>> Way(mean=(0.5,), std=(0.25,), inverted=True).shown(torch.zeros(1, 1, 1, 1)).item()
        2.0
        """
        x = pictures.flip(1) if self.swapped == "before" else pictures
        x = 1 - x if self.inverted else x
        x = x.transpose(2, 3) if self.transposed else x
        if self.mean:
            mean, std = (x.new_tensor(numbers)[:, None, None] for numbers in (self.mean, self.std))
            x = (x - mean) / std
        x = x.flip(1) if self.swapped == "after" else x
        if self.size and tuple(x.shape[-2:]) != (self.size, self.size):
            x = interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        return x.contiguous()


@dataclass(frozen=True)
class Change:
    """One thing that is done otherwise: in words, with what does it, and the way with it."""

    words: str
    remedy: str
    way: Way


def changes(way: Way, data: Way, pictures: Tensor, prefix: str, *, sizes: bool, maps: bool = False) -> Iterator[Change]:
    """Whatever is usually the matter with ``pictures``, one at a time; ``data`` is how they come to the network.

    ``prefix`` is what flags begin with, ``--teacher-`` or ``--``; ``sizes`` are tried only if they are asked for, and
    never where answers are ``maps``, which then have another size than the masks.
    """
    channels, size = pictures.shape[1], tuple(pictures.shape[-2:])
    hook = "network.register_forward_pre_hook(lambda _, x: ({}, *x[1:])) in a function of yours that builds it"
    if channels == 3 and not way.swapped:
        words, flipped = "with channels in the order BGR", replace(way, swapped="after")
        yield Change(words, hook.format("x[0].flip(1)"), flipped)
        if len({*data.mean}) > 1 or len({*data.std}) > 1 or len({*way.mean}) > 1:
            yield Change(words, hook.format(_swapped_before(data)), replace(way, swapped="before"))
    if not way.transposed:
        words = "with pictures transposed (height and width exchanged)"
        back = ", and its answers back by network.register_forward_hook(lambda *x: x[2].transpose(2, 3))" * maps
        yield Change(words, hook.format("x[0].transpose(2, 3)") + back, replace(way, transposed=True))
    if not way.inverted:
        twice = [round((1 - 2 * m) / s, 6) for m, s in zip(data.mean, data.std, strict=True)] or [1.0] * channels
        whole = f"torch.tensor({twice})[:, None, None] - x[0]"
        yield Change("with pictures inverted (1 - x)", hook.format(whole), replace(way, inverted=True))
    usual = COLOUR if channels == 3 else GREY if channels == 1 else {}
    own = tuple(pictures.double().mean((0, 2, 3)).tolist()), tuple(pictures.double().std((0, 2, 3)).tolist())
    measured = {"normalised by the means and deviations of these": own} if min(own[1]) > 0 else {}
    datas = {"normalised as the data are": (data.mean, data.std)} if data.mean else {}
    for name, (mean, std) in {**usual, **datas, **measured}.items():
        if not _alike(way, mean, std):
            yield Change(f"with pictures {name}", _flags(prefix, mean, std), replace(way, mean=mean, std=std))
    for side in SIZES if sizes and not maps else ():
        if (side, side) != ((way.size, way.size) if way.size else size) and side <= 8 * max(size):
            yield Change(f"with pictures of {side} pixels a side", f"{prefix}size {side}", replace(way, size=side))


def _swapped_before(data: Way) -> str:
    """What swaps channels that were normalised by ``data`` as if they had been swapped before."""
    std, mean = data.std or (1.0, 1.0, 1.0), data.mean or (0.0, 0.0, 0.0)
    scale = [round(b / a, 6) for a, b in zip(std, reversed(std), strict=True)]
    shift = [round((y - x) / s, 6) for x, y, s in zip(mean, reversed(mean), std, strict=True)]
    return f"x[0].flip(1) * torch.tensor({scale})[:, None, None] + torch.tensor({shift})[:, None, None]"


def _flags(prefix: str, mean: Numbers, std: Numbers) -> str:
    numbers = (" ".join(f"{x:.6g}" for x in values) for values in (mean, std))
    return "{0}mean {1} {0}std {2}".format(prefix, *numbers)


def _alike(way: Way, mean: Numbers, std: Numbers) -> bool:
    """Whether the way is normalised so already, but for what no network notices."""
    own_mean, own_std = way.mean or (0.0,) * len(mean), way.std or (1.0,) * len(std)
    near = (abs(a - b) <= 0.02 * c for a, b, c in zip((*own_mean, *own_std), (*mean, *std), (*std, *std), strict=True))
    return all(near)


def as_pictures(batch: Tensor, mean: Numbers, std: Numbers) -> tuple[Tensor, Way]:
    """Pictures from 0 to 1, of those that were normalised, and the way that leads back; of 0 to 255, likewise.

    >>> import torch
    >>> as_pictures(torch.zeros(1, 1, 1, 1), (0.5,), (0.25,))
    (tensor([[[[0.5000]]]]), Way(mean=(0.5,), std=(0.25,), size=0, swapped='', inverted=False, transposed=False))
    """
    if mean:
        m, s = (batch.new_tensor(numbers)[:, None, None] for numbers in (mean, std))
        batch = batch * s + m
    if float(batch.max()) <= 2:
        return batch, Way(mean, std)
    none = (0.0,) * batch.shape[1], (1.0,) * batch.shape[1]
    low, wide = (tuple(x / 255 for x in given or other) for given, other in zip((mean, std), none, strict=True))
    return batch / 255, Way(low, wide)
