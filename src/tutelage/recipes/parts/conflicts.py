"""One set of losses, many rules that make a gradient of it: who learns best, and where losses pull apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import mean
from typing import Any

import torch
from torch import Tensor, nn

from tutelage.combine.by_name import Given, rule
from tutelage.methods.by_name import method
from tutelage.methods.pair import Pair
from tutelage.optimizers.usual import plain_sgd
from tutelage.recipes.parts.comparison import PLAIN, Networks, Outcome, Task, learned, refuse_strangers, tell
from tutelage.recipes.parts.photographs import DECIDES, Course, labels_only
from tutelage.recipes.parts.pupils import Teaching
from tutelage.recipes.parts.sets import Sets, drawn
from tutelage.results import statistic
from tutelage.run import Run
from tutelage.stages import Record
from tutelage.taps import Tapped
from tutelage.watched import watching

PROPOSAL = "the multi-knowledge proposal: removing conflict improves on the sum of losses"
SUM = "weighted_sum"
DECIDING = ("pcgrad", "labels_first", "upgrad")
"""The rules that the question is about; the others are there to see what matters about them."""


@dataclass(frozen=True)
class Question:
    """The losses, the rules, how often gradients are looked at, and how much longer the sum may learn."""

    losses: str
    rules: Sequence[str]
    every: int
    longer: float

    def names(self) -> list[str]:
        """Of the rules, the weighted sum first. Raises as ``rule`` does, before hours are spent."""
        found = list(dict.fromkeys([SUM, *self.rules]))
        for name in found:
            rule(name, Given())
        return found


def compare(
    run: Run,
    shown: Sets,
    networks: Networks,
    asked: Question,
    *,
    teacher_course: Course,
    course: Course,
    remember: int,
    decisive: bool,
) -> None:
    """Train the teacher, the plain student and a student of each rule; another by the sum, in their time."""
    how = method(asked.losses)
    refuse_strangers(shown, networks)
    names = asked.names()
    teacher = labels_only(run, shown, networks.build_teacher, teacher_course, "teacher")
    plain = labels_only(run, shown, networks.build_student, course, PLAIN)
    teaching = networks.teaching(how, teacher.last, remember)
    given = _given(run, shown, networks, teaching, course)
    tasks: dict[str, Sequence[Task]] = {}
    for name in names:
        made = partial(watching, rule(name, given), every=asked.every)
        optimizer = partial(plain_sgd, lr=course.lr) if name == "dot" else None
        taught = replace(teaching, combine=made)
        tasks[name] = [Task(taught, networks.build_student, course, "rule", optimizer)]
    if asked.longer > 1:
        longer = replace(course, epochs=max(course.epochs + 1, round(course.epochs * asked.longer)))
        tasks[f"{SUM}, {longer.epochs} epochs"] = [Task(teaching, networks.build_student, longer, "as long as a rule")]
    pupils, diverged = learned(run, shown, tasks)
    came = Outcome(teacher, plain, pupils, diverged, course, decisive)
    accuracy = tell(run, shown, networks, came, f"Rules for {asked.losses}", SUM)
    run.publish(tables=[where(pupils[SUM].made.records if SUM in pupils else [])])
    if not drawn(shown):
        claim(run, accuracy, decisive)


def _given(run: Run, shown: Sets, networks: Networks, teaching: Teaching, course: Course) -> Given:
    """What the rules may want to know of these losses; the feature is the shallowest one that any of them reads."""
    student = run.laid_out(networks.build_student())
    pair = Pair(teaching.teacher, student, course.lesson(shown), 1, teaching.named,
                teaching.teacher_maps, teaching.student_maps)  # fmt: skip
    objective = teaching.method(pair)
    read = sorted(what for who, what in objective.reads(list(objective.terms)) if who == "student")
    feature = f"student.{shallowest(student, read, pair.example)}"
    return Given(tuple(objective.terms), course.seed, feature, course.decay)


def shallowest(model: nn.Module, layers: Sequence[str], example: Tensor) -> str:
    """Of the layers of a model, the one that most of the others are computed from."""
    shown = Tapped(model, layers)(example)

    def above(layer: str) -> int:
        others = (shown[other].sum() for other in layers if other != layer)
        found = (torch.autograd.grad(other, shown[layer], allow_unused=True, retain_graph=True) for other in others)
        return sum(gradient is not None for (gradient,) in found)

    return max(layers, key=above)


def where(records: Sequence[Record]) -> dict[str, Any]:
    """The table of how the gradients of each pair lie to each other, part by part, in a training that was watched."""
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    measured = [record.get("statistics", {}).get("student", {}) for record in records]
    for name, value in (item for statistics in measured for item in statistics.items()):
        what = statistic(name)
        if what is not None and what.what in ("cosine", "negative"):
            cell = found.setdefault((" | ".join(what.about), what.part or "whole"), {})
            cell.setdefault(what.what, []).append(value)
    rows = [
        [pair, part, round(mean(cell["cosine"]), 3), round(100 * mean(cell["negative"]), 1)]
        for (pair, part), cell in found.items()
    ]
    return {
        "title": "Where losses pull apart",
        "columns": ["losses", "part", "mean cosine", "negative, % of looks"],
        "rows": rows,
        "note": "of their gradients while the weighted sum is trained, mean over epochs",
        "curve": None,
    }


def claim(run: Run, accuracy: Mapping[str, float], decisive: bool) -> None:
    """That removing conflict beats the weighted sum, of as many steps and of as much time, in points of accuracy."""
    rivals = [name for name in accuracy if name.startswith(SUM)]
    for name in (name for name in DECIDING if name in accuracy):
        for rival in rivals:
            run.claim(f"{name} beats {rival}", published=0, measured=round(accuracy[name] - accuracy[rival], 2),
                      unit="points", source=PROPOSAL, low=0.01, scale=None if decisive else DECIDES, paired=True,
                      note="no figure is published; more than nothing counts")  # fmt: skip
