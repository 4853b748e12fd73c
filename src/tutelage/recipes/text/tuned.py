"""Encoders fine-tuned on a task of GLUE: the sentences, the networks, and what is said of several seeds."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

from torch import nn

from tutelage.data.glue import glue
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic_sentences import alike, known_pieces
from tutelage.data.wordpiece import END, WordPieces
from tutelage.foreign.bert_files import dequantised_sentences
from tutelage.models.masked_language import MaskedLanguageModel
from tutelage.models.sentences import SentenceEncoder, sentence_encoder
from tutelage.models.shortened import begin_with_, spread_out
from tutelage.models.span_network import SpanNetwork
from tutelage.models.text_classifier import TextClassifier, text_classifier
from tutelage.plurals import counted
from tutelage.recipes.text.settings import Given
from tutelage.results import Claim, Network, Table
from tutelage.run import Run
from tutelage.schemes.distill import distilled
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.stages.stage import Stage
from tutelage.stages.storage import Finished
from tutelage.study.experiments.sentences import bert_pieces, labelled_texts
from tutelage.study.memory import refuse_too_large
from tutelage.study.sets import Sets
from tutelage.study.settings import TrainingSettings
from tutelage.study.training import plan_of
from tutelage.tasks.glue import glue_task

METHODS = ["tutelage.losses.kd:soft_targets"]
PUBLISHED = {
    "CoLA": (56.3, 51.3),
    "MRPC": (88.6, 87.5),
    "RTE": (69.3, 59.9),
    "SST-2": (92.7, 91.3),
    "STS-B": (89.0, 86.9),
    "WNLI": (53.5, 56.3),
}
"""BERT-base and DistilBERT on the dev sets, medians of five seeds."""
DROPOUT = 0.1
"""Of BERT, in fine-tuning as before."""
SOURCE = "Sanh et al. 2019, arXiv:1910.01108, tables 1 and 3"


def sets_of(run: Run, task: Given) -> tuple[Sets, WordPieces]:
    """The sentences of ``task``, and the vocabulary that cuts them."""
    make = partial(labelled_texts, run, most=task.train, validation=task.validation, longest=task.longest)
    if task.name == "synthetic":
        pieces = known_pieces()
        return make(alike(200, seed=5), alike(200, seed=9), pieces, glue_task("RTE")), pieces
    pieces = bert_pieces(run.data)
    train, test = glue(task.name, "train", run.data), glue(task.name, "dev", run.data)
    return make(train, test, pieces, glue_task(task.name)), pieces


def pretrained(run: Run, file: Path | None, pieces: WordPieces) -> Finished:
    """The encoder to begin with: out of a file, or drawn."""
    if file is not None:
        return run.given("pretrained", partial(dequantised_sentences, file))
    sizes = {"layers": 2, "width": 32, "heads": 2, "inner": 64, "vocabulary": len(pieces), "types": 2}
    return run.given("pretrained", partial(sentence_encoder, **sizes, separator=pieces.numbers[END]))


def classifier(data: Sets) -> Callable[..., nn.Module]:
    """What makes a network of an encoder's sizes that answers with the classes of ``data``."""
    return partial(text_classifier, len(data.train.classes))


def tune(
    run: Run,
    data: Sets,
    begin: Finished,
    name: str,
    layers: int,
    training: TrainingSettings,
    seed: int,
    how: Callable[..., None] = supervised,
    make: Callable[[Sets], Callable[..., nn.Module]] = classifier,
) -> Finished:
    """A network with ``layers`` of the encoder in ``begin``, trained on the task; with all of them it has its types."""
    assert isinstance(begin.last, SentenceEncoder | MaskedLanguageModel)
    sizes = dict(begin.last.encoder.sizes)  # type: ignore[arg-type]
    types = sizes["types"] if layers == sizes["layers"] else 0
    sizes |= {"layers": layers, "types": types, "dropout": DROPOUT}
    build = partial(make(data), **sizes)
    refuse_too_large(f"An encoder of {counted(layers, 'layer')}", build, data, training.batch_size)
    lesson = Lesson(data.train, data.validation, batch_size=training.batch_size, seed=seed)
    plan = plan_of(lesson, training, data.task)
    return run.stage(name, build, partial(begun, plan=plan, begin=begin.last, how=how), seed=seed)


def begun(stage: Stage, model: nn.Module, *, plan: Plan, begin: nn.Module, how: Callable[..., None]) -> None:
    """Trained by ``how``, beginning with layers of ``begin``, spread from the first to the last."""
    assert isinstance(model, TextClassifier | SpanNetwork) and isinstance(begin, SentenceEncoder | MaskedLanguageModel)
    layers = spread_out(begin.encoder.depth, model.encoder.depth)  # type: ignore[arg-type]
    begin_with_(model.encoder, begin.encoder, layers)  # type: ignore[arg-type]
    how(stage, model, plan=plan)


def taught_by(teacher: nn.Module, temperature: float, label: float, soft: float) -> Callable[..., None]:
    """The labels, and the teacher's answers beside them."""
    return partial(distilled, teacher=teacher, temperature=temperature, label=label, soft=soft)


def scores(networks: Sequence[Finished], data: Sets) -> list[float]:
    """What decides, of each network on the test samples."""
    name = data.task.deciding.name
    return [data.task.judge(one.last, data.test, data.test_transform).scores[name].value for one in networks]


def seeds_table(scores: Mapping[str, Sequence[float]], teacher: Network, data: Sets, seeds: Sequence[int]) -> Table:
    """Each seed's score, the median, and what it is of the teacher's."""
    metric = data.task.deciding
    whole = teacher.scores[metric.name].value
    rows = []
    for who, found in scores.items():
        share = round(100 * median(found) / whole, 1) if whole else None
        rows.append((who, *(round(x, 2) for x in found), round(median(found), 2), share))
    return Table(
        title=f"{metric.name} of several seeds",
        columns=("student", *(f"seed {x}" for x in seeds), "median", "of the teacher’s, %"),
        rows=tuple(rows),
        note=f"The teacher has {whole:.2f} {metric.unit}. The median counts, as published.",
    )


def in_words(scores: Mapping[str, Sequence[float]], teacher: Network, data: Sets, layers: int, depth: int) -> str:
    """What the students make of the task, beside the teacher."""
    metric = data.task.deciding
    said = "; ".join(f"{who}, {median(found):.2f} {metric.unit}" for who, found in scores.items())
    return (
        f"{metric.name} of {layers} of {depth} layers: {said}. The teacher, with all: "
        f"{teacher.scores[metric.name].value:.2f} {metric.unit}."
    )


def claim_share(
    run: Run, task: str, found: Sequence[float], measured: Mapping[str, Network], data: Sets, reason: str
) -> None:
    """The claims: the share of the teacher's score that half of the layers keep, and how much faster they are."""
    whole = measured["teacher"].scores[data.task.deciding.name].value
    bert, distilbert = PUBLISHED[task]
    share = 100 * distilbert / bert
    kept = sorted(100 * x / whole for x in found) if whole else [0.0]
    run.claim(
        Claim(f"share of the teacher’s score that is kept, {task}", round(share, 1), median(kept), "%", SOURCE,
              low=round(share, 1), reason=reason, note=f"{distilbert} of {bert}", interval=(kept[0], kept[-1]), seeds=1)
    )  # fmt: skip
    claim_speed(run, measured, reason)


def claim_speed(run: Run, measured: Mapping[str, Network], reason: str) -> None:
    """The claim: how much faster than the teacher the student answers about one text."""
    clocks = [(measured[name].latency_ms or {}).get("1") for name in ("teacher", "student")]
    if clocks[0] is not None and clocks[1] is not None:
        teacher, student = clocks[0], clocks[1]
        run.claim(
            Claim("times as fast as the teacher, batch 1", 1.63, teacher.median / student.median, "×", SOURCE, low=1.6,
                  reason=reason, note="668 and 410 s", interval=(teacher.q1 / student.q3, teacher.q3 / student.q1))
        )  # fmt: skip
