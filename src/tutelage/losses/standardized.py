"""Compare logits by their z-scores: their order and relative gaps count, their mean and scale do not."""

from collections.abc import Callable
from functools import partial, wraps
from math import inf
from typing import Any

import torch
from torch import Tensor

from tutelage.losses.dist import centred, rounding
from tutelage.losses.kd import class_dim, soft_targets
from tutelage.losses.similarity_preserving import directions, near_one
from tutelage.shapes import Divergence, Logits, at_least_float32

CITATIONS = {
    "standardized_soft_targets": r"""@inproceedings{sun2024logit,
  title     = {Logit Standardization in Knowledge Distillation},
  author    = {Sun, Shangquan and Ren, Wenqi and Li, Jingzhi and Wang, Rui and Cao, Xiaochun},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2024},
  url       = {https://arxiv.org/abs/2403.01427}
}"""
}


def z_scores(logits: Tensor, dim: int = -1) -> Tensor:
    """``(z − mean z) / std z`` over the classes in ``dim``, with the standard deviation that divides by ``C − 1``.

    Logits that are all the same, but for the last bits, become 0 and pass no gradient. A logit of −∞ stays what it is,
    and the others are standardised among themselves.

    >>> import torch
    >>> z_scores(torch.tensor([1.0, 2.0, 3.0]))
    tensor([-1.0000,  0.0000,  1.0000])
    """
    counts = logits != -inf
    kept = near_one(torch.where(counts, at_least_float32(logits), 0.0), dim)
    unit = directions(centred(kept, dim, counts), dim, rounding(kept, dim, least=0))
    length = (counts.sum(dim, keepdim=True) - 1).to(kept.dtype).sqrt()
    return torch.where(counts, unit * length, -inf)


def standardized_soft_targets(
    student: Logits, teacher: Logits, temperature: float = 2.0, dim: int | None = None
) -> Divergence:
    r"""``soft_targets`` of the z-scores, ``T² · mean_n KL(softmax(z(t_n)/T) ‖ softmax(z(s_n)/T))``.

    The student need not reach the teacher's range of logits. Zero iff they agree up to a shift and a positive scale.
    Raises ``ValueError`` as ``soft_targets`` does.

    Sun et al., "Logit Standardization in Knowledge Distillation", 2024, arXiv:2403.01427. Published for CIFAR-100:
    ``T = 2``, weight 9, beside the label loss of weight 0.1.

    >>> import torch
    >>> standardized_soft_targets(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[10.0, 30.0, 50.0]])).abs() < 1e-6
    tensor(True)
    """
    dim = class_dim(student, teacher, dim)
    return soft_targets(z_scores(student, dim), z_scores(teacher, dim), temperature, dim)


def standardized(loss: Callable[..., Tensor], dim: int | None = None) -> Callable[..., Tensor]:
    """Any loss of logits as a loss of z-scores: ``(student, teacher, …) -> loss(z(student), z(teacher), …)``.

    Published beside it: nine times the weight that the loss has on its own. ``dim`` is that of the classes; tell the
    loss too if it is not the last. For loss functions; one with weights of its own would hide them from the optimizer.
    Raises ``ValueError`` as ``soft_targets`` and the loss do.

    Sun et al., "Logit Standardization in Knowledge Distillation", 2024, arXiv:2403.01427.

    >>> import torch
    >>> from tutelage.losses.kd import matched_logits
    >>> standardized(matched_logits)(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[3.0, 2.0, 1.0]]))
    tensor(1.3333)
    """
    function: Any = loss
    while isinstance(function, partial):
        function = function.func

    @wraps(function)  # keeps the promise of the return type, which tells whether samples are related
    def call(student: Tensor, teacher: Tensor, *others: Any, **named: Any) -> Tensor:
        classes = class_dim(student, teacher, named.get("dim") if dim is None else dim)
        return loss(z_scores(student, classes), z_scores(teacher, classes), *others, **named)

    return call
