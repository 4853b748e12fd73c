"""What it costs to see and to remove conflicts: four losses on resnet20, exactly and at a shared feature.

A step is a forward pass, the four losses and what the rule does to fill ``.grad``, on 64 noise images of 32 × 32: cross
entropy, soft targets, the similarities of the samples at the last stage, and the hint at the second, as in the CIFAR
protocol of RepDistiller. What the teacher shows is kept. All figures are ratios to such a step with one backward pass
of the weighted sum; with the hint at the last stage, where all four losses go through every layer, they stand beside.
A shared feature is the last stage's output there, and the second's where the hint is: all losses have to reach it.
Before anything is timed, the exact rule that takes nothing away must give the gradients of the sum to 1e-4 (float32, 20
layers), and weights of 1 at the feature to the bit.

    python benchmarks/conflicts.py [--rounds 12]
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from measure import benchmark, interleaved, summary
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from tutelage.combine.base import Combine
from tutelage.combine.decompose import decomposed, symmetric, untouched, weights
from tutelage.combine.dot import DOT
from tutelage.combine.granularity import each_tensor
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.shared_features import AtFeatures
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.losses.kd import soft_targets
from tutelage.losses.similarity_preserving import similarity_preserving
from tutelage.models.resnet import resnet20
from tutelage.objective import Objective, Term
from tutelage.taps import Tapped

STEPS = 1  # in one call of a subject
BATCH = 64
READ = ("layer2", "layer3", "output")
EXACT = "exact / one backward of the sum"
CHEAP = "at a shared feature / one backward of the sum, all at the last stage"
TARGETS = {EXACT: 2.8, CHEAP: 1.10}
RULES: dict[str, Callable[[], Combine]] = {
    "sum again": WeightedSum,
    "exact": lambda: ResolveConflicts(partial(decomposed, by=symmetric)),
    "exact, each tensor": lambda: ResolveConflicts(partial(decomposed, by=symmetric), per=each_tensor),
    "at the second stage": lambda: AtFeatures(partial(weights, by=symmetric), "student.layer2"),
    "dot": lambda: DOT(["label"]),
}


class Step:
    """One step's forward pass and gradient, again and again on the same images."""

    def __init__(self, rule: Combine, hint: str = "layer2") -> None:
        g = torch.Generator().manual_seed(0)
        images = torch.rand(BATCH, 3, 32, 32, generator=g)
        self.batch = {"input": images, "target": torch.randint(100, (BATCH,), generator=g)}
        with torch.no_grad():
            self.teacher = Tapped(network(2).eval(), READ)(images)
        self.student, self.rule = Tapped(network(1).train(), READ), rule
        self.parameters = dict(self.student.model.named_parameters())
        self.objective = Objective(
            label=Term(cross_entropy, "student.output", "batch.target"),
            soft=Term(soft_targets, "student.output", "teacher.output"),
            hint=Term(mse_loss, f"student.{hint}", f"teacher.{hint}"),
            alike=Term(similarity_preserving, "student.layer3", "teacher.layer3", across=True, weight=3000.0),
        )

    def __call__(self) -> None:
        for p in self.parameters.values():
            p.grad = None
        scene = {"student": self.student(self.batch["input"]), "teacher": self.teacher, "batch": self.batch}
        losses = self.objective(scene, list(self.objective.terms))
        weighted = {name: self.objective.terms[name].weight * loss for name, loss in losses.items()}
        self.rule.add(weighted, scene, self.parameters)
        self.rule.settle(self.parameters)

    def gradients(self) -> list[torch.Tensor]:
        self()
        return [p.grad for p in self.parameters.values() if p.grad is not None]


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return resnet20()


def refuse_different_gradients() -> None:
    """A faster wrong gradient would prove nothing."""
    plain = Step(WeightedSum()).gradients()
    cheap = Step(AtFeatures(partial(weights, by=untouched), "student.layer2")).gradients()
    exact = Step(ResolveConflicts(partial(decomposed, by=untouched))).gradients()
    if not all(map(torch.equal, plain, cheap)):
        raise SystemExit("Weights of 1 at the shared feature do not give the gradients of the sum to the bit.")
    furthest = max(float((p - q).norm() / p.norm()) for p, q in zip(plain, exact, strict=True))
    if furthest > 1e-4:
        raise SystemExit(f"The sum of the losses' gradients is {furthest:.1e} away from the gradient of their sum.")


def measured(rounds: int) -> dict[str, Any]:
    refuse_different_gradients()
    subjects = {"sum": Step(WeightedSum()), **{name: Step(make()) for name, make in RULES.items()}}
    subjects["sum, all at the last stage"] = Step(WeightedSum(), "layer3")
    subjects["exact, all at the last stage"] = Step(RULES["exact"](), "layer3")
    subjects["at the last stage"] = Step(AtFeatures(partial(weights, by=symmetric), "student.layer3"), "layer3")
    names = {"exact": EXACT, "sum again": "A/A: the sum again / the sum"}
    figures = {names.get(name, f"{name} / sum"): partial(ratio, name, "sum") for name in RULES}
    figures["exact / sum, all at the last stage"] = partial(
        ratio, "exact, all at the last stage", "sum, all at the last stage"
    )
    figures[CHEAP] = partial(ratio, "at the last stage", "sum, all at the last stage")
    return summary(interleaved(subjects, rounds, STEPS, warm_up=1), figures)


def ratio(one: str, other: str, ms: Mapping[str, float]) -> float:
    return ms[one] / ms[other]


if __name__ == "__main__":
    benchmark("conflicts", __doc__ or "", measured, TARGETS)
