"""What recipes of mixed tools ask, said once: fields are flags. No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from tutelage.study.bounds import Above, AtMost, Distinct, NotEmpty, Temperature

Tool: TypeAlias = Literal["distilled", "replaced", "pruned", "int8"]
TOOLS: tuple[Tool, ...] = ("distilled", "replaced", "pruned", "int8")
"""In the order in which a network goes through them."""


@dataclass(frozen=True, kw_only=True)
class MixSettings:
    """Which tools make a network smaller, and how far each of them goes."""

    tools: Annotated[tuple[Tool, ...], NotEmpty(), Distinct()] = TOOLS
    """distilled: into a smaller student; replaced: its layers by cheaper ones; pruned: channels, with retraining;
    int8: trained for its rounding. Each is tried alone, with each other one, and all of them together"""
    blocks: Literal["low rank", "depthwise-separable"] = "low rank"
    """what layers are replaced by: products of two, or a convolution of each channel and one that mixes"""
    rank: Annotated[float, Above(0), AtMost(1)] = 0.25
    """share of the parameters that layers of low rank leave"""
    pruned_to: str = "25 % of the parameters"
    """what pruning leaves: '25 % of the parameters', 'half' of the MACs, '90 MMACs', …"""
    temperature: Temperature = 4.0
    """softness of the original's targets, from which every arm with a distillation in it learns, beside labels"""


MIX = MixSettings()
