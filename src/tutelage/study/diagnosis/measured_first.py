"""A look at a trained network before anything is built on it: what it makes of samples, and whether that will do."""

from torch import nn

from tutelage.data.labelled import Labelled
from tutelage.measures.chance import TOO_FEW, decide
from tutelage.plurals import counted
from tutelage.results import Score
from tutelage.study.diagnosis.answered import answers_of, are_classes, are_masks, judged
from tutelage.study.diagnosis.causes import Diagnosis, chosen, diagnosed
from tutelage.study.diagnosis.pictures_tried import Way
from tutelage.study.sets import Sets
from tutelage.tasks.task import Task

FEWEST = 128
"""Samples by which one may say that a network only guesses."""
WORTH = 0.05
"""How much better a change has to make a network that does well already for it to be told."""


def measured_first(network: nn.Module, data: Sets, pictures: Way, expect: float, called: str, prefix: str) -> list[str]:
    """What ``network`` makes of the validation samples, in sentences. Raises ``ValueError`` as ``own_teacher``.

    Without a validation set, training samples serve: this is a look at the network, and nothing is chosen by it.
    """
    samples = data.train if data.validation is None else data.validation
    task = data.task
    found = judged(task, network, samples, data.test_transform, pictures.size)
    if found.nan:
        raise ValueError(f"{called} answers with NaN: {found.nan} of {counted(len(samples), 'sample')}.")
    answers, scores = found.answers, found.scores
    many = answers is not None and are_classes(answers, samples) and answers.shape[1] != len(data.train.classes)
    words = in_words(scores, task, len(samples))
    wanted = below(scores, task, expect)
    if many or wanted or guesses(network, data, samples, scores, pictures.size):
        why = diagnosed(network, data, pictures, prefix)
        bound = f"less than the {wanted} that is expected" if wanted else "not clearly better than one constant answer"
        if answers is not None and many:
            bound = f"{counted(answers.shape[1], 'number')} a sample for {counted(len(data.train.classes), 'class')}"
        raise ValueError(f"{called} makes {words}, {bound}. On {counted(why.count, 'sample')}: {why}.")
    if at_chance(scores, task, samples):
        words += ", too few to tell it from chance; training samples do"
    elif not decide(len(samples)):
        words += f", {TOO_FEW}"
    return [f"{called} as it is, {words}", *better_ways(network, data, pictures, prefix, scores)]


def better_ways(network: nn.Module, data: Sets, pictures: Way, prefix: str, scores: dict[str, Score]) -> list[str]:
    """What would make a network clearly better that is no failure as it is; nothing where there is little to gain."""
    if data.task.told.unit == "%" and scores[data.task.told.name].value >= 100 * (1 - WORTH):
        return []
    why: Diagnosis = diagnosed(network, data, pictures, prefix, thorough=False)
    if not why.causes or (why.causes[0].metric.unit == "%" and why.causes[0].gain < 100 * WORTH):
        return []
    return [f"WARNING: it does worse than it could: {why}"]


def guesses(network: nn.Module, data: Sets, samples: Labelled, scores: dict[str, Score], size: int) -> bool:
    """Whether ``network`` has ``scores`` on ``samples`` that are no better than one constant answer, beyond chance.

    A few samples leave that open for the best network, too: fewer than ``FEWEST`` are no verdict, and training samples
    decide, which are all the more to be known by whoever is trained. ``size`` is as of ``answers_of``.
    """
    if not at_chance(scores, data.task, samples):
        return False
    if len(samples) >= FEWEST or samples is data.train or are_masks(samples):
        return True
    more = chosen(data.train, FEWEST)
    answers = answers_of(data.task, network, more, data.test_transform, size)
    return at_chance(data.task.score(answers, more), data.task, more)


def at_chance(scores: dict[str, Score], task: Task, samples: Labelled) -> bool:
    """Whether the worst that the deciding metric may be is no better than one constant answer."""
    metric, score = task.deciding, scores[task.deciding.name]
    worst = score.value if score.interval is None else score.interval[1 if metric.better == "lower" else 0]
    return metric.gain(worst, over=task.constant(samples)) <= 0


def below(scores: dict[str, Score], task: Task, expect: float) -> str:
    """What is expected, in words, if the network is worse by more than its interval; else nothing.

    By the first metric in per cent of which more is better, else by the one that decides. 0.93 of the former is 93 %.
    """
    if not expect:
        return ""
    metric = task.told
    least = 100 * expect if metric.unit == "%" and expect <= 1 else expect
    score = scores[metric.name]
    best = score.value if score.interval is None else score.interval[0 if metric.better == "lower" else 1]
    return "" if metric.gain(best, over=least) >= 0 else f"{least:g}{' %' if metric.unit == '%' else ''} {metric.name}"


def in_words(scores: dict[str, Score], task: Task, count: int) -> str:
    """All metrics, the first in per cent before the others.

    >>> from tutelage.tasks.classification import CLASSIFICATION
    >>> in_words({"errors": Score(3), "accuracy": Score(97.0)}, CLASSIFICATION, 100)
    '97 % accuracy (3 errors) on 100 samples'
    """
    texts = [f"{scores[x.name].value:.4g}{' %' if x.unit == '%' else ''} {x.name}" for x in task.metrics]
    first = next((n for n, x in enumerate(task.metrics) if x.unit == "%"), 0)
    rest = ", ".join(text for n, text in enumerate(texts) if n != first)
    return f"{texts[first]}{f' ({rest})' if rest else ''} on {counted(count, 'sample')}"
