"""``tutelage report``: the page about one run, or about many side by side."""

import inspect
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from tutelage.cli.common import Switch
from tutelage.cli.conclude import conclude
from tutelage.cli.explain import refuse_mixture
from tutelage.cli.failures import DONE, Usage
from tutelage.cli.flags import flags_of_bundle, refuse_unknown, typed


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a report is about and where it goes."""

    runs: Annotated[
        Positional[tuple[Path, ...]],
        arg(metavar="RUNS …", help_behavior_hint="", help="Run folders, collected results, or folders that hold some."),
    ] = ()
    by: Annotated[
        tuple[str, ...],
        arg(metavar="FLAG …", help_behavior_hint="", help="Group by these flags; by all that differ if not given."),
    ] = ()
    out: Annotated[
        Path | None,
        arg(metavar="DIR", help_behavior_hint="", help="Where the report goes; into the one run, or beside the many."),
    ] = None
    keep: Annotated[
        Path | None,
        arg(metavar="DIR", help_behavior_hint="", help="Also keep the numbers here, with pages, for a repository."),
    ] = None
    open: Annotated[Switch, arg(help_behavior_hint="", help="Open it in a browser.")] = False


def report(words: Sequence[str]) -> int:
    """Write the report of one run, or of many grouped by the flags in which they differ.

    One HTML file that opens offline, and the same as report.json, report.csv and report.md beside it.
    """
    refuse_unknown(words, flags_of_bundle(Asked), "tutelage report")
    asked = typed(Asked, words, prog="tutelage report", description=inspect.getdoc(report) or "")
    if not asked.runs:
        raise Usage("which runs? tutelage report RUNS …, RUNS are run folders, collected results or folders of them.")
    by = [flag.replace("-", "_") for flag in asked.by]
    try:
        page = conclude(list(asked.runs), by=by, out=asked.out, keep=asked.keep)
    except ValueError:
        refuse_mixture(asked.runs, by)
        raise
    if asked.open:
        webbrowser.open(page.resolve().as_uri())
    return DONE
