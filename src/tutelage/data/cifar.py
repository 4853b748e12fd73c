"""CIFAR-10 and CIFAR-100: 50,000 training and 10,000 test photographs, 32 × 32 pixels in colour.

Krizhevsky, "Learning multiple layers of features from tiny images", 2009. They are read from parquet files, from the
official archive for Python (packed or not) or from folders of images, whichever is there. The archive's files are
pickles; they are read by a reader that knows numbers, texts and arrays and calls nothing (``safe_pickle``).
"""

from pathlib import Path

from tutelage.data.cifar_editions import CIFAR10, CIFAR100, Edition
from tutelage.data.cifar_files import Sets, sets_in
from tutelage.data.digests import bytes_match
from tutelage.data.fetch import fetch
from tutelage.data.find import VARIABLE, data_folders, download_folder
from tutelage.data.labelled import Labelled

MEAN = (0.5071, 0.4867, 0.4408)
"""The mean of each channel of CIFAR-100's training images, of 1, to the digits that the published tables used."""
STD = (0.2675, 0.2565, 0.2761)
"""The standard deviation of each channel of CIFAR-100's training images, likewise (the fourth digit is off by 2)."""


def cifar10(folder: Path | str | None = None, download: bool = True) -> tuple[Labelled, Labelled]:
    """``(train, test)`` of CIFAR-10, as ``cifar100`` finds them; the label column of a parquet file is ``label``."""
    return _load(CIFAR10, folder, download)


def cifar100(folder: Path | str | None = None, download: bool = True) -> tuple[Labelled, Labelled]:
    """``(train, test)`` of CIFAR-100, uint8 (N, 3, 32, 32) with the 100 fine classes, from the first place that has it.

    Looked at are ``folder``, or else the places of ``find.data_folders``; in each of them ``train.parquet`` and
    ``test.parquet`` (columns ``img``, a struct with the encoded ``bytes``, and ``fine_label``), then the official
    archive ``cifar-100-python.tar.gz``, then its unpacked folder, then ``train/<class>/`` and ``test/<class>/`` with
    images. Files whose names could be any set's count in ``folder`` and in places called ``cifar100`` alone. If it is
    nowhere, the official archive is fetched. A sample's index is its place in these files, whose orders differ: so do
    the checksums.

    Raises ``FileNotFoundError`` if the set is nowhere and cannot be fetched, ``ValueError`` for a file that is damaged
    or another one (a corrupt image is named by its row), and ``ImportError`` with the install line where the extra is
    missing.
    """
    return _load(CIFAR100, folder, download)


def _load(edition: Edition, folder: Path | str | None, download: bool) -> Sets:
    folder = None if folder is None else Path(folder)
    if folder is not None and not folder.is_dir():
        raise FileNotFoundError(
            f"There is no folder {folder}; name the one that holds {edition.name}, or leave it out."
        )
    searched = data_folders(edition.name, folder)
    for place in searched:
        own = folder is not None or place.name == edition.name
        if (sets := sets_in(place, edition, own)) is not None:
            return sets
    missing = (
        f"The data set {edition.name!r} needs train.parquet and test.parquet, {edition.archive}, the folder "
        f"{edition.folder} or folders of images called train and test, but none of these has it: "
        f"{'; '.join(map(str, searched))}. Put it there, or name its folder with --data or {VARIABLE}."
    )
    if not download:
        raise FileNotFoundError(missing)
    place = download_folder(edition.name, [edition.archive], folder)
    try:
        fetch([edition.url], place / edition.archive, check=bytes_match(edition.md5, "md5"))
    except OSError as error:
        raise FileNotFoundError(f"{missing} Fetching it failed too: {error}") from None
    sets = sets_in(place, edition, own=False)
    assert sets is not None  # the archive was just put there
    return sets
