"""What a step of distillation costs: our loop against its hand-written pieces, and a cached epoch against a student's.

An MLP of 1200-1200 teaches one of 800-800 on noise of MNIST's size, float32, SGD with momentum. Before anything is
timed, the hand-written loop, our loop and our loop with a cached teacher must give the same weights to the bit.

    python benchmarks/step.py [--rounds 40]
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from measure import benchmark, interleaved, summary
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tutelage.data.batches import Batch
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.kd import soft_targets
from tutelage.models.mlp import mlp
from tutelage.objective import Objective, Term
from tutelage.teachers.cached import cached
from tutelage.teachers.frozen import Teacher, frozen

STEPS = 20  # in one call of a subject
SAMPLES, VIEWS = 60_000, 25
LABEL, SOFT = 0.1, 0.9
SGD = partial(torch.optim.SGD, lr=0.01, momentum=0.9)
TARGETS = {
    "KD step / (student step + teacher pass)": 1.08,
    "cached epoch / student-only epoch": 1.03,
}


def batches(size: int) -> list[Batch]:
    g = torch.Generator().manual_seed(size)
    places = torch.randperm(SAMPLES * VIEWS, generator=g)[: STEPS * size].split(size)  # no sample twice in one view
    return [
        {
            "input": torch.rand(size, 1, 28, 28, generator=g),
            "target": torch.randint(10, (size,), generator=g),
            "index": place // VIEWS,
            "view": place % VIEWS,
        }
        for place in places
    ]


def new_student() -> nn.Sequential:
    torch.manual_seed(1)
    return mlp((784, 800, 800, 10))


def new_teacher() -> nn.Sequential:
    torch.manual_seed(2)
    return mlp((784, 1200, 1200, 10))


def by_hand(student: nn.Module, data: Sequence[Batch], teacher: nn.Module | None) -> Iterator[Tensor]:
    """The loop that everybody writes: the last loss of every ``len(data)`` steps."""
    optimizer = SGD(student.parameters())
    if teacher is not None:
        teacher.eval()
    student.train()
    while True:
        for batch in data:
            optimizer.zero_grad()
            if teacher is None:
                loss = cross_entropy(student(batch["input"]), batch["target"])
            else:
                with torch.no_grad():
                    taught = teacher(batch["input"])
                logits = student(batch["input"])
                loss = LABEL * cross_entropy(logits, batch["target"]) + SOFT * soft_targets(logits, taught)
            loss.backward()
            optimizer.step()
        yield loss.detach()


def ours(student: nn.Module, data: Sequence[Batch], teacher: Teacher | None) -> Iterator[object]:
    """The same through ``train``: an epoch of ``len(data)`` steps at a time."""
    if teacher is None:
        learner = Learner(student, Objective(label=Term(cross_entropy, "student.output", "batch.target")), SGD)
    else:
        label = Term(cross_entropy, "student.output", "batch.target", weight=LABEL)
        soft = Term(soft_targets, "student.output", "teacher.output", weight=SOFT)
        learner = Learner(student, Objective(label=label, soft=soft), SGD, teachers={"teacher": teacher})
    return iter(train({"student": learner}, data, epochs=10**9))


def teacher_pass(teacher: nn.Module, data: Sequence[Batch]) -> None:
    with torch.no_grad():
        for batch in data:
            teacher(batch["input"])


def remembered(teacher: nn.Module) -> Teacher:
    return cached(frozen(teacher), samples=SAMPLES, views=VIEWS)


def refuse_different_students(data: Sequence[Batch]) -> None:
    """A faster wrong loop would prove nothing."""
    teacher = new_teacher().eval()
    teachers = {"live": frozen(teacher), "cached": remembered(teacher)}
    pairs: list[tuple[str, Callable[[nn.Module], Iterator[object]]]] = [
        ("by hand, KD", lambda student: by_hand(student, data, teacher)),
        *((f"ours, {n}", lambda student, teacher=x: ours(student, data, teacher)) for n, x in teachers.items()),
    ]
    weights = {}
    for name, loop in pairs:
        student, steps = new_student(), None
        steps = loop(student)
        for _ in range(2):
            next(steps)
        weights[name] = [p.detach().clone() for p in student.parameters()]
    first = weights["by hand, KD"]
    for name, others in weights.items():
        if not all(map(torch.equal, first, others)):
            raise SystemExit(f"After {2 * STEPS} steps {name!r} has other weights than the hand-written loop.")


def measured(rounds: int) -> dict[str, Any]:
    data, larger = batches(100), batches(125)
    refuse_different_students(data)
    teacher = new_teacher().eval()
    loops: dict[str, Iterator[object]] = {
        "student step, by hand": by_hand(new_student(), data, None),
        "KD step, by hand": by_hand(new_student(), data, teacher),
        "student step": ours(new_student(), data, None),
        "KD step": ours(new_student(), data, frozen(teacher)),
        "KD step again": ours(new_student(), data, frozen(teacher)),
        "student-only epoch, batch 125": ours(new_student(), larger, None),
        "student-only epoch again, batch 125": ours(new_student(), larger, None),
        "cached epoch, batch 125": ours(new_student(), larger, remembered(teacher)),
        "live epoch, batch 125": ours(new_student(), larger, frozen(teacher)),
    }
    subjects: dict[str, Callable[[], object]] = {name: partial(next, loop) for name, loop in loops.items()}
    subjects["teacher pass"] = partial(teacher_pass, teacher, data)
    figures = {
        "KD step / (student step + teacher pass)": lambda ms: (
            ms["KD step"] / (ms["student step, by hand"] + ms["teacher pass"])
        ),
        "the same by hand": lambda ms: ms["KD step, by hand"] / (ms["student step, by hand"] + ms["teacher pass"]),
        "KD step / KD step by hand": lambda ms: ms["KD step"] / ms["KD step, by hand"],
        "student step / student step by hand": lambda ms: ms["student step"] / ms["student step, by hand"],
        "A/A: KD step again / KD step": lambda ms: ms["KD step again"] / ms["KD step"],
        "cached epoch / student-only epoch": lambda ms: (
            ms["cached epoch, batch 125"] / ms["student-only epoch, batch 125"]
        ),
        "A/A: student-only epoch again / student-only": lambda ms: (
            ms["student-only epoch again, batch 125"] / ms["student-only epoch, batch 125"]
        ),
        "cached epoch / live epoch": lambda ms: ms["cached epoch, batch 125"] / ms["live epoch, batch 125"],
    }
    return summary(interleaved(subjects, rounds, STEPS), figures)


if __name__ == "__main__":
    benchmark("step", __doc__ or "", measured, TARGETS)
