"""A data set in memory."""

from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Labelled:
    """Inputs with their targets, and the number that each sample has in the set as it was published.

    Images are uint8 ``(N, C, H, W)`` with grey levels 0 to 255. ``targets`` are int64 positions in ``classes`` (any
    tensor of length N where ``classes`` is empty). A subset keeps ``index``, so that a view or a teacher's cached
    answer belongs to the sample, not to the place it happens to have.

    Raises ``ValueError`` if the lengths, devices or types do not fit together or a target is no class.
    """

    name: str
    inputs: Tensor
    targets: Tensor
    index: Tensor
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        lengths = {"inputs": len(self.inputs), "targets": len(self.targets), "index": len(self.index)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"Every sample needs an input, a target and an index; {self.name!r} has {lengths}.")
        devices = {str(x.device) for x in (self.inputs, self.targets, self.index)}
        if len(devices) > 1:
            raise ValueError(f"The parts of {self.name!r} lie on {sorted(devices)}; put all of them on one device.")
        if self.index.dtype != torch.int64 or self.index.ndim != 1:
            raise ValueError(
                f"The index of {self.name!r} must be int64 (N,), not {self.index.dtype} {list(self.index.shape)}."
            )
        if self.classes:
            _refuse_unknown_targets(self.name, self.targets, len(self.classes))

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, positions: Tensor) -> "Labelled":
        """The samples at ``positions`` (int64), or where ``positions`` (bool) holds, in that order."""
        inputs, targets, index = (x[positions] for x in (self.inputs, self.targets, self.index))
        return replace(self, inputs=inputs, targets=targets, index=index)

    @cached_property
    def checksum(self) -> str:
        """The sha-256 over name, classes, inputs, targets and index: part of the key of every stage that sees them."""
        digest = sha256(repr((self.name, self.classes)).encode())
        for part in (self.inputs, self.targets, self.index):
            digest.update(f"{part.dtype} {list(part.shape)}".encode())
            digest.update(part.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def to(self, device: torch.device | str) -> "Labelled":
        """The same set on ``device``: batches come from where the set lies."""
        inputs, targets, index = (x.to(device) for x in (self.inputs, self.targets, self.index))
        return replace(self, inputs=inputs, targets=targets, index=index)

    def numbered_from(self, first: int) -> "Labelled":
        """The same set with ``first`` added to each index, so that two sets in one batch do not share numbers."""
        return replace(self, index=self.index + first)


def labelled(name: str, inputs: Tensor, targets: Tensor, classes: tuple[str, ...] = ()) -> Labelled:
    """A whole set, numbered as it comes.

    >>> data = labelled("mine", torch.rand(3, 2), torch.tensor([0, 1, 0]), ("cat", "dog"))
    >>> data[data.targets == 0].index.tolist()
    [0, 2]
    """
    return Labelled(name, inputs, targets, torch.arange(len(inputs), device=inputs.device), classes)


def _refuse_unknown_targets(name: str, targets: Tensor, num_classes: int) -> None:
    if targets.dtype != torch.int64 or targets.ndim != 1:
        raise ValueError(f"The targets of {name!r} must be int64 (N,), not {targets.dtype} {list(targets.shape)}.")
    unknown = targets[(targets < 0) | (targets >= num_classes)]
    if len(unknown):
        raise ValueError(
            f"The targets of {name!r} must be 0 to {num_classes - 1}, one for each class; "
            f"{unknown[0].item()} is among them."
        )
