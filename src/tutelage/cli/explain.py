"""Why no report can be made of some runs, where it is the command line that has to change."""

from collections.abc import Sequence
from pathlib import Path

from tutelage.cli.failures import Usage, did_you_mean
from tutelage.report.finished import finished_at, read_finished


def refuse_mixture(paths: Sequence[Path], by: Sequence[str]) -> None:
    """``Usage`` for runs of several recipes, with a folder that holds one, and for flags that no run has."""
    sources = [source for path in paths for source in finished_at(path)]
    runs = [(source, run.request) for source in sources for run in read_finished(source)]
    first = {request.recipe: source for source, request in reversed(runs)}
    if len(first) > 1:
        place = first[min(first)]
        raise Usage(
            f"a report is about one recipe, and these runs are of {', '.join(sorted(first))}; "
            f"name one: tutelage report {place.parent if place.is_dir() else place}"
        )
    known = list(dict.fromkeys(name for _, request in runs for name in request.arguments))
    for name in by:
        if name not in known:
            hint = did_you_mean(name, known) or f"; it has {', '.join(known) or 'none'}."
            raise Usage(f"{' and '.join(first)} has no flag {name!r}{hint}")
