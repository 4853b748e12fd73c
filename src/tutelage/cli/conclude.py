"""The end of a run, a sweep or a report: its sentence and verdicts are printed, and the page about it is written."""

import os
from collections.abc import Sequence
from logging import getLogger
from pathlib import Path

from tutelage.plurals import counted
from tutelage.printable import printable


def conclude(
    paths: Sequence[Path], *, by: Sequence[str] = (), out: Path | None = None, keep: Path | None = None
) -> Path:
    """Print the sentence and the verdicts about the runs in ``paths``, write their report and return its page.

    A path is a run folder, a folder that holds some, or results that were collected: a folder of them, or one file.
    The report of one run goes into its folder, any other into ``report`` beside what it is about, if ``out`` is not
    given. ``keep`` is a folder of results for a repository: each run's numbers go there as a small file, and its index
    and the pages of its experiments anew. Raises ``FileNotFoundError`` where there is no finished run, ``ImportError``
    without the extra ``report``, and ``ValueError`` for a folder to write to that is somebody else's, before anything
    is printed or written.
    """
    from rich.console import Console

    from tutelage.cli.find import purpose
    from tutelage.report.collected import collect
    from tutelage.report.finished import find_unfinished, finished_at, read_finished
    from tutelage.report.groups import group_runs
    from tutelage.report.kept import publish_kept, refuse_foreign_results
    from tutelage.report.page import publish_page, refuse_foreign_place
    from tutelage.report.read import is_unverified
    from tutelage.report.story import story_of
    from tutelage.report.terminal import print_story

    several = [finished_at(path) for path in paths]
    left_out = list(dict.fromkeys(run for path in paths if path.is_dir() for run in find_unfinished(path)))
    sources = list(dict.fromkeys(source.resolve() for some in several for source in some))
    runs = [run for source in sources for run in read_finished(source)]
    groups = group_runs(runs, by)
    story = story_of(groups)
    beside = Path(os.path.commonpath([source.parent for source in sources])) / "report"
    place = out or (sources[0] if len(sources) == 1 and sources[0].is_dir() else beside)
    refuse_foreign_place(place)
    if keep is not None:
        refuse_foreign_results(keep, [run.request.recipe for run in runs])
    if unverified := [_short(source) for source in sources if is_unverified(source)]:
        what = f"{_counted(unverified)} without checksums and not verified: {_first(unverified)}"
        getLogger("tutelage").warning("%s", printable(what))
    print_story(story, Console())
    page = publish_page(groups, story, place)
    if left_out:
        short = [_short(run) for run in left_out]
        print(printable(f"{_counted(short)} unfinished and left out: {_first(short)}"))
    print(printable(f"Report: {_short(page)}"))
    if keep is not None:
        for run in runs:
            collect(run, keep)
        print(f"Results: {_short(publish_kept(keep, purpose))}")
    return page


def _counted(runs: Sequence[Path]) -> str:
    return counted(len(runs), "run", "is", "are")


def _first(runs: Sequence[Path]) -> str:
    more = [f"and {len(runs) - 5} more"] if len(runs) > 5 else []
    return ", ".join([*map(str, runs[:5]), *more])


def _short(path: Path) -> Path:
    """As seen from the current directory, where that is shorter."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
