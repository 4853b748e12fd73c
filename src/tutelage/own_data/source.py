"""What was found where somebody's data lie, before any picture is decoded."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from torch import Tensor

TaskName: TypeAlias = Literal["classification", "multi-label", "regression", "segmentation", "embeddings", "spans"]
TASKS: tuple[TaskName, ...] = get_args(TaskName)
Part: TypeAlias = Literal["train", "validation", "test", "unlabelled"]
PARTS: tuple[Part, ...] = get_args(Part)
Encoded: TypeAlias = tuple[Path | bytes, ...]
"""Pictures as they are stored: files, or what files would hold."""
Texts: TypeAlias = tuple[tuple[str, ...], ...]
"""One text a sample, or a pair of them."""
Answers: TypeAlias = tuple[tuple[tuple[str, int], ...], ...]
"""Of each question the texts that answer it, and where in its context each begins."""


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of one part, by ``names``: paths below the source, or the numbers of rows.

    ``inputs`` are encoded pictures, texts, or numbers (N, …) as they are. ``targets`` are int64 (N,) positions in the
    classes; float32 (N, K) of 0 and 1 where several labels may hold; float32 (N, K) numbers to be predicted; encoded
    masks, of which the grey levels are classes; (N, 0) where nothing is known. Where inputs are questions with their
    contexts there are ``answers``.
    """

    names: tuple[str, ...]
    inputs: Encoded | Texts | Tensor
    targets: Tensor | Encoded
    answers: Answers = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def texts(self) -> Texts:
        """The inputs, if they are texts; else nothing."""
        found = () if isinstance(self.inputs, Tensor) else self.inputs
        return tuple(x for x in found if isinstance(x, tuple))

    @property
    def encoded(self) -> Encoded:
        """The inputs, if they are encoded pictures; else nothing."""
        found = () if isinstance(self.inputs, Tensor) else self.inputs
        return tuple(x for x in found if not isinstance(x, tuple))


@dataclass(frozen=True, eq=False)
class Source:
    """Somebody's data: a task, its ``classes`` (of labels or of columns), parts by name, and what was assumed.

    ``train`` is always there. ``notes`` are sentences for people: what was passed over and how many, what was taken
    for what.
    """

    name: str
    task: TaskName
    classes: tuple[str, ...]
    parts: Mapping[Part, Samples]
    notes: tuple[str, ...] = ()
