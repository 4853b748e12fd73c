"""One student, bigger and bigger teachers: does a better teacher make a better student, and does attention help?"""

from collections.abc import Mapping, Sequence

from tutelage.measure.cost import parameters
from tutelage.methods.by_name import family, method
from tutelage.recipes.parts.comparison import PLAIN, Networks, Pupil, Task, claim_layers, learned, refuse_strangers
from tutelage.recipes.parts.photographs import DECIDES, INPUT, Course, labels_only
from tutelage.recipes.parts.pupils import losses_in, stepping
from tutelage.recipes.parts.sets import Portrayed, Sets, accuracies, drawn, publish, validated
from tutelage.run import Run
from tutelage.stages import Finished

PROPOSAL = "the multi-knowledge proposal: too large a teacher makes a worse student"


def compare(
    run: Run,
    shown: Sets,
    student: str,
    teachers: Sequence[str],
    methods: Sequence[str],
    *,
    teacher_course: Course,
    course: Course,
    remember: int,
    decisive: bool,
) -> None:
    """Train every teacher, the plain student, and a student of each method and teacher."""
    chosen = {name: method(name) for name in methods}
    pairs = {teacher: Networks(teacher, student, (), (), len(shown.train.classes)) for teacher in teachers}
    for networks in pairs.values():
        refuse_strangers(shown, networks)
    made = {
        name: labels_only(run, shown, networks.build_teacher, teacher_course, f"teacher {name}")
        for name, networks in pairs.items()
    }
    plain = labels_only(run, shown, next(iter(pairs.values())).build_student, course, PLAIN)
    tasks: dict[str, Sequence[Task]] = {}
    for name, networks in pairs.items():
        for word, how in chosen.items():
            teaching = networks.teaching(how, made[name].last, remember)
            tasks[f"{word} from {name}"] = [Task(teaching, networks.build_student, course, family(how))]
    pupils, diverged = learned(run, shown, tasks)
    seen = publish(run, shown, _cast(student, made, plain, pupils), _methods(run, shown, pupils))
    accuracy = accuracies(seen)
    rows = [
        [word, name, parameters(made[name].last), accuracy[f"teacher {name}"], accuracy[f"{word} from {name}"],
         round(accuracy[f"{word} from {name}"] - accuracy[PLAIN], 2)]
        for word in chosen for name in pairs if f"{word} from {name}" in accuracy
    ]  # fmt: skip
    rows += [[name, error, None, None, None, None] for name, error in diverged.items()]
    table = {
        "title": "Students of bigger and bigger teachers",
        "columns": ["method", "teacher", "parameters", "teacher's accuracy", "accuracy", "over plain"],
        "rows": rows,
        "note": f"Test accuracy in % of {student} after {course.epochs} epochs, and over {student} on labels alone.",
        "curve": {"x": "parameters", "y": "over plain", "by": "method", "log_x": True},
        "paired": ["over plain"],
    }
    run.publish(tables=[table], headline=_headline(student, accuracy, list(pairs), list(chosen)))
    best = min(pupils, key=lambda name: validated(pupils[name].made), default=None)
    run.deliver(plain.last if best is None else pupils[best].made.last, classes=shown.test.classes, input=INPUT)
    if not drawn(shown) and len(pairs) > 1:
        claim_size(run, accuracy, list(pairs), list(chosen), decisive)
        claim_layers(run, _of(list(pairs)[-1], pupils), accuracy, decisive)


def _cast(
    student: str, made: Mapping[str, Finished], plain: Finished, pupils: Mapping[str, Pupil]
) -> dict[str, Portrayed]:
    seated = {f"teacher {name}": Portrayed("teacher", name, one) for name, one in made.items()}
    seated |= {name: Portrayed("student", f"{student}, {name}", pupil.made) for name, pupil in pupils.items()}
    return {**seated, PLAIN: Portrayed("alone", f"{student}, labels only", plain)}


def _methods(run: Run, shown: Sets, pupils: Mapping[str, Pupil]) -> list[str]:
    found: set[str] = set()
    for task in (pupil.task for pupil in pupils.values()):
        model = run.laid_out(task.build())
        step = stepping(model, task.teaching, task.course.lesson(shown), task.by, run.root, run.exact)
        found |= losses_in(step.objective)
    return sorted(found)


def _of(teacher: str, pupils: Mapping[str, Pupil]) -> dict[str, Pupil]:
    return {name: pupil for name, pupil in pupils.items() if name.endswith(f" from {teacher}")}


def _headline(student: str, accuracy: Mapping[str, float], teachers: list[str], methods: list[str]) -> str:
    parts = []
    for word in methods:
        ours = {name: accuracy[f"{word} from {name}"] for name in teachers if f"{word} from {name}" in accuracy}
        if ours:
            best = max(ours, key=lambda name: ours[name])
            parts.append(f"by {word} it learns most from {best} ({ours[best]:.1f} %)")
    return f"{student} alone: {accuracy[PLAIN]:.1f} %; {'; '.join(parts)}."


def claim_size(
    run: Run, accuracy: Mapping[str, float], teachers: Sequence[str], methods: Sequence[str], decisive: bool
) -> None:
    """That the largest teacher makes a worse student than the one before it.

    Not than the best of all smaller ones: the best of several equals would beat it by chance alone.
    """
    *_, smaller, largest = teachers
    for word in methods:
        one, other = (f"{word} from {teacher}" for teacher in (smaller, largest))
        if one in accuracy and other in accuracy:
            run.claim(f"{word}: {smaller} makes a better student than {largest}", published=0, unit="points",
                      measured=round(accuracy[one] - accuracy[other], 2), source=PROPOSAL, low=0.01, paired=True,
                      scale=None if decisive else DECIDES, note="no figure is published")  # fmt: skip
