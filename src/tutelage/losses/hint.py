"""Hints: match what a layer of the teacher says, through a learned map where the student's has another shape."""

from torch import Size, Tensor, nn
from torch.nn import functional as F

from tutelage.shapes import Divergence, FeatureMap, at_least_float32

ROMERO = r"""@inproceedings{romero2015fitnets,
  title     = {FitNets: Hints for Thin Deep Nets},
  author    = {Romero, Adriana and Ballas, Nicolas and Kahou, Samira Ebrahimi and Chassang, Antoine and Gatta, Carlo
               and Bengio, Yoshua},
  booktitle = {International Conference on Learning Representations},
  year      = {2015},
  url       = {https://arxiv.org/abs/1412.6550}
}"""
CITATIONS = {"half_squares": ROMERO, "half_squares_by_place": ROMERO, "mean_squares": ROMERO}


def half_squares(student: FeatureMap, teacher: FeatureMap) -> Divergence:
    r"""Half the squared distance of the features, ``½ · mean_n ‖s_n − t_n‖²``, summed over channels and places.

    The paper's form: twice as many channels or places are twice the loss. The student's features have been brought to
    the teacher's shape, as ``tutelage.matching.projected.projected(half_squares, regressor)`` does. FitNets trains the
    lower half of the student by this loss alone (weight 1), and the whole student by soft targets afterwards.
    Raises ``ValueError`` if the shapes differ.

    Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015, arXiv:1412.6550, eq. 3.

    >>> import torch
    >>> half_squares(torch.ones(5, 2, 3, 3), torch.zeros(5, 2, 3, 3))
    tensor(9.)
    """
    return _squares(student, teacher).flatten(1).sum(1).mean() / 2


def half_squares_by_place(student: FeatureMap, teacher: FeatureMap) -> Divergence:
    r"""Half the squared distance at a place of the map, ``½ · mean_nhw ‖s_nhw − t_nhw‖²``, summed over channels.

    The form of the authors' code: ``half_squares`` over the number of places.
    Raises ``ValueError`` if the shapes differ.

    Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015, arXiv:1412.6550, eq. 3;
    github.com/adri-romsor/FitNets.

    >>> import torch
    >>> half_squares_by_place(torch.ones(5, 2, 3, 3), torch.zeros(5, 2, 3, 3))
    tensor(1.)
    """
    return _squares(student, teacher).sum(1).mean() / 2


def mean_squares(student: FeatureMap, teacher: FeatureMap) -> Divergence:
    r"""Mean squared difference of the features, ``mean_nchw (s − t)²``: blind to the number of channels.

    What later comparisons call FitNets: one term beside the labels from the first epoch on, not a stage before them.
    Their published weight is 100, with ``normed_regressor`` as the map (github.com/HobbitLong/RepDistiller).
    Raises ``ValueError`` if the shapes differ.

    Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015, arXiv:1412.6550.

    >>> import torch
    >>> mean_squares(torch.full((5, 2, 3, 3), 3.0), torch.zeros(5, 2, 3, 3))
    tensor(9.)
    """
    return _squares(student, teacher).mean()


def regressor(student: Size, teacher: Size) -> nn.Module:
    """The regressor of the paper for these shapes: a convolution that fits exactly, without padding, and a ReLU.

    Its kernel has ``k = H_s − H_t + 1`` rows and columns alike. The paper gives it the non-linearity of the hint.
    Raises ``ValueError`` unless both shapes are those of maps and the student's map is the larger one, or as large.

    >>> regressor(Size([1, 4, 10, 10]), Size([1, 3, 8, 8]))[0]
    Conv2d(4, 3, kernel_size=(3, 3), stride=(1, 1))
    """
    _refuse_no_maps(student, teacher)
    kernel = student[2] - teacher[2] + 1, student[3] - teacher[3] + 1
    if min(kernel) < 1:
        raise ValueError(
            f"A regressor without padding makes maps smaller: the student's is {_places(student)}, the teacher's "
            f"{_places(teacher)}; take an earlier layer of the student, or normed_regressor, which can double a map."
        )
    return nn.Sequential(nn.Conv2d(student[1], teacher[1], kernel), nn.ReLU())


def normed_regressor(student: Size, teacher: Size) -> nn.Module:
    """The regressor of later comparisons for these shapes: a convolution that fits, batch norm and a ReLU.

    A map is halved by a 3×3 convolution of stride 2, doubled by a transposed 4×4 one, and otherwise fitted as
    ``regressor`` does. github.com/HobbitLong/RepDistiller, ``ConvReg``.
    Raises ``ValueError`` for shapes that are not those of maps, and for smaller maps of the student that are not half.

    >>> normed_regressor(Size([1, 4, 8, 8]), Size([1, 3, 16, 16]))[0]
    ConvTranspose2d(4, 3, kernel_size=(4, 4), stride=(2, 2), padding=(1, 1))
    """
    _refuse_no_maps(student, teacher)
    fit: nn.Module
    if student[2:] == Size(2 * x for x in teacher[2:]):
        fit = nn.Conv2d(student[1], teacher[1], 3, stride=2, padding=1)
    elif teacher[2:] == Size(2 * x for x in student[2:]):
        fit = nn.ConvTranspose2d(student[1], teacher[1], 4, stride=2, padding=1)
    elif student[2] >= teacher[2] and student[3] >= teacher[3]:
        fit = nn.Conv2d(student[1], teacher[1], (1 + student[2] - teacher[2], 1 + student[3] - teacher[3]))
    else:
        raise ValueError(
            f"The student's map, {_places(student)}, is smaller than the teacher's, {_places(teacher)}, and not "
            "half of it; take layers whose maps fit."
        )
    return nn.Sequential(fit, nn.BatchNorm2d(teacher[1]), nn.ReLU())


def _squares(student: Tensor, teacher: Tensor) -> Tensor:
    if student.shape != teacher.shape:
        raise ValueError(
            f"Student's and teacher's features must have one shape; got {tuple(student.shape)} and "
            f"{tuple(teacher.shape)}: project the student's (tutelage.matching.projected)."
        )
    return F.mse_loss(at_least_float32(student), at_least_float32(teacher), reduction="none")


def _refuse_no_maps(*shapes: Size) -> None:
    if any(len(shape) != 4 for shape in shapes):
        raise ValueError(f"A regressor is for maps (samples, channels, H, W); got {' and '.join(map(_shape, shapes))}.")


def _shape(shape: Size) -> str:
    return str(tuple(shape))


def _places(shape: Size) -> str:
    return f"{shape[2]}×{shape[3]}"
