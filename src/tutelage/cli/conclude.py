"""The end of a run, a sweep or a report: the terminal hears what came out, and the page about it is written."""

import os
from collections.abc import Sequence
from pathlib import Path


def conclude(
    folders: Sequence[Path], *, by: Sequence[str] = (), out: Path | None = None, keep: Path | None = None
) -> Path:
    """Print the sentence and the verdicts about the runs in ``folders``, write their report and return its page.

    The report of one run goes into its folder, that of many into ``report`` beside them, if ``out`` is not given.
    ``keep`` is a folder of results for a repository: each run's numbers go there as a small file, and RESULTS.md anew.
    Raises ``FileNotFoundError`` where there is no finished run, ``ImportError`` without the extra ``report``.
    """
    from rich.console import Console

    from tutelage.report import results
    from tutelage.report.page import publish
    from tutelage.report.read import find, read
    from tutelage.report.seeds import groups
    from tutelage.report.story import story
    from tutelage.report.terminal import tell

    alone = [[folder] if (folder / "arguments.json").is_file() else find(folder) for folder in folders]
    runs = list(dict.fromkeys(run.resolve() for some in alone for run in some))
    found = groups([read(run) for run in runs], by)
    tell(story(found), Console())
    beside = Path(os.path.commonpath([run.parent for run in runs])) / "report"
    page = publish(found, out or (runs[0] if len(runs) == 1 else beside))
    print(f"Report: {_short(page)}")
    if keep is not None:
        for run in runs:
            results.collect(run, keep)
        print(f"Results: {_short(results.write(keep))}")
    return page


def _short(path: Path) -> Path:
    """As seen from the current directory, where that is shorter."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
