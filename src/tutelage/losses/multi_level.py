"""Match logits three ways at several temperatures: sample by sample, sample with sample, class with class."""

from collections.abc import Sequence
from math import inf

from torch import Tensor

from tutelage.limits import LARGEST, refuse_outside
from tutelage.losses.kd import class_dim, soft_targets, tempered
from tutelage.losses.similarity_preserving import as_rows, gram_matrix
from tutelage.shapes import Logits, Relational, at_least_float32

JIN = r"""@inproceedings{jin2023multi,
  title     = {Multi-Level Logit Distillation},
  author    = {Jin, Ying and Wang, Jiaqi and Lin, Dahua},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  pages     = {24276--24285},
  year      = {2023},
  doi       = {10.1109/CVPR52729.2023.02325}
}"""
CITATIONS = {"batch_relations": JIN, "class_relations": JIN, "multi_level": JIN}


def batch_relations(
    student: Logits, teacher: Logits, temperature: float = 4.0, batch: int = 64, dim: int | None = None
) -> Relational:
    r"""How alike any two samples are answered, ``B · mean_nm ((Q Qᵀ − P Pᵀ)_nm)²``.

    ``P`` and ``Q`` are the teacher's and the student's probabilities, samples × classes, at temperature ``T``. ``B``
    is the ``batch`` of the published recipe: at it this is the published ``‖Q Qᵀ − P Pᵀ‖² / B``, at another it does
    not grow. Raises ``ValueError`` as ``soft_targets`` does, and for one sample.

    Jin, Wang & Lin, "Multi-Level Logit Distillation", 2023, doi:10.1109/CVPR52729.2023.02325.

    >>> import torch
    >>> batch_relations(torch.tensor([[9.0, 0.0], [9.0, 0.0]]), torch.tensor([[9.0, 0.0], [0.0, 9.0]]), 0.1, batch=2)
    tensor(1.)
    """
    refuse_outside("The batch of the published recipe", batch, 1, LARGEST)
    q, p = _probabilities(student, teacher, temperature, dim)
    return batch * (gram_matrix(q) - gram_matrix(p)).square().mean()


def class_relations(
    student: Logits, teacher: Logits, temperature: float = 4.0, batch: int = 64, dim: int | None = None
) -> Relational:
    r"""How alike any two classes are over the samples, ``‖(B/N) (Qᵀ Q − Pᵀ P)‖² / C``, of ``N`` samples.

    ``P``, ``Q`` and ``B`` are those of ``batch_relations``: at ``N = B`` this is the published ``‖Qᵀ Q − Pᵀ P‖² / C``.
    A class that both rule out (−∞) in every sample is none of the ``C``.
    Raises ``ValueError`` as ``soft_targets`` does, and for one sample.

    Jin, Wang & Lin, "Multi-Level Logit Distillation", 2023, doi:10.1109/CVPR52729.2023.02325.

    >>> import torch
    >>> class_relations(torch.tensor([[9.0, 0.0], [9.0, 0.0]]), torch.tensor([[9.0, 0.0], [0.0, 9.0]]), 0.1, batch=2)
    tensor(1.)
    """
    refuse_outside("The batch of the published recipe", batch, 1, LARGEST)
    q, p = _probabilities(student, teacher, temperature, dim)
    gap = (gram_matrix(q.mT) - gram_matrix(p.mT)) * (batch / len(p))
    return gap.square().sum() / _possible(student, teacher, dim)


def multi_level(
    student: Logits,
    teacher: Logits,
    temperatures: Sequence[float] = (4.0, 3.0, 5.0, 2.0, 6.0),
    batch: int = 64,
    dim: int | None = None,
) -> Relational:
    r"""``Σ_T [soft_targets + batch_relations + class_relations]``, each at every one of the ``temperatures``.

    The method as its paper tells it. The authors' code also has masks of confidence, which scale a finished scalar, and
    a second, strongly augmented view of each image. Zero iff both give the same probabilities.
    Raises ``ValueError`` as ``soft_targets`` does, and for no temperature or one sample.

    Jin, Wang & Lin, "Multi-Level Logit Distillation", 2023, doi:10.1109/CVPR52729.2023.02325. Published for CIFAR-100:
    ``T`` = 4, 3, 5, 2, 6, batch 64, weight 0.9, beside the label loss of weight 0.1.

    >>> import torch
    >>> multi_level(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
    tensor(0.)
    """
    if not temperatures:
        raise ValueError("Multi-level distillation wants at least one temperature; got none.")
    student, teacher = at_least_float32(student), at_least_float32(teacher)  # once: a gradient is rounded once
    instances = [soft_targets(student, teacher, t, dim) for t in temperatures]
    batches = [batch_relations(student, teacher, t, batch, dim) for t in temperatures]
    classes = [class_relations(student, teacher, t, batch, dim) for t in temperatures]
    first, *rest = instances + batches + classes
    return sum(rest, first)


def _possible(student: Tensor, teacher: Tensor, dim: int | None) -> Tensor:
    """How many classes are not ruled out everywhere."""
    possible = (student != -inf) | (teacher != -inf)
    return possible.movedim(class_dim(student, teacher, dim), -1).flatten(0, -2).any(0).sum()


def _probabilities(student: Tensor, teacher: Tensor, temperature: float, dim: int | None) -> tuple[Tensor, Tensor]:
    dim = class_dim(student, teacher, dim)
    log_s, log_t = (tempered(x, temperature, dim).movedim(dim, -1).flatten(0, -2) for x in (student, teacher))
    return as_rows(log_s.exp(), log_t.exp())
