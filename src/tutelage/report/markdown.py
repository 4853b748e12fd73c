"""The first parts of a report as Markdown, for CI, notebooks and results that are kept in a repository."""

import re
from collections.abc import Sequence

from tutelage.printable import in_markdown as escape
from tutelage.report.attention import Attention
from tutelage.report.conflicts import Conflict, on_part
from tutelage.report.figures import Figure
from tutelage.report.numbers import two_places, whole_percent
from tutelage.report.rows import ClaimRow, GroupRow
from tutelage.report.story import Story
from tutelage.results import Metric

Column = tuple[str, bool]  # heading, right-aligned


def markdown(story: Story) -> str:
    """What happened, and whether the published claims hold."""
    parts = [f"# {escape(story.recipe)}", escape(story.subtitle), f"**{escape(story.headline)}**"]
    if story.figures:
        parts.append("\n".join(map(_line, story.figures)))
    if story.comparison:
        parts += ["## Settings", settings_table(story), *map(escape, story.notes)]
    for table in (table for table in story.tables if table.students):
        parts += [f"## {escape(table.question)}", *([escape(table.group)] if table.group else [])]
        parts += [markdown_table(table.columns, table.rows), *([escape(table.note)] if table.note else [])]
    if story.claims:
        parts += ["## Does the published claim hold?", escape(story.tally), claims_table(story.claims)]
    parts += map(escape, story.warnings)
    if story.conflicts:
        parts += ["## Where losses pull apart", conflict_tables(story.conflicts)]
    if story.attention:
        parts += ["## Which layers were listened to", attention_table(story.attention)]
    return "\n\n".join(parts) + "\n"


def _line(figure: Figure) -> str:
    """``- Test errors: **137** of 10,000; 17 worse than the teacher``: what begins with "of" or "on" goes on."""
    first, *rest = [f"**{escape(figure.value)}**", *map(escape, figure.detail)]
    if rest and rest[0].startswith(("of ", "on ")):
        first, rest = f"{first} {rest[0]}", rest[1:]
    return f"- {escape(figure.title)}: {'; '.join([first, *rest])}"


def claims_table(rows: Sequence[ClaimRow]) -> str:
    """Claims as a Markdown table."""
    grouped = any(row.group for row in rows)
    columns = [*([("setting", False)] if grouped else []), ("claim", False), ("published", True), ("measured", True)]
    columns += [("n", True), ("p", True), ("unit", False), ("holds if", False), ("verdict", False), ("source", False)]
    body = []
    for row in rows:
        verdict = f"{row.sign} {row.verdict}" + (f": {row.reason}" if row.reason else "")
        name = row.name + (f" ({row.note})" if row.note else "")
        measured = f"{row.measured} ({row.interval})" if row.interval else row.measured
        cells = [name, row.published, measured, str(row.n), row.p, row.unit, row.condition, verdict, row.source]
        body.append([*([row.group] if grouped else []), *cells])
    return markdown_table(columns, body)


def settings_table(story: Story) -> str:
    """The settings as a Markdown table: the deciding metric and its difference to the first, paired over seeds."""
    names = list(dict.fromkeys(name for row in story.comparison for name in row.scores))
    columns = [(f"{name}, test {story.metrics[0].name}", True) for name in names]
    if not story.unranked:
        columns += [("difference to the first", True), ("p (paired t)", True), ("p (sign flips)", True)]
    columns += [("seeds", True), *zip(story.flags, numeric_flags(story), strict=True)]
    return markdown_table(columns, [setting_cells(row, names, not story.unranked) for row in story.comparison])


def conflict_tables(conflicts: Sequence[Conflict]) -> str:
    """Mean cosines of pairs of terms and the share of negative ones, as Markdown.

    The first stage has a table by parts of the network; all others have one, of the parameters that terms share.
    """
    several = len({conflict.learner for conflict in conflicts}) > 1
    first = [conflict for conflict in conflicts if conflict.stage == conflicts[0].stage]
    rest = [conflict for conflict in conflicts if conflict.stage != conflicts[0].stage]
    parts = list(dict.fromkeys(part for conflict in first for part in conflict.parts))
    pairs = list(dict.fromkeys(pair for conflict in rest for pair in conflict.pairs))
    by_part, by_stage = [], []
    for conflict in first:
        seen = {(pair, part): _pull(x, y) for part in conflict.parts for pair, x, y in on_part(conflict, part)}
        head = _whose(conflict, several)
        by_part += [[*head, _both(pair), *(seen.get((pair, part), "") for part in parts)] for pair in conflict.pairs]
    for conflict in rest:
        whole = {pair: _pull(x, y) for pair, x, y in on_part(conflict, "")}
        by_stage.append([*_whose(conflict, several), *(whole.get(pair, "") for pair in pairs)])
    whose = [("setting", False), ("stage", False), ("learner", False)]
    words = "Mean cosine between two losses’ gradients over training, and the share of looks in which it was negative:"
    found_first = markdown_table([*whose, ("losses", False), *((part or "whole", True) for part in parts)], by_part)
    if not rest:
        return f"{words}\n\n{found_first}"
    others = markdown_table([*whose, *((_both(pair), True) for pair in pairs)], by_stage)
    return f"{words}\n\n{found_first}\n\nThe same in all other stages, on all parameters that both reach:\n\n{others}"


def _whose(conflict: Conflict, several: bool) -> list[str]:
    return [conflict.group, conflict.stage, conflict.learner if several else ""]


def _both(pair: Sequence[str]) -> str:
    return " | ".join(pair)


def _pull(cosine: float | None, negative: float | None) -> str:
    if cosine is None:
        return ""
    return two_places(cosine) if negative is None else f"{two_places(cosine)} ({whole_percent(negative)})"


def attention_table(attentions: Sequence[Attention]) -> str:
    """Layers of the student by layers of the teacher as a Markdown table: the weights of the last epoch."""
    layers = sorted({layer for each in attentions for layer in each.teacher})
    columns = [("setting", False), ("stage", False), ("learner", False), ("loss", False), ("layer", False)]
    learners, terms = ({getattr(each, side) for each in attentions} for side in ("learner", "term"))
    body = []
    for each in attentions:
        names = each.learner if len(learners) > 1 else "", each.term if len(terms) > 1 else ""
        for layer, weights in zip(each.student, each.weights, strict=True):
            known = {other: two_places(w) for other, w in zip(each.teacher, weights, strict=True) if w is not None}
            body.append([each.group, each.stage, *names, layer, *(known.get(other, "") for other in layers)])
    words = "Weights of the teacher’s layers for each of the student’s, in the last epoch:"
    return f"{words}\n\n{markdown_table([*columns, *((layer, True) for layer in layers)], body)}"


def setting_cells(row: GroupRow, names: Sequence[str], ranked: bool = True) -> list[str]:
    """A setting's cells: results, seeds, flags; without differences where nothing is ranked."""
    scores = [row.scores.get(name, "") for name in names]
    differences = [row.difference, row.t or row.reason, row.flips] if ranked else []
    return [*scores, *differences, str(row.n), *row.values]


def numeric_flags(story: Story) -> list[bool]:
    """For each flag in which settings differ, whether all of its values are numbers."""
    columns = zip(*(row.values for row in story.comparison), strict=True)
    return [all(re.fullmatch(r"[−\d.,e-]+|none", text) for text in column) for column in columns]


def metric_headings(metrics: Sequence[Metric]) -> list[str]:
    """What stands above the scores: ``test errors``, ``accuracy, %``."""
    names = [("" if i else "test ") + metric.name for i, metric in enumerate(metrics)]
    return [f"{name}, {metric.unit}" if metric.unit else name for name, metric in zip(names, metrics, strict=True)]


def markdown_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, without the columns that are empty in every row.

    >>> print(markdown_table([("a", False), ("b", True), ("c", True)], [["x|y", "1", ""]]))
    | a | b |
    | :-- | --: |
    | x\\|y | 1 |
    """
    kept = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    lines = [[escape(columns[i][0]) for i in kept], ["--:" if columns[i][1] else ":--" for i in kept]]
    lines += [[escape(row[i]) for i in kept] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fenced(text: str) -> str:
    """Lines that Markdown shows as they are typed, whatever fences stand in them.

    >>> fenced("a ``` b").splitlines()
    ['````', 'a ``` b', '````']
    """
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{max(fence, '```', key=len)}\n{text}\n{max(fence, '```', key=len)}"


def unescaped(page: str) -> str:
    """What ``markdown`` made as plain text: without emphasis and escapes.

    >>> unescaped(f"**{escape('a[1] < b_2')}**")
    'a[1] < b_2'
    """
    plain = re.sub(r"\\([\\`*_\[\]>|#])|\*\*", lambda match: match[1] or "", page)
    return plain.replace("&lt;", "<")
