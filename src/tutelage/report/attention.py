"""Which of the teacher's layers a student's layer listened to: the weights of attention."""

from collections.abc import Mapping
from dataclasses import dataclass

from tutelage.report.groups import Group
from tutelage.report.statistics import History, Means, Row, history


@dataclass(frozen=True)
class Attention:
    """The weights of one term's attention in ``epoch``, the stage's last, means over seeds.

    ``weights`` has a row a layer of the student and a column a layer of the teacher, ``None`` where it is out of range.
    """

    group: str
    stage: str
    learner: str
    term: str
    epoch: int
    student: tuple[str, ...]
    teacher: tuple[str, ...]
    weights: tuple[Row, ...]


def attentions(group: Group) -> tuple[Attention, ...]:
    """The attention of each stage over the teacher's layers; the stage of the group's main network comes first."""
    return tuple(
        _last(group.name, stage, learner, term, _lines(every, learner, term))
        for stage, every in group.statistics.items()
        for learner, term in dict.fromkeys((who, _term(a.path)) for who, a in every if _attends(a.what, a.about))
    )


def attention_over_time(group: Group, attention: Attention) -> History:
    """The weight of every pair of layers over epochs, the student's layers one after the other."""
    lines = _lines(group.statistics[attention.stage], attention.learner, attention.term)
    pairs = [(student, teacher) for student in attention.student for teacher in attention.teacher]
    return history({pair: lines[pair] for pair in pairs if pair in lines})


def without_owner(layers: tuple[str, ...]) -> tuple[str, ...]:
    """Layers without the network's name, where all are of one network.

    >>> without_owner(("teacher.layer1", "teacher.layer2")), without_owner(("a.layer1", "b.layer1"))
    (('layer1', 'layer2'), ('a.layer1', 'b.layer1'))
    """
    owners = {layer.partition(".")[0] for layer in layers}
    return tuple(layer.partition(".")[2] or layer for layer in layers) if len(owners) == 1 else layers


def _lines(every: Means, learner: str, term: str) -> dict[tuple[str, ...], dict[int, float]]:
    """Pair of layers -> weight over epochs."""
    return {
        about.about: line
        for (who, about), line in every.items()
        if (who, _term(about.path)) == (learner, term) and _attends(about.what, about.about)
    }


def _attends(what: str, about: tuple[str, ...]) -> bool:
    return what == "weight" and len(about) == 2


def _term(path: str) -> str:
    """The term of the objective whose loss kept the statistic, or the whole path if none did."""
    first, _, rest = path.partition(".")
    return rest.partition(".")[0] if first == "objective" and rest else path


def _last(
    group: str, stage: str, learner: str, term: str, lines: Mapping[tuple[str, ...], Mapping[int, float]]
) -> Attention:
    epoch = max(epoch for line in lines.values() for epoch in line)
    student, teacher = (tuple(dict.fromkeys(pair[side] for pair in lines)) for side in (0, 1))
    weight_of = {pair: round(line[epoch], 4) for pair, line in lines.items() if epoch in line}
    weights = tuple(tuple(weight_of.get((layer, other)) for other in teacher) for layer in student)
    return Attention(group, stage, learner, term, epoch, student, teacher, weights)
