"""Match a teacher's numbers as they are: soft targets of a regression."""

from torch.nn import functional as F

from tutelage.losses.kd import BA_AND_CARUANA
from tutelage.shapes import Divergence, Numbers, at_least_float32

CITATIONS = {"squared_gap": BA_AND_CARUANA}


def squared_gap(student: Numbers, teacher: Numbers) -> Divergence:
    r"""The mean squared difference of the answers, ``mean_nk (s_nk − t_nk)²``.

    A mean over samples and numbers, as the mean squared error with the targets is, so that both weigh alike. Raises
    ``ValueError`` if the shapes differ: they would be compared all with all.

    Ba & Caruana, "Do Deep Nets Really Need to be Deep?", 2014, arXiv:1312.6184, eq. 1: a regression on a teacher's
    answers; theirs is half of the sum over the numbers.

    >>> import torch
    >>> squared_gap(torch.tensor([[1.0], [3.0]]), torch.tensor([[1.0], [1.0]]))
    tensor(2.)
    """
    if student.shape != teacher.shape:
        raise ValueError(
            f"Student and teacher must answer with as many numbers; got {tuple(student.shape)} and "
            f"{tuple(teacher.shape)}."
        )
    return F.mse_loss(at_least_float32(student), at_least_float32(teacher))
