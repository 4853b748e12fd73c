"""The question of conflicts on digits: a small net learns from labels, logits, a layer and distances, by many rules."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from tutelage.combine.by_name import Given, rule
from tutelage.data.lesson import Lesson
from tutelage.losses.hint import mean_squares
from tutelage.losses.kd import soft_targets
from tutelage.losses.rkd import distances
from tutelage.matching.projected import projected
from tutelage.measure.steps import step_costs
from tutelage.methods.pair import Pair
from tutelage.models.mlp import mlp
from tutelage.objective import Objective, Term, labels
from tutelage.optimizers.factory import Factory
from tutelage.optimizers.schedules import cosine
from tutelage.optimizers.usual import plain_sgd
from tutelage.recipes.parts import digits
from tutelage.recipes.parts.conflicts import SUM, Question, claim, where
from tutelage.recipes.parts.pupils import Teaching, losses_in, stepping, taught
from tutelage.recipes.parts.sets import Portrayed, Sets, drawn
from tutelage.run import Run
from tutelage.stages import Finished
from tutelage.watched import watching

TERMS = ("label", "soft", "hint", "distances")


@dataclass(frozen=True)
class Losses:
    """CE + a · soft targets + b · MSE of the last hidden layer, through a linear map, + c · RKD of its distances."""

    temperature: float
    soft: float
    hint: float
    distances: float


def four(_pair: Pair, *, weights: Losses) -> Objective:
    """The four losses with their ``weights``, as a method."""
    soft = partial(soft_targets, temperature=weights.temperature)
    hidden = "student.hidden2", "teacher.hidden2"
    return Objective(
        label=labels(),
        soft=Term(soft, "student.output", "teacher.output", weight=weights.soft),
        hint=Term(projected(mean_squares), *hidden, weight=weights.hint),
        distances=Term(distances, *hidden, weight=weights.distances, across=True),
    )


@dataclass(frozen=True)
class Course:
    """How the students learn."""

    units: int
    epochs: int
    batch_size: int
    lr: float
    seed: int


@dataclass(frozen=True)
class Task:
    """By which rule a student learns, with which optimizer, how long."""

    teaching: Teaching
    optimizer: Factory
    epochs: int


def compare(
    run: Run, shown: Sets, teacher: Finished, weights: Losses, asked: Question, course: Course, decisive: bool
) -> None:
    """Train a student of each rule, one on labels alone, and one by the sum that has the time of the others."""
    plain = digits.alone(run, shown, units=course.units, epochs=course.epochs, batch_size=course.batch_size,
                         lr=course.lr, seed=course.seed)  # fmt: skip
    lesson = Lesson(shown.train, shown.validation, batch_size=course.batch_size, seed=course.seed)
    build = partial(mlp, (784, course.units, course.units, 10))
    made: dict[str, Finished] = {}
    diverged = []
    steps = {}
    for name, task in _tasks(teacher, weights, asked, course).items():
        fit = partial(taught, teaching=task.teaching, lesson=lesson, optimizer=task.optimizer, epochs=task.epochs,
                      schedule=cosine)  # fmt: skip
        try:
            made[name] = run.stage(name, build, fit, seed=course.seed)
        except FloatingPointError as error:  # that a rule diverges is a result, and no reason to lose the others
            diverged.append([name, "diverged", None, None, None])
            run.progress.note(f"{name}: {error}")
            continue
        steps[name] = stepping(run.laid_out(build()), task.teaching, lesson, task.optimizer, run.root, run.exact)
    if SUM not in made:
        raise FloatingPointError("The weighted sum diverged, so there is nothing to compare with: lower --student-lr.")
    costs = step_costs(steps, device=run.device, rounds=30)
    cast = {"teacher": Portrayed("teacher", "two hidden layers, dropout, jittered", teacher)}
    cast[SUM] = Portrayed("student", "by the weighted sum", made[SUM])
    cast["alone"] = Portrayed("alone", "labels only", plain)
    cast |= {name: Portrayed("student", f"by {name}", done) for name, done in made.items() if name != SUM}
    methods = sorted(set().union(*(losses_in(step.objective) for step in steps.values())))
    errors = digits.publish(run, shown, cast, methods)
    rows = [[name, errors[name], errors[name] - errors[SUM], round(costs[name]["milliseconds"], 2),
             round(costs[name]["ratio"], 2)] for name in made]  # fmt: skip
    rules = {
        "title": "Rules",
        "columns": ["rule", "test errors", "over the weighted sum", "ms a step", "× the sum's step"],
        "rows": rows + diverged,
        "note": f"{course.epochs} epochs each unless it says otherwise; steps include a look every {asked.every}.",
        "curve": None,
        "paired": ["over the weighted sum"],
    }
    run.publish(tables=[rules, where(made[SUM].records)], headline=_headline(errors, made))
    run.deliver(made[SUM].last, classes=shown.test.classes, input="float32 (N, 1, 28, 28), grey levels 0 to 1")
    if not drawn(shown):
        count = len(shown.test)
        claim(run, {name: round(100 * (1 - errors[name] / count), 2) for name in made}, decisive)


def _tasks(teacher: Finished, weights: Losses, asked: Question, course: Course) -> dict[str, Task]:
    teaching = Teaching(partial(four, weights=weights), teacher.last, ("teacher", "student"))
    usual = partial(digits.nesterov, lr=course.lr)
    tasks = {}
    for name in asked.names():
        made = partial(watching, rule(name, Given(TERMS, course.seed, "student.hidden2")), every=asked.every)
        optimizer = partial(plain_sgd, lr=course.lr) if name == "dot" else usual
        tasks[name] = Task(replace(teaching, combine=made), optimizer, course.epochs)
    if asked.longer > 1:
        epochs = max(course.epochs + 1, round(course.epochs * asked.longer))
        tasks[f"{SUM}, {epochs} epochs"] = Task(teaching, usual, epochs)
    return tasks


def _headline(errors: Mapping[str, int], made: Mapping[str, Finished]) -> str:
    best = min(made, key=lambda name: errors[name])
    return (
        f"By the weighted sum the student makes {errors[SUM]} test errors, by labels alone {errors['alone']}; fewest "
        f"by {best}: {errors[best]}. The teacher makes {errors['teacher']}."
    )
