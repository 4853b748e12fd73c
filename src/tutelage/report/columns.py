"""Tables as the page shows them: what matters most first, and no column that holds nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from tutelage.report.markdown import metric_headings, setting_cells
from tutelage.report.rows import NetworkRow, batch_key
from tutelage.report.story import Story
from tutelage.report.tables import TableText

NOTHING = ("", "–")


@dataclass(frozen=True)
class Column:
    """A heading and a text a row; ``number`` puts it to the right."""

    heading: str
    cells: tuple[str, ...]
    number: bool = True


def filled(columns: Sequence[Column]) -> list[Column]:
    """The columns that say something in a row or more, their gaps marked as such."""
    kept = [column for column in columns if any(cell not in NOTHING for cell in column.cells)]
    return [Column(each.heading, tuple(cell or "–" for cell in each.cells), each.number) for each in kept]


def cost_columns(story: Story) -> list[Column]:
    """Of every network: its scores, how long it takes, how large it is; the first score and latency come first."""
    rows = story.networks
    scores = [
        Column(heading, tuple(row.scores[i] for row in rows))
        for i, heading in enumerate(metric_headings(story.metrics))
    ]
    batches = sorted({batch for row in rows for batch in row.latency}, key=batch_key)
    clocks = [Column(f"ms, batch {batch}", tuple(row.latency.get(batch, "") for row in rows)) for batch in batches]
    sizes = [
        Column("parameters", tuple(row.parameters for row in rows)),
        Column("on disk", tuple(row.bytes for row in rows)),
        Column("MACs", tuple(row.macs for row in rows)),
    ]
    return filled([*scores[:1], *clocks[:1], *sizes[:1], *scores[1:], *clocks[1:], *sizes[1:]])


def beyond_columns(story: Story, rows: Sequence[NetworkRow]) -> list[Column]:
    """What is known of networks besides their scores."""
    name = story.metrics[0].name if story.metrics else ""
    headings = {
        "agrees with the teacher, %": "agreement",
        "calibration error, %": "calibration",
        f"test {name} of the best epoch": "best",
        f"validation {name}": "validation",
    }
    return filled([Column(words, tuple(getattr(row, key) for row in rows)) for words, key in headings.items()])


def setting_columns(story: Story, names: Sequence[str]) -> list[Column]:
    """What was measured of every setting: the networks in ``names``, and its difference to the first one."""
    rows = [setting_cells(row, names, not story.unranked)[: -len(row.values) or None] for row in story.comparison]
    tests = [] if story.unranked else ["difference", "p, paired t", "p, sign flips"]
    headings = [*names, *tests, "seeds"]
    return filled([Column(name, tuple(row[i] for row in rows)) for i, name in enumerate(headings)])


def table_columns(table: TableText) -> list[Column]:
    """A table's columns; where its rows are students, numbers that differ stand before words and what is always equal.

    The first column names the rows and stays.
    """
    texts = list(zip(*table.rows, strict=True)) or [() for _ in table.columns]
    every = [Column(name, cells, number) for (name, number), cells in zip(table.columns, texts, strict=True)]
    first, rest = every[:1], filled(every[1:])
    if table.students and len(table.rows) > 1:
        rest.sort(key=_is_aside)
    return [*first, *rest]


def _is_aside(column: Column) -> bool:
    return not column.number or column.heading == "seeds" or len({*column.cells} - {*NOTHING}) == 1
