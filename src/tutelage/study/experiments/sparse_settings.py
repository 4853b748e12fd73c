"""What recipes of variational students ask, said once: fields are flags. No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from tutelage.study.bounds import Above, AtMost, Count, Epochs, Temperature, Weight

Row: TypeAlias = Literal[
    "plain", "kd", "svd", "vbd", "kd+svd", "kd+vbd",
    "plain+blocks", "kd+blocks", "svd+blocks", "vbd+blocks", "kd+svd+blocks", "kd+vbd+blocks",
]  # fmt: skip
"""How a student learns: labels, soft targets (kd), variational dropout (svd, vbd), the block-sparse penalty."""
ROWS: tuple[Row, ...] = (
    "plain", "kd", "svd", "vbd", "kd+svd", "kd+vbd",
    "plain+blocks", "kd+blocks", "svd+blocks", "vbd+blocks", "kd+svd+blocks", "kd+vbd+blocks",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SparseSettings:
    """How a variational student is taught, and what is noise."""

    temperature: Temperature = 2.0
    """softness of the teacher's targets"""
    soft: Weight = 2.0
    """weight of the teacher's targets, beside labels of weight 1"""
    start: Literal["scratch", "trained"] = "scratch"
    """its first weights: random ones, or those that the student of sure weights has learnt"""
    warm_up: Epochs = 20
    """epochs until the KL counts in full; in the first quarter of them it counts nothing"""
    strength: Weight = 1.0
    """what the KL counts in the end; 1 is the evidence bound, less keeps more weights"""
    deviation: Annotated[float, Above(0), AtMost(1)] = 0.0067
    """standard deviation that every weight begins with"""
    threshold: Annotated[float, Above(0), AtMost(9.9)] = 3.0
    """log α from which on a weight is noise, and 0"""
    blocks: Weight = 1e-3
    """weight of the block-sparse penalty, which is summed over blocks and divided by the training samples"""
    draws: Count = 16
    """random passes of a prediction that knows how unsure it is"""


SPARSE = SparseSettings()
