"""Which of several students is best on validation samples, and how well it does on the test set, in words."""

from collections.abc import Iterable, Mapping

from tutelage.results import Metric, Network
from tutelage.study.comparison import BASELINE


def refuse_no_choice(validation: int, flag: str) -> None:
    """Raise ``ValueError`` where no samples are set apart on which something could be picked."""
    if not validation:
        raise ValueError(f"What is best is picked on validation images; keep some with {flag}.")


def validation(network: Network, metric: Metric) -> float | None:
    """The metric on the validation samples; nothing where there were none, or where it was no number."""
    return (network.validation or {}).get(metric.name)


def picked(students: Iterable[str], networks: Mapping[str, Network], metric: Metric) -> str:
    """The student that is best on validation, of those that did not diverge; the first of equals, empty for none."""

    def loss(name: str) -> float:
        value = validation(networks[name], metric)
        return float("inf") if value is None else -metric.gain(value, over=0.0)

    return min((name for name in students if name in networks), key=loss, default="")


def figure(network: Network, metric: Metric, *, named: bool = False) -> str:
    """The metric on the test set with its unit; with its name where it has no unit, or if it is to be ``named``."""
    value = network.scores[metric.name].value
    if not metric.unit:
        return f"{value:g} {metric.name}"
    return f"{value:.1f} {metric.unit}{f' {metric.name}' if named else ''}"


def beside_alone(student: str, networks: Mapping[str, Network], metric: Metric) -> str:
    """The metric of a student on the test set, and how far it is from that of the student alone."""
    value, alone = (networks[name].scores[metric.name].value for name in (student, BASELINE))
    far = f"{abs(value - alone):.1f} points" if metric.unit == "%" else f"{abs(value - alone):g}"
    less = "less" if metric.unit else "fewer"
    return f"{figure(networks[student], metric)}, {far} {'more' if value > alone else less} than alone"
