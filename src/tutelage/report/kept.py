"""A folder of results in a repository: its index RESULTS.md, and a page in each experiment's folder."""

from collections.abc import Callable, Iterable
from pathlib import Path

from tutelage.files import made_folder, write_text
from tutelage.report.collected import experiment_folder
from tutelage.report.experiment import INDEX, MARK, NOTES, Experiment, Kept, page
from tutelage.report.finished import is_record, read_finished
from tutelage.report.groups import group_runs
from tutelage.report.index import PAGE, index


def publish_kept(folder: Path | str, purpose: Callable[[str], str]) -> Path:
    """Writes ``folder``/RESULTS.md and the page of each experiment from all results in ``folder``; returns its path.

    ``purpose`` gives what a recipe says of itself, and nothing for one that is not known. What was written by hand into
    a NOTES.md comes last: of the folder, in the index; of an experiment's folder, on its page.

    Raises ``FileNotFoundError`` where there are no results, ``ValueError`` where one is damaged, or where a page that
    is somebody else's would be overwritten; then nothing is written.
    """
    folder = Path(folder)
    kept = _read(sorted(folder.glob("*/*.json")))
    if not kept:
        raise FileNotFoundError(f"There are no results in {folder}: collect a finished run first.")
    recipes = dict.fromkeys(one.run.request.recipe for one in kept)
    refuse_foreign_pages(folder, recipes)
    experiments = [
        _experiment(recipe, purpose(recipe), [one for one in kept if one.run.request.recipe == recipe])
        for recipe in recipes
    ]
    places = [made_folder(folder / experiment.folder) for experiment in experiments]
    for place, experiment in zip(places, experiments, strict=True):
        write_text(place / PAGE, page(experiment, _notes(place)))
    write_text(folder / INDEX, index(experiments, _notes(folder)))
    return folder / INDEX


def _read(files: Iterable[Path]) -> list[Kept]:
    return [Kept(run, file) for file in files for run in read_finished(file)]


def _experiment(recipe: str, purpose: str, kept: list[Kept]) -> Experiment:
    presets = dict.fromkeys(one.run.request.preset for one in kept)
    runs = [[one.run for one in kept if one.run.request.preset == preset] for preset in presets]
    return Experiment(recipe, purpose, tuple(group for some in runs for group in group_runs(some)), tuple(kept))


def _notes(folder: Path) -> str:
    file = folder / NOTES
    return file.read_text(encoding="utf-8", errors="replace").strip() if file.is_file() else ""


def refuse_foreign_results(folder: Path, recipes: Iterable[str]) -> None:
    """Raise ``ValueError`` for a folder that holds other things than collected results: it is somebody else's.

    So it does where a result in it is damaged, and where the page of one of its experiments, or of ``recipes``, would
    overwrite what was not made here.
    """
    if not folder.is_dir():
        return
    index_page = folder / INDEX
    strangers = [] if _is_made(index_page) else sorted(x.name for x in folder.iterdir() if not _may_be_kept(x))
    if strangers:
        raise ValueError(f"{folder} holds {strangers[0]!r} and no collected results; choose a new or empty folder.")
    before = _read(folder.glob("*/*.json"))
    refuse_foreign_pages(folder, [*recipes, *(one.run.request.recipe for one in before)])


def refuse_foreign_pages(folder: Path, recipes: Iterable[str]) -> None:
    """Raise ``ValueError`` where the page of a recipe would overwrite a file that was not made here."""
    for place in (folder / experiment_folder(recipe) / PAGE for recipe in recipes):
        if place.is_file() and not _is_made(place):
            raise ValueError(f"{place} was not made by tutelage; rename it to {NOTES}, which the page then quotes.")


def _is_made(file: Path) -> bool:
    return file.is_file() and MARK in file.read_text(encoding="utf-8", errors="replace")


def _may_be_kept(place: Path) -> bool:
    return place.name == NOTES or (place.is_dir() and all(map(_belongs, place.iterdir())))


def _belongs(file: Path) -> bool:
    return is_record(file) or file.name in (NOTES, PAGE)
