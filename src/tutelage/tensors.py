"""What a safetensors file of ours holds: tensors by name, what else it has to say, and a checksum over all of it."""

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tutelage.files import is_file
from tutelage.plain_json import parsed

ENTRY = "tutelage"
"""The one entry of a file's metadata: several would be written in another order each time."""
SUMMED = re.compile(r'\{"sha256": "([0-9a-f]{64})", (.*)', re.DOTALL)
RESTORE = "restore it from a copy, or save it anew"
"""What helps where nobody knows better."""
LONGEST_HEADER = 2**26  # bytes; a zip archive's first four, read as a length, say more


def on_the_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """On the CPU, each in memory of its own: safetensors refuses views of one memory."""
    apart: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, x in tensors.items():
        whole = x.detach().cpu().contiguous()
        place = whole.untyped_storage().data_ptr()
        apart[name] = whole.clone() if place in seen else whole
        seen.add(place)
    return apart


def entry(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """``(metadata, checksum)`` for a file of ``tensors``, all ``on_the_cpu``, that also says what ``about`` does."""
    rest = json.dumps(about)[1:]
    digest = checksum(tensors, rest)
    return {ENTRY: f'{{"sha256": "{digest}", {rest}'}, digest


def checksum(tensors: Mapping[str, Tensor], rest: str) -> str:
    """The SHA-256 over ``rest`` and over names, types, shapes and bytes of ``tensors`` by name: 64 hexadecimal digits.

    What is hashed is ``json.dumps([[[name, type, shape], …], rest])`` and then all bytes, as in the file.
    """
    ordered = sorted(tensors.items())
    head = [[name, str(x.dtype).removeprefix("torch."), list(x.shape)] for name, x in ordered]
    digest = sha256(json.dumps([head, rest]).encode())
    for _, x in ordered:
        digest.update(x.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_tensors(path: Path | str, cure: str = RESTORE, expected: str = "") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a safetensors file by name, tied ones under all their names, and what else it says.

    A file of ours says its ``sha256``, which was compared with its content; one from elsewhere, or of an earlier
    version, says none and was not verified. ``expected`` is the checksum of the very file that belongs here.

    Raises ``FileNotFoundError``, and ``ValueError`` for anything else than such a file, both with a ``cure``; a pickle
    is never opened.
    """
    path = Path(path)
    if not is_file(path, cure):
        raise FileNotFoundError(f"There is no file {path}: {cure}.")
    try:
        tensors, about = _read(path)
        tied = about.get("tied", {})
        if tied.keys() & tensors.keys():
            raise ValueError("it holds a tensor twice")
        tensors |= {name: tensors[own] for name, own in tied.items()}
    except (SafetensorError, ValueError, RuntimeError, KeyError, AttributeError, TypeError) as error:
        with path.open("rb") as file:
            start = file.read(8)
        if is_pickle(start):
            raise ValueError(f"{path} is a pickle, which may hold code: it was not opened; use safetensors.") from None
        said = str(error).partition(", expected one of")[0]  # a list of all types
        raise ValueError(f"{path} is damaged or cut short ({said}): {cure}.") from None
    if expected and about.get("sha256") != expected:
        raise ValueError(f"{path} is whole, but not the file that belongs here: {cure}.")
    return tensors, about


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with safe_open(path, framework="pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        metadata = opened.metadata() or {}
    return tensors, _about(tensors, metadata)


def stated_sum(path: Path) -> str:
    """The checksum that a file says it has, nothing where it says none; whether it is right is not asked."""
    try:
        with safe_open(path, framework="pt") as opened:
            found = SUMMED.fullmatch((opened.metadata() or {}).get(ENTRY, ""))
    except SafetensorError:  # of another kind
        return ""
    return found[1] if found else ""


def _about(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, Any]:
    text = metadata.get(ENTRY)
    found = SUMMED.fullmatch(text or "")
    if found:
        if len(metadata) > 1 or checksum(tensors, found[2]) != found[1]:
            raise ValueError("its content is not that of its checksum")
        about: dict[str, Any] = parsed(f"{{{found[2]}")
        return {"sha256": found[1], **about}
    if any(map(SUMMED.fullmatch, metadata.values())):  # under another name
        raise ValueError("its checksum cannot be read")
    state = {} if text is None else {"state": _earlier_state(text)}
    return {"tied": parsed(metadata.get("tied", "{}")), **state}


def _earlier_state(text: str) -> Any:
    """The state in a checkpoint of an earlier version, which had no checksum."""
    state = parsed(text)
    if isinstance(state, dict) and len(state) != 1:
        raise ValueError("it holds no training state")
    return state


def is_pickle(start: bytes) -> bool:
    """Whether a file that begins with ``start`` is a pickle or an archive of torch's.

    The length that safetensors begins with may look like one, and so does what is left of such a file.

    >>> is_pickle(b"\\x80\\x04\\x95\\x2a" + bytes(4)), is_pickle(b"\\x80\\x02" + bytes(6)), is_pickle(b"\\x80\\x02")
    (True, False, False)
    """
    pickle = start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5")
    return (pickle or start[:4] == b"PK\3\4") and int.from_bytes(start[:8], "little") >= LONGEST_HEADER
