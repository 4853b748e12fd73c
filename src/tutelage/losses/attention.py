"""Attention transfer: match where a layer is active, whatever its channels."""

from collections.abc import Callable
from math import inf
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from tutelage.limits import refuse_outside
from tutelage.losses.similarity_preserving import near_one
from tutelage.shapes import Divergence, FeatureMap, at_least_float32, of_one_size

ZAGORUYKO = r"""@inproceedings{zagoruyko2017paying,
  title     = {Paying More Attention to Attention: Improving the Performance of Convolutional Neural Networks via
               Attention Transfer},
  author    = {Zagoruyko, Sergey and Komodakis, Nikos},
  booktitle = {International Conference on Learning Representations},
  year      = {2017},
  url       = {https://arxiv.org/abs/1612.03928}
}"""
CITATIONS = {"attention_maps": ZAGORUYKO, "attention_distance": ZAGORUYKO}

STRONGEST = 16
"""Of the powers of an activation: those of 100 are float32 still."""
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
    Zero if and only if the two ``q`` are proportional: blind to scale, as long as ``|x|^p`` is a float32. Raises
    ``ValueError`` for anything that is not a map, for a power outside 1 … 16 (below 1 the gradient is infinite
    wherever a layer is silent), and for a norm below 1.

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
    ``β = 10³ / (places · batch)``, about 0.1. Raises ``ValueError`` as ``attention_maps`` does.

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
    refuse_outside("The power of an attention map", power, 1, STRONGEST)
    refuse_outside("The norm of an attention map", norm, 1, inf)
    student, teacher = of_one_size(at_least_float32(student), at_least_float32(teacher))
    maps = [near_one(_attention(x, power, channels), 1) for x in (student, teacher)]
    return F.normalize(maps[0], p=norm, dim=1) - F.normalize(maps[1], p=norm, dim=1)  # (N, H·W)


def _attention(x: Tensor, power: float, channels: OverChannels) -> Tensor:
    powers: Tensor = x.square() if power == 2 else x.abs().pow(power)  # an odd power without abs would cancel channels
    maps: Tensor = channels(powers)
    return maps.flatten(1)
