"""Several teachers, each heard about a sample as far as it is right: confidence-aware distillation (CA-MKD)."""

from collections.abc import Sequence
from typing import Annotated, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tutelage.losses.dkd import target_index
from tutelage.losses.hint import mean_squares
from tutelage.losses.kd import not_negative, tempered_members, weighted
from tutelage.losses.srrl import Classifier
from tutelage.shapes import Divergence, Embedding, Labels, Logits, MemberLogits, Scalar, at_least_float32

ZHANG = r"""@inproceedings{zhang2022confidence,
  title     = {Confidence-Aware Multi-Teacher Knowledge Distillation},
  author    = {Zhang, Hailin and Chen, Defang and Wang, Can},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing},
  year      = {2022},
  url       = {https://arxiv.org/abs/2201.00007}
}"""
CITATIONS = {"confident_targets": ZHANG, "ConfidentFeatures": ZHANG}

MemberEmbeddings: TypeAlias = Annotated[Tensor, "M N D"]


def confident_targets(
    student: Logits, teacher: MemberLogits, target: Labels, temperature: float = 4.0, dim: int | None = None
) -> Divergence:
    r"""``T² · mean_n Σ_k w_nk KL(softmax(t_kn/T) ‖ softmax(s_n/T))``, ``w`` larger where a teacher knows the label.

    ``w_nk = (1 − softmax_k(CE(t_kn, target_n))) / (K − 1)`` at temperature 1: the weights of a sample sum to 1, and no
    gradient passes them. One teacher counts 1: then it is ``soft_targets``. ``teacher`` and ``dim`` are as in
    ``averaged_targets``. Raises ``ValueError`` as that does, and for labels that are not one class a sample.

    Zhang, Chen & Wang, "Confidence-Aware Multi-Teacher Knowledge Distillation", ICASSP 2022, arXiv:2201.00007;
    github.com/Rorozhl/CA-MKD, whose code divides by ``K`` once more. Published: ``T = 4``, weight 1 beside labels of
    weight 1; with that division the weight here is ``1/K``.

    >>> logits, members = torch.tensor([[2.0, 0.0]]), torch.tensor([[[0.0, 2.0]], [[4.0, 0.0]]])
    >>> confident_targets(logits, members, torch.tensor([0]), temperature=1.0)
    tensor(0.2298)
    """
    log_s, log_t = tempered_members(student, teacher, temperature, dim)
    _, plain = tempered_members(student, teacher, 1.0, dim)
    _refuse_no_labels(target, log_s.shape[:-1])
    each = not_negative(weighted(log_t.exp(), log_t - log_s).sum(-1))  # (members, …)
    return temperature**2 * weighted(confidence_weights(plain, target), each).sum(0).mean()


def confidence_weights(logits: Tensor, target: Tensor) -> Tensor:
    """``(1 − softmax_k CE_k) / (K − 1)`` (members, …) of logits (members, …, classes) and labels (…); 1 for one member.

    >>> logits = torch.tensor([[[3.0, 0.0]], [[0.0, 3.0]], [[0.0, 0.0]]])
    >>> confidence_weights(logits, torch.tensor([0])).squeeze(1)
    tensor([0.4783, 0.0632, 0.4586])
    """
    if len(logits) == 1:
        return torch.ones_like(logits[..., 0])
    log_p = F.log_softmax(at_least_float32(logits), dim=-1)
    index = target_index(logits[0], target, -1).expand(len(logits), *target.shape, 1)
    wrong = -log_p.gather(-1, index).squeeze(-1)
    wrong = wrong.clamp_max(torch.finfo(wrong.dtype).max)  # where a member rules the label out: it counts nothing
    return (1 - wrong.softmax(0)) / (len(logits) - 1)


class ConfidentFeatures(nn.Module):
    r"""``mean_n Σ_k w_nk · mean_chw (r_k(s) − t_k)²``: the student's last map against that of each of ``K`` teachers.

    ``w_nk = (1 − softmax_k(CE(W_k r_k(s_n), target_n))) / (K − 1)``: what teacher k's classifier ``W_k``, a frozen copy
    of its last layer in ``heads``, makes of the student's mapped features says how much that teacher counts. ``maps``
    are the learned ``r_k``, published as a 1×1 convolution, batch norm and ReLU (``tutelage.losses.srrl.connector``);
    before them the student's map is averaged down to the teacher's size, or interpolated up to it. Layers are maps
    (N, C, H, W) as published, or vectors (N, C); ``teacher`` is stacked, or a list of one layer a teacher. As in the
    authors' code, gradients pass the weights as well.
    Raises ``ValueError`` for no teacher, for another number of heads, maps or teachers, for channels that do not fit,
    and for labels that are not one class a sample.

    Zhang, Chen & Wang, "Confidence-Aware Multi-Teacher Knowledge Distillation", ICASSP 2022, arXiv:2201.00007;
    github.com/Rorozhl/CA-MKD, whose code divides by ``K`` once more, and resizes for a teacher what was resized for
    the one before. Published weight: 50; with that division 50/K here.

    >>> loss = ConfidentFeatures([nn.Linear(4, 3), nn.Linear(4, 3)], [nn.Identity(), nn.Identity()])
    >>> x = torch.randn(2, 4, 5, 5)
    >>> loss(x, torch.stack([x, x]), torch.tensor([0, 2]))
    tensor(0.)
    """

    def __init__(self, heads: Sequence[nn.Linear], maps: Sequence[nn.Module]) -> None:
        super().__init__()
        if not heads or len(heads) != len(maps):
            raise ValueError(
                f"Confident features want a head and a map for each of one or more teachers; got {len(heads)} heads "
                f"and {len(maps)} maps."
            )
        self.judges = nn.ModuleList(map(Classifier, heads))
        self.maps = nn.ModuleList(maps)

    @classmethod
    def example(cls, sizes: dict[str, int]) -> "ConfidentFeatures":
        width = sizes["D"]
        heads = [nn.Linear(width, sizes["C"]) for _ in range(sizes["M"])]
        return cls(heads, [nn.Linear(width, width) for _ in heads])

    def forward(self, student: Embedding, teacher: MemberEmbeddings, target: Labels) -> Scalar:
        _refuse_no_labels(target, student.shape[:1])
        if len(teacher) != len(self.maps):
            raise ValueError(f"There are maps to the features of {len(self.maps)} teachers; got {len(teacher)}.")
        shown = [fit(_resized(student, t)) for fit, t in zip(self.maps, teacher, strict=True)]
        logits = torch.stack([judge(x) for judge, x in zip(self.judges, shown, strict=True)])
        weights = confidence_weights(logits, target)  # (members, samples)
        gaps = [_squares(x, t) for x, t in zip(shown, teacher, strict=True)]
        return (weights * torch.stack(gaps)).sum(0).mean()


def _squares(student: Tensor, teacher: Tensor) -> Tensor:
    """The mean squared difference of each sample."""
    if student.shape != teacher.shape:
        mean_squares(student, teacher)  # says what does not fit
    return F.mse_loss(at_least_float32(student), at_least_float32(teacher), reduction="none").flatten(1).mean(1)


def _resized(x: Tensor, teacher: Tensor) -> Tensor:
    if x.ndim != 4 or teacher.ndim != 4 or x.shape[2:] == teacher.shape[2:]:
        return x
    size = (teacher.shape[2], teacher.shape[3])
    if x.shape[2] >= size[0]:
        return F.adaptive_avg_pool2d(x, size)
    return F.interpolate(x, size, mode="bilinear")


def _refuse_no_labels(target: Tensor | None, samples: torch.Size) -> None:
    if not isinstance(target, Tensor) or target.shape != samples or target.is_floating_point():
        found = "none" if target is None else f"{tuple(target.shape)} of {target.dtype}"
        raise ValueError(
            f"How far a teacher can be believed is told by the labels, one class for each of {tuple(samples)} samples; "
            f"got {found}. Without labels, take averaged_targets."
        )
