"""The end of a run, a sweep or a report: the terminal hears what came out, and the page about it is written."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from tutelage.report.story import Story


def conclude(folders: Sequence[Path], *, by: Sequence[str] = (), out: Path | None = None) -> Path:
    """Print the sentence and the verdicts about the runs in ``folders``, write their report and return its page.

    The report of one run goes into its folder, that of many into ``report`` beside them, if ``out`` is not given.
    Raises ``FileNotFoundError`` where there is no finished run, ``ImportError`` without the extra ``report``.
    """
    from tutelage.report.page import publish
    from tutelage.report.read import find, read
    from tutelage.report.seeds import groups
    from tutelage.report.story import story

    alone = [[folder] if (folder / "arguments.json").is_file() else find(folder) for folder in folders]
    runs = list(dict.fromkeys(run.resolve() for some in alone for run in some))
    found = groups([read(run) for run in runs], by)
    say(story(found), Console())
    beside = Path(os.path.commonpath([run.parent for run in runs])) / "report"
    page = publish(found, out or (runs[0] if len(runs) == 1 else beside))
    print(f"Report: {_short(page)}")
    return page


def say(story: "Story", console: Console) -> None:
    """What happened in one sentence, and a table: does the published claim hold?"""
    console.print(f"\n{story.headline}\n", markup=False, highlight=False, style="bold")
    if not story.claims:
        return
    grouped = any(row.group for row in story.claims)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title, justify in [*([("setting", "left")] if grouped else []), ("claim", "left"), ("published", "right")]:
        table.add_column(title, justify="right" if justify == "right" else "left")
    for title in ("measured", "unit", "verdict"):
        table.add_column(title, justify="right" if title == "measured" else "left")
    for row in story.claims:
        verdict = f"{row.sign} {row.verdict}" + (f": {row.scale}" if row.scale else "")
        cells = [*([row.group] if grouped else []), row.name, row.published, row.measured, row.unit, verdict]
        table.add_row(*(cell.replace("[", r"\[") for cell in cells))
    console.print(table)
    console.print(f"\n{story.tally}", markup=False, highlight=False)


def _short(path: Path) -> Path:
    """As seen from the current directory, where that is shorter."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
