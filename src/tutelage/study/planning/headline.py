"""What came out of a distillation in a sentence or two: how good, how small and how fast, and what the teacher gave."""

from collections.abc import Mapping, Sequence

from tutelage.measures.chance import left_open, noise_of
from tutelage.results import Metric, Network


def headline(networks: Mapping[str, Network], names: tuple[str, str], metrics: Sequence[Metric]) -> str:
    """How well the student does, how much larger and slower its teacher is, and what the student has without one.

    ``networks`` has ``teacher``, ``student`` and perhaps ``baseline``; ``names`` are what people call the first two.
    By the first metric in per cent, else by the one that decides. What few test samples leave of it is said.

    >>> from tutelage.results import Score
    >>> both = {role: Network(role, role, "", 999, {"R²": Score(0.5)}, parameters=5) for role in ("teacher", "student")}
    >>> headline(both, ("wide", "narrow"), [Metric("R²", better="higher")])
    'narrow has 0.5 R²; its teacher wide, as large, has 0.5.'
    """
    metric = next((metric for metric in metrics if metric.unit == "%"), metrics[0])
    teacher, student = networks["teacher"], networks["student"]
    named = f" {metric.name}" if metric.name in student.scores else ""
    costs = " and ".join(filter(None, (_size(teacher, student), _clock(teacher, student))))
    words = f"{names[1]} has {told(student, metric)}{named}; its teacher {names[0]}"
    words += f"{f', {costs},' if costs else ''} has {told(teacher, metric)}."
    if (alone := networks.get("baseline")) is not None:
        words += f" {without(student, alone, metric)}"
    few = left_open(student.scores.get(metric.name), metric, student.count, f"{names[1]}'s")
    return f"{words} {few}." if few else words


def without(student: Network, alone: Network, metric: Metric) -> str:
    """What the same student has that had no teacher, and whether chance alone may make such a difference."""
    with_one, without_one = student.scores.get(metric.name), alone.scores.get(metric.name)
    words = f"Without a teacher it has {told(alone, metric)}"
    if with_one is None or without_one is None:
        return f"{words}."
    gain = metric.gain(with_one.value, over=without_one.value)
    if gain == 0:
        return f"{words}, too: nothing was gained from one."
    size = f"{abs(gain):.1f} points" if metric.unit == "%" else f"{abs(gain):.2g}"
    by_chance = abs(gain) <= noise_of(with_one, without_one, student.count)
    doubt = "that may be chance" if by_chance else "chance alone does not explain that"
    if gain > 0:
        return f"{words}, {size} worse; {doubt}."
    return f"{words}, {size} better; {doubt}: " + (
        "no gain from its teacher is seen." if by_chance else "its teacher made it worse."
    )


def told(network: Network, metric: Metric) -> str:
    """A network's metric, with its unit."""
    score = network.scores.get(metric.name)
    if score is None:
        return f"no {metric.name}"
    return f"{score.value:.1f} {metric.unit}" if metric.unit else f"{score.value:.4g}"


def _size(teacher: Network, student: Network) -> str:
    if not teacher.parameters or not student.parameters:
        return ""
    return _times(teacher.parameters / student.parameters, "larger", "smaller", "as large")


def _clock(teacher: Network, student: Network) -> str:
    if not teacher.latency_ms or not student.latency_ms:
        return ""
    slow, fast = (next(iter(x.values())).median for x in (teacher.latency_ms, student.latency_ms))
    return _times(slow / fast, "slower", "faster", "as fast") if min(slow, fast) > 0 else ""


def _times(ratio: float, more: str, less: str, same: str) -> str:
    """``2.0 × larger``; ``as large`` where it is no more than 1.0 times."""
    times = f"{max(ratio, 1 / ratio):.1f}"
    return same if times == "1.0" else f"{times} × {more if ratio > 1 else less}"
