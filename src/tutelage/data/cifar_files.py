"""The forms in which CIFAR lies in a folder: parquet files, the official archive, packed or not, folders of images."""

import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from tutelage.data.cifar_editions import Edition
from tutelage.data.folder import decoded_images, image_folder, needed
from tutelage.data.labelled import Labelled, labelled
from tutelage.data.safe_pickle import one_line, unpickled

Sets: TypeAlias = tuple[Labelled, Labelled]
"""``(train, test)``."""


def sets_in(place: Path, edition: Edition, own: bool) -> Sets | None:
    """Both sets in the first form in which ``place`` has them, or ``None``; raises as ``cifar100`` does.

    Unless the place is the set's ``own``, the archive alone counts, packed or not: a train.parquet, a file or a folder
    called train, may be of any other set.
    """
    for form in (_parquet, _archive, _unpacked, _bare, _folders) if own else (_archive, _unpacked):
        if (sets := form(place, edition)) is not None:
            return sets
    return None


def from_parquet(path: Path, edition: Edition, name: str) -> Labelled:
    """The rows of a parquet file, in their order. Raises as ``cifar100`` does."""
    parquet = needed("pyarrow.parquet")
    needed("PIL.Image")  # before the file is read, not after
    wanted = ("img", edition.column)
    try:
        present = parquet.read_schema(path).names
        if missing := [column for column in wanted if column not in present]:
            raise _Unlike(f"has no column {', '.join(missing)}; it has {', '.join(present)}")
        table = parquet.read_table(path, columns=list(wanted))
        contents, labels = table["img"].combine_chunks(), table[edition.column]
        if "bytes" not in [contents.type.field(i).name for i in range(contents.type.num_fields)]:
            raise _Unlike("has no bytes in its column img, which must be a struct with the encoded image as bytes")
        if not len(labels):
            raise _Unlike("has no rows")
        if labels.null_count:
            raise _Unlike(f"has {labels.null_count} rows without a {edition.column}")
        targets = torch.tensor(labels.to_pylist(), dtype=torch.int64)
    except _Unlike as error:
        raise ValueError(f"{path} {error}. Is it another data set?") from None
    except (OSError, ValueError, TypeError) as error:  # pyarrow's own are among these
        raise ValueError(f"{path} is not a sound parquet file ({one_line(error)}); put a sound copy there.") from None
    images = decoded_images(contents.field("bytes").to_pylist(), lambda row: f"Row {row} of {path}")
    return _set(name, images, targets, edition, path)


def from_batches(batches: Mapping[str, bytes], edition: Edition, name: str, where: Path) -> Labelled:
    """The samples of the archive's files, name -> content, one file after the other. Raises as ``cifar100`` does."""
    images, targets = [], []
    for file, content in batches.items():
        batch = unpickled(content, where / file)
        try:
            pixels, labels = batch[b"data"].tensor(), batch[edition.labels]
            images.append(pixels.view(len(labels), 3, 32, 32))
            targets.append(torch.tensor(labels, dtype=torch.int64))
        except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"{where / file} does not hold the data and {edition.labels.decode()} of {edition.name} "
                f"({type(error).__name__}: {one_line(error)}). Is it another file under this name?"
            ) from None
    return _set(name, torch.cat(images), torch.cat(targets), edition, where)


def _parquet(place: Path, edition: Edition) -> Sets | None:
    train, test = place / "train.parquet", place / "test.parquet"
    if train.is_file() != test.is_file():
        raise FileNotFoundError(f"{place} has one of train.parquet and test.parquet; {edition.name} needs both.")
    if not train.is_file():
        return None
    return from_parquet(train, edition, f"{edition.name}/train"), from_parquet(test, edition, f"{edition.name}/test")


def _archive(place: Path, edition: Edition) -> Sets | None:
    path = place / edition.archive
    if not path.is_file():
        return None
    try:
        with tarfile.open(path, "r:gz") as packed:
            return _both(edition, path, lambda file: _member(packed, f"{edition.folder}/{file}"))
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is not a sound archive ({one_line(error)}); put a sound copy there.") from None


def _member(packed: tarfile.TarFile, name: str) -> bytes:
    """The content of one file of the archive; nothing is ever unpacked to the disk."""
    try:
        file = packed.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise EOFError(f"it has no file {name}")
    return file.read()


def _unpacked(place: Path, edition: Edition) -> Sets | None:
    return _bare(place / edition.folder, edition)


def _bare(place: Path, edition: Edition) -> Sets | None:
    files = (*edition.train, *edition.test)
    if not all((place / file).is_file() for file in files):
        return None
    contents = {file: (place / file).read_bytes() for file in files}
    return _both(edition, place, contents.__getitem__)


def _folders(place: Path, edition: Edition) -> Sets | None:
    if not ((place / "train").is_dir() and (place / "test").is_dir()):
        return None
    train, test = (image_folder(place / part, f"{edition.name}/{part}") for part in ("train", "test"))
    for part in (train, test):
        if part.classes != edition.classes:
            strange = sorted({*part.classes} ^ {*edition.classes})
            raise ValueError(
                f"The folders of {place / part.name.rpartition('/')[2]} must be called like the classes of "
                f"{edition.name}; they differ in {', '.join(strange[:5])}{', …' * (len(strange) > 5)}."
            )
        _set(part.name, part.inputs, part.targets, edition, place)
    return train, test


def _both(edition: Edition, where: Path, content: Callable[[str], bytes]) -> Sets:
    def part(name: str, files: Sequence[str]) -> Labelled:
        return from_batches({file: content(file) for file in files}, edition, f"{edition.name}/{name}", where)

    return part("train", edition.train), part("test", edition.test)


class _Unlike(Exception):
    """The file can be read and is not what it should be."""


def _set(name: str, images: Tensor, targets: Tensor, edition: Edition, where: Path) -> Labelled:
    if images.shape[2:] != (32, 32):
        size = " x ".join(map(str, images.shape[:1:-1]))
        raise ValueError(f"{where} holds images of {size} pixels; those of {edition.name} have 32 x 32.")
    return labelled(name, images, targets, edition.classes)
