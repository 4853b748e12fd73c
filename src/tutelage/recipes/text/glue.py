"""A task of GLUE with half of an encoder's layers: fine-tuned alone, or taught by the whole of it."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tutelage.recipes.text.settings import FINE, Given, Half
from tutelage.study.bounds import Above, AtMost, Seed, Share, Temperature, Weight, refuse_nonsense
from tutelage.study.settings import TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Sanh, Debut, Chaumond & Wolf 2019, arXiv:1910.01108, table 1"

GIVEN, HALF = Given(), Half()


def glue(
    run: "Run",
    *,
    teacher_file: Path | None = None,
    task: Given = GIVEN,
    teacher: TrainingSettings = FINE,
    student: Half = HALF,
    temperature: Temperature = 2.0,
    label: Share = 0.5,
    soft: Weight = 0.5,
    seeds: Annotated[int, Above(0), AtMost(100)] = 5,
    seed: Seed = 0,
) -> None:
    """How much of an encoder's score on a task do half of its layers keep?

    The encoder is taken out of an ONNX file and fine-tuned on the task: the teacher. Students begin with some of its
    layers as they were before. They learn from labels alone, or from labels and the teacher's soft answers. Each is
    trained with several seeds, and the median counts, as published.

    Args:
        teacher_file: ONNX file of an encoder with BERT's uncased vocabulary; that of drawn pairs is drawn
        task: the sentences
        teacher: how the whole encoder is fine-tuned
        student: the encoder of fewer layers
        temperature: softness of the teacher's answers
        label: weight of the labels where the teacher's answers stand beside them
        soft: weight of the teacher's answers
        seeds: how many students of each kind are trained; seed, seed + 1, …
        seed: of weights and order
    """
    from tutelage.recipes.text import nets, tuned
    from tutelage.study.claims import cannot_decide
    from tutelage.study.evaluated import Evaluated, publish_networks

    refuse_nonsense(glue, locals())
    nets.refuse_no_teacher(task.name, teacher_file)
    reason = cannot_decide(run, glue, locals(), free=(*nets.FILES, "task.name"))
    data, pieces = tuned.sets_of(run, task)
    pretrained = tuned.pretrained(run, teacher_file, pieces)
    depth = nets.refuse_deeper(student.layers, pretrained.last, "--student.layers")
    tune = partial(tuned.tune, run, data, pretrained)
    whole = tune("teacher", depth, teacher, seed)
    taught = tuned.taught_by(whole.last, temperature, label, soft)
    numbers = range(seed, seed + seeds)
    alone = [tune(f"alone {x}", student.layers, student.training, x) for x in numbers]
    students = [tune(f"student {x}", student.layers, student.training, x, taught) for x in numbers]
    networks = {
        "teacher": Evaluated("teacher", f"all {depth} layers", whole),
        "student": Evaluated("student", f"{student.layers} layers, taught", students[0]),
        "baseline": Evaluated("baseline", f"{student.layers} layers, labels alone", alone[0]),
    }
    measured = publish_networks(run, data, networks, tuned.METHODS)
    scores = {"labels alone": tuned.scores(alone, data), "taught": tuned.scores(students, data)}
    run.publish(
        tables=[tuned.seeds_table(scores, measured["teacher"], data, numbers)],
        headline=tuned.in_words(scores, measured["teacher"], data, student.layers, depth),
    )
    run.deliver(students[0].last, classes=data.train.classes, **nets.facts_of(task.name, task.longest, None))
    if not data.synthetic:
        tuned.claim_share(run, task.name, scores["taught"], measured, data, reason)


glue_smoke = partial(
    glue,
    task=Given(name="synthetic", validation=40, longest=32),
    teacher=replace(FINE, epochs=2, lr=1e-3),
    student=Half(layers=1, training=replace(FINE, epochs=2, lr=1e-3)),
    seeds=2,
)
glue_quick = partial(
    glue,
    task=Given(name="RTE", train=600, validation=100, longest=64),
    teacher=replace(FINE, epochs=1),
    student=Half(training=replace(FINE, epochs=1)),
    seeds=1,
)
