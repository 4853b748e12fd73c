"""Many methods on one pair of networks: each student is a stage, all are measured once, one table says it all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from tutelage.measure.steps import Cost, step_costs
from tutelage.models.named import named
from tutelage.models.outline import outline
from tutelage.recipes.methods.find import family, method
from tutelage.recipes.parts import tables
from tutelage.recipes.parts.photographs import DECIDES, INPUT, Course, labels_only
from tutelage.recipes.parts.pupils import Stepping, Teaching, borrowing, losses_in, remembers, stepping, taught
from tutelage.recipes.parts.sets import Portrayed, Sets, publish
from tutelage.run import Run
from tutelage.stages import Build, Finished

PLAIN = "plain"


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

    def lr(self) -> float:
        """The student's published learning rate."""
        return 0.01 if self.student.startswith(("mobilenet", "shufflenet")) else 0.05


@dataclass(frozen=True)
class Pupil:
    """A student of one method: the best of those taught at each strength, by validation errors."""

    teaching: Teaching
    build: Build
    made: Finished
    family: str


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
    _refuse_strangers(shown, networks)
    teacher = labels_only(run, shown, networks.build_teacher, teacher_course, "teacher")
    plain = labels_only(run, shown, networks.build_student, course, PLAIN)
    pupils: dict[str, Pupil] = {}
    diverged: dict[str, str] = {}
    for name, how in chosen.items():
        teaching = Teaching(how, teacher.last, (networks.teacher, networks.student),
                            1.0, networks.teacher_maps, networks.student_maps, remember)  # fmt: skip
        try:
            pupils[name] = _best(run, shown, networks, name, teaching, course, strengths)
        except FloatingPointError as error:  # a method that diverges is a result, and no reason to lose the others
            diverged[name] = str(error)
            run.progress.note(f"{name}: {error}")
    _tell(run, shown, networks, teacher, plain, pupils, course, decisive, diverged)


def _refuse_strangers(shown: Sets, networks: Networks) -> None:
    """Before hours are spent: networks that cannot be built, take no such images, or lack a layer that was named."""
    example = shown.measured(shown.train.inputs[:2], torch.zeros(2, dtype=torch.int64))
    for text, maps in ((networks.teacher, networks.teacher_maps), (networks.student, networks.student_maps)):
        model = named(text, networks.classes)().to(example.device)
        head = model.get_submodule(outline(model, example, maps).head)
        if (classes := cast(nn.Linear, head).out_features) != networks.classes:
            raise ValueError(f"{shown.train.name!r} has {networks.classes} classes; {text} answers with {classes}.")


def _best(
    run: Run, shown: Sets, networks: Networks, name: str, teaching: Teaching, course: Course, strengths: Sequence[float]
) -> Pupil:
    build: Build = networks.build_student
    if name == "simkd":
        build = partial(borrowing, networks.build_student, networks.build_teacher, shown.train.inputs.shape[-1])
    tried = []
    for strength in strengths:
        this = Teaching(**{**vars(teaching), "strength": strength})
        fit = partial(
            taught,
            teaching=this,
            lesson=course.lesson(shown),
            optimizer=course.optimizer,
            epochs=course.epochs,
            schedule=course.schedule,
        )
        stage = name if len(strengths) == 1 else f"{name} × {strength:g}"
        tried.append(Pupil(this, build, run.stage(stage, build, fit, seed=course.seed), family(teaching.method)))
    return min(tried, key=lambda pupil: _validated(pupil.made))


def _validated(made: Finished) -> float:
    """Errors on the validation images after the last epoch; 0 where there are none."""
    return float(made.records[-1].get("validation", {}).get("errors", 0))


def _tell(
    run: Run,
    shown: Sets,
    networks: Networks,
    teacher: Finished,
    plain: Finished,
    pupils: Mapping[str, Pupil],
    course: Course,
    decisive: bool,
    diverged: Mapping[str, str],
) -> None:
    ranked = sorted(pupils, key=lambda name: _validated(pupils[name].made))
    seated = {"teacher": Portrayed("teacher", networks.teacher, teacher)}
    for name in ranked[:1]:  # the report speaks of the first student: the one that is kept
        seated[name] = Portrayed("student", f"{networks.student}, {name}", pupils[name].made)
    seated[PLAIN] = Portrayed("alone", f"{networks.student}, labels only", plain)
    seated |= {name: Portrayed("student", f"{networks.student}, {name}", pupil.made) for name, pupil in pupils.items()}
    steps = _stepping(run, shown, networks, pupils, course)
    costs = step_costs(steps, device=run.device, rounds=5, warm_up=1)
    methods = sorted(set().union(*(losses_in(step.objective) for step in steps.values())))
    seen = publish(run, shown, seated, methods)
    count = len(shown.test)
    accuracy = {name: round(100 * (1 - network["errors"] / count), 2) for name, network in seen.items()}
    rows = [_row(name, pupils.get(name), seen[name], accuracy, costs[name], count, shown, course)
            for name in (PLAIN, *pupils)]  # fmt: skip
    rows += [[name, "diverged", *[None] * 7, error] for name, error in diverged.items()]
    run.publish(
        tables=[
            {
                "title": "Methods",
                "columns": ["method", "family", "× published weight", "accuracy", "over plain", "at best epoch",
                            "ms a step", "× plain step", "peak MB a step", "teacher is asked"],
                "rows": rows,
                "note": f"Test accuracy in % after the last of {course.epochs} epochs, and after the one that was best "
                f"on validation. {networks.teacher}, the teacher, has {accuracy['teacher']:.2f} %. A step is of "
                f"{course.batch_size} images; peaks are of the tensors that it makes.",
                "curve": None,
            }
        ],
        headline=_headline(networks, accuracy, pupils),
    )  # fmt: skip
    kept = pupils[ranked[0]].made.last if ranked else plain.last
    run.deliver(kept, classes=shown.test.classes, input=INPUT)
    if not shown.train.name.startswith("synthetic"):
        _claim(run, networks, accuracy, decisive)


def _row(
    name: str,
    pupil: Pupil | None,
    network: Mapping[str, Any],
    accuracy: Mapping[str, float],
    cost: Cost,
    count: int,
    shown: Sets,
    course: Course,
) -> list[Any]:
    best = network["best"]
    asked = "never"
    if pupil is not None:
        once = remembers(pupil.build(), pupil.teaching, course.lesson(shown))
        asked = "once a view" if once else "every step"
    return [
        name,
        "labels" if pupil is None else pupil.family,
        None if pupil is None else pupil.teaching.strength,
        accuracy[name],
        round(accuracy[name] - accuracy[PLAIN], 2),
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
    rest = course.lesson(shown), course.optimizer, run.root, run.exact
    found = {PLAIN: stepping(run.laid_out(networks.build_student()), None, *rest)}
    for name, pupil in pupils.items():
        found[name] = stepping(run.laid_out(pupil.build()), pupil.teaching, *rest)
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
