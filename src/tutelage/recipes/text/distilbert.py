"""DistilBERT with a small encoder that was really pretrained: half of its layers learn its language, then tasks."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tutelage.recipes.text.settings import FINE, Distilled, Read, Reads, Tasks
from tutelage.study.bounds import Above, AtMost, Seed, refuse_nonsense
from tutelage.study.settings import TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Sanh, Debut, Chaumond & Wolf 2019, arXiv:1910.01108, tables 1 and 3"
TEXT, TASKS = Read(), Tasks()
SHORT = replace(TEXT, train=6000, validation=100, judged=200, longest=64)
HEAD = Reads(epochs=5, batch_size=16, lr=3e-3)
STUDENT = Distilled(reads=Reads(accumulate=8))


def distilbert(
    run: "Run",
    *,
    teacher_file: Path | None = None,
    text: Read = TEXT,
    head: Reads = HEAD,
    student: Distilled = STUDENT,
    tasks: Tasks = TASKS,
    fine: TrainingSettings = FINE,
    seeds: Annotated[int, Above(0), AtMost(100)] = 5,
    seed: Seed = 0,
) -> None:
    """How much of an encoder is left in half of its layers that learnt its language?

    The encoder is taken out of an ONNX file and gets a head that tells hidden tokens of WikiText-2. A student begins
    with some of its layers and learns from its answers, from the tokens themselves and from its hidden states. Then it
    is fine-tuned on tasks of GLUE by labels alone. So is the encoder, and so are the same layers without that learning.

    Args:
        teacher_file: ONNX file of an encoder with BERT's uncased vocabulary; that of drawn sentences is drawn
        text: what the language is learnt from
        head: how the teacher's head reads it
        student: the encoder of fewer layers
        tasks: what networks are judged by
        fine: how they are fine-tuned
        seeds: how many fine-tunings of each kind there are; seed, seed + 1, …
        seed: of weights, order and what is hidden
    """
    from tutelage.recipes.text import hidden, judged, nets, tuned
    from tutelage.study.claims import cannot_decide
    from tutelage.study.evaluated import Evaluated, publish_networks

    refuse_nonsense(distilbert, locals())
    hidden.refuse_mixed(text, tasks)
    nets.refuse_no_teacher(text.name, teacher_file)
    reason = cannot_decide(run, distilbert, locals(), free=(*nets.FILES, "tasks.names"))
    pieces = hidden.pieces_of(run, text)
    data, sets = hidden.texts_of(run, text, pieces), judged.sets_of(run, tasks)
    pretrained = tuned.pretrained(run, teacher_file, pieces)
    depth = nets.refuse_deeper(student.layers, pretrained.last, "--student.layers")
    hidden.refuse_no_such_layers(student, depth)
    whole = hidden.teacher_of(run, pretrained, data, pieces, head, seed)
    small = hidden.student_of(run, "student", whole, data, pieces, student, seed)
    numbers = range(seed, seed + seeds)
    fitted = partial(judged.fitted, run, sets, fine)
    found = {
        "teacher": fitted("teacher", pretrained, depth, [seed]),
        "student": fitted("student", small, student.layers, numbers),
        "untaught": fitted("untaught", pretrained, student.layers, numbers),
    }
    first = tasks.names[0]
    networks = {
        "teacher": Evaluated("teacher", f"all {depth} layers, {first}", found["teacher"][first][0]),
        "student": Evaluated(
            "student", f"{student.layers} layers that learnt the language", found["student"][first][0]
        ),
        "untaught": Evaluated("baseline", "the same layers as they were", found["untaught"][first][0]),
    }
    measured = publish_networks(run, sets[first], networks, hidden.METHODS)
    scores = {who: judged.scores(networks, sets) for who, networks in found.items()}
    tables = [judged.tasks_table(scores, sets), hidden.perplexities(data, {"teacher": whole, "student": small})]
    run.publish(tables=tables, headline=judged.in_words(scores, student.layers, depth))
    facts = nets.facts_of(text.name, tasks.longest, None)
    run.deliver(found["student"][first][0].last, classes=sets[first].train.classes, **facts)
    if text.name != "synthetic":
        judged.claim_share(run, scores, reason)
        tuned.claim_speed(run, measured, reason)


distilbert_smoke = partial(
    distilbert,
    text=Read(name="synthetic", validation=10, judged=20, longest=32),
    head=Reads(epochs=2, lr=1e-3),
    student=Distilled(layers=1, reads=Reads(epochs=2, batch_size=8, accumulate=2)),
    tasks=Tasks(names=("synthetic",), validation=40, longest=32),
    fine=replace(FINE, epochs=2, lr=1e-3),
    seeds=2,
)
distilbert_cpu = partial(
    distilbert,
    text=SHORT,
    head=replace(HEAD, epochs=3),
    student=Distilled(reads=Reads(epochs=1, accumulate=2)),
    tasks=replace(TASKS, names=("MRPC", "STS-B"), longest=64),
    fine=replace(FINE, epochs=2),
    seeds=1,
)
