"""When to stop: teachers that are trained for less, and students that are no longer taught at some epoch, as tables."""

from collections.abc import Mapping, Sequence

from tutelage.results import Curve, Metric, Network, Table
from tutelage.schemes.early import complete, cut_off
from tutelage.schemes.plan import Plan
from tutelage.study.comparison import BASELINE

FULL, COMPLETE, CUT_OFF = "full", "complete", "cut off"


def stopped_early(teacher: str, plan: Plan, short: Sequence[int]) -> dict[str, tuple[str, Plan]]:
    """The ways in which ``teacher`` may stop early, by name: each of ``short`` as a complete schedule, and cut off.

    Raises ``ValueError`` unless each is shorter than the whole training.
    """
    ways = {}
    for epochs in short:
        ways[f"{teacher}, {epochs} epochs"] = (COMPLETE, complete(plan, epochs))
        ways[f"{teacher}, {epochs} of {plan.epochs} epochs"] = (CUT_OFF, cut_off(plan, epochs))
    return ways


def refuse_no_choice(validation: int, flag: str) -> None:
    """Raise ``ValueError`` where no samples are set apart on which something could be picked."""
    if not validation:
        raise ValueError(f"What is best is picked on validation images; keep some with {flag}.")


def picked(students: Sequence[str], networks: Mapping[str, Network], metric: Metric) -> str:
    """The student that is best on validation, of those that did not diverge; the first of equals."""

    def validation(name: str) -> float:
        value = (networks[name].validation or {}).get(metric.name)
        return float("inf") if value is None else -metric.gain(value, over=0.0)

    return min((name for name in students if name in networks), key=validation, default="")


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

    They are called ``kd until e from t``, those that are taught throughout ``kd from t``.
    """
    rows = []
    for teacher in teachers:
        named = {stop: f"kd until {stop} from {teacher}" for stop in stops} | {epochs: f"kd from {teacher}"}
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
    value = (network.validation or {}).get(metric.name)
    return None if value is None else round(value, 2)


def _gain(network: Network, over: Network | None, metric: Metric) -> float | None:
    values = [_value(one, metric) for one in (network, over) if one is not None]
    if len(values) < 2 or values[0] is None or values[1] is None:
        return None
    return round(metric.gain(values[0], over=values[1]), 2)
