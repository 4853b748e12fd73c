"""One set of losses, many rules that make a gradient of it: the trials, and where losses pull apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import mean

import torch
from torch import Tensor, nn

from tutelage.combine.by_name import Given, rule, rules
from tutelage.keys import Build
from tutelage.optimizers.factory import Factory
from tutelage.optimizers.usual import plain_sgd
from tutelage.results import Table, statistic
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching, pair_of
from tutelage.schemes.plan import Plan
from tutelage.stages.storage import Record
from tutelage.study.trials import Trial
from tutelage.taps import Tapped
from tutelage.watched import watching

SUM = "weighted_sum"


@dataclass(frozen=True)
class Question:
    """The rules, the sum first; how often gradients are compared; how much longer than the sum's a step may take."""

    names: tuple[str, ...]
    look_every: int
    time_ratio: float


def question(names: Sequence[str], look_every: int, time_ratio: float) -> Question:
    """The question with ``all`` replaced by all of our rules. Raises as ``rule`` does, before hours are spent."""
    every = [one for name in names for one in (rules() if name == "all" else [name])]
    unique = tuple(dict.fromkeys([SUM, *every]))
    for name in unique:
        rule(name, Given())
    return Question(unique, look_every, time_ratio)


def rule_trials(run: Run, build: Build, plan: Plan, teaching: Teaching, asked: Question) -> dict[str, list[Trial]]:
    """A trial of each rule, watched; and one more by the sum alone, in the time that a rule takes.

    A rule with a momentum of its own gets plain gradient descent at the plan's rate: ``ValueError`` where that is not
    known, as the optimizer is no partial with ``lr``.
    """
    settings = keywords_of(plan.optimizer)
    given = losses_given(run, build, plan, teaching)
    trials: dict[str, list[Trial]] = {}
    for name in asked.names:
        combine = partial(watching, rule(name, given), every=asked.look_every)
        own = plan
        if combine().owns_momentum:
            if "lr" not in settings:
                raise ValueError(f"{name} has a momentum of its own and needs the optimizer's rate: name lr=… in it.")
            own = replace(plan, optimizer=partial(plain_sgd, lr=settings["lr"]))
        trials[name] = [Trial(build, own, replace(teaching, combine=combine), "rule")]
    if asked.time_ratio > 1:
        longer = replace(plan, epochs=max(plan.epochs + 1, round(plan.epochs * asked.time_ratio)))
        trials[f"{SUM}, {longer.epochs} epochs"] = [Trial(build, longer, teaching, "as long as a rule")]
    return trials


def losses_given(run: Run, build: Build, plan: Plan, teaching: Teaching) -> Given:
    """What the rules may want to know of these losses; the feature is the shallowest one that any of them reads."""
    student = run.laid_out(build())
    pair = pair_of(student, teaching, plan)
    objective = teaching.method(pair)
    layers = sorted(what for who, what in objective.reads(list(objective.terms)) if who == "student")
    feature = f"student.{shallowest(student, layers, pair.example)}"
    return Given(
        tuple(objective.terms), plan.lesson.seed, feature, keywords_of(plan.optimizer).get("weight_decay", 0.0)
    )


def keywords_of(optimizer: Factory) -> dict[str, float]:
    """What an optimizer's factory was given by name: ``lr``, ``weight_decay``."""
    return dict(optimizer.keywords) if isinstance(optimizer, partial) else {}


def shallowest(model: nn.Module, layers: Sequence[str], example: Tensor) -> str:
    """Of the layers of a model, the one that most of the others are computed from; its output if there are none."""
    if not layers:
        return "output"
    activations = Tapped(model, layers)(example)

    def above(layer: str) -> int:
        others = (activations[other].sum() for other in layers if other != layer)
        gradients = (
            torch.autograd.grad(other, activations[layer], allow_unused=True, retain_graph=True) for other in others
        )
        return sum(gradient is not None for (gradient,) in gradients)

    return max(layers, key=above)


def where_losses_pull(records: Sequence[Record]) -> Table:
    """The table of how the gradients of each pair lie to each other, part by part, in a training that was watched."""
    cells: dict[tuple[str, str], dict[str, list[float]]] = {}
    statistics: list[Mapping[str, float]] = [record.get("statistics", {}).get("student", {}) for record in records]
    for name, value in (item for some in statistics for item in some.items()):
        about = statistic(name)
        if about is not None and about.what in ("cosine", "negative"):
            cell = cells.setdefault((" | ".join(about.about), about.part or "whole"), {})
            cell.setdefault(about.what, []).append(value)
    return Table(
        title="Where losses pull apart",
        columns=("losses", "part", "mean cosine", "negative, % of comparisons"),
        rows=tuple(
            (pair, part, round(mean(cell["cosine"]), 3), round(100 * mean(cell["negative"]), 1))
            for (pair, part), cell in cells.items()
        ),
        note="of their gradients while the weighted sum is trained, mean over epochs",
    )
