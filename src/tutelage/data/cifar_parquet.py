"""CIFAR in a parquet file: encoded images and their labels, with limits on what a small file may unpack to."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tutelage.data.cifar_editions import Edition, of_edition
from tutelage.data.contents import one_line
from tutelage.data.labelled import Labelled
from tutelage.data.pictures import decoded_images, needed

ROWS = 1_000_000
HEAVIEST = 2**14
"""Bytes that an encoded image takes on average at most; 32 x 32 pixels have 3,072."""


def from_parquet(path: Path, edition: Edition, name: str) -> Labelled:
    """The rows of a parquet file, in their order. Raises as ``cifar100`` does."""
    parquet = needed("pyarrow.parquet")
    needed("PIL.Image")  # before the file is read, not after
    try:
        _refuse_unlike(parquet.read_schema(path), edition)
        with parquet.ParquetFile(path, read_dictionary=["img.bytes"]) as file:  # an image in many rows is kept once
            _refuse_bomb(file.metadata, edition)
            table = file.read(["img", edition.column])
        images = _Encoded(table["img"].combine_chunks().field("bytes"))
        targets = _targets(table[edition.column], edition.column)
    except _Unlike as error:
        raise ValueError(f"{path} {error}. Is it another data set?") from None
    except Exception as error:  # damage may end anywhere in the reader
        raise ValueError(f"{path} is not a sound parquet file ({one_line(error)}); put a sound copy there.") from None
    return of_edition(name, decoded_images(images, lambda row: f"Row {row} of {path}"), targets, edition, path)


class _Unlike(Exception):
    """The file can be read and is not what it should be."""


class _Encoded(Sequence[bytes | None]):
    """The images of a column, one after the other: all of them may be one, of which each row is a copy."""

    def __init__(self, column: Any) -> None:
        self.column = column

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, row: Any) -> Any:
        return self.column[row].as_py()

    def __iter__(self) -> Iterator[bytes | None]:
        return (image.as_py() for image in self.column)


def _refuse_unlike(schema: Any, edition: Edition) -> None:
    present = schema.names
    if missing := [column for column in ("img", edition.column) if column not in present]:
        raise _Unlike(f"has no column {', '.join(missing)}; it has {', '.join(present)}")
    kind = schema.field("img").type
    if "bytes" not in [kind.field(i).name for i in range(kind.num_fields)]:
        raise _Unlike("has no bytes in its column img, which must be a struct with the encoded image as bytes")


def _refuse_bomb(metadata: Any, edition: Edition) -> None:
    """By what the file says of itself, before anything of it is unpacked."""
    rows = metadata.num_rows
    if not 0 < rows <= ROWS:
        raise _Unlike(f"has {rows} rows, and at most {ROWS} are read" if rows else "has no rows")
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    chunks = [x for x in (group.column(i) for group in groups for i in range(group.num_columns))
              if x.path_in_schema in ("img.bytes", edition.column)]  # fmt: skip
    if (size := sum(chunk.total_uncompressed_size for chunk in chunks)) > rows * HEAVIEST + 2**20:
        raise _Unlike(f"unpacks to {size} bytes, which {rows} images of 32 x 32 pixels do not take")
    if any("DELTA_BYTE_ARRAY" in chunk.encodings for chunk in chunks):
        raise _Unlike("stores each image as what differs from the one before, which may unpack to any size")


def _targets(labels: Any, column: str) -> Tensor:
    if labels.null_count:
        raise _Unlike(f"has {labels.null_count} rows without a {column}")
    if not needed("pyarrow").types.is_integer(labels.type):
        raise _Unlike(f"has {labels.type} in its column {column}, where classes are whole numbers from 0 on")
    return torch.tensor(labels.cast("int64").to_pylist(), dtype=torch.int64)
