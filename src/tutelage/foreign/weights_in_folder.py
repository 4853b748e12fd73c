"""The weights that ``transformers`` saved in a folder: in one file, or in several with an index."""

from pathlib import Path

from torch import Tensor

from tutelage.weights.in_parts import INDEX
from tutelage.weights.nested import named_tensors
from tutelage.weights.read import read

WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def weights_in(folder: Path) -> tuple[Path, dict[str, Tensor]]:
    """The file of weights in ``folder``, or the index of several, and what it holds, by names.

    Raises ``FileNotFoundError`` where there is none, or one of several is not there; ``ValueError`` for an index that
    is damaged or names a place outside the folder; and as ``read``.
    """
    names = [name + end for name in WEIGHTS for end in ("", INDEX)]
    file = next((folder / name for name in names if (folder / name).is_file()), None)
    if file is None:
        raise FileNotFoundError(f"{folder} has no {' nor '.join(WEIGHTS)}; save the network there: save_pretrained.")
    stored, _ = named_tensors(read(file))
    return file, {".".join(name): x for name, x in stored.items()}
