"""Many runs in one report: grouped by flags, means over seeds, tested against the first setting."""

from collections.abc import Sequence
from pathlib import Path

from tutelage.report.page import publish
from tutelage.report.read import find, read
from tutelage.report.seeds import groups


def write(folders: Sequence[Path | str], to: Path | str, by: Sequence[str] = ()) -> Path:
    """Writes the report of every finished run in ``folders`` (at any depth) into the folder ``to``; returns the page.

    ``by`` names the flags to group by; without any it is all but the seed that differ. Raises ``FileNotFoundError``
    where there is no finished run, ``ValueError`` if the runs are of several recipes or have no such flag.
    """
    found = list(dict.fromkeys(run.resolve() for folder in folders for run in find(folder)))
    return publish(groups([read(run) for run in found], by), Path(to))
