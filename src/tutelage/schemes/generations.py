"""Networks of one kind, each taught by the one before it: born-again networks, and the label refinery.

The teacher is asked about the very batch that the student sees, in eval mode: there is no way to ask it about an image
once and for all. What is kept of its answers, if the teaching says so, is kept for each view.

Furlanello et al., "Born-Again Neural Networks", 2018, arXiv:1805.04770; Bagherinezhad et al., "Label Refinery:
Improving ImageNet Classification through Label Progression", 2018, arXiv:1805.02641.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count, islice

from torch import nn

from tutelage.checks import refuse_too_few
from tutelage.keys import Build
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching, by_method
from tutelage.schemes.chain import Link, chain
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Fit
from tutelage.stages.storage import Finished


def generations(
    run: Run, build: Build, plan: Plan, teaching: Teaching, *, name: str = "generation"
) -> Iterator[Finished]:
    """Generation 1, 2, … without end, each trained when it is asked for, as the stages ``name 1``, ``name 2``, ….

    The first is taught by the teacher of ``teaching``, a network of any kind, and each later one, in the same way, by
    the one before it after its last epoch. Each starts afresh, as ``of_generation`` says.
    """
    later = replace(teaching, names=(teaching.names[1],) * 2, teacher_layers=teaching.student_layers)

    def link(k: int) -> Link:
        own, how = of_generation(plan, k), teaching if k == 1 else later
        return Link(f"{name} {k}", build, partial(taught, plan=own, teaching=how), own.lesson.seed)

    return chain(run, teaching.teacher, map(link, count(1)))


def taught(teacher: nn.Module, *, plan: Plan, teaching: Teaching) -> Fit:
    """How ``teacher`` teaches, in the place of that of ``teaching``."""
    return partial(by_method, plan=plan, teaching=replace(teaching, teacher=teacher))


def of_generation(plan: Plan, k: int) -> Plan:
    """``plan`` with a seed of generation ``k``'s own, ``100 · seed + k``: for weights, the order of samples, and views.

    The network on labels that teaches the first one is generation 0.
    """
    return replace(plan, lesson=replace(plan.lesson, seed=100 * plan.lesson.seed + k))


def first(generations: Iterable[Finished], number: int) -> list[Finished]:
    """So many of them, whatever they bring. Raises ``ValueError`` for fewer than one."""
    refuse_too_few(generations=number)
    return list(islice(generations, number))


def improving(generations: Iterable[Finished], plan: Plan, than: nn.Module, most: int) -> list[Finished]:
    """Up to the first generation that does not improve, it included, and no more than ``most``.

    A generation improves if, after its last epoch, the metric that decides for the task is better on all validation
    samples than that of ``than`` and of every generation before it; no better is no improvement. Raises ``ValueError``
    without validation samples, and for fewer than one generation.
    """
    refuse_too_few(generations=most)
    data, metric, found = plan.lesson.validation, plan.task.deciding, []
    if data is None:
        raise ValueError("Whether a generation improves is seen on validation samples; keep some, or say how many.")
    best = plan.task.validation(than, data, plan.lesson.test_transform)[metric.name]
    for one in islice(generations, most):
        found.append(one)
        value = plan.task.validation(one.last, data, plan.lesson.test_transform)[metric.name]
        if not metric.gain(value, over=best) > 0:
            break
        best = value
    return found
