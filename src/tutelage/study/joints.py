"""Where a distillation meets what reads data, takes networks made elsewhere, and writes files: thin as yet."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from tutelage.checkpoint import save_weights
from tutelage.data.folder import image_folder
from tutelage.data.labelled import Labelled
from tutelage.data.split import held_out
from tutelage.data.views import CROP_FLIPS, JITTERS, Transform, crop_flip, jitter, normalised, plain, some_of, spread
from tutelage.delivery import WEIGHTS
from tutelage.keys import Build
from tutelage.own_data.preprocessing import Preprocessing
from tutelage.run import Run
from tutelage.stages.storage import Finished
from tutelage.study.networks import refuse_guessing, refuse_stranger, teacher_builder
from tutelage.study.own_settings import DataSettings
from tutelage.study.sets import Sets
from tutelage.study.settings import TeacherSettings

VIEWS = 16
"""Of a sample in training: few enough that a teacher's answers to all of them are kept."""


@dataclass(frozen=True)
class OwnTeacher:
    """A trained network as a person names it, and how it sees pictures."""

    name: str
    weights: Path | None = None
    expect: float = 0.0
    size: int = 0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


def own_sets(run: Run, where: str, settings: DataSettings) -> Sets:
    """Class folders, in parts or split here."""
    folder = Path(where)
    if (folder / "train").is_dir():
        train = image_folder(folder / "train", folder.name)
        validation, test = (image_folder(folder / part, folder.name) for part in ("val", "test"))
    else:
        train, test = held_out(image_folder(folder, folder.name), _count(settings.test, folder), settings.split_seed)
        train, validation = held_out(train, max(1, int(settings.validation * len(train))), settings.split_seed)
    is_grey = bool((train.inputs[:, :1] == train.inputs).all())
    train, validation, test = (_channels(x, 1 if is_grey else 3).to(run.device) for x in (train, validation, test))
    pixels = train.inputs.double().transpose(0, 1).flatten(1) / 255
    mean = tuple(round(x, 4) for x in (settings.mean or pixels.mean(1).tolist()))
    std = tuple(round(max(x, 0.01), 4) for x in (settings.std or pixels.std(1).tolist()))
    size = train.inputs.shape[2], train.inputs.shape[3]
    return Sets(
        train,
        validation,
        test,
        normalised(plain, mean, std),
        normalisation=(mean, std),
        preprocessing=Preprocessing(len(mean), size, 0, mean, std),
    )


def own_teacher(run: Run, data: Sets, own: OwnTeacher) -> tuple[Finished, Build]:
    """The teacher as it is, measured on validation samples."""
    if own.weights is None:
        raise ValueError("A teacher is trained already: give the file with its weights as --weights.")
    settings = TeacherSettings(name=own.name, weights=own.weights, size=own.size, mean=own.mean, std=own.std)
    build = teacher_builder(settings, data)
    refuse_stranger(own.name, build().to(run.device), data)
    given = run.given("teacher", build, own.weights)
    refuse_guessing(run, data, given, str(own.weights))
    return given, build


def deploy(run: Run, model: nn.Module, data: Sets, facts: dict[str, Any]) -> None:
    """The files that come out. Of a network that was handed over as an object, its weights alone."""
    try:
        run.deliver(model, classes=data.test.classes, **facts)
    except ValueError:
        save_weights(run.place / WEIGHTS, model)
        run.progress.note(f"the student's weights are in {WEIGHTS}; nobody but you knows how to build it")


def _count(share: float, folder: Path) -> int:
    return max(1, int(share * sum(1 for x in folder.glob("*/*"))))


def _channels(data: Labelled, count: int) -> Labelled:
    return replace(data, inputs=data.inputs[:, :count].contiguous())


def augmented(data: Sets, augment: str) -> tuple[Transform, int]:
    """How training pictures are shown, normalised as those that are measured; and in how many ways."""
    moved, count = _moved(data, augment)
    mean, std = data.normalisation
    return (normalised(moved, mean, std) if mean else moved), count


def _moved(data: Sets, augment: str) -> tuple[Transform, int]:
    inputs = data.train.inputs
    if augment == "none" or inputs.ndim != 4:
        return plain, 1
    if inputs.shape[1] == 1:
        return some_of(jitter, spread(VIEWS, JITTERS)), VIEWS
    return some_of(crop_flip, spread(VIEWS, CROP_FLIPS)), VIEWS
