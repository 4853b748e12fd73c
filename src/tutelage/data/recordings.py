"""Recordings of spoken digits: FSDD, 3,000 of six speakers, and any zip archive of WAV files that are named like it.

Jackson et al., "Free Spoken Digit Dataset", https://github.com/Jakobovski/free-spoken-digit-dataset, licence
CC BY-SA 4.0.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar
from zipfile import ZipFile, ZipInfo

from torch import Tensor

from tutelage.data.contents import AGAIN, LARGEST, one_line, unzipped
from tutelage.data.fetch import fetch
from tutelage.data.find import download_folder, find_data, held
from tutelage.data.waves import read_wave

ARCHIVE = "recordings.zip"
COMMIT = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"
URL = f"https://github.com/Jakobovski/free-spoken-digit-dataset/archive/{COMMIT}.zip"
CHECKSUM = "89d0a49c5ea747e866b98fa25fe45867befdea538c4581496d2a0fa9b03c876b"
"""sha-256 of names and contents, in the order of the names: the same in every archive of the recordings."""
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MEMBERS = 20_000
"""Files of an archive that are looked at."""
HEAVIEST = 2**20
"""Bytes of a recording as it is unpacked: a minute has 960 thousand."""
NAME = re.compile(r"([0-9])_([a-z]{1,40})_([0-9]{1,6})\.wav")

T = TypeVar("T")


class Recording(NamedTuple):
    """One word, said once: which of the ten digits, by whom, the number of this take, and its samples (int16)."""

    word: int
    speaker: str
    take: int
    samples: Tensor


def fsdd(folder: Path | str | None = None, download: bool = True) -> list[Recording]:
    """The 3,000 recordings, in the order of word, speaker and take, from where ``find_data`` finds ``recordings.zip``.

    The archive is read where it lies; nothing is unpacked. Whatever other files it holds are passed over: a copy of
    the whole repository under that name does as well. Verified; fetched if it is nowhere.

    Raises ``FileNotFoundError`` if it is nowhere and cannot be fetched, and ``ValueError`` for an archive that is
    damaged or another one.
    """
    path = _path(None if folder is None else Path(folder), download)
    contents = contents_of(path)
    refuse_other(contents, path)
    return recordings_of(contents, path)


def contents_of(path: Path) -> dict[str, bytes]:
    """The WAV files of an archive by their names, without folders, in the order of word, speaker and take.

    Raises ``FileNotFoundError`` for no file; ``ValueError`` for an archive that is damaged, encrypted or too large,
    for a file that is called other than ``{digit}_{speaker}_{take}.wav`` (``.WAV`` is), for a take that is there
    twice, and for none.
    """
    packed = BytesIO(unzipped(path))
    with _sound(path, partial(ZipFile, packed)) as archive:
        members = _members(archive.infolist(), path)
        for other in archive.infolist():  # a name stands twice: where both are one, no recording was renamed by damage
            _sound(path, partial(archive.open, other)).close()
        return {name: _unpacked(archive, member, path) for name, member in members}


def recordings_of(contents: dict[str, bytes], path: Path) -> list[Recording]:
    """What the WAV files say, which lie in ``path``. Raises ``ValueError`` as ``read_wave`` does."""
    return [
        Recording(word, speaker, take, read_wave(content, f"{path}/{name}"))
        for name, content in contents.items()
        for word, speaker, take in [parted(name)]
    ]


def parted(name: str) -> tuple[int, str, int]:
    """Word, speaker and take, as the name of a file says: ``7_jackson_32.wav`` is number 32 of jackson's sevens."""
    found = NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is not called as recordings are, digit_speaker_take.wav, such as 7_jackson_32.wav.")
    word, speaker, take = found.groups()
    return int(word), speaker, int(take)


def checksum_of(contents: dict[str, bytes]) -> str:
    """The sha-256 over the names and contents, in the order that they are in."""
    digest = sha256()
    for name, content in contents.items():
        digest.update(f"{name} {sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def refuse_other(contents: dict[str, bytes], path: Path) -> None:
    """Raise ``ValueError`` if these are not the recordings as they were published."""
    if (digest := checksum_of(contents)) != CHECKSUM:
        raise ValueError(
            f"{path} does not hold the recordings as they were published at the commit {COMMIT[:12]}: its "
            f"{len(contents)} WAV files have the sha-256 {digest}, expected {CHECKSUM}. {AGAIN}"
        )


def _members(files: Sequence[ZipInfo], path: Path) -> list[tuple[str, ZipInfo]]:
    if len(files) > MEMBERS:
        raise ValueError(f"{path} holds {len(files)} files, and at most {MEMBERS} are looked at; leave the others out.")
    waves = [(PurePosixPath(file.filename).name, file) for file in files if file.filename.lower().endswith(".wav")]
    waves = [(name, file) for name, file in waves if not name.startswith(".")]
    if not waves:
        raise ValueError(f"{path} holds no WAV file. Is it another file under this name?")
    _refuse_twice([name for name, _ in waves], path)
    _refuse_large([file for _, file in waves], path)
    return sorted(waves, key=lambda pair: parted(pair[0]))


def _refuse_twice(names: Iterable[str], path: Path) -> None:
    taken: dict[tuple[int, str, int], str] = {}
    for name in names:
        try:
            said = parted(name)
        except ValueError as error:
            raise ValueError(f"{path} holds a file that cannot be told: {error}") from None
        if (other := taken.get(said)) is not None:
            also = "" if other == name else f", also as {other}"
            raise ValueError(f"{path} holds {name} more than once{also}; leave one of them out.")
        taken[said] = name


def _refuse_large(files: Iterable[ZipInfo], path: Path) -> None:
    total = 0
    for file in files:
        total += file.file_size
        if file.file_size > HEAVIEST:
            raise ValueError(
                f"{path} holds {PurePosixPath(file.filename).name} of {file.file_size} bytes, and at most {HEAVIEST} "
                "are read; cut the recording, or leave it out."
            )
    if total > LARGEST:
        raise ValueError(f"{path} unpacks to {total} bytes, and at most {LARGEST} are read; take fewer recordings.")


def _unpacked(archive: ZipFile, member: ZipInfo, path: Path) -> bytes:
    with _sound(path, partial(archive.open, member)) as file:
        content = _sound(path, partial(file.read, HEAVIEST + 1))  # whatever its entry says
    if len(content) != member.file_size:
        raise ValueError(
            f"{path} says that {PurePosixPath(member.filename).name} has {member.file_size} bytes, and {len(content)} "
            f"are there. {AGAIN}"
        )
    return content


def _sound(path: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except Exception as error:  # damage may end anywhere in a decoder
        words = one_line(error).rstrip(".")
        raise ValueError(f"{path} is not a sound zip archive ({words}). {AGAIN}") from None


def _path(folder: Path | None, download: bool) -> Path:
    if folder is not None and not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}; name the one that holds fsdd, or leave it out.")
    try:
        return find_data("fsdd", [ARCHIVE], folder)[0]
    except FileNotFoundError as error:
        if not download:
            raise
        missing = error
    place = download_folder("fsdd", [ARCHIVE], folder)
    try:
        return held(place, ARCHIVE) or fetch([URL], place / ARCHIVE, check=_check_other)
    except OSError as error:
        raise FileNotFoundError(f"{missing} Fetching it failed too: {error}") from None


def _check_other(path: Path) -> None:
    refuse_other(contents_of(path), path)
