"""What our loop adds to a step: a model so small that its step is nothing but the calls, by hand and through ``train``.

A linear layer of 4 inputs and 2 classes, a batch of 8: what our loop takes longer than the hand-written one is ours,
in milliseconds a step. Before anything is timed, both must give the same weights to the bit. ``where`` says in which
part of the loop a profiled step spends its time, called functions included, scaled to the unprofiled step.

    python benchmarks/overhead.py [--rounds 40]
"""

import cProfile
import pstats
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from measure import benchmark, interleaved, summary
from step import by_hand, ours
from torch import nn

from tutelage.data.batches import Batch
from tutelage.teachers.frozen import frozen

STEPS = 100
TARGETS = {"ours - by hand, student alone, ms": 0.3, "ours - by hand, with a teacher, ms": 0.3}
PARTS = {
    "begin": "schedules, zero_grad",
    "ask_teachers": "the teacher",
    "play": "the student, tapped",
    "losses": "the terms",
    "add": "means, backward",
    "settle": "gradient check",
    "move": "the optimizer",
}


def batches() -> list[Batch]:
    g = torch.Generator().manual_seed(0)
    return [
        {"input": torch.randn(8, 4, generator=g), "target": torch.randint(2, (8,), generator=g)} for _ in range(STEPS)
    ]


def linear() -> nn.Module:
    torch.manual_seed(3)
    return nn.Linear(4, 2)


def refuse_different_students(data: list[Batch], teacher: nn.Module) -> None:
    for ask, model in ((None, None), (frozen(teacher), teacher)):
        one, other = linear(), linear()
        next(by_hand(one, data, model))
        next(ours(other, data, ask))
        if not all(map(torch.equal, one.parameters(), other.parameters())):
            raise SystemExit(f"After {STEPS} steps our loop has other weights than the hand-written one.")


def where(loop: Iterator[object], milliseconds: float) -> dict[str, float]:
    """Milliseconds of a step, by part of the loop; the rest is the loop itself and the batches."""
    profile = cProfile.Profile()
    profile.runcall(next, loop)
    stats: Any = pstats.Stats(profile)
    cumulative: dict[str, float] = {}
    for (file, _line, name), (_calls, _primitive, _own, total, _callers) in stats.stats.items():
        if name in PARTS and Path(file).name in ("learn.py", "learner.py", "scenes.py"):
            cumulative[name] = cumulative.get(name, 0.0) + total
    parts = {f"{name} ({PARTS[name]})": cumulative[name] / stats.total_tt * milliseconds for name in PARTS}
    parts["the loop around them"] = milliseconds - sum(parts.values())
    return {name: round(value, 4) for name, value in parts.items()}


def measured(rounds: int) -> dict[str, Any]:
    data, teacher = batches(), linear().eval()
    refuse_different_students(data, teacher)
    loops: dict[str, Iterator[object]] = {
        "student alone, by hand": by_hand(linear(), data, None),
        "student alone, ours": ours(linear(), data, None),
        "with a teacher, by hand": by_hand(linear(), data, teacher),
        "with a teacher, by hand again": by_hand(linear(), data, teacher),
        "with a teacher, ours": ours(linear(), data, frozen(teacher)),
        "with a teacher, ours again": ours(linear(), data, frozen(teacher)),
    }
    subjects: dict[str, Callable[[], object]] = {name: partial(next, loop) for name, loop in loops.items()}
    figures = {
        f"ours - by hand, {what}, ms": lambda ms, what=what: ms[f"{what}, ours"] - ms[f"{what}, by hand"]
        for what in ("student alone", "with a teacher")
    }
    figures |= {
        f"A/A: {who} again - {who}, ms": lambda ms, who=who: (
            ms[f"with a teacher, {who} again"] - ms[f"with a teacher, {who}"]
        )
        for who in ("by hand", "ours")
    }
    result = summary(interleaved(subjects, rounds, STEPS), figures)
    step = result["milliseconds"]["with a teacher, ours"]["cpu"]["median"]
    result["where"] = {"a step with a teacher, ours, ms": where(loops["with a teacher, ours"], step)}
    return result


if __name__ == "__main__":
    benchmark("overhead", __doc__ or "", measured, TARGETS)
