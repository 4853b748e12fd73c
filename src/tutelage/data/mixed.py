"""Mixtures: batches in which each input is a blend of two samples, and says of which and in what shares.

What is drawn follows from (seed, epoch, number of the batch) alone, so a training that goes on in the middle of an
epoch sees the same mixtures. ``losses.mixed_labels`` is the loss for them.
"""

from collections.abc import Callable, Iterable, Iterator
from math import cos, expm1, log, pi, sqrt
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from tutelage.data.batches import Batch, Batches, as_batches
from tutelage.data.draws import below, checked_seed, hashed, uniform

_PARTNER, _SHARE, _ROW, _COLUMN, _WHETHER = 7, 8, 9, 10, 11  # what a number is for; those before have their use

Mix: TypeAlias = Callable[[Tensor, Tensor, float, "Place"], tuple[Tensor, float]]
"""Inputs, their partners, the share drawn and where we are -> the mixtures, and the share that results."""


class Place(NamedTuple):
    """Where in a training something is drawn."""

    seed: int
    epoch: int
    batch: int


def mixup(source: Batches | Iterable[Any], *, alpha: float = 1.0, probability: float = 1.0, seed: int = 0) -> Batches:
    """The batches of ``source`` with each input blended with another of its batch, ``share · x + (1 − share) · x'``.

    ``share`` is drawn once a batch, from Beta(``alpha``, ``alpha``), and the partners are a permutation of the batch
    (which may leave a sample alone), as in the authors' code; ``alpha`` is 1 there for CIFAR and 0.2 for ImageNet. A
    batch is mixed with ``probability``; one that is not has shares of 1.

    A mixture has ``input``, ``target``, ``other_target`` (the partner's) and ``share`` (of the own one, float32 a
    sample), the targets if ``source`` has some. **Nothing else of a batch is left**: a mixture has no ``index`` and no
    ``view``, so no teacher's answer about it can be cached, and ``teachers.cached`` refuses; ask a live teacher.

    Raises ``ValueError`` for an ``alpha`` that is not greater than 0 and a probability beyond 0 … 1; when a batch is
    taken, for inputs that are no real numbers.

    Zhang, Cisse, Dauphin & Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", 2018, arXiv:1710.09412, §2.

    >>> source = mixup([{"input": torch.tensor([[1.0], [1.0]]), "target": torch.tensor([0, 1])}])
    >>> (batch,) = source(0, 0)
    >>> sorted(batch), batch["input"].flatten().tolist()
    (['input', 'other_target', 'share', 'target'], [1.0, 1.0])
    """
    return _mixed(source, blended, alpha, probability, seed)


def cutmix(source: Batches | Iterable[Any], *, alpha: float = 1.0, probability: float = 1.0, seed: int = 0) -> Batches:
    """As ``mixup``, but each image (N, C, H, W) gets a box of its partner's pixels, in the same place.

    The box is meant to have the share 1 - Beta(``alpha``, ``alpha``) of the pixels and the picture's proportions; its
    middle is any pixel, and what reaches over the edge is cut off. ``share`` is what is left, as pixels counted, of
    the own image. The authors' ``alpha`` is 1; they mix half of the batches of CIFAR (``probability=0.5``) and all of
    ImageNet.

    Raises ``ValueError`` as ``mixup`` does, and for inputs that are no images.

    Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", 2019,
    arXiv:1905.04899, §3.1; sides are rounded as in the authors' code.
    """
    return _mixed(source, pasted, alpha, probability, seed)


def blended(inputs: Tensor, partners: Tensor, share: float, _place: Place) -> tuple[Tensor, float]:
    """``share · inputs + (1 − share) · partners``, and ``share``."""
    return share * inputs + (1 - share) * partners, share


def pasted(inputs: Tensor, partners: Tensor, share: float, place: Place) -> tuple[Tensor, float]:
    """``inputs`` with the box of ``partners`` that ``place`` draws, and the share of the pixels that is outside it."""
    if inputs.ndim != 4:
        raise ValueError(f"CutMix pastes boxes of images (N, C, H, W); the inputs are {list(inputs.shape)}.")
    height, width = inputs.shape[2:]
    middle = [int(below(side, *place, what)) for side, what in ((height, _ROW), (width, _COLUMN))]
    top, bottom = _side(height, share, middle[0])
    left, right = _side(width, share, middle[1])
    mixtures = inputs.clone()
    mixtures[:, :, top:bottom, left:right] = partners[:, :, top:bottom, left:right]
    return mixtures, 1 - (bottom - top) * (right - left) / (height * width)


def symmetric_beta(alpha: float, *keys: int) -> float:
    """A number between 0 and 1 from the distribution Beta(``alpha``, ``alpha``), drawn by counting.

    From two uniform numbers U and V: ½ + ½ · sign(c) · √(z / (1 + z)) with c = cos 2πV and z = (U^(−1/alpha) − 1) · c²,
    where √(2 alpha · z) is the size of a Student's t with 2 alpha degrees of freedom. Nothing is rejected, so two keys
    are enough. Raises ``ValueError`` unless ``alpha`` is greater than 0.

    Bailey, "Polar generation of random variates with the t-distribution", Mathematics of Computation 62, 1994,
    doi:10.1090/S0025-5718-1994-1219704-5.

    >>> 0 < symmetric_beta(0.2, 1, 2, 3) < 1
    True
    """
    _refuse_alpha(alpha)
    u, v = uniform(*keys, torch.arange(2)).tolist()
    c = cos(2 * pi * v)
    shrunk = u ** (1 / alpha)  # may become 0, where its reciprocal would overflow
    far = -expm1(log(u) / alpha) * c**2
    size = sqrt(far / (shrunk + far))
    return 0.5 + (size if c > 0 else -size) / 2


def _mixed(source: Batches | Iterable[Any], mix: Mix, alpha: float, probability: float, seed: int) -> Batches:
    _refuse_alpha(alpha)
    if not 0 <= probability <= 1:
        raise ValueError(f"A batch is mixed with a probability from 0 to 1; got {probability}.")
    seed, plain = checked_seed(seed), as_batches(source)

    def batches(epoch: int, first: int) -> Iterator[Batch]:
        for number, batch in enumerate(plain(epoch, first), first):
            yield _mixture(batch, mix, alpha, probability, Place(seed, epoch, number))

    return batches


def _mixture(batch: Batch, mix: Mix, alpha: float, probability: float, place: Place) -> Batch:
    own, share = batch["input"], 1.0
    if not own.is_floating_point():
        raise ValueError(f"Only inputs of real numbers can be mixed, such as grey levels 0 … 1; these are {own.dtype}.")
    partner = hashed(*place, _PARTNER, torch.arange(len(own))).argsort(stable=True).to(own.device)
    if float(uniform(*place, _WHETHER)) < probability:
        own, share = mix(own, own[partner], symmetric_beta(alpha, *place, _SHARE), place)
    mixture = {"input": own, "share": torch.full((len(own),), share, dtype=torch.float32, device=own.device)}
    if "target" in batch:
        mixture |= {"target": batch["target"], "other_target": batch["target"][partner]}
    return mixture


def _side(length: int, share: float, middle: int) -> tuple[int, int]:
    """From where to where a box reaches that takes 1 − ``share`` of the pixels, along one side of the picture."""
    half = int(length * sqrt(1 - share)) // 2
    return max(0, middle - half), min(length, middle + half)


def _refuse_alpha(alpha: float) -> None:
    if not alpha > 0:
        raise ValueError(f"Beta(alpha, alpha) needs an alpha greater than 0; got {alpha}.")
