"""The weights that ``transformers`` saved in a folder: in one file, or in several with an index."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from tutelage import plain_json
from tutelage.weights.nested import named_tensors
from tutelage.weights.read import read

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
INDEX, MAP = ".index.json", "weight_map"


def weights_in(folder: Path) -> tuple[Path, dict[str, Tensor]]:
    """The file of weights in ``folder``, or the index of several, and what it holds, by names.

    Raises ``FileNotFoundError`` where there is none, or one of several is not there; ``ValueError`` for an index that
    is damaged or names a place outside the folder; and as ``read``.
    """
    names = [name + end for name in WEIGHTS for end in ("", INDEX)]
    file = next((folder / name for name in names if (folder / name).is_file()), None)
    if file is None:
        raise FileNotFoundError(f"{folder} has no {' nor '.join(WEIGHTS)}; save the network there: save_pretrained.")
    parts = _parts_of(file) if file.name.endswith(INDEX) else [file]
    found: dict[str, Tensor] = {}
    for part in parts:
        stored, _ = named_tensors(read(part))
        found |= {".".join(name): x for name, x in stored.items()}
    return file, found


def _parts_of(index: Path) -> list[Path]:
    try:
        said: Any = plain_json.read(index)
    except ValueError as error:
        raise ValueError(f"{index} is damaged {error}; save the network again.") from None
    named = said.get(MAP) if isinstance(said, Mapping) else None
    files = sorted({*map(str, named.values())}) if isinstance(named, Mapping) else []
    if not files or any(Path(name).name != name for name in files):
        raise ValueError(f"{index} does not say which files beside it hold the weights; save the network again.")
    if missing := [name for name in files if not (index.parent / name).is_file()]:
        raise FileNotFoundError(f"{index.parent} has no {missing[0]}, which {index.name} names; copy it there, too.")
    return [index.parent / name for name in files]
