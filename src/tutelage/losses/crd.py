"""Contrastive representation distillation: student and teacher agree about this sample, and about no other one."""

from collections.abc import Callable
from math import log1p, sqrt
from typing import TypeAlias

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from tutelage.limits import LARGEST, refuse_no_temperature, refuse_outside
from tutelage.shapes import Embedding, Labels, Scalar, at_least_float32

CITATIONS = {
    "CRD": r"""@inproceedings{tian2020contrastive,
  title     = {Contrastive Representation Distillation},
  author    = {Tian, Yonglong and Krishnan, Dilip and Isola, Phillip},
  booktitle = {International Conference on Learning Representations},
  year      = {2020},
  url       = {https://arxiv.org/abs/1910.10699}
}"""
}

Draw: TypeAlias = Callable[[Tensor, Tensor, int], Tensor]
"""(samples of the batch, class of every sample there is, how many) -> negatives of each, (N, K), or of all, (K,)."""
Scores: TypeAlias = tuple[Tensor, Tensor]
"""``u·v/τ`` with the sample's own row, (N,), and with the negatives', (N, K)."""
EPSILON = 1e-7
COOLEST = 0.02
"""Of the temperatures: ``e^(1/τ)``, times all samples, is a float32 still."""


def own_negatives(index: Tensor, classes: Tensor, count: int) -> Tensor:
    """``count`` other samples for each sample of the batch, of other classes, none twice: (N, count). As published."""
    chance = torch.rand(len(index), len(classes), device=index.device)
    chance.masked_fill_(classes[index][:, None] == classes, -1.0)
    return chance.topk(count, dim=1, sorted=False).indices


def shared_negatives(_index: Tensor, classes: Tensor, count: int) -> Tensor:
    """``count`` samples for the whole batch, none twice: (count,). Each sample skips those of its own class.

    A fast form that is not the published one: negatives of a batch are the same, so scores are one matrix product.
    """
    return torch.randperm(len(classes), device=classes.device)[:count]


class CRD(nn.Module):
    r"""Tell the sample's own embedding, as the other network has it, from those of ``K`` others, in both directions.

    ``−mean_n [log h(x_n0) + Σ_k log(1 − h(x_nk))]`` with ``h(x) = x / (x + K/M)``, ``x = exp(u·v/τ) / Z``, for ``M``
    samples; ``u`` is the student's embedding of the sample, ``v`` is from a memory of the teacher's, ``v_0`` its own;
    then the same with the two exchanged, and the sum of both. Embeddings are a linear map each to ``width`` numbers,
    of length 1. ``Z``, one a direction, is ``M`` times the mean of the first scores seen while training, and stays.
    Memories hold ``momentum`` times the old row plus the new, made length 1; they and ``Z`` change in train mode only.

    ``index`` is the number of each sample. Negatives are any other of ``samples`` (``relaxed``), or samples of other
    classes if ``samples`` is a tensor with the class of each (``exact``, the published default). ``draw`` is
    ``own_negatives``, as published, or ``shared_negatives``, the fast form. Published: ``K = 16384``, ``τ = 0.07``,
    ``momentum = 0.5``, 128 wide, weight 0.8; memories take ``8 · samples · width`` bytes. With several processes, each
    memory takes up what all of them saw. Move the loss to the device of the student.

    Raises ``ValueError`` for a temperature below 0.02, for a momentum outside 0 … 1, if some sample has fewer than
    ``negatives`` others to be told from, for classes that are not one a sample, and for an index out of range (on an
    accelerator, torch says that in its own words).

    Tian, Krishnan & Isola, "Contrastive Representation Distillation", ICLR 2020, arXiv:1910.10699;
    github.com/HobbitLong/RepDistiller, whose code, not the paper, has this normalisation by a fixed ``Z``.

    >>> loss = CRD(student_width=3, teacher_width=5, samples=100, negatives=20)
    >>> loss(torch.randn(4, 3), torch.randn(4, 5), torch.arange(4)).shape
    torch.Size([])
    """

    classes: Tensor
    memory_of_student: Tensor
    memory_of_teacher: Tensor
    normalizers: Tensor

    def __init__(
        self,
        student_width: int,
        teacher_width: int,
        samples: int | Tensor,
        *,
        negatives: int = 16384,
        temperature: float = 0.07,
        momentum: float = 0.5,
        width: int = 128,
        draw: Draw = own_negatives,
    ) -> None:
        super().__init__()
        refuse_no_temperature(temperature, COOLEST)
        refuse_outside("A momentum", momentum, 0, 1)
        refuse_outside("The width of an embedding", width, 1, LARGEST)
        classes = samples if isinstance(samples, Tensor) else torch.arange(samples)
        if classes.ndim != 1:
            raise ValueError(f"Classes are one for each of the samples; got shape {tuple(classes.shape)}.")
        count = len(classes)
        fewest = count - int(classes.unique(return_counts=True)[1].max()) if count else 0
        if not 1 <= negatives <= fewest:
            raise ValueError(f"{negatives} negatives for a sample are too many: some sample has {fewest} others.")
        self.negatives, self.temperature, self.momentum, self.draw = negatives, temperature, momentum, draw
        self.embed_student = nn.Linear(student_width, width)
        self.embed_teacher = nn.Linear(teacher_width, width)
        self.register_buffer("classes", classes.clone(), persistent=False)
        bound = 1 / sqrt(width / 3)
        self.register_buffer("memory_of_student", torch.empty(count, width).uniform_(-bound, bound))
        self.register_buffer("memory_of_teacher", torch.empty(count, width).uniform_(-bound, bound))
        self.register_buffer("normalizers", torch.zeros(2))  # 0: not known yet

    @classmethod
    def example(cls, sizes: dict[str, int]) -> "CRD":
        """One whose negatives are all there are, so that nothing is left to chance; ``Z`` is known."""
        loss = cls(sizes["D"], sizes["D"], sizes["C"], negatives=sizes["C"] - 1, temperature=0.5)
        loss(*torch.randn(2, sizes["C"], sizes["D"]), torch.arange(sizes["C"]))
        return loss.eval()

    def forward(self, student: Embedding, teacher: Embedding, index: Labels) -> Scalar:
        self._refuse_unknown(index)
        s = F.normalize(at_least_float32(self.embed_student(student)), dim=1)
        t = F.normalize(at_least_float32(self.embed_teacher(teacher)), dim=1)
        drawn = self.draw(index, self.classes, self.negatives)
        by_student = self._scores(s, self.memory_of_teacher, index, drawn)
        by_teacher = self._scores(t, self.memory_of_student, index, drawn)
        counted = _counted(self.classes, index, drawn, s.dtype)
        normalizers = self._normalizers([by_student, by_teacher], counted)
        if self.training:
            self._remember(s, t, index)
        both = zip((by_student, by_teacher), normalizers, strict=True)
        return torch.stack([self._contrast(scores, normalizer, counted) for scores, normalizer in both]).sum()

    def _scores(self, anchor: Tensor, memory: Tensor, index: Tensor, drawn: Tensor) -> Scores:
        anchor, memory = anchor / self.temperature, memory.to(anchor.dtype)
        with torch.autocast(anchor.device.type, enabled=False):
            own = (anchor * memory.index_select(0, index)).sum(1)
            if drawn.ndim == 1:
                return own, anchor @ memory.index_select(0, drawn).T
            if self.training and anchor.requires_grad:
                memory = memory.clone()  # the gradient is of what was compared, and the rows change right after
            # Scores with all there are, and a pick of them, move far less memory than K rows for each sample would.
            return own, (anchor @ memory.T).gather(1, drawn)

    def _contrast(self, scores: Scores, normalizer: Tensor, counted: Tensor | None) -> Tensor:
        noise = self.negatives / len(self.classes)
        level = (normalizer * (noise + EPSILON)).log().to(scores[0].dtype)
        own, others = F.softplus(level - scores[0]), F.softplus(scores[1] - level)  # −log h(x) and −log(1 − h(x))
        correction = self.negatives * log1p(EPSILON / noise)  # the published code has no ε in its numerator
        if counted is None:
            return (own + others.sum(1)).mean() + correction
        share = self.negatives / counted.sum(1).clamp(min=1)  # as if all K had counted
        return (own + (others * counted).sum(1) * share).mean() + correction

    @torch.no_grad()
    def _normalizers(self, scores: list[Scores], counted: Tensor | None) -> Tensor:
        if self.normalizers.device.type == "cpu" and bool((self.normalizers > 0).all()):
            return self.normalizers  # elsewhere looking would make the host wait
        now = torch.stack([_mean(x, counted) * len(self.classes) for x in scores]).to(self.normalizers.dtype)
        if self.training:
            now = _of_all_ranks(now[None]).mean(0)
        known = torch.where(self.normalizers > 0, self.normalizers, now)
        if self.training:
            self.normalizers.copy_(known)
        return known

    @torch.no_grad()
    def _remember(self, student: Tensor, teacher: Tensor, index: Tensor) -> None:
        student, teacher, index = (_of_all_ranks(x) for x in (student, teacher, index))
        same = (index[:, None] == index).to(student.dtype)
        same = same / same.sum(
            1, keepdim=True
        )  # a sample that comes twice is remembered by its mean, whatever the order
        for memory, new in ((self.memory_of_student, student), (self.memory_of_teacher, teacher)):
            row = self.momentum * memory[index] + (1 - self.momentum) * (same @ new).to(memory.dtype)
            memory[index] = F.normalize(row, dim=1)

    def _refuse_unknown(self, index: Tensor) -> None:
        if index.device.type == "cpu" and not 0 <= int(index.min()) <= int(index.max()) < len(self.classes):
            raise ValueError(
                f"Samples are numbered from 0 to {len(self.classes) - 1}; got an index from {int(index.min())} to "
                f"{int(index.max())}."
            )


def _counted(classes: Tensor, index: Tensor, drawn: Tensor, dtype: torch.dtype) -> Tensor | None:
    """Of shared negatives, 1 for those that are none of the sample's own class, (N, K); drawn for each, all count."""
    return None if drawn.ndim == 2 else (classes[index][:, None] != classes[drawn]).to(dtype)


def _mean(scores: Scores, counted: Tensor | None) -> Tensor:
    own, others = scores[0].exp(), scores[1].exp()
    counts = torch.ones_like(others) if counted is None else counted
    return (own.sum() + (others * counts).sum()) / (len(own) + counts.sum())


def _of_all_ranks(x: Tensor) -> Tensor:
    """``x`` of all processes, one after the other, without a gradient; of equally many rows each."""
    if not (dist.is_available() and dist.is_initialized()):
        return x
    parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts)
