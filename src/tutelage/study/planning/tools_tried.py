"""What int8 and pruning cost a network, each alone and together: tried before anything is trained, and written down."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter

import torch

from tutelage.checkpoint import read_json, write_json
from tutelage.checksums import summed, unsummed
from tutelage.compress.importance import Importance, filters, taylor
from tutelage.compress.ranked import Across, as_they_are, evenly
from tutelage.compress.spending import MEASURES
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.graph import Channels, Closed
from tutelage.deployment.verdict import points
from tutelage.files import made_folder
from tutelage.keys import key_of
from tutelage.profiling import clocked
from tutelage.schemes.plan import Plan
from tutelage.schemes.pruned import losses_of
from tutelage.study.own.participants import DistillationSettings
from tutelage.study.planning.bench import Bench
from tutelage.study.planning.handover import load_writers
from tutelage.study.planning.layers_tried import LayerTried, by_layer, layers_tried, worths
from tutelage.study.planning.timed_plan import place_of
from tutelage.study.planning.tools import Choice, Tried

SHARES = (0.75, 0.5, 0.25, 0.12, 0.06, 0.03, 0.015)
"""What is left, in turn, until the target is met."""
BATCHES, CORRECTIONS = 8, 3
"""Batches that gradients are of, and times that a share is corrected."""
REVISION = 1
"""Of what is tried and chosen: raised when the same question would get another answer."""
SHARE_OF_LAYERS = 0.05
"""Of all the time, what a look at each layer alone may take."""


@dataclass(frozen=True)
class Tools:
    """All files that were ``tried``, by what ``importance`` channels went, and the ``chosen`` tools; none will do.

    ``refused`` says why nothing could be taken out, ``seconds`` how long the files of the whole network took.
    """

    tried: tuple[Tried, ...]
    importance: str
    chosen: Choice | None
    others: tuple[Choice, ...] = ()
    layers: tuple[LayerTried, ...] = ()
    refused: str = ""
    seconds: float = 0.0


def importances(plan: Plan, layers: Sequence[LayerTried]) -> dict[str, tuple[Importance, Across]]:
    """The ways in which channels are ranked, by what they are called; gradients are of the samples of ``plan``.

    Where ``layers`` were tried, one weighs channels by what those of their layer are worth.
    """
    weighed: dict[str, tuple[Importance, Across]] = {}
    if layers:
        weighed["magnitude and layer"] = partial(by_layer, worth=worths(layers)), as_they_are
    return {
        **weighed,
        "magnitude": (filters, as_they_are),
        "magnitude, layer by layer": (filters, evenly),
        "Taylor": (partial(taylor, shown=partial(losses_of, plan=plan, batches=BATCHES)), as_they_are),
    }


def tools_of(bench: Bench, asked: DistillationSettings) -> Tools:
    """What ``tried`` finds, or what it found before: the clock decides in it, so it is asked once.

    Raises ``ValueError`` as ``tried``, and for what was written down and is damaged.
    """
    run = bench.run
    plan = place_of(run, bench.participants, asked)
    place = plan.with_name(f"{plan.stem}-{key_of([asdict(bench.wanted), bench.may_lose, REVISION])[:8]}.json")
    if place.is_file():
        run.progress.note(f"what the tools cost is in {place}")
        return read_tools(place)
    found = tried(bench, SHARE_OF_LAYERS * 60 * asked.minutes)
    if run.leads:
        made_folder(place.parent)
        write_json(place, summed(asdict(found)))
    return found


def read_tools(place: Path) -> Tools:
    """What was written there. Raises ``ValueError`` for a file that is damaged."""
    cure = "remove it, and the tools are tried again"
    content = unsummed(read_json(place, cure), place, cure)
    try:
        rows = tuple(Tried(**row) for row in content["tried"])
        chosen = None if content["chosen"] is None else Choice(**content["chosen"])
        others = tuple(Choice(**row) for row in content["others"])
        layers = tuple(LayerTried(**row) for row in content["layers"])
        said, seconds = str(content["refused"]), float(content["seconds"])
        return Tools(rows, str(content["importance"]), chosen, others, layers, said, seconds)
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{place} does not say what tools cost ({type(error).__name__}); {cure}.") from None


@clocked("plan")
def tried(bench: Bench, seconds: float) -> Tools:
    """What each tool costs the network: int8 alone, then pruning to ever less with and without it, until one will do.

    Files are measured as they come out, on validation samples and on the clock. Channels go by that importance which
    loses least at a first cut; one weighs them by what each layer alone costs, if that is seen within ``seconds``. The
    share that is chosen is tried itself. Where nothing can be taken out of the network, ``refused`` says why.
    """
    wanted = bench.wanted
    network = bench.participants.teacher.last
    load_writers()
    begun = perf_counter()
    rows = bench.files(network, 1.0, 0.0)
    took = round(perf_counter() - begun, 3)
    if wanted.unit in ("bytes", "ms") and bench.choices(rows):
        return replace(_told(bench, rows), seconds=took)
    try:
        channels = channels_of(network, bench.plan.lesson.example)
        whole = MEASURES[bench.unit](network, channels).cost(Closed())
        layers = _by_layer(bench, channels, seconds)
        importance, scores, across = _ranked(bench, channels, layers)
    except ValueError as lack:
        return Tools(tuple(rows), "", None, refused=str(lack), seconds=took)
    rows = [replace(row, count=whole) for row in rows]
    refused = ""
    for share in SHARES:
        why = _add(bench, rows, channels, scores, across, share, whole)
        refused = why if share == SHARES[0] else refused
        if why or bench.choices(rows) or not any(x.share <= share for x in rows):  # no less can be left than was
            break
    for _ in range(CORRECTIONS):  # the share that is chosen is tried itself, and costs then lie on other lines
        found = bench.choices(rows)
        if not found or any(x.precision == found[0].precision and _near(x.share, found[0].share) for x in rows):
            break
        _add(bench, rows, channels, scores, across, found[0].share, whole)
    return replace(_told(bench, rows, importance, layers), refused=refused, seconds=took)


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= 0.02 * other


def _add(
    bench: Bench,
    rows: list[Tried],
    channels: Channels,
    scores: torch.Tensor,
    across: Across,
    share: float,
    whole: float,
) -> str:
    """Add the files of the network with ``share`` left, or the least that can be, to ``rows``; if nothing goes, why."""
    try:
        smaller, left = bench.cut(channels, scores, across, share)
    except ValueError as lack:
        return str(lack)
    if not any(_near(x.share, left) for x in rows):  # where several channels go at once, the same may be left again
        rows += bench.files(smaller, left, left * whole)
    return ""


def _by_layer(bench: Bench, channels: Channels, seconds: float) -> tuple[LayerTried, ...]:
    network, metric = bench.participants.teacher.last, bench.participants.data.task.told
    whole = bench.judged(network)

    def lost(shut: Closed) -> tuple[float, float]:
        smaller, left = bench.without(channels, shut)
        return points(metric, bench.judged(smaller), whole), left

    return layers_tried(channels, filters(network, channels), lost, perf_counter() + seconds)


def _ranked(bench: Bench, channels: Channels, layers: Sequence[LayerTried]) -> tuple[str, torch.Tensor, Across]:
    """The importance by which the first cut loses least on validation, its scores, and how widths are compared."""
    metric = bench.participants.data.task.told
    best: tuple[float, str, torch.Tensor, Across] | None = None
    for name, (importance, across) in importances(bench.plan, layers).items():
        scores = importance(bench.participants.teacher.last, channels)
        try:
            figure = bench.judged(bench.cut(channels, scores, across, SHARES[1])[0])
        except ValueError:  # nothing can be taken out so
            figure = float("-inf") if metric.better == "higher" else float("inf")
        gained = metric.gain(figure, over=0.0)
        if best is None or gained > best[0]:
            best = gained, name, scores, across
    assert best is not None
    return best[1:]


def _told(bench: Bench, rows: Sequence[Tried], importance: str = "", layers: tuple[LayerTried, ...] = ()) -> Tools:
    found = bench.choices(rows)
    return Tools(tuple(rows), importance, found[0] if found else None, tuple(found[1:]), layers)
