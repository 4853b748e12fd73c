"""A student searched for within its teacher, and others of its cost, by hand and by chance."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from torch import nn

from tutelage.compress.architecture import describe, fresh
from tutelage.compress.budget import budget, in_words
from tutelage.compress.found import architecture_of, found
from tutelage.compress.gates import closed, gated
from tutelage.compress.handmade import drawn, uniform
from tutelage.compress.scaled import Scaling, all_alike, by_cost
from tutelage.compress.spending import MEASURES
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.graph import Channels, Closed
from tutelage.keys import Build
from tutelage.methods.by_name import method
from tutelage.methods.pair import Method
from tutelage.methods.search import divergence, held_divergence, labels_alone, reverse_divergence
from tutelage.plurals import counted
from tutelage.results import Table
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching
from tutelage.schemes.plan import Plan
from tutelage.schemes.search import LIMIT, OPEN, Penalty, search
from tutelage.stages.storage import Finished
from tutelage.study.connections import PARTS_NOTE, connection_maps, drop_by_part
from tutelage.study.settings import SearchSettings

MINIMISED: dict[str, Callable[[SearchSettings], Method]] = {
    "divergence": lambda _settings: divergence,
    "reversed": lambda _settings: reverse_divergence,
    "held": lambda settings: partial(held_divergence, kl0=settings.kl0),
    "labels": lambda _settings: labels_alone,
}
SCALINGS: dict[str, Callable[[SearchSettings], Scaling]] = {
    "cost": lambda settings: partial(by_cost, among=settings.largest_of),
    "nothing": lambda _settings: all_alike,
}
FAR = 0.9
"""Of a budget: what costs less is far from it."""
Start: TypeAlias = Callable[[nn.Module], nn.Module]


@dataclass(frozen=True, eq=False)
class Found:
    """What a search came to: the network with gates, the plain one, and what both are within their teacher.

    ``limit`` and ``whole`` are the budget and the teacher's cost in ``unit``; ``cost`` is the found student's.
    """

    searched: Finished
    removed: Finished
    channels: Channels
    architecture: Mapping[str, Any]
    unit: str
    limit: float
    whole: float
    cost: float

    @property
    def epochs(self) -> int:
        return len(self.searched.records)

    @property
    def ended(self) -> float:
        """The cost after the last epoch, before it was settled which gates the budget holds."""
        return float(self.searched.records[-1]["validation"][self.unit])

    @property
    def reached(self) -> bool:
        """Whether an epoch ended within the budget."""
        return self.ended <= self.limit


def minimised(settings: SearchSettings) -> Method:
    """What a search minimises beside its penalty. Raises ``ValueError`` for a name that is none of a method's."""
    own = MINIMISED.get(settings.minimises)
    return own(settings) if own else method(settings.minimises)


def find(
    run: Run, name: str, teacher: nn.Module, build: Build, plan: Plan, settings: SearchSettings, names: tuple[str, str]
) -> Found:
    """Search for a student within ``teacher``, which ``build`` makes; the plain one is stage ``name plain``.

    Its ``cost`` is that of what is left: a latency is measured again.

    Raises ``ValueError`` as ``search`` does.
    """
    wanted, example = budget(settings.budget), plan.lesson.example
    with_gates = partial(gated, build, sample=tuple(example.shape[1:]), layers=settings.layers)
    fit = partial(
        search,
        plan=plan,
        teaching=Teaching(minimised(settings), teacher, names),
        budget=wanted,
        penalty=Penalty(settings.strength, SCALINGS[settings.scaled_by](settings)),
        start=teacher if settings.start == "teacher" else None,
    )
    searched = run.stage(name, with_gates, fit, seed=plan.lesson.seed, version=3)
    channels = channels_of(teacher, example)
    cost = MEASURES[wanted.unit](teacher, channels).cost
    whole, limit = cost(Closed()), float(searched.records[-1]["validation"][LIMIT])
    architecture = architecture_of(searched.last, example)
    removed = run.derive(f"{name} plain", found, of=searched, architecture=architecture)
    left = cost(closed(searched.last))
    return Found(searched, removed, channels, architecture, wanted.unit, limit, whole, left)


def of_its_cost(one: Found, teacher: nn.Module, by_chance: int, seed: int) -> dict[str, dict[str, Any]]:
    """The architectures that are compared: what was found, one that is thinner alike everywhere, and drawn ones.

    None of them costs more than what was found; all read fewer channels in the layers that had gates.
    """
    cost = MEASURES[one.unit](teacher, one.channels).cost
    readers = list(closed(one.searched.last).inputs)
    shut = {"uniform": uniform(one.channels, readers, cost, one.cost)}
    shut |= {
        f"random {k}": drawn(one.channels, readers, cost, one.cost, 1000 * seed + k) for k in range(1, by_chance + 1)
    }
    return {"found": dict(one.architecture), **{name: describe(one.channels, x) for name, x in shut.items()}}


def builds_of(architectures: Mapping[str, Mapping[str, Any]], build: Build, start: Start) -> dict[str, Build]:
    """How a fresh network of each architecture is built, its weights drawn by ``start``."""
    return {name: partial(fresh, build=build, architecture=x, start=start) for name, x in architectures.items()}


def tables_of(one: Found) -> list[Table]:
    """How the search went, what it left in each layer, and of each connection where many layers read from many."""
    maps = connection_maps(one.channels, closed(one.searched.last))
    return [_course(one), _layers(one), *([_blocks(one)] if len(maps) > 1 else []), *maps]


def drops_of(one: Found) -> dict[str, float]:
    """The share of the connections that is gone of each block, from the first to the last, by its first source."""
    return drop_by_part(one.channels, closed(one.searched.last))


def in_short(one: Found) -> str:
    """What was found, in a sentence's part: ``48k of 266.2k MACs, found in 4 epochs``.

    Where none of them ended within the budget, and the smallest gates were closed to meet it, it says so.
    """
    spent = in_words(one.cost, one.unit).partition(" ")[0]
    none = "" if one.reached else ", none of which ended within the budget"
    return f"{spent} of {in_words(one.whole, one.unit)}, found in {counted(one.epochs, 'epoch')}{none}"


def _course(one: Found) -> Table:
    rows = []
    for record in one.searched.records:
        figures, (losses,) = record["validation"], record["losses"].values()
        share = round(100 * figures[one.unit] / one.whole, 1)
        cells = [round(sum(losses.values()), 4), round(figures[one.unit], 3), share, figures[OPEN]]
        rows.append((record["epoch"], *cells, figures.get("errors")))
    return Table(
        title="The search",
        columns=("epoch", "loss without penalty", one.unit, "% of the teacher's", OPEN, "validation errors"),
        rows=tuple(rows),
        note=f"It ends with the first epoch that costs no more than {in_words(one.limit, one.unit)}. {_settled(one)}",
    )


def _settled(one: Found) -> str:
    """How the last epoch and what was found are one."""
    spent, words = in_words(one.cost, one.unit), []
    if not one.reached:
        words = [
            f"None did: of the gates that were still open the smallest were closed, to {spent}.",
            "A stronger penalty or more epochs would close them by themselves.",
        ]
    elif one.cost > one.ended:
        words = [f"What closed last opened again as far as that holds it, to {spent}."]
    if one.cost < FAR * one.limit:
        words += ["Nothing nearer to it was found: one channel or layer more, any, is a step beyond it."]
    return " ".join(words)


def _layers(one: Found) -> Table:
    shut = closed(one.searched.last)
    rows: list[Sequence[Any]] = []
    for name, gates in shut.inputs.items():
        kept = len(gates) - int(gates.sum())
        rows.append((name, len(gates), kept, round(100 * (1 - kept / len(gates)), 1)))
    rows += [(name, 1, 0, 100.0) for name in sorted(shut.branches)]
    return Table(
        title="What it left of each layer",
        columns=("layer", "gates", "open", "drop ratio, %"),
        rows=tuple(map(tuple, rows)),
        note="Gates on the channels that a layer reads; a closed branch is a row of its own.",
    )


def _blocks(one: Found) -> Table:
    return Table(
        title="Drop ratios of blocks",
        columns=("block", "drop ratio, %"),
        rows=tuple((f"from {name} on", round(100 * share, 1)) for name, share in drops_of(one).items()),
        note=PARTS_NOTE,
    )
