"""Whether a file answers as the network does: by how much they differ, and whether that changes an answer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor, nn

from tutelage.deployment.network import answers
from tutelage.plurals import counted

TOLERANCE = 1e-4
"""How far an answer may be from the network's, as a share of the spread of its answers, from the least to the greatest.

Float32 leaves 1e-7 to 1e-6 of it in networks for pictures; a padding, a mode or a mean that differs, 1e-2 and more.
"""
ROUNDED = 5e-2
"""The same of a network that rounds as its file does: in whole numbers, where a half may go up here and down there.

Trained ResNets for pictures were up to 5e-3 of it off, random ones 3e-2: there one number that goes the other way
decides about many.
"""
BATCHES = (1, 2, 7, 64)
"""How many samples at a time are compared."""


@dataclass(frozen=True)
class Checked:
    """A file whose answers are the network's: at most ``difference`` of their spread off, at these sizes of a batch.

    ``takes`` says what its input is, of ``shape`` and ``dtype`` a sample; its ``output`` has the shape ``answer``.
    ``real`` unless the samples were made up.
    """

    path: Path
    bytes: int
    difference: float
    takes: str
    output: str
    shape: tuple[int, ...]
    dtype: str
    answer: tuple[int, ...]
    real: bool = True
    batches: tuple[int, ...] = BATCHES
    allowed: float = TOLERANCE

    def in_words(self) -> str:
        """One line: what it takes and gives, and how it was compared."""
        size = f"{self.dtype} (N, {', '.join(map(str, self.shape))})"
        samples = "real samples" if self.real else "made-up inputs, for the run kept no samples"
        return (
            f"{self.path}: {self.bytes:,} bytes; takes {self.takes}, {size}, and gives {self.output}; "
            f"compared with the network on {samples}, {', '.join(map(str, self.batches))} at a time: "
            f"at most {self.difference:.1e} of the answers' spread apart ({self.allowed:.0e} is allowed)"
        )


def checked(
    network: nn.Module,
    file: Callable[[Tensor], Tensor],
    inputs: Tensor,
    path: Path,
    size: int,
    *,
    takes: str,
    output: str,
    real: bool,
    allowed: float = TOLERANCE,
) -> Checked:
    """What is said of a file of ``size`` bytes for ``path``. Raises ``ValueError`` as ``refuse_difference``."""
    difference, answer = refuse_difference(network, file, inputs, str(path), allowed)
    shape, dtype = tuple(inputs.shape[1:]), str(inputs.dtype)[6:]
    return Checked(path, size, difference, takes, output, shape, dtype, answer, real, allowed=allowed)


def refuse_difference(
    network: nn.Module, file: Callable[[Tensor], Tensor], samples: Tensor, what: str, allowed: float = TOLERANCE
) -> tuple[float, tuple[int, ...]]:
    """The largest difference between what ``file`` and ``network`` answer, as a share of the answers' spread; the shape
    of an answer.

    Raises ``ValueError`` where it is above what is ``allowed``, or where another class is the most probable although it
    leads by more than that; the sentence says by how much they differ.
    """
    worst = 0.0
    for size, theirs, ours, scale in _answered(network, file, samples, what):
        worst = max(worst, _largest_difference(theirs, ours) / scale)
        if not worst <= allowed:
            raise ValueError(
                f"{what} was not kept: on batches of {size} its answers differ from the network's by up to {worst:.1e} "
                f"of their spread, and {allowed:.0e} is allowed; export another format, or the network in parts."
            )
        if changed := _other_classes(theirs, ours, allowed * scale):
            raise ValueError(
                f"{what} was not kept: on batches of {size} it names another class for {counted(changed, 'sample')}."
            )
    return worst, tuple(ours.shape[1:])


def difference(
    network: nn.Module, file: Callable[[Tensor], Tensor], samples: Tensor, what: str
) -> tuple[float, tuple[int, ...]]:
    """As ``refuse_difference``, of a file that rounds: however far they are apart, as long as both are numbers."""
    worst = 0.0
    for size, theirs, ours, scale in _answered(network, file, samples, what):
        worst = max(worst, _largest_difference(theirs, ours) / scale)
        if not isfinite(worst):
            raise ValueError(f"{what} was not kept: what it answers on batches of {size} is no number.")
    return worst, tuple(ours.shape[1:])


def _answered(
    network: nn.Module, file: Callable[[Tensor], Tensor], samples: Tensor, what: str
) -> Iterator[tuple[int, Tensor, Tensor, float]]:
    """For each size of a batch the answers of both in float64, and the spread of the network's to all samples.

    Raises ``ValueError`` where they are of other shapes.
    """
    own = answers(network, samples).double()
    finite = own[own.isfinite()]
    largest = finite.abs().max().item() if finite.numel() else 0.0
    spread = (finite.max() - finite.min()).item() if finite.numel() else 0.0
    scale = max(spread, 1e-3 * largest) or 1.0
    for size in BATCHES:
        rows = torch.arange(size) % len(samples)
        theirs, ours = file(samples[rows]).double(), own[rows]
        if theirs.shape != ours.shape:
            raise ValueError(f"{what} was not kept: it answers {tuple(theirs.shape)} to {counted(size, 'sample')}, and "
                             f"the network {tuple(ours.shape)}.")  # fmt: skip
        yield size, theirs, ours, scale


def _largest_difference(theirs: Tensor, ours: Tensor) -> float:
    """Infinite where one is no number and the other is another."""
    same = (theirs == ours) | (theirs.isnan() & ours.isnan())
    gap = (theirs - ours).abs()
    return torch.where(same, 0.0, torch.where(gap.isfinite(), gap, torch.inf)).max().item()


def _other_classes(theirs: Tensor, ours: Tensor, margin: float) -> int:
    if ours.ndim < 2 or ours.shape[1] < 2:
        return 0
    first, second = ours.topk(2, dim=1)[0].unbind(1)
    return int(((first - second > margin) & (theirs.argmax(1) != ours.argmax(1))).sum())
