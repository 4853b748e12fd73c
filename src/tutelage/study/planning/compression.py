"""A trained network made smaller itself: tools tried and chosen, pruned and recovered, int8, measured, handed over."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import ceil, inf, log
from pathlib import Path
from typing import Annotated, TypeAlias

from torch import nn

from tutelage import group
from tutelage.compress.architecture import fresh
from tutelage.compress.budget import Budget
from tutelage.compress.target import target
from tutelage.deployment.card import Made
from tutelage.deployment.deploy import strangers
from tutelage.deployment.verdict import FILE, points
from tutelage.methods.by_name import method as method_named
from tutelage.optimizers.schedules import one_cycle
from tutelage.renewal import QUANTISED
from tutelage.results import Network
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.schemes.pruned import narrowed, recovered
from tutelage.stages.storage import Finished
from tutelage.study.bounds import AtLeast, AtMost
from tutelage.study.evaluated import Evaluated, publish_networks
from tutelage.study.own.original import as_it_is
from tutelage.study.own.participants import DistillationSettings, Participants
from tutelage.study.planning.bench import MULTIPLES, Bench
from tutelage.study.planning.compressed_words import (
    lost_too_much,
    out_of_reach,
    reached_already,
    sentence_of,
    tables_of,
    words_of,
)
from tutelage.study.planning.distillation import at_its_best
from tutelage.study.planning.handover import hand_over
from tutelage.study.planning.quantised import quantised_network
from tutelage.study.planning.short_trials import OPTIMIZERS
from tutelage.study.planning.timed_plan import TimedPlan, followed, timed_plan
from tutelage.study.planning.tools import FLOAT32, INT8, Tried, whole_of
from tutelage.study.planning.tools_tried import Tools, importances, tools_of

Lost: TypeAlias = Annotated[float, AtLeast(0), AtMost(100)]
METHOD = "kd"
"""What the smaller network recovers by: soft targets of what it was."""
FILES = 3
"""How often files are made of the network at the end: to see whether it will do, to keep it, and to quantise it."""
MOST = 0.3
"""Of the count, what goes at once where there are epochs for so many rounds."""


@dataclass(frozen=True)
class CompressionSettings:
    """What somebody wants of a compression: ``target`` in words, ``may_lose`` in points, and how it may learn."""

    target: str
    may_lose: Lost
    learning: DistillationSettings


@dataclass(frozen=True)
class CompressedNetwork:
    """The smaller network, the ``networks`` as they were measured, by name, and what came out in words."""

    model: nn.Module
    networks: dict[str, Network]
    sentence: str


def compressed(run: Run, original: Callable[[], Participants], asked: CompressionSettings) -> CompressedNetwork | None:
    """Make the network that ``original`` reads as small or fast as is ``asked``; the plan alone where that is all.

    Raises ``ValueError`` for a target that no tool reaches, and for one that costs more than it may, with what can be
    had instead; for a network that cannot be exported, with the operation; and as ``distilled`` does.
    """
    if group.size() > 1:
        raise ValueError("A compression is planned by the clock of one process; start it without torchrun.")
    wanted = target(asked.target)  # a misspelt one is found before anything is read
    participants = original()
    refuse_strangers(run.place)
    bench = Bench(run, participants, wanted, asked.may_lose)
    tools = tools_of(bench, asked.learning)
    if tools.chosen is None:
        raise ValueError(out_of_reach(bench, asked.target, tools))
    if (tools.chosen.precision, tools.chosen.share) == (FLOAT32, 1):
        raise ValueError(reached_already(bench, asked.target, tools))
    timed = None
    if tools.chosen.share < 1:
        files = FILES * tools.seconds
        timed = timed_plan(run, as_it_is(participants), asked.learning, files=files, whole=False)
    words = words_of(bench, asked.target, tools, timed)
    run.keep_plan({"asked": asdict(asked), "plan": words, "tools": asdict(tools)})
    if asked.learning.dry_run:
        run.end_with_the_plan("\n".join(words))
        return None
    for sentence in words:
        run.progress.note(f"plan: {sentence}")
    small, had = participants.teacher, list(tools.tried)
    if timed is not None:
        with followed(run, as_it_is(participants), asked.learning, timed):
            small = pruned(bench, asked, tools, timed, had)
    return handed_over(bench, tools, small, had)


def refuse_strangers(place: Path) -> None:
    """Raise ``ValueError`` where a file of the user's own has the name of one that is going to be written."""
    if there := strangers(place, QUANTISED):
        raise ValueError(f"{there[0]} lies in the run's folder and is not tutelage's; move it away, or give --folder.")


def pruned(bench: Bench, asked: CompressionSettings, tools: Tools, timed: TimedPlan, had: list[Tried]) -> Finished:
    """The network with the chosen share, a little pruned and recovered at a time, half of the epochs kept for the end.

    Its last state is that of its best epoch on validation. What there was on the way is added to ``had``. Raises
    ``ValueError`` where more is lost than may be.
    """
    run, participants = bench.run, bench.participants
    assert tools.chosen is not None
    share, epochs = tools.chosen.share, timed.epochs
    rounds = max(1, min(ceil(log(share) / log(1 - MOST) - 1e-9), epochs // 2))
    each = max(1, epochs // 2 // rounds)
    lesson = participants.lesson(timed.found.batch_size, asked.learning)
    factory = OPTIMIZERS[timed.found.optimizer](lr=timed.found.lr)
    plan = Plan(lesson, factory, each, one_cycle, participants.task)
    teaching = participants.teaching(method_named(METHOD), lesson.num_views if timed.keeps_answers(lesson) else 0)
    importance, across = importances(bench.plan, tools.layers)[tools.importance]
    found = list(
        narrowed(
            run,
            "pruned",
            participants.teacher,
            participants.build_student,
            plan=plan,
            budget=Budget(share, bench.unit, is_share=True),
            teaching=teaching,
            importance=importance,
            across=across,
            multiple=MULTIPLES.get(bench.wanted.unit, 1),
            most=1 - share ** (1 / rounds) + 1e-9,
        )
    )
    last = found[-1]
    long = replace(plan, epochs=max(1, epochs - rounds * each))
    build = partial(fresh, participants.build_student, architecture=last.architecture)
    fit = partial(recovered, plan=long, start=at_its_best(last.recovered).last, teaching=teaching)
    small = at_its_best(run.stage("student", build, fit, seed=lesson.seed))
    files = bench.files(small.last.eval(), last.cost / whole_of(had).count, last.cost)
    final = next(x for x in files if x.precision == tools.chosen.precision)
    if points(participants.data.task.told, final.figure, whole_of(had).figure) > bench.allowed:
        for one in reversed(found[:-1]):  # the narrowest that would do, for whoever is content with it
            files += bench.files(one.recovered.best.eval(), one.cost / whole_of(had).count, one.cost)
            if points(participants.data.task.told, files[-1].figure, whole_of(had).figure) <= bench.allowed:
                break
        raise ValueError(lost_too_much(bench, asked.target, final, [*had, *files]))
    had += files
    return small


def handed_over(bench: Bench, tools: Tools, small: Finished, had: list[Tried]) -> CompressedNetwork:
    """Measure what it was and what it is on the test samples, once, write all files, and say what came out."""
    run, participants = bench.run, bench.participants
    assert tools.chosen is not None
    data, is_pruned, is_int8 = participants.data, tools.chosen.share < 1, tools.chosen.precision == INT8
    before, after = participants.names
    people = {"teacher": Evaluated("teacher", before, participants.teacher)}
    if is_pruned:
        people["student"] = Evaluated("student", f"{after}, pruned and recovered", small)
    networks = publish_networks(run, data, people, (METHOD,) if is_pruned else ())
    final = next(x for x in reversed(had) if x.precision == tools.chosen.precision and (is_pruned or x.share == 1))
    if is_int8:
        made = quantised_network(
            small.last.eval(), data, bench.about, run.place / QUANTISED[0], run.request, may_lose=inf
        )
        label = f"{after}, int8, in ONNX Runtime"
        networks["int8"] = replace(made.networks[FILE], name="int8", label=label, role="student")
        run.publish(networks=[networks["int8"]])
    sentence = sentence_of(bench, tools, networks, final)
    run.publish(headline=sentence, tables=tables_of(bench, tools, had))
    how, timed = "pruned and recovered" if is_pruned else "as it was", Made.timed
    if is_int8:
        timed = f"{timed}, and of int8 ({QUANTISED[0]}) in ONNX Runtime"
    hand_over(run, small.last, participants, how, timed=timed)
    return CompressedNetwork(small.last.eval(), networks, sentence)
