"""Labels or any method, and penalties on the student itself beside it: how a network becomes sparse while it learns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from warnings import warn

from torch import Tensor, nn
from torch.optim import Optimizer

from tutelage.combine.base import Combine
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.compress.compact import emptied
from tutelage.compress.variational import take_, variational_layers
from tutelage.compress.weights_read import watch_
from tutelage.methods.weights import in_last_epoch
from tutelage.objective import Clock, Objective, Term, Weight
from tutelage.optimizers.factory import Factory, Named
from tutelage.plurals import counted
from tutelage.schemes.answers import Conditions, kept_for, note_alone
from tutelage.schemes.by_method import AnyTeaching, JointTeaching, prepared
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Stage
from tutelage.teachers.frozen import Teacher


@dataclass(frozen=True)
class Penalty:
    """``of(student)``, a scalar, and what it counts: summed over the weights, it is divided by the training samples."""

    of: Callable[[nn.Module], Tensor]
    weight: Weight = 1.0


def penalised(
    stage: Stage,
    model: nn.Module,
    *,
    plan: Plan,
    penalties: Mapping[str, Penalty],
    teaching: AnyTeaching | None = None,
    start: nn.Module | None = None,
) -> None:
    r"""Fit what ``teaching`` says, or the labels alone, with ``Σ_i weight_i(clock) · penalty_i(student) / N`` besides.

    With a student of variational layers and ``penalties={"kl": Penalty(kl, weight=partial(rising, begin=5, end=20))}``
    this is the variational student, ``CE + λ KD + β(e) KL / N``: its evidence bound, divided by the N training samples.
    ``start`` is a plain network of the same architecture whose weights it begins with.

    Warns where weight decay pulls at variational weights, and of layers with a posterior that do not run. Raises
    ``ValueError`` for a penalty that is called like a term of the method, and as ``refuse_read_weights`` does.

    Hegde, Prasad, Hebbalaguppe & Kumar, "Variational Student: Learning Compact and Sparser Networks in Knowledge
    Distillation Framework", ICASSP 2020, arXiv:1910.12061.
    """
    if start is not None:
        take_(model, start)
    objective, teachers, combine = _taught(stage, model, plan, teaching)
    if twice := sorted(penalties.keys() & objective.terms.keys()):
        raise ValueError(f"Penalty {twice[0]!r} is called like a term of the method; give it another name.")
    samples = len(plan.lesson.train)
    terms = {
        name: Term(partial(_a_sample, one.of, model, samples), weight=one.weight) for name, one in penalties.items()
    }
    plan = replace(plan, optimizer=partial(_undecayed, factory=plan.optimizer, model=model))
    watch_(model)  # all of it: a part may read the weights of another
    _note_what_never_counts(stage, penalties, int(plan.epochs))
    plan.train(stage, plan.learner(model, Objective(**objective.terms, **terms), teachers, combine()))
    for name in emptied(model):
        words = ", ".join(f"{what} × {in_last_epoch(one.weight, plan.epochs):g}" for what, one in penalties.items())
        stage.progress.note(f"{stage.name}: nothing is left of layer {name!r} ({words}); it answers the same to all")


def _note_what_never_counts(stage: Stage, penalties: Mapping[str, Penalty], epochs: int) -> None:
    """A warm-up may be longer than the training; a weight that is a plain 0 is meant."""
    for name, one in penalties.items():
        if callable(one.weight) and not any(
            one.weight(Clock(epoch, 0, epoch / epochs, epochs)) for epoch in range(epochs)
        ):
            words = f"penalty {name!r} counts 0 in all {counted(epochs, 'epoch')}; let it begin earlier, or train on"
            stage.progress.note(f"{stage.name}: {words}")


def _taught(
    stage: Stage, model: nn.Module, plan: Plan, teaching: AnyTeaching | None
) -> tuple[Objective, Mapping[str, Teacher], Callable[[], Combine]]:
    if teaching is None:
        return Objective(label=plan.task.labels()), {}, WeightedSum
    if isinstance(teaching, JointTeaching):
        note_alone(len(teaching.teachers), stage)
    conditions = Conditions(stage.shared, stage.precision, stage.exact)
    return *prepared(model, teaching, plan, conditions, kept_for(stage)), teaching.combine


def _a_sample(of: Callable[[nn.Module], Tensor], model: nn.Module, samples: int) -> Tensor:
    return of(model) / samples


def _undecayed(named: Named, *, factory: Factory, model: nn.Module) -> Optimizer:
    """The optimizer that ``factory`` makes; warns where it lets variational weights decay."""
    optimizer = factory(named)
    believed = {id(p) for _, x in variational_layers(model) for p in (x.weight, *x.posterior.parameters())}
    names = {id(p): name for name, p in named if id(p) in believed}
    for group in optimizer.param_groups:
        pulled = [names[id(p)] for p in group["params"] if id(p) in names]
        if pulled and group.get("weight_decay"):
            warn(
                f"Weight decay ({group['weight_decay']:g}) pulls at {counted(len(pulled), 'parameter')} of variational "
                f"layers ({pulled[0]!r}), of which the KL is the prior, and changes what is dropped; set it to 0.",
                UserWarning,
                stacklevel=2,
            )
    return optimizer
