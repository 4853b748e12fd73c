"""A data set in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256

import torch
from torch import Tensor

RESERVED = ("input", "target", "index", "view")
"""What batches call what they hold of every set: no further input is called so."""

UNLABELLED = 255
"""The class of a mask's pixels of which nobody knows it."""
COUNTED = "they are counted from 0: subtract 1"


@dataclass(frozen=True, eq=False)
class Labelled:
    """Inputs with their targets, and the number that each sample has in the set as it was published.

    Images are uint8 ``(N, C, H, W)`` with grey levels 0 to 255. ``targets`` are int64 positions in ``classes``, (N,),
    or masks of such (N, H, W), which may be uint8 and where 255 is nobody's; or numbers (N, K), one for each of
    ``classes``: 0 and 1 of labels of which any number hold, or what is to be predicted. Where ``classes`` is empty they
    are any tensor of length N. A subset keeps ``index``, so that a view or a teacher's cached answer belongs to the
    sample, not to the place it happens to have. ``others`` are further inputs of the same samples, such as depth beside
    colour, by the names that they have in a batch.

    Raises ``ValueError`` if the lengths, devices or types do not fit together, a target is no class, or another input
    is called what a batch has already.
    """

    name: str
    inputs: Tensor
    targets: Tensor
    index: Tensor
    classes: tuple[str, ...]
    others: Mapping[str, Tensor] = field(default_factory=dict)
    sum_of_inputs: str = ""
    """Their sha-256, where it was stored beside them: a file of gigabytes is not read again to know it."""

    def __post_init__(self) -> None:
        if taken := sorted({*RESERVED, "inputs", "targets"} & self.others.keys()):
            raise ValueError(f"Batches of {self.name!r} have {taken} already; give its other inputs other names.")
        parts = {"inputs": self.inputs, "targets": self.targets, "index": self.index, **self.others}
        lengths = {what: len(x) for what, x in parts.items()}
        if len(set(lengths.values())) > 1:
            more = ", and one of each further input" if self.others else ""
            raise ValueError(f"Every sample needs an input, a target and an index{more}; {self.name!r} has {lengths}.")
        devices = {str(x.device) for x in parts.values()}
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
        others = {name: x[positions] for name, x in self.others.items()}
        return replace(self, inputs=inputs, targets=targets, index=index, others=others, sum_of_inputs="")

    @property
    def has_targets(self) -> bool:
        """Whether there is anything to be told about a sample; ``unlabelled`` says how there is not."""
        return 0 not in self.targets.shape[1:]

    def unlabelled(self) -> "Labelled":
        """The same samples without targets and classes: nobody who is given them can learn a label.

        Their batches have no ``target``, and a loss that wants one is refused before anything is trained.

        >>> data = labelled("mine", torch.rand(2, 3), torch.tensor([0, 1]), ("cat", "dog")).unlabelled()
        >>> data.has_targets, data.targets.shape, data.classes
        (False, torch.Size([2, 0]), ())
        """
        return replace(self, targets=self.targets.new_empty(len(self), 0), classes=())

    def seen_as(self, name: str) -> "Labelled":
        """The same samples for a network that sees the other input ``name`` alone. Raises ``ValueError`` without it."""
        if name not in self.others:
            raise ValueError(f"{self.name!r} has no other input {name!r}; it has {sorted(self.others) or 'none'}.")
        return replace(self, inputs=self.others[name], others={}, sum_of_inputs="")

    @cached_property
    def checksum(self) -> str:
        """The sha-256 over name, classes, inputs, targets and index: part of the key of every stage that sees them."""
        digest = sha256(repr((self.name, self.classes, *self.others)).encode())
        for part in (self.inputs, self.targets, self.index, *self.others.values()):
            digest.update(f"{part.dtype} {list(part.shape)}".encode())
            if part is self.inputs and self.sum_of_inputs:
                digest.update(self.sum_of_inputs.encode())
                continue
            digest.update(part.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def to(self, device: torch.device | str) -> "Labelled":
        """The same set on ``device``: batches come from where the set lies."""
        inputs, targets, index = (x.to(device) for x in (self.inputs, self.targets, self.index))
        others = {name: x.to(device) for name, x in self.others.items()}
        return replace(self, inputs=inputs, targets=targets, index=index, others=others)

    def numbered_from(self, first: int) -> "Labelled":
        """The same set with ``first`` added to each index, so that two sets in one batch do not share numbers."""
        return replace(self, index=self.index + first)


def labelled(name: str, inputs: Tensor, targets: Tensor, classes: tuple[str, ...] = (), **others: Tensor) -> Labelled:
    """A whole set, numbered as it comes; ``others`` are further inputs of the same samples, by their names.

    >>> data = labelled("mine", torch.rand(3, 2), torch.tensor([0, 1, 0]), ("cat", "dog"))
    >>> data[data.targets == 0].index.tolist()
    [0, 2]
    """
    return Labelled(name, inputs, targets, torch.arange(len(inputs), device=inputs.device), classes, others)


def _refuse_unknown_targets(name: str, targets: Tensor, num_classes: int) -> None:
    if targets.is_floating_point() and targets.ndim > 1:
        if targets.shape[1:] != (num_classes,):
            raise ValueError(
                f"The targets of {name!r} must be one number for each of its {num_classes} names, "
                f"[{len(targets)}, {num_classes}]; they are {list(targets.shape)}."
            )
        if not bool(targets.isfinite().all()):
            raise ValueError(f"The targets of {name!r} must be finite numbers.")
        return
    masks = targets.ndim == 3 and targets.dtype in (torch.int64, torch.uint8)
    if not masks and (targets.dtype != torch.int64 or targets.ndim != 1):
        raise ValueError(
            f"The targets of {name!r} must be int64 (N,), not {targets.dtype} {list(targets.shape)}"
            f"{as_classes(targets)}."
        )
    known = targets[targets != UNLABELLED] if masks else targets
    unknown = known[(known < 0) | (known >= num_classes)]
    if len(unknown):
        counted = f" ({COUNTED})" if not masks and int(targets.min()) > 0 else ""
        raise ValueError(
            f"The targets of {name!r} must be 0 to {num_classes - 1}, one for each class; "
            f"{unknown[0].item()} is among them{counted}."
        )


def as_classes(targets: Tensor) -> str:
    """How to make classes of targets in another form that people have, as the end of a sentence; or nothing.

    >>> as_classes(torch.zeros(8, 1)), as_classes(torch.zeros(8, dtype=torch.int32)), as_classes(torch.eye(3))
    (': write targets.squeeze(1).long()', ': write targets.long()', ': write targets.argmax(1)')
    """
    whole = not targets.is_floating_point() or bool((targets == targets.round()).all())
    if targets.ndim == 2 and targets.shape[1] == 1:
        shorter = ".squeeze(1)"
    elif targets.ndim == 2 and whole and bool(((targets == 0) | (targets == 1)).all() & (targets.sum(1) == 1).all()):
        return ": write targets.argmax(1)"
    else:
        shorter = ""
    if not whole or (targets.ndim != 1 and not shorter):
        return ""
    longer = "" if targets.dtype == torch.int64 else ".long()"
    return f": write targets{shorter}{longer}" if shorter or longer else ""
