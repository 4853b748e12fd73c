"""Fit two labels at once: the loss that goes with inputs which are mixtures of two samples."""

from typing import Annotated, TypeAlias

from torch import Tensor
from torch.nn import functional as F

from tutelage.losses.kd import weighted
from tutelage.shapes import Labels, Logits, Scalar, at_least_float32

CITATIONS = {
    "mixed_cross_entropy": r"""@inproceedings{zhang2018mixup,
  title     = {mixup: Beyond Empirical Risk Minimization},
  author    = {Zhang, Hongyi and Cisse, Moustapha and Dauphin, Yann N. and Lopez-Paz, David},
  booktitle = {International Conference on Learning Representations},
  year      = {2018},
  url       = {https://arxiv.org/abs/1710.09412}
}
@inproceedings{yun2019cutmix,
  title     = {{CutMix}: Regularization Strategy to Train Strong Classifiers with Localizable Features},
  author    = {Yun, Sangdoo and Han, Dongyoon and Oh, Seong Joon and Chun, Sanghyuk and Choe, Junsuk and
               Yoo, Youngjoon},
  booktitle = {Proceedings of the IEEE/CVF International Conference on Computer Vision},
  year      = {2019},
  url       = {https://arxiv.org/abs/1905.04899}
}"""
}

Shares: TypeAlias = Annotated[Tensor, "N"]
"""For each sample, the share of the first of two labels, 0 … 1."""


def mixed_cross_entropy(student: Logits, target: Labels, other_target: Labels, share: Shares) -> Scalar:
    r"""``mean_n share_n · CE(s_n, target_n) + (1 − share_n) · CE(s_n, other_target_n)``, in nats.

    The cross entropy with both labels of a mixture, each as far as it was mixed in. Plain cross entropy where both
    labels are the same, or where the share is 1. It is 0 for no student, as long as a share lies between 0 and 1.

    Used as ``Term(mixed_cross_entropy, "student.output", "batch.target", "batch.other_target", "batch.share")`` on the
    batches of ``data.mixed``. A label without a share counts nothing. A label outside the classes raises
    ``IndexError``, as in ``F.cross_entropy``; one class, and other shapes than one of each a sample, ``ValueError``.

    Zhang, Cisse, Dauphin & Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", 2018, arXiv:1710.09412, §2; Yun et
    al., "CutMix", 2019, arXiv:1905.04899, eq. 1: the cross entropy with the mixed label, written for two hard ones.

    >>> import torch
    >>> logits, share = torch.tensor([[2.0, 0.0]]), torch.tensor([0.75])
    >>> mixed_cross_entropy(logits, torch.tensor([0]), torch.tensor([1]), share)  # 0.1269 + 0.25 · 2
    tensor(0.6269)
    """
    shapes = [list(x.shape) for x in (target, other_target, share)]
    if student.ndim != 2 or student.shape[1] < 2:
        raise ValueError(f"Logits are (samples, classes), of two classes or more; got {list(student.shape)}.")
    if any(shape != [len(student)] for shape in shapes):
        raise ValueError(
            f"A label, another one and a share are wanted for each of the {len(student)} samples; got shapes {shapes}."
        )
    log_s, share = F.log_softmax(at_least_float32(student), dim=-1), at_least_float32(share)
    own, other = (F.nll_loss(log_s, x, reduction="none") for x in (target, other_target))
    return (weighted(share, own) + weighted(1 - share, other)).mean()
