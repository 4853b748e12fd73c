"""Attention transfer: match where a layer is active, whatever its channels."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from tutelage.shapes import Divergence, FeatureMap, at_least_float32

ZAGORUYKO = r"""@inproceedings{zagoruyko2017paying,
  title     = {Paying More Attention to Attention: Improving the Performance of Convolutional Neural Networks via
               Attention Transfer},
  author    = {Zagoruyko, Sergey and Komodakis, Nikos},
  booktitle = {International Conference on Learning Representations},
  year      = {2017},
  url       = {https://arxiv.org/abs/1612.03928}
}"""
CITATIONS = {"attention_maps": ZAGORUYKO, "attention_distance": ZAGORUYKO}

OverChannels: TypeAlias = Callable[[Tensor], Tensor]
"""``|x|^p`` of shape (N, D, H, W) -> (N, H, W)."""


def summed(powers: Tensor) -> Tensor:
    """The sum over channels. After the map is normalised, the same as their mean."""
    return powers.sum(1)


def largest(powers: Tensor) -> Tensor:
    """The most active channel at each place."""
    return powers.amax(1)


def attention_maps(
    student: FeatureMap,
    teacher: FeatureMap,
    power: float = 2.0,
    channels: OverChannels = summed,
    norm: float = 2.0,
) -> Divergence:
    r"""Mean squared difference of the normalised attention maps, ``mean_nhw (Q(s) − Q(t))²``.

    ``Q(x) = q / ‖q‖`` with ``q = Σ_c |x_c|^p`` (``channels``: ``summed`` or ``largest``): the form of the authors' code
    and of later comparisons. Its published weight is 1000 for the sum over layers, so 1000 times their number for the
    mean that ``one_to_one`` takes. The larger map is pooled to the smaller. With ``norm=1`` maps are shares of a whole.
    Zero if and only if the two ``q`` are proportional. Raises ``ValueError`` for anything that is not a map.

    Zagoruyko & Komodakis, "Paying More Attention to Attention", ICLR 2017, arXiv:1612.03928;
    github.com/szagoruyko/attention-transfer.

    >>> left, right = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[0.0, 5.0]]]])
    >>> attention_maps(left, right), attention_maps(left, -3 * left)
    (tensor(1.), tensor(0.))
    """
    return _gap(student, teacher, power, channels, norm).square().mean()


def attention_distance(
    student: FeatureMap, teacher: FeatureMap, power: float = 2.0, channels: OverChannels = summed
) -> Divergence:
    r"""Distance of the normalised attention maps, ``mean_n ‖Q(s_n) − Q(t_n)‖₂``, not squared: the paper's form.

    ``Q`` and its options are those of ``attention_maps``. The paper weighs the sum over layers by ``β/2``, with
    ``β = 10³ / (places · batch)``, about 0.1. Raises ``ValueError`` for anything that is not a map.

    Zagoruyko & Komodakis, "Paying More Attention to Attention", ICLR 2017, arXiv:1612.03928.

    >>> attention_distance(torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[0.0, 5.0]]]]))
    tensor(1.4142)
    """
    distances: Tensor = torch.linalg.vector_norm(_gap(student, teacher, power, channels, 2.0), dim=1)
    return distances.mean()


def _gap(student: Tensor, teacher: Tensor, power: float, channels: OverChannels, norm: float) -> Tensor:
    if student.ndim != 4 or teacher.ndim != 4:
        raise ValueError(
            f"Attention is read from maps (samples, channels, H, W); got {tuple(student.shape)} of the student and "
            f"{tuple(teacher.shape)} of the teacher."
        )
    if len(student) != len(teacher):
        raise ValueError(
            f"Student and teacher must show the same samples; got {len(student)} and {len(teacher)} of them."
        )
    size = min(student.shape[2], teacher.shape[2]), min(student.shape[3], teacher.shape[3])
    maps = [_attention(x, size, power, channels) for x in (student, teacher)]
    return F.normalize(maps[0], p=norm, dim=1) - F.normalize(maps[1], p=norm, dim=1)  # (N, H·W)


def _attention(x: Tensor, size: tuple[int, int], power: float, channels: OverChannels) -> Tensor:
    x = at_least_float32(x)
    if x.shape[2:] != size:
        x = F.adaptive_avg_pool2d(x, size)
    powers: Tensor = x.square() if power == 2 else x.abs().pow(power)  # an odd power without abs would cancel channels
    maps: Tensor = channels(powers)
    return maps.flatten(1)
