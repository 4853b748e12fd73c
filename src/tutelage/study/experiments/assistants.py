"""Teacher assistants: networks alone and along every way down, measured and published together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch

from tutelage.keys import Build
from tutelage.measures.cost import parameters
from tutelage.results import Metric
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.stages.storage import Finished
from tutelage.study.comparison import BASELINE
from tutelage.study.evaluated import Evaluated, publish_networks, validated
from tutelage.study.experiments.ways import ARROW, Ways, in_words, tables_of
from tutelage.study.sets import Sets


@dataclass(frozen=True)
class Cast:
    """Networks by their ``names``, from the teacher down: the ``teacher``, the others ``alone``, all by way of others.

    ``taught`` has the last network of every way by that way's name, ``a → b → c``.
    """

    names: Sequence[str]
    teacher: Finished
    alone: Mapping[str, Finished]
    taught: Mapping[str, Finished]


def sizes_of(builds: Mapping[str, Build]) -> dict[str, int]:
    """How many parameters each of them would have; nothing is computed or stored."""
    with torch.device("meta"):
        return {name: parameters(build()) for name, build in builds.items()}


def refuse_alone(names: Sequence[str], flag: str) -> None:
    """Raise ``ValueError`` unless ``names``, given by ``flag``, are a teacher and a student or more."""
    if len(names) < 2:
        raise ValueError(f"{flag} takes a teacher and a student, two networks or more; got {' '.join(names)} alone.")


def refuse_disorder(sizes: Iterable[tuple[str, int]], flag: str, what: str = "parameters") -> None:
    """Raise ``ValueError`` unless each network has fewer ``what`` than the one before it, the teacher first."""
    for (larger, more), (smaller, fewer) in pairwise(sizes):
        if fewer >= more:
            raise ValueError(
                f"{flag} goes from the teacher down to the student, each smaller than the one before it; {smaller} has "
                f"{fewer:,} {what}, and {larger} before it {more:,}."
            )


def refuse_no_growth(sizes: Iterable[tuple[str, int]], flag: str, what: str = "parameters") -> None:
    """Raise ``ValueError`` unless each teacher has more ``what`` than the one before it."""
    for (smaller, fewer), (larger, more) in pairwise(sizes):
        if more <= fewer:
            raise ValueError(
                f"{flag} goes from small to large, each larger than the one before it; {larger} has {more:,} {what}, "
                f"and {smaller} before it {fewer:,}."
            )


def alone(run: Run, builds: Mapping[str, Build], plan: Plan, seed: int) -> dict[str, Finished]:
    """Each network on labels alone, a stage of its name; the last one, the student, is the baseline."""
    *_, student = builds
    fit = partial(supervised, plan=plan)
    names = {name: BASELINE if name == student else f"{name} alone" for name in builds}
    return {name: run.stage(names[name], build, fit, seed=seed) for name, build in builds.items()}


def publish_ways(run: Run, data: Sets, cast: Cast, metric: Metric, input_words: str) -> Ways:
    """Measure every network, publish tables and headline, and deliver the student that is best on validation."""
    students = [way for way in cast.taught if way.split(ARROW)[-1] == cast.names[-1]]
    best = min(students, key=lambda way: validated(cast.taught[way], data))
    networks = {cast.names[0]: Evaluated("teacher", f"{cast.names[0]}, labels only", cast.teacher)}
    networks[best] = Evaluated("student", best, cast.taught[best])
    networks[BASELINE] = Evaluated("baseline", f"{cast.names[-1]}, labels only", cast.alone[cast.names[-1]])
    networks |= {way: Evaluated("student", way, cast.taught[way]) for way in students if way != best}
    networks |= {way: Evaluated("other", f"assistant {way}", one) for way, one in cast.taught.items()
                 if way not in networks}  # fmt: skip
    networks |= {name: Evaluated("other", f"{name}, labels only", one) for name, one in cast.alone.items()
                 if name != cast.names[-1]}  # fmt: skip
    measured = publish_networks(run, data, networks, ["tutelage.losses.kd:soft_targets"])
    ways = Ways(cast.names, measured, metric)
    run.publish(tables=tables_of(ways), headline=in_words(ways))
    run.deliver(cast.taught[best].last, classes=data.test.classes, input=input_words)
    return ways
