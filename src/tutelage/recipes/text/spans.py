"""Answers that stand in a text, found with half of an encoder's layers: fine-tuned alone, or taught by the whole."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tutelage.plurals import counted
from tutelage.recipes.text.settings import FINE, Asks, Half
from tutelage.study.bounds import Seed, Share, Temperature, Weight, refuse_nonsense
from tutelage.study.settings import TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Sanh, Debut, Chaumond & Wolf 2019, arXiv:1910.01108, table 2"

ASKS, HALF = Asks(), Half()


def spans(
    run: "Run",
    *,
    teacher_file: Path | None = None,
    questions: Path | None = None,
    judged_by: Path | None = None,
    task: Asks = ASKS,
    teacher: TrainingSettings = FINE,
    student: Half = HALF,
    temperature: Temperature = 2.0,
    label: Share = 0.5,
    soft: Weight = 0.5,
    seed: Seed = 0,
) -> None:
    """How well does half of an encoder find answers in a text?

    Questions come with texts in which their answers stand, in JSON as SQuAD's. The encoder is taken out of an ONNX file
    and fine-tuned to find where answers begin and end: the teacher. A student begins with some of its layers as they
    were before, and learns from labels and the teacher's two soft distributions; beside it, one from labels alone. What
    counts is F1 of the words, and exact match, as SQuAD counts them.

    Args:
        teacher_file: ONNX file of an encoder with BERT's uncased vocabulary; that of drawn questions is drawn
        questions: file of questions to learn from, in the form of SQuAD 1.1 or 2.0
        judged_by: file of those that networks are judged by
        task: the questions
        teacher: how the whole encoder is fine-tuned
        student: the encoder of fewer layers
        temperature: softness of the teacher's answers
        label: weight of the labels where the teacher's answers stand beside them
        soft: weight of the teacher's answers
        seed: of weights and order
    """
    from tutelage.recipes.text import asked, nets, tuned
    from tutelage.study.claims import cannot_decide
    from tutelage.study.evaluated import Evaluated, publish_networks

    refuse_nonsense(spans, locals())
    nets.refuse_no_teacher(task.name, teacher_file)
    asked.refuse_no_questions(task, (questions, judged_by))
    free = (*nets.FILES, "questions", "judged_by", "task.name")
    reason = cannot_decide(run, spans, locals(), free=free)
    data, pieces = asked.sets_of(run, task, (questions, judged_by))
    pretrained = tuned.pretrained(run, teacher_file, pieces)
    depth = nets.refuse_deeper(student.layers, pretrained.last, "--student.layers")
    tune = partial(tuned.tune, run, data, pretrained, make=asked.answering)
    whole = tune("teacher", depth, teacher, seed)
    taught = tuned.taught_by(whole.last, temperature, label, soft)
    networks = {
        "teacher": Evaluated("teacher", f"all {depth} layers", whole),
        "student": Evaluated(
            "student",
            f"{counted(student.layers, 'layer')}, taught",
            tune("student", student.layers, student.training, seed, taught),
        ),
        "baseline": Evaluated(
            "baseline",
            f"{counted(student.layers, 'layer')}, labels alone",
            tune("alone", student.layers, student.training, seed),
        ),
    }
    measured = publish_networks(run, data, networks, asked.METHODS)
    run.publish(headline=asked.in_words(measured, student.layers, depth))
    run.deliver(networks["student"].finished.last, **asked.facts_of(task))
    if not data.synthetic:
        asked.claim_share(run, measured, reason)


spans_smoke = partial(
    spans,
    task=Asks(name="synthetic", validation=40, longest=32, stride=8, longest_question=8),
    teacher=replace(FINE, epochs=2, lr=1e-3),
    student=Half(layers=1, training=replace(FINE, epochs=2, lr=1e-3)),
)
spans_cpu = partial(
    spans,
    task=Asks(train=8000, validation=300, longest=256),
    teacher=replace(FINE, epochs=2),
    student=Half(training=replace(FINE, epochs=2)),
)
