"""One student, bigger and bigger teachers, as a table and in words."""

from collections.abc import Mapping, Sequence

from tutelage.results import Curve, Metric, Network, Table
from tutelage.study.comparison import BASELINE


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
    """From whom the student learns most by each method, in one sentence."""
    parts = []
    for method in methods:
        values = {teacher: networks[name].scores[metric.name].value for teacher in teachers
                  if (name := f"{method} from {teacher}") in networks}  # fmt: skip
        if values:
            best = max(values, key=lambda teacher: metric.gain(values[teacher], over=0.0))
            parts.append(f"by {method} it learns most from {best} ({_in_words(values[best], metric)})")
    alone = networks[BASELINE].scores[metric.name].value
    return "; ".join([f"{student} alone: {_in_words(alone, metric)}", *parts]) + "."


def _in_words(value: float, metric: Metric) -> str:
    return f"{value:.1f} {metric.unit}" if metric.unit else f"{value:g} {metric.name}"
