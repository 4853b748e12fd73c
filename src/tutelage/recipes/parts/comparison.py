"""Many methods on one pair of networks: each student is a stage, all are measured once, one table says it all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from tutelage.measure.steps import Cost, step_costs
from tutelage.methods import attention
from tutelage.methods.by_name import family, members, method
from tutelage.methods.pair import Method
from tutelage.models.named import named
from tutelage.models.outline import outline
from tutelage.optimizers.factory import Factory
from tutelage.recipes.parts import tables
from tutelage.recipes.parts.photographs import DECIDES, INPUT, Course, labels_only
from tutelage.recipes.parts.pupils import Stepping, Teaching, borrowing, losses_in, remembers, stepping, taught
from tutelage.recipes.parts.sets import Portrayed, Sets, accuracies, drawn, publish, validated
from tutelage.run import Run
from tutelage.stages import Build, Finished

PLAIN = "plain"
ATTENTION = "attention"
LAYERS = "the multi-knowledge proposal, and Chen et al. 2021, arXiv:2012.03236: students choose their teacher's layers"


@dataclass(frozen=True)
class Networks:
    """What the two networks are called, how they are built, and the layers of theirs to learn from."""

    teacher: str
    student: str
    teacher_maps: tuple[str, ...]
    student_maps: tuple[str, ...]
    classes: int

    @property
    def build_teacher(self) -> Build:
        return named(self.teacher, self.classes)

    @property
    def build_student(self) -> Build:
        return named(self.student, self.classes)

    def teaching(self, method: Method, teacher: nn.Module, remember: int) -> Teaching:
        names = self.teacher, self.student
        return Teaching(method, teacher, names, 1.0, self.teacher_maps, self.student_maps, remember)

    def lr(self) -> float:
        """The student's published learning rate."""
        return 0.01 if self.student.startswith(("mobilenet", "shufflenet")) else 0.05


@dataclass(frozen=True)
class Task:
    """How one student is to be taught, and what the table says about it."""

    teaching: Teaching
    build: Build
    course: Course
    family: str
    optimizer: Factory | None = None  # that of the course, unless given

    @property
    def by(self) -> Factory:
        return self.optimizer or self.course.optimizer


@dataclass(frozen=True)
class Pupil:
    """A task, and what came of it."""

    task: Task
    made: Finished


def compare(
    run: Run,
    shown: Sets,
    networks: Networks,
    methods: Sequence[str],
    *,
    teacher_course: Course,
    course: Course,
    strengths: Sequence[float],
    remember: int,
    decisive: bool,
) -> None:
    """Train the teacher, the plain student and a student of each method, and publish what came out."""
    chosen = {name: method(name) for name in methods}  # a misspelt one is found before hours are spent
    if len(strengths) > 1 and shown.validation is None:
        raise ValueError("Strengths are chosen on validation images; keep some with --validation.")
    refuse_strangers(shown, networks)
    teacher = labels_only(run, shown, networks.build_teacher, teacher_course, "teacher")
    plain = labels_only(run, shown, networks.build_student, course, PLAIN)
    tasks = {}
    for name, how in chosen.items():
        teaching = networks.teaching(how, teacher.last, remember)
        build = _borrowing(networks, shown) if name == "simkd" else networks.build_student
        tasks[name] = [Task(replace(teaching, strength=strength), build, course, family(how)) for strength in strengths]
    pupils, diverged = learned(run, shown, tasks)
    tell(run, shown, networks, Outcome(teacher, plain, pupils, diverged, course, decisive))


def learned(run: Run, shown: Sets, tasks: Mapping[str, Sequence[Task]]) -> tuple[dict[str, Pupil], dict[str, str]]:
    """A student for each name: of several tasks, that with the fewest validation errors; and who diverged, and how."""
    pupils: dict[str, Pupil] = {}
    diverged: dict[str, str] = {}
    for name, some in tasks.items():
        tried = []
        for task in some:
            stage = name if len(some) == 1 else f"{name} × {task.teaching.strength:g}"
            try:
                tried.append(Pupil(task, _taught(run, shown, stage, task)))
            except FloatingPointError as error:  # that a method diverges is a result, and no reason to lose the others
                diverged[stage] = str(error)
                run.progress.note(f"{stage}: {error}")
        if tried:
            pupils[name] = min(tried, key=lambda pupil: validated(pupil.made))
    return pupils, diverged


def _taught(run: Run, shown: Sets, stage: str, task: Task) -> Finished:
    course = task.course
    fit = partial(
        taught,
        teaching=task.teaching,
        lesson=course.lesson(shown),
        optimizer=task.by,
        epochs=course.epochs,
        schedule=course.schedule,
    )
    return run.stage(stage, task.build, fit, seed=course.seed)


def _borrowing(networks: Networks, shown: Sets) -> Build:
    return partial(borrowing, networks.build_student, networks.build_teacher, shown.train.inputs.shape[-1])


def refuse_strangers(shown: Sets, networks: Networks) -> None:
    """Before hours are spent: networks that cannot be built, take no such images, or lack a layer that was named."""
    example = shown.test_transform(shown.train.inputs[:2], torch.zeros(2, dtype=torch.int64))
    for text, maps in ((networks.teacher, networks.teacher_maps), (networks.student, networks.student_maps)):
        model = named(text, networks.classes)().to(example.device)
        head = model.get_submodule(outline(model, example, maps).head)
        if (classes := cast(nn.Linear, head).out_features) != networks.classes:
            raise ValueError(f"{shown.train.name!r} has {networks.classes} classes; {text} answers with {classes}.")


@dataclass(frozen=True)
class Outcome:
    """All that was trained, and on which terms."""

    teacher: Finished
    plain: Finished
    pupils: Mapping[str, Pupil]
    diverged: Mapping[str, str]
    course: Course
    decisive: bool


def tell(
    run: Run, shown: Sets, networks: Networks, came: Outcome, title: str = "Methods", rival: str | None = None
) -> dict[str, float]:
    """Measure everything, publish table, headline and claims, and return the test accuracies in %.

    The table has all differences to the plain student, and to that of the method ``rival``.
    """
    pupils, course = came.pupils, came.course
    ranked = sorted(pupils, key=lambda name: validated(pupils[name].made))
    seated = {"teacher": Portrayed("teacher", networks.teacher, came.teacher)}
    for name in ranked[:1]:  # the report speaks of the first student: the one that is kept
        seated[name] = Portrayed("student", f"{networks.student}, {name}", pupils[name].made)
    seated[PLAIN] = Portrayed("alone", f"{networks.student}, labels only", came.plain)
    seated |= {name: Portrayed("student", f"{networks.student}, {name}", pupil.made) for name, pupil in pupils.items()}
    steps = _stepping(run, shown, networks, pupils, course)
    costs = step_costs(steps, device=run.device, rounds=5, warm_up=1)
    methods = sorted(set().union(*(losses_in(step.objective) for step in steps.values())))
    seen = publish(run, shown, seated, methods)
    count = len(shown.test)
    accuracy = accuracies(seen)
    over = [PLAIN] if rival is None or rival not in pupils else [PLAIN, rival]
    rows = [_row(name, pupils.get(name), seen[name], accuracy, over, costs[name], count, shown)
            for name in (PLAIN, *pupils)]  # fmt: skip
    rows += [[name, "diverged", *[None] * (6 + len(over)), error] for name, error in came.diverged.items()]
    run.publish(
        tables=[
            {
                "title": title,
                "columns": ["method", "family", "× published weight", "accuracy", *(f"over {name}" for name in over),
                            "at best epoch", "ms a step", "× plain step", "peak MB a step", "teacher is asked"],
                "rows": rows,
                "note": f"Test accuracy in % after the last of {course.epochs} epochs, and after the one that was best "
                f"on validation. {networks.teacher}, the teacher, has {accuracy['teacher']:.2f} %. A step is of "
                f"{course.batch_size} images; peaks are of the tensors that it makes.",
                "curve": None,
                "paired": [f"over {name}" for name in over],
            }
        ],
        headline=_headline(networks, accuracy, pupils),
    )  # fmt: skip
    kept = pupils[ranked[0]].made.last if ranked else came.plain.last
    run.deliver(kept, classes=shown.test.classes, input=INPUT)
    if not drawn(shown):
        _claim(run, networks, accuracy, came.decisive)
        claim_layers(run, pupils, accuracy, came.decisive)
    return accuracy


def _row(
    name: str,
    pupil: Pupil | None,
    network: Mapping[str, Any],
    accuracy: Mapping[str, float],
    over: Sequence[str],
    cost: Cost,
    count: int,
    shown: Sets,
) -> list[Any]:
    best = network["best"]
    asked = "never"
    if pupil is not None:
        task = pupil.task
        once = remembers(task.build(), task.teaching, task.course.lesson(shown))
        asked = "once a view" if once else "every step"
    return [
        name,
        "labels" if pupil is None else pupil.task.family,
        None if pupil is None else pupil.task.teaching.strength,
        accuracy[name],
        *(round(accuracy[name] - accuracy[other], 2) for other in over),
        None if best is None else round(100 * (1 - best["errors"] / count), 2),
        round(cost["milliseconds"], 1),
        round(cost["ratio"], 2),
        round(cost["peak_bytes"] / 1e6, 1),
        asked,
    ]


def _stepping(
    run: Run, shown: Sets, networks: Networks, pupils: Mapping[str, Pupil], course: Course
) -> dict[str, Stepping]:
    """A step as each was taught, the plain one first."""
    rest = run.root, run.exact
    plain = run.laid_out(networks.build_student())
    found = {PLAIN: stepping(plain, None, course.lesson(shown), course.optimizer, *rest)}
    for name, task in ((name, pupil.task) for name, pupil in pupils.items()):
        model = run.laid_out(task.build())
        found[name] = stepping(model, task.teaching, task.course.lesson(shown), task.by, *rest)
    return found


def _headline(networks: Networks, accuracy: Mapping[str, float], pupils: Mapping[str, Pupil]) -> str:
    plain = accuracy[PLAIN]
    alone = f"{networks.student} alone: {plain:.1f} %; its teacher {networks.teacher}: {accuracy['teacher']:.1f} %."
    if not pupils:
        return alone
    best = max(pupils, key=lambda name: accuracy[name])
    better = sum(accuracy[name] > plain for name in pupils)
    return f"{alone} {better} of {len(pupils)} methods beat it, most of all {best} with {accuracy[best]:.1f} %."


def _claim(run: Run, networks: Networks, accuracy: Mapping[str, float], decisive: bool) -> None:
    column = tables.found(networks.teacher, networks.student)
    source = "Tian, Krishnan & Isola 2020, arXiv:1910.10699, and the methods' own papers: CIFAR-100"
    scale = None if decisive else DECIDES
    for name, published in column.items():
        if name in accuracy:
            run.claim(f"{name}: accuracy", published=published, measured=accuracy[name], unit="%", source=source,
                      low=round(published - tables.BAND, 2), scale=scale)  # fmt: skip
    of = "" if column else f" ({' → '.join(tables.NEAREST)} as published)"
    for name, gain in tables.gains(networks.teacher, networks.student).items():
        if name in accuracy and abs(gain) >= tables.BAND:
            run.claim(f"{name} {'beats' if gain > 0 else 'falls behind'} the plain student{of}", published=gain,
                      measured=round(accuracy[name] - accuracy[PLAIN], 2), unit="points", source=source,
                      low=0.01 if gain > 0 else None, high=-0.01 if gain < 0 else None, scale=scale)  # fmt: skip


def claim_layers(run: Run, pupils: Mapping[str, Pupil], accuracy: Mapping[str, float], decisive: bool) -> None:
    """That choosing the teacher's layers on the way beats the fixed mapping that is best on validation."""
    fixed = [name for name, pupil in pupils.items() if _is_fixed(pupil)]
    if not fixed:
        return
    best = min(fixed, key=lambda name: validated(pupils[name].made))
    for name, pupil in pupils.items():
        if pupil.task.family == ATTENTION and name not in fixed:
            run.claim(f"{name} beats the best fixed mapping", published=0, unit="points", paired=True,
                      measured=round(accuracy[name] - accuracy[best], 2), source=LAYERS, low=0.01,
                      scale=None if decisive else DECIDES,
                      note=f"best of {', '.join(fixed)} on validation; no figure is published")  # fmt: skip


def _is_fixed(pupil: Pupil) -> bool:
    return all(member in attention.FIXED for member in members(pupil.task.teaching.method))
