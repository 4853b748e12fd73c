"""One student, bigger and bigger teachers, as a table and in words."""

from collections.abc import Mapping, Sequence

from tutelage.results import Curve, Metric, Network, Table
from tutelage.study.comparison import BASELINE
from tutelage.study.experiments.choice import beside_alone, figure, picked, validation


def students_by_teacher(
    networks: Mapping[str, Network], teachers: Sequence[str], methods: Sequence[str], metric: Metric
) -> Table:
    """What each method makes of each teacher, over the teacher's size. Students are called ``method from teacher``."""
    over = f"over {BASELINE}"
    rows = []
    for method in methods:
        for teacher in teachers:
            student, source = networks.get(f"{method} from {teacher}"), networks[f"teacher {teacher}"]
            if student is not None:
                value, alone = student.scores[metric.name].value, networks[BASELINE].scores[metric.name].value
                gain = round(metric.gain(value, over=alone), 2)
                rows.append((method, teacher, source.parameters, source.scores[metric.name].value, value, gain))
    return Table(
        title="Students of bigger and bigger teachers",
        columns=("method", "teacher", "parameters", f"teacher's {metric.name}", metric.name, over),
        rows=tuple(rows),
        note=f"Test {metric.name} after the last epoch, and its gain over the student that nobody teaches.",
        curve=Curve("parameters", over, "method", log_x=True),
        paired=(over,),
    )


def best_teachers_in_words(
    networks: Mapping[str, Network], teachers: Sequence[str], methods: Sequence[str], student: str, metric: Metric
) -> str:
    """Of each method the teacher whose student is best on validation, and what that student does, in one sentence.

    Where nothing was validated nothing is picked: the students of all teachers are told.
    """
    parts = [f"{student} alone: {figure(networks[BASELINE], metric, named=True)}"]
    for method in methods:
        names = {f"{method} from {teacher}": teacher for teacher in teachers}
        names = {name: teacher for name, teacher in names.items() if name in networks}
        if len(names) > 1 and any(validation(networks[name], metric) is not None for name in names):
            best = picked(names, networks, metric)
            words = f"by {method}, the best of {len(names)} teachers on validation is {names[best]}"
            parts.append(f"{words} ({beside_alone(best, networks, metric)})")
        else:
            parts += [f"{name}: {beside_alone(name, networks, metric)}" for name in names]
    return "; ".join(parts) + "."
