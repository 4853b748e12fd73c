"""What somebody's network is on somebody's data: how often it is right, how large and how fast it is, what it takes."""

import html
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from tutelage import machine
from tutelage.calls import reason
from tutelage.data.labelled import Labelled
from tutelage.data.views import in_order
from tutelage.foreign.log_answers import Said
from tutelage.measures.calibration import calibration
from tutelage.measures.chance import left_open
from tutelage.measures.latency import latency
from tutelage.measures.memory import peak_bytes
from tutelage.measures.predict import device_of
from tutelage.modes import evaluating
from tutelage.outputs import kind_of
from tutelage.plurals import counted
from tutelage.results import Latency, Score
from tutelage.study.diagnosis.answered import are_classes, judged
from tutelage.study.diagnosis.causes import diagnosed
from tutelage.study.diagnosis.measured_first import below, better_ways, guesses
from tutelage.study.diagnosis.pictures_tried import Way
from tutelage.study.network_costs import costs_of, nothing_seen, sees_inside, takes_time
from tutelage.study.own.given_sets import on_device
from tutelage.study.own.sets import own_sets
from tutelage.study.own.settings import DataSettings
from tutelage.study.own.teacher_builds import as_logits, refuse_unknown, refuse_untrained, teacher_build
from tutelage.study.own.teacher_inputs import shown_to, with_head
from tutelage.study.own.teacher_settings import OwnTeacherSettings
from tutelage.study.own.text_teachers import as_cut
from tutelage.study.sets import Sets
from tutelage.weights.foreign import load_foreign, own_tensors

T = TypeVar("T")
ANSWERS = "--answers"
"""The flag that says what a network answers with."""


@dataclass(frozen=True, repr=False)
class Measured:
    """A network on the test samples: ``scores`` by metric with 95 % intervals, and what an answer costs.

    ``bytes`` are those of a safetensors file, or of the file that it is; ``macs`` multiply-accumulates of one sample;
    ``latency_ms`` by batch size; ``memory_bytes`` the most that one answer takes beside the weights. ``None`` is what
    could not be measured, and ``notes`` say why.
    """

    name: str
    count: int
    scores: Mapping[str, Score]
    units: Mapping[str, str]
    loss: float | None
    calibration_error: float | None
    parameters: int | None
    macs: int | None
    bytes: int | None
    latency_ms: Mapping[str, Latency] | None
    memory_bytes: int | None
    input_shape: tuple[int, ...]
    notes: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """All of it, as JSON takes it."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """What a table shows: what was measured, and the figure in words."""
        found = [(name, self._scored(name, score)) for name, score in self.scores.items()]
        if self.loss is not None:
            found.append(("loss", f"{self.loss:.4g}"))
        if self.calibration_error is not None:
            found.append(("calibration error", f"{100 * self.calibration_error:.2f} %"))
        costs = {"parameters": self.parameters, "multiply-accumulates": self.macs}
        found += [(name, f"{number:,}") for name, number in costs.items() if number is not None]
        sizes = {"bytes": self.bytes, "memory of an answer": self.memory_bytes}
        found += [
            (name, f"{number / 1e6:,.2f} MB" if number >= 1e5 else f"{number / 1e3:,.2f} kB")
            for name, number in sizes.items()
            if number is not None
        ]
        found += [
            (f"latency, batch {size}", f"{x.median:.3g} ms ({x.q1:.3g} to {x.q3:.3g}{_threads(x)})")
            for size, x in (self.latency_ms or {}).items()
        ]
        return [*found, ("input", " x ".join(map(str, self.input_shape)))]

    def _scored(self, name: str, score: Score) -> str:
        unit = f" {self.units[name]}" if self.units.get(name) else ""
        interval = f" ({score.interval[0]:.4g} to {score.interval[1]:.4g})" if score.interval else ""
        return f"{score.value:.4g}{unit}{interval}"

    def __repr__(self) -> str:
        scores = ", ".join(f"{name} {self._scored(name, score)}" for name, score in self.scores.items())
        return f"Measured({self.name!r} on {counted(self.count, 'sample')}: {scores})"

    def _repr_html_(self) -> str:
        cells = "".join(f"<tr><td>{html.escape(a)}</td><td>{html.escape(b)}</td></tr>" for a, b in self.rows())
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        title = f"{html.escape(self.name)} on {counted(self.count, 'sample')}"
        return f"<table><caption>{title}</caption>{cells}</table>" + (f"<ul>{notes}</ul>" if notes else "")


def measured_network(
    model: nn.Module | str,
    data: str | Path | Sets,
    *,
    weights: Path | str | None = None,
    samples: DataSettings | None = None,
    expect: float = 0.0,
    answers: Said = "auto",
    device: str | None = None,
    rounds: int = 50,
) -> Measured:
    """``model`` measured on the test samples of ``data``; nothing is trained, chosen or written.

    A text names a network as ``tutelage.foreign.forms.own_network`` takes it, with the file of its ``weights``; a text
    for ``data`` says where they lie, ``samples`` how they are read, and ``answers`` what the network answers with. What
    would make it clearly better is looked for on the validation samples, and noted. Raises ``ValueError`` where it is
    clearly worse than ``expect`` (0.93 or 93 for an accuracy), with what would help; for what is no network, untrained,
    or does not suit the data.
    """
    place = machine.device_named(device)
    own = samples or DataSettings()
    notes: list[str] = []
    file = None if weights is None else Path(weights)
    if isinstance(model, str):
        asked = OwnTeacherSettings(teacher=model, weights=file, expect=expect, teacher_answers=answers)
        refuse_unknown(asked)
        own = as_cut(own, model, notes.append)
    elif weights is not None:
        raise ValueError(f"A network that is there already has its weights; leave out weights={str(weights)!r}.")
    held = on_device(data, place) if isinstance(data, Sets) else own_sets(place, data, own, notes.append)
    if held.task.of_teacher:
        raise ValueError(
            f"{data} holds texts without labels, which say nothing of how good a network is; give labelled ones, or "
            "compare a student with it: tutelage distill --task embeddings."
        )
    if isinstance(model, str):
        network, pictures = filled_network(held, asked, notes)
    else:
        if not isinstance(model, nn.Module):
            raise ValueError(f"A network is a Module of torch, or its name; got {kind_of(model)}.")
        own_tensors(model)  # refused where they hold no values
        network, pictures = model, Way()
        how = partial(as_logits, said=answers, flag=ANSWERS)
        network = how(lambda: model, held, pictures, type(model).__name__, None, notes.append)()
    network = network.to(held.train.inputs.device)
    held = with_head(held, network)
    name = model if isinstance(model, str) else type(model).__name__
    return _measured(name, network, shown_to(network, held), pictures, expect, notes, rounds)


def filled_network(data: Sets, asked: OwnTeacherSettings, notes: list[str]) -> tuple[nn.Module, Way]:
    """The network that ``asked`` names with its weights in it, and what its own pictures are."""
    build, pictures = teacher_build(data, asked, notes.append)
    refuse_untrained(asked, build)
    network = build()
    if asked.weights is not None:
        notes += load_foreign(asked.weights, network)
    how = partial(as_logits, said=asked.teacher_answers, flag=ANSWERS)
    return how(lambda: network, data, pictures, asked.teacher, None, notes.append)(), pictures


def _measured(
    name: str, network: nn.Module, data: Sets, pictures: Way, expect: float, notes: list[str], rounds: int
) -> Measured:
    task, samples = data.task, data.test
    found = judged(task, network, samples, data.test_transform, pictures.size)
    answers, scores = found.answers, found.scores
    for_choices = samples if data.validation is None else data.validation
    classes = answers is not None and are_classes(answers, samples)
    suits = not classes or (answers is not None and answers.shape[1] == len(data.train.classes))
    wanted = below(scores, task, expect)
    if found.nan:
        notes.append(f"WARNING: {found.nan} of {counted(len(samples), 'answer')} not a number (NaN)")
    elif wanted or not suits or guesses(network, data, samples, scores, pictures.size):
        why = diagnosed(network, data, pictures, "--")
        if wanted:
            raise ValueError(
                f"{name} makes less than the {wanted} that is expected. On {counted(why.count, 'sample')}: {why}."
            )
        notes.append(f"WARNING: on {counted(why.count, 'sample')}: {why}")
    elif len(for_choices):
        notes += better_ways(network, data, pictures, "--", scores)
    batch: Tensor = next(iter(in_order(samples, batch_size=64, transform=data.test_transform)(0, 0)))["input"]
    if few := left_open(scores[task.told.name], task.told, len(samples)):
        notes.append(few)
    costs = {what: _attempted(what, measure, notes) for what, measure in _costs(network, batch).items()}
    clocks = (
        _attempted("latency", lambda: latency({name: network}, batch, rounds=rounds)[name], notes)
        if takes_time(network)
        else None
    )
    return Measured(
        name=name,
        count=len(samples),
        scores={metric: score for metric, score in scores.items() if math.isfinite(score.value)},
        units={metric.name: metric.unit for metric in task.metrics},
        loss=_attempted("loss", found.loss, notes) if suits else None,
        calibration_error=None
        if answers is None or not (suits and classes)
        else _attempted("calibration", partial(_calibration_error, answers, samples), notes),
        latency_ms=None if clocks is None else {size: Latency(**x) for size, x in clocks.items()},
        input_shape=tuple(batch.shape[1:]),
        notes=tuple(notes),
        **costs,
    )


def _threads(clock: Latency) -> str:
    return "" if clock.threads is None else f", {counted(clock.threads, 'thread')}"


def _calibration_error(answers: Tensor, samples: Labelled) -> float:
    return calibration(answers, samples.targets).error


def _costs(network: nn.Module, batch: Tensor) -> dict[str, Callable[[], int]]:
    one = batch[:1].to(device_of(network))

    def memory() -> int:
        with evaluating(network):
            return peak_bytes(lambda: network(one), one.device)

    return {**costs_of(network, one), "memory_bytes": memory if sees_inside(network) else nothing_seen}


def _attempted(what: str, measure: Callable[[], T], notes: list[str]) -> T | None:
    try:
        return measure()
    except Exception as error:
        words = str(error) if isinstance(error, ValueError) else reason(error)
        notes.append(f"{what.replace('_', ' ')} not measured ({words.rstrip('.')})")
        return None
