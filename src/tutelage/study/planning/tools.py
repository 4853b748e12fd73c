"""Which tools make a network as small or as fast as is wanted at the least loss: int8, fewer channels, or both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tutelage.compress.budget import Budget
from tutelage.compress.budget import in_words as amount_in_words
from tutelage.deployment.verdict import points
from tutelage.results import Metric

FLOAT32, INT8 = "float32", "int8"
PRECISIONS = (FLOAT32, INT8)
AIMS: Mapping[str, float] = {"bytes": 0.99, "ms": 0.93}
"""Of the target, what is aimed at where a cost lies between two that were measured; a count is known exactly."""


@dataclass(frozen=True)
class Tried:
    """A file of the network in ``precision`` with the ``share`` of its count that is left, before any recovery.

    ``figure`` is the told metric on validation samples, ``ms`` an answer to one sample in ONNX Runtime; ``count`` is of
    what was taken out (parameters, MACs, …).
    """

    share: float
    precision: str
    figure: float
    bytes: int
    ms: float
    count: float

    def cost(self, unit: str) -> float:
        """In bytes, milliseconds, or whatever is counted."""
        return {"bytes": float(self.bytes), "ms": self.ms}.get(unit, self.count)


@dataclass(frozen=True)
class Choice:
    """The ``precision``, and the ``share`` that is left by pruning, with the loss that is expected without recovery."""

    precision: str
    share: float
    lost: float


def choices(tried: Sequence[Tried], wanted: Budget, metric: Metric, allowed: float) -> list[Choice]:
    """By which precision, and with how much left, ``wanted`` is met: the least loss first, of equal ones the widest.

    ``tried`` has the whole network in float32, which a share in ``wanted`` is of. Between two shares that were tried,
    costs and losses lie on a line. Of each precision the widest network that will do; none where no file of it that
    was tried is as small, or as fast, and none of a precision that alone loses more than is ``allowed``: that is not
    recovered. Int8 changes no count: where one is wanted it is no tool.
    """
    whole = whole_of(tried)
    limit = wanted.limit(whole.cost(wanted.unit))
    found = []
    for precision in PRECISIONS if wanted.unit in AIMS else (FLOAT32,):
        rows = sorted((x for x in tried if x.precision == precision), key=lambda x: -x.share)
        if not rows or points(metric, rows[0].figure, whole.figure) > allowed:
            continue
        reached = _reached(rows, wanted.unit, limit)
        if reached is not None:
            share, figure = reached
            found.append(Choice(precision, share, max(0.0, points(metric, figure, whole.figure))))
    return sorted(found, key=lambda x: (x.lost, -x.share))


def whole_of(tried: Sequence[Tried]) -> Tried:
    """The network as it is, in float32."""
    return next(x for x in tried if x.precision == FLOAT32 and x.share == 1)


def best_within(had: Sequence[Tried], unit: str, metric: Metric, whole: Tried, allowed: float) -> Tried | None:
    """The smallest, or fastest, of what there is that loses no more than ``allowed`` points; nothing if none does."""
    within = [x for x in had if points(metric, x.figure, whole.figure) <= allowed]
    return min(within, key=lambda x: (x.cost(unit), -x.share), default=None)


def cost_in_words(cost: float, unit: str) -> str:
    """
    >>> cost_in_words(61234, "bytes"), cost_in_words(1.234, "ms")
    ('61.2 kB', '1.23 ms')
    """
    if unit == "bytes":
        for prefix, scale in (("MB", 1e6), ("kB", 1e3)):
            if cost >= scale:
                return f"{cost / scale:.3g} {prefix}"
        return f"{cost:.0f} bytes"
    return f"{cost:.3g} ms" if unit == "ms" else amount_in_words(cost, unit)


def times(cost: float, whole: float, unit: str) -> str:
    """
    >>> times(25.0, 100.0, "bytes"), times(2.0, 1.0, "ms"), times(1.0, 1.0, "MACs")
    ('4.0 × smaller', '2.0 × slower', 'as many')
    """
    less, more, same = {"bytes": ("smaller", "larger", "as large"), "ms": ("faster", "slower", "as fast")}.get(
        unit, ("fewer", "more", "as many")
    )
    ratio = whole / cost
    said = f"{max(ratio, 1 / ratio):.1f}"
    return same if said == "1.0" else f"{said} × {less if ratio > 1 else more}"


def figure_in_words(figure: float, metric: Metric) -> str:
    """
    >>> figure_in_words(96.25, Metric("accuracy", "%", "higher"))
    '96.2 % accuracy'
    """
    return f"{figure:.1f} % {metric.name}" if metric.unit == "%" else f"{figure:.4g} {metric.unit or metric.name}"


def not_chosen(
    tried: Sequence[Tried], chosen: Choice, others: Sequence[Choice], wanted: Budget, metric: Metric
) -> list[str]:
    """What was not worth it, and why, in sentences."""
    whole, unit, points_or = whole_of(tried), wanted.unit, "points" if metric.unit == "%" else "per cent"
    int8 = next((x for x in tried if x.precision == INT8 and x.share == 1), None)
    said = []
    if int8 is None:
        said.append("int8 was not tried, for nothing in this network can be quantised so")
    elif chosen.precision == FLOAT32 and unit not in ("bytes", "ms"):
        said.append(f"int8 changes no {unit}; `tutelage export` makes an int8 file of what comes out")
    elif chosen.precision == FLOAT32 and int8.ms > whole.ms:
        said.append(f"int8 is smaller but slower here: {int8.ms:.3g} ms against {whole.ms:.3g} ms")
    for other in others:
        if other.precision == FLOAT32 and chosen.precision == INT8:
            said.append(
                f"pruning alone would have to leave {100 * other.share:.0f} %, at a loss of {other.lost:.3g} "
                f"{points_or} before any recovery"
            )
        elif other.precision == INT8 and chosen.precision == FLOAT32 and unit in ("bytes", "ms"):
            more = "which is more" if other.lost > chosen.lost else "which is as much, and have less left"
            said.append(f"with int8 it would lose {other.lost:.3g} {points_or} before any recovery, {more}")
    return said


def _reached(rows: Sequence[Tried], unit: str, limit: float) -> tuple[float, float] | None:
    """The widest share that costs no more than ``limit``, and its figure; ``rows`` begin with the widest."""
    if rows[0].cost(unit) <= limit:
        return rows[0].share, rows[0].figure
    aim = AIMS.get(unit, 1.0) * limit
    for wide, narrow in pairwise(rows):
        high, low = wide.cost(unit), narrow.cost(unit)
        if low <= aim < high:
            part = (aim - low) / (high - low)
            share, figure = (b + part * (a - b) for a, b in ((wide.share, narrow.share), (wide.figure, narrow.figure)))
            return share, figure
    return None
