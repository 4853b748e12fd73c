"""Arrays in ``.npz`` and ``.safetensors`` files: which are inputs, labels and parts follows from their names."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from tutelage.data.contents import one_line
from tutelage.machine import usable_memory
from tutelage.own_data.npz import read_npz
from tutelage.own_data.parts import part_of
from tutelage.own_data.source import Part, Source
from tutelage.own_data.targets import as_inputs, labelled_source
from tutelage.own_data.wanted import Wanted

INPUTS = ("x", "input", "inputs", "image", "images", "img", "data", "features", "pixels")
LABELS = ("y", "label", "labels", "target", "targets", "class", "classes", "mask", "masks")
"""What arrays are called, in small letters and without their part."""


def read_arrays(path: Path, wanted: Wanted, part: Part = "train") -> dict[Part, tuple[Tensor, Tensor]]:
    """Inputs and labels of each part in a file, such as ``x_train`` and ``y_train``, or ``images`` and ``labels``.

    Raises ``ValueError`` for a file that is damaged, holds objects of Python, or larger than half of the memory; and
    where the names leave a doubt, which ``--path-column`` and ``--label-columns`` end.
    """
    arrays = _opened(path)
    found: dict[Part, dict[str, str]] = {}
    for name in arrays:
        role, of = role_of(name)
        if name == wanted.path_column:
            role = "inputs"
        elif name in wanted.label_columns:
            role = "labels"
        elif (role == "inputs" and wanted.path_column) or (role == "labels" and wanted.label_columns):
            role = ""
        if role and role in found.setdefault(of or part, {}):
            raise ValueError(f"{path} has two arrays of {role}, {found[of or part][role]} and {name}; {_ask(arrays)}")
        if role:
            found[of or part][role] = name
    complete = {of: roles for of, roles in found.items() if "inputs" in roles and ("labels" in roles or of != "train")}
    if not complete:
        raise ValueError(f"{path} has no arrays of inputs and labels by names that are known; {_ask(arrays)}")
    return {of: _pair(path, roles, arrays, of) for of, roles in complete.items()}


def arrays_source(name: str, files: Mapping[Part, Path], wanted: Wanted) -> Source:
    """The data in array files, one for all parts or one each."""
    pairs: dict[Part, tuple[Tensor, Tensor]] = {}
    for part, path in files.items():
        pairs |= read_arrays(path, wanted, part)
    first = next(iter(files.values()))
    if "train" not in pairs:
        raise ValueError(f"{first} has no training part; call its arrays x_train and y_train, or inputs and targets.")
    return labelled_source(name, str(first), pairs, wanted)


def role_of(name: str) -> tuple[str, Part | None]:
    """What an array of this name is, and of which part; empty for neither.

    >>> role_of("x_train"), role_of("val.labels"), role_of("TestImages"), role_of("weights")
    (('inputs', 'train'), ('labels', 'validation'), ('', None), ('', None))
    """
    word, part = name.lower(), None
    for separator in "_.-/":
        before, _, after = word.partition(separator)
        if part_of(before) and after:
            word, part = after, part_of(before)
        elif after and part_of(after):
            word, part = before, part_of(after)
    role = "inputs" if word in INPUTS else "labels" if word in LABELS else ""
    return role, part if role else None


def _opened(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    read = _safetensors if path.suffix.lower() == ".safetensors" else _npz
    try:
        return read(path, usable_memory() // 2)
    except Exception as error:  # damage may end anywhere in a reader
        kind = path.suffix.lower().removeprefix(".")
        raise ValueError(f"{path} is not a sound {kind} file of arrays ({one_line(error)}); save it anew.") from None


def _npz(path: Path, limit: int) -> dict[str, Tensor]:
    return {name: _tensor(array) for name, array in read_npz(path, limit).items()}


def _tensor(array: np.ndarray[Any, Any]) -> Tensor:
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        return torch.zeros(0)  # text: of no use but to people
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    return torch.from_numpy(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)))


def _safetensors(path: Path, limit: int) -> dict[str, Tensor]:
    if (size := path.stat().st_size) > limit:
        raise ValueError(f"it has {size} bytes, more than half of the memory")
    try:
        with safe_open(path, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(str(error)) from None


def _pair(path: Path, roles: Mapping[str, str], arrays: Mapping[str, Tensor], part: Part) -> tuple[Tensor, Tensor]:
    inputs = arrays[roles["inputs"]]
    labels = arrays[roles["labels"]] if "labels" in roles else torch.zeros(len(inputs), 0)
    if "labels" in roles and labels.shape == (0,) != inputs.shape[:1]:
        raise ValueError(
            f"{path} has {roles['labels']!r} of texts, or of a type that is no number; save their numbers, which "
            "numpy.unique(labels, return_inverse=True) gives with the names."
        )
    if inputs.shape == (0,):
        raise ValueError(f"{path} has {roles['inputs']!r} of a type that is no real number; save numbers as inputs.")
    if inputs.ndim < 2 or labels.ndim < 1 or len(inputs) != len(labels):
        shapes = f"{list(inputs.shape)} and {list(labels.shape)}"
        raise ValueError(f"{path} has inputs and labels {shapes} in its {part} part; there is one of each a sample.")
    if not inputs.numel() or ("labels" in roles and not labels.numel()):
        raise ValueError(f"{path} has samples or labels that hold nothing in its {part} part; leave the part out.")
    if inputs.is_floating_point() and not inputs.isfinite().all():
        raise ValueError(f"{path} has inputs that are not finite in its {part} part; take them out.")
    return as_inputs(inputs), labels


def _ask(arrays: Sequence[str] | Mapping[str, Any]) -> str:
    return f"it has {', '.join(arrays) or 'none'}: name the inputs with --path-column, the labels with --label-columns."
