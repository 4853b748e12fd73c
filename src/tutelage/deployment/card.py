"""``model_card.md``: what a student is, takes, gives and costs, and how it was made; what is not known is left open."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tutelage.data.wordpiece import WordPieces
from tutelage.deployment.about import OF_ONE_LOGIT, OUTPUTS, About
from tutelage.deployment.compared import Checked
from tutelage.measures.chance import left_open
from tutelage.own_data.preprocessing import Preprocessing
from tutelage.own_data.source import TaskName
from tutelage.own_data.tokenisation import Tokenisation
from tutelage.plurals import counted
from tutelage.printable import in_markdown, printable
from tutelage.results import Arguments, Network, Results, Score

CARD = "model_card.md"
PIPELINES = {
    "classification": "image-classification",
    "multi-label": "image-classification",
    "segmentation": "image-segmentation",
}
"""The Hub's word for a task on pictures; it has none for the prediction of numbers."""
TEXTS = {
    "classification": "text-classification",
    "multi-label": "text-classification",
    "embeddings": "sentence-similarity",
    "spans": "question-answering",
}
"""The same for texts."""
NUMBERED: Mapping[TaskName, str] = {
    "classification": "what the data call the classes",
    "segmentation": "the grey levels of the masks",
    "multi-label": "the columns of the labels, counted from 0",
    "regression": "the columns of the labels, counted from 0",
    "embeddings": "the places of a vector, counted from 0",
    "spans": "the two ends of an answer",
}
"""What classes are that are called by a number."""
_ASKED = (
    " The first text is the question, the second what it is about; where there is no room for all of this, it is asked "
    "about in parts that overlap, as `predict.py` does."
)
OPEN = "*To be filled in.*"
MOST_NAMES = 1000


@dataclass(frozen=True)
class Made:
    """How a student was made, as far as it is known: what the run measured, what was asked for, on which machine.

    ``timed`` says what the milliseconds are of.
    """

    results: Results = field(default_factory=Results)
    request: Arguments | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    timed: str = "of the network in PyTorch"


def model_card(
    about: About, made: Made, checked: Checked | None, files: Mapping[str, int], notes: Sequence[str] = ()
) -> str:
    """A model card in Markdown behind a header in YAML, as the Hugging Face Hub reads it.

    ``files`` are names and bytes, ``notes`` what could not be made. Every figure is one of the run's; licence and
    intended use are left open. Texts of others are escaped.
    """
    parts = [
        _header(about, made),
        f"# {in_markdown(printable(about.name))}",
        in_markdown(printable(made.results.headline)) or f"A network for {about.task}.",
        "## Input",
        _input(about, checked),
        "## Output",
        _output(about, checked),
        *_section("## Evaluation", _scores(made)),
        *_section("## Size and speed", _costs(made)),
        "## Files",
        _table(("file", "bytes"), [(f"`{name}`", f"{size:,}") for name, size in files.items()]),
        *(f"Note: {in_markdown(note)}" for note in notes),
        *_section("## How it was made", _history(made)),
        "## Intended use",
        OPEN,
        "## Licence",
        f"{OPEN} That of the data and of the teacher may bear on it.",
    ]
    return "\n\n".join(parts) + "\n"


def _header(about: About, made: Made) -> str:
    """YAML, in which JSON's texts are texts."""
    lines = ["# Written by tutelage", "library_name: tutelage"]
    pipelines = PIPELINES if about.preprocessing is not None else TEXTS if about.tokenisation is not None else {}
    if about.task in pipelines:
        lines.append(f"pipeline_tag: {pipelines[about.task]}")
    lines += ["tags:", "- knowledge-distillation", "# license: to be filled in"]
    if names := [metric.name for metric in made.results.metrics]:
        lines += ["metrics:", *(f"- {json.dumps(printable(name))}" for name in names)]
    return "\n".join(["---", *lines, "---"])


def _input(about: About, checked: Checked | None) -> str:
    how, lines = about.preprocessing, []
    if about.tokenisation is not None:
        return _texts(about.tokenisation) + (_ASKED if about.task == "spans" else "")
    if checked is not None:
        shape = ", ".join(map(str, checked.shape))
        lines.append(f"The ONNX file takes `input`: {checked.dtype} (N, {shape}), any number N of samples.")
    if how is None:
        lines += [f"It sees {about.seen}."] if about.seen else []
        return " ".join(lines) or OPEN
    colours = "grey" if how.channels == 1 else "RGB"
    lines.append(f"Pictures in {colours}, turned as their EXIF orientation says, {_sized(how)}.")
    numbers = f" less {_numbers(how.mean)}, over {_numbers(how.std)}, by channel" if how.mean else ""
    inside = checked is not None and checked.takes != "normalised" and numbers
    lines.append(
        f"The network sees values / 255{numbers}"
        + ("; the ONNX file does that itself, and takes pixels from 0 to 255." if inside else ".")
    )
    return " ".join(lines)


def _texts(how: Tokenisation) -> str:
    kept = "`tokenisation`, and `predict.py` reads them there."
    if isinstance(how.pieces, WordPieces):
        case = "in lower case" if how.pieces.lowercase else "with their capital letters"
        accents = "with" if how.pieces.accents else "without"
        cut = (
            f"Texts are {case} {accents} accents and cut into word pieces as BERT's, {in_markdown(how.words)}; the "
            f"{len(how.pieces):,} pieces are in the file's metadata under {kept}"
        )
    else:
        cut = (
            f"The library tokenizers cuts texts, {in_markdown(how.words)}; the tokenizer, of {len(how.pieces):,} "
            f"pieces, and its frame are in the file's metadata under {kept}"
        )
    return (
        "The ONNX file takes `input_ids` and `attention_mask`: int64 (N, T), any number N of texts, T of up to "
        f"{how.longest} tokens, the mask 1 for each and 0 for padding. {cut}"
    )


def _sized(how: Preprocessing) -> str:
    height, width = how.size
    if not how.resize:
        return f"scaled to {height} × {width} pixels (antialiased bilinear) if they have another size"
    scaled = f"their shorter side scaled to {how.resize} pixels (antialiased bilinear)"
    return f"{scaled}, the middle {height} × {width} cut out"


def _output(about: About, checked: Checked | None) -> str:
    name, meaning = OUTPUTS[about.task]
    if checked is not None and about.is_of_one_logit(checked.answer[0] if checked.answer else 1):
        meaning = OF_ONE_LOGIT
    lines = [f"`{name if checked is None else checked.output}`: {meaning}."]
    if about.classes:
        shown = [in_markdown(printable(name)) for name in about.classes[:MOST_NAMES]]
        more = len(about.classes) - len(shown)
        lines.append(f"In this order: {', '.join(shown)}" + (f", and {more} more in `student.json`." if more else "."))
        if all(name.isdecimal() for name in about.classes):
            lines.append(f"The numbers are {NUMBERED[about.task]}.")
    return " ".join(lines)


def _scores(made: Made) -> str:
    metrics = made.results.metrics
    rows = []
    for network in _told(made):
        cells = [_score(network.scores.get(metric.name)) for metric in metrics]
        rows.append((in_markdown(network.name), network.role, *cells, f"{network.count:,}"))
    heads = [
        f"{in_markdown(metric.name)}{f', {in_markdown(metric.unit)}' if metric.unit else ''}" for metric in metrics
    ]
    if not (metrics and rows):
        return ""
    table, first = _table(("network", "role", *heads, "test samples"), rows), _told(made)[0]
    told = next((metric for metric in metrics if metric.unit == "%"), metrics[0])
    few = left_open(first.scores.get(told.name), told, first.count, f"the {first.role}'s")
    return f"{table}\n\n{in_markdown(few)}." if few else table


def _costs(made: Made) -> str:
    networks = _told(made)
    sizes = list(dict.fromkeys(size for network in networks for size in network.latency_ms or {}))
    rows = []
    for network in networks:
        clocks = [(network.latency_ms or {}).get(size) for size in sizes]
        times = [f"{clock.median:.3g} ({clock.q1:.3g} to {clock.q3:.3g})" if clock else "" for clock in clocks]
        counts = [f"{x:,}" if x else "" for x in (network.parameters, network.macs, network.bytes)]
        rows.append((in_markdown(network.name), *counts, *times))
    if not rows:
        return ""
    table = _table(("network", "parameters", "MACs", "bytes", *(f"ms, batch {size}" for size in sizes)), rows)
    threads = {clock.threads for network in networks for clock in (network.latency_ms or {}).values()}
    machine = in_markdown(printable(str(made.environment.get("processor", ""))))
    where = f" on {machine}" if machine else ""
    count = threads.pop() if len(threads) == 1 else None
    using = "" if count is None else f", {counted(count, 'thread')}"
    clock = f"Milliseconds {made.timed}: median (quartiles){where}{using}."
    return f"{table}\n\n{clock}" if sizes else table


def _history(made: Made) -> str:
    lines, results, request = [], made.results, made.request
    if request is not None:
        lines.append(f"Command: `{printable(request.command).replace('`', ' ')}`")
    if teacher := next((x for x in results.networks if x.role == "teacher"), None):
        names = (teacher.name if teacher.name != teacher.role else "", teacher.label)
        lines.append(f"Teacher: {in_markdown(' '.join(filter(None, names)) or teacher.name)}")
    if results.methods:
        lines.append(f"Method: {in_markdown(', '.join(results.methods))}")
    lines += [
        f"Data: {in_markdown(printable(name))} (SHA-256 {in_markdown(sum_)})" for name, sum_ in results.data.items()
    ]
    known = ("tutelage", "torch", "python", "precision", "git_commit", "date")
    facts = [f"{name.replace('_', ' ')} {made.environment[name]}" for name in known if made.environment.get(name)]
    lines += [f"Versions: {in_markdown(printable(', '.join(facts)))}"] if facts else []
    return "\n".join(f"- {line}" for line in lines)


def _told(made: Made) -> list[Network]:
    """The student first; then whom it is measured against."""
    order = ("student", "baseline", "teacher", "other")
    return sorted((x for x in made.results.networks if x.role in order), key=lambda x: order.index(x.role))


def _section(heading: str, text: str) -> list[str]:
    return [heading, text] if text else []


def _score(score: Score | None) -> str:
    if score is None:
        return ""
    low_high = f" ({_figure(score.interval[0])} to {_figure(score.interval[1])})" if score.interval else ""
    return f"{_figure(score.value)}{low_high}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{x:.6g}" for x in values)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
