"""Arrays of an ``.npz`` file, which take no more than it may hold, though a zip of a few bytes may unpack to any size.

Nothing in it is unpickled.
"""

import zipfile
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

RATIO, ROOM = 2000, 2**26
"""How many times its own size, and how many bytes more, a file may unpack to; deflate packs zeros to 1/1000."""
Array = np.ndarray[Any, Any]


def read_npz(path: Path, limit: int) -> dict[str, Array]:
    """The arrays by name. Raises ``ValueError`` for objects of Python, and for what unpacks to more than ``limit``
    bytes or than its size lets expect; and whatever a damaged file ends in."""
    with zipfile.ZipFile(path) as packed:
        size = sum(x.file_size for x in packed.infolist())
        if size > min(limit, RATIO * path.stat().st_size + ROOM):
            raise ValueError(f"it unpacks to {size} bytes")
        for member in packed.infolist():
            with packed.open(member) as file:
                refuse_header(file, member.file_size)
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def refuse_header(file: IO[bytes], size: int) -> None:
    """Raise ``ValueError`` for an array of objects, of more numbers than its ``size`` bytes hold, or of samples that
    hold none: of these there may be as many as somebody likes. Before room is made."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"its arrays are of version {version[0]}.{version[1]}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds objects of Python, which may be code")
    if not 0 <= prod(map(int, shape)) * dtype.itemsize <= size or max(map(int, shape), default=0) > size:
        raise ValueError(f"an array says that it has {list(shape)} numbers, in {size} bytes")
