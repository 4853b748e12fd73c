"""Which column of a table is what: found out where there is no doubt, asked for by the flag's name where there is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tutelage.data.walk import ENDINGS
from tutelage.own_data.labels import is_missing, is_number, task_of
from tutelage.own_data.parts import part_of
from tutelage.own_data.source import TaskName
from tutelage.own_data.table import Columns
from tutelage.own_data.text_roles import refuse_no_texts, text_columns
from tutelage.own_data.wanted import Wanted
from tutelage.plurals import counted

PARTS = ("split", "part", "set", "subset", "partition", "fold", "phase", "usage")
LABELS = ("label", "labels", "class", "classes", "class_name", "category", "target", "targets", "y", "tags")
MASKS = ("mask", "masks", "segmentation", "annotation", "label", "target")
INPUTS = ("path", "file", "filename", "file_name", "filepath", "image", "img", "image_path", "picture", "photo")
NUMBERS = ("id", "index", "unnamed: 0", "__index_level_0__")
"""What columns are called, in small letters: the last hold what is of no use to anybody."""


@dataclass(frozen=True)
class Roles:
    """``inputs`` is one column of pictures, one or two of ``texts``, or several of numbers; ``part`` may be none,
    ``labels`` too."""

    inputs: tuple[str, ...]
    labels: tuple[str, ...]
    part: str
    task: TaskName
    pictures: bool
    notes: tuple[str, ...] = ()
    texts: bool = False


def roles_of(table: Columns, wanted: Wanted) -> Roles:
    """What each column is for. Raises ``ValueError`` for columns that are not there, and where there is a doubt."""
    for flag, names in (("--path-column", (wanted.path_column,)), ("--label-columns", wanted.label_columns)):
        if missing := [name for name in names if name and name not in table.columns]:
            raise ValueError(
                f"{table.where} has no column {missing[0]!r}; it has {table.listed}. {flag} takes one of these."
            )
    if data := next((name for name in table.columns if name.lower().endswith(ENDINGS)), None):
        raise ValueError(
            f"{table.where} has no names of columns: its first line, with {data!r}, is a sample; put a line above it, "
            "such as file,label."
        )
    part = _part_column(table, wanted)
    if texts := _text_columns(table, part, wanted):
        return _of_texts(table, texts, part, wanted)
    pictures = [name for name in table.columns if holds_pictures(table.columns[name]) and name != part]
    path = wanted.path_column or _path_column(table, pictures, wanted)
    left = [name for name in table.columns if name not in (path, part)]
    labels = wanted.label_columns or _label_columns(table, left, pictures, has_path=bool(path))
    columns = {name: table.columns[name] for name in labels}
    if path and len(labels) == 1 and labels[0] in pictures:
        task: TaskName = "segmentation"
    else:
        task = wanted.learnt or task_of(table.where, columns, table.classes)
    if (task == "segmentation") != bool(labels and labels[0] in pictures):
        raise ValueError(f"{table.where}: segmentation, and it alone, has a column of masks; --label-columns names it.")
    inputs = (path,) if path else tuple(x for x in left if x not in labels and x.lower() not in NUMBERS)
    if not path and (strange := [x for x in inputs if not all(map(is_number, table.columns[x]))]):
        raise ValueError(
            f"{table.where} has no column of pictures, and {strange[0]!r} is not of numbers alone; name the column of "
            "paths with --path-column."
        )
    if not inputs:
        named = next((name for name in left if name not in labels), labels[0])
        raise ValueError(
            f"{table.where} has no column of pictures and none of numbers to learn from; paths of pictures end in "
            f"{', '.join(ENDINGS[:3])} …: write such into {named!r}, or name their column with --path-column."
        )
    if not path:
        _refuse_no_header(table, inputs, labels)
    shown = f"{inputs[0]!r}" if len(inputs) == 1 else f"{counted(len(inputs), 'column')} of numbers"
    unused = [name for name in left if name not in (*labels, *inputs) and name.lower() not in NUMBERS]
    more = f"; parts are {part!r}" if part else ""
    more += f"; not used: {', '.join(map(repr, unused[:8]))}" if unused else ""
    said = f"inputs are {shown}, labels {', '.join(map(repr, labels))}: {task}{more}"
    return Roles(inputs, labels, part, task, bool(path), (said,))


def _refuse_no_header(table: Columns, inputs: Sequence[str], labels: Sequence[str]) -> None:
    """Raise ``ValueError`` where the names of columns are a sample: a label that others have, a text or numbers."""
    known = any(name not in table.classes and name in map(str, table.columns[name]) for name in labels)
    if known and all(" " in name or _is_numeral(name) for name in inputs):
        raise ValueError(
            f"{table.where} has no names of columns: its first line, with {inputs[0][:40]!r}, is a sample; put a line "
            "above it that names them, such as text,label."
        )


def _is_numeral(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _text_columns(table: Columns, part: str, wanted: Wanted) -> tuple[str, ...]:
    """The columns of texts, if that is what is to be learnt from: as is asked for, or for want of pictures.

    Raises ``ValueError`` as ``text_columns``, and where texts are wanted and there are none.
    """
    other = wanted.path_column or any(holds_pictures(column) for column in table.columns.values())
    if not wanted.is_of_texts and other:
        return ()
    labels = wanted.label_columns or tuple(name for name in table.columns if name.lower() in LABELS)
    found = text_columns(table, wanted, (part, *labels))
    if wanted.is_of_texts and not found:
        refuse_no_texts(table)
    return found


def _of_texts(table: Columns, texts: tuple[str, ...], part: str, wanted: Wanted) -> Roles:
    """What is learnt from texts: what the labels speak of or, where there are none, a teacher's vectors."""
    left = [name for name in table.columns if name not in (*texts, part)]
    useful = [name for name in left if name.lower() not in NUMBERS]
    labels: tuple[str, ...] = ()
    if wanted.task != "embeddings" and (useful or wanted.label_columns):
        labels = wanted.label_columns or _label_columns(table, left, (), has_path=True)
    if not labels and wanted.task not in ("auto", "embeddings"):
        raise ValueError(
            f"{table.where} has no column of labels beside {', '.join(map(repr, texts))}; name it with "
            "--label-columns, or say --task embeddings."
        )
    _refuse_no_header(table, texts, labels)
    columns = {name: table.columns[name] for name in labels}
    task: TaskName = "embeddings"
    if labels:
        task = wanted.learnt or task_of(table.where, columns, table.classes)
    what = f", labels {', '.join(map(repr, labels))}: {task}" if labels else ": embeddings, without labels"
    said = f"inputs are the texts {', '.join(map(repr, texts))}{what}" + (f"; parts are {part!r}" if part else "")
    return Roles(texts, labels, part, task, False, (said,), texts=True)


def holds_pictures(column: Sequence[Any]) -> bool:
    """Whether most values are encoded pictures, or paths with the ending of one."""
    known = [x for x in column if not is_missing(x)]
    return bool(known) and 2 * sum(map(_is_picture, known)) > len(known)


def _is_picture(value: Any) -> bool:
    if isinstance(value, Mapping):
        return isinstance(value.get("bytes"), bytes) or isinstance(value.get("path"), str)
    return isinstance(value, bytes) or (isinstance(value, str) and value.lower().endswith(ENDINGS))


def _part_column(table: Columns, wanted: Wanted) -> str:
    """The column that says of which part a row is. Raises ``ValueError`` where it does so of some rows alone."""
    asked = {wanted.path_column, *wanted.label_columns, *wanted.text_columns}
    for name, column in table.columns.items():
        said = [isinstance(x, str) and part_of(x) is not None for x in column]
        if name.lower() not in PARTS or name in asked or not any(said):
            continue
        if not all(said):
            row = said.index(False)
            raise ValueError(
                f"{table.where} has {str(column[row])[:40]!r} in row {row + 1} of {name!r}, which is no part; write "
                "train, validation or test there, or call the column otherwise."
            )
        return name
    return ""


def _path_column(table: Columns, pictures: Sequence[str], wanted: Wanted) -> str:
    possible = [name for name in pictures if name not in wanted.label_columns]
    if len(possible) > 1:  # pictures and their masks
        possible = [name for name in possible if not name.lower().startswith(MASKS)] or possible
    if len(possible) > 1:
        possible = [name for name in possible if name.lower() in INPUTS] or possible
    if len(possible) > 1:
        raise ValueError(f"{table.where} has pictures in {', '.join(possible)}; name one with --path-column.")
    return possible[0] if possible else ""


def _label_columns(table: Columns, left: Sequence[str], pictures: Sequence[str], has_path: bool) -> tuple[str, ...]:
    useful = [name for name in left if name.lower() not in NUMBERS]
    if masks := [name for name in useful if name in pictures]:
        if len(masks) == 1:
            return (masks[0],)
        raise ValueError(f"{table.where} has pictures in {', '.join(masks)}; name the masks with --label-columns.")
    if len(useful) == 1 and has_path:
        return (useful[0],)
    called = [name for name in useful if name.lower() in LABELS]
    place = has_path and {"x", "y"} <= {name.lower() for name in useful}  # in a picture, of which y is half
    if len(called) == 1 and not place:
        return (called[0],)
    if has_path and len(useful) > 1 and not called and all(x in (0, 1) for name in useful for x in table.columns[name]):
        return tuple(useful)
    raise ValueError(
        f"{table.where} has the columns {table.listed}, and which of them are labels is not clear; name one or more "
        "with --label-columns."
    )
