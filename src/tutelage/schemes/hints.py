"""FitNets in their two stages: first the lower half of the student by hints, then all of it by soft targets."""

from functools import partial

from torch import nn

from tutelage.losses.hint import half_squares_by_place, regressor
from tutelage.losses.kd import soft_targets
from tutelage.matching.projected import projected
from tutelage.objective import Clock, Objective, Term
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Stage
from tutelage.teachers.frozen import frozen


def hinted(stage: Stage, model: nn.Module, *, plan: Plan, teacher: nn.Module, guided: str, hint: str) -> None:
    """Stage 1: the student's layer ``guided`` learns the teacher's layer ``hint``, through a regressor that is dropped.

    ``½ · mean ‖r(guided) − hint‖²`` as the authors' code has it. What lies above ``guided`` is not run and not moved,
    so there is nothing to validate.

    Romero et al., "FitNets: Hints for Thin Deep Nets", 2015, arXiv:1412.6550.
    """
    term = Term(projected(half_squares_by_place, regressor), f"student.{guided}", f"teacher.{hint}")
    learner = plan.learner(model, Objective(hint=term), {"teacher": frozen(teacher)})
    stage.train({"student": learner}, plan.lesson.batches(), plan.epochs, model=model)


def faded(
    stage: Stage,
    model: nn.Module,
    *,
    plan: Plan,
    start: nn.Module | None,
    teacher: nn.Module,
    temperature: float,
    first: float,
    last: float,
) -> None:
    """Stage 2, from the weights of ``start`` if any: ``H(y, p) + λ H(p_T^τ, p^τ)``, λ from ``first`` to ``last``.

    There is no τ² in it. A cross entropy and a divergence have one gradient, so the logged loss is that without the
    teacher's own entropy.
    """
    if start is not None:
        model.load_state_dict(start.state_dict())
    share = partial(falling, first=first, last=last, epochs=plan.epochs, scale=temperature**-2)
    loss = partial(soft_targets, temperature=temperature)
    objective = Objective(label=plan.task.labels(), soft=Term(loss, "student.output", "teacher.output", weight=share))
    plan.train(stage, plan.learner(model, objective, {"teacher": frozen(teacher)}))


def falling(clock: Clock, *, first: float, last: float, epochs: int, scale: float = 1.0) -> float:
    """``scale`` times a straight line from ``first`` in the first epoch to ``last`` after ``epochs``.

    >>> [falling(Clock(epoch, 0, 0.0), first=4, last=1, epochs=500) for epoch in (0, 100, 250, 500, 600)]
    [4.0, 3.4, 2.5, 1.0, 1.0]
    """
    return scale * (first + (last - first) * min(clock.epoch / epochs, 1.0))
