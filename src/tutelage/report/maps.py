"""The heat maps of a group, ready to be printed: where its losses pull apart, which layers it listened to."""

from collections.abc import Sequence
from dataclasses import dataclass

from tutelage.report import conflicts, listened
from tutelage.report.conflicts import Conflict
from tutelage.report.heat import Cell, cells, cosine, over_time, weight
from tutelage.report.listened import Listened, without_owner
from tutelage.report.seeds import Group


@dataclass(frozen=True)
class Map:
    """A table of coloured cells, and the drawing beside it of the same over training time."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, list[Cell | None]], ...]
    drawing: str = ""
    remark: str = ""
    at: str = ""


def of_conflicts(group: Group) -> list[Map]:
    """A map of pairs by parts of the network for every stage that was watched, its cosines over epochs beside it."""
    found = conflicts.conflicts(group)
    several = len({conflict.learner for conflict in found}) > 1
    return [_of_conflict(group, conflict, several) for conflict in found]


def _of_conflict(group: Group, conflict: Conflict, several: bool) -> Map:
    name = f"{conflict.stage}, {conflict.learner}" if several else conflict.stage
    pairs = [pair_name(pair) for pair in conflict.pairs]
    rows = zip(pairs, conflict.cosine, conflict.negative, strict=True)
    past = conflicts.over_time(group, conflict)
    drawing = over_time(f"Cosines over training, {name}", past, pairs, cosine) if past.epochs else ""
    return Map(
        name,
        tuple(map(part_name, conflict.parts)),
        tuple((pair, cells(values, shares, cosine)) for pair, values, shares in rows),
        drawing,
        ", ".join(f"{term} {length}" for term, length in conflicts.lengths(conflict).items()),
    )


def overview(found: Sequence[Conflict]) -> Map | None:
    """Every watched stage against every pair, on all shared parameters; nothing for fewer than two stages."""
    if len(found) < 2:
        return None
    pairs = tuple(dict.fromkeys(pair for conflict in found for pair in conflict.pairs))
    several = len({conflict.learner for conflict in found}) > 1
    rows = []
    for conflict in found:
        whole = {pair: (x, y) for pair, x, y in conflicts.on_part(conflict, "")}
        values, shares = zip(*(whole.get(pair, (None, None)) for pair in pairs), strict=True)
        name = f"{conflict.stage}, {conflict.learner}" if several else conflict.stage
        rows.append((name, cells(values, shares, cosine)))
    return Map("all stages", tuple(map(pair_name, pairs)), tuple(rows))


def of_attention(group: Group) -> list[Map]:
    """A map of the student's by the teacher's layers for every attention, its weights over epochs beside it."""
    found = listened.listened(group)
    return [_of_attention(group, attention, _whose(attention, found)) for attention in found]


def _whose(attention: Listened, found: Sequence[Listened]) -> str:
    learners, terms = ({getattr(other, side) for other in found} for side in ("learner", "term"))
    parts = (attention.stage, attention.learner * (len(learners) > 1), attention.term * (len(terms) > 1))
    return ", ".join(filter(None, parts))


def _of_attention(group: Group, attention: Listened, name: str) -> Map:
    student, teacher = without_owner(attention.student), without_owner(attention.teacher)
    past = listened.over_time(group, attention)
    short = dict(zip((*attention.student, *attention.teacher), (*student, *teacher), strict=True))
    names = [f"{short[layer]} ← {short[other]}" for layer, other in past.names]
    drawing = over_time(f"Attention over training, {name}", past, names, weight, [layer for layer, _ in past.names])
    rows = zip(student, attention.weights, strict=True)
    tables = tuple((layer, cells(weights, None, weight)) for layer, weights in rows)
    return Map(name, teacher, tables, drawing, at=f"epoch {attention.epoch}")


def pair_name(pair: Sequence[str]) -> str:
    return " | ".join(pair)


def part_name(part: str) -> str:
    return part or "whole"
