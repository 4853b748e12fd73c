"""Where a teacher's answers are kept for the trainings of a lesson, and what a training that goes on says of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from torch import nn

from tutelage.data.lesson import Lesson
from tutelage.data.views import parts
from tutelage.keys import STAGE_KEY, described, key_of
from tutelage.measures.predict import device_of
from tutelage.stages.code import code_of
from tutelage.stages.stage import Stage
from tutelage.teachers.cached import FEWEST, cached, only_unseen
from tutelage.teachers.forms import dense
from tutelage.teachers.frozen import Teacher, frozen
from tutelage.teachers.stores import Place, in_folder

Keep: TypeAlias = Callable[[Path, Mapping[str, str]], Place]
"""A folder and what its answers depend on -> where they are kept: ``in_folder``, or ``over_folder`` that only reads."""
REVISION = 2
"""Of what is kept and how it is asked for: raised whenever the same key would hold other numbers."""


@dataclass(frozen=True)
class Conditions:
    """What a run decides for all that is trained in it: the folder that stages share, precision, and exactness."""

    shared: Path
    precision: torch.dtype
    exact: bool


def remembered(
    teacher: Teacher,
    network: nn.Module,
    lesson: Lesson,
    conditions: Conditions,
    keep: Keep,
    *,
    sees: str = "input",
    kept: torch.dtype = torch.float16,
) -> Teacher:
    """``teacher``, asked once about each view for every run of the root that asks the same; ``kept`` in that type.

    The key holds what an answer follows from: the network and which input it ``sees``, the samples and how they are
    shown, precision, exactness (folding, layout), device and torch. Not the number of threads, nor the rows that are
    asked about together, nor what the student sees of a sample that has an input for each of them.
    """
    apart = sees in lesson.train.others
    key = {
        "teacher": str(getattr(network, STAGE_KEY)),
        "data": (lesson.train.seen_as(sees) if apart else lesson.train).checksum,
        "views": f"{lesson.num_views} of {key_of(described(lesson.transform))}",
        "precision": f"{conditions.precision}{', exact' * conditions.exact}",
        "machine": f"torch {torch.__version__} on {device_of(network).type}",
        "revision": str(REVISION),
        **({} if sees == "input" else {"sees": sees}),
        **({} if kept == torch.float16 else {"kept": str(kept)}),
        **{path: str(code) for path, code in code_of(lesson.transform).items()},
    }
    name = f"{key['teacher'].replace('/', '-')}-{key_of(key)}"
    return cached(
        teacher,
        samples=samples_of(lesson),
        views=lesson.num_views,
        form=dense(kept),
        place=keep(conditions.shared / "answers" / name, key),
        choose=only_unseen,
    )


def remembered_in_memory(stage: Stage, teacher: nn.Module, lesson: Lesson, epochs: int) -> Teacher:
    """``frozen(teacher)``, asked once about each view for as long as this process lasts.

    Nothing is kept where no view comes twice within ``epochs``.
    """
    if not lesson.repeats(epochs):
        return frozen(teacher)
    smallest = min(part.stop - part.start for part in parts(len(lesson.train), lesson.batch_size))
    if smallest < FEWEST:
        _note_asked_anew(stage, "which an earlier process kept in its memory")
    return cached(frozen(teacher), samples=samples_of(lesson), views=lesson.num_views)


def kept_for(stage: Stage) -> Keep:
    """Answers in the folder that all stages share, which a training alone may add to."""

    def keep(folder: Path, key: Mapping[str, str]) -> Place:
        if not (folder / "cache.json").exists():
            _note_asked_anew(stage, f"which were kept in {folder}")
        return in_folder(folder, key)

    return keep


def note_alone(teachers: int, stage: Stage) -> None:
    """Say of an ensemble of one that it is no more than that."""
    if teachers == 1:
        stage.progress.note(f"{stage.name}: an ensemble of one teacher, which is that teacher alone")


def samples_of(lesson: Lesson) -> int:
    """How many samples a cache has room for: index numbers are those of the whole set, whatever part is trained on."""
    return int(lesson.train.index.max()) + 1


def _note_asked_anew(stage: Stage, where: str) -> None:
    if stage.checkpoint.exists():
        stage.progress.note(
            f"{stage.name}: its teacher is asked anew for answers {where}; this training goes on to the same bits only "
            f"as far as an answer does not depend on the samples that it is asked for with"
        )
