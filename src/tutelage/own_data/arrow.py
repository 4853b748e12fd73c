"""Tables in parquet files and in folders that Hugging Face's ``datasets`` saved: read by pyarrow, nothing is run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tutelage import plain_json
from tutelage.data.contents import one_line
from tutelage.data.pictures import needed
from tutelage.machine import usable_memory
from tutelage.own_data.arrow_sizes import StrangeColumnError, is_packed, plain, plain_bytes
from tutelage.own_data.parquet_pages import Unpacked, unpacked
from tutelage.own_data.parts import part_of
from tutelage.own_data.table import Columns
from tutelage.plurals import counted

ROWS = 100_000_000
RATIO, ROOM = 200, 2**26
"""How many times its own size, and how many bytes more, a file may unpack to."""
OBJECTS = 2**28
"""How many bytes more that may take as values of Python."""
TOGETHER = 256
"""Rows that are unpacked at once, where no value of a dictionary may be so long that fewer have to do."""
STATE, SEVERAL = "state.json", "dataset_dict.json"
"""What ``datasets`` writes beside the tables of one part, and of several."""


class _ToldError(ValueError):
    """A sentence about a file that is sound."""


def read_parquet(path: Path) -> Columns:
    """A parquet file. Raises ``ValueError`` for one that is damaged or unpacks to more than it could hold."""
    parquet = needed("pyarrow.parquet")
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        known = unpacked(path)
        _refuse_bomb(known, path.stat().st_size)
        schema = parquet.read_schema(path)
        with parquet.ParquetFile(path) as file:
            _refuse_rows(file.metadata.num_rows)
            rows = max(1, min(TOGETHER, ROOM // max(1, known.dictionaries)))
            return _table([path], schema, file.iter_batches(rows), path.parent)
    except _ToldError as told:
        raise ValueError(str(told)) from None
    except Exception as error:  # damage may end anywhere in the reader
        raise _unsound(path, "parquet", error) from None


def is_saved(folder: Path) -> bool:
    """Whether ``datasets`` saved a data set in this folder."""
    return any((folder / name).is_file() for name in (STATE, SEVERAL))


def read_saved(folder: Path) -> dict[str, Columns]:
    """The tables of a folder that ``datasets`` saved, by the names of their parts; ``train`` where it is one alone.

    Raises ``ValueError`` for a folder that is not sound, or leads elsewhere.
    """
    if (folder / STATE).is_file():
        return {"train": _saved_part(folder)}
    names = _json(folder / SEVERAL).get("splits")
    if not isinstance(names, list) or not all(map(_is_name, names)) or not names:
        raise ValueError(f"{folder / SEVERAL} names no parts that lie beside it; save the data set anew.")
    if unknown := [name for name in names if part_of(name) is None]:
        raise ValueError(f"{folder} has the part {unknown[0]!r}, and parts are train, validation, test; rename it.")
    return {name: _saved_part(folder / name) for name in names}


def _is_name(text: object) -> bool:
    """Whether it names something that lies beside the file which says so: no path, none that is too long for a disk."""
    return isinstance(text, str) and Path(text).name == text and len(text.encode(errors="replace")) < 256


def _saved_part(folder: Path) -> Columns:
    ipc, arrow = needed("pyarrow.ipc"), needed("pyarrow")
    state = _json(folder / STATE)
    if state.get("_indices_data_files"):
        raise ValueError(f"{folder} holds rows that an index chooses of; save flatten_indices() of the data set there.")
    files = state.get("_data_files")
    named = [x.get("filename") for x in files if isinstance(x, dict)] if isinstance(files, list) else []
    names = [x for x in named if isinstance(x, str) and _is_name(x)]
    if not names or len(names) < len(named):
        raise ValueError(f"{folder / STATE} names no files that lie beside it; save the data set anew.")
    paths = [folder / name for name in names]
    if missing := [path for path in paths if not path.is_file()]:
        raise FileNotFoundError(f"There is no file {missing[0]}, which belongs to {folder}; save the data set anew.")

    def batches() -> Iterator[Any]:
        for path in paths:
            with arrow.memory_map(str(path)) as mapped:
                yield from ipc.open_stream(mapped)

    try:
        if packed := next(filter(is_packed, paths), None):
            raise _ToldError(f"{packed} is packed, as datasets packs none; save the data set anew with save_to_disk.")
        with arrow.memory_map(str(paths[0])) as mapped:
            schema = ipc.open_stream(mapped).schema
        return _table(paths, schema, batches(), folder)
    except _ToldError as told:
        raise ValueError(str(told)) from None
    except Exception as error:  # damage may end anywhere in the reader
        raise _unsound(paths[0], "arrow", error) from None


def _table(paths: Sequence[Path], schema: Any, batches: Iterator[Any], home: Path) -> Columns:
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    stored, taken = sum(path.stat().st_size for path in paths), 0
    limit = min(usable_memory() // 2, RATIO * stored + OBJECTS)
    if len(columns) < len(schema.names):
        raise ValueError("a column is there twice")
    for batch in batches:
        batch.validate(full=True)
        for name, column in zip(schema.names, batch.columns, strict=True):
            try:
                taken += plain_bytes(column)
            except StrangeColumnError as kind:
                raise _ToldError(f"{paths[0]} has {name!r} of the type {kind}; leave out that column.") from None
        if taken > limit:
            raise ValueError(f"{stored} bytes unpack to more than {limit >> 20} MiB")
        for name, column in zip(schema.names, batch.columns, strict=True):
            columns[name] += plain(column)
    if not any(columns.values()):
        raise ValueError("it has no rows")
    return Columns(str(paths[0]), home, columns, _class_names(schema))


def _class_names(schema: Any) -> Mapping[str, tuple[str, ...]]:
    """What ``datasets`` wrote about the classes of a column; nothing where that cannot be understood."""
    try:
        said = plain_json.parsed((schema.metadata or {})[b"huggingface"])
        features = said["info"]["features"]
        found = {name: _names_in(about) for name, about in features.items()}
        return {
            name: tuple(names)
            for name, names in found.items()
            if isinstance(names, list) and names and all(isinstance(x, str) for x in names)
        }
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _names_in(about: Any) -> Any:
    """Of a ``ClassLabel``, or of a list of these, however ``datasets`` spelled one."""
    inner = about[0] if isinstance(about, list) and about else about
    inner = inner.get("feature", inner) if isinstance(inner, dict) else inner
    return inner.get("names") if isinstance(inner, dict) else None


def _refuse_rows(rows: int) -> None:
    if not 0 < rows <= ROWS:
        raise ValueError(f"it has {counted(rows, 'row')}, and at most {ROWS} are read" if rows else "it has no rows")


def _refuse_bomb(known: Unpacked, stored: int) -> None:
    if known.total > min(usable_memory() // 2, RATIO * stored + ROOM):
        raise ValueError(f"it unpacks to {known.total} bytes of {stored}")


def _json(path: Path) -> Mapping[str, Any]:
    try:
        found = plain_json.read(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {path}; save the data set anew.") from None
    except ValueError as error:
        raise ValueError(f"{path} is not sound JSON ({error}); save the data set anew.") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds {json.dumps(found)[:30]}, not what `datasets` writes; save the data set anew.")
    return found


def _unsound(path: Path, kind: str, error: Exception) -> ValueError:
    return ValueError(f"{path} is not a sound {kind} file ({one_line(error)}); put a sound copy there.")
