"""A finished student and all files of it in its run's folder, compared with the network on samples of the test part."""

from contextlib import suppress
from importlib import import_module

import torch
from torch import Tensor, nn

from tutelage import machine
from tutelage.data.augment import middle
from tutelage.data.labelled import Labelled
from tutelage.data.transforms import shown
from tutelage.deployment.about import About
from tutelage.deployment.card import Made
from tutelage.deployment.deploy import MOST, deploy
from tutelage.own_data.source import TASKS, TaskName
from tutelage.profiling import clocked
from tutelage.run import Run
from tutelage.study.own.participants import Participants
from tutelage.study.sets import Sets

WRITERS = ("torch._dynamo", "onnx", "onnxscript", "onnxruntime")
"""What a first optimizer and the export load when they need it: seconds of a run of minutes."""


@clocked("files")
def load_writers() -> None:
    """Load it now, so that a plan knows how long it took; what is not installed is told where it is needed."""
    for name in WRITERS:
        with suppress(ImportError):
            import_module(name)


@clocked("files")
def hand_over(
    run: Run, student: nn.Module, participants: Participants, method: str, *, timed: str = Made.timed
) -> None:
    """Write every form that ``student`` has into the run's folder; what cannot be written is said, never raised.

    ``timed`` says what the milliseconds in its card are of. Raises ``OSError`` in one sentence where the folder cannot
    be written to.
    """
    if not run.leads:
        return
    data = participants.data
    made = Made(run.published, run.request, machine.environment(str(run.precision)[6:]), timed)
    done = deploy(run.place, student, samples_of(data), about_of(participants), made, {"method": method})
    for note in done.notes:
        run.progress.note(f"student: {note}")


def about_of(participants: Participants) -> About:
    """Whom the files of the student are about."""
    data = participants.data
    name = participants.names[1]
    return About(_task(data), data.train.classes, data.preprocessing, name, data.tokenisation, data.seen)


def samples_of(data: Sets) -> Tensor:
    """The first samples of the test part, as ``as_samples``."""
    return as_samples(data.test[torch.arange(min(MOST, len(data.test)), device=data.test.index.device)], data)


def as_samples(part: Labelled, data: Sets) -> Tensor:
    """A part of ``data`` as files take it: uint8 pictures of the size that networks see, or what these see."""
    if data.preprocessing is not None and part.inputs.dtype == torch.uint8:
        return middle(part.inputs, part.index, data.preprocessing.size)
    kept = {"input": part.inputs, **part.others}
    return shown(kept, torch.zeros_like(part.index), data.test_transform)["input"]


def _task(data: Sets) -> TaskName:
    """What people call it: two classes told apart by one logit, and numbers in bounds, are what they look like."""
    return next((name for name in TASKS if name in data.task.name), "classification")
