"""A finished run that is started again: its files stay until the new ones are whole, and then change at once.

Meanwhile the new ones lie in ``again`` in the run's folder. Once ``results.json`` is there, which is written last, they
are whole: from then on they are read, and moved to where the old ones were. That move may be broken off anywhere.
"""

import os
import re
from pathlib import Path

from tutelage.files import remove_leftovers, sync, write_text

AGAIN, ENVIRONMENT, LOG, STAGES, RESULTS = "again", "environment.json", "log.jsonl", "stages.json", "results.json"
PLAN = "plan.json"
OURS = re.compile(
    r"log\.jsonl|(environment|plan|stages|results|student)\.json|student\.safetensors|source(\.\d+)?\.safetensors|SHA256SUMS"
)
"""The files that every start of a run makes anew."""
WEIGHTS, DESCRIPTION = "student.safetensors", "student.json"
QUANTISED = ("student.int8.onnx", "student.int8.card.md", "student.int8.predict.py")
STUDENTS = ("student.onnx", "predict.py", "model_card.md", "samples.safetensors")
DEPLOYED = (*STUDENTS, *QUANTISED)
"""Files of a delivered student that others may call so, too: ours say within ``MARKED`` bytes that they are."""
MARK, MARKED = b"tutelage", 256


def begun(folder: Path) -> Path:
    """Where a run that starts in ``folder`` puts its files, with an empty log: there, or in ``again``.

    Only for whoever holds the folder's lock. Raises ``ValueError`` for an ``again`` that holds what no run put there.
    """
    settle(folder)
    place = folder / AGAIN if (folder / RESULTS).exists() else folder
    place.mkdir(exist_ok=True)
    for name in ours(place):  # of a start that did not end: its parts say nothing together
        (place / name).unlink()
    write_text(place / LOG, "")
    write_text(place / STAGES, "[]\n")
    return place


def current(folder: Path, name: str) -> Path:
    """Where the file ``name`` of the finished run in ``folder`` lies, though its move were broken off."""
    again = folder / AGAIN
    if not (OURS.fullmatch(name) or name in DEPLOYED) or again.is_symlink() or not (again / RESULTS).is_file():
        return folder / name
    moved = (again / name).is_file() or ((again / LOG).is_file() and name != ENVIRONMENT)
    return again / name if moved else folder / name  # earlier versions left no environment there


def settle(folder: Path) -> None:
    """Let what is whole in ``again`` take its place, and take away what is not. Raises as ``begun`` does."""
    again = folder / AGAIN
    if not os.path.lexists(again):
        return
    if again.is_symlink() or not again.is_dir():
        raise ValueError(f"{again} is no folder, and what a second start leaves belongs there; move it away.")
    remove_leftovers(again)
    names = ours(again)
    if RESULTS in names:
        if LOG in names:  # the first to be moved: what the new start did not make is still the old one's
            for name in ours(folder) - names - {ENVIRONMENT}:
                (folder / name).unlink()
        for name in sorted(names - {RESULTS}, key=lambda name: (name != LOG, name)):
            os.replace(again / name, folder / name)
        sync(folder)
        os.replace(again / RESULTS, folder / RESULTS)
        sync(folder)
    discard(again)


def discard(again: Path) -> None:
    """Take away ``again`` with all files of ours. Raises ``ValueError`` where it holds others."""
    for name in ours(again):
        (again / name).unlink()
    if strangers := sorted(x.name for x in again.iterdir()):
        raise ValueError(f"{again} holds {strangers[0]!r}, which no run put there; move it away.")
    again.rmdir()


def ours(folder: Path) -> set[str]:
    """The files in ``folder`` that every start of a run makes anew."""
    return {x.name for x in folder.iterdir() if x.is_file() and (OURS.fullmatch(x.name) or is_deployed(x))}


def is_deployed(file: Path) -> bool:
    """Whether a file belongs to a delivered student, and is ours: a ``predict.py`` of the user's own is not."""
    if file.name not in DEPLOYED or not file.is_file():
        return False
    with file.open("rb") as opened:
        return MARK in opened.read(MARKED)
