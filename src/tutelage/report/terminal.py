"""What happened and whether the claims hold, as tables in a terminal and as Markdown where there is none."""

from rich import box
from rich.columns import Columns
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tutelage.report.claims import by_claim
from tutelage.report.markdown import markdown, numeric_flags, setting_cells, unescaped
from tutelage.report.numbers import unbroken
from tutelage.report.rows import ClaimRow
from tutelage.report.story import Story
from tutelage.report.tables import TableText

STYLES = {  # beside a sign and the words
    "holds": "green",
    "does not hold": "bold red",
    "not judged": "yellow",
    "undecided": "yellow",
}
WORDS = ("setting", "claim", "holds if", "verdict")  # columns that are no numbers


def print_story(story: Story, console: Console) -> None:
    """Prints the first two parts of the report ``story``."""
    if not console.is_terminal:
        console.out(unescaped(markdown(story)), end="", highlight=False)
        return
    console.print(Text(f"{story.recipe} · {story.subtitle}", "dim"), Text(story.headline, "bold"), "", sep="\n")
    if story.figures:
        console.print(_figures(story))
    if story.comparison:
        console.print(
            Text(f"Test {story.metrics[0].name}, mean ± sd over seeds" if story.metrics else "Settings"),
            _comparison(story),
            *(Text(note, "dim") for note in story.notes),
            sep="\n",
        )
    for table in (table for table in story.tables if table.students):
        heading = " · ".join(filter(None, [table.question, table.group]))
        console.print(Text(heading), _students(table, console.width), sep="\n")
    if story.claims:
        console.print(Text(story.tally), _claims(story, console.width >= 90), sep="\n")
    for warning in story.warnings:
        console.print(Text(f"▲ {unbroken(warning)}", "yellow"))


def _figures(story: Story) -> Padding:
    blocks = [
        Group(
            Text(figure.title, "dim"), Text(figure.value, "bold cyan"), *(Text(words, "dim") for words in figure.detail)
        )
        for figure in story.figures
    ]
    return Padding(Columns(blocks, padding=(0, 4)), (0, 0, 1, 0))


def _claims(story: Story, room: bool) -> Table:
    tested = any(row.p for row in story.claims)
    setting, p = (["setting"] if story.flags else []), (["p"] if tested else [])
    table = _table(*setting, "claim", "published", "measured", "n", *p, "holds if", "verdict")
    for rows in by_claim(story.claims):
        for row in rows:
            claim = _claim(row, room) if row is rows[0] else Text()
            verdict = Text(f"{row.sign} {row.verdict}", STYLES[row.verdict])
            verdict.append(f"\n{row.reason}" if row.reason else "", "dim")
            words = (row.published, row.measured, str(row.n), *([row.p] if tested else []), row.condition)
            numbers = [Text(unbroken(word)) for word in words]
            numbers[1].append(f"\n{row.interval}" if row.interval else "", "dim")
            table.add_row(*([Text(row.group)] if story.flags else []), claim, *numbers, verdict)
    return table


def _claim(row: ClaimRow, room: bool) -> Text:
    claim = Text(row.name + ("" if row.unit in ("", "1") else f", {row.unit}"))
    return claim.append("".join(f"\n{words}" for words in (row.note, row.source if room else "") if words), "dim")


def _comparison(story: Story) -> Table:
    names = list(dict.fromkeys(name for row in story.comparison for name in row.scores))
    ranked = not story.unranked
    differences = ["difference to the first", "p, paired t", "p, sign flips"] if ranked else []
    table = _table(*names, *differences, "seeds", *story.flags)
    for column, number in zip(table.columns[-len(story.flags) :], numeric_flags(story), strict=True):
        column.justify = "right" if number else "left"
    for row in story.comparison:
        table.add_row(*(Text(unbroken(words)) for words in setting_cells(row, names, ranked)))
    return table


def _students(text: TableText, width: int) -> Table:
    """The table's first columns, as many as have room."""
    columns = list(zip(*text.rows, strict=True))
    widths = [
        max(map(len, [*name.split(), *cells])) + 3 for (name, _), cells in zip(text.columns, columns, strict=True)
    ]
    kept = [i for i in range(len(widths)) if i < 2 or sum(widths[: i + 1]) <= width - 2]
    table = _table(*(text.columns[i][0] for i in kept))
    for i, column in zip(kept, table.columns, strict=True):
        column.justify = "right" if text.columns[i][1] else "left"
    for row in text.rows:
        table.add_row(*(Text(unbroken(row[i])) for i in kept))
    return table


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(Text(heading), justify="left" if heading in WORDS else "right")
    return table
