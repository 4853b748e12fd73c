"""Network pruning: small weights or whole channels go, and what is left recovers, taught by what it was."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, log
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from tutelage.checkpoint import filled
from tutelage.compress.architecture import composed, describe, fresh, slim
from tutelage.compress.budget import Budget
from tutelage.compress.importance import Importance, filters
from tutelage.compress.masks import Choice, Masks, Weights, of_all, prune_, weights_of, zeros_of
from tutelage.compress.ranked import Across, as_they_are, least_important
from tutelage.compress.spending import MEASURES
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.graph import Closed
from tutelage.compress.structure.removal import without
from tutelage.data.batches import on_device
from tutelage.keys import Build
from tutelage.measures.predict import device_of
from tutelage.optimizers.factory import Factory, Named
from tutelage.optimizers.magnitude import cubic, magnitude_pruned
from tutelage.optimizers.masked import masked
from tutelage.optimizers.proximal import proximal
from tutelage.outputs import answer_of
from tutelage.run import Run
from tutelage.schemes.by_method import AnyTeaching
from tutelage.schemes.penalised import penalised
from tutelage.schemes.plan import Plan
from tutelage.schemes.probe import CURE, measure_statistics
from tutelage.stages.stage import Stage
from tutelage.stages.storage import Finished

STUDENT = "student."
"""What the names of a student's parameters begin with for its optimizer."""


@dataclass(frozen=True)
class Thinning:
    """``share`` of the weights of linear layers and convolutions is 0 in the end, as ``choose`` says.

    It rises by Zhu & Gupta's cubic law over the part ``rise`` of all steps, once in ``every``, from what was 0 at
    first; with ``rise`` 0 all go before the first step. Raises ``ValueError`` for shares that are none.
    """

    share: float
    choose: Choice = of_all
    rise: float = 0.5
    every: int = 1

    def __post_init__(self) -> None:
        if not (0 <= self.share < 1 and 0 <= self.rise <= 1 and self.every > 0):
            raise ValueError(
                f"Less than all of the weights become 0, over a part from 0 to 1 of all steps, once in a step or more; "
                f"got {self.share:g}, {self.rise:g} and {self.every}."
            )


def recovered(
    stage: Stage, model: nn.Module, *, plan: Plan, start: nn.Module, teaching: AnyTeaching | None = None
) -> None:
    """Fit what ``teaching`` says, or the labels, from the weights of ``start``, a pruned network; what is 0 stays 0.

    Survivors are kept, not drawn anew. Batch norms are measured first, as ``measure_statistics`` does: what they are
    fed has changed. Distillation from the network that it was is ``Teaching(kd, original, …)``.

    Han, Pool, Tran & Dally, "Learning both Weights and Connections for Efficient Neural Networks", NeurIPS 2015,
    arXiv:1506.02626.
    """
    filled(model, start.state_dict(), "The network to start from", CURE)
    measure_statistics(model, plan)
    _fit(stage, model, plan, partial(_held, factory=plan.optimizer, weights=tuple(weights_of(model))), teaching)


def thinned(
    stage: Stage,
    model: nn.Module,
    *,
    plan: Plan,
    start: nn.Module,
    thinning: Thinning,
    teaching: AnyTeaching | None = None,
) -> None:
    """Fit as ``recovered`` does, while more and more weights become 0, as ``thinning`` says.

    Zhu & Gupta, "To Prune, or Not to Prune: Exploring the Efficacy of Pruning for Model Compression", 2017,
    arXiv:1710.01878.
    """
    filled(model, start.state_dict(), "The network to start from", CURE)
    weights = tuple(weights_of(model))
    rising = round(thinning.rise * plan.epochs * plan.lesson.steps)
    if not rising:
        prune_(model, thinning.share, thinning.choose)
        measure_statistics(model, plan)
        _fit(stage, model, plan, partial(_held, factory=plan.optimizer, weights=weights), teaching)
        return
    first = min(zeros_of(model), thinning.share)
    course = partial(cubic, first=first, last=thinning.share, begin=0, end=rising - 1, every=thinning.every)
    held = partial(_held, factory=plan.optimizer, weights=weights)
    optimizer = partial(_thinning, factory=held, weights=weights, share=course, choose=thinning.choose)
    _fit(stage, model, plan, optimizer, teaching)


def with_small_norms(
    stage: Stage,
    model: nn.Module,
    *,
    plan: Plan,
    strength: float,
    start: nn.Module | None = None,
    teaching: AnyTeaching | None = None,
) -> None:
    """Fit what ``teaching`` says, or the labels, and ``strength · Σ|γ|`` over all batch norms, by proximal steps.

    Sparsity training: the channels whose ``γ`` it draws to 0 are those that ``compress.importance.scales`` gives up
    first. Raises ``ValueError`` for a network without batch norms.

    Liu, Li, Shen, Huang, Yan & Zhang, "Learning Efficient Convolutional Networks through Network Slimming", ICCV 2017,
    arXiv:1708.06519, with a subgradient in the place of proximal steps.
    """
    norms = tuple(
        f"{name}.weight" for name, x in model.named_modules() if isinstance(x, _BatchNorm) and x.weight is not None
    )
    if not norms:
        raise ValueError(f"{type(model).__name__} has no batch norm whose scales could be drawn to 0.")
    if start is not None:
        filled(model, start.state_dict(), "The network to start from", CURE)
    _fit(stage, model, plan, partial(_shrunk, factory=plan.optimizer, norms=norms, strength=strength), teaching)


@dataclass(frozen=True, eq=False)
class Round:
    """A network that was cut, the same recovered, what of the original it is, and its cost in the budget's unit."""

    cut: Finished
    recovered: Finished
    architecture: Mapping[str, Any]
    cost: float


def narrowed(
    run: Run,
    name: str,
    original: Finished,
    build: Build,
    *,
    plan: Plan,
    budget: Budget,
    teaching: AnyTeaching | None = None,
    importance: Importance = filters,
    across: Across = as_they_are,
    multiple: int = 1,
    most: float = 0.3,
) -> Iterator[Round]:
    """Prune a little, recover, repeat, until ``original``, which ``build`` makes, costs no more than ``budget``.

    In each round the least important channels go, whole groups over all layers that make and read them, and the
    smaller network learns on by ``recovered``; it loses about the share ``most`` of its cost at once, or less. A round
    is two stages of the run: ``name 1, cut`` is derived from the network before it and was held against that network
    with those channels at 0; ``name 1`` is built by ``fresh``, of ``build``. Raises ``ValueError`` as
    ``least_important`` and ``without`` do, and for a budget that is not below what the network costs.
    """
    current, channels = original, channels_of(original.last, plan.lesson.example)
    cost = MEASURES[budget.unit](original.last, channels).cost
    whole = cost(Closed())
    limit = budget.limit(whole)
    if limit >= whole:
        raise ValueError(f"Pruning ends below what the whole network costs, {whole:g}; the budget is {budget}.")
    rounds = max(1, ceil(log(limit / whole) / log(1 - most) - 1e-9))
    architecture = None
    for number in range(1, rounds + 1):
        if number > 1:
            channels = channels_of(current.last, plan.lesson.example)
            cost = MEASURES[budget.unit](current.last, channels).cost
        allowed = whole * (limit / whole) ** (number / rounds)
        if cost(Closed()) <= allowed:  # more went before than had to, for the sake of multiples
            continue
        scores = importance(current.last, channels)
        shut = least_important(channels, scores, cost, allowed, across=across, multiple=multiple)
        without(current.last, channels, shut)  # held against the network with these channels at 0, or refused
        own = describe(channels, shut)
        architecture = own if architecture is None else composed(architecture, own)
        cut = run.derive(f"{name} {number}, cut", slim, of=current, architecture=own)
        fit = partial(recovered, plan=plan, start=cut.last, teaching=teaching)
        made = partial(fresh, build, architecture=architecture)
        current = run.stage(f"{name} {number}", made, fit, seed=plan.lesson.seed)
        yield Round(cut, current, architecture, cost(shut))


def losses_of(model: nn.Module, *, plan: Plan, batches: int) -> Iterator[Tensor]:
    """The task's loss of ``model`` on each of the first ``batches`` of the lesson: what an importance is shown."""
    for _, batch in zip(range(batches), plan.lesson.batches()(0, 0), strict=False):
        seen = on_device(device_of(model), batch)
        yield plan.task.loss(answer_of(model, plan.task.call(model, {"batch": seen})), seen["target"])


def _fit(stage: Stage, model: nn.Module, plan: Plan, optimizer: Factory, teaching: AnyTeaching | None) -> None:
    penalised(stage, model, plan=replace(plan, optimizer=optimizer), penalties={}, teaching=teaching)


def _held(named: Named, *, factory: Factory, weights: Iterable[str]) -> Optimizer:
    return masked(factory, {f"{STUDENT}{name}" for name in weights}.__contains__)(named)


def _thinning(named: Named, *, factory: Factory, weights: Iterable[str], share: Any, choose: Choice) -> Optimizer:
    def chosen(found: Weights, part: float) -> Masks:  # by the names that the network itself has
        masks = choose({name.removeprefix(STUDENT): w for name, w in found.items()}, part)
        return {f"{STUDENT}{name}": kept for name, kept in masks.items()}

    return magnitude_pruned(factory, share, {f"{STUDENT}{name}" for name in weights}.__contains__, chosen)(named)


def _shrunk(named: Named, *, factory: Factory, norms: Iterable[str], strength: float) -> Optimizer:
    return proximal(factory, strength, {f"{STUDENT}{name}" for name in norms}.__contains__)(named)
