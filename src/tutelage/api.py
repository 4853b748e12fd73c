"""What the command does, from Python: a network, data, minutes in; a small network and its figures out."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from html import escape
from pathlib import Path
from time import perf_counter
from typing import Any, Unpack

import torch
from torch import nn

from tutelage.compress.budget import budget, is_budget
from tutelage.deployment.export import exported as export
from tutelage.foreign.log_answers import Said
from tutelage.keys import described, key_of
from tutelage.printable import printable
from tutelage.progress import Progress, Silence
from tutelage.results import Arguments, Network
from tutelage.run import Run
from tutelage.study.bounds import refuse_fields
from tutelage.study.distillation import distilled
from tutelage.study.given_sets import given_sets, on_device
from tutelage.study.instances import build_of, instance_of, stage_of
from tutelage.study.measured import Measured, measured_network
from tutelage.study.measured_first import measured_first
from tutelage.study.networks import refuse_stranger
from tutelage.study.own_sets import own_sets
from tutelage.study.own_settings import DataSettings
from tutelage.study.own_teacher import own_teacher
from tutelage.study.participants import (
    DistillationOptions,
    DistillationSettings,
    Participants,
    student_builder,
    with_sought,
)
from tutelage.study.pictures_tried import Way
from tutelage.study.sets import Sets
from tutelage.study.sought import build_again, refuse_unsought
from tutelage.study.teacher_builds import as_logits, refuse_unknown, teacher_fitted
from tutelage.study.teacher_inputs import sees, with_head
from tutelage.study.teacher_settings import OwnTeacherSettings

__all__ = ["Distilled", "Measured", "Sentences", "distill", "export", "measure"]


@dataclass(frozen=True, repr=False)
class Distilled:
    """What ``distill`` made: the small ``model`` in eval mode, the figures of all networks, the folder of the run.

    ``metrics["student"]["accuracy"]`` is on the test samples; ``"teacher"`` and ``"baseline"`` stand beside it.
    ``sentence`` says in words what came out, and so does the object on a line of its own; in a notebook it is a table.
    """

    model: nn.Module
    metrics: dict[str, dict[str, float]]
    folder: Path
    sentence: str

    def __repr__(self) -> str:
        return f"Distilled({self.sentence!r}, folder={str(self.folder)!r})"

    def _repr_html_(self) -> str:
        names = list(dict.fromkeys(name for figures in self.metrics.values() for name in figures))
        heads = "".join(f"<th>{escape(name)}</th>" for name in ("network", *names))
        rows = "".join(
            f"<tr><td>{escape(network)}</td>{''.join(f'<td>{_shown(figures.get(name))}</td>' for name in names)}</tr>"
            for network, figures in self.metrics.items()
        )
        where = escape(printable(str(self.folder)))
        return f"<p>{escape(self.sentence)}</p><table><tr>{heads}</tr>{rows}</table><p><code>{where}</code></p>"


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
        data = given_sets(data)
    refuse_fields(own := OwnTeacherSettings(teacher="", weights=None, teacher_answers=teacher_answers))
    words = {"teacher": _word(teacher), "student": _word(student), "data": _where(data), "weights": str(weights or "")}
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
    return Distilled(made.model, {name: _figures(x) for name, x in made.networks.items()}, run.folder, made.sentence)


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
    ``tutelage.study.measured.measured_network`` does, such as where it is clearly worse than ``expect`` (0.93 or 93),
    with what would help.
    """
    sets = data if isinstance(data, str | Path | Sets) else given_sets(data)
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
    file = None if weights is None else Path(weights)
    if isinstance(teacher, str):
        own = OwnTeacherSettings(teacher=teacher, weights=file, teacher_answers=answers)
        refuse_unknown(own)
    kind = teacher if isinstance(teacher, str) else type(teacher).__name__
    if isinstance(student, str) and is_budget(student):
        budget(student)
        if isinstance(teacher, str):
            refuse_unsought(teacher, file)
    elif isinstance(student, str):
        student_builder(student)
    sets = on_device(data, run.device) if isinstance(data, Sets) else None
    sets = sets or own_sets(run.device, str(data), settings, run.progress.note, run.root)
    if isinstance(teacher, nn.Module):
        instance = instance_of(teacher)
        called = instance.kind.__name__
        build_teacher = as_logits(build_of(instance), sets, Way(), called, None, run.progress.note, said=answers)
        asked = run.laid_out(build_teacher())
        sets = with_head(sets, asked)
        refuse_stranger(instance.kind.__name__, asked, sets)
        trained = stage_of(run, instance, build_teacher)
        for sentence in measured_first(trained.last, sets, Way(), 0.0, instance.kind.__name__, "--teacher-"):
            run.progress.note(f"teacher: {sentence}")
    else:
        trained = own_teacher(run, sets, own)
        sets, build_teacher = with_head(sets, trained.last), teacher_fitted(sets, own)
    if isinstance(student, str) and is_budget(student):
        build = build_teacher if isinstance(teacher, nn.Module) else build_again(trained)
        return with_sought(run, sets, trained, build, kind, student)
    build_student = student_builder(student, sets) if isinstance(student, str) else build_of(instance_of(student))
    titles = [x if isinstance(x, str) else type(x).__name__ for x in (teacher, student)]
    return Participants(sets, trained, build_teacher, build_student, (titles[0], titles[1]), sees(trained.last))


def _word(network: nn.Module | str) -> str:
    return network if isinstance(network, str) else str(instance_of(network))


def _where(data: str | Path | Sets) -> str:
    """What the run is told of the data: other ones in memory, in any of their parts, are another run's."""
    if not isinstance(data, Sets):
        return str(data)
    parts = (data.train, data.validation, data.test, data.unlabelled)
    shown = [described(x) for x in (data.test_transform, data.task, data.normalisation)]
    sums = [None if part is None else part.checksum for part in parts]
    return f"{data.train.name} {key_of([sums, shown])[:8]}"


def _figures(network: Network) -> dict[str, float]:
    figures = {name: score.value for name, score in network.scores.items()}
    sizes = {"parameters": network.parameters, "MACs": network.macs, "bytes": network.bytes}
    figures |= {name: float(value) for name, value in sizes.items() if value is not None}
    one = (network.latency_ms or {}).get("1")
    return figures if one is None else {**figures, "ms a sample": one.median}


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
