"""Whether a network does better by what is done otherwise: beyond chance, and by so much that it is worth a word."""

from math import sqrt
from statistics import NormalDist

from torch import Tensor

from tutelage.data.labelled import Labelled
from tutelage.results import Metric
from tutelage.study.diagnosis.answered import are_classes, quality
from tutelage.tasks.task import Task

CHANCE = 1e-4
"""How often a right set-up may be accused of anything at all, however many things are tried."""
LEAST = 0.02
"""The least gain that is told of: of a share, and of what a loss or an error was."""


def is_clear(gains: Tensor, tried: int) -> bool:
    """Whether ``gains`` (N,) a sample are above 0 beyond chance, where ``tried`` such things were looked at.

    The mean over its standard error, against the quantile at ``CHANCE / tried``: for answers that are right or wrong
    McNemar's test, "Note on the sampling error of the difference between correlated proportions", 1947.
    """
    squares = float(gains.double().square().sum())
    return squares > 0 and float(gains.sum()) / sqrt(squares) > NormalDist().inv_cdf(1 - CHANCE / max(tried, 1))


def beats_constant(task: Task, answers: Tensor, good: Tensor, samples: Labelled, tried: int) -> bool:
    """Whether answers are better than always the same; clearly so where ``good`` (N,) says which are right."""
    if not are_classes(answers, samples):
        metric = task.deciding
        return metric.gain(task.score(answers, samples)[metric.name].value, over=task.constant(samples)) > 0
    return beats_constant_class(good, samples, tried)


def beats_constant_class(right: Tensor, samples: Labelled, tried: int) -> bool:
    """Whether that is clearly better than always the same class, where ``right`` (N,) says which answers are right."""
    commonest = (samples.targets == samples.targets.bincount().argmax()).double().to(right.device)
    return is_clear(right - commonest, tried)


def gained(task: Task, now: Tensor, before: Tensor, samples: Labelled) -> tuple[Metric, float, float]:
    """What answers score, and by how much they are better than those ``before``: by the metric people ask for, or by
    another one of its unit, where that alone sees a difference, as an average precision does not see a threshold.

    The gain is 0 where it is not worth a word: less than ``LEAST`` of a share, or of what it was.
    """
    told = task.told
    if are_classes(now, samples):  # whatever number of classes they have
        shares = [100 * float(quality(task, x, samples).mean()) for x in (now, before)]
        found = [(told, shares[0], shares[0] - shares[1])]
    else:
        scores = [task.score(x, samples) for x in (now, before)]
        values = {x: [each[x.name].value for each in scores] for x in task.metrics if x.unit == told.unit}
        found = [(x, *_gain(x, *values[x])) for x in sorted(values, key=lambda x: x != told)]
    return next((one for one in found if one[2] >= _least(one)), (*found[0][:2], 0.0))


def _gain(metric: Metric, now: float, before: float) -> tuple[float, float]:
    return now, metric.gain(now, over=before)


def _least(found: tuple[Metric, float, float]) -> float:
    metric, value, gain = found
    return LEAST * (100 if metric.unit == "%" else abs(value) + abs(gain))
