"""What pictures a file that answers was made for: by the sizes and the type of its input, and by what it says itself.

A file of ``tutelage export`` says what it takes and how its network's pictures were normalised.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from tutelage.foreign.exported_file import read_program
from tutelage.foreign.libraries import Wanted
from tutelage.foreign.onnx_file import UINT8, onnx_extra

FACTS = "tutelage.json"
"""The part of an exported program in which ours say what they are; the metadata of an ONNX model say it there."""
LARGEST = 2**20
"""Bytes of that."""


def wanted_by_file(file: Path) -> Wanted:
    """What pictures the ``.pt2`` or ``.onnx`` in ``file`` wants; nothing where it is damaged, which building it says.

    Whole numbers are levels from 0 to 255: what normalises them is in the file.
    """
    try:
        return _of_onnx(file) if file.suffix.lower() == ".onnx" else _of_program(file)
    except ImportError:
        raise
    except Exception:  # of what is damaged; the network is read with care, and says it
        return Wanted()


def _of_onnx(file: Path) -> Wanted:
    model = onnx_extra("onnx").load(str(file), load_external_data=False)
    held = {x.name for x in model.graph.initializer}
    value = next(x for x in model.graph.input if x.name not in held).type.tensor_type
    facts = {x.key: json.loads(x.value) for x in model.metadata_props if x.key in ("input", "preprocessing")}
    return _wanted([int(x.dim_value) for x in value.shape.dim], value.elem_type == UINT8, facts)


def _of_program(file: Path) -> Wanted:
    program = read_program(file.read_bytes(), str(file))
    facts: Mapping[str, Any] = {}
    with zipfile.ZipFile(file) as archive:
        said = [x for x in archive.infolist() if x.filename.endswith(f"/extra/{FACTS}") and x.file_size < LARGEST]
        if said:
            facts = json.loads(archive.read(said[0]))
    return _wanted(program.sizes[0], program.dtypes[0] == torch.uint8, facts)


def _wanted(sizes: Sequence[int], levels: bool, facts: Mapping[str, Any]) -> Wanted:
    """``sizes`` are those of the input, 0 where any will do."""
    if len(sizes) != 4:
        return Wanted()
    last = sizes[3] in (1, 3) and sizes[1] not in (1, 3)  # (N, H, W, C)
    channels = (sizes[3] if last else sizes[1]) or 3
    sides = sizes[1:3] if last else sizes[2:]
    size = sides[0] if sides[0] == sides[1] else 0
    none = (0.0,) * channels, (1.0,) * channels
    takes, pictures = facts.get("input"), facts.get("preprocessing") or {}
    if levels or takes == "pixels":
        return Wanted(size, none[0], (1 / 255,) * channels)
    if takes == "unit":
        return Wanted(size, *none)
    mean, std = (tuple(map(float, pictures.get(what, ()))) for what in ("mean", "std"))
    return Wanted(size, mean, std) if takes == "normalised" and len(mean) == len(std) == channels else Wanted(size)
