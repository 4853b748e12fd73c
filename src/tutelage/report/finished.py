"""Finished runs wherever they lie: in run folders, in a report.json, in results that were collected."""

from pathlib import Path

from tutelage import plain_json
from tutelage.files import ARGUMENTS, is_runs
from tutelage.report.read import FinishedRun, read_run
from tutelage.report.record import runs_of_record

RECORD = '{\n"format":'  # how a report.json and a collected result begin


def finished_at(path: Path) -> list[Path]:
    """The run whose folder ``path`` is, finished or not; else as ``find_finished``."""
    return [path] if is_runs(path) else find_finished(path)


def find_finished(path: Path | str) -> list[Path]:
    """Every finished run in a folder, itself included, or else every collected result in it, sorted; a file as it is.

    Raises ``FileNotFoundError`` where there is neither.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    files = sorted(path.rglob("results.json"))
    sources = [file.parent for file in files if file.with_name("arguments.json").is_file()]
    sources = sources or [file for file in sorted(path.rglob("*.json")) if _is_collected(file)]
    if not sources and (path / "results.json").is_file():  # a run that has lost its arguments
        read_run(path)
    if not sources:
        raise FileNotFoundError(
            f"There is no finished run in {path}: no folder in it has a results.json, and no file in it was collected; "
            "name a folder that holds one, or start the run's command again."
        )
    return sources


def find_unfinished(path: Path | str) -> list[Path]:
    """Every run in a folder that was begun and has no results, sorted."""
    begun = sorted(file.parent for file in Path(path).rglob(ARGUMENTS) if is_runs(file.parent))
    return [folder for folder in begun if not (folder / "results.json").is_file()]


def read_finished(source: Path) -> list[FinishedRun]:
    """The run in a folder, or the runs in a report.json or collected result.

    Raises as ``read_run`` does; ``ValueError`` that names a file which is neither.
    """
    if not source.is_file():
        return [read_run(source)]
    try:
        return runs_of_record(plain_json.read(source))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = str(error).rstrip(".")
        raise ValueError(f"{source} is damaged or no result: {problem}; collect its run again.") from None


def _is_collected(file: Path) -> bool:
    return file.name != "report.json" and is_record(file)


def is_record(file: Path) -> bool:
    """Whether ``file`` is a report.json or a collected result."""
    if not file.is_file():
        return False
    with file.open(encoding="utf-8", errors="replace", newline="") as text:
        return text.read(len(RECORD)) == RECORD
