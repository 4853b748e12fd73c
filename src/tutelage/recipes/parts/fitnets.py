"""FitNets in their two stages: first the lower half of the student by hints, then all of it by soft targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from tutelage.data.lesson import Lesson
from tutelage.learner import Learner
from tutelage.losses.hint import half_squares_by_place, regressor
from tutelage.losses.kd import soft_targets
from tutelage.matching.projected import projected
from tutelage.methods.pair import Pair
from tutelage.models.named import named
from tutelage.objective import Clock, Objective, Term, labels
from tutelage.optimizers.factory import Factory
from tutelage.optimizers.scheduled import scheduled
from tutelage.optimizers.schedules import Schedule
from tutelage.recipes.parts.photographs import DECIDES, INPUT, Course, labels_only
from tutelage.recipes.parts.sets import Portrayed, Sets, accuracies, drawn, publish
from tutelage.run import Run
from tutelage.schemes.classify import learning
from tutelage.stages import Stage
from tutelage.teachers.frozen import frozen

PAPER = "Romero et al. 2015, arXiv:1412.6550, table 2"
ELSEWHERE = "the paper's nets are others: maxout networks, 500 epochs"


@dataclass(frozen=True)
class Two:
    """Two networks, the layers between which the hint goes, and how long and how fast everybody learns."""

    teacher: str
    student: str
    hint: str
    guided: str
    temperature: float
    weights: tuple[float, float]  # of the soft targets, at first and at last
    teacher_course: Course
    hint_course: Course
    course: Course


def compare(run: Run, shown: Sets, how: Two, decisive: bool) -> None:
    """Train the teacher, a student on labels, one on fading soft targets, and one that had hints first."""
    classes = len(shown.train.classes)
    build_teacher, build = named(how.teacher, classes), named(how.student, classes)
    teacher = labels_only(run, shown, build_teacher, how.teacher_course, "teacher")
    plain = labels_only(run, shown, build, how.course, "plain")
    pair = Pair(teacher.last, build(), how.course.lesson(shown), 1)
    hint = how.hint or pair.of_teacher.maps[len(pair.of_teacher.maps) // 2]
    guided = how.guided or pair.of_student.maps[len(pair.of_student.maps) // 2]
    begin = partial(hinted, teacher=teacher.last, guided=guided, hint=hint, **_how(how.hint_course, shown))
    first, last = how.weights
    end = partial(faded, teacher=teacher.last, temperature=how.temperature, first=first, last=last,
                  **_how(how.course, shown))  # fmt: skip
    seed = how.course.seed
    start = run.stage("hints", build, begin, seed=seed)
    fitnet = run.stage("fitnet", build, partial(end, start=start.last), seed=seed)
    soft = run.stage("soft", build, partial(end, start=None), seed=seed)
    cast = {
        "teacher": Portrayed("teacher", how.teacher, teacher),
        "fitnet": Portrayed("student", f"{how.student}, hints from {hint} to {guided}, then soft targets", fitnet),
        "plain": Portrayed("alone", f"{how.student}, labels only", plain),
        "soft": Portrayed("student", f"{how.student}, soft targets from the start", soft),
    }
    seen = publish(run, shown, cast, ["tutelage.losses.hint:half_squares_by_place", "tutelage.losses.kd:soft_targets"])
    accuracy = accuracies(seen)
    run.publish(
        headline=f"{how.student} with hints first: {accuracy['fitnet']:.1f} %; with soft targets alone "
        f"{accuracy['soft']:.1f} %; with labels alone {accuracy['plain']:.1f} %. "
        f"{how.teacher}, the teacher: {accuracy['teacher']:.1f} %."
    )
    run.deliver(fitnet.last, classes=shown.test.classes, input=INPUT)
    if drawn(shown):
        return
    claim = partial(run.claim, unit="points", source=PAPER, low=0.01, scale=ELSEWHERE if decisive else DECIDES)
    claim("a FitNet beats its teacher on CIFAR-100", published=1.42, measured=_over(accuracy, "teacher"))
    claim("hints help over soft targets alone", published=0.14, measured=_over(accuracy, "soft"),
          note="published for MNIST: 0.51 % of errors against 0.65 %")  # fmt: skip


def hinted(
    stage: Stage,
    model: nn.Module,
    *,
    teacher: nn.Module,
    guided: str,
    hint: str,
    lesson: Lesson,
    optimizer: Factory,
    epochs: int,
    schedule: Schedule,
) -> None:
    """Stage 1: the student's layer ``guided`` learns the teacher's layer ``hint``, through a regressor that is dropped.

    ``½ · mean ‖r(guided) − hint‖²`` as the authors' code has it. What lies above ``guided`` is not run and not moved.
    """
    term = Term(projected(half_squares_by_place, regressor), f"student.{guided}", f"teacher.{hint}")
    learner = Learner(
        model,
        Objective(hint=term),
        scheduled(optimizer, schedule(epochs * lesson.steps)),
        teachers={"teacher": frozen(teacher)},
    )
    stage.train({"student": learner}, lesson.batches(), epochs, model=model)


def faded(
    stage: Stage,
    model: nn.Module,
    *,
    start: nn.Module | None,
    teacher: nn.Module,
    temperature: float,
    first: float,
    last: float,
    lesson: Lesson,
    optimizer: Factory,
    epochs: int,
    schedule: Schedule,
) -> None:
    """Stage 2, from the weights of ``start`` if any: ``H(y, p) + λ H(p_T^τ, p^τ)``, with λ falling.

    There is no τ² in it. A cross entropy and a divergence have one gradient, so the logged loss is that without the
    teacher's own entropy.
    """
    if start is not None:
        model.load_state_dict(start.state_dict())
    share = partial(falling, first=first, last=last, epochs=epochs, scale=temperature**-2)
    objective = Objective(
        label=labels(),
        soft=Term(partial(soft_targets, temperature=temperature), "student.output", "teacher.output", weight=share),
    )
    learner = Learner(
        model, objective, scheduled(optimizer, schedule(epochs * lesson.steps)), teachers={"teacher": frozen(teacher)}
    )
    learning(stage, model, lesson)({"student": learner}, lesson.batches(), epochs)


def falling(clock: Clock, *, first: float, last: float, epochs: int, scale: float = 1.0) -> float:
    """``scale`` times a straight line from ``first`` in the first epoch to ``last`` after ``epochs``.

    >>> [falling(Clock(epoch, 0, 0.0), first=4, last=1, epochs=500) for epoch in (0, 100, 250, 500, 600)]
    [4.0, 3.4, 2.5, 1.0, 1.0]
    """
    return scale * (first + (last - first) * min(clock.epoch / epochs, 1.0))


def _how(course: Course, shown: Sets) -> dict[str, Any]:
    return {
        "lesson": course.lesson(shown),
        "optimizer": course.optimizer,
        "epochs": course.epochs,
        "schedule": course.schedule,
    }


def _over(accuracy: Mapping[str, float], other: str) -> float:
    return round(accuracy["fitnet"] - accuracy[other], 2)
