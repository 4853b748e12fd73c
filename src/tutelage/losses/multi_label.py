"""Soft targets of labels of which any number hold: a two-class distribution for each, from one logit."""

from torch import Tensor
from torch.nn import functional as F

from tutelage.limits import refuse_no_temperature
from tutelage.losses.kd import not_negative, weighted
from tutelage.shapes import Divergence, LabelLogits, at_least_float32

CITATIONS = {
    "multi_label_targets": r"""@inproceedings{yang2023multi,
  title     = {Multi-Label Knowledge Distillation},
  author    = {Yang, Penghui and Xie, Ming-Kun and Zong, Chen-Chen and Feng, Lei and Niu, Gang and Sugiyama, Masashi
               and Huang, Sheng-Jun},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  year      = {2023},
  url       = {https://arxiv.org/abs/2308.06453}
}"""
}


def multi_label_targets(student: LabelLogits, teacher: LabelLogits, temperature: float = 1.0) -> Divergence:
    r"""The divergence of what both say of each label, ``T² · mean_n Σ_k KL(σ(t_nk/T) ‖ σ(s_nk/T))``, two classes each.

    ``KL(p ‖ q) = p · log(p/q) + (1 − p) · log((1 − p)/(1 − q))``, with the logarithms of a sigmoid taken as such, so
    that no logit is too large. It is zero iff both give the same probabilities. Logits are (N, K), or (N, 1) and (N,)
    of a head of one logit for two classes, of which this is ``soft_targets`` of [0, logit]. What the teacher rules out
    (−∞) or is sure of (+∞) counts as a probability of 0 or 1; where the student alone is that sure, it is infinite.

    The paper and its code have no temperature, which is ``T = 1`` here; ``T²`` keeps the size of the gradient as in
    ``soft_targets``. Raises ``ValueError`` for a ``T`` outside 1e-18 … 1e18, if the shapes differ, and for logits that
    are neither (N, K) nor (N,).

    Yang et al., "Multi-Label Knowledge Distillation", ICCV 2023, arXiv:2308.06453, eq. 2 (multi-label logits
    distillation); github.com/penghui-yang/L2D, ``MLD`` with ``reduction="batchmean"``.

    >>> import torch
    >>> multi_label_targets(torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 2.0]]))
    tensor(0.1109)
    """
    _refuse_other_labels(student, teacher)
    refuse_no_temperature(temperature)
    s, t = (at_least_float32(x) / temperature for x in (student, teacher))
    holds, fails = (weighted(F.logsigmoid(x).exp(), F.logsigmoid(x) - F.logsigmoid(y)) for x, y in ((t, s), (-t, -s)))
    return not_negative((holds + fails).sum()) * (temperature**2 / max(len(s), 1))


def _refuse_other_labels(student: Tensor, teacher: Tensor) -> None:
    if student.shape != teacher.shape or student.ndim not in (1, 2):
        raise ValueError(
            f"Student and teacher must give one logit a label for the same samples, (N, K) or (N,); "
            f"got {tuple(student.shape)} and {tuple(teacher.shape)}."
        )
