"""The forms in which CIFAR lies in a folder: parquet files, the official archive, packed or not, folders of images."""

import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import IO, TypeAlias

import torch

from tutelage.data.cifar_editions import Edition, of_edition
from tutelage.data.cifar_parquet import from_parquet
from tutelage.data.contents import content_of, one_line, unzipped
from tutelage.data.folder import image_folder
from tutelage.data.labelled import Labelled
from tutelage.data.safe_pickle import unpickled

Sets: TypeAlias = tuple[Labelled, Labelled]
"""``(train, test)``."""
MEMBERS = 100
"""Files of an archive that are looked at; the official ones have eight and fewer."""


def sets_in(place: Path, edition: Edition, own: bool) -> Sets | None:
    """Both sets in the first form in which ``place`` has them, or ``None``; raises as ``cifar100`` does.

    Unless the place is the set's ``own``, the archive alone counts, packed or not: a train.parquet, a file or a folder
    called train, may be of any other set.
    """
    for form in (_parquet, _archive, _unpacked, _bare, _folders) if own else (_archive, _unpacked):
        if (sets := form(place, edition)) is not None:
            return sets
    return None


def from_batches(batches: Mapping[str, bytes], edition: Edition, name: str, where: Path) -> Labelled:
    """The samples of the archive's files, name -> content, one file after the other. Raises as ``cifar100`` does."""
    images, targets = [], []
    for file, content in batches.items():
        batch = unpickled(content, where / file)
        try:
            pixels, labels = batch[b"data"].tensor(), batch[edition.labels]
            if strange := [x for x in labels if type(x) is not int]:
                raise ValueError(f"{strange[0]!r} is among the labels")
            images.append(pixels.view(len(labels), 3, 32, 32))
            targets.append(torch.tensor(labels, dtype=torch.int64))
        except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"{where / file} does not hold the data and {edition.labels.decode()} of {edition.name} "
                f"({type(error).__name__}: {one_line(error)}). Is it another file under this name?"
            ) from None
    return of_edition(name, torch.cat(images), torch.cat(targets), edition, where)


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
    wanted = {f"{edition.folder}/{file}": file for file in (*edition.train, *edition.test)}
    contents = dict(_members(path, wanted))
    if missing := [name for name, file in wanted.items() if file not in contents]:
        raise ValueError(f"{path} is not a sound archive (it has no file {missing[0]}); put a sound copy there.")
    return _both(edition, path, contents.__getitem__)


def _members(path: Path, wanted: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """The contents of those files of the archive; nothing is ever unpacked to the disk."""
    packed = BytesIO(unzipped(path))  # to its end, where its checksum stands
    try:
        with tarfile.open(fileobj=packed, mode="r:") as archive:
            for member in islice(archive, MEMBERS):
                if member.name in wanted and (file := _plain_file(archive, member)) is not None:
                    yield wanted[member.name], file.read()
    except Exception as error:  # damage may end anywhere in the reader
        raise ValueError(f"{path} is not a sound archive ({one_line(error)}); put a sound copy there.") from None


def _plain_file(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes] | None:
    """No link, and no sparse file, which is as large as it says."""
    return archive.extractfile(member) if member.isreg() and not member.issparse() else None


def _unpacked(place: Path, edition: Edition) -> Sets | None:
    return _bare(place / edition.folder, edition)


def _bare(place: Path, edition: Edition) -> Sets | None:
    files = (*edition.train, *edition.test)
    if not all((place / file).is_file() for file in files):
        return None
    contents = {file: content_of(place / file) for file in files}
    return _both(edition, place, contents.__getitem__)


def _folders(place: Path, edition: Edition) -> Sets | None:
    if not ((place / "train").is_dir() and (place / "test").is_dir()):
        return None
    train, test = (image_folder(place / part, f"{edition.name}/{part}") for part in ("train", "test"))
    for part in (train, test):
        if part.classes != edition.classes:
            strange = sorted({*part.classes} ^ {*edition.classes})
            raise ValueError(
                f"{place / part.name.rpartition('/')[2]} has folders that are not called like the classes of "
                f"{edition.name}; they differ in {', '.join(strange[:5])}{', …' * (len(strange) > 5)}."
            )
        of_edition(part.name, part.inputs, part.targets, edition, place)
    return train, test


def _both(edition: Edition, where: Path, content: Callable[[str], bytes]) -> Sets:
    def part(name: str, files: Sequence[str]) -> Labelled:
        return from_batches({file: content(file) for file in files}, edition, f"{edition.name}/{name}", where)

    return part("train", edition.train), part("test", edition.test)
