"""Methods that tell a sample's own embedding from those of others."""

import torch
from torch import Tensor, nn

from tutelage.losses.crd import CRD, Draw, own_negatives, shared_negatives
from tutelage.methods.pair import Pair
from tutelage.objective import Objective, Term


def crd(pair: Pair) -> Objective:
    """Contrastive representation distillation as published: CE + 0.8 CRD, 16384 negatives of other classes a sample.

    Where there are no labels a sample's negatives are any others, as in the paper's transfer between modalities, and so
    where these are not one class a sample.
    github.com/HobbitLong/RepDistiller.
    """
    return Objective(label=pair.labels(), contrast=_contrast(pair, own_negatives))


def crd_shared(pair: Pair) -> Objective:
    """The fast form of CRD, not the published one: the same 16384 negatives for the whole batch."""
    return Objective(label=pair.labels(), contrast=_contrast(pair, shared_negatives))


def crd_kd(pair: Pair) -> Objective:
    """CRD beside soft targets, at their weights: CE + 1 KD (T = 4) + 0.8 CRD. github.com/HobbitLong/RepDistiller."""
    return Objective(label=pair.labels(), soft=pair.soft(), contrast=_contrast(pair, own_negatives))


def _contrast(pair: Pair, draw: Draw) -> Term:
    train = pair.lesson.train
    one_each = train.has_targets and train.targets.ndim == 1 and not train.targets.is_floating_point()
    classes = train.targets.cpu() if one_each else torch.arange(len(train))  # else each is all of its class
    others = len(train) - int(classes.bincount().max())
    loss = CRD(*pair.widths(), classes, negatives=min(16384, others), draw=draw)
    return Term(_Numbered(loss, train.index.cpu()), *pair.embeddings(), "batch.index", weight=0.8)


class _Numbered(nn.Module):
    """A contrast among the samples trained on, which are numbered within the set as published."""

    rows: Tensor

    def __init__(self, loss: CRD, index: Tensor) -> None:
        super().__init__()
        self.loss = loss
        rows = torch.zeros(int(index.max()) + 1, dtype=torch.int64)
        rows[index] = torch.arange(len(index))
        self.register_buffer("rows", rows, persistent=False)

    def forward(self, student: Tensor, teacher: Tensor, index: Tensor) -> Tensor:
        value: Tensor = self.loss(student, teacher, self.rows[index])
        return value
