"""Networks that answer together, and students of so many of them: trials, a curve over their number, the gain kept."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from statistics import fmean
from typing import Any, TypeAlias

import torch
from torch import nn

from tutelage.calls import reason
from tutelage.keys import Build
from tutelage.losses.kd import arithmetic, geometric
from tutelage.methods.several import Joint
from tutelage.results import Curve, Metric, Network, Table
from tutelage.run import Run
from tutelage.schemes.by_method import JointTeaching
from tutelage.schemes.plan import Plan
from tutelage.study.costs import stepping
from tutelage.study.experiments.shares import share_of_gain
from tutelage.study.sets import Sets
from tutelage.study.trials import Trial

Ways: TypeAlias = Mapping[int, Mapping[str, tuple[Joint, str]]]
"""Number of members -> how students learn from so many: name -> a joint method, and the family of it."""
MEANS = (arithmetic, geometric)
"""How several answers are made one."""


def refuse_too_few(ways: Ways, count: int) -> None:
    """Raise ``ValueError``, before hours are spent, for students of more members than there are."""
    if max(ways) > count:
        raise ValueError(f"A student cannot learn from {max(ways)} of {count} members: raise --members.count.")


def trials_of(
    build: Build,
    plan: Plan,
    ways: Ways,
    *,
    members: Sequence[nn.Module],
    names: tuple[str, str],
    layers: tuple[str, ...] = (),
    cache_views: int = 16,
) -> dict[str, list[Trial]]:
    """A student by each way from the first so many members: ``crd from 4``.

    ``names`` is what a member and the student are called, ``layers`` are the student's.
    """

    def trial(how: Joint, family: str, number: int) -> Trial:
        called = (names[0],) * number + names[1:]
        taught = JointTeaching(how, tuple(members[:number]), called, student_layers=layers, cache_views=cache_views)
        return Trial(build, plan, taught, family)

    return {
        student_of(way, number): [trial(how, family, number)]
        for number, those in ways.items()
        for way, (how, family) in those.items()
    }


def refuse_unfit(run: Run, trials: Mapping[str, Sequence[Trial]]) -> None:
    """Raise ``ValueError``, before hours are spent, for the first of ``trials`` of which no step can be made: one is
    tried, which moves no random generator. Members that nobody trained yet serve; answers of theirs are not kept.
    """
    for name, those in trials.items():
        for trial in those:
            try:
                with torch.random.fork_rng(), suppress(FloatingPointError):  # of members that are not trained
                    stepping(run, trial)()
            except torch.OutOfMemoryError:
                raise
            except Exception as lack:
                words = str(lack) if isinstance(lack, ValueError) else f"{reason(lack)}."
                raise ValueError(f"The student {name} cannot learn from such members: {words}") from lack


def student_of(way: str, number: int) -> str:
    """What the student is called that learns by ``way`` from so many members."""
    return f"{way} from {number}"


def together(members: Sequence[nn.Module], data: Sets, metric: Metric) -> dict[str, list[float]]:
    """By each mean of their probabilities: the test metric of the first member, of the first two, … and of all."""
    answers = [data.task.predict(member, data.test, transform=data.test_transform) for member in members]
    opinions = torch.stack(answers).log_softmax(-1)

    def value(mean: Callable[..., torch.Tensor], number: int) -> float:
        return data.task.score(mean(opinions[:number], None), data.test)[metric.name].value

    return {mean.__name__: [value(mean, n) for n in range(1, len(members) + 1)] for mean in MEANS}


def curve_of(
    networks: Mapping[str, Network],
    ensembles: Mapping[str, Sequence[float]],
    ways: Ways,
    *,
    singles: Sequence[float],
    metric: Metric,
    alike: bool,
) -> Table:
    """Ensembles and their students over the number of members; ``alike`` if a student is as large as a member.

    ``singles`` is what each member reaches alone. Whoever has n members is compared with the mean of these n.
    """
    columns = ("members", "who", metric.name, "over a single net", "share of the gain kept")
    rows: list[tuple[Any, ...]] = [
        (n, f"together, {mean} mean", *_gained(value, fmean(singles[:n]), metric), None)
        for mean, values in ensembles.items()
        for n, value in enumerate(values, start=1)
    ]
    for n, way in sorted((n, way) for n, those in ways.items() for way in those):
        if (name := student_of(way, n)) in networks:  # that did not diverge
            value, alone = networks[name].scores[metric.name].value, fmean(singles[:n])
            together = metric.gain(ensembles[arithmetic.__name__][n - 1], over=alone)
            share = share_of_gain(0.0, together, metric.gain(value, over=alone)) if alike and n > 1 else None
            share = share if share is None else round(share, 2)
            rows.append((n, f"one student, {way}", *_gained(value, alone, metric), share))
    return Table(
        title="Ensembles and their students",
        columns=columns,
        rows=tuple(rows),
        note=f"Test {metric.name} after the last epoch. A single net, mean of {len(singles)}: {fmean(singles):.2f}. "
        "Gains of n members are over the mean of these n; shares are of the gain of their arithmetic mean.",
        curve=Curve("members", metric.name, "who"),
        paired=("over a single net",),
    )


def _gained(value: float, single: float, metric: Metric) -> tuple[float, float]:
    return round(value, 2), round(metric.gain(value, over=single), 2)
