"""Whether a network does better by what is done otherwise: beyond chance, and by so much that it is worth a word."""

from math import sqrt
from statistics import NormalDist, stdev

import torch
from torch import Tensor

from tutelage.data.labelled import Labelled
from tutelage.results import Metric
from tutelage.study.diagnosis.answered import are_classes, quality
from tutelage.tasks.task import Task

CHANCE = 1e-4
"""How often a right set-up may be accused of anything at all, however many things are tried."""
LEAST = 0.02
"""The least gain that is told of: of a share, and of what a loss or an error was."""
OTHERS = 4
"""Answers about other samples that each is compared with."""
PARTS, T = 10, 2.262
"""Parts of the samples, one of which is left out, and Student's t for as many less one."""


def is_clear(gains: Tensor, tried: int) -> bool:
    """Whether ``gains`` (N,) a sample are above 0 beyond chance, where ``tried`` such things were looked at.

    The mean over its standard error, against the quantile at ``CHANCE / tried``: for answers that are right or wrong
    McNemar's test, "Note on the sampling error of the difference between correlated proportions", 1947.
    """
    squares = float(gains.double().square().sum())
    return squares > 0 and float(gains.sum()) / sqrt(squares) > NormalDist().inv_cdf(1 - CHANCE / max(tried, 1))


def beats_constant(task: Task, answers: Tensor, good: Tensor, samples: Labelled, tried: int) -> bool:
    """Whether answers, each so ``good`` (N,), are better than always the same, and clearly better than one another's.

    Where they name no class, pictures shown otherwise may make a loss smaller by smaller answers alone, and a share
    larger by more answers of one kind. Only an answer that fits its own sample better than others do knows anything.
    """
    if are_classes(answers, samples):
        return beats_constant_class(good, samples, tried)
    metric = task.deciding
    others = torch.stack([quality(task, answers.roll(step, 0), samples) for step in range(1, OTHERS + 1)])
    better = metric.gain(task.score(answers, samples)[metric.name].value, over=task.constant(samples)) > 0
    return better and is_clear(good - others.mean(0), tried)


def beats_constant_class(right: Tensor, samples: Labelled, tried: int) -> bool:
    """Whether that is clearly better than always the same class, where ``right`` (N,) says which answers are right."""
    commonest = (samples.targets == samples.targets.bincount().argmax()).double().to(right.device)
    return is_clear(right - commonest, tried)


def gained(task: Task, now: Tensor, before: Tensor, samples: Labelled) -> tuple[Metric, float, float]:
    """What answers score, and by how much they are better than those ``before``: by the metric people ask for, or by
    another one of its unit, where that alone sees a difference, as an average precision does not see a threshold.

    The gain is 0 where it is not worth a word: less than ``LEAST`` of a share, or of what it was; and where the choice
    of the samples may have made it.
    """
    told = task.told
    if are_classes(now, samples):  # whatever number of classes they have
        shares = [100 * float(quality(task, x, samples).mean()) for x in (now, before)]
        found = [(told, shares[0], shares[0] - shares[1])]
    else:
        both = [task.score(x, samples) for x in (now, before)]
        values = {x: [scores[x.name].value for scores in both] for x in task.metrics if x.unit == told.unit}
        found = [(x, *_gain(x, *values[x])) for x in sorted(values, key=lambda x: x != told)]
        noise = _noise(task, now, before, samples)
        found = [(x, value, gain if gain > noise[x] else 0.0) for x, value, gain in found]
    return next((one for one in found if one[2] >= _least(one)), (*found[0][:2], 0.0))


def _noise(task: Task, now: Tensor, before: Tensor, samples: Labelled) -> dict[Metric, float]:
    """Half the 95 % interval of how much better answers are ``now``, by each metric, over the choice of the samples.

    By the jackknife, without a tenth of the samples at a time: Tukey, "Bias and confidence in not-quite large samples",
    1958.
    """
    places = torch.arange(len(samples), device=samples.index.device) % PARTS
    gains: dict[Metric, list[float]] = {metric: [] for metric in task.metrics}
    for part in range(PARTS):
        some = places != part
        one, other = (task.score(x[some.to(x.device)], samples[some.nonzero().flatten()]) for x in (now, before))
        for metric in task.metrics:
            gains[metric].append(metric.gain(one[metric.name].value, over=other[metric.name].value))
    return {metric: T * sqrt((PARTS - 1) ** 2 / PARTS) * stdev(values) for metric, values in gains.items()}


def _gain(metric: Metric, now: float, before: float) -> tuple[float, float]:
    return now, metric.gain(now, over=before)


def _least(found: tuple[Metric, float, float]) -> float:
    metric, value, gain = found
    return LEAST * (100 if metric.unit == "%" else abs(value) + abs(gain))
