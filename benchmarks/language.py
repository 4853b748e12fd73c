"""A loss of a vocabulary's logits in slabs against the same of all logits: time and memory of value and gradient.

2048 tokens, hidden states of 128 numbers in both networks, float32, vocabularies of 8192 and 32768. A step computes the
logits of both networks, the loss, and the gradient of the student's hidden states and head. Before anything is timed,
both must give the same value and gradient to rounding. ``where`` has the peak of the tensors that are made, in MB, and
how many times less that is in slabs: ``tutelage.measures.memory`` counts them, not the system.

    python benchmarks/language.py [--rounds 12]
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from measure import benchmark, interleaved, summary
from torch import Tensor, nn

from tutelage.losses.chunked import chunked
from tutelage.losses.kd import soft_targets
from tutelage.measures.memory import peak_bytes

TOKENS, WIDTH = 2048, 128
LOSSES = {"KL": partial(soft_targets, temperature=1.0)}
CASES = [("KL", 8192), ("KL", 32768)]
TARGETS = {f"slabs / all at once, {name} of {classes}": 1.05 for name, classes in CASES}


class Pair:
    """Hidden states and heads of a student and its teacher."""

    def __init__(self, classes: int) -> None:
        torch.manual_seed(classes)
        self.student, self.teacher = (nn.Linear(WIDTH, classes, bias=False) for _ in range(2))
        self.teacher.requires_grad_(False)
        self.hidden = torch.randn(TOKENS, WIDTH, requires_grad=True), torch.randn(TOKENS, WIDTH)

    def whole(self, loss: Callable[..., Tensor]) -> list[Tensor]:
        return self._with_gradient(loss(self.student(self.hidden[0]), self.teacher(self.hidden[1])))

    def slabs(self, loss: Callable[..., Tensor]) -> list[Tensor]:
        return self._with_gradient(chunked(loss, self.student, self.teacher)(*self.hidden))

    def _with_gradient(self, value: Tensor) -> list[Tensor]:
        return [value.detach(), *torch.autograd.grad(value, [self.hidden[0], self.student.weight])]


def measured(rounds: int) -> dict[str, Any]:
    subjects: dict[str, Callable[[], object]] = {}
    figures: dict[str, Any] = {}
    peaks: dict[str, float] = {}
    pairs = {classes: Pair(classes) for _, classes in CASES}
    for name, classes in CASES:
        pair, loss, case = pairs[classes], LOSSES[name], f"{name} of {classes}"
        steps = {"slabs": pair.slabs, "slabs again": pair.slabs, "all at once": pair.whole}
        subjects |= {f"{way}, {case}": partial(step, loss) for way, step in steps.items()}
        for figure, one, other in (("slabs / all at once", "slabs", "all at once"),
                                   ("A/A: slabs again / slabs", "slabs again", "slabs")):  # fmt: skip
            figures[f"{figure}, {case}"] = lambda ms, case=case, one=one, other=other: (
                ms[f"{one}, {case}"] / ms[f"{other}, {case}"]
            )
        found: list[list[Tensor]] = []
        took = {
            way: peak_bytes(lambda step=steps[way], loss=loss, found=found: found.append(step(loss))) / 1e6
            for way in ("slabs", "all at once")
        }
        for ours, plain in zip(*found, strict=True):
            torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-7)
        peaks |= {f"{way}, {case}": round(megabytes, 1) for way, megabytes in took.items()}
        peaks[f"times less, {case}"] = round(took["all at once"] / took["slabs"], 2)
    return {
        **summary(interleaved(subjects, rounds, 1, warm_up=0), figures),
        "where": {"peak of the tensors, MB": peaks},
    }


if __name__ == "__main__":
    benchmark("language", __doc__ or "", measured, TARGETS)
