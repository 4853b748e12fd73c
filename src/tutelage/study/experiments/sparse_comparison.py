"""Sparse students side by side: who is trained, in whose words they are told, and what is published of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from tutelage.compress.footprint import Footprint
from tutelage.data.labelled import Labelled, labelled
from tutelage.results import Metric, Network
from tutelage.run import Run
from tutelage.stages.storage import Finished
from tutelage.study.evaluated import Evaluated, publish_networks
from tutelage.study.experiments import certainty_tables, sparse_tables
from tutelage.study.experiments.sparse_students import Student, Ways, counted, pruned_by_magnitude, start_of, student
from tutelage.study.sets import Sets

METHODS = (
    "tutelage.losses.kd:soft_targets",
    "tutelage.compress.dropout_kl:sparse",
    "tutelage.compress.dropout_kl:bayesian",
    "tutelage.compress.block_sparse:block_sparse",
)
WORDS = {
    "plain": "labels only",
    "kd": "soft targets",
    "svd": "sparse variational dropout",
    "vbd": "variational Bayesian dropout",
    "blocks": "block-sparse",
}
STRANGERS = 2000
RIVAL = "kd, by magnitude"
LEADERS = ("kd+svd", "kd+svd+blocks", "svd", "svd+blocks", "kd+vbd", "kd+vbd+blocks", "vbd", "vbd+blocks")


@dataclass(frozen=True)
class Published:
    """What came out: zeros and networks, by the students' names, and the student that the report speaks of first."""

    found: Mapping[str, Footprint]
    measured: Mapping[str, Network]
    leader: str | None


def train_students(run: Run, rows: Sequence[str], ways: Ways) -> dict[str, Student]:
    """The student of each of ``rows``, and the one of soft targets that is pruned to the weights of the sparse one.

    Those with whose weights others begin come first, asked for or not.
    """
    students: dict[str, Student] = {}
    starts = [name for row in rows if (name := start_of(row, ways))]
    for row in dict.fromkeys([*starts, *rows]):
        start = start_of(row, ways)
        students[row] = student(run, row, ways, students[start].trained if start else None)
    if (sparse := rival_of(students)) is not None:
        own = counted(students)[sparse]
        alone = students["kd"].trained
        students[RIVAL] = pruned_by_magnitude(run, RIVAL, alone, 1 - own.nonzero / own.weights, ways)
    return students


def publish_students(
    run: Run, data: Sets, students: Mapping[str, Student], teacher: Evaluated, title: str, draws: int, metric: Metric
) -> Published:
    """Measure all, publish tables and headline, and say what came out; ``title`` is the student's network."""
    found, leader = counted(students), leader_of(students)
    networks = {"teacher": teacher}
    for name in sorted(found, key=lambda name: name != leader):
        small = students[name].small
        assert small is not None
        networks[name] = Evaluated("baseline" if name == "plain" else "student", words(name), small)
    measured = publish_networks(run, data, networks, METHODS)
    answers = certainty_tables.asked(students, data, strangers(data.test), draws)
    few = {
        name: answers[name] for name in ("kd", leader, certainty_tables.drawn(leader or "", draws)) if name in answers
    }
    removed = sparse_tables.removal_table(students, data.example)
    run.publish(
        tables=[
            sparse_tables.sizes_table(students, found, measured, metric, teacher.finished.last),
            *([removed] if removed.rows else []),
            sparse_tables.layers_table(found),
            certainty_tables.certainty_table(answers, data.test.targets),
            certainty_tables.reliability_table(few, data.test.targets),
            *certainty_tables.strangers_tables(few),
        ],
        headline=headline(title, found, measured, leader, metric),
    )
    return Published(found, measured, leader)


def delivered(students: Mapping[str, Student], leader: str) -> Finished:
    """The network of the leader without what carries nothing."""
    small = students[leader].small
    assert small is not None
    return small


def leader_of(students: Mapping[str, Student]) -> str | None:
    """The student that the report speaks of first: a sparse one of which something is left, else any."""
    there = [name for name, one in students.items() if one.plain is not None]
    return next((name for name in (*LEADERS, *there) if name in there), None)


def rival_of(students: Mapping[str, Student]) -> str | None:
    """The sparse student with whose number of weights pruning by magnitude has to do, where there is one."""
    leader = leader_of(students)
    return leader if leader in LEADERS and "kd" in students else None


def words(name: str) -> str:
    """What a student learnt by."""
    return "soft targets, then pruned by magnitude" if name == RIVAL else ", ".join(WORDS[x] for x in name.split("+"))


def strangers(data: Labelled) -> list[Labelled]:
    """Pictures of another kind, made of the first 2,000: pixels in another order, and negatives."""
    data = data[torch.arange(min(len(data), STRANGERS), device=data.index.device)]
    g = torch.Generator().manual_seed(0)
    flat = data.inputs.flatten(1)
    order = torch.randperm(flat.shape[1], generator=g).to(flat.device)
    shuffled = flat[:, order].view_as(data.inputs)
    made = {"shuffled pixels": shuffled, "negatives": 255 - data.inputs}
    return [labelled(name, pictures, data.targets, data.classes) for name, pictures in made.items()]


def headline(
    title: str, found: Mapping[str, Footprint], measured: Mapping[str, Network], leader: str | None, metric: Metric
) -> str:
    """How sparse the leader is, and what that costs, in a sentence or two."""
    if leader is None:
        return f"Nothing is left of any {title} student."

    def scored(name: str) -> str:
        return f"{measured[name].scores[metric.name].value:g}" + (f" {metric.unit}" if metric.unit else "")

    own = found[leader]
    text = (
        f"Of {own.weights:,} weights the {title} student of {words(leader)} keeps {own.nonzero:,}, "
        f"{own.count_ratio:.3g} times fewer; its test {metric.name}: {scored(leader)}"
    )
    others = {"kd": "with soft targets alone", RIVAL: "pruned by magnitude to as many"}
    return "; ".join([text, *(f"{scored(name)} {how}" for name, how in others.items() if name in measured)]) + "."
