"""The first parts of a report as Markdown, for CI, notebooks and results that are kept in a repository."""

import re
from collections.abc import Sequence

from tutelage.report.rows import ClaimRow, GroupRow, NetworkRow
from tutelage.report.story import Story

Column = tuple[str, bool]  # heading, right-aligned


def markdown(story: Story) -> str:
    """What happened, and whether the published claims hold."""
    parts = [f"# {escape(story.recipe)}", escape(story.subtitle), f"**{escape(story.headline)}**"]
    if story.figures:
        parts.append(
            "\n".join(
                f"- {escape(f.title)}: **{escape(f.value)}** {escape('; '.join(f.detail))}" for f in story.figures
            )
        )
    if story.comparison:
        parts += ["## Settings", comparison(story), *map(escape, story.notes)]
    if story.claims:
        parts += ["## Does the published claim hold?", escape(story.tally), claims(story.claims)]
    return "\n\n".join(parts) + "\n"


def claims(rows: Sequence[ClaimRow]) -> str:
    """Claims as a Markdown table."""
    grouped = any(row.group for row in rows)
    columns = [*([("setting", False)] if grouped else []), ("claim", False), ("published", True), ("measured", True)]
    columns += [("n", True), ("unit", False), ("holds if", False), ("verdict", False), ("source", False)]
    body = []
    for row in rows:
        verdict = f"{row.sign} {row.verdict}" + (f": {row.scale}" if row.scale else "")
        name = row.name + (f" ({row.note})" if row.note else "")
        cells = [name, row.published, row.measured, str(row.n), row.unit, row.condition, verdict, row.source]
        body.append([*([row.group] if grouped else []), *cells])
    return table(columns, body)


def comparison(story: Story) -> str:
    """The settings as a Markdown table: test errors and the difference to the first, paired over seeds."""
    names = list(dict.fromkeys(name for row in story.comparison for name in row.errors))
    columns = [
        *((flag, True) for flag in story.flags),
        ("seeds", True),
        *((f"{name}, test errors", True) for name in names),
    ]
    columns += [("difference to the first", True), ("p (paired t)", True), ("p (sign flips)", True)]
    return table(columns, [compared(row, names) for row in story.comparison])


def compared(row: GroupRow, names: Sequence[str]) -> list[str]:
    """A setting's cells, in the order of ``comparison``'s columns."""
    errors = [row.errors.get(name, "") for name in names]
    return [*row.values, str(row.n), *errors, row.difference, row.t or row.reason, row.flips]


def networks(rows: Sequence[NetworkRow]) -> str:
    """The networks as a Markdown table."""
    grouped = any(row.group for row in rows)
    batches = list(dict.fromkeys(batch for row in rows for batch in row.latency))
    columns = [*([("setting", False)] if grouped else []), ("network", False), ("description", False)]
    columns += [("test errors", True), ("accuracy, %", True), ("parameters", True), ("on disk", True)]
    columns += [(f"ms, batch {batch}", True) for batch in batches]
    body = []
    for row in rows:
        cells = [row.name, row.label, row.errors, row.accuracy, row.parameters, row.bytes]
        body.append([*([row.group] if grouped else []), *cells, *(row.latency.get(batch, "") for batch in batches)])
    return table(columns, body)


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, without the columns that are empty in every row.

    >>> print(table([("a", False), ("b", True), ("c", True)], [["x|y", "1", ""]]))
    | a | b |
    | :-- | --: |
    | x\\|y | 1 |
    """
    kept = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    lines = [[escape(columns[i][0]) for i in kept], ["--:" if columns[i][1] else ":--" for i in kept]]
    lines += [[escape(row[i]) for i in kept] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escape(words: str) -> str:
    """Text that Markdown shows as it is."""
    safe = re.sub(r"([\\`*_\[\]>|#])", r"\\\1", words.replace("\n", " "))
    return re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", safe)
