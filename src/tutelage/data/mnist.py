"""MNIST: 60,000 training and 10,000 test images of handwritten digits, 28 × 28 grey pixels.

LeCun, Cortes & Burges, "The MNIST database of handwritten digits", 1998.
"""

from pathlib import Path

from torch import Tensor

from tutelage.data.digests import Check, contents_match
from tutelage.data.fetch import fetch
from tutelage.data.find import download_folder, find_data, held
from tutelage.data.idx import read_idx
from tutelage.data.labelled import Labelled, labelled

CHECKSUMS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""sha-256 of the four files *unzipped*: their gzip bytes differ between mirrors."""
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
CLASSES = tuple("0123456789")


def mnist(folder: Path | str | None = None, download: bool = True) -> tuple[Labelled, Labelled]:
    """``(train, test)`` from where ``find_data`` finds the four files; verified; fetched if they are nowhere.

    An explicit ``folder`` must exist. Raises ``FileNotFoundError`` if the files are nowhere and cannot be fetched,
    and ``ValueError`` for a file that is truncated, damaged or another one.
    """
    paths = _paths(None if folder is None else Path(folder), download)
    images, labels, test_images, test_labels = (
        read_idx(path, 3 if "images" in file else 1, checksum)
        for path, (file, checksum) in zip(paths, CHECKSUMS.items(), strict=True)
    )
    return _set("mnist/train", images, labels), _set("mnist/test", test_images, test_labels)


def _set(name: str, images: Tensor, labels: Tensor) -> Labelled:
    return labelled(name, images[:, None], labels.long(), CLASSES)


def _paths(folder: Path | None, download: bool) -> list[Path]:
    if folder is not None and not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}; name the one that holds mnist, or leave it out.")
    try:
        return find_data("mnist", list(CHECKSUMS), folder)
    except FileNotFoundError as error:
        if not download:
            raise
        missing = error
    place = download_folder("mnist", list(CHECKSUMS), folder)
    try:
        return [_fetched(place, file, contents_match(checksum)) for file, checksum in CHECKSUMS.items()]
    except OSError as error:
        raise FileNotFoundError(f"{missing} Fetching it failed too: {error}") from None


def _fetched(place: Path, file: str, check: Check) -> Path:
    return held(place, file) or fetch([f"{mirror}{file}.gz" for mirror in MIRRORS], place / f"{file}.gz", check=check)
