"""A teacher as a bound: a student's error counts only while it is not clearly smaller than the teacher's own."""

import torch

from tutelage.limits import LARGEST, refuse_outside
from tutelage.shapes import Numbers, Scalar, at_least_float32

CITATIONS = {
    "bounded_squares": r"""@inproceedings{chen2017learning,
  title     = {Learning Efficient Object Detection Models with Knowledge Distillation},
  author    = {Chen, Guobin and Choi, Wongun and Yu, Xiang and Han, Tony and Chandraker, Manmohan},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {30},
  year      = {2017},
  url       = {https://papers.nips.cc/paper/6676}
}"""
}


def bounded_squares(student: Numbers, teacher: Numbers, target: Numbers, margin: float = 0.0) -> Scalar:
    r"""The teacher-bounded regression loss, ``mean_n e(s_n) · [e(s_n) + m > e(t_n)]`` with ``e(x_n) = mean_k (x_nk −
    y_nk)²``.

    A sample on which the student's squared error is smaller than the teacher's by the margin ``m`` or more counts 0: a
    teacher of numbers may be far off, and is no target. It is the student's error that is learnt, never the distance to
    the teacher. The paper's squared norm is ``K`` times ``e``; as a mean it weighs as the targets' own loss does, and
    ``m`` is in its unit. One number a sample may be (N,) or (N, 1). Raises ``ValueError`` if the shapes differ, and for
    a margin outside 0 … 1e18.

    Chen, Choi, Yu, Han & Chandraker, "Learning Efficient Object Detection Models with Knowledge Distillation", NIPS
    2017, papers.nips.cc/paper/6676, eq. 4; other ways to trust a teacher of numbers only where it is right are those of
    Saputra et al., "Distilling Knowledge From a Deep Pose Regressor Network", ICCV 2019, arXiv:1908.00858.

    >>> student, teacher, target = torch.tensor([[3.0], [1.0]]), torch.tensor([[2.0], [2.0]]), torch.zeros(2, 1)
    >>> bounded_squares(student, teacher, target)  # 9 > 4 counts, 1 < 4 does not
    tensor(4.5000)
    """
    refuse_outside("A margin", margin, 0, LARGEST)
    s, t, y = (at_least_float32(x)[:, None] if x.ndim == 1 else at_least_float32(x).flatten(1)
               for x in (student, teacher, target))  # fmt: skip
    if not s.shape == t.shape == y.shape:
        shapes = ", ".join(str(tuple(x.shape)) for x in (student, teacher, target))
        raise ValueError(f"Student, teacher and target must be as many numbers each; got {shapes}.")
    lead = ((s - t) * (s + t - 2 * y)).mean(1).detach()  # e(s) − e(t), where both errors are large and nearly equal too
    return torch.where(lead + margin > 0, (s - y).square().mean(1), 0.0).mean()
