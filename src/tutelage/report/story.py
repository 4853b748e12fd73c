"""What a report says, in words and rows, before any of it becomes a page, a table in the terminal or Markdown."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tutelage.measures.chance import TOO_FEW, decide
from tutelage.plurals import counted
from tutelage.report.attention import Attention, attentions
from tutelage.report.claims import claim_rows
from tutelage.report.compare import Difference, against
from tutelage.report.conflicts import Conflict, conflicts_of, drowned_warnings
from tutelage.report.figures import Figure, key_figures, ratio
from tutelage.report.groups import Group
from tutelage.report.numbers import probability, times, true_minus
from tutelage.report.rows import ClaimRow, GroupRow, NetworkRow, group_row, network_rows, score_text, with_unit
from tutelage.report.settings import OTHER_SAMPLES, settings_of, why_unranked
from tutelage.report.tables import TableText, table_texts
from tutelage.results import Metric

SINGLE = {
    "holds": "The claim holds",
    "does not hold": "The claim does not hold",
    "undecided": "The claim is undecided by these seeds",
    "not judged": "The claim is not judged",
}
SYNTHETIC = {True: "synthetic samples: nothing is claimed", False: "some on synthetic samples: nothing is claimed"}
OPEN = ("undecided", "not judged")


@dataclass(frozen=True)
class Story:
    """Everything a report says that is not a picture."""

    recipe: str
    preset: str
    subtitle: str
    headline: str
    tally: str
    figures: tuple[Figure, ...]
    claims: tuple[ClaimRow, ...]
    flags: tuple[str, ...]
    unranked: str
    metrics: tuple[Metric, ...]
    comparison: tuple[GroupRow, ...]
    tables: tuple[TableText, ...]
    networks: tuple[NetworkRow, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    conflicts: tuple[Conflict, ...]
    attention: tuple[Attention, ...]


def story_of(groups: Sequence[Group]) -> Story:
    """The words of a report on these groups; the first is the one that the others are compared with."""
    first, runs = groups[0], [run for group in groups for run in group.runs]
    many = len(groups) > 1
    unranked = why_unranked(runs) if many else ""
    differences = [against(group, first) for group in groups] if many else []
    claims = tuple(claim_rows(groups))
    metrics = tuple(dict.fromkeys(metric for group in groups for metric in group.metrics))
    presets = sorted({run.request.preset for run in runs})
    seeds = sorted({repr(run.seed) for run in runs})
    seen = tuple(conflict for group in groups for conflict in conflicts_of(group))
    counts = [
        f"{counted(len(groups), 'setting')}" if many else "",
        f"{counted(len(seeds), 'seed')}" if len(seeds) > 1 else f"seed {seeds[0]}",
        SYNTHETIC[all(run.synthetic for run in runs)] if any(run.synthetic for run in runs) else "",
    ]
    return Story(
        first.runs[0].request.recipe,
        " and ".join(presets),
        " · ".join(["preset " + " and ".join(presets), *filter(None, counts)]),
        run_headline(first) if not many else unranked_headline(groups, unranked) or best_setting(groups, differences),
        tally(claims),
        () if many else key_figures(first),
        claims,
        tuple(first.by),
        unranked,
        metrics,
        tuple(group_row(*pair, first, ranked=not unranked) for pair in zip(groups, differences, strict=True))
        if many
        else (),
        tuple(table for group in groups for table in table_texts(group)),
        tuple(network_rows(groups, metrics)),
        tuple(mixed_settings(groups)),
        drowned_warnings(seen),
        seen,
        tuple(attention for group in groups for attention in attentions(group)),
    )


def run_headline(group: Group) -> str:
    """What happened, in one sentence; a single run's own words, means over seeds otherwise."""
    own, main = group.runs[0].results.headline, group.main
    if len(group.runs) == 1 and own:
        return true_minus(own)
    if why_unranked(group.runs):
        return pooled_headline(group)
    score = main.score(group.metric) if main is not None else None
    if main is None or score is None:
        return (
            f"{counted(len(group.runs), 'run')} of {group.runs[0].request.recipe} finished; they measured no network."
        )
    metric, name, role = group.metric, main.first.name, main.first.role
    who = name if role in name else f"{role} ({name})"
    parts = [f"The {who} has {with_unit(score_text(main, metric), metric)} test {metric.name}"]
    baseline, teacher = group.role("baseline"), group.role("teacher")
    if baseline is not None and baseline is not main:
        parts.append(f"the baseline {with_unit(score_text(baseline, metric), metric)}")
    if teacher is not None and teacher is not main:
        larger = times(ratio(teacher, main) or 0)
        size = f", {larger} larger," if (ratio(teacher, main) or 0) > 1 and larger != times(1) else ""
        parts.append(f"its teacher{size} {with_unit(score_text(teacher, metric), metric)}")
    if not decide(main.first.count):
        parts.append(f"{counted(main.first.count, 'test sample', 'is', 'are')} {TOO_FEW}")
    return "; ".join(parts) + (f" (mean ± sd over {counted(score.n, 'seed')})." if score.n > 1 else ".")


def pooled_headline(group: Group) -> str:
    """Which student of several runs' has the best mean, beside baseline and teacher."""
    metric = group.metric
    students = [
        (network, score.mean)
        for network in group.networks
        if network.first.role == "student" and (score := network.score(metric)) is not None
    ]
    if not students:
        return (
            f"{counted(len(group.runs), 'run')} of {group.runs[0].request.recipe} finished; they measured no network."
        )
    best, _ = max(students, key=lambda pair: metric.gain(pair[1], 0))
    word = "lowest" if metric.better == "lower" else "highest"
    seeds = counted(len(best.networks), "seed")
    start = f"Of {counted(len(students), 'student')} in {counted(len(group.runs), 'run')}, {best.first.name} has the "
    start += f"{word} test {metric.name}"
    others = [(role, other) for role in ("baseline", "teacher") if (other := group.role(role)) is not None]
    parts = [f"{start}: {with_unit(score_text(best, metric), metric)} ({seeds})"]
    parts += [f"the {role} has {with_unit(words, metric)}" for role, x in others if (words := score_text(x, metric))]
    return "; ".join(parts) + "."


def unranked_headline(groups: Sequence[Group], reason: str) -> str:
    """That no setting is best, why, and what to name instead; nothing without a reason."""
    if not reason:
        return ""
    what = "runs of one preset and data set" if reason == OTHER_SAMPLES else "runs that deliver the same student"
    return (
        f"{counted(len(groups), 'setting')}, and none is called the best: {reason}. To compare settings, name {what}."
    )


def best_setting(groups: Sequence[Group], differences: Sequence[Difference]) -> str:
    """Which setting is best by the deciding metric, and how sure that is."""
    metric = groups[0].metric
    pairs = [
        (group, group.main, score, difference)
        for group, difference in zip(groups, differences, strict=True)
        if group.main is not None and (score := group.main.score(metric)) is not None
    ]
    if not pairs:
        return f"{counted(len(groups), 'setting')} of {groups[0].runs[0].request.recipe} ran; they measured no network."
    group, main, _, difference = max(pairs, key=lambda each: metric.gain(each[2].mean, 0))
    best = "lowest" if metric.better == "lower" else "highest"
    start = f"Of {counted(len(groups), 'setting')}, {group.name} gives the {best} test {metric.name} of the "
    start += f"{main.first.name}: " + with_unit(score_text(main, metric), metric)
    if group is groups[0] or groups[0].main is None:
        return f"{start}; it is also the first."
    sure = f"p = {probability(difference.t)}, paired t test" if difference.t is not None else difference.reason
    first = with_unit(score_text(groups[0].main, metric), metric)
    return f"{start}; {groups[0].name}, the first, gives {first} ({sure.replace('= <', '<')})."


def tally(claims: Sequence[ClaimRow]) -> str:
    """How many claims hold, in words."""
    if not claims:
        return ""
    count, total = Counter(row.verdict for row in claims), len(claims)
    reasons = dict.fromkeys(row.reason for row in claims if row.verdict == "not judged")
    why = f": {next(iter(reasons))}" if len(reasons) == 1 else ""
    if total == 1:
        return f"{SINGLE[claims[0].verdict]}{why}."
    parts = [f"{count['holds']} of {total} claims {'holds' if count['holds'] == 1 else 'hold'}"]
    if count["does not hold"]:
        parts.append(f"{count['does not hold']} {'does' if count['does not hold'] == 1 else 'do'} not hold")
    parts += [f"{count[word]} {'is' if count[word] == 1 else 'are'} {word}" for word in OPEN if count[word]]
    return "; ".join(parts) + f"{why}."


def mixed_settings(groups: Sequence[Group]) -> list[str]:
    """What a reader must know about how the runs were put together."""
    mixed = [((f"{group.name}: the" if group.name else "The"), ", ".join(settings_of(group.runs))) for group in groups]
    return [f"{who} runs differ in {flags} too; their mean mixes these settings." for who, flags in mixed if flags]
