"""Generations of a network for an experiment: trained as settings say, alone and together on the test set."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from tutelage.keys import Build
from tutelage.losses.kd import arithmetic
from tutelage.methods.cited import losses_in
from tutelage.methods.pair import Method
from tutelage.results import Curve, Metric, Network, Score, Table
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching, pair_of
from tutelage.schemes.generations import first, generations, improving
from tutelage.schemes.plan import Plan
from tutelage.stages.storage import Finished
from tutelage.study.evaluated import validated
from tutelage.study.sets import Sets
from tutelage.study.settings import Generations

GAINS = "Gains: negative is worse."


def generations_of(
    run: Run, build: Build, plan: Plan, teaching: Teaching, settings: Generations, than: nn.Module, name: str
) -> list[Finished]:
    """So many generations as ``settings`` say; where they are to improve, the first has to do better than ``than``."""
    row = generations(run, build, plan, teaching, name=name)
    return first(row, settings.most) if settings.until == "most" else improving(row, plan, than, settings.most)


def refuse_blind(settings: Generations, validation: int, flag: str) -> None:
    """Raise ``ValueError``, before anything is trained, for generations that are to improve on no samples."""
    if settings.until == "no-better" and not validation:
        raise ValueError(
            f"{flag} must be more than 0 with --generations.until no-better: validation images tell whether a "
            "generation is better; got 0."
        )


def together(members: Sequence[Finished], data: Sets) -> list[dict[str, Score]]:
    """The test scores of the first two, three, … of ``members``, whose probabilities (not logits) are averaged."""
    task, test = data.task, data.test
    answers = [task.predict(one.last, test, transform=data.test_transform).log_softmax(-1) for one in members]
    return [task.score(arithmetic(torch.stack(answers[:n])), test) for n in range(2, len(members) + 1)]


def best_of(members: Sequence[Finished], data: Sets) -> Finished:
    """The one that is best on validation after its last epoch, the first of equals; without validation, the last."""
    return members[-1] if data.validation is None else min(members, key=lambda one: validated(one, data))


def losses_of(methods: Sequence[Method], model: nn.Module, teaching: Teaching, plan: Plan) -> list[str]:
    """The losses that ``methods`` compute: what a report cites."""
    pair = pair_of(model, teaching, plan)
    with torch.random.fork_rng(devices=[]):  # a method may draw the weights of a projector
        return sorted(set().union(*(losses_in(method(pair)) for method in methods)))


def table_of_generations(
    networks: Mapping[str, Network],
    start: str,
    names: Sequence[str],
    scores: Sequence[Mapping[str, Score]],
    metric: Metric,
) -> Table:
    """Each generation by itself, and all up to it together; ``start`` is the network on labels before them all."""
    alone = networks[start].scores[metric.name].value
    rows = [(0, "alone", start, networks[start].scores[metric.name].value)]
    rows += [(k, "alone", name, networks[name].scores[metric.name].value) for k, name in enumerate(names, 1)]
    rows += [(n, "together", f"the first {n}", score[metric.name].value) for n, score in enumerate(scores, 2)]
    gain = f"gain over {start}"
    return Table(
        title="Generations, alone and together",
        columns=("generation", "asked", "who", metric.name, gain),
        rows=tuple((*row[:3], _two(row[3]), _two(metric.gain(row[3], over=alone))) for row in rows),
        note=f"Test {metric.name}{f', {metric.unit}' if metric.unit else ''} after the last epoch. Together: the mean "
        f"of the probabilities of all generations up to this one, without {start}. {GAINS}",
        curve=Curve("generation", metric.name, "asked"),
        paired=(gain,),
    )


def table_of_controls(
    title: str, networks: Mapping[str, Network], words: Mapping[str, str], over: Sequence[str], metric: Metric
) -> Table:
    """What each of some networks learnt from, in ``words``, and its gain over each of those in ``over``."""
    values = {name: networks[name].scores[metric.name].value for name in networks}
    gains = tuple(f"gain over {name}" for name in over)
    return Table(
        title=title,
        columns=("network", "learns from", metric.name, *gains),
        rows=tuple(
            (name, what, _two(values[name]), *(_two(metric.gain(values[name], over=values[x])) for x in over))
            for name, what in words.items()
            if name in values
        ),
        note=f"Test {metric.name}{f', {metric.unit}' if metric.unit else ''} after the last epoch. {GAINS}",
        paired=gains,
    )


def _two(value: float) -> float:
    """Counts as they are, everything else to two places."""
    return value if float(value).is_integer() else round(value, 2)
