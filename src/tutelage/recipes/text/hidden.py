"""Encoders that tell hidden tokens: the text, a teacher with a head, students that begin with its layers."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn

from tutelage.data.synthetic_sentences import known_pieces, spoken
from tutelage.data.wikitext import sentences_of, wikitext2
from tutelage.data.wordpiece import WordPieces
from tutelage.models.encoder import Encoder
from tutelage.models.masked_language import MaskedLanguageModel
from tutelage.models.sentences import SentenceEncoder
from tutelage.models.shortened import Pick, at_random, every_second, spread_out, the_first, the_last
from tutelage.optimizers.usual import distilbert_adamw
from tutelage.recipes.text.settings import Begins, Distilled, Read, Reads, Tasks
from tutelage.recipes.text.tuned import DROPOUT
from tutelage.results import Table
from tutelage.run import Run
from tutelage.schemes.masked_language import Reading, distilled_language, with_a_head
from tutelage.stages.storage import Finished
from tutelage.study.experiments.language import Hidden, Lines, hidden_token_sets
from tutelage.study.experiments.sentences import bert_pieces
from tutelage.study.memory import refuse_too_large
from tutelage.study.sets import Sets
from tutelage.tasks.language import LANGUAGE, PERPLEXITY

METHODS = [f"tutelage.losses.{x}" for x in ("kd:soft_targets", "cosine_distance:cosine_distance")]
PICKS: Mapping[Begins, Pick | None] = {
    "spread": spread_out, "second": every_second, "first": the_first, "last": the_last, "random": at_random,
    "nothing": None,
}  # fmt: skip
"""Which layers a student begins with; with twelve and six, the first is the published choice."""
TOGETHER = 4
"""Drawn sentences in a text."""


def masked_language_model(**sizes: Any) -> MaskedLanguageModel:
    """An encoder of these ``sizes`` with a head that tells hidden tokens."""
    return MaskedLanguageModel(Encoder(**sizes))


def refuse_mixed(text: Read, tasks: Tasks) -> None:
    """Raise ``ValueError`` for drawn sentences beside real ones, which have another vocabulary."""
    drawn = [name == "synthetic" for name in (text.name, *tasks.names)]
    if any(drawn) and not all(drawn):
        raise ValueError(
            f"Drawn sentences have a vocabulary of their own: --text.name and --tasks.names are all synthetic, or none "
            f"is; got {text.name} and {', '.join(tasks.names)}."
        )


def texts_of(run: Run, text: Read, pieces: WordPieces) -> Hidden:
    """The windows of ``text``, cut by ``pieces``."""
    sizes = {"most": text.train, "validation": text.validation, "judged": text.judged, "longest": text.longest}
    return hidden_token_sets(run, _synthetic() if text.name == "synthetic" else _wikitext2(run), pieces, **sizes)


def pieces_of(run: Run, text: Read) -> WordPieces:
    """The vocabulary of ``text``: BERT's, or that of drawn sentences."""
    return known_pieces() if text.name == "synthetic" else bert_pieces(run.data)


def teacher_of(run: Run, pretrained: Finished, data: Hidden, pieces: WordPieces, reads: Reads, seed: int) -> Finished:
    """The pretrained encoder with a head that learnt to tell hidden tokens; the encoder itself is as it was."""
    encoder = encoder_in(pretrained.last)
    build = partial(masked_language_model, **encoder.sizes)
    _refuse_too_large("The teacher", encoder.sizes, data, reads)
    fit = partial(_with_a_head, reading=_reading(data, pieces, reads, seed), pretrained=pretrained.last)
    return run.stage("teacher", build, fit, seed=seed)


def student_of(
    run: Run, name: str, teacher: Finished, data: Hidden, pieces: WordPieces, how: Distilled, seed: int, **other: Any
) -> Finished:
    """A student of fewer layers, without types of tokens, taught as ``how`` says, with ``other`` weights or start."""
    sizes = {**encoder_in(teacher.last).sizes, "layers": how.layers, "types": 0, "dropout": DROPOUT}
    build = partial(masked_language_model, **sizes)
    _refuse_too_large("A student", sizes, data, how.reads)
    settings = {
        "pick": PICKS[how.begins], "soft": how.soft, "label": how.label, "direction": how.direction,
        "temperature": how.temperature,
    } | other  # fmt: skip
    reading = _reading(data, pieces, how.reads, seed)
    fit = partial(distilled_language, reading=reading, teacher=teacher.last, **settings)
    return run.stage(name, build, fit, seed=seed)


def refuse_no_such_layers(how: Distilled, depth: int) -> None:
    """Raise ``ValueError`` for layers to begin with that a teacher of ``depth`` does not have."""
    if how.begins == "second" and how.layers > (most := (depth + 1) // 2):
        raise ValueError(
            f"Every second of {depth} layers are {most}; got --student.layers {how.layers}: take as many, or another "
            f"--student.begins."
        )


def perplexities(data: Hidden, networks: Mapping[str, Finished]) -> Table:
    """How well each network tells the hidden tokens of the text's last part."""
    rows = [(name, round(_perplexity(one, data), 2)) for name, one in networks.items()]
    return Table(
        title="Hidden tokens of the text",
        columns=("network", "perplexity"),
        rows=tuple(rows),
        note=f"Of {len(data.test)} windows of the test part, the same tokens hidden for all, rare ones more often.",
    )


def encoder_in(network: nn.Module) -> Encoder:
    """The encoder in a network of texts."""
    assert isinstance(network, SentenceEncoder | MaskedLanguageModel)
    assert isinstance(network.encoder, Encoder)
    return network.encoder


def _perplexity(one: Finished, data: Hidden) -> float:
    return LANGUAGE.judge(one.last, data.test).scores[PERPLEXITY.name].value


def _with_a_head(stage: Any, model: nn.Module, *, reading: Reading, pretrained: nn.Module) -> None:
    with_a_head(stage, model, reading=reading, encoder=encoder_in(pretrained))


def _reading(data: Hidden, pieces: WordPieces, reads: Reads, seed: int) -> Reading:
    return Reading(
        data.train,
        data.validation,
        pieces.special,
        len(pieces),
        partial(distilbert_adamw, lr=reads.lr),
        reads.epochs,
        reads.batch_size,
        reads.accumulate,
        seed=seed,
    )


def _refuse_too_large(name: str, sizes: Mapping[str, Any], data: Hidden, reads: Reads) -> None:
    """Of an encoder alone: its logits are made in slabs."""
    refuse_too_large(name, partial(Encoder, **sizes), Sets(data.train, data.validation, data.test), reads.batch_size)


def _wikitext2(run: Run) -> Lines:
    parts = ([" ".join(sentences_of(x)) for x in wikitext2(part, run.data)] for part in ("train", "valid", "test"))
    return Lines("wikitext2", *parts)


def _synthetic() -> Lines:
    said = [spoken(count, seed) for count, seed in ((600, 0), (120, 5), (120, 9))]
    parts = ([" ".join(x[at : at + TOGETHER]) for at in range(0, len(x), TOGETHER)] for x in said)
    return Lines("synthetic", *parts)
