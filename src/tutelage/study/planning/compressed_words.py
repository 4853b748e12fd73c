"""A compression in words: its plan, what came out, what can be had where the target cannot, and the table of files."""

from collections.abc import Mapping, Sequence
from math import ceil, log10

from tutelage.deployment.verdict import points, processor
from tutelage.measures.chance import left_open
from tutelage.plurals import counted
from tutelage.results import Metric, Network, Table
from tutelage.study.budget import in_words
from tutelage.study.planning.bench import Bench
from tutelage.study.planning.timed_plan import TimedPlan
from tutelage.study.planning.tools import (
    INT8,
    Tried,
    best_within,
    cost_in_words,
    figure_in_words,
    not_chosen,
    times,
    whole_of,
)
from tutelage.study.planning.tools_tried import Tools


def words_of(bench: Bench, asked: str, tools: Tools, timed: TimedPlan | None) -> list[str]:
    """The plan, a sentence a line."""
    wanted, whole, chosen = bench.wanted, whole_of(tools.tried), tools.chosen
    assert chosen is not None
    metric, name = bench.participants.data.task.told, bench.participants.names[0]
    limit = wanted.limit(whole.cost(wanted.unit))
    now = cost_in_words(whole.cost(wanted.unit), wanted.unit)
    lines = [
        f"{name} takes {now}{_as(wanted.unit)}, with {figure_in_words(whole.figure, metric)} on "
        f"{counted(len(bench.looked_at), 'validation sample')}; {asked} is {cost_in_words(limit, wanted.unit)}"
    ]
    lines += [f"tried without training: {_told(x, wanted.unit, metric)}" for x in tools.tried if x is not whole]
    if timed is None:
        lines.append("int8 alone will do; nothing is trained")
    else:
        both = "in int8, and " if chosen.precision == INT8 else ""
        lines.append(
            f"{both}pruned to {100 * chosen.share:.1f} % of its {bench.unit}, channels by {tools.importance}, a little "
            f"at a time; it recovers for {counted(timed.epochs, 'epoch')} in all, half of them at the end, taught by "
            "what it was"
        )
        lines.append(f"{in_words(sum(timed.seconds.values()))} in all")
    return [*lines, *not_chosen(tools.tried, chosen, tools.others, wanted, metric)]


def sentence_of(bench: Bench, tools: Tools, networks: Mapping[str, Network], final: Tried) -> str:
    """What came out, for the report's headline: how small, how fast, how good, by what, and what was not worth it."""
    whole, chosen, unit = whole_of(tools.tried), tools.chosen, bench.wanted.unit
    assert chosen is not None
    metric, name = bench.participants.data.task.told, bench.participants.names[0]
    own = networks["int8" if chosen.precision == INT8 else "student"]
    units = [unit, *(x for x in ("bytes", "ms") if x != unit)]
    costs = [_beside(final, whole, x) for x in units]
    tools_used = ", ".join(
        [*(["int8"] if chosen.precision == INT8 else []), *(["pruned and recovered"] if chosen.share < 1 else [])]
    )
    limit = bench.wanted.limit(whole.cost(unit))
    missed = final.cost(unit) > limit
    said = [
        f"{name}, {tools_used}: {', '.join(costs)} in ONNX Runtime.",
        f"It has {_score(own, metric)} on {counted(own.count, 'test sample')}; as it was, "
        f"{_score(networks['teacher'], metric)}.",
    ]
    if missed:
        said.append(f"WARNING: the target, {cost_in_words(limit, unit)}, was missed by the clock.")
    said += [f"{x[0].upper()}{x[1:]}." for x in not_chosen(tools.tried, chosen, tools.others, bench.wanted, metric)]
    if few := left_open(own.scores.get(metric.name), metric, own.count, f"{name}'s"):
        said.append(f"{few}.")
    return " ".join(said)


def reached_already(bench: Bench, asked: str, tools: Tools) -> str:
    """Why there is nothing to do."""
    cost = cost_in_words(whole_of(tools.tried).cost(bench.wanted.unit), bench.wanted.unit)
    return f"{bench.participants.names[0]} takes {cost} as it is, no more than {asked}; ask for less with --target."


def out_of_reach(bench: Bench, asked: str, tools: Tools) -> str:
    """Why no tool will do, and what can be had instead."""
    wanted, metric, whole = bench.wanted, bench.participants.data.task.told, whole_of(tools.tried)
    limit = cost_in_words(wanted.limit(whole.cost(wanted.unit)), wanted.unit)
    least = min(tools.tried, key=lambda x: x.cost(wanted.unit))
    why = (
        f"nothing can be taken out of it ({tools.refused.rstrip('.')})"
        if tools.refused
        else f"the least that was tried takes {cost_in_words(least.cost(wanted.unit), wanted.unit)}, with "
        f"{100 * least.share:.1f} % of its {bench.unit} left, {least.precision}"
    )
    name = bench.participants.names[0]
    return f"{name} cannot be made {asked}, {limit}: {why}. {_instead(bench, tools.tried, metric)}"


def lost_too_much(bench: Bench, asked: str, final: Tried, had: Sequence[Tried]) -> str:
    """What the target costs, and what can be had instead."""
    metric, whole = bench.participants.data.task.told, whole_of(had)
    lost = points(metric, final.figure, whole.figure)
    return (
        f"At {asked} ({cost_in_words(final.cost(bench.wanted.unit), bench.wanted.unit)}) "
        f"{bench.participants.names[0]} has {figure_in_words(final.figure, metric)} on "
        f"{counted(len(bench.looked_at), 'validation sample')} after its recovery, where it had "
        f"{figure_in_words(whole.figure, metric)}, and {bench.may_lose:g} may be lost; allow it with --may-lose "
        f"{_up(lost, 2):g}, or give more --minutes. {_instead(bench, had, metric)}"
    )


def tables_of(bench: Bench, tools: Tools, had: Sequence[Tried]) -> list[Table]:
    """Every file that was made on the way, and what each layer alone costs, for the report."""
    metric, unit, whole = bench.participants.data.task.told, bench.wanted.unit, whole_of(had)
    figure = f"{metric.name}, {metric.unit}" if metric.unit else metric.name
    files = tuple(
        (
            f"{100 * x.share:.1f} %",
            x.precision,
            round(x.figure, 3),
            x.bytes,
            round(x.ms, 4),
            round(whole.cost(unit) / x.cost(unit), 2) if x.cost(unit) else None,
        )
        for x in had
    )
    note = (
        "On validation samples; files in ONNX Runtime, side by side. Before any recovery, but for the last ones where "
        f"something was pruned. Measured on {processor()}."
    )
    columns = ("left", "precision", figure, "bytes", "ms, batch 1", f"times less, {unit}")
    tables = [Table("What each tool costs", columns, files, note)]
    if tools.layers:
        rows = tuple((x.layers, round(x.lost, 3), round(100 * x.saved, 2)) for x in tools.layers)
        lost = "points lost" if metric.unit == "%" else "per cent lost"
        note = f"Without half of the channels that these layers make, of which those with small filters go: {figure}."
        tables.append(Table("What each layer costs", ("layers", lost, f"% of the {bench.unit} saved"), rows, note))
    return tables


def _instead(bench: Bench, had: Sequence[Tried], metric: Metric) -> str:
    """The smallest, or fastest, file that loses no more than it may, and the words that ask for it."""
    whole, unit = whole_of(had), bench.wanted.unit
    best = best_within(had, unit, metric, whole, bench.allowed)
    if best is None or best.cost(unit) >= whole.cost(unit):
        return "Nothing less that was tried loses so little."
    return f"What can be had is {_told(best, unit, metric)}: --target '{_as_target(best.cost(unit), unit)}'."


def _told(x: Tried, unit: str, metric: Metric) -> str:
    left = "all" if x.share == 1 else f"{100 * x.share:.1f} % left"
    return (
        f"{x.precision}, {left}: {cost_in_words(x.cost(unit), unit)}, {cost_in_words(x.ms, 'ms')}, "
        f"{figure_in_words(x.figure, metric)}"
        if unit != "ms"
        else f"{x.precision}, {left}: {cost_in_words(x.ms, 'ms')}, {cost_in_words(x.bytes, 'bytes')}, "
        f"{figure_in_words(x.figure, metric)}"
    )


def _beside(final: Tried, whole: Tried, unit: str) -> str:
    own, its = final.cost(unit), whole.cost(unit)
    return f"{cost_in_words(own, unit)} instead of {cost_in_words(its, unit)} ({times(own, its, unit)})"


def _as(unit: str) -> str:
    return {"bytes": " as a float32 file", "ms": " for a sample in ONNX Runtime, float32"}.get(unit, "")


def _score(network: Network, metric: Metric) -> str:
    score = network.scores.get(metric.name)
    return f"no {metric.name}" if score is None else figure_in_words(score.value, metric)


def _as_target(cost: float, unit: str) -> str:
    """Words of a target that holds ``cost``: up to three digits of it, and room for a clock's chance.

    >>> _as_target(61234, "bytes"), _as_target(2.0, "ms"), _as_target(1234567, "MACs")
    ('61.3 kB', '2.2 ms', '1.24 MMACs')
    """
    if unit == "ms":
        return f"{_up(1.1 * cost, 2):g} ms"
    scale, prefix = next(((s, p) for s, p in ((1e6, "M"), (1e3, "k")) if cost >= s), (1.0, ""))
    return f"{_up(cost / scale, 3):g} {prefix}{'B' if unit == 'bytes' else unit}"


def _up(x: float, digits: int) -> float:
    """The next number up of so many digits."""
    step = 10.0 ** (int(log10(x) // 1) - digits + 1) if x > 0 else 1.0
    return ceil(x / step - 1e-9) * step
