"""What a report says, in words and rows, before any of it becomes a page, a table in the terminal or Markdown."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tutelage.report.compare import Difference, against
from tutelage.report.conflicts import Conflict, conflicts, warnings
from tutelage.report.figures import Figure, figures, ratio
from tutelage.report.listened import Listened, listened
from tutelage.report.numbers import probability, times
from tutelage.report.rows import ClaimRow, GroupRow, NetworkRow, claim_rows, group_row, network_rows
from tutelage.report.seeds import Group, differing

ALONE = {
    "holds": "The claim holds.",
    "does not hold": "The claim does not hold.",
    "not at this scale": "The claim is not decided at this scale.",
    "undecided": "The claim is undecided by these seeds.",
}


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
    comparison: tuple[GroupRow, ...]
    networks: tuple[NetworkRow, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    conflicts: tuple[Conflict, ...]
    attention: tuple[Listened, ...]


def story(groups: Sequence[Group]) -> Story:
    """The words of a report on these groups; the first is the one that the others are compared with."""
    first, runs = groups[0], [run for group in groups for run in group.runs]
    many = len(groups) > 1
    differences = [against(group, first) for group in groups] if many else []
    claims = tuple(claim_rows(groups))
    presets = sorted({run.asked.preset for run in runs})
    seeds = sorted({repr(run.seed) for run in runs})
    seen = tuple(conflict for group in groups for conflict in conflicts(group))
    counts = [
        f"{len(groups)} settings" if many else "",
        f"{len(seeds)} seeds" if len(seeds) > 1 else f"seed {seeds[0]}",
    ]
    return Story(
        first.runs[0].asked.recipe,
        " and ".join(presets),
        " · ".join(["preset " + " and ".join(presets), *filter(None, counts)]),
        best_setting(groups, differences) if many else sentence(first),
        tally(claims),
        () if many else figures(first),
        claims,
        tuple(first.by),
        tuple(group_row(*pair) for pair in zip(groups, differences, strict=True)) if many else (),
        tuple(network_rows(groups)),
        tuple(notes(groups)),
        warnings(seen),
        seen,
        tuple(attention for group in groups for attention in listened(group)),
    )


def sentence(group: Group) -> str:
    """What happened, in one sentence; a single run's own words, means over seeds otherwise."""
    own, main = group.runs[0].results.headline, group.main
    if len(group.runs) == 1 and own:
        return own
    if main is None:
        return f"{len(group.runs)} runs of {group.runs[0].asked.recipe} finished; they measured no network."
    name, role = main.first.name, main.first.role
    parts = [f"The {name if role in name else f'{role} ({name})'} makes {main.errors} test errors"]
    alone, teacher = group.role("alone"), group.role("teacher")
    if alone is not None and alone is not main:
        parts.append(f"alone it makes {alone.errors}")
    if teacher is not None and teacher is not main:
        larger = ratio(teacher, main)
        parts.append(f"its teacher{f', {times(larger)} larger,' if larger and larger > 1.05 else ''} {teacher.errors}")
    return "; ".join(parts) + (f" (mean ± sd over {main.errors.n} seeds)." if main.errors.n > 1 else ".")


def best_setting(groups: Sequence[Group], differences: Sequence[Difference]) -> str:
    """Which setting made the fewest errors, and how sure that is."""
    found = [(group, group.main, d) for group, d in zip(groups, differences, strict=True) if group.main is not None]
    if not found:
        return f"{len(groups)} settings of {groups[0].runs[0].asked.recipe} ran; they measured no network."
    group, main, difference = min(found, key=lambda each: each[1].errors.mean)
    start = (
        f"Of {len(groups)} settings, {group.name} gives the fewest test errors of the {main.first.name}: {main.errors}"
    )
    if group is groups[0] or groups[0].main is None:
        return f"{start}; it is also the first."
    sure = f"p = {probability(difference.t)}, paired t test" if difference.t is not None else difference.reason
    return f"{start}; {groups[0].name}, the first, gives {groups[0].main.errors} ({sure.replace('= <', '<')})."


def tally(claims: Sequence[ClaimRow]) -> str:
    """How many claims hold, in words."""
    if not claims:
        return ""
    count, total = Counter(row.verdict for row in claims), len(claims)
    if total == 1:
        return ALONE[claims[0].verdict]
    parts = [f"{count['holds']} of {total} claims {'holds' if count['holds'] == 1 else 'hold'}"]
    if count["does not hold"]:
        parts.append(f"{count['does not hold']} {'does' if count['does not hold'] == 1 else 'do'} not hold")
    if count["not at this scale"]:
        parts.append(f"{count['not at this scale']} cannot be decided at this scale")
    if count["undecided"]:
        parts.append(f"{count['undecided']} {'is' if count['undecided'] == 1 else 'are'} undecided by these seeds")
    return "; ".join(parts) + "."


def notes(groups: Sequence[Group]) -> list[str]:
    """What a reader must know about how the runs were put together."""
    mixed = [((f"{group.name}: the" if group.name else "The"), ", ".join(differing(group.runs))) for group in groups]
    return [f"{who} runs differ in {flags} too; their mean mixes these settings." for who, flags in mixed if flags]
