"""What a file of weights holds, whatever its name ends in, without ever running what it says."""

import pickle
import re
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from tutelage.tensors import read_tensors
from tutelage.weights.convert import LEGACY, conversion, script_conversion
from tutelage.weights.in_parts import is_index, parts_of
from tutelage.weights.pickled import refuse_bomb

PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"7z\xbc\xaf": "7-Zip"}
LARGEST_HEADER = 100_000_000  # that safetensors allows


def read(path: Path) -> Any:
    """The content of a safetensors file, or of one by ``torch.save``, on the CPU: tensors in mappings, as they are.

    The first bytes decide, not the name. Pickles go through ``torch.load(weights_only=True)`` alone, which runs no
    code. An index of several files (``.index.json``) stands for all that they hold. Raises ``FileNotFoundError``, and
    ``ValueError`` for a folder, a file that is damaged or of another kind, and for a pickle of more than weights, with
    the line of Python that makes a file of weights of it.
    """
    refuse_folder(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    if is_index(path):
        return _joined(parts_of(path))
    with path.open("rb") as file:
        start = file.read(512)
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < LARGEST_HEADER:
        return _tensors(path)
    if start.startswith(b"PK\x03\x04"):
        _check_archive(path)
    elif not start.startswith(b"\x80"):
        raise ValueError(f"{path} {_other_kind(start)}.")
    elif LEGACY not in start:
        raise ValueError(
            f"{path} is a pickle that torch.save did not write, and may hold code: it was not opened; convert it with\n"
            f"{conversion(path)}"
        )
    else:
        _check_pickles(path)
    return _load(path)


def _joined(parts: Sequence[Path]) -> Any:
    found: dict[str, Any] = {}
    for part in parts:
        held = read(part)
        if not isinstance(held, dict):
            raise ValueError(f"{part} is no mapping of names to tensors, as a part of several files is; save it anew.")
        found |= held
    return found


def refuse_folder(path: Path) -> None:
    """Raises ``ValueError`` for a folder in the place of a file."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name the file of weights in it, or the index (.json) of several.")


def _tensors(path: Path) -> Any:
    try:
        return read_tensors(path)[0]
    except ValueError as error:  # its advice is for files of a run, which can be made again
        cause = error.__context__ if isinstance(error.__context__, Exception) else error
        raise ValueError(f"{path} is damaged or cut short ({_first_line(cause)}); fetch or save it anew.") from None


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as file, warnings.catch_warnings():  # a path of another ending torch would read otherwise
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True, mmap=False)
    except pickle.UnpicklingError as error:
        name = re.search(r"GLOBAL (\S+)", str(error))
        content = f"more than weights, {name[1]} for one" if name else "more than weights, or of a newer protocol"
        raise ValueError(
            f"{path} is a pickle of {content}, which may be code: it was not opened; convert it with\n"
            f"{conversion(path)}"
        ) from None
    except Exception as error:  # what is damaged, or made to do harm, ends in any of them
        raise ValueError(f"{path} is damaged or cut short ({_first_line(error)}); fetch or save it anew.") from None


def _check_pickles(path: Path) -> None:
    """Of the format before 1.6: a number, its version, the machine, the content, and which values follow."""
    try:
        with path.open("rb") as file:
            refuse_bomb(file, pickles=5)
    except Exception as error:
        raise ValueError(f"{path} is damaged or cut short ({_first_line(error)}); fetch or save it anew.") from None


def _check_archive(path: Path) -> None:
    """``torch.load`` compares no checksums, and its words for an archive of other things help nobody."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            files = {file.filename.partition("/")[2] or file.filename: file for file in members}
            plain = all(file.compress_type == zipfile.ZIP_STORED for file in members)
            twice = len(files) < len(members) or sum(x.file_size for x in members) > path.stat().st_size
            summed = any(file.CRC for file in members)  # torch.save may be told to leave them at 0
            broken = archive.testzip() if plain and summed and not twice else None
            emptied = [x for x, file in files.items() if file.external_attr & 0x10 and file.file_size]  # as folders
            if plain and not twice and not broken and "data.pkl" in files:
                files["data.pkl"].CRC = None  # type: ignore[assignment]  # either compared above, or not computed
                refuse_bomb(archive.open(files["data.pkl"]))
    except Exception as error:  # a damaged directory can end in any
        raise ValueError(f"{path} is damaged or cut short ({_first_line(error)}); fetch or save it anew.") from None
    if plain and twice:
        raise ValueError(f"{path} is damaged (parts of it are in it more than once); fetch or save it anew.")
    if broken or emptied:  # torch takes the size of a folder, and whatever is in memory there
        name = broken or emptied[0]
        raise ValueError(f"{path} is damaged ({name} in it is not what was saved); fetch or save it anew.")
    if any(name.endswith(".npy") for name in files):
        raise ValueError(f"{path} holds arrays of NumPy; save them by name with safetensors.numpy.save_file.")
    if "constants.pkl" in files:
        raise ValueError(
            f"{path} is a TorchScript archive, which holds code: it was not opened; convert it with\n"
            f"{script_conversion(path)}"
        )
    if "data.pkl" not in files or not plain:
        raise ValueError(f"{path} is a zip archive that torch.save did not write; unpack it and name the file inside.")


def _other_kind(start: bytes) -> str:
    if not start:
        return "is empty; fetch or save it anew"
    for magic, program in PACKED.items():
        if start.startswith(magic):
            return f"is packed with {program}; unpack it first"
    if start[257:262] == b"ustar":
        return "is a tar archive; unpack it and name the file inside"
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "is a web page, not weights: the download led elsewhere; fetch it anew"
    if start.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not weights; fetch the file itself with `git lfs pull`"
    if min(start) >= 7:  # no control characters
        return "is a text file, not weights"
    return "is damaged, or nothing that torch.save or safetensors wrote"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
