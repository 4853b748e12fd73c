"""CIFAR-10 and CIFAR-100: 50,000 training and 10,000 test photographs, 32 × 32 pixels in colour.

Krizhevsky, "Learning multiple layers of features from tiny images", 2009. They are read from parquet files, from the
official archive for Python (packed or not) or from folders of images, whichever is found. The archive's files are
pickles; they are read by a reader that knows numbers, texts and arrays and calls nothing.
"""

import pickle
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tutelage.data.fetch import bytes_match, fetch
from tutelage.data.find import VARIABLE, home, places
from tutelage.data.folder import image_folder, needed, stacked
from tutelage.data.labelled import Labelled, labelled

MEAN = (0.5071, 0.4867, 0.4408)
"""The mean of each channel of CIFAR-100's training images, of 1, to the digits that the published tables used."""
STD = (0.2675, 0.2565, 0.2761)
"""The standard deviation of each channel of CIFAR-100's training images, likewise (the fourth digit is off by 2)."""


@dataclass(frozen=True)
class Edition:
    """What one of the two sets is called, and how its official archive is laid out."""

    name: str
    classes: tuple[str, ...]
    column: str
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    labels: bytes
    url: str
    md5: str


_TEN = "airplane automobile bird cat deer dog frog horse ship truck"
_FINE = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""

CIFAR10 = Edition(
    name="cifar10",
    classes=tuple(_TEN.split()),
    column="label",
    folder="cifar-10-batches-py",
    train=("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"),
    test=("test_batch",),
    labels=b"labels",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    md5="c58f30108f718f92721af3b95e74349a",
)
CIFAR100 = Edition(
    name="cifar100",
    classes=tuple(_FINE.split()),
    column="fine_label",
    folder="cifar-100-python",
    train=("train",),
    test=("test",),
    labels=b"fine_labels",
    url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    md5="eb9058c3a382ffc7106e4002c42a8d85",
)


def cifar10(folder: Path | None = None, download: bool = True) -> tuple[Labelled, Labelled]:
    """``(train, test)`` of CIFAR-10, as ``cifar100`` finds them; the label column of a parquet file is ``label``."""
    return _load(CIFAR10, folder, download)


def cifar100(folder: Path | None = None, download: bool = True) -> tuple[Labelled, Labelled]:
    """``(train, test)`` of CIFAR-100, uint8 (N, 3, 32, 32) with the 100 fine classes, from the first place that has it.

    Looked at are ``folder``, or else the places of ``find.places``; in each of them ``train.parquet`` and
    ``test.parquet`` (columns ``img``, a struct with the encoded ``bytes``, and ``fine_label``), then the official
    archive ``cifar-100-python.tar.gz``, then its unpacked folder, then ``train/<class>/`` and ``test/<class>/`` with
    images. Files whose names could be any set's count in ``folder`` and in places called ``cifar100`` alone. If it is
    nowhere, the official archive is fetched. A sample's index is its place in these files, whose orders differ: so do
    the checksums.

    Raises ``FileNotFoundError`` if the set is neither found nor fetched, ``ValueError`` for a file that is damaged or
    another one (a corrupt image is named by its row), ``ImportError`` with the install line where the extra is missing.
    """
    return _load(CIFAR100, folder, download)


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
        raise ValueError(f"{path} is not a sound parquet file ({_line(error)}); put a sound copy there.") from None
    images = stacked(contents.field("bytes").to_pylist(), lambda row: f"Row {row} of {path}")
    return _set(name, images, targets, edition, path)


def from_batches(batches: Mapping[str, bytes], edition: Edition, name: str, where: Path) -> Labelled:
    """The samples of the archive's files, name -> content, one file after the other. Raises as ``cifar100`` does."""
    images, targets = [], []
    for file, content in batches.items():
        said = _unpickled(content, where / file)
        try:
            pixels, labels = said[b"data"].tensor(), said[edition.labels]
            images.append(pixels.view(len(labels), 3, 32, 32))
            targets.append(torch.tensor(labels, dtype=torch.int64))
        except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"{where / file} does not hold the data and {edition.labels.decode()} of {edition.name} "
                f"({type(error).__name__}: {_line(error)}). Is it another file under this name?"
            ) from None
    return _set(name, torch.cat(images), torch.cat(targets), edition, where)


class _Unlike(Exception):
    """The file can be read and is not what it should be."""


def _set(name: str, images: Tensor, targets: Tensor, edition: Edition, where: Path) -> Labelled:
    if images.shape[2:] != (32, 32):
        size = " x ".join(map(str, images.shape[:1:-1]))
        raise ValueError(f"{where} holds images of {size} pixels; those of {edition.name} have 32 x 32.")
    return labelled(name, images, targets, edition.classes)


def _load(edition: Edition, folder: Path | None, download: bool) -> tuple[Labelled, Labelled]:
    if folder is not None and not folder.is_dir():
        raise FileNotFoundError(
            f"There is no folder {folder}; name the one that holds {edition.name}, or leave it out."
        )
    searched = places(edition.name, folder)
    for place in searched:
        own = folder is not None or place.name == edition.name  # elsewhere a train.parquet may be of any other set
        for held in (_parquet, _archive, _unpacked, _bare, _folders) if own else (_archive, _unpacked):
            if (found := held(place, edition)) is not None:
                return found
    archive = edition.url.rpartition("/")[2]
    missing = (
        f"The data set {edition.name!r} needs train.parquet and test.parquet, {archive}, the folder {edition.folder} "
        f"or folders of images called train and test, but none of these has it: {'; '.join(map(str, searched))}. "
        f"Put it there, or name its folder with --data or {VARIABLE}."
    )
    if not download:
        raise FileNotFoundError(missing)
    place = home(edition.name, [archive], folder)
    try:
        fetch([edition.url], place / archive, check=bytes_match(edition.md5, "md5"))
    except OSError as error:
        raise FileNotFoundError(f"{missing} Fetching it failed too: {error}") from None
    both = _archive(place, edition)
    assert both is not None  # it was just put there
    return both


Both = tuple[Labelled, Labelled] | None


def _parquet(place: Path, edition: Edition) -> Both:
    train, test = place / "train.parquet", place / "test.parquet"
    if train.is_file() != test.is_file():
        raise FileNotFoundError(f"{place} has one of train.parquet and test.parquet; {edition.name} needs both.")
    if not train.is_file():
        return None
    return from_parquet(train, edition, f"{edition.name}/train"), from_parquet(test, edition, f"{edition.name}/test")


def _archive(place: Path, edition: Edition) -> Both:
    path = place / edition.url.rpartition("/")[2]
    if not path.is_file():
        return None
    try:
        with tarfile.open(path, "r:gz") as packed:
            return _both(edition, path, lambda file: _member(packed, f"{edition.folder}/{file}"))
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is not a sound archive ({_line(error)}); put a sound copy there.") from None


def _member(packed: tarfile.TarFile, name: str) -> bytes:
    """The content of one file of the archive; nothing is ever unpacked to the disk."""
    try:
        file = packed.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise EOFError(f"it has no file {name}")
    return file.read()


def _unpacked(place: Path, edition: Edition) -> Both:
    return _bare(place / edition.folder, edition)


def _bare(place: Path, edition: Edition) -> Both:
    files = (*edition.train, *edition.test)
    if not all((place / file).is_file() for file in files):
        return None
    contents = {file: (place / file).read_bytes() for file in files}
    return _both(edition, place, contents.__getitem__)


def _folders(place: Path, edition: Edition) -> Both:
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


def _both(edition: Edition, where: Path, content: Callable[[str], bytes]) -> tuple[Labelled, Labelled]:
    def part(name: str, files: Sequence[str]) -> Labelled:
        return from_batches({file: content(file) for file in files}, edition, f"{edition.name}/{name}", where)

    return part("train", edition.train), part("test", edition.test)


# ---- pickles, read without calling anything that they name


class _Array:
    """What a pickled array says about itself; numpy is not asked."""

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, by_columns, content = state
        if kind.name not in (b"u1", "u1") or by_columns or len(content) != prod(shape):
            raise ValueError("an array of another kind than bytes row by row")
        self.shape, self.content = shape, content

    def tensor(self) -> Tensor:
        return torch.frombuffer(bytearray(self.content), dtype=torch.uint8).view(self.shape)


class _Kind:
    """The type of an array's entries."""

    def __init__(self, name: object, *_: object) -> None:
        self.name = name

    def __setstate__(self, _: object) -> None:
        """Byte order and the like: bytes have none."""


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _encoded(text: str, _: str) -> bytes:
    return text.encode("latin1")


_KNOWN: Mapping[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Kind,
    ("_codecs", "encode"): _encoded,  # how Python 3 writes bytes where Python 2 is to read them
}
"""Names in a pickle -> our own stand-ins for them."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise _Unlike(f"asks for {module}.{name}, which no file of this set needs, so it is not read any further")
        return _KNOWN[module, name]


def _unpickled(content: bytes, path: Path) -> Any:
    try:
        return _Reader(BytesIO(content), encoding="bytes").load()
    except _Unlike as error:
        raise ValueError(f"{path} {error}. Where does it come from?") from None
    except Exception as error:  # a damaged pickle may fail anywhere in the reader
        raise ValueError(f"{path} is not a sound pickle ({_line(error)}); put a sound copy there.") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
