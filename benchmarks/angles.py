"""RKD's angles in slabs against all of them at once: time and memory of value and gradient, by the size of the batch.

Embeddings of 64 numbers, float32. Before anything is timed, both must give the same value and gradient to rounding.
``where`` has the peak of the tensors that are made, in MB: ``tutelage.measures.memory`` counts them, not the system.

    python benchmarks/angles.py [--rounds 12]
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from measure import benchmark, interleaved, summary
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from tutelage.losses.rkd import NEAREST, angles, distances
from tutelage.losses.similarity_preserving import directions, gram_matrix, near_one
from tutelage.measures.memory import peak_bytes

WIDTH = 64
TIMED, LARGE = (64, 256), (512, 1024)  # all at once, 1024 samples take 11 GB and more: only slabs are measured there
TARGETS = {f"slabs / all at once, {num} samples": 1.05 for num in TIMED}


def at_once(student: Tensor, teacher: Tensor) -> Tensor:
    """As published: ``N³`` cosines of each network in memory, and autograd's gradient."""
    rows = [near_one(x) for x in (student, teacher)]
    tables = (gram_matrix(directions(x.unsqueeze(0) - x.unsqueeze(1), shortest=NEAREST)) for x in rows)
    return smooth_l1_loss(*tables)


def embeddings(num: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(num)
    return torch.randn(num, WIDTH, generator=g, requires_grad=True), torch.randn(num, WIDTH, generator=g)


def whole(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD as published: distances and angles, 1 : 2."""
    return distances(student, teacher) + 2 * angles(student, teacher)


def step(loss: Callable[[Tensor, Tensor], Tensor], student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    value = loss(student, teacher)
    return value.detach(), *torch.autograd.grad(value, student)


def measured(rounds: int) -> dict[str, Any]:
    subjects: dict[str, Callable[[], object]] = {}
    figures: dict[str, Any] = {}
    for num in TIMED:
        drawn = embeddings(num)
        for ours, plain in zip(step(angles, *drawn), step(at_once, *drawn), strict=True):
            torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-7)
        subjects |= {
            f"slabs, {num} samples": partial(step, angles, *drawn),
            f"slabs again, {num} samples": partial(step, angles, *drawn),
            f"all at once, {num} samples": partial(step, at_once, *drawn),
        }
        for name, one, other in (("slabs / all at once", "slabs", "all at once"),
                                 ("A/A: slabs again / slabs", "slabs again", "slabs")):  # fmt: skip
            figures[f"{name}, {num} samples"] = lambda ms, num=num, one=one, other=other: (
                ms[f"{one}, {num} samples"] / ms[f"{other}, {num} samples"]
            )
    peaks = {f"slabs, {num} samples": peak_bytes(partial(step, angles, *embeddings(num))) for num in (*TIMED, *LARGE)}
    peaks |= {f"all at once, {num} samples": peak_bytes(partial(step, at_once, *embeddings(num))) for num in TIMED}
    peaks |= {f"RKD, {num} samples": peak_bytes(partial(step, whole, *embeddings(num))) for num in LARGE}
    return {
        **summary(interleaved(subjects, rounds, 1), figures),
        "where": {"peak of the tensors, MB": {name: round(count / 1e6, 1) for name, count in peaks.items()}},
    }


if __name__ == "__main__":
    benchmark("angles", __doc__ or "", measured, TARGETS)
