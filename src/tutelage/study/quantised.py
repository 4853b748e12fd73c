"""A finished student in int8: written, measured beside float32 on the run's own data, kept if it lost little."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from tutelage import machine
from tutelage.checkpoint import bytes_of_weights, read_json
from tutelage.compress.fake_quantised import is_fake_quantised
from tutelage.data.augment import middle
from tutelage.data.split import sample
from tutelage.data.views import Show
from tutelage.delivery import CURE, DESCRIPTION, load
from tutelage.deployment.about import About, Input, read_about
from tutelage.deployment.card import Made, model_card
from tutelage.deployment.compared import Checked, difference
from tutelage.deployment.export import is_exported, refuse_target
from tutelage.deployment.network import as_seen, as_taken, plain_copy
from tutelage.deployment.onnx import Converted, answering, bare, converted, onnx_module
from tutelage.deployment.quantised import WITHOUT_SAMPLES, Observer, static
from tutelage.deployment.script import script
from tutelage.deployment.verdict import FILE, FLOAT32, TORCH, points_lost, processor, verdict
from tutelage.files import atomically
from tutelage.foreign.kept_file import bytes_as_tensor
from tutelage.foreign.log_answers import End, LogAnswers
from tutelage.foreign.onnx_file import OnnxNetwork
from tutelage.measures.agreement import agreement
from tutelage.measures.chance import left_open
from tutelage.measures.latency import latency
from tutelage.plurals import counted
from tutelage.renewal import current
from tutelage.results import Latency, Network, Results
from tutelage.study.answered import are_classes, judged
from tutelage.study.handover import as_samples, samples_of
from tutelage.study.networks import refuse_stranger
from tutelage.study.run_data import data_of_run, request_of
from tutelage.study.sets import Sets
from tutelage.study.teacher_inputs import with_head

Precision: TypeAlias = Literal["int8", "int8-dynamic", "int8-weights", "int4-weights"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
CALIBRATION = 256
"""Training samples from which ranges of activations are taken, unless somebody says otherwise."""
FEW = 100
"""Samples of a calibration of which a note says that they are few."""


@dataclass(frozen=True)
class Quantised:
    """A quantised file that was kept: ``files`` are it, its card and the script that asks it about a picture.

    ``networks`` are the file, the float32 file and the network in PyTorch, measured on the same test samples and the
    same clock, side by side; ``sentence`` says in words what came out, ``notes`` what else is worth knowing.
    """

    path: Path
    precision: Precision
    networks: dict[str, Network]
    sentence: str
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def quantised(
    source: Path | str,
    to: Path | str,
    *,
    precision: Precision = "int8",
    calibration: int = CALIBRATION,
    observer: Observer = "minmax",
    may_lose: float = 1.0,
    data: str = "",
    takes: Input | None = None,
    probabilities: bool = False,
    allow: Sequence[str] = (),
    force: bool = False,
) -> Quantised:
    """The student of the run in ``source`` as a quantised ONNX file ``to``, with its card and its script beside it.

    ``int8`` computes in 8 bits, with ranges that ``calibration`` training samples show to ``observer``; the other
    precisions are ``deployment.quantised.WITHOUT_SAMPLES``. The samples are those of the run, read again, or those at
    ``data``. The file is measured on the test samples, beside float32 in ONNX Runtime and in PyTorch, on this
    processor; it is kept if the figure that people ask for (``task.told``) lost at most ``may_lose`` points (of one
    that is no percentage: per cent of it), or no more than one sample weighs. ``takes``, ``probabilities``, ``allow``
    and ``force`` are as of ``deployment.export.exported``.

    Raises ``ValueError`` where more is lost, for a calibration of one sample, for a network of which nothing can be
    quantised so and for data that do not suit; ``FileNotFoundError`` where data or student are gone; ``ImportError``
    with the install line; ``OSError`` in one sentence. Then no file is written.
    """
    source, to = Path(source), Path(to)
    if to.suffix != ".onnx" or precision not in PRECISIONS:
        raise ValueError(f"{', '.join(PRECISIONS)} are written as .onnx; got {precision} as {to.name!r}.")
    files = (to, to.with_suffix(".card.md"), to.with_suffix(".predict.py"))
    for file in files:
        refuse_target(file, force)
    model = load(source, allow=allow)
    if is_fake_quantised(model):
        raise ValueError(f"The student of {source} learnt with int8 in mind, and has its own scales; export it without "
                         f"--precision.")  # fmt: skip
    about = read_about(read_json(current(source, DESCRIPTION), CURE), str(current(source, DESCRIPTION)))
    sets = with_head(data_of_run(source, about, data), model)
    refuse_stranger(about.name, model, sets)
    float32 = converted(model, samples_of(sets), to, about, takes=takes, probabilities=probabilities)
    raw, notes = _smaller(float32, sets, about, precision, calibration, observer)
    onnx = onnx_module("onnx")
    facts = {**about.facts(), "input": float32.takes, "output": float32.output, "precision": precision}
    content = bare(onnx.load_from_string(raw), onnx, facts)
    networks = _judged(model, float32, content, sets, probabilities)
    _refuse_loss(to, precision, sets, networks, may_lose)
    networks = _timed(networks, model, float32, content, sets, about)
    sentence = verdict(precision, sets.task.told, networks)
    metric = sets.task.told
    notes += filter(None, [left_open(networks[FILE].scores[metric.name], metric, len(sets.test), "the file's")])
    apart, answer = difference(float32.network, answering(content, float32.output, to), float32.inputs, str(to))
    shape, dtype = tuple(float32.inputs.shape[1:]), str(float32.inputs.dtype)[6:]
    checked = Checked(to, len(content), apart, float32.takes, float32.output, shape, dtype, answer)
    made = Made(
        Results(sentence, sets.task.metrics, networks=tuple(networks.values())),
        request_of(source),
        {**machine.environment(precision), "processor": processor()},
        "of the files in ONNX Runtime and of the network in PyTorch, side by side",
    )
    written = _written(files, content, about, checked, made, notes)
    return Quantised(to, precision, networks, sentence, written, tuple(notes))


def _smaller(
    float32: Converted, sets: Sets, about: About, precision: Precision, calibration: int, observer: Observer
) -> tuple[bytes, list[str]]:
    """The quantised file, and what is to be said of how it was made."""
    if precision != "int8":
        return WITHOUT_SAMPLES[precision](float32.content), []
    part = sample(sets.train, max(1, min(calibration, len(sets.train))))
    seen = as_taken(as_samples(part, sets), about, float32.takes)
    few = f"calibrated on {counted(len(seen), 'sample')}; {FEW} or more show the ranges better (--calibration)"
    return static(float32.content, seen, observer), [few] if len(seen) < FEW else []


def _judged(
    model: nn.Module, float32: Converted, content: bytes, sets: Sets, probabilities: bool
) -> dict[str, Network]:
    """The file, the float32 file and the network on the test samples, with how often each answers as the network."""
    end: End = "" if not probabilities else "softmax" if sets.task.name == "classification" else "sigmoid"
    files = {FILE: content, FLOAT32: float32.content}
    modules: dict[str, nn.Module] = {name: LogAnswers(_module(x, name), end) for name, x in files.items()}
    shows = dict.fromkeys(files, _show(float32.takes, sets))
    plain = plain_copy(model)
    found = {
        name: judged(sets.task, network, sets.test, shows.get(name, sets.test_transform))
        for name, network in {**modules, TORCH: plain}.items()
    }
    sizes = {FILE: len(content), FLOAT32: len(float32.content), TORCH: bytes_of_weights(plain)}
    own = found[TORCH].answers
    told = own is not None and are_classes(own, sets.test)
    return {
        name: Network(
            name,
            "student" if name == FILE else "other",
            "",
            len(sets.test),
            one.scores,
            agreement=agreement(one.answers, own) if told and one.answers is not None and own is not None else None,
            bytes=sizes[name],
        )
        for name, one in found.items()
    }


def _timed(
    networks: dict[str, Network], model: nn.Module, float32: Converted, content: bytes, sets: Sets, about: About
) -> dict[str, Network]:
    """The same with milliseconds, by the size of a batch, of all three in turn."""
    seen = samples_of(sets)
    modules = {FILE: _module(content, FILE), FLOAT32: _module(float32.content, FLOAT32), TORCH: plain_copy(model)}
    pictures = about.preprocessing
    examples = {**dict.fromkeys(modules, float32.inputs), TORCH: as_seen(seen, pictures) if pictures else seen}
    clocks = latency(modules, examples)
    return {
        name: replace(one, latency_ms={size: Latency(**x) for size, x in clocks[name].items()})
        for name, one in networks.items()
    }


def _module(content: bytes, name: str) -> nn.Module:
    return OnnxNetwork(bytes_as_tensor(content), name)


def _show(takes: Input, sets: Sets) -> Show:
    """Samples as the file takes them."""
    if takes == "normalised" or sets.preprocessing is None:
        return sets.test_transform
    return partial(_levels if takes == "pixels" else middle, size=sets.preprocessing.size)


def _levels(pictures: Tensor, view: Tensor, size: tuple[int, int]) -> Tensor:
    """From 0 to 255, as floats: bytes are taken for shares of 255."""
    return middle(pictures, view, size).to(torch.float32)


def _refuse_loss(to: Path, precision: Precision, sets: Sets, networks: dict[str, Network], may_lose: float) -> None:
    """Raise ``ValueError`` where the file lost more than it may, or names no figure at all."""
    metric = sets.task.told
    lost = points_lost(metric, networks[FILE], networks[TORCH])
    if lost <= max(may_lose, 100 / len(sets.test)):
        return
    own, its = (networks[name].scores[metric.name].value for name in (FILE, TORCH))
    figures = f"{own:.4g} and {its:.4g} {metric.unit}".rstrip()
    helps = "--calibration with more samples, another --observer" if precision == "int8" else "--precision int8"
    raise ValueError(
        f"{to} was not kept: in {precision} and in float32 its {metric.name} is {figures} on "
        f"{counted(len(sets.test), 'test sample')}, {lost:.3g} {'points' if metric.unit == '%' else 'per cent'} worse, "
        f"and {may_lose:g} is allowed; try {helps}, or allow it with --may-lose."
    )


def _written(
    files: tuple[Path, ...],
    content: bytes,
    about: About,
    checked: Checked,
    made: Made,
    notes: Sequence[str],
) -> tuple[Path, ...]:
    """The file, its card and, where it takes pictures as they are, its script: all of them, or an error and none."""
    to, card, example = files
    asks = about.preprocessing is not None and (checked.takes, checked.output) == ("pixels", "logits")
    lines = (
        script(about, checked.answer[0] if checked.answer else 1, to.name, example.name, made.environment["precision"])
        if asks
        else ""
    )
    sizes = {to.name: len(content), **({example.name: len(lines.encode())} if lines else {})}
    said = model_card(about, made, checked, sizes, notes)
    with ExitStack() as unfinished:  # all is written before anything takes its name, the file last
        unfinished.enter_context(atomically(to)).write_bytes(content)
        unfinished.enter_context(atomically(card)).write_text(said, encoding="utf-8", newline="\n")
        if lines:
            unfinished.enter_context(atomically(example)).write_text(lines, encoding="utf-8", newline="\n")
    if not lines and example.exists() and is_exported(example):
        example.unlink()  # of another file that lay here
    return (to, card, example) if lines else (to, card)
