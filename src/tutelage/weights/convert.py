"""The line of Python that makes a file of weights of a pickle, for whoever trusts it; the pickle is not opened here."""

import pickletools
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the number, pickled, that torch.save began its files with before 1.6
_TRUST = "  # only if you trust the file"
_WEIGHTS = (
    "c = {k: v.state_dict() if hasattr(v, 'state_dict') else torch.as_tensor(v) if type(v).__name__ == 'ndarray' else v"
    " for k, v in c.items()}; c = {k: v for k, v in c.items() if torch.is_tensor(v) or isinstance(v, dict) and "
    "all(map(torch.is_tensor, v.values()))}"
)


def conversion(path: Path) -> str:
    """For a pickled module its ``state_dict()``; of a pickled mapping the tensors, and the mappings of tensors."""
    torchs = _is_archive(path) or LEGACY in _start(path)
    modules = "torch" if torchs else "pathlib, pickle, torch"
    source = (
        f"torch.load({str(path)!r}, map_location='cpu', weights_only=False)"
        if torchs
        else f"pickle.loads(pathlib.Path({str(path)!r}).read_bytes())"
    )
    if _is_mapping(path):
        return f"import {modules}; c = {source}; {_WEIGHTS}; torch.save(c, {_target(path)!r}){_TRUST}"
    return f"import {modules}; torch.save({source}.state_dict(), {_target(path)!r}){_TRUST}"


def script_conversion(path: Path) -> str:
    """The same for a TorchScript archive."""
    source = f"torch.jit.load({str(path)!r}, map_location='cpu')"
    return f"import torch; torch.save({source}.state_dict(), {_target(path)!r}){_TRUST}"


def _target(path: Path) -> str:
    return str(path.with_name(f"{path.stem}_weights.pth"))


def _is_mapping(path: Path) -> bool:
    """Whether the outermost object is a dict, by the first operations of its pickle."""
    try:
        operations = [x for x in islice(_operations(path), 12) if x[0] not in {"PROTO", "FRAME", "MARK"}]
    except Exception:  # of a file that is damaged, too
        return False
    name, value = operations[0] if operations else ("", None)
    return name in {"EMPTY_DICT", "DICT"} or str(value).startswith("collections")


def _operations(path: Path) -> Iterator[tuple[str, Any]]:
    if _is_archive(path):
        with zipfile.ZipFile(path) as archive:
            name = next(x for x in archive.namelist() if x.partition("/")[2] == "data.pkl")
            with archive.open(name) as file:
                yield from _disassembled(file)
        return
    with path.open("rb") as file:
        for _ in range(3 if LEGACY in _start(path) else 0):  # torch's number, its version and the machine come first
            list(_disassembled(file))
        yield from _disassembled(file)


def _disassembled(file: IO[bytes]) -> Iterator[tuple[str, Any]]:
    return ((operation.name, value) for operation, value, _ in pickletools.genops(file))


def _is_archive(path: Path) -> bool:
    return _start(path).startswith(b"PK")


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)
