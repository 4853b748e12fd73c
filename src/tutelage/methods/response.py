"""Methods that learn from what the teacher answers: its logits."""

from functools import partial

from tutelage.losses.dist import dist as correlated
from tutelage.losses.dkd import dkd as decoupled
from tutelage.losses.multi_level import multi_level as levels
from tutelage.losses.nkd import nkd as normalised
from tutelage.losses.standardized import standardized_soft_targets
from tutelage.losses.wsl import wsl as weighted
from tutelage.methods.pair import Pair
from tutelage.objective import Loss, Objective, Term, Weight


def kd(pair: Pair) -> Objective:
    """Soft targets at T = 4: 0.1 CE + 0.9 KD. github.com/HobbitLong/RepDistiller."""
    return softened(pair, temperature=4.0, label=0.1, soft=0.9)


def softened(pair: Pair, *, temperature: float, label: Weight, soft: Weight) -> Objective:
    """Soft targets at any temperature and weights: ``label · CE + soft · KD``. A partial of it is a method."""
    return Objective(label=pair.labels(label), soft=pair.soft(soft, temperature))


def dkd(pair: Pair) -> Objective:
    """Decoupled, CE + TCKD + β NCKD at T = 4, growing over the first 20 of 240 epochs.

    β is 2 between thin ResNets, 6 between two wide ResNets or two VGGs, 8 elsewhere. github.com/megvii-research/
    mdistiller, configs/cifar100/dkd.
    """
    thin = all(name.startswith("resnet") and "x" not in name for name in pair.named)
    beta = 2.0 if thin else 6.0 if pair.alike("wrn", "wide_resnet", "vgg") else 8.0
    loss = partial(decoupled, temperature=4.0, others_weight=beta)
    seen = "student.output", "teacher.output", "batch.target"
    return Objective(label=pair.labels(), decoupled=Term(loss, *seen, weight=pair.growing(20)))


def dist(pair: Pair) -> Objective:
    """Correlations of rows and of columns at T = 4: CE + DIST with β = γ = 1. github.com/hunto/DIST_KD."""
    loss = partial(correlated, temperature=4.0)
    return Objective(label=pair.labels(), correlated=_logits(loss, 1.0, across=True))


def nkd(pair: Pair) -> Objective:
    """CE + NKD with γ = 1.5 at T = 1. github.com/yzd-v/cls_KD."""
    return Objective(
        label=pair.labels(), normalised=Term(normalised, "student.output", "teacher.output", "batch.target")
    )


def wsl(pair: Pair) -> Objective:
    """CE + 2.25 · weighted soft labels at T = 4, their values for CIFAR.

    github.com/bellymonster/Weighted-Soft-Label-Distillation.
    """
    loss = partial(weighted, temperature=4.0)
    seen = "student.output", "teacher.output", "batch.target", "student.output"
    return Objective(label=pair.labels(), weighted=Term(loss, *seen, weight=2.25))


def standardized(pair: Pair) -> Objective:
    """Soft targets of standardised logits at T = 2: 0.1 CE + 9 KD. github.com/sunshangquan/logit-standardization-KD."""
    return Objective(label=pair.labels(0.1), standardized=_logits(standardized_soft_targets, 9.0))


def multi_level(pair: Pair) -> Objective:
    """Instances, batch and classes at five temperatures: 0.1 CE + 0.9 MLKD, on one view.

    The published recipe adds a second, strongly augmented view of each image, and trains twice as long or more.
    github.com/Jin-Ying/Multi-Level-Logit-Distillation.
    """
    return Objective(label=pair.labels(0.1), levels=_logits(levels, 0.9, across=True))


def _logits(loss: Loss, weight: Weight, across: bool = False) -> Term:
    return Term(loss, "student.output", "teacher.output", weight=weight, across=across)
