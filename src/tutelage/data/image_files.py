"""The images of a folder by their paths, as a set that is too large for the memory: listed once, not yet decoded."""

import os
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from tutelage.data.folder import listed


@dataclass(frozen=True, eq=False)
class Files:
    """The images of a folder by their paths, as ``Labelled`` has those of a set in memory; nothing is decoded yet.

    ``targets`` are positions in ``classes``; a subset keeps ``index``, the number of each sample in the whole folder.
    """

    name: str
    folder: Path
    paths: tuple[str, ...]  # below the folder
    targets: Tensor
    index: Tensor
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, positions: Tensor) -> "Files":
        """The samples at ``positions`` (int64), or where ``positions`` (bool) holds, in that order."""
        paths = tuple(self.paths[place] for place in torch.arange(len(self))[positions].tolist())
        return replace(self, paths=paths, targets=self.targets[positions], index=self.index[positions])

    @cached_property
    def checksum(self) -> str:
        """The sha-256 over name, classes, targets, index, and path and size in bytes of each file, not its content."""
        digest = sha256(repr((self.name, self.classes, self.targets.tolist(), self.index.tolist())).encode())
        for path in self.paths:
            digest.update(os.fsencode(f"{path}\0{(self.folder / path).stat().st_size}\0"))
        return digest.hexdigest()


def image_files(folder: Path | str, name: str) -> Files:
    """The images of ``folder/<class>/…``, however deep, called ``name``; classes and files in the order of their names.

    Hidden files and files of other kinds are passed over; whether a file is a sound image is seen when it is decoded.

    Raises ``FileNotFoundError`` for no folder, no class, or a class without an image, ``ValueError`` as ``listed``.
    """
    folder = Path(folder)
    files = listed(folder)
    paths = tuple(path for members in files.values() for path in members)
    counts = torch.tensor([len(members) for members in files.values()])
    targets = torch.arange(len(files)).repeat_interleave(counts)
    return Files(name, folder, paths, targets, torch.arange(len(paths)), tuple(files))
