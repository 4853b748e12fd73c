"""DistilBERT's ablation: what each of its losses is worth, and what the layers that a student begins with are."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tutelage.recipes.text.distilbert import HEAD, SHORT, STUDENT, TASKS, TEXT, distilbert_cpu, distilbert_smoke
from tutelage.recipes.text.settings import FINE, Distilled, Read, Reads, Tasks
from tutelage.study.bounds import Above, AtMost, Seed, refuse_nonsense
from tutelage.study.settings import TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Sanh, Debut, Chaumond & Wolf 2019, arXiv:1910.01108, table 4"


def ablation(
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
    """Which of DistilBERT's losses counts most, and how much does its start?

    Students of half the layers learn the language of a pretrained encoder: by the three losses together, without each
    of them in turn, and by all three from weights that are drawn. Each is fine-tuned on tasks of GLUE. What counts is
    how many points of their mean score are lost.

    Args:
        teacher_file: ONNX file of an encoder with BERT's uncased vocabulary; that of drawn sentences is drawn
        text: what the language is learnt from
        head: how the teacher's head reads it
        student: the encoder of fewer layers, with all three losses
        tasks: what networks are judged by
        fine: how they are fine-tuned
        seeds: how many fine-tunings of each student there are; seed, seed + 1, …
        seed: of weights, order and what is hidden
    """
    from tutelage.recipes.text import ablated, hidden, judged, nets, tuned
    from tutelage.study.claims import cannot_decide
    from tutelage.study.evaluated import Evaluated, publish_networks

    refuse_nonsense(ablation, locals())
    hidden.refuse_mixed(text, tasks)
    nets.refuse_no_teacher(text.name, teacher_file)
    reason = cannot_decide(run, ablation, locals(), free=nets.FILES)
    pieces = hidden.pieces_of(run, text)
    data, sets = hidden.texts_of(run, text, pieces), judged.sets_of(run, tasks)
    pretrained = tuned.pretrained(run, teacher_file, pieces)
    depth = nets.refuse_deeper(student.layers, pretrained.last, "--student.layers")
    hidden.refuse_no_such_layers(student, depth)
    whole = hidden.teacher_of(run, pretrained, data, pieces, head, seed)
    learnt = {
        name: hidden.student_of(run, name, whole, data, pieces, student, seed, **one.changes)
        for name, one in ablated.VARIANTS.items()
    }
    numbers = range(seed, seed + seeds)
    found = {name: judged.fitted(run, sets, fine, name, one, student.layers, numbers) for name, one in learnt.items()}
    first = tasks.names[0]
    networks = {
        name: Evaluated("student" if name == ablated.WHOLE else "other", one.words, found[name][first][0])
        for name, one in ablated.VARIANTS.items()
    }
    publish_networks(run, sets[first], networks, hidden.METHODS)
    scores = {name: judged.scores(one, sets) for name, one in found.items()}
    tables = [ablated.lost_table(scores), hidden.perplexities(data, {"teacher": whole, **learnt})]
    run.publish(tables=tables, headline=ablated.in_words(scores))
    facts = nets.facts_of(text.name, tasks.longest, None)
    run.deliver(found[ablated.WHOLE][first][0].last, classes=sets[first].train.classes, **facts)
    if text.name != "synthetic":
        ablated.claim_order(run, scores, reason)


ablation_smoke = partial(ablation, **distilbert_smoke.keywords | {"seeds": 1})
ablation_cpu = partial(ablation, **distilbert_cpu.keywords | {"text": replace(SHORT, train=2000)})
