"""What recipes of mixed tools ask, said once: fields are flags. No torch here."""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from tutelage.study.bounds import Above, AtLeast, AtMost, Distinct, NotEmpty, Temperature

Tool: TypeAlias = Literal["distilled", "replaced", "pruned", "thinned", "shared", "int8"]
TOOLS: tuple[Tool, ...] = ("distilled", "replaced", "pruned", "thinned", "shared", "int8")
"""In the order in which a network goes through them."""
FASTER: tuple[Tool, ...] = ("distilled", "replaced", "pruned", "int8")
"""Those that make less work for a processor, and not only a smaller file."""


@dataclass(frozen=True, kw_only=True)
class MixSettings:
    """Which tools make a network smaller, and how far each of them goes."""

    tools: Annotated[tuple[Tool, ...], NotEmpty(), Distinct()] = FASTER
    """distilled: into a smaller student; replaced: its layers by cheaper ones; pruned: channels, with retraining;
    thinned: single weights, with retraining; shared: weights have few values; int8: trained for its rounding. Each is
    tried alone, with each other one, and all of them together; int8 and shared never both"""
    blocks: Literal["low rank", "depthwise-separable"] = "low rank"
    """what layers are replaced by: products of two, or a convolution of each channel and one that mixes"""
    rank: Annotated[float, Above(0), AtMost(1)] = 0.25
    """share of the parameters that layers of low rank leave"""
    pruned_to: str = "25 % of the parameters"
    """what pruning leaves: '25 % of the parameters', 'half' of the MACs, '90 MMACs', …"""
    multiple: Annotated[int, AtLeast(1), AtMost(64)] = 1
    """pruning leaves widths that are multiples of this, which kernels like: 8 or 16"""
    zeros: Annotated[float, Above(0), AtMost(0.999)] = 0.9
    """share of the weights that are 0 where they are thinned"""
    code_bits: Annotated[int, AtLeast(1), AtMost(8)] = 5
    """bits of a weight's code where weights share their values, 2^bits - 1 in a layer, and 0"""
    temperature: Temperature = 4.0
    """softness of the original's targets, from which every arm with a distillation in it learns, beside labels"""


MIX = MixSettings()
