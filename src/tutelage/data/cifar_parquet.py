"""CIFAR in a parquet file: encoded images and their labels, with limits on what a small file may unpack to."""

from collections.abc import Iterator
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
_TOGETHER = 100  # rows that are unpacked at once: each may be a copy of one large image


def from_parquet(path: Path, edition: Edition, name: str) -> Labelled:
    """The rows of a parquet file, in their order. Raises as ``cifar100`` does."""
    needed("PIL.Image")  # before the file is read, not after
    images: list[Tensor] = []
    targets: list[Tensor] = []
    for batch in _batches(path, edition):
        first = len(images) * _TOGETHER
        encoded = batch.column("img").field("bytes").to_pylist()
        images.append(decoded_images(encoded, lambda row, first=first: f"Row {first + row} of {path}"))  # type: ignore[misc]
        targets.append(torch.tensor(batch.column(edition.column).cast("int64").to_pylist(), dtype=torch.int64))
        of_edition(name, images[-1], targets[-1], edition, path)
    return of_edition(name, torch.cat(images), torch.cat(targets), edition, path)


class _Unlike(Exception):
    """The file can be read and is not what it should be."""


def _batches(path: Path, edition: Edition) -> Iterator[Any]:
    """The rows, a few at a time. Raises as ``cifar100`` does."""
    parquet = needed("pyarrow.parquet")
    try:
        _refuse_unlike(parquet.read_schema(path), edition)
        with parquet.ParquetFile(path) as file:
            _refuse_bomb(file.metadata)
            rows = 0
            for batch in file.iter_batches(_TOGETHER, columns=["img", edition.column]):
                _refuse_rows(batch, edition)
                rows += len(batch)
                yield batch
            if rows != file.metadata.num_rows:
                raise _Unlike(f"says that it has {file.metadata.num_rows} rows, and has {rows}")
    except _Unlike as error:
        raise ValueError(f"{path} {error}. Is it another data set?") from None
    except Exception as error:  # damage may end anywhere in the reader
        raise ValueError(f"{path} is not a sound parquet file ({one_line(error)}); put a sound copy there.") from None


def _refuse_unlike(schema: Any, edition: Edition) -> None:
    if missing := [column for column in ("img", edition.column) if column not in schema.names]:
        raise _Unlike(f"has no column {', '.join(missing)}; it has {', '.join(schema.names)}")
    kind, labels = schema.field("img").type, schema.field(edition.column).type
    if "bytes" not in [kind.field(i).name for i in range(kind.num_fields)]:
        raise _Unlike("has no bytes in its column img, which must be a struct with the encoded image as bytes")
    if not needed("pyarrow").types.is_integer(labels):
        raise _Unlike(f"has {labels} in its column {edition.column}, where classes are whole numbers from 0 on")


def _refuse_bomb(metadata: Any) -> None:
    """By what the file says of itself. Its columns are not asked: where they are damaged, pyarrow ends the process."""
    rows = metadata.num_rows
    if not 0 < rows <= ROWS:
        raise _Unlike(f"has {rows} rows, and at most {ROWS} are read" if rows else "has no rows")
    size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    if size > rows * HEAVIEST + 2**20:
        raise _Unlike(f"unpacks to {size} bytes, which {rows} images of 32 x 32 pixels do not take")


def _refuse_rows(batch: Any, edition: Edition) -> None:
    if batch.nbytes > len(batch) * HEAVIEST + 2**20:
        raise _Unlike(f"unpacks to {batch.nbytes} bytes where {len(batch)} images of 32 x 32 pixels are")
    if missing := batch.column(edition.column).null_count:
        raise _Unlike(f"has {missing} rows without a {edition.column}")
    batch.column(edition.column).cast("int64")  # which fails for numbers that are larger
