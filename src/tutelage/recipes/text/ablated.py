"""The students of DistilBERT's ablation, what was published of them, and what is said of them here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

from tutelage.recipes.text.judged import Scores, mean_score
from tutelage.results import Claim, Table
from tutelage.run import Run

SOURCE = "Sanh et al. 2019, arXiv:1910.01108, table 4"
WHOLE = "triple"


@dataclass(frozen=True)
class Variant:
    """A student in a few words, how it differs from that with all three losses, and the points that it lost."""

    words: str
    lost: float
    changes: Mapping[str, Any] = field(default_factory=dict)


VARIANTS = {
    WHOLE: Variant("all three losses", 0.0),
    "no-label": Variant("without the hidden tokens", 0.31, {"label": 0.0}),
    "no-direction": Variant("without the directions of hidden states", 1.46, {"direction": 0.0}),
    "no-soft": Variant("without the teacher’s answers", 2.96, {"soft": 0.0}),
    "drawn": Variant("all three losses, from drawn weights", 3.69, {"pick": None}),
}
"""From what costs least to what costs most, as published: points of the mean of GLUE."""


def lost(scores: Mapping[str, Scores]) -> dict[str, float]:
    """The points of the mean score that each student has less than that with all three losses."""
    whole = mean_score(scores[WHOLE])
    return {name: whole - mean_score(found) for name, found in scores.items()}


def lost_table(scores: Mapping[str, Scores]) -> Table:
    """Each student's scores, their mean, and what is lost beside what was published."""
    points = lost(scores)
    rows = [
        (
            VARIANTS[name].words, *(round(median(each), 2) for each in found.values()), round(mean_score(found), 2),
            round(points[name], 2), VARIANTS[name].lost,
        )
        for name, found in scores.items()
    ]  # fmt: skip
    return Table(
        title="What each loss and the start are worth",
        columns=("student", *(f"{task}, %" for task in scores[WHOLE]), "mean, %", "points lost", "published"),
        rows=tuple(rows),
        note="Points of the mean score; published are those of all nine tasks of GLUE, with six layers of BERT-base.",
    )


def in_words(scores: Mapping[str, Scores]) -> str:
    """What is lost without each of the parts, the most first."""
    points = lost(scores)
    order = sorted((name for name in points if name != WHOLE), key=lambda name: -points[name])
    each = "; ".join(f"{VARIANTS[name].words}, {points[name]:.2f}".replace("-", "−") for name in order)
    return f"Points of the mean score that are lost: {each}. All three losses: {mean_score(scores[WHOLE]):.2f} %."


def claim_order(run: Run, scores: Mapping[str, Scores], reason: str) -> None:
    """The claims: each part costs more than the one before it, in the published order."""
    points, order = lost(scores), [*VARIANTS][1:]
    for less, more in pairwise(order):
        run.claim(
            Claim(f"points lost: {VARIANTS[more].words}, over {VARIANTS[less].words}",
                  round(VARIANTS[more].lost - VARIANTS[less].lost, 2), points[more] - points[less], "points", SOURCE,
                  low=0.0, reason=reason, note="the order of the ablation", paired=True)
        )  # fmt: skip
