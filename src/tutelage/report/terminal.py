"""What happened and whether the claims hold, as tables in a terminal and as Markdown where there is none."""

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.columns import Columns
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tutelage.report.markdown import compared, markdown, unescaped
from tutelage.report.numbers import whole
from tutelage.report.read import find, read
from tutelage.report.rows import ClaimRow, by_claim
from tutelage.report.seeds import groups
from tutelage.report.story import Story, story

STYLES = {  # beside a sign and the words
    "holds": "green",
    "does not hold": "bold red",
    "not judged": "yellow",
    "undecided": "yellow",
}
WORDS = ("setting", "claim", "holds if", "verdict")  # columns that are no numbers


def show(folders: Sequence[Path | str], by: Sequence[str] = (), console: Console | None = None) -> None:
    """Prints the first two parts of the report on every finished run in ``folders``; errors as ``many.write``."""
    found = list(dict.fromkeys(run.resolve() for folder in folders for run in find(folder)))
    tell(story(groups([read(run) for run in found], by)), console or Console())


def tell(told: Story, console: Console) -> None:
    """Prints the first two parts of the report ``told``."""
    if not console.is_terminal:
        console.out(unescaped(markdown(told)), end="", highlight=False)
        return
    console.print(Text(f"{told.recipe} · {told.subtitle}", "dim"), Text(told.headline, "bold"), "", sep="\n")
    if told.figures:
        console.print(_figures(told))
    if told.comparison:
        console.print(
            Text(f"Test {told.metrics[0].name}, mean ± sd over seeds" if told.metrics else "Settings"),
            _comparison(told),
            *(Text(note, "dim") for note in told.notes),
            sep="\n",
        )
    if told.claims:
        console.print(Text(told.tally), _claims(told, console.width >= 90), sep="\n")
    for warning in told.warnings:
        console.print(Text(f"▲ {whole(warning)}", "yellow"))


def _figures(told: Story) -> Padding:
    blocks = [
        Group(
            Text(figure.title, "dim"), Text(figure.value, "bold cyan"), *(Text(words, "dim") for words in figure.detail)
        )
        for figure in told.figures
    ]
    return Padding(Columns(blocks, padding=(0, 4)), (0, 0, 1, 0))


def _claims(told: Story, room: bool) -> Table:
    tested = any(row.p for row in told.claims)
    setting, p = (["setting"] if told.flags else []), (["p"] if tested else [])
    table = _table(*setting, "claim", "published", "measured", "n", *p, "holds if", "verdict")
    for rows in by_claim(told.claims):
        for row in rows:
            claim = _claim(row, room) if row is rows[0] else Text()
            verdict = Text(f"{row.sign} {row.verdict}", STYLES[row.verdict])
            verdict.append(f"\n{row.reason}" if row.reason else "", "dim")
            words = (row.published, row.measured, str(row.n), *([row.p] if tested else []), row.condition)
            numbers = [Text(whole(word)) for word in words]
            numbers[1].append(f"\n{row.interval}" if row.interval else "", "dim")
            table.add_row(*([Text(row.group)] if told.flags else []), claim, *numbers, verdict)
    return table


def _claim(row: ClaimRow, room: bool) -> Text:
    claim = Text(row.name + ("" if row.unit in ("", "1") else f", {row.unit}"))
    return claim.append("".join(f"\n{words}" for words in (row.note, row.source if room else "") if words), "dim")


def _comparison(told: Story) -> Table:
    names = list(dict.fromkeys(name for row in told.comparison for name in row.scores))
    table = _table(*told.flags, "seeds", *names, "difference to the first", "p, paired t", "p, sign flips")
    for row in told.comparison:
        table.add_row(*(Text(whole(words)) for words in compared(row, names)))
    return table


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in WORDS else "right")
    return table
