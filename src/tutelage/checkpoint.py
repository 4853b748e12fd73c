"""Files that are whole or absent: tensors as safetensors, everything else as JSON in the same file, written at once."""

import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save, save_file
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from tutelage import plain_json
from tutelage.checksums import MANIFEST, manifest
from tutelage.files import atomically, is_file
from tutelage.tensors import RESTORE, entry, on_the_cpu, read_tensors

PLAIN = (str, int, float, bool, type(None))


def write_json(path: Path | str, content: Any) -> None:
    """``content`` as indented JSON, atomically."""
    with atomically(path) as temporary:
        temporary.write_bytes(json_bytes(content))


def json_bytes(content: Any) -> bytes:
    """``content`` as ``write_json`` writes it."""
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def read_json(path: Path | str, cure: str = "remove it, or restore it from a copy") -> Any:
    """What ``write_json`` wrote.

    Raises ``ValueError`` for a file that is not JSON, ``FileNotFoundError`` for none, by name and with its ``cure``.
    """
    if not is_file(Path(path), cure):
        raise FileNotFoundError(f"There is no file {path}: {cure}.")
    try:
        return plain_json.read(path)
    except ValueError as error:
        raise ValueError(f"{path} is not readable as JSON ({error}); {cure}.") from None


def save_state(path: Path | str, state: Any) -> str:
    """The checksum of the safetensors file that now holds a nested state, written atomically.

    A state is made of dicts, lists, tuples, tensors and plain values. Tensors that share their memory are stored once.
    """
    tensors: dict[str, Tensor] = {}
    names: dict[tuple[Any, ...], str] = {}

    def encode(x: Any) -> Any:
        if isinstance(x, Tensor):
            name = names.setdefault(_identity(x) if x.numel() else (len(names),), str(len(tensors)))
            tensors.setdefault(name, x)
            return {"tensor": name}
        if isinstance(x, Mapping):
            return {"dict": [[encode(key), encode(value)] for key, value in x.items()]}
        if isinstance(x, list | tuple):
            return {"tuple" if isinstance(x, tuple) else "list": [encode(value) for value in x]}
        if isinstance(x, PLAIN):
            return x
        raise ValueError(f"A checkpoint holds tensors and plain values; got a {type(x).__name__}: {x!r}.")

    encoded = encode(state)
    try:
        plain_json.parsed(json.dumps(encoded))
    except ValueError as error:  # before it is too late
        raise ValueError(f"A checkpoint cannot hold this state: it could not be read again ({error}).") from None
    return write_tensors(path, tensors, {"state": encoded})


def load_state(path: Path | str, cure: str = RESTORE, expected: str = "") -> Any:
    """What ``save_state`` wrote, on the CPU.

    Raises ``ValueError`` for anything that is not such a file, as ``read_tensors`` does.
    """
    tensors, about = read_tensors(path, cure, expected)
    if "state" not in about:
        raise ValueError(f"{path} holds tensors but no training state; a checkpoint of tutelage was expected.")

    def decode(x: Any) -> Any:
        if not isinstance(x, dict):
            return x
        ((kind, content),) = x.items()
        if kind == "tensor":
            return tensors[content]
        if kind == "dict":
            return {decode(key): decode(value) for key, value in content}
        values = [decode(value) for value in content]
        return tuple(values) if kind == "tuple" else values

    try:
        return decode(about["state"])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path} is damaged (its state cannot be put together): {cure}.") from None


def save_weights(path: Path | str, model: nn.Module) -> str:
    """The checksum of the file that now holds parameters and buffers under their own names, tied tensors once.

    Any safetensors reader takes it. A compiled model is saved under the names of the plain one.
    """
    return write_tensors(path, *_weights_of(model))


def bytes_of_weights(model: nn.Module) -> int:
    """How long the file is that ``save_weights`` writes."""
    tensors, about = _weights_of(model)
    apart = on_the_cpu(tensors)
    return len(save(apart, entry(apart, about)[0]))


def _weights_of(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by name, tied ones once, and which names are tied to which."""
    tensors: dict[str, Tensor] = {}
    first: dict[tuple[Any, ...], str] = {}
    tied: dict[str, str] = {}
    for name, x in uncompiled(model.state_dict()).items():
        original = first.setdefault(_identity(x), name) if x.numel() else name
        if original == name:
            tensors[name] = x
        else:
            tied[name] = original
    return tensors, {"tied": tied}


def load_weights(path: Path | str, model: nn.Module, cure: str = RESTORE, expected: str = "") -> nn.Module:
    """``model`` with the weights in ``path``, compiled or not.

    Raises ``ValueError`` for another architecture's, else as ``read_tensors`` does.
    """
    return filled(model, read_tensors(path, cure, expected)[0], path, cure)


def filled(model: nn.Module, weights: Any, path: Path | str, cure: str = RESTORE) -> nn.Module:
    """``model`` with ``weights``, which ``path`` holds. Raises ``ValueError`` for those of another architecture."""
    if not isinstance(weights, dict) or not all(isinstance(x, Tensor) for x in weights.values()):
        raise ValueError(f"{path} holds no weights of a {type(model).__name__}: {cure}.")
    tensors, state = uncompiled(weights), model.state_dict()
    stored = {name: tuple(x.shape) for name, x in tensors.items()}
    own = {  # torch's lazy modules take any shape, and have that from then on
        name: stored.get(name, ()) if is_lazy(x) else tuple(x.shape) for name, x in uncompiled(state).items()
    }
    if own != stored:
        raise ValueError(
            f"{path} holds the weights of another architecture than this {type(model).__name__}: {_gap(own, stored)}; "
            f"{cure}."
        )
    model.load_state_dict(dict(zip(state, (tensors[name] for name in own), strict=True)))
    return model


def uncompiled(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``torch.compile`` puts a step of its own into every name below the module that it wraps."""
    return {".".join(step for step in name.split(".") if step != "_orig_mod"): x for name, x in state.items()}


def file_hash(path: Path | str) -> str:
    """The SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(folder: Path, files: Mapping[str, Path | bytes]) -> None:
    """Write the checksums of ``files`` into ``folder``, atomically: by name, where each lies now or what it will be."""
    sums = {name: hashlib.sha256(x).hexdigest() if isinstance(x, bytes) else file_hash(x) for name, x in files.items()}
    with atomically(folder / MANIFEST) as temporary:
        temporary.write_text(manifest(sums), encoding="utf-8")


def _gap(own: Mapping[str, tuple[int, ...]], stored: Mapping[str, tuple[int, ...]]) -> str:
    for name in own.keys() - stored.keys():
        return f"it lacks {name!r}"
    for name in stored.keys() - own.keys():
        return f"it has {name!r}, which the model does not"
    name = next(name for name in own if own[name] != stored[name])
    return f"{name!r} is {stored[name]} there and {own[name]} here"


def write_tensors(path: Path | str, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> str:
    """The checksum of the safetensors file that now holds ``tensors`` and says ``about``, written atomically."""
    apart = on_the_cpu(tensors)
    metadata, checksum = entry(apart, about)
    with atomically(path) as temporary:
        try:
            save_file(apart, temporary, metadata)
        except SafetensorError as error:  # it wraps the operating system's own errors
            number = re.search(r"os error (\d+)", str(error))
            raise OSError(int(number[1]) if number else errno.EIO, str(error)) from None
        temporary.chmod(0o666 & ~_umask())  # safetensors lets nobody else read
    return checksum


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _identity(x: Tensor) -> tuple[Any, ...]:
    return x.device, x.data_ptr(), x.dtype, tuple(x.shape), x.stride()


def copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state that later steps do not change."""
    return {name: torch.clone(x.detach()) for name, x in state.items()}
