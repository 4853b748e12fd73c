"""Students of texts by name: fewer layers of the teacher, a small network of its vocabulary, or one's own module."""

from collections.abc import Mapping, Sequence
from functools import partial
from inspect import signature
from math import ceil
from pathlib import Path
from typing import Any

from torch import nn

from tutelage.data.pieces import separator
from tutelage.foreign.bert_files import dequantised_sentences
from tutelage.foreign.forms import fresh_network, only_answers
from tutelage.keys import Build
from tutelage.models.encoder import Encoder
from tutelage.models.sentences import SentenceEncoder, sentence_encoder
from tutelage.models.shortened import begin_with_, spread_out
from tutelage.models.small_texts import static_texts, tiny_texts
from tutelage.models.span_network import SpanNetwork, tiny_spans
from tutelage.models.text_classifier import TextClassifier, text_classifier
from tutelage.own_data.tokenisation import Tokenisation
from tutelage.run import Run
from tutelage.stages.storage import Finished
from tutelage.study.own.teacher_builds import num_answers
from tutelage.study.sets import Sets

SHARES = {"half": 1 / 2, "quarter": 1 / 4}
"""Of the teacher's layers, with which the student begins."""
FRESH = {"tiny": tiny_texts, "static": static_texts}
"""Those that begin from nothing: a transformer of two layers, and a table of vectors."""
FINDERS = {"tiny": tiny_spans}
"""The same of those that find answers in texts, for which a token has to see the others."""
NAMES = (*SHARES, *FRESH)
OPEN = (TextClassifier, SentenceEncoder, SpanNetwork)
"""Networks of ours whose layers can be taken."""


def text_student(run: Run, student: str, data: Sets, teacher: Finished, called: str) -> tuple[Build, nn.Module | None]:
    """How the student called ``student`` is built for the texts of ``data``, and the weights that it begins with.

    ``called`` is what a person calls the teacher. Raises ``ValueError`` for a share of a teacher whose layers cannot be
    seen, and for what nobody knows.
    """
    if student in SHARES:
        return _shorter(run, student, _open(run, data, teacher, called), called, [*fresh_ones(data)])
    return fresh_text_network(student, data), None


def fresh_ones(data: Sets) -> Mapping[str, Any]:
    """Those of our students that begin from nothing, for the task of ``data``."""
    return FRESH if data.asked is None else FINDERS


def fresh_text_network(student: str, data: Sets) -> Build:
    """The function that builds it: one of ``FRESH``, or another name of ours or a dotted path, with arguments.

    Whatever takes ``vocabulary``, ``positions``, ``padding``, ``separator`` or ``types`` gets those of the data, unless
    the text says them.
    """
    count, how = num_answers(data), data.tokenisation
    assert how is not None
    name, bracket, rest = student.partition("(")
    ours = fresh_ones(data)
    if name in NAMES and name not in ours:
        raise ValueError(
            f"{student} answers about whole texts, and says nothing of where in one an answer stands; name another "
            f"student: {', '.join((*SHARES, *ours))}, or a dotted path of yours."
        )
    known = f"{ours[name].__module__}.{ours[name].__name__}{bracket}{rest}" if name in ours else student
    builder: Any = fresh_network(known, num_classes=count)
    given = {**_sizes(how), "num_answers": count}
    taken = signature(builder).parameters
    missing = {name: x for name, x in given.items() if name in taken and name not in builder.keywords}
    found: Build = type(builder)(builder.func, *builder.args, **{**builder.keywords, **missing})
    return found


def _sizes(how: Tokenisation) -> dict[str, int]:
    return {
        "vocabulary": len(how.pieces),
        "positions": how.longest,
        "padding": how.padding,
        "separator": separator(how.pieces),
        "types": 2 if how.texts == 2 else 0,
    }


def _open(run: Run, data: Sets, teacher: Finished, called: str) -> Finished:
    """The teacher, or of a file of vectors the network in it, dequantised. Raises as ``text_student``."""
    if isinstance(teacher.last, OPEN) and isinstance(teacher.last.encoder, Encoder):
        return teacher
    if data.task.of_teacher and only_answers(called) and Path(called).suffix.lower() == ".onnx":
        return run.given("dequantised", partial(dequantised_sentences, Path(called)))
    raise ValueError(
        f"A share of its layers is taken of a BERT or DistilBERT that lies in a folder (hf:folder), and the layers of "
        f"{called} are not seen; name another student: {', '.join(fresh_ones(data))}, or a dotted path of yours."
    )


def _shorter(run: Run, student: str, teacher: Finished, called: str, fresh: Sequence[str]) -> tuple[Build, nn.Module]:
    whole = teacher.last
    assert isinstance(whole, OPEN) and isinstance(whole.encoder, Encoder)
    layers = max(1, ceil(SHARES[student] * whole.encoder.depth))
    if layers == whole.encoder.depth:
        raise ValueError(f"{called} has {layers} layer, of which there is no {student}; name another student: "
                         f"{', '.join(fresh)}.")  # fmt: skip
    sizes: dict[str, Any] = {**whole.encoder.sizes, "layers": layers, "dropout": 0.0}
    build: Build
    if isinstance(whole, TextClassifier):
        build = partial(text_classifier, whole.output.out_features, **sizes, activation=whole.activation)
    elif isinstance(whole, SpanNetwork):
        build = partial(SpanNetwork, **sizes)
    else:
        build = partial(sentence_encoder, **sizes)
    start = run.derive("start", fewer_layers, of=teacher, built_by=build, layers=layers)
    return build, start.last


def fewer_layers(network: nn.Module, *, layers: int) -> nn.Module:
    """A classifier, encoder or finder of answers with ``layers`` of its layers, from the first to the last; without
    dropout."""
    assert isinstance(network, OPEN) and isinstance(network.encoder, Encoder)
    whole = network.encoder
    smaller = Encoder(**{**whole.sizes, "layers": layers, "dropout": 0.0})  # type: ignore[arg-type]
    begin_with_(smaller, whole, spread_out(whole.depth, layers))
    if isinstance(network, SentenceEncoder):
        return SentenceEncoder(smaller, network.padding)
    if isinstance(network, SpanNetwork):
        finder = SpanNetwork(**smaller.sizes)  # type: ignore[arg-type]
        finder.encoder.load_state_dict(smaller.state_dict())
        finder.output.load_state_dict(network.output.state_dict())
        return finder
    short = TextClassifier(smaller, network.output.out_features, 0.0, network.activation)
    for name in ("pooler", "output"):
        short.get_submodule(name).load_state_dict(network.get_submodule(name).state_dict())
    return short
