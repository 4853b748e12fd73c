"""Students that become sparse while they learn: trained in several ways, made plain, and counted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import nn
from torch.optim import Optimizer

from tutelage.compress import dropout_kl
from tutelage.compress.block_sparse import block_sparse
from tutelage.compress.compact import compacted, emptied
from tutelage.compress.footprint import Footprint, factors, footprint
from tutelage.compress.variational import is_variational, kl, variational
from tutelage.data.labelled import Labelled
from tutelage.keys import Build
from tutelage.measures.calibration import calibration
from tutelage.measures.entropy import entropy
from tutelage.measures.errors import errors
from tutelage.measures.monte_carlo import monte_carlo
from tutelage.measures.outside import outside
from tutelage.measures.predict import predict
from tutelage.methods.weights import in_last_epoch
from tutelage.objective import Weight
from tutelage.optimizers.factory import Factory, Named
from tutelage.optimizers.magnitude import cubic, magnitude_pruned
from tutelage.results import Curve, Table
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching
from tutelage.schemes.penalised import Penalty, penalised
from tutelage.schemes.plan import Plan
from tutelage.stages.storage import Finished
from tutelage.study.sets import Sets

DIVERGENCES = {"svd": dropout_kl.sparse, "vbd": dropout_kl.bayesian}


@dataclass(frozen=True, eq=False)
class Ways:
    """What all students have in common: network and plan, who teaches, how the KL rises, where a weight is noise.

    ``blocks`` is what the block-sparse penalty counts, summed over blocks and divided by the training samples.
    """

    build: Build
    plan: Plan
    teaching: Teaching
    beta: Weight
    log_variance: float
    threshold: float
    blocks: float


@dataclass(frozen=True, eq=False)
class Student:
    """What was trained, random where it is variational, and what predicts: a plain network, if anything is left."""

    trained: Finished
    plain: Finished | None
    empty: tuple[str, ...] = ()

    @property
    def is_random(self) -> bool:
        return any(map(is_variational, self.trained.last.modules()))


def student(run: Run, way: str, ways: Ways) -> Student:
    """The student that learns by ``way``: ``plain``, or ``kd``, ``svd`` or ``vbd``, and ``blocks``, joined by a +.

    kd is the teaching; svd and vbd are sparse variational and variational Bayesian dropout; blocks the block-sparse
    penalty.
    """
    parts = way.split("+")
    divergence = next((DIVERGENCES[part] for part in parts if part in DIVERGENCES), None)
    build, penalties = ways.build, {}
    if divergence is not None:
        build = partial(variational, ways.build, log_variance=ways.log_variance, threshold=ways.threshold)
        penalties["kl"] = Penalty(partial(kl, divergence=divergence), ways.beta)
    if "blocks" in parts:
        penalties["blocks"] = Penalty(partial(block_sparse, teacher=ways.teaching.teacher), ways.blocks)
    teaching = ways.teaching if "kd" in parts else None
    fit = partial(penalised, plan=ways.plan, teaching=teaching, penalties=penalties)
    trained = run.stage(way, build, fit, seed=ways.plan.lesson.seed)
    if divergence is None:
        return Student(trained, trained)
    if empty := emptied(trained.last):
        return Student(trained, None, tuple(empty))
    return Student(
        trained, run.derive(f"{way}, plain", compacted, of=trained, beta=in_last_epoch(ways.beta, ways.plan.epochs))
    )


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
    return Student(trained, trained)


def pruning(named: Named, *, factory: Factory, share: Callable[[int], float]) -> Optimizer:
    """An optimizer under which the smallest weights of all layers go; biases stay."""
    matrices = {name for name, p in named if p.ndim > 1}
    return magnitude_pruned(factory, share, matrices.__contains__)(named)


def counted(students: Mapping[str, Student]) -> dict[str, Footprint]:
    """What is left of each that predicts."""
    return {name: footprint(one.plain.last) for name, one in students.items() if one.plain is not None}


def sizes_table(
    students: Mapping[str, Student], found: Mapping[str, Footprint], errors: Mapping[str, float], teacher: nn.Module
) -> Table:
    """How much less each student takes than the teacher, counted in three ways, and the two factors apart."""
    large = footprint(teacher)
    rows: list[tuple[Any, ...]] = []
    for name, one in students.items():
        if one.plain is None:
            rows.append((name, *[None] * 8, f"nothing is left of {', '.join(one.empty)}"))
            continue
        own = found[name]
        parts = factors(large, own)
        ratios = (own.count_ratio, parts.sparsity, parts.width, parts.total)
        rows.append(
            (name, errors[name], own.nonzero, *(round(x, 2) for x in ratios), own.csr_bits, own.file_bytes, None)
        )
    return Table(
        title="Sizes of the students",
        columns=("student", "errors", "weights that are not 0", "× fewer weights", "× fewer bits", "× narrower",
                 "× less memory than the teacher", "bits as CSR", "bytes of the file", "remark"),
        rows=tuple(rows),
        note=f"The teacher has {large.weights:,} weights in linear layers and convolutions, of 32 bits each. Bits are "
        f"32 a value, 16 a column and 32 a row of compressed sparse rows, or 32 a weight where that is less. The last "
        f"factor is the product of how much narrower the dense student is, and of the bits that its zeros save. The "
        f"file has the biases, too.",
    )  # fmt: skip


def layers_table(found: Mapping[str, Footprint]) -> Table:
    """The share of zeros in each layer of each student."""
    rows = [
        (name, layer, place, round(100 * zeros, 3))
        for name, own in found.items()
        for place, (layer, zeros) in enumerate(own.layers.items(), start=1)
    ]
    return Table(
        title="Zeros of the students by layer",
        columns=("student", "layer", "place", "zeros, %"),
        rows=tuple(rows),
        curve=Curve("place", "zeros, %", "student"),
    )


def certainty_table(students: Mapping[str, Student], data: Sets, strangers: Sequence[Labelled], passes: int) -> Table:
    """Whether each student is as often right as it says, and whether strangers make it less sure than its own samples.

    A random student is asked twice: by its mean weights, and ``passes`` times with weights drawn anew.
    """
    rows = []
    for name, one in students.items():
        ways = {name: predict} if one.plain is not None else {}
        if one.is_random:
            ways[f"{name}, {passes} draws"] = partial(monte_carlo, random=is_variational, passes=passes)
        for label, ask in ways.items():
            network = one.plain.last if ask is predict and one.plain is not None else one.trained.last
            own, *others = (ask(network, x, transform=data.test_transform) for x in (data.test, *strangers))
            wrong = errors(own, data.test.targets)
            told = [outside(entropy(own), entropy(other)) for other in others]
            rows.append((
                label, wrong, round(100 * calibration(own, data.test.targets).error, 3),
                round(entropy(own).mean().item(), 4),
                *(round(x, 4) for one in told for x in (one.auroc, one.false_alarms)),
            ))  # fmt: skip
    columns = [c for x in strangers for c in (f"AUROC, {x.name}", f"false alarms, {x.name}")]
    return Table(
        title="Certainties of the students",
        columns=("student", "errors", "calibration error, %", "mean entropy", *columns),
        rows=tuple(rows),
        note="Entropies are in nats. AUROC is how well they tell strangers from test samples, 0.5 by chance; false "
        "alarms are test samples that are as uncertain as all but 5 % of the strangers.",
    )
