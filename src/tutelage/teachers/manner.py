"""How a network is called, as a short hash: what a cache that outlives the process has to know of it."""

from collections.abc import Mapping, Sequence
from functools import partial
from hashlib import sha256
from types import CodeType, FunctionType
from typing import Any

import torch
from torch import Tensor

from tutelage.checkpoint import PLAIN


def manner_of(*parts: Any) -> str:
    """Sixteen hexadecimal digits that change with the code, settings and constants of the functions in ``parts``.

    Numbers, texts and tensors that a function closes over count; other objects only by their kind, since nothing of
    theirs is the same in another process. Another version of Python may compile the same function otherwise.

    >>> def halved(model, scene):
    ...     return model(scene["batch"]["input"] / 2)
    >>> manner_of(halved) == manner_of(lambda model, scene: model(scene["batch"]["input"] / 3))
    False
    """
    digest = sha256()
    for part in parts:
        _add(digest, part)
    return digest.hexdigest()[:16]


def _add(digest: Any, part: Any) -> None:
    digest.update(type(part).__name__.encode())
    if isinstance(part, partial):
        _add(digest, [part.func, part.args, part.keywords])
    elif isinstance(part, FunctionType):
        cells = [cell.cell_contents for cell in part.__closure__ or ()]
        _add(digest, [part.__code__, part.__defaults__, part.__kwdefaults__, cells])
    elif isinstance(part, CodeType):
        digest.update(part.co_code + repr(part.co_names).encode())
        _add(digest, part.co_consts)
    elif isinstance(part, Tensor):
        digest.update(part.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    elif isinstance(part, Mapping):
        for name, inner in part.items():
            _add(digest, name)
            _add(digest, inner)
    elif isinstance(part, Sequence) and not isinstance(part, str):
        for inner in part:
            _add(digest, inner)
    elif isinstance(part, PLAIN):
        digest.update(repr(part).encode())
