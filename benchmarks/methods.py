"""What each method costs: a step of resnet56 → resnet20 with it over a step with KD; and what the fast path saves.

Float32, one thread, 64 images of noise of CIFAR's size, labels of 100 classes, 50,000 samples for the methods that
remember them. Each method reads the layers, and has the weights, of its publication; all students, steps and teachers
are otherwise alike. Before anything is timed, our KD step must give the weights of the hand-written one to the bit, and
the fast path (channels_last, folded teacher, fused SGD) its loss to 1e-5, and its gradients for a student with smooth
units. With ReLUs, single units whose input is 0 but for rounding differ, and with them the gradients (see ``parity``).
Thirty rounds take about eight minutes on a quiet machine.

    python benchmarks/methods.py [--rounds 30]
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from functools import partial
from itertools import cycle
from typing import Any

import torch
from measure import Figure, benchmark, interleaved, summary
from torch import Size, Tensor, nn
from torch.nn.functional import cross_entropy

from tutelage.data.batches import Batch
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.attention import attention_maps
from tutelage.losses.correlation import correlation_congruence
from tutelage.losses.cosine_table import cosine_table
from tutelage.losses.crd import CRD, shared_negatives
from tutelage.losses.dist import dist
from tutelage.losses.dkd import dkd
from tutelage.losses.hint import mean_squares, normed_regressor
from tutelage.losses.kd import soft_targets
from tutelage.losses.multi_level import multi_level
from tutelage.losses.nkd import nkd
from tutelage.losses.overhaul import PartialSquares, connector, margins, published_weights
from tutelage.losses.pkt import pkt
from tutelage.losses.rkd import angles, distances
from tutelage.losses.similarity_preserving import similarity_preserving
from tutelage.losses.simkd import Reused, bottleneck, fed_features
from tutelage.losses.srrl import SoftmaxRegression
from tutelage.losses.srrl import connector as srrl_connector
from tutelage.losses.standardized import standardized_soft_targets
from tutelage.losses.vid import VariationalInformation
from tutelage.losses.wsl import wsl
from tutelage.machine import has_bfloat16
from tutelage.matching.one_to_one import one_to_one
from tutelage.matching.projected import LazyLoss, Projected, projected
from tutelage.matching.review import Review
from tutelage.models.resnet import resnet20, resnet56
from tutelage.objective import Clock, Loss, Objective, Term
from tutelage.optimizers.factory import Factory
from tutelage.teachers.cached import cached
from tutelage.teachers.frozen import Teacher, folded, frozen

BATCH, SAMPLES, CLASSES, BATCHES = 64, 50_000, 100, 4
PER = 1  # steps in one call of a subject; a pause between two costs 0.3 % of a step
WARM_UP = BATCHES // PER  # rounds: until then a cache still asks its teacher about what it has not seen
LABEL, SOFT = 0.1, 0.9
PARITY = 1e-5  # of the size of a loss, or of all gradients together
SGD = partial(torch.optim.SGD, lr=0.05, momentum=0.9, weight_decay=5e-4)
FUSED = partial(SGD, fused=True)
LAST = torch.channels_last

STAGES, EMBEDDING, OUTPUT = ("layer1", "layer2", "layer3"), "head:input", "output"
STUDENT_SUMS = tuple(f"{stage}.block3.relu2:input" for stage in STAGES)
TEACHER_SUMS = tuple(f"{stage}.block9.relu2:input" for stage in STAGES)

CHEAP = 1.05
TARGETS = {
    **{f"{method} / KD": CHEAP for method in ("DKD", "DIST", "NKD", "WSL", "standardised logits", "multi-level")},
    **{f"{method} / KD": CHEAP for method in ("hint", "AT", "SP", "RKD", "PKT", "CC", "cosine table")},
    "VID / KD": 1.12,
    "OFD / KD": 1.35,
    "ReviewKD / KD": 1.6,
    "CRD / KD": 2.5,
    "CRD, shared negatives / KD": 1.15,
    "KD step / (student step + teacher pass)": 1.03,
    "fast path / plain KD by hand": 0.78,
}
IN_BFLOAT16 = {"fast path in bfloat16 / plain KD by hand": 0.55, "the same, cached / plain KD by hand": 0.35}


def classes() -> Tensor:
    return torch.arange(SAMPLES) % CLASSES


def batches() -> list[Batch]:
    g = torch.Generator().manual_seed(3)
    index = torch.randperm(SAMPLES, generator=g)[: BATCH * BATCHES].split(BATCH)
    images = torch.randn(BATCHES, BATCH, 3, 32, 32, generator=g)
    return [
        {"input": x, "target": classes()[i], "index": i, "view": torch.zeros_like(i)}
        for x, i in zip(images, index, strict=True)
    ]


def new_student() -> nn.Sequential:
    torch.manual_seed(1)
    return resnet20()


def new_teacher(data: Iterable[Batch]) -> nn.Sequential:
    """Untrained, but with the statistics of its inputs, so that all numbers have their usual size."""
    torch.manual_seed(2)
    teacher = resnet56()
    with torch.no_grad():
        for batch in data:
            teacher(batch["input"])
    return teacher.eval()


# ---- each method with its published layers and weights


def label(weight: float = 1.0) -> Term:
    return Term(cross_entropy, "student.output", "batch.target", weight=weight)


def response(loss: Loss, weight: float = 1.0, *also: str, beside: float = 1.0, across: bool = False) -> Objective:
    term = Term(loss, "student.output", "teacher.output", *also, weight=weight, across=across)
    return Objective(label=label(beside), taught=term)


def feature(
    loss: Loss,
    weight: float,
    student: str | Iterable[str] = EMBEDDING,
    teacher: str | Iterable[str] = "",
    *also: str,
    across: bool = False,
) -> Objective:
    """Beside the labels; the teacher shows the same layers as the student unless others are named."""
    addresses = [_of(who, what) for who, what in (("student", student), ("teacher", teacher or student))]
    return Objective(label=label(), taught=Term(loss, *addresses, *also, weight=weight, across=across))


def _of(who: str, what: str | Iterable[str]) -> str | list[str]:
    return f"{who}.{what}" if isinstance(what, str) else [f"{who}.{one}" for one in what]


def relation(loss: Loss, weight: float, where: str = EMBEDDING) -> Objective:
    return feature(loss, weight, where, across=True)


def kd() -> Objective:
    return response(soft_targets, SOFT, beside=LABEL)


def rkd() -> Objective:
    of_both = ("student.head:input", "teacher.head:input")
    return Objective(
        label=label(),
        distances=Term(distances, *of_both, weight=25, across=True),
        angles=Term(angles, *of_both, weight=50, across=True),
    )


def vid() -> Objective:
    losses = [LazyLoss(VariationalInformation.between) for _ in STAGES]
    return feature(one_to_one(losses, [1, 1, 1]), 1, STAGES)


def overhaul(teacher: nn.Module) -> Objective:
    norms = [teacher.get_submodule(f"{stage}.block9.norm2") for stage in STAGES]
    maps = [Size([1, channels, 32, 32]) for channels in (16, 32, 64)]
    losses = [
        Projected(PartialSquares(margins(norm)), connector(x, x))
        for norm, x in zip(norms, maps, strict=True)
        if isinstance(norm, nn.BatchNorm2d)
    ]
    return feature(one_to_one(losses, published_weights(3)), 1, STUDENT_SUMS, TEACHER_SUMS)


def review() -> Objective:
    channels = [16, 32, 64, 64]
    return feature(Review(channels, channels), 1, (*STUDENT_SUMS, EMBEDDING), (*STAGES, EMBEDDING))


def contrast(**settings: Any) -> Objective:
    loss = CRD(64, 64, classes(), **settings)
    return feature(loss, 0.8, EMBEDDING, EMBEDDING, "batch.index", across=True)


def simkd(student: nn.Module, teacher: nn.Module) -> tuple[nn.Module, Objective]:
    parts = [student.get_submodule(name) for name in ("stem", *STAGES)]
    maps = Size([1, 64, 8, 8])
    reused = Reused(nn.Sequential(*parts), bottleneck(maps, maps), deepcopy(teacher.get_submodule("head")))
    return reused, Objective(taught=Term(fed_features, "student.projector", "teacher.layer3"))


def methods(teacher: nn.Module) -> dict[str, Callable[[], Objective]]:
    head = teacher.get_submodule("head")
    assert isinstance(head, nn.Linear)
    return {
        "KD": kd,
        "KD again": kd,
        "DKD": partial(response, partial(dkd, others_weight=2.0), 1, "batch.target"),
        "DIST": partial(response, dist, across=True),
        "NKD": partial(response, nkd, 1, "batch.target"),
        "WSL": partial(response, partial(wsl, temperature=4.0), 2.25, "batch.target", "student.output"),
        "standardised logits": partial(response, standardized_soft_targets, 9, beside=0.1),
        "multi-level": partial(response, multi_level, 0.9, beside=0.1, across=True),
        "hint": lambda: feature(projected(mean_squares, normed_regressor), 100, "layer2"),
        "AT": lambda: feature(one_to_one(attention_maps, [1, 1, 1]), 1000, STAGES),
        "SRRL": lambda: feature(projected(SoftmaxRegression(head), srrl_connector), 1, "layer3", EMBEDDING),
        "VID": vid,
        "OFD": partial(overhaul, teacher),
        "ReviewKD": review,
        "RKD": rkd,
        "SP": partial(relation, similarity_preserving, 3000, "layer3"),
        "cosine table": partial(relation, cosine_table, 1),
        "CC": partial(relation, correlation_congruence, 1),
        "PKT": partial(relation, pkt, 3e4),
        "CRD": contrast,
        "CRD, shared negatives": partial(contrast, draw=shared_negatives),
    }


# ---- loops


def steps(
    student: nn.Module, objective: Objective, teacher: Teacher | None, optimizer: Factory = SGD, **settings: Any
) -> Iterator[object]:
    """``PER`` steps of ``train`` at a time."""
    data = batches()
    teachers = {} if teacher is None else {"teacher": teacher}
    learner = Learner(student, objective, optimizer, teachers=teachers)

    def endless(_epoch: int, first: int) -> Iterator[Batch]:
        assert first == 0
        return cycle(data)

    def paused(clock: Clock) -> bool:
        return clock.step % PER == 0

    return iter(train({"student": learner}, endless, 1, pause=paused, **settings))


def by_hand(student: nn.Module, teacher: nn.Module | None) -> Iterator[Tensor]:
    """The loop that everybody writes, ``PER`` steps at a time: the floor."""
    optimizer, data = SGD(student.parameters()), cycle(batches())
    student.train()
    while True:
        for _ in range(PER):
            batch = next(data)
            optimizer.zero_grad()
            loss = _loss(student, batch, teacher)
            loss.backward()
            optimizer.step()
        yield loss.detach()


def _loss(student: nn.Module, batch: Batch, teacher: nn.Module | None) -> Tensor:
    if teacher is None:
        return cross_entropy(student(batch["input"]), batch["target"])
    with torch.no_grad():
        taught = teacher(batch["input"])
    return kd_loss(student(batch["input"]), taught, batch)


def kd_loss(logits: Tensor, taught: Tensor, batch: Batch) -> Tensor:
    return LABEL * cross_entropy(logits, batch["target"]) + SOFT * soft_targets(logits, taught)


def teacher_pass(teacher: nn.Module, data: Iterator[Batch]) -> None:
    with torch.no_grad():
        for _ in range(PER):
            teacher(next(data)["input"])


def fast_teacher(teacher: nn.Module) -> Teacher:
    return folded(deepcopy(teacher).to(memory_format=LAST))


def fast(teacher: Teacher, **settings: Any) -> Iterator[object]:
    return steps(new_student().to(memory_format=LAST), kd(), teacher, FUSED, **settings)


def remembered(teacher: Teacher) -> Teacher:
    return cached(teacher, samples=SAMPLES, views=1)


# ---- parity


def refuse_different_steps(teacher: nn.Module) -> dict[str, float]:
    """A faster wrong step would prove nothing. How far the fast path is from the plain one, relative to its size."""
    hand, ours = new_student(), new_student()
    for loop in (by_hand(hand, teacher), steps(ours, kd(), frozen(teacher))):
        for _ in range(2):
            next(loop)
    if not all(map(torch.equal, hand.parameters(), ours.parameters())):
        raise SystemExit(f"After {2 * PER} steps our KD has other weights than the hand-written loop.")
    loss, gradient = gaps(teacher, new_student)
    smooth_loss, smooth_gradient = gaps(teacher, smooth_student)
    if (worst := max(loss, smooth_loss, smooth_gradient)) > PARITY:
        raise SystemExit(f"The fast path's loss or gradients are off by {worst:.1e} of their size.")
    return {"loss": loss, "gradients": gradient, "gradients, smooth units": smooth_gradient}


def smooth_student() -> nn.Module:
    """A ReLU at 0 but for rounding passes its gradient in one layout and not in the other; these have no jump."""
    student = new_student()
    for module in student.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.SiLU())
    return student


def gaps(teacher: nn.Module, student: Callable[[], nn.Module]) -> tuple[float, float]:
    """Of the first step's loss, and of its gradients."""
    batch, steps = batches()[0], []
    for ask, network in (
        (frozen(teacher), student().train()),
        (fast_teacher(teacher), student().train().to(memory_format=LAST)),
    ):
        loss = kd_loss(network(batch["input"]), ask({"batch": batch}, frozenset({OUTPUT}))[OUTPUT], batch)
        loss.backward()
        gradients = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
        steps.append((loss.detach(), torch.cat(gradients)))
    plain, quick = steps
    return _relative(plain[0], quick[0]), _relative(plain[1], quick[1])


def _relative(plain: Tensor, other: Tensor) -> float:
    return ((plain - other).norm() / plain.norm()).item()


# ---- what is measured


def subjects(teacher: nn.Module) -> dict[str, Callable[[], object]]:
    ask = frozen(teacher)
    loops = {name: steps(new_student(), make(), ask) for name, make in methods(teacher).items()}
    loops["SimKD"] = steps(*simkd(new_student(), teacher), ask)
    loops["student, by hand"] = by_hand(new_student(), None)
    loops["plain KD by hand"] = by_hand(new_student(), teacher)
    loops["plain KD by hand again"] = by_hand(new_student(), teacher)
    quick = fast_teacher(teacher)
    loops["fast path"] = fast(quick)
    loops["fast path, cached"] = fast(remembered(quick))
    if has_bfloat16("cpu"):
        loops["fast path in bfloat16"] = fast(quick, precision=torch.bfloat16)
        loops["the same, cached"] = fast(remembered(quick), precision=torch.bfloat16)
    named: dict[str, Callable[[], object]] = {name: partial(next, loop) for name, loop in loops.items()}
    return {**named, "teacher pass": partial(teacher_pass, teacher, cycle(batches()))}


def ratio(over: str, under: str) -> Figure:
    return lambda ms: ms[over] / ms[under]


def figures(names: Iterable[str], compared: Mapping[str, object]) -> dict[str, Figure]:
    floor = "plain KD by hand"
    to_floor = [name for name in names if name.startswith(("fast path", "the same"))]
    return {
        "A/A: KD again / KD": ratio("KD again", "KD"),
        "A/A: plain KD by hand again / plain KD by hand": ratio(f"{floor} again", floor),
        **{f"{name} / KD": ratio(name, "KD") for name in [*compared, "SimKD"] if name not in ("KD", "KD again")},
        "KD step / (student step + teacher pass)": lambda ms: ms["KD"] / (ms["student, by hand"] + ms["teacher pass"]),
        "KD step / KD step by hand": ratio("KD", floor),
        **{f"{name} / {floor}": ratio(name, floor) for name in to_floor},
    }


def measured(rounds: int) -> dict[str, Any]:
    teacher = new_teacher(batches())
    parity = refuse_different_steps(teacher)
    loops = subjects(teacher)
    result = {
        **summary(interleaved(loops, rounds, PER, warm_up=WARM_UP), figures(loops, methods(teacher))),
        "parity": parity,
    }
    if has_bfloat16("cpu"):
        return result
    left_out = f"This processor does not compute in bfloat16; left out: {', '.join(IN_BFLOAT16)}."
    print(left_out, file=sys.stderr)
    return {**result, "left_out": left_out}


if __name__ == "__main__":
    benchmark("methods", __doc__ or "", measured, {**TARGETS, **(IN_BFLOAT16 if has_bfloat16("cpu") else {})})
