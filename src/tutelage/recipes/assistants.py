"""What Mirzadeh et al. claim of assistants, whatever the networks: that they help, and which of them helps most."""

from collections.abc import Mapping
from functools import partial

from tutelage.results import Claim
from tutelage.run import Run
from tutelage.study.comparison import BASELINE
from tutelage.study.experiments.ways import Ways

PAPER = "Mirzadeh et al. 2020, arXiv:1902.03393, tables 1 and 2"


def claim_directions(run: Run, ways: Ways, published: Mapping[str, float], reason: str, note: str = "") -> None:
    """That teaching helps, and teaching by way of assistants more: by ``published`` as far as it has the figures.

    It has scores by name: of NOKD, of BLKD, and of the student by way of each assistant. Where it has none, only
    directions are published; where it says that a way gains nothing, none is claimed. Claims are of ways that are fixed
    before their students are looked at: the best of several equals would beat one rival by chance alone.
    """
    unit = "points" if ways.metric.unit == "%" else f"fewer {ways.metric.name}"
    gain = partial(Claim, unit=unit, source=PAPER, low=0.01, paired=True, reason=reason)

    def figure(name: str, over: str) -> float | None:
        known = name in published and over in published
        return round(ways.metric.gain(published[name], over=published[over]), 2) if known else None

    def claim(words: str, way: str, over: str, figure: float | None, *notes: str) -> None:
        if figure is None or figure > 0:
            said = "; ".join(filter(None, [*notes, note, "only the direction is published" if figure is None else ""]))
            run.claim(gain(words, figure or 0.0, ways.gain(way, over), note=said))

    claim("BLKD beats NOKD", ways.direct, BASELINE, figure("BLKD", "NOKD"), "from the teacher, and from labels alone")
    if ways.single:
        nearest = ways.nearest
        claim("TAKD by the assistant nearest to the mean beats BLKD", ways.single[nearest], ways.direct,
              figure(nearest, "BLKD"), f"{nearest}, nearest on validation")  # fmt: skip
    if len(ways.single) > 1:
        best = "published as the best of all ways"
        claim("TAKD through all assistants beats BLKD", ways.full, ways.direct, None, best)
