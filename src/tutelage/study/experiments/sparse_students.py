"""Students that become sparse while they learn: trained in several ways, made plain, and counted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import log

from torch import nn
from torch.optim import Optimizer

from tutelage.compress import dropout_kl
from tutelage.compress.architecture import fresh
from tutelage.compress.block_sparse import block_sparse
from tutelage.compress.compact import compacted, emptied
from tutelage.compress.empty import architecture_of_filled, filled
from tutelage.compress.footprint import Footprint, footprint
from tutelage.compress.variational import is_variational, kl, variational
from tutelage.keys import Build
from tutelage.methods.response import softened
from tutelage.methods.weights import in_last_epoch, rising
from tutelage.objective import Weight
from tutelage.optimizers.factory import Factory, Named
from tutelage.optimizers.magnitude import cubic, magnitude_pruned
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching
from tutelage.schemes.penalised import Penalty, penalised
from tutelage.schemes.plan import Plan
from tutelage.stages.storage import Finished
from tutelage.study.experiments.sparse_settings import SparseSettings

DIVERGENCES = {"svd": dropout_kl.sparse, "vbd": dropout_kl.bayesian}


@dataclass(frozen=True, eq=False)
class Ways:
    """What all students have in common: network and plan, who teaches, how the KL rises, where a weight is noise.

    ``blocks`` is what the block-sparse penalty counts, summed over blocks and divided by the training samples. With
    ``goes_on`` variational students begin with the weights of the sure student that is taught alike.
    """

    build: Build
    plan: Plan
    teaching: Teaching
    beta: Weight
    log_variance: float
    threshold: float
    blocks: float
    goes_on: bool = False


@dataclass(frozen=True, eq=False)
class Student:
    """What was trained, random where it is variational, and what predicts, if anything is left.

    ``plain`` is as large as any student, with its zeros; ``small`` answers the same without what carries nothing.
    """

    trained: Finished
    plain: Finished | None
    small: Finished | None
    empty: tuple[str, ...] = ()
    beta: float = 0.0

    @property
    def remark(self) -> str | None:
        """What became of it, if nothing is left."""
        return f"nothing is left of {', '.join(self.empty)} (β = {self.beta:g})" if self.empty else None

    @property
    def is_random(self) -> bool:
        return any(map(is_variational, self.trained.last.modules()))


def ways_of(build: Build, plan: Plan, teacher: nn.Module, names: tuple[str, str], settings: SparseSettings) -> Ways:
    """What ``settings`` ask of students that ``build`` makes; ``names`` are those of teacher and student."""
    method = partial(softened, temperature=settings.temperature, label=1.0, soft=settings.soft)
    return Ways(
        build=build,
        plan=plan,
        teaching=Teaching(method, teacher, names),
        beta=partial(rising, begin=settings.warm_up / 4, end=settings.warm_up, scale=settings.strength),
        log_variance=2 * log(settings.deviation),
        threshold=settings.threshold,
        blocks=settings.blocks,
        goes_on=settings.start == "trained",
    )


def start_of(way: str, ways: Ways) -> str:
    """The way of the sure student with whose weights that of ``way`` begins; none where it begins from scratch."""
    parts = way.split("+")
    is_variational = not DIVERGENCES.keys().isdisjoint(parts)
    return ("kd" if "kd" in parts else "plain") if ways.goes_on and is_variational else ""


def student(run: Run, way: str, ways: Ways, start: Finished | None = None, name: str = "") -> Student:
    """The student that learns by ``way``: ``plain``, or ``kd``, ``svd`` or ``vbd``, and ``blocks``, joined by a +.

    kd is the teaching; svd and vbd are sparse variational and variational Bayesian dropout; blocks the block-sparse
    penalty. ``start`` is a plain network whose weights it begins with; ``name`` is that of its stage, where not
    ``way``.
    """
    name = name or way
    parts = way.split("+")
    divergence = next((DIVERGENCES[part] for part in parts if part in DIVERGENCES), None)
    build, penalties = ways.build, {}
    if divergence is not None:
        build = partial(variational, ways.build, log_variance=ways.log_variance, threshold=ways.threshold)
        penalties["kl"] = Penalty(partial(kl, divergence=divergence), ways.beta)
    if "blocks" in parts:
        penalties["blocks"] = Penalty(partial(block_sparse, teacher=ways.teaching.teacher), ways.blocks)
    teaching = ways.teaching if "kd" in parts else None
    first = None if start is None else start.last
    fit = partial(penalised, plan=ways.plan, teaching=teaching, penalties=penalties, start=first)
    trained = run.stage(name, build, fit, seed=ways.plan.lesson.seed)
    if divergence is None:
        return Student(trained, trained, trained)
    beta = in_last_epoch(ways.beta, ways.plan.epochs)
    if empty := emptied(trained.last):
        return Student(trained, None, None, tuple(empty), beta)
    plain = run.derive(f"{name}, plain", compacted, of=trained, built_by=ways.build, beta=beta)
    return Student(trained, plain, _filled(run, name, plain, ways))


def pruned_by_magnitude(run: Run, name: str, start: Finished, share: float, ways: Ways) -> Student:
    """The rival: ``start`` learns on, taught alike and as long, while its smallest weights go, up to ``share`` of them.

    The share rises over the first half of the steps; what is left has the second to recover. With what ``start`` has
    learnt before, it is trained twice as long as the others.
    """
    steps = ways.plan.epochs * ways.plan.lesson.steps
    rising = partial(cubic, last=share, begin=0, end=max(steps // 2, 1))
    plan = replace(ways.plan, optimizer=partial(pruning, factory=ways.plan.optimizer, share=rising))
    fit = partial(penalised, plan=plan, teaching=ways.teaching, penalties={}, start=start.last)
    trained = run.stage(name, ways.build, fit, seed=plan.lesson.seed)
    return Student(trained, trained, _filled(run, name, trained, ways))


def pruning(named: Named, *, factory: Factory, share: Callable[[int], float]) -> Optimizer:
    """An optimizer under which the smallest weights of all layers go; biases stay."""
    matrices = {name for name, p in named if p.ndim > 1}
    return magnitude_pruned(factory, share, matrices.__contains__)(named)


def counted(students: Mapping[str, Student]) -> dict[str, Footprint]:
    """What is left of each that predicts."""
    return {name: footprint(one.plain.last) for name, one in students.items() if one.plain is not None}


def _filled(run: Run, name: str, plain: Finished, ways: Ways) -> Finished:
    """``plain`` without the channels that carry nothing, if there are any."""
    architecture = architecture_of_filled(plain.last, ways.plan.lesson.example)
    if not architecture["reads"] and not architecture["closed"]:
        return plain
    built_by = partial(fresh, build=ways.build, architecture=architecture)
    return run.derive(f"{name}, removed", filled, of=plain, built_by=built_by, architecture=architecture)
