"""Why a trained network does badly on somebody's samples: what is usually wrong is tried, and what helps is said."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from tutelage.data.labelled import Labelled
from tutelage.data.views import in_order
from tutelage.measures.predict import device_of
from tutelage.modes import evaluating
from tutelage.outputs import tensor_in
from tutelage.plurals import counted
from tutelage.results import Metric
from tutelage.study.diagnosis.answered import MOST, answers_of, are_classes, are_masks, quality
from tutelage.study.diagnosis.class_order import in_words, orders
from tutelage.study.diagnosis.fresh import looks_fresh
from tutelage.study.diagnosis.gains import LEAST, beats_constant, beats_constant_class, gained, is_clear
from tutelage.study.diagnosis.pictures_tried import Change, Way, as_pictures, changes
from tutelage.study.sets import Sets

FEWEST = 8
"""Samples of which less is a hint of nothing: their pictures are not changed."""
FIRST, SECOND = 128, 384
"""Samples on which everything is tried, and others on which the best of it is: luck on the first is no help there."""
MUCH = 0.5
"""The least accuracy with which an order that was learnt is taken for that of the classes."""
LARGE = 48
"""Samples on which sizes are tried that are larger than the data's."""
FEW = 3


@dataclass(frozen=True)
class Cause:
    """What would be otherwise, what does it, the ``score`` with it by a ``metric``, and by how much that is better."""

    words: str
    remedy: str
    score: float
    gain: float
    metric: Metric

    @property
    def figure(self) -> str:
        told = f"{self.score:.1f} %" if self.metric.unit == "%" else f"{self.score:.4g}"
        return told if self.metric.name == "accuracy" else f"{told} {self.metric.name}"


@dataclass(frozen=True)
class Diagnosis:
    """What would help a network on ``count`` samples, the best first, and what else was seen."""

    count: int
    causes: tuple[Cause, ...] = ()
    seen: tuple[str, ...] = ()

    def __str__(self) -> str:
        told = [f"{cause.words} it would have {cause.figure}: {cause.remedy}" for cause in self.causes]
        return "; ".join([*self.seen, *told])


def diagnosed(network: nn.Module, data: Sets, teachers: Way, prefix: str, *, thorough: bool = True) -> Diagnosis:
    """What change of the pictures, or of the classes, would make ``network`` clearly better on the validation samples.

    ``teachers`` is what its own pictures are, as far as that was said; ``prefix`` is what flags about it begin with.
    Everything is tried on some samples and the best of it on others, alone and two at a time. Told of is what is better
    at a level of ``CHANCE`` over all that was tried, so that a right set-up is not accused; of two at a time, what is
    so better than any one alone. Without ``thorough``, fewer samples, no other sizes and no pairs are tried.
    """
    share = 1 if thorough else 2
    samples = chosen(looked_at(data), (FIRST + SECOND) // share)
    places = torch.arange(len(samples), device=samples.index.device)
    first, second = samples[places < len(places) // 4], samples[places >= len(places) // 4]
    if samples.inputs.ndim != 4 or len(samples) < FEWEST:
        answers = answers_of(data.task, network, samples, data.test_transform)
        return _told(network, data, samples, answers, [], thorough and len(samples) >= FEWEST)
    views = [_pictures(data, part) for part in (first, second)]
    given = Way(teachers.mean or views[0][1].mean, teachers.std or views[0][1].std, teachers.size)
    asks = [partial(_answers, network, pictures) for pictures, _ in views]
    score = partial(_score, data, first, views[0][0], network)
    maps = are_masks(first)
    known = partial(changes, data=views[0][1], pictures=views[0][0], prefix=prefix, sizes=thorough, maps=maps)
    own = [ask(given) for ask in asks]
    before = [quality(data.task, x, part) for x, part in zip(own, (first, second), strict=True)]
    ranked, count = _ranked(known(given), score, float(before[0].mean()))
    tried = [(change, before[1]) for _, change in ranked]  # with how good each sample is without it
    if thorough and ranked:
        alone = [quality(data.task, asks[1](change.way), second) for _, change in ranked]
        best = max(alone, key=lambda good: float(good.mean()))
        pairs: list[tuple[float, Change]] = []
        for value, change in ranked:
            better, more = _ranked(_further(change, known), score, value + LEAST)
            pairs, count = [*pairs, *better], count + more
        tried += [(change, best) for _, change in sorted(pairs, key=lambda pair: -pair[0])[:FEW]]
    found: list[Cause] = []
    for change, without in tried:
        now = asks[1](change.way)
        good = quality(data.task, now, second)
        clear = is_clear(good - before[1], count) and is_clear(good - without, count)
        if clear and beats_constant(data.task, now, good, second, count):
            metric, reached, gain = gained(data.task, now, own[1], second)
            found += [Cause(change.words, change.remedy, reached, gain, metric)] if gain > 0 else []
    return _told(network, data, samples, torch.cat(own), found, thorough)


def looked_at(data: Sets) -> Labelled:
    """The validation samples; those of the training where these are too few to show anything. Nothing is chosen by it.

    Masks of training pictures may be larger than answers are, so that there are only those of validation.
    """
    few = data.validation is None or (len(data.validation) < FIRST // 2 and not are_masks(data.train))
    return data.train if few or data.validation is None else data.validation


def chosen(data: Labelled, most: int) -> Labelled:
    """``most`` samples of ``data`` (all, if there are fewer), always the same, in an order that says nothing."""
    drawn = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:most]
    return data[drawn.to(data.index.device)]


def _told(
    network: nn.Module,
    data: Sets,
    samples: Labelled,
    answers: Tensor,
    found: list[Cause],
    thorough: bool,
) -> Diagnosis:
    """With what the answers themselves show: their number, their order, that they are always the same."""
    before = quality(data.task, answers, samples)
    classes, seen = data.train.classes, []
    named = are_classes(answers, samples) and bool(classes)
    if named:
        found = [
            *found,
            *_of_classes(data.task.told, answers, samples, before, max((x.score for x in found), default=0.0) / 100),
        ]
        if answers.shape[1] != len(classes):
            numbers = counted(answers.shape[1], "number")
            seen.append(f"it answers with {numbers}, and the data have {counted(len(classes), 'class')}")
        commonest = int(answers.argmax(1).bincount().max()) / len(answers)
        if not found and commonest > 0.9 and int(samples.targets.bincount().max()) / len(answers) < 0.8:
            seen.append(f"it answers {100 * commonest:.0f} % of the samples with the same class")
    found = sorted(found, key=lambda cause: -cause.gain)
    causes = [cause for cause in found if cause.gain > 0.4 * found[0].gain][:FEW]
    if not causes and looks_fresh(network):
        seen.append("its weights are as a network begins with: it is untrained, or they were not put into it")
    elif thorough and not causes and not (named and answers.shape[1] < len(classes)):
        chance = int(samples.targets.bincount().max()) / len(samples) if named else 0.0
        most_likely = named and is_clear(2 * chance - before, 1)
        seen.append(
            "no order of channels or classes, no usual normalisation and no size that was tried clearly helps"
            + (": these are most likely other weights, of a network that learnt something else" * most_likely)
        )
    return Diagnosis(len(samples), tuple(causes), tuple(seen))


def _of_classes(metric: Metric, answers: Tensor, samples: Labelled, before: Tensor, best: float) -> Iterator[Cause]:
    """Orders of the classes that are clearly better; a learnt one, if no other comes near to it."""
    classes = samples.classes
    found = list(orders(answers.cpu(), samples.targets.cpu(), classes))
    for order in found:
        score = float(order.right.mean())
        if order.learnt and (score < MUCH or score < best + LEAST):
            continue
        own = before.cpu()
        clear = is_clear(order.right - own, len(found)) and beats_constant_class(order.right, samples, len(found))
        if clear and score - float(own.mean()) >= LEAST:
            best = max(best, score)
            where = (
                f"answers[:, {list(order.places)}] in a network of yours around it"
                if len(order.places) <= 12
                else "sort them"
            )
            remedy = f"{where} ({in_words(order.places, classes)})" if order.learnt else where
            yield Cause(order.words, remedy, 100 * score, 100 * (score - float(own.mean())), metric)


def _pictures(data: Sets, part: Labelled) -> tuple[Tensor, Way]:
    batches = in_order(part, batch_size=max(1, len(part)), transform=data.test_transform)(0, 0)
    return as_pictures(next(iter(batches))["input"], *data.normalisation)


def _answers(network: nn.Module, pictures: Tensor, way: Way) -> Tensor:
    """What ``network`` answers, past what is put before it to change its pictures: its own ``forward``."""
    device, size = device_of(network), way.size or pictures.shape[-1]
    step = max(2, MOST // (pictures.shape[1] * size * size))
    with evaluating(network):
        parts = [tensor_in(network.forward(way.shown(x).to(device))) for x in pictures.split(step)]
    answers = torch.cat(parts).to(pictures.device).float()
    return answers.transpose(2, 3) if way.transposed and answers.ndim == 4 else answers


def _ranked(
    tried: Iterator[Change], score: Callable[[Change], float], least: float
) -> tuple[list[tuple[float, Change]], int]:
    """The few best of the changes with more than ``least``, and how many there were."""
    scored = [(score(change), change) for change in tried]
    better = sorted((pair for pair in scored if pair[0] > least), key=lambda pair: -pair[0])
    return better[:FEW], len(scored)


def _further(change: Change, known: Callable[[Way], Iterator[Change]]) -> Iterator[Change]:
    """Each other change on top of one."""
    for other in known(change.way):
        if other.remedy.partition(" ")[0] != change.remedy.partition(" ")[0] or "hook" in other.remedy:
            words = other.words.removeprefix("with ")
            yield Change(f"{change.words}, and {words},", f"{change.remedy}, and {other.remedy}", other.way)


def _score(data: Sets, part: Labelled, pictures: Tensor, network: nn.Module, change: Change) -> float:
    """Minus infinity for what the network does not take, another size for one; larger ones are tried on fewer."""
    few = LARGE if change.way.size > pictures.shape[-1] else len(part)
    some = part[torch.arange(min(few, len(part)), device=part.index.device)]
    try:
        return float(quality(data.task, _answers(network, pictures[:few], change.way), some).mean())
    except Exception:  # whatever somebody's code does with pictures that it was not made for
        return -torch.inf
