"""A student's weights held below its teacher's: a block-sparse penalty on the weights of both."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tutelage.compress.structure.layers import CONVOLUTIONS, TRANSPOSED
from tutelage.shapes import at_least_float32

CITATIONS = {
    "block_sparse": """@inproceedings{hegde2020variational,
  title = {Variational Student: Learning Compact and Sparser Networks in Knowledge Distillation Framework},
  author = {Hegde, Srinidhi and Prasad, Ranjitha and Hebbalaguppe, Ramya and Kumar, Vishwajeet},
  booktitle = {International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  year = {2020}
}"""
}
KINDS = (nn.Linear, *CONVOLUTIONS, *TRANSPOSED)
NOBODY = ("", "")


def block_sparse(student: nn.Module, *, teacher: nn.Module, layers: Sequence[tuple[str, str]] = ()) -> Tensor:
    r"""Σ over blocks of the ℓ∞ norm of the teacher's and student's weights together: ``Σ_b max(|T_b|, |S_b|)``.

    A block is what stands at one position (output, input) of a layer: a weight of a linear layer, the kernel of a
    convolution. Where the two layers have different sizes, the teacher's blocks are max-pooled to the student's grid.
    The student pays for what exceeds its teacher alone: up to the teacher's magnitude its weights are free.

    ``layers`` are pairs of names, the student's first; by default linear layers and convolutions are paired in their
    order. Raises ``ValueError`` where these differ in number or kind, and for a name that is none.

    Hegde, Prasad, Hebbalaguppe & Kumar, "Variational Student: Learning Compact and Sparser Networks in Knowledge
    Distillation Framework", ICASSP 2020, arXiv:1910.12061, whose exact blocks are not known to us.
    """
    pairs = layers or paired(student, teacher)
    parts = [_exceeding(_weight(student, own), _weight(teacher, theirs)) for own, theirs in pairs]
    return torch.stack(parts).sum()


def paired(student: nn.Module, teacher: nn.Module) -> list[tuple[str, str]]:
    """The names of linear layers and of convolutions of both in their order, the student's first.

    Raises ``ValueError`` as ``block_sparse`` does.
    """
    own, theirs = _layers(student), _layers(teacher)
    if not own:
        raise ValueError(f"{type(student).__name__} has no linear layer or convolution to compare blocks of.")
    for one, other in zip_longest(own.items(), theirs.items(), fillvalue=NOBODY):
        if one[1] != other[1]:
            raise ValueError(
                f"Linear layers and convolutions are paired in their order, and {_words(one)} of the student meets "
                f"{_words(other)} of the teacher; name pairs, layers=[('student layer', 'teacher layer'), …]."
            )
    return list(zip(own, theirs, strict=True))


def blocks(weight: Tensor) -> Tensor:
    """The largest magnitude in each block (outputs, inputs) of a layer's weight."""
    return weight.abs() if weight.ndim == 2 else weight.flatten(2).abs().amax(2)


def _exceeding(student: Tensor, teacher: Tensor) -> Tensor:
    own, limit = at_least_float32(blocks(student)), at_least_float32(blocks(teacher.detach()))
    if limit.shape != own.shape:
        limit = F.adaptive_max_pool2d(limit[None], own.shape)[0]
    return ((own - limit).relu() + limit).sum()  # not torch.maximum, whose gradient at a tie is half of each


def _layers(model: nn.Module) -> Mapping[str, str]:
    """By name what kind of layer it is: what it reads and makes lies on other axes of a transposed convolution."""
    layers = {name: x for name, x in model.named_modules() if isinstance(x, KINDS)}
    return {name: next(kind.__name__ for kind in KINDS if isinstance(x, kind)) for name, x in layers.items()}


def _words(layer: tuple[str, str]) -> str:
    return "no layer" if layer is NOBODY else f"{layer[0]!r} ({layer[1]})"


def _weight(model: nn.Module, name: str) -> Tensor:
    weight = getattr(dict(model.named_modules()).get(name), "weight", None)
    if not isinstance(weight, Tensor) or weight.ndim < 2:
        raise ValueError(f"{type(model).__name__} has no layer {name!r} with a weight to compare blocks of.")
    return weight
