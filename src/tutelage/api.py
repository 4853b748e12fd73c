"""What the command does, from Python: a network, data, minutes in; a small network and its figures out."""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Unpack

import torch
from torch import nn

from tutelage.compress.budget import budget, is_budget
from tutelage.copies import in_float32, is_float32
from tutelage.deployment.export import exported as export
from tutelage.foreign.log_answers import Said
from tutelage.own_data.read import may_hold_texts
from tutelage.printable import printable
from tutelage.progress import Progress, Silence
from tutelage.results import Arguments
from tutelage.run import Run
from tutelage.study.bounds import refuse_fields
from tutelage.study.own.given_sets import given_sets
from tutelage.study.own.handed_in import own_of, trained_network, where_of, word_of
from tutelage.study.own.instances import build_of, instance_of
from tutelage.study.own.measured import Measured, measured_network
from tutelage.study.own.original import as_original, refuse_only_answers
from tutelage.study.own.participants import (
    Augment,
    DistillationOptions,
    DistillationSettings,
    Participants,
    student_builder,
    with_sought,
    with_text_student,
)
from tutelage.study.own.settings import DataSettings
from tutelage.study.own.sought import build_again, refuse_unsought
from tutelage.study.own.teacher_builds import refuse_unknown, teacher_fitted
from tutelage.study.own.teacher_inputs import sees
from tutelage.study.own.teacher_settings import OwnTeacherSettings
from tutelage.study.own.text_students import NAMES
from tutelage.study.planning.compression import CompressionSettings
from tutelage.study.planning.compression import compressed as compressed_network
from tutelage.study.planning.distillation import distilled
from tutelage.study.planning.made import Distilled, figures_of
from tutelage.study.sets import Sets

__all__ = ["Distilled", "Measured", "Sentences", "compressed", "distill", "export", "measure"]


class Sentences(Silence):
    """Progress as lines on standard error, one a note and one an epoch."""

    def note(self, text: str) -> None:
        print(printable(text), file=sys.stderr, flush=True)

    def epoch(self, record: Mapping[str, Any]) -> None:
        figures = {name: x for name, x in (record.get("validation") or {}).items() if name not in ("count", "loss")}
        words = ", ".join(f"{name} {value:g}" for name, value in figures.items())
        self.note(f"{record['stage']}: epoch {record['epoch']}/{record['epochs']}{', ' * bool(words)}{words}")


def distill(
    teacher: nn.Module | str,
    student: nn.Module | str,
    data: Any,
    *,
    weights: Path | str | None = None,
    teacher_answers: Said = "auto",
    samples: DataSettings | None = None,
    runs: Path | str = "runs",
    device: str | None = None,
    progress: Progress | None = None,
    **options: Unpack[DistillationOptions],
) -> Distilled:
    """Make a small network of a trained one: ``distill(teacher, student, "photos/", minutes=30)``.

    ``teacher`` is a trained network, or the name of one whose ``weights`` are in a file; ``student`` a fresh network, a
    name, or a budget, ``"90 MMACs"``, ``"5 ms"`` or ``"quarter"``, within which it is sought in the teacher.
    ``teacher_answers`` are logits, or probabilities of a softmax or of sigmoids, which is found out if it is not said.
    ``data`` is a path as the command takes it, ``(train, validation, test)`` of data sets, loaders or ``Labelled``, or
    ``Sets``. ``minutes``, ``epochs``, ``method``, ``augment``, ``baseline`` and ``seed`` are as the command has them,
    ``samples`` says how a path is read.

    Networks are copied, and no global state changes. The same call again, with networks that hold the same, goes on
    where it was stopped or returns what it had made, unless twice as many epochs fit the minutes now: then it trains so
    many. Raises ``ValueError`` before anything is trained for what cannot
    work, in one sentence.

    >>> from tutelage.data.synthetic import digits
    >>> from tutelage.models.mlp import mlp
    >>> distill(net := mlp((784, 8, 10)), net, (digits(60, seed=0), None, digits(20, seed=1)))
    Traceback (most recent call last):
    ValueError: Teacher and student are the same network; give the student one of its own, which may be alike.
    """
    begun = perf_counter()
    if teacher is student and isinstance(teacher, nn.Module):
        raise ValueError(
            "Teacher and student are the same network; give the student one of its own, which may be alike."
        )
    wanted, how = DistillationSettings(**options), samples or DataSettings()
    for settings in (wanted, how):
        refuse_fields(settings)
    if not isinstance(data, str | Path | Sets):
        data = given_sets(data, samples)
    refuse_fields(own := OwnTeacherSettings(teacher="", weights=None, teacher_answers=teacher_answers))
    words = {
        "teacher": word_of(teacher),
        "student": word_of(student),
        "data": where_of(data),
        "weights": str(weights or ""),
    }
    words |= {"teacher_answers": own.teacher_answers}
    request = Arguments(
        "own:distill", "", "", {**words, **asdict(wanted), **asdict(how)}, asdict(DistillationSettings())
    )
    with (
        torch.random.fork_rng(),  # a student that is named draws its weights
        Run(request, root=runs, device=device, progress=progress or Sentences()) as run,
    ):
        run.begun = begun
        people = partial(_participants, run, teacher, student, data, weights, teacher_answers, how)
        made = distilled(run, people, wanted)
    assert made is not None
    return Distilled(made.model, {name: figures_of(x) for name, x in made.networks.items()}, run.folder, made.sentence)


def compressed(
    network: nn.Module | str,
    data: Any,
    target: str,
    *,
    may_lose: float = 1.0,
    weights: Path | str | None = None,
    answers: Said = "auto",
    samples: DataSettings | None = None,
    minutes: float = 30.0,
    epochs: int = 0,
    augment: Augment = "light",
    seed: int = 0,
    runs: Path | str = "runs",
    device: str | None = None,
    progress: Progress | None = None,
) -> Distilled:
    """Make a trained network itself smaller or faster: ``compressed(network, "photos/", "4x smaller", minutes=10)``.

    ``target`` is said as for ``tutelage compress`` (``1 MB``, ``2x faster``, ``3 ms``, ``quarter``), ``may_lose`` are
    points on validation samples, ``answers`` as ``distill`` has its ``teacher_answers``; all else is as there. Of what
    comes out ``model`` is the network in float32; the files, of which one may be in int8, are in ``folder``. Raises
    ``ValueError`` as ``distill`` does, and for a target that cannot be reached, with what can be had instead.
    """
    begun = perf_counter()
    learning = DistillationSettings("kd", minutes, epochs, augment, False, False, seed)
    wanted, how = CompressionSettings(target, may_lose, learning), samples or DataSettings()
    for settings in (learning, wanted, how):
        refuse_fields(settings)
    refuse_fields(own_of("", None, answers))
    sets: str | Path | Sets = data if isinstance(data, str | Path | Sets) else given_sets(data, samples)
    words = {"teacher": word_of(network), "data": where_of(sets), "weights": str(weights or "")}
    words |= {"teacher_answers": answers, "target": target}
    given = {**words, "may_lose": may_lose, **asdict(learning), **asdict(how)}
    request = Arguments("own:compress", "", "", given, {})
    with torch.random.fork_rng(), Run(request, root=runs, device=device, progress=progress or Sentences()) as run:
        run.begun = begun
        made = compressed_network(run, partial(_original, run, network, sets, weights, answers, how), wanted)
    assert made is not None
    return Distilled(made.model, {name: figures_of(x) for name, x in made.networks.items()}, run.folder, made.sentence)


def measure(
    model: nn.Module | str,
    data: Any,
    *,
    weights: Path | str | None = None,
    samples: DataSettings | None = None,
    expect: float = 0.0,
    answers: Said = "auto",
    device: str | None = None,
) -> Measured:
    """What a trained network is on data: its metrics with intervals, size, MACs, latency; nothing is written.

    ``model`` is a network, or the name of one whose ``weights`` are in a file; ``data`` and ``samples`` are as
    ``distill`` takes them, ``answers`` as its ``teacher_answers``. Raises ``ValueError`` as
    ``tutelage.study.own.measured.measured_network`` does, such as where it is clearly worse than ``expect`` (0.93 or
    93), with what would help.
    """
    sets = data if isinstance(data, str | Path | Sets) else given_sets(data, samples)
    return measured_network(
        model, sets, weights=weights, samples=samples, expect=expect, answers=answers, device=device
    )


def _participants(
    run: Run,
    teacher: nn.Module | str,
    student: nn.Module | str,
    data: str | Path | Sets,
    weights: Path | str | None,
    answers: Said,
    settings: DataSettings,
) -> Participants:
    kind = teacher if isinstance(teacher, str) else type(teacher).__name__
    if isinstance(teacher, str):
        refuse_unknown(own := own_of(teacher, weights, answers))
    may_be = not isinstance(data, Sets) and may_hold_texts(data)
    of_texts = isinstance(student, str) and student.partition("(")[0] in NAMES and may_be  # the data will say
    if isinstance(student, str) and is_budget(student) and not of_texts:
        budget(student)
        if isinstance(teacher, str):
            refuse_unsought(teacher, own.weights)
    elif isinstance(student, str) and not of_texts:
        student_builder(student)
    sets, trained, build_teacher = trained_network(run, teacher, data, weights, answers, settings)
    if isinstance(teacher, str):
        build_teacher = teacher_fitted(sets, own)
    if sets.tokenisation is not None:
        named = student if isinstance(student, str) else build_of(instance_of(student))
        return with_text_student(run, sets, trained, build_teacher, kind, named)
    if isinstance(student, str) and is_budget(student):
        build = build_teacher if isinstance(teacher, nn.Module) else build_again(trained)
        return with_sought(run, sets, trained, build, kind, student)
    if isinstance(student, str):
        build_student = student_builder(student, sets)
    else:
        build_student = build_of(instance_of(student))
        build_student = build_student if is_float32(student) else partial(in_float32, build_student)
    titles = [x if isinstance(x, str) else type(x).__name__ for x in (teacher, student)]
    return Participants(sets, trained, build_teacher, build_student, (titles[0], titles[1]), sees(trained.last))


def _original(
    run: Run,
    network: nn.Module | str,
    data: str | Path | Sets,
    weights: Path | str | None,
    answers: Said,
    settings: DataSettings,
) -> Participants:
    called = network if isinstance(network, str) else type(network).__name__
    if isinstance(network, str):
        refuse_only_answers(network)
        refuse_unknown(own_of(network, weights, answers))
    sets, trained, build = trained_network(run, network, data, weights, answers, settings)
    return as_original(trained, build, sets, called)
