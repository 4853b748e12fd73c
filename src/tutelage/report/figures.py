"""Three to five numbers in large type, each with its change against the teacher and the baseline."""

from dataclasses import dataclass

from tutelage.measures.chance import TOO_FEW, decide, noise_of
from tutelage.plurals import counted
from tutelage.report.groups import Group, NetworkOverSeeds
from tutelage.report.numbers import byte_size, measured, rounded, scaled, significant, times
from tutelage.report.rows import batch_key, percent, score_text, signed, with_unit
from tutelage.report.settings import why_unranked
from tutelage.report.tables import is_of_students
from tutelage.results import Metric

MOST = 4  # students: of more that have no baseline, no single one is the result


@dataclass(frozen=True)
class Figure:
    """One number in large type, with what it means and its change; ``clock`` if it was read from a clock."""

    title: str
    value: str
    detail: tuple[str, ...] = ()
    clock: bool = False


def key_figures(group: Group) -> tuple[Figure, ...]:
    """Three to five numbers in large type, about the first student, which a comparison delivers.

    None where runs deliver different students, or where there are many that nobody compares with a baseline.
    """
    main, baseline, teacher = group.main, group.role("baseline"), group.role("teacher")
    students = [network.first.name for network in group.networks if network.first.role == "student"]
    if main is None or why_unranked(group.runs) or (len(students) > MOST and baseline is None):
        return ()
    baseline, teacher = (None if other is main else other for other in (baseline, teacher))
    parts = [_decisive(main, baseline, teacher, group.metric, _standing(group, main))]
    parts += [gain_figure(main, baseline, teacher, group.metric)] if baseline and teacher else []
    if main.first.parameters is not None:
        parts.append(Figure("Parameters", scaled(main.first.parameters), _size_detail(main, baseline, teacher)))
    batches = sorted(main.first.latency_ms or {}, key=batch_key)
    parts += [_latency(main, baseline, teacher, batch) for batch in batches[:1]]
    agreement = main.over(lambda network: network.agreement)
    if agreement is not None:
        words = ("of the answers are the teacher’s",)
        parts.append(Figure("Agreement", f"{percent(agreement, main.first.count)} %", words))
    return tuple(part for part in parts if part is not None)


def _decisive(
    main: NetworkOverSeeds, baseline: NetworkOverSeeds | None, teacher: NetworkOverSeeds | None, metric: Metric,
    standing: str | None,
) -> Figure | None:  # fmt: skip
    score, half = main.score(metric), main.half(metric)
    if score is None:
        return None
    low, high = (measured(bound, half, like=score.mean) for bound in main.interval(metric) or (0.0, 0.0))
    sure = f"over {counted(score.n, 'seed')}" if score.n > 1 else f"95 % interval {low} to {high}" if half else ""
    few = "" if decide(main.first.count) else TOO_FEW
    alone = "" if baseline is None or not baseline.label else f" ({baseline.label})"
    others = ((baseline, f"the baseline{alone}"), (teacher, "the teacher"))
    changes = [
        _change(metric.gain(score.mean, theirs.mean), half, metric, whom) + _doubt(main, other, metric)
        for other, whom in others
        if other is not None and (theirs := other.score(metric)) is not None
    ]
    title = f"Test {metric.name}" + ("" if standing is None else f", {main.first.name}")
    detail = filter(None, (standing, f"on {counted(main.first.count, 'test sample')}", few, sure, *changes))
    return Figure(title, with_unit(score_text(main, metric), metric), tuple(detail))


def _standing(group: Group, main: NetworkOverSeeds) -> str | None:
    """What the network is among several students; ``None`` where it is the only one."""
    students = [network for network in group.networks if network.first.role == "student"]
    if len(students) < 2:
        return None
    seen = [each.over(lambda network: (network.validation or {}).get(group.metric.name)) for each in students]
    known = {each.first.name: score.mean for each, score in zip(students, seen, strict=True) if score is not None}
    mine = known.get(main.first.name)
    compared = any(is_of_students(group, table) for table in group.runs[0].results.tables)
    best = mine is not None and all(group.metric.gain(mine, over=other) >= 0 for other in known.values())
    return "delivered, the best on validation" if compared and best else ""


def _change(gain: float, half: float, metric: Metric, whom: str) -> str:
    words = rounded(abs(gain), half)
    if not words.strip("0."):
        return f"as good as {whom}"
    how_much = f"{words} {_points(words)}" if metric.unit == "%" else with_unit(words, metric)
    return f"{how_much} {'better' if gain > 0 else 'worse'} than {whom}"


def _doubt(main: NetworkOverSeeds, other: NetworkOverSeeds, metric: Metric) -> str:
    """Whether the test samples alone may make such a difference of two single runs; of several, claims are judged."""
    mine, theirs = (x.first.scores.get(metric.name) for x in (main, other))
    if len(main.networks) > 1 or mine is None or theirs is None or mine.value == theirs.value:
        return ""
    chance = abs(mine.value - theirs.value) <= noise_of(mine, theirs, main.first.count)
    return ", which may be chance" if chance else ""


def _points(words: str) -> str:
    return "point" if words == "1" else "points"  # a difference of percentages is no percentage


def gain_figure(
    main: NetworkOverSeeds, baseline: NetworkOverSeeds, teacher: NetworkOverSeeds, metric: Metric
) -> Figure | None:
    """Share of the teacher's lead over the baseline that the student has: 1 is all, 0 none, less than 0 harm.

    ``None`` where there is no lead to speak of: it must exceed what chance makes of either of the two.
    """
    mine, below, above = (network.score(metric) for network in (main, baseline, teacher))
    if mine is None or below is None or above is None:
        return None
    lead, chance = metric.gain(above.mean, below.mean), max(baseline.half(metric), teacher.half(metric))
    if lead <= chance or not decide(main.first.count):
        return None
    kept = 100 * metric.gain(mine.mean, below.mean) / lead
    size = rounded(lead, chance)
    lead_in_words = f"{size} {_points(size)} of" if metric.unit == "%" else with_unit(size, metric)
    words = f"of {lead_in_words} {metric.name} between baseline and teacher"
    return Figure("Teacher’s gain kept", f"{signed(kept, 1).removeprefix('+')} %", (words,))


def _size_detail(
    main: NetworkOverSeeds, baseline: NetworkOverSeeds | None, teacher: NetworkOverSeeds | None
) -> tuple[str, ...]:
    words = [f"{byte_size(main.first.bytes)} on disk"] if main.first.bytes is not None else []
    for other, whom in ((teacher, "the teacher"), (baseline, "the baseline")):
        larger = ratio(other, main) if other is not None else None
        if larger is not None:
            words.append(_than(larger, "smaller", "larger", "as large", whom))
    return tuple(words)


def _latency(
    main: NetworkOverSeeds, baseline: NetworkOverSeeds | None, teacher: NetworkOverSeeds | None, batch: str
) -> Figure:
    mine = main.latency(batch)
    assert mine is not None
    words = [f"quartiles {significant(mine.q1)} to {significant(mine.q3)}"]
    if mine.threads is not None:
        words.append(f"on {counted(mine.threads, 'thread')}")
    for other, whom in ((teacher, "the teacher"), (baseline, "the baseline")):
        theirs = other.latency(batch) if other is not None else None
        if theirs is not None and min(mine.median, theirs.median) > 0:
            words.append(_than(theirs.median / mine.median, "faster", "slower", "as fast", whom))
    return Figure(f"Latency, batch {batch}", f"{significant(mine.median)} ms", tuple(words), clock=True)


def _than(ratio: float, less: str, more: str, same: str, whom: str) -> str:
    words = times(max(ratio, 1 / ratio))
    if words == times(1):
        return f"{same} as {whom}"
    return f"{words} {less if ratio > 1 else more} than {whom}"


def ratio(large: NetworkOverSeeds, small: NetworkOverSeeds) -> float | None:
    """How many times as many parameters the first has; ``None`` where either's are not known."""
    if not large.first.parameters or not small.first.parameters:
        return None
    return large.first.parameters / small.first.parameters
