"""Somebody's data, wherever they lie and whatever form they have: which reader takes them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tutelage.data.walk import spelled_out, visible_folders
from tutelage.own_data.arrays import arrays_source
from tutelage.own_data.arrow import is_saved, read_parquet, read_saved
from tutelage.own_data.function import is_call, read_function
from tutelage.own_data.parts import part_of
from tutelage.own_data.questions import ENDING, questions_source
from tutelage.own_data.rows import read_tables
from tutelage.own_data.source import PARTS, Source
from tutelage.own_data.table import Columns, read_lines, read_text
from tutelage.own_data.tree import read_tree
from tutelage.own_data.wanted import Wanted

TABLES: Mapping[str, Callable[[Path], Columns]] = {
    ".csv": read_text,
    ".tsv": read_text,
    ".tab": read_text,
    ".txt": read_lines,
    ".parquet": read_parquet,
}
ARRAYS = (".npz", ".safetensors")
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib", ".npy")
LONGEST = 255
"""Bytes of the name of a file."""
FORMS = (
    "a folder with a folder of pictures for each class, a table (.csv, .tsv, .parquet) of these, of texts or of "
    "numbers, texts a line (.txt), questions in SQuAD's form (.json), arrays (.npz, .safetensors), a folder that "
    "`datasets` saved, or a function such as my_lab.data:make"
)
"""What data may be."""


def read(where: str | Path, wanted: Wanted | None = None) -> Source:
    """The data at a path, or those that the function at a dotted path returns; pictures are not decoded yet.

    A folder holds class folders, or what ``datasets`` saved, or tables or arrays in files called train, val, test.
    Parts are joined by the *names* of their classes. What was assumed and what was left out is in ``notes``.

    Raises ``FileNotFoundError`` for a place where nothing is, ``ValueError`` in one sentence for data that are not
    sound or of which the roles are in doubt, and ``ImportError`` with the install line for a missing extra.
    """
    wanted = wanted or Wanted()
    source = _read(where, wanted)
    if wanted.is_of_texts and not source.parts["train"].texts:
        raise ValueError(
            f"{spelled_out(where)} holds no texts; they lie in a table (.csv, .tsv, .parquet), or one a line (.txt)."
        )
    if wanted.task == "spans" and not source.parts["train"].answers:
        raise _no_questions(where)
    return replace(source, parts={part: source.parts[part] for part in PARTS if part in source.parts})


def _no_questions(where: str | Path) -> ValueError:
    return ValueError(
        f"{spelled_out(where)} holds no questions with their answers; --task spans reads JSON in SQuAD's form (.json), "
        "or a folder of train.json, dev.json and test.json."
    )


def may_hold_texts(where: str | Path) -> bool:
    """Whether there is a table, or a folder of tables, in which texts may stand, or questions; nothing is read."""
    path, endings = Path(where), (*TABLES, ENDING)
    try:
        return path.suffix.lower() in endings or (
            path.is_dir() and any(x.suffix.lower() in endings for x in path.iterdir())
        )
    except (OSError, ValueError):  # no name of a file
        return False


def _read(where: str | Path, wanted: Wanted) -> Source:
    path = Path(where)
    text = spelled_out(where)
    if not text or "\0" in text:
        raise ValueError(f"Data lie at a path or come from a function; got {text!r}.")
    if len(path.name.encode(errors="replace")) > LONGEST:  # no name of a file, perhaps a call
        path = Path()
    elif path.is_dir():
        return _read_folder(path, wanted)
    elif path.is_file():
        return _read_file(path, wanted)
    if is_call(text) and path.suffix.lower() not in (*TABLES, ENDING, *ARRAYS, *ARCHIVES):
        _refuse_columns(text, wanted)
        return read_function(text, wanted)
    raise FileNotFoundError(f"There is no {text}: data are {FORMS}.")


def _read_file(path: Path, wanted: Wanted) -> Source:
    ending = path.suffix.lower()
    if wanted.task == "spans" and ending in (*TABLES, *ARRAYS):
        raise _no_questions(path)
    if ending in TABLES:
        return read_tables(path.stem, {"train": TABLES[ending](path)}, wanted)
    if ending == ENDING:
        return questions_source(path.stem, {"train": path}, wanted)
    if ending in ARRAYS:
        return arrays_source(path.stem, {"train": path}, wanted)
    if ending in ARCHIVES:
        raise ValueError(f"{path} is an archive, of which nothing is read; unpack it and name the folder.")
    if ending in PICKLES:
        raise ValueError(f"{path} may be a pickle, which can hold code: it was not opened; save arrays as .npz.")
    raise ValueError(f"{path} is none of what is read: {FORMS}.")


def _read_folder(folder: Path, wanted: Wanted) -> Source:
    if is_saved(folder):
        return read_tables(folder.name, read_saved(folder), wanted)
    if not any(map(part_of, visible_folders(folder))):
        files = {} if wanted.task == "spans" else _parts_in(folder, (*TABLES, *ARRAYS))
        if files and all(path.suffix.lower() in TABLES for path in files.values()):
            return read_tables(folder.name, {k: TABLES[x.suffix.lower()](x) for k, x in files.items()}, wanted)
        if files and all(path.suffix.lower() in ARRAYS for path in files.values()):
            parts = {part: path for name, path in files.items() if (part := part_of(name))}
            return arrays_source(folder.name, parts, wanted)
        alone = wanted.task == "spans" or not visible_folders(folder)  # beside pictures JSON says other things
        if not files and alone and (questions := _parts_in(folder, (ENDING,))):
            return questions_source(folder.name, questions, wanted)
    if wanted.task == "spans":
        raise _no_questions(folder)
    _refuse_columns(spelled_out(folder), wanted)
    return read_tree(folder, wanted)


def _refuse_columns(where: str, wanted: Wanted) -> None:
    """Raise ``ValueError`` where columns are named of what has none."""
    if wanted.path_column or wanted.label_columns:
        raise ValueError(f"{where} has no columns; leave out --path-column and --label-columns, or name a table.")


def _parts_in(folder: Path, endings: Sequence[str]) -> dict[str, Path]:
    """Files of these ``endings`` that are called like parts, if one is called train; nothing otherwise.

    A part may have several tables, such as ``train-00000-of-00002``. Raises ``ValueError`` for one that is there twice.
    """
    found: dict[str, Path] = {}
    for path in sorted(x for x in folder.iterdir() if x.suffix.lower() in endings and x.is_file()):
        part = part_of(path.stem)
        if part is None or path.name.startswith("."):
            continue
        twin = next((x for name, x in found.items() if part_of(name) == part), None)
        if twin is not None and not ("-of-" in path.stem and "-of-" in twin.stem and path.suffix.lower() in TABLES):
            raise ValueError(f"{folder} has two {part} parts, {twin.name} and {path.name}; join or remove one.")
        found[path.stem] = path
    return found if any(part_of(name) == "train" for name in found) else {}
