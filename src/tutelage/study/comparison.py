"""Many trials against one baseline: each student is a stage, all are measured once, one table says it all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any

from tutelage.measures.chance import noise_of
from tutelage.measures.steps import Cost
from tutelage.results import Metric, Network, Role, Table
from tutelage.run import Run
from tutelage.schemes.by_method import is_cached
from tutelage.stages.storage import Finished
from tutelage.study.costs import costs_of
from tutelage.study.evaluated import Evaluated, publish_networks, validated
from tutelage.study.sets import Sets
from tutelage.study.trials import Outcome, Trained, Trial

BASELINE = "baseline"


@dataclass(frozen=True)
class Compared:
    """Who is compared with whom, in the words of the table called ``title``.

    ``metric`` is what the table shows. All differences are to the baseline, and to the student called ``rival`` where
    there is one. ``teachers`` are by the names of their stages, ``labels`` says in a few words what networks are.
    """

    title: str
    metric: Metric
    teachers: Mapping[str, Finished]
    baseline: Trained
    outcome: Outcome
    labels: Mapping[str, str] = field(default_factory=dict)
    rival: str | None = None

    @property
    def students(self) -> dict[str, Trained]:
        """Those of the trials, the baseline first."""
        return {BASELINE: self.baseline, **self.outcome.students}

    def ranked(self, data: Sets) -> list[str]:
        """The students' names, best on validation first; without the baseline."""
        students = self.outcome.students
        return sorted(students, key=lambda name: validated(students[name].finished, data))


def publish_comparison(run: Run, data: Sets, compared: Compared, input_words: str) -> dict[str, Network]:
    """Measure everything, publish networks and table, deliver the leading student, and return the networks by name.

    The report speaks of the first student: the one that is best on validation, or the rival if there is one.
    """
    ranked = compared.ranked(data)
    leader = compared.rival if compared.rival in compared.outcome.students else next(iter(ranked), None)
    costs, methods = costs_of(run, {name: trained.trial for name, trained in compared.students.items()})
    networks = publish_networks(run, data, _cast(compared, leader), methods)
    run.publish(tables=[_table(run, compared, networks, costs)])
    run.deliver(compared.students[leader or BASELINE].finished.last, classes=data.test.classes, input=input_words)
    return networks


def best_in_words(
    compared: Compared, networks: Mapping[str, Network], teacher: str, student: str, trials: str = "methods"
) -> str:
    """How the student does alone, how the teacher does, and which trial does best, in a sentence or two."""
    metric = compared.metric
    values = {name: _value(network, metric) for name, network in networks.items()}
    words = {name: f"{value:.1f} {metric.unit}" if metric.unit else f"{value:g}" for name, value in values.items()}
    start = f"{student} alone: {words[BASELINE]}; its teacher {teacher}: {words['teacher']}."
    students = list(compared.outcome.students)
    if not students:
        return start
    best = max(students, key=lambda name: metric.gain(values[name], over=values[BASELINE]))
    better = sum(_beats(networks[name], networks[BASELINE], metric) for name in students)
    if len(students) == 1:
        return f"{start} By {best}: {words[best]}."
    count = f"of {len(students)} {trials}"
    if not better:
        return f"{start} None {count} beats {student} alone by more than chance; {best} has {words[best]}."
    beat = "beats" if better == 1 else "beat"
    return f"{start} {better} {count} {beat} {student} alone, most of all {best} with {words[best]}."


def _beats(network: Network, baseline: Network, metric: Metric) -> bool:
    """Whether it is ahead by more than what the choice of the test samples leaves of such a difference."""
    noise = noise_of(network.scores.get(metric.name), baseline.scores.get(metric.name), network.count)
    return metric.gain(_value(network, metric), over=_value(baseline, metric)) > noise


def _value(network: Network, metric: Metric) -> float:
    """The metric; the worst there is where the network's answers were no numbers."""
    score = network.scores.get(metric.name)
    return score.value if score else inf if metric.better == "lower" else -inf


def _cast(compared: Compared, leader: str | None) -> dict[str, Evaluated]:
    """Everybody in the report's order: teachers, the leading student, the baseline, the others."""
    labels, students = compared.labels, compared.students
    cast = {name: Evaluated("teacher", labels.get(name, name), one) for name, one in compared.teachers.items()}
    names = [BASELINE, *compared.outcome.students] if leader is None else [leader, BASELINE, *compared.outcome.students]
    for name in names:
        role: Role = "baseline" if name == BASELINE else "student"
        cast.setdefault(name, Evaluated(role, labels.get(name, name), students[name].finished))
    return cast


def _table(run: Run, compared: Compared, networks: Mapping[str, Network], costs: Mapping[str, Cost]) -> Table:
    over = [BASELINE] if compared.rival not in compared.outcome.students else [BASELINE, str(compared.rival)]
    rows = [_row(run, compared, networks, costs.get(name), name, over) for name in compared.students]
    failed = [[name, "diverged", *[None] * (len(rows[0]) - 2), reason] for name, reason in
              compared.outcome.diverged.items()]  # fmt: skip
    remark = ["remark"] if failed else []
    plan, teachers = compared.baseline.trial.plan, "; ".join(
        f"{compared.labels.get(name, name)}, the teacher: {_value(networks[name], compared.metric):g}"
        for name in compared.teachers
    )  # fmt: skip
    unit = f", {compared.metric.unit}" if compared.metric.unit else ""
    differences = tuple(f"over {name}" for name in over)
    return Table(
        title=compared.title,
        columns=("student", "family", "× published weight", compared.metric.name, *differences, "at best epoch",
                 "ms a step", "× baseline's step", "peak MB a step", "teacher is asked", *remark),
        rows=tuple(tuple(row + ([None] if failed else [])) for row in rows) + tuple(map(tuple, failed)),
        note=f"Test {compared.metric.name}{unit} {_after(plan.epochs)} unless it says otherwise, and "
        f"after the one that was best on validation; differences are gains. {teachers}. A step is of "
        f"{plan.lesson.batch_size} samples; peaks are of the tensors that it makes.",
        paired=differences,
    )  # fmt: skip


def _row(
    run: Run,
    compared: Compared,
    networks: Mapping[str, Network],
    cost: Cost | None,
    name: str,
    over: list[str],
) -> list[Any]:
    metric, network, trial = compared.metric, networks[name], compared.students[name].trial
    value = _value(network, metric)
    gains = [metric.gain(value, _value(networks[other], metric)) for other in over]
    return [
        name,
        trial.family,
        None if trial.teaching is None else trial.teaching.strength,
        _rounded(value),
        *map(_rounded, gains),
        None if network.best is None else _rounded(network.best.scores.get(metric.name, inf)),
        *([None] * 3 if cost is None else _cost(cost)),
        _asked(run, trial),
    ]


def _after(epochs: int) -> str:
    return "after one epoch" if epochs == 1 else f"after the last of {epochs} epochs"


def _rounded(value: float) -> float | None:
    """Counts as they are, everything else to two places; nothing for what is no number."""
    if not isfinite(value):
        return None
    return value if float(value).is_integer() else round(value, 2)


def _cost(cost: Cost) -> list[float]:
    return [round(cost["milliseconds"], 2), round(cost["ratio"], 2), round(cost["peak_bytes"] / 1e6, 1)]


def _asked(run: Run, trial: Trial) -> str:
    if trial.teaching is None:
        return "never"
    student = run.laid_out(trial.build())  # on the device of the samples, which it is shown
    return "once a view" if is_cached(student, trial.teaching, trial.plan) else "every step"
