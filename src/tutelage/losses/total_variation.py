"""How much probability would have to be moved to make the student's answer the teacher's."""

from tutelage.losses.kd import class_dim, tempered
from tutelage.shapes import Divergence, Logits

CITATIONS = {
    "total_variation": r"""@inproceedings{wen2023fdivergence,
  title     = {f-Divergence Minimization for Sequence-Level Knowledge Distillation},
  author    = {Wen, Yuqiao and Li, Zichao and Du, Wenyu and Mou, Lili},
  booktitle = {Annual Meeting of the Association for Computational Linguistics},
  year      = {2023},
  url       = {https://arxiv.org/abs/2307.15190}
}"""
}


def total_variation(student: Logits, teacher: Logits, dim: int | None = None) -> Divergence:
    r"""``½ · mean_n Σ_c |softmax(s_n)_c − softmax(t_n)_c|``: from 0 to 1.

    Its gradient does not shrink as the two come closer, and jumps where a probability is met. The mean is over
    everything but the classes; ``dim`` is theirs, as in ``soft_targets``. Raises ``ValueError`` as ``soft_targets``
    does for shapes.

    Wen, Li, Du & Mou, "f-Divergence Minimization for Sequence-Level Knowledge Distillation", ACL 2023,
    arXiv:2307.15190.

    >>> import torch
    >>> total_variation(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]]))
    tensor(0.7616)
    """
    dim = class_dim(student, teacher, dim)
    gap = tempered(student, 1.0, dim).exp() - tempered(teacher, 1.0, dim).exp()
    return gap.abs().sum(dim).mean() / 2
