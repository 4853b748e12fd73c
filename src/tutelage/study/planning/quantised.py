"""A finished student in int8: written, measured beside float32 on the run's own data, kept if it lost little."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from torch import nn

from tutelage import machine
from tutelage.checkpoint import read_json
from tutelage.compress.fake_quantised import is_fake_quantised
from tutelage.data.split import sample
from tutelage.delivery import CURE, DESCRIPTION, load
from tutelage.deployment.about import About, Input, read_about
from tutelage.deployment.card import Made, model_card
from tutelage.deployment.compared import Checked, difference
from tutelage.deployment.export import is_exported, refuse_target
from tutelage.deployment.network import as_taken
from tutelage.deployment.onnx import Converted, answering, bare, converted, onnx_module
from tutelage.deployment.quantised import WITHOUT_SAMPLES, Observer, static
from tutelage.deployment.script import script
from tutelage.deployment.verdict import FILE, TORCH, points_lost, processor, verdict
from tutelage.files import atomically
from tutelage.measures.chance import left_open
from tutelage.plurals import counted
from tutelage.renewal import current
from tutelage.results import Arguments, Network, Results
from tutelage.study.own.networks import refuse_stranger
from tutelage.study.own.run_data import data_of_run, request_of
from tutelage.study.own.teacher_inputs import with_head
from tutelage.study.planning.handover import as_samples, samples_of
from tutelage.study.planning.side_by_side import judged_together, timed_together
from tutelage.study.sets import Sets

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
    for file in files_of(to):
        refuse_target(file, force)
    model = load(source, allow=allow)
    if is_fake_quantised(model):
        raise ValueError(f"The student of {source} learnt with int8 in mind, and has its own scales; export it without "
                         f"--precision.")  # fmt: skip
    about = read_about(read_json(current(source, DESCRIPTION), CURE), str(current(source, DESCRIPTION)))
    if about.tokenisation is not None:
        raise ValueError(
            f"The student of {source} is of texts, and files of {precision} are made of networks of pictures and "
            "numbers; export it without --precision."
        )
    sets = with_head(data_of_run(source, about, data), model)
    refuse_stranger(about.name, model, sets)
    return quantised_network(
        model,
        sets,
        about,
        to,
        request_of(source),
        precision=precision,
        calibration=calibration,
        observer=observer,
        may_lose=may_lose,
        takes=takes,
        probabilities=probabilities,
    )


def quantised_network(
    model: nn.Module,
    sets: Sets,
    about: About,
    to: Path,
    request: Arguments | None,
    *,
    precision: Precision = "int8",
    calibration: int = CALIBRATION,
    observer: Observer = "minmax",
    may_lose: float = 1.0,
    takes: Input | None = None,
    probabilities: bool = False,
) -> Quantised:
    """``model``, whom ``about`` is about, as such a file ``to``, calibrated and measured on ``sets``.

    The card says what the ``request`` was. What lies at ``to`` is replaced. Raises as ``quantised``.
    """
    float32 = converted(model, samples_of(sets), to, about, takes=takes, probabilities=probabilities)
    content, notes = content_of(float32, sets, about, precision, calibration, observer)
    networks = judged_together(model, float32, content, sets, probabilities)
    _refuse_loss(to, precision, sets, networks, may_lose)
    networks = timed_together(networks, model, float32, content, sets, about)
    sentence = verdict(precision, sets.task.told, networks)
    metric = sets.task.told
    notes += filter(None, [left_open(networks[FILE].scores[metric.name], metric, len(sets.test), "the file's")])
    apart, answer = difference(float32.network, answering(content, float32.output, to, about), float32.inputs, str(to))
    shape, dtype = tuple(float32.inputs.shape[1:]), str(float32.inputs.dtype)[6:]
    checked = Checked(to, len(content), apart, float32.takes, float32.output, shape, dtype, answer)
    made = Made(
        Results(sentence, sets.task.metrics, networks=tuple(networks.values())),
        request,
        {**machine.environment(precision), "processor": processor()},
        "of the files in ONNX Runtime and of the network in PyTorch, side by side",
    )
    written = _written(files_of(to), content, about, checked, made, notes)
    return Quantised(to, precision, networks, sentence, written, tuple(notes))


def files_of(to: Path) -> tuple[Path, Path, Path]:
    """The file, its card and its script."""
    return to, to.with_suffix(".card.md"), to.with_suffix(".predict.py")


def content_of(
    float32: Converted,
    sets: Sets,
    about: About,
    precision: Precision = "int8",
    calibration: int = CALIBRATION,
    observer: Observer = "minmax",
) -> tuple[bytes, list[str]]:
    """The quantised file, and what is to be said of how it was made. Raises as ``quantised``."""
    notes = []
    if precision == "int8":
        part = sample(sets.train, max(1, min(calibration, len(sets.train))))
        seen = as_taken(as_samples(part, sets), about, float32.takes)
        raw = static(float32.content, seen, observer)
        if len(seen) < FEW:
            few = f"calibrated on {counted(len(seen), 'sample')}; {FEW} or more show the ranges better (--calibration)"
            notes.append(few)
    else:
        raw = WITHOUT_SAMPLES[precision](float32.content)
    onnx = onnx_module("onnx")
    facts = {**about.facts(), "input": float32.takes, "output": float32.output, "precision": precision}
    return bare(onnx.load_from_string(raw), onnx, facts), notes


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
