"""How a teacher of one's own is built, and what stands before and behind it, so that it sees and answers as wanted."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tutelage.copies import copy_of, in_float32, is_float32
from tutelage.foreign.forms import only_answers, own_network, wanted_pictures
from tutelage.foreign.log_answers import Kind, Said, end_of, in_words, log_answers, with_a_column, with_background
from tutelage.foreign.table_answers import Named, TableOfAnswers
from tutelage.foreign.table_file import ENDINGS
from tutelage.foreign.text_networks import FOLDER
from tutelage.losses.spans import ENDS
from tutelage.methods.check import failure_in_words, refuse_other_answers, tensor_of
from tutelage.methods.suited import kind_of_answers
from tutelage.models.trained import comes_trained
from tutelage.modes import evaluating
from tutelage.outputs import tensor_output
from tutelage.plurals import counted
from tutelage.shapes import LabelLogits, LogitMap, Logits
from tutelage.stopped import Stopped
from tutelage.study.diagnosis.answered import answers_of
from tutelage.study.diagnosis.causes import chosen, looked_at
from tutelage.study.diagnosis.pictures_tried import Way
from tutelage.study.own.teacher_inputs import with_head
from tutelage.study.own.teacher_settings import OwnTeacherSettings
from tutelage.study.own.text_teachers import refuse_smaller_vocabulary, text_teacher
from tutelage.study.sets import Sets
from tutelage.tasks.binary import BINARY
from tutelage.tasks.task import Task
from tutelage.teachers.adapted import adapted, renormalised
from tutelage.weights.foreign import load_foreign

Build = Callable[[], nn.Module]
LOOKED, MAPS = 256, 8
"""Samples whose answers show whether they are probabilities; of maps, in which each pixel is one, fewer do."""
KINDS: dict[object, Kind] = {Logits: "classes", LogitMap: "classes", LabelLogits: "labels"}
"""What the answers are of which a soft loss takes the type; all others are numbers."""


def num_answers(data: Sets) -> int:
    """How many numbers a network answers a sample with, or a pixel or token of it, for the task of ``data``."""
    if data.asked is not None:
        return ENDS
    samples = data.train if data.train.has_targets else data.test
    classes = len(samples.classes) or (samples.targets.shape[-1] if samples.targets.ndim > 1 else 1)
    return 1 if data.task.name == BINARY.name else classes


def num_channels(data: Sets) -> int:
    """How many channels pictures have; 0 of what is no picture."""
    return data.example.shape[1] if data.train.inputs.ndim == 4 else 0


def refuse_unknown(asked: OwnTeacherSettings) -> None:
    """Raise ``ValueError`` or ``FileNotFoundError`` for a network that is none whatever the data are.

    A name that nobody knows, arguments that do not fit, a file that is not there: said before anything is read.
    """
    own_network(asked.teacher, asked.weights, num_classes=2, samples=Named((), ()))
    if asked.weights is not None and not asked.weights.is_file():
        raise FileNotFoundError(f"There is no file {asked.weights} to take the weights of {asked.teacher} from.")


def refuse_untrained(asked: OwnTeacherSettings, build: Build) -> None:
    """Raise ``ValueError`` for a network that nobody has trained yet, as far as its weights show."""
    if asked.weights is not None or only_answers(asked.teacher) or comes_trained(build):
        return
    if asked.teacher.startswith(FOLDER) and Path(asked.teacher.removeprefix(FOLDER)).is_dir():
        raise ValueError(
            f"{asked.teacher} has the weights that a network begins with: it was saved before it was trained; name the "
            "folder of a trained one."
        )
    raise ValueError(
        f"{asked.teacher} is untrained as it is built; give the file of its weights with --weights, or name a network "
        "that comes with them (timm:…, hf:…)."
    )


def teacher_fitted(data: Sets, asked: OwnTeacherSettings) -> Build:
    """How the teacher is built, with what makes its own pictures in front: for whoever builds on it."""
    build, way = teacher_build(data, asked, lambda _: None)
    return fitted(build, data, way)


def teacher_build(data: Sets, asked: OwnTeacherSettings, note: Callable[[str], None]) -> tuple[Build, Way]:
    """How the teacher is built, as it is, and what its own pictures are."""
    if data.tokenisation is not None:
        table = Path(asked.teacher).suffix.lower() in ENDINGS
        samples = named_samples(data, asked.teacher_answers) if table else None
        return text_teacher(data, asked, num_answers(data), samples), Way()
    table = Path(asked.teacher).suffix.lower() in ENDINGS
    build = own_network(
        asked.teacher,
        asked.weights,
        num_classes=num_answers(data),
        num_channels=0 if table else num_channels(data),
        samples=named_samples(data, asked.teacher_answers) if table else None,
    )
    way = Way(asked.teacher_mean, asked.teacher_std, asked.teacher_size)
    if table or data.train.inputs.ndim != 4:
        if way != Way():
            raise ValueError("--teacher-size, --teacher-mean and --teacher-std are about pictures; leave them out.")
        return build, way
    wanted = wanted_pictures(asked.teacher, asked.weights)
    if not (way.mean or way.std):
        way = replace(way, mean=wanted.mean, std=wanted.std)
    if not way.size and wanted.size != data.example.shape[-1]:
        way = replace(way, size=wanted.size)
    if said := _in_words(way, asked):
        note(f"{asked.teacher} was made for pictures {said}: shown so")
    return build, way


def _in_words(way: Way, asked: OwnTeacherSettings) -> str:
    """What of ``way`` nobody has asked for."""
    size = f"of {way.size} pixels a side" if way.size and not asked.teacher_size else ""
    mean, std = (", ".join(f"{x:.4g}" for x in numbers) for numbers in (way.mean, way.std))
    ways = f"less {mean} over {std}" if way.mean and not (asked.teacher_mean or asked.teacher_std) else ""
    if ways and way == replace(way, mean=(0.0,) * len(way.mean), std=(1 / 255,) * len(way.std)):
        ways = "of levels from 0 to 255"
    return ", ".join(word for word in (size, ways) if word)


def fitted(build: Build, data: Sets, way: Way) -> Build:
    """``build``, with what makes its own pictures of those of ``data`` in front."""
    if not (way.mean or way.std or way.size):
        return build
    scale: tuple[float, ...] = ()
    shift: tuple[float, ...] = ()
    if way.mean or way.std:
        channels = data.example.shape[1]
        none = (0.0,) * channels, (1.0,) * channels
        mean, std = data.normalisation if data.normalisation[0] else none
        scale, shift = renormalised(mean, std, way.mean or none[0], way.std or none[1])
    return partial(adapted, build, scale=scale, shift=shift, size=way.size)


def as_logits(
    build: Build,
    data: Sets,
    way: Way,
    called: str,
    weights: Path | None,
    note: Callable[[str], None],
    *,
    said: Said = "auto",
    flag: str = "--teacher-answers",
) -> Build:
    """``fitted``, and followed by what undoes the softmax or sigmoid that its network, ``called`` so, ends in.

    It answers with one tensor of what it returns, with a column where one logit a sample has none, and with maps of
    both classes where it has one logit a pixel. What it ends in is seen with its ``weights``, on ``LOOKED`` samples,
    unless it is ``said``, with that ``flag``.
    """
    network = build()
    if isinstance(network, TableOfAnswers):
        refuse_missing_rows(network, data, called, note)
        return build
    if not is_float32(network) and not _is_answered(network, data, way, called):
        note(f"{called} is kept in another precision than data are, and is taken in float32")
        build = partial(in_float32, build)
        network = build()
    if weights is not None:
        load_foreign(weights, network)
    refuse_smaller_vocabulary(network, data, called)
    adjusted = fitted(lambda: network, data, way)().to(data.example.device)
    answer = _answer(adjusted, data, called)
    if not isinstance(answer, Tensor):
        build = partial(tensor_output, build)
    answer, two = tensor_of(answer, called), len(data.train.classes) == 2
    if answer.is_complex() or answer.layout != torch.strided:
        raise ValueError(f"{called} answers with numbers that are complex or sparse; plain real ones are wanted.")
    if answer.ndim == 1 and two:
        build = partial(with_a_column, build)
    task = with_head(data, adjusted).task
    wanted = task.answers(data.test.targets[: len(answer)], len(data.train.classes), len(answer))
    said_by_labels = kind_of(task) != "classes" and not task.of_teacher
    told = said_by_labels or (answer.shape[1:] == (1,) and len(data.train.classes) > 2)
    if answer.ndim != len(wanted) or (told and answer.shape[1:] != wanted[1:]):
        refuse_other_answers(called, tuple(answer.shape), wanted, task, len(data.train.classes))
    samples = chosen(looked_at(data), MAPS if answer.ndim > 2 else LOOKED)
    answers = answers_of(task, adjusted, samples, data.test_transform, way.size)
    if end := end_of(answers, kind_of(task), said, called):
        note(f"{called} answers with {in_words(end, f'{flag} logits' if said == 'auto' else '')}")
        build = partial(log_answers, build, end=end)
    if answer.ndim == 4 and answer.shape[1] == 1 and two:
        note(f"{called} answers with one logit a pixel: it is taken for that of the second class")
        build = partial(with_background, build)
    return fitted(build, data, way)


def _is_answered(network: nn.Module, data: Sets, way: Way, called: str) -> bool:
    """Whether samples are answered as they come, by a network that may take them in its own precision."""
    try:
        _answer(fitted(partial(copy_of, network), data, way)().to(data.example.device), data, called)
    except ValueError:
        return False
    return True


def _answer(network: nn.Module, data: Sets, called: str) -> Any:
    with evaluating(network):
        try:
            return network(data.example)
        except Stopped:
            raise
        except (Exception, SystemExit) as failure:  # whatever somebody's code does with what it was not made for
            shape, words = tuple(data.example.shape[1:]), failure_in_words(failure)
            raise ValueError(f"{called} does not answer samples of shape {shape}: {words}") from failure


def kind_of(task: Task) -> Kind:
    """What the answers of ``task`` are, as its soft loss says."""
    return KINDS.get(kind_of_answers(task), "numbers")


def named_samples(data: Sets, said: Said = "auto") -> Named:
    """The names of all samples by index; their numbers, where they have no names."""
    held = [part for part in (data.train, data.validation, data.test, data.unlabelled) if part is not None]
    last = max(int(part.index.max()) for part in held)
    return Named(data.names or tuple(map(str, range(last + 1))), data.train.classes, kind_of(data.task), said)


def refuse_missing_rows(network: TableOfAnswers, data: Sets, table: str, note: Callable[[str], None]) -> None:
    """Raise ``ValueError`` where a table lacks samples that are trained or chosen on; say how many others it lacks, and
    how their rows were found."""
    answers: Tensor = network.get_buffer("answers")
    for sentence in network.notes:
        note(f"{table}: {sentence}")
    for part, samples in (("training", data.train), ("validation", data.validation), ("test", data.test)):
        if samples is None:
            continue
        lacking = samples.index[answers[samples.index.cpu()].isnan().any(1).to(samples.index.device)].tolist()
        if lacking and part == "test":
            note(f"{table} has no row for {len(lacking)} of {counted(len(samples), 'test sample')}")
        elif lacking:
            names = named_samples(data).names
            raise ValueError(
                f"{table} has no row for {len(lacking)} of {len(samples)} {part} samples, "
                f"{', '.join(repr(names[x]) for x in lacking[:3])}{' …' * (len(lacking) > 3)}; add them, or leave the "
                "samples out."
            )
