"""FitNets in their two stages: first the lower half of the student by hints, then all of it by soft targets."""

from collections.abc import Callable, Sequence
from functools import partial

from torch import nn

from tutelage.checkpoint import filled
from tutelage.combine.base import Combine
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.limits import refuse_no_temperature
from tutelage.losses.attention import attention_maps
from tutelage.losses.hint import half_squares_by_place, regressor
from tutelage.losses.kd import soft_targets
from tutelage.matching.projected import projected
from tutelage.methods.weights import falling
from tutelage.objective import Loss, Objective, Term
from tutelage.schemes.plan import Plan
from tutelage.schemes.probe import CURE
from tutelage.stages.stage import Stage
from tutelage.teachers.frozen import frozen


def regressed() -> Loss:
    """The paper's loss of two layers: half the squared distance a place, through a regressor of its own."""
    return projected(half_squares_by_place, regressor)


def attended() -> Loss:
    """A loss of two layers that compresses what they know: their attention maps, whatever their channels.

    Stage 1 with it, on several pairs of layers, is what the lecture notes call knowledge compression: a map is smaller
    than all features, holds less that is redundant, and is easier to learn. The published weight is 1000.
    """
    return attention_maps


def hinted(
    stage: Stage,
    model: nn.Module,
    *,
    plan: Plan,
    teacher: nn.Module,
    guided: str | Sequence[str],
    hint: str | Sequence[str],
    match: Callable[[], Loss] = regressed,
    weight: float = 1.0,
    combine: Callable[[], Combine] = WeightedSum,
) -> None:
    """Stage 1: the student's layer ``guided`` learns the teacher's layer ``hint``, or each of several its own.

    ``match`` makes the loss of two layers; any feature loss will do. Without it, it is ``½ · mean ‖r(guided) − hint‖²``
    as the authors' code has it, through a regressor that is dropped afterwards. What lies above the last guided layer
    is not run and not moved, so there is nothing to validate. Raises ``ValueError`` where not each guided layer has a
    hint, for layers that do not exist, for two that ``match`` cannot compare, and for a student that is frozen.

    Romero et al., "FitNets: Hints for Thin Deep Nets", 2015, arXiv:1412.6550.
    """
    if not any(p.requires_grad for p in model.parameters()):  # or the regressor alone would learn
        raise ValueError("Nothing of the student trains, which hints are to guide; let its lower layers learn.")
    objective = hint_terms(guided, hint, match, weight)
    learner = plan.learner(model, objective, {"teacher": frozen(teacher)}, combine())
    stage.train({"student": learner}, plan.lesson.batches(plan.epochs), plan.epochs, model=model)


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
    combine: Callable[[], Combine] = WeightedSum,
) -> None:
    """Stage 2, from the weights of ``start`` if any: ``H(y, p) + λ H(p_T^τ, p^τ)``, λ from ``first`` to ``last``.

    There is no τ² in it. A cross entropy and a divergence have one gradient, so the logged loss is that without the
    teacher's own entropy. Raises ``ValueError`` for a ``start`` of another architecture, and a τ that is not above 0.
    """
    refuse_no_temperature(temperature)
    if start is not None:
        filled(model, start.state_dict(), "The network to start from", CURE)
    share = partial(falling, first=first, last=last, epochs=plan.epochs, scale=temperature**-2)
    loss = partial(soft_targets, temperature=temperature)
    objective = Objective(label=plan.task.labels(), soft=Term(loss, "student.output", "teacher.output", weight=share))
    plan.train(stage, plan.learner(model, objective, {"teacher": frozen(teacher)}, combine()))


def hint_terms(
    guided: str | Sequence[str], hint: str | Sequence[str], match: Callable[[], Loss] = regressed, weight: float = 1.0
) -> Objective:
    """A term of ``weight`` for each guided layer and its hint: what ``hinted`` fits, and refuses."""
    ours, theirs = ([names] if isinstance(names, str) else list(names) for names in (guided, hint))
    if len(ours) != len(theirs) or not ours:
        raise ValueError(f"Each guided layer of the student has its hint; got {ours} and {theirs}.")
    names = ["hint"] if len(ours) == 1 else [f"hint{place}" for place in range(1, len(ours) + 1)]
    pairs = zip(names, ours, theirs, strict=True)
    return Objective(**{name: Term(match(), f"student.{s}", f"teacher.{t}", weight=weight) for name, s, t in pairs})
