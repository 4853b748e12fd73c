"""Short trials before a training: a batch that fits, a learning rate, what a step takes, which layers help.

What is measured here on the clock differs from one pilot to the next. So what is found is written down, and every
training that asks for the same reads it there: see ``study.planning.timed_plan``.
"""

from dataclasses import dataclass, replace
from time import perf_counter

import torch
from torch import nn

from tutelage import machine
from tutelage.data.batches import on_device
from tutelage.data.lesson import Lesson
from tutelage.measures.memory import peak_bytes
from tutelage.modes import evaluating
from tutelage.profiling import clocked
from tutelage.run import Run
from tutelage.study.budget import MOST, Pace
from tutelage.study.own.participants import DistillationSettings, Participants
from tutelage.study.planning.clocks import (
    answer_time,
    later_step_time,
    search_pace,
    step_times,
    validation_time,
)
from tutelage.study.planning.preferred import preferred
from tutelage.study.planning.short_trials import SHARE, ShortTrials

SOFT = "kd"
BATCHES = (256, 128, 64, 32, 16, 8, 4, 2)
FEWEST_BATCHES = 30
"""In an epoch, where there are so many samples: fewer steps learn less."""
ENOUGH_STEPS = 1000
"""In all epochs, where smaller batches make them so many at hardly more time a sample: fewer steps learn less."""
SMALLEST = 32
"""Samples a step that are not halved for more steps."""
SLOWER = 1.2
"""How many times as long a sample may take in a smaller batch."""


@dataclass(frozen=True)
class Found:
    """What a pilot found. ``why`` says in a few words why ``method`` is learnt by; ``asking`` are the seconds in which
    the teacher answers a batch, and ``step_bytes`` what a step holds beside the samples, as far as operations show;
    ``alone`` is of the baseline, if there is to be one, and ``search``, of so many ``rounds``, where the student is
    sought. ``once``: the teacher is asked but once about each view."""

    batch_size: int
    optimizer: str
    lr: float
    lr_alone: float
    method: str
    why: str
    asking: float
    step_bytes: int
    taught: Pace
    alone: Pace | None
    search: Pace | None = None
    rounds: int = 0
    once: bool = False


def usual_optimizer(model: nn.Module) -> str:
    """Nesterov's momentum where batch normalisation keeps steps in proportion to the weights; AdamW elsewhere."""
    normed = any(isinstance(x, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) for x in model.modules())
    return "nesterov" if normed else "adamw"


def fitting_batch(run: Run, participants: Participants, held: tuple[int, int]) -> int:
    """The most samples of ``BATCHES`` that leave an epoch enough steps and fit the memory: see ``held_bytes``.

    As much again is left to gradients, the optimizer and what an operation takes inside itself. Raises ``ValueError``
    where not even two fit.
    """
    there = machine.memory_limit(run.device)
    useful = [size for size in BATCHES if size * FEWEST_BATCHES <= len(participants.data.train)] or [16]
    for size in [x for x in BATCHES if x <= useful[0]]:
        if there is None or 2 * bytes_of(run, held, size) < there:
            return size
    raise ValueError(
        f"A step of {participants.names[1]} and {participants.names[0]} does not fit the {there or 0:,} bytes that "
        "this process may have, even with 2 samples; choose a smaller student, or smaller pictures with --size."
    )


def bytes_of(run: Run, held: tuple[int, int], size: int) -> int:
    """Of a step of ``size`` samples, with the weights."""
    return held[0] + size * held[1] // (1 if run.precision == torch.float32 else 2)


def held_bytes(run: Run, participants: Participants) -> tuple[int, int]:
    """What the weights of both networks take, and what a sample takes more in a step, in float32: seen with two."""
    two = torch.arange(2, device=participants.data.train.index.device) % len(participants.data.train)
    batch = on_device(run.device, {"input": participants.data.example[two % len(participants.data.example)]})["input"]
    with torch.random.fork_rng():
        student = run.laid_out(participants.build_student()).train()
        teacher = participants.teacher.last
        seen = peak_bytes(lambda: student(batch), run.device)
        if participants.teacher_sees == "input":
            with evaluating(teacher):
                seen += peak_bytes(lambda: teacher(batch), run.device)
    held = [x for network in (student, teacher) for x in network.state_dict().values()]
    return sum(x.numel() * x.element_size() for x in held if isinstance(x, torch.Tensor)), seen // 2


def steps_within(asked: DistillationSettings, participants: Participants, size: int, seconds: float) -> float:
    """Steps of the epochs that were asked for, or about as many as fit the minutes at ``seconds`` for one of each."""
    if asked.epochs:
        return asked.epochs * len(participants.data.train) / size
    return (1 - SHARE) * 60 * asked.minutes / max(seconds, 1e-6)


def with_enough_steps(trials: ShortTrials, method: str, end: float) -> tuple[ShortTrials, float, float]:
    """``trials``, or those of smaller batches, and the seconds of a step with the teacher and of one alone.

    A batch is halved while the plan has too few steps, a sample takes hardly longer for it, and there is time to look.
    """
    both = step_times(trials, method, end)
    while trials.batch_size > SMALLEST and perf_counter() <= end:
        if steps_within(trials.asked, trials.participants, trials.batch_size, sum(both)) >= ENOUGH_STEPS:
            break
        halved = replace(trials, batch_size=trials.batch_size // 2)
        shorter = step_times(halved, method, end)
        if sum(shorter) > SLOWER / 2 * sum(both):
            break
        trials, both = halved, shorter
    return trials, *both


@clocked("plan")
def pilot(run: Run, participants: Participants, asked: DistillationSettings, *, whole: bool = True) -> Found:
    """What ``Found`` says, found in ``SHARE`` of the minutes that were asked for.

    Unless all epochs are those of a ``whole`` training, each of its parts makes its views anew, and none is counted on.
    """
    end = perf_counter() + SHARE * 60 * asked.minutes
    held = held_bytes(run, participants)
    fitting = fitting_batch(run, participants, held)
    with torch.random.fork_rng():
        torch.manual_seed(asked.seed)
        model = run.laid_out(participants.build_student())
    trials = ShortTrials(run, participants, asked, fitting, usual_optimizer(model))
    method, why = (SOFT, "") if asked.method == "auto" else (asked.method, "it was asked for")
    trials, step, alone = with_enough_steps(trials, method, end)
    size = trials.batch_size
    ask, validation = answer_time(trials, method, end), validation_time(trials, model)
    search = search_pace(trials, end)
    lr = trials.rate(method, step, end)
    lr_alone = trials.rate(None, alone, end) if asked.baseline else lr
    if method == SOFT:  # beside a slow teacher a ramp is short, and picks too low: benchmarks/results/pilot.md
        lr = max(lr, lr_alone)
    if asked.method == "auto":
        method, why, step = preferred(trials, SOFT, lr, step, end)
    epochs, once = MOST if whole else 1, trials.is_cached(method)
    later = later_step_time(trials, method, step, epochs, once=once)
    pace = _pace(participants.lesson(size, asked), step, later, validation)
    apart = None
    if asked.baseline:
        lesson = participants.alone(size, asked)
        apart = _pace(lesson, alone, later_step_time(trials, None, alone, epochs), validation)
    step_bytes = bytes_of(run, held, size)
    found = Found(size, trials.optimizer, lr, lr_alone, method, why, ask, step_bytes, pace, apart, once=once)
    return found if search is None else replace(found, search=search[0], rounds=search[1])


def _pace(lesson: Lesson, step: float, later: float, validation: float) -> Pace:
    """Of a training whose steps take ``later`` seconds once all views have been shown."""
    return Pace(lesson.steps, later, validation, step - later, lesson.num_views if later < step else 0)
