"""When to stop: teachers that are trained for less, and students that are no longer taught at some epoch, as tables."""

from collections.abc import Collection, Mapping, Sequence

from tutelage.plurals import counted
from tutelage.results import Curve, Metric, Network, Table
from tutelage.schemes.early import complete, cut_off
from tutelage.schemes.plan import Plan
from tutelage.study.comparison import BASELINE
from tutelage.study.experiments.capacity import best_teachers_in_words
from tutelage.study.experiments.choice import beside_alone, picked, validation

FULL, COMPLETE, CUT_OFF = "full", "complete", "cut off"


def stopped_early(teacher: str, plan: Plan, short: Sequence[int]) -> dict[str, tuple[str, Plan]]:
    """The ways in which ``teacher`` may stop early, by name: each of ``short`` as a complete schedule, and cut off.

    Raises ``ValueError`` unless each is shorter than the whole training.
    """
    ways = {}
    for epochs in short:
        ways[f"{teacher}, {counted(epochs, 'epoch')}"] = (COMPLETE, complete(plan, epochs))
        ways[f"{teacher}, {epochs} of {plan.epochs} epochs"] = (CUT_OFF, cut_off(plan, epochs))
    return ways


def refuse_late(stops: Sequence[int], flag: str, epochs: int, whole: str) -> None:
    """Raise ``ValueError`` unless each of ``stops``, given by ``flag``, is within the ``epochs`` given by ``whole``."""
    if epochs < 2:
        raise ValueError(f"{flag} takes epochs before the last one, and {whole} 1 has none; train for 2 or more.")
    for stop in stops:
        if not 0 < stop < epochs:
            raise ValueError(f"{flag} must be from 1 to {epochs - 1}, less than {whole} {epochs}; got {stop}.")


def kd_for(epochs: int, teacher: str) -> str:
    """How a student is called that is taught for so many epochs, and learns from labels alone in the others."""
    return f"{method_for(epochs)} from {teacher}"


def method_for(epochs: int) -> str:
    """How KD is called that is switched off after so many epochs.

    >>> method_for(1), method_for(20)
    ('kd for 1 epoch', 'kd for 20 epochs')
    """
    return f"kd for {counted(epochs, 'epoch')}"


def in_words(
    networks: Mapping[str, Network],
    teachers: Sequence[str],
    early: Collection[str],
    student: str,
    delivered: str,
    metric: Metric,
) -> str:
    """Which teacher was best, which of ``early`` ones, and the student that is ``delivered``, if any, by its name."""
    sentences = [best_teachers_in_words(networks, teachers, ["kd"], student, metric)]
    *_, largest = teachers
    if short := picked([f"kd from {name}" for name in early], networks, metric):
        name, words = short.removeprefix("kd from "), beside_alone(short, networks, metric)
        sentences.append(f"Of {largest} stopped early, the best of {len(early)} on validation is {name} ({words}).")
    if delivered:
        words = beside_alone(delivered, networks, metric)
        sentences.append(f"Delivered is the best of all students on validation, {delivered} ({words}).")
    return " ".join(sentences)


def early_teachers(
    networks: Mapping[str, Network], teacher: str, plan: Plan, ways: Mapping[str, tuple[str, Plan]], metric: Metric
) -> Table:
    """What teachers that stopped early know, and what their students do.

    Teachers are called ``teacher t``, their students ``kd from t``.
    """
    full = f"kd from {teacher}"
    all_ways = {**ways, teacher: (FULL, plan)}
    best = picked([f"kd from {name}" for name in all_ways], networks, metric)
    rows = []
    for name, (schedule, own) in all_ways.items():
        if (student := networks.get(f"kd from {name}")) is not None:
            rows.append((
                name, schedule, own.epochs, _value(networks[f"teacher {name}"], metric), _validation(student, metric),
                _value(student, metric), _gain(student, networks.get(BASELINE), metric),
                _gain(student, networks.get(full), metric), "best on validation" if student.name == best else "",
            ))  # fmt: skip
    over = (f"over {BASELINE}", "over full")
    return Table(
        title="Teachers that stop early",
        columns=("teacher", "schedule", "epochs", f"teacher's {metric.name}", f"validation {metric.name}", metric.name,
                 *over, "remark"),
        rows=tuple(rows),
        note=f"Test {metric.name} after the last epoch. A complete schedule makes all its drops in fewer epochs; one "
        f"that is cut off ends before some. Over full: over the student of {teacher} after all of its epochs.",
        curve=Curve("epochs", metric.name, "schedule"),
        paired=over,
    )  # fmt: skip


def switched_off(
    networks: Mapping[str, Network], teachers: Sequence[str], stops: Sequence[int], epochs: int, metric: Metric
) -> Table:
    """What students do that are taught for some epochs, and learn from labels alone in the others.

    They are called ``kd for e epochs from t``, those that are taught throughout ``kd from t``.
    """
    rows = []
    for teacher in teachers:
        named = {stop: kd_for(stop, teacher) for stop in stops} | {epochs: f"kd from {teacher}"}
        best = picked(list(named.values()), networks, metric)
        for stop, name in named.items():
            if (student := networks.get(name)) is not None:
                rows.append((
                    teacher, stop, _validation(student, metric), _value(student, metric),
                    _gain(student, networks.get(BASELINE), metric), _gain(student, networks.get(named[epochs]), metric),
                    "best on validation" if name == best else "",
                ))  # fmt: skip
    over = (f"over {BASELINE}", "over kd throughout")
    return Table(
        title="KD switched off after an epoch",
        columns=("teacher", "taught for epochs", f"validation {metric.name}", metric.name, *over, "remark"),
        rows=tuple(rows),
        note=f"Test {metric.name} after the last of {epochs} epochs. From the switch on a student learns from labels "
        "alone, of weight 1, and its teacher is not asked.",
        curve=Curve("taught for epochs", over[0], "teacher"),
        paired=over,
    )


def _value(network: Network, metric: Metric) -> float | None:
    score = network.scores.get(metric.name)
    return None if score is None else score.value


def _validation(network: Network, metric: Metric) -> float | None:
    value = validation(network, metric)
    return None if value is None else round(value, 2)


def _gain(network: Network, over: Network | None, metric: Metric) -> float | None:
    values = [_value(one, metric) for one in (network, over) if one is not None]
    if len(values) < 2 or values[0] is None or values[1] is None:
        return None
    return round(metric.gain(values[0], over=values[1]), 2)
