"""Students ranked before they are trained, beside what became of them: do cheap scores tell which one to take?"""

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from statistics import correlation

import torch
from torch import Tensor, nn

from tutelage.data.lesson import Lesson
from tutelage.data.transforms import shown
from tutelage.keys import Build
from tutelage.measures.relation_gap import relation_gap
from tutelage.measures.synaptic_flow import synaptic_flow
from tutelage.results import Metric, Network, Table
from tutelage.run import Run

SAMPLES = 64
"""On which the relations of a student and its teacher are compared."""


def ranked_untrained(
    run: Run,
    builds: Mapping[str, Build],
    teacher: nn.Module,
    lesson: Lesson,
    learnt: Mapping[str, Network],
    metric: Metric,
) -> Table:
    """Both scores of each student as it is built, what it ``learnt`` by distillation, and how far the ranks agree."""
    samples = samples_of(lesson)
    flows, gaps, values = dict[str, float | None](), dict[str, float | None](), dict[str, float | None]()
    for name, build in builds.items():
        with torch.random.fork_rng():
            torch.manual_seed(lesson.seed)
            student = run.laid_out(build())
        flow = synaptic_flow(student, lesson.example)
        score = learnt[name].scores.get(metric.name) if name in learnt else None
        flows[name] = round(flow, 2) if isfinite(flow) else None
        gaps[name], values[name] = _gap(student, teacher, samples), None if score is None else score.value
    gains = [None if x is None else metric.gain(x, over=0.0) for x in values.values()]
    return Table(
        title="Students ranked without training",
        columns=("student", "synaptic flow, log10", "relation gap", f"test {metric.name}, distilled"),
        rows=tuple((name, flows[name], gaps[name], values[name]) for name in builds),
        note=f"More flow and a smaller gap are taken for better. Rank correlation with the test {metric.name}, 1 where "
        f"the score orders the students as they turned out: {_agreement([*flows.values()], gains)} of the flow, "
        f"{_agreement([None if x is None else -x for x in gaps.values()], gains)} of the gap.",
    )


def samples_of(lesson: Lesson) -> Tensor:
    """The first training samples, as a network sees them when it is measured."""
    first = lesson.train[torch.arange(min(SAMPLES, len(lesson.train)), device=lesson.train.index.device)]
    kept = {"input": first.inputs, **first.others}
    return shown(kept, torch.zeros_like(first.index), lesson.test_transform)["input"]


def rank_correlation(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Spearman's, from −1 to 1; no number where either has all values alike, or there are fewer than three.

    >>> rank_correlation([1.0, 5.0, 9.0], [0.1, 0.2, 0.9]), rank_correlation([1.0, 1.0, 1.0], [0.1, 0.2, 0.9])
    (1.0, nan)
    """
    return nan if len(xs) < 3 or len({*xs}) < 2 or len({*ys}) < 2 else correlation(_ranks(xs), _ranks(ys))


def _ranks(values: Sequence[float]) -> list[float]:
    """The mean of their places for those that are equal."""
    ordered = sorted(values)
    return [ordered.index(x) + (ordered.count(x) - 1) / 2 for x in values]


def _agreement(scores: Sequence[float | None], gains: Sequence[float | None]) -> str:
    known = [(x, y) for x, y in zip(scores, gains, strict=True) if x is not None and y is not None]
    found = rank_correlation([x for x, _ in known], [y for _, y in known])
    return f"{found:.2f}" if isfinite(found) else "no figure"


def _gap(student: nn.Module, teacher: nn.Module, samples: Tensor) -> float | None:
    """Nothing for a network that does not end in a linear layer."""
    try:
        return float(f"{relation_gap(student, teacher, samples):.4g}")
    except ValueError:
        return None
