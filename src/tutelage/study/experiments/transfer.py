"""What students of a transfer without labels are worth: their features under a linear layer, and all of them tuned."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tutelage.keys import Build
from tutelage.results import Network, Role, Table
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.schemes.probe import probed, tuned
from tutelage.schemes.supervised import supervised
from tutelage.study.costs import costs_of
from tutelage.study.evaluated import Evaluated, publish_networks, validated
from tutelage.study.sets import Sets
from tutelage.study.trials import Outcome, Trial

RANDOM, ALL = "random", "all labels"
"""The students that nobody taught before: with few labels, and with those of all samples."""
WAYS = ("probe", "tuned")
"""How students are judged; networks are called ``kd, probe`` and ``kd, tuned``."""


@dataclass(frozen=True)
class Transfer:
    """The students of ``outcome``, ``build`` for one that nobody taught, and plans by which labels show what they know.

    ``student`` is what they are called.
    """

    build: Build
    probe: Plan
    tuning: Plan
    outcome: Outcome
    student: str


def judged(run: Run, transfer: Transfer, data: Sets) -> tuple[dict[str, Evaluated], dict[str, str]]:
    """The networks that show what students know, and what was said of those that diverged.

    A linear layer on each student's features, and each student tuned; the untaught one among them.

    All linear layers, and all tuned students, learn from the same labels in the same views and order. Those of the
    untaught student are fitted to features at random, and trained on labels alone. First of all stands the tuned one
    that is best on validation, of those that were taught: the report speaks of it, and it is delivered.
    Raises ``FloatingPointError`` where an untaught one diverges, with which all others are compared.
    """
    seed = transfer.tuning.lesson.seed
    probe, tune = partial(probed, plan=transfer.probe), partial(tuned, plan=transfer.tuning)
    fits = {RANDOM: (transfer.build, partial(probe, start=None), partial(supervised, plan=transfer.tuning))}
    for name, trained in transfer.outcome.students.items():
        start = trained.finished.last
        fits[name] = trained.trial.build, partial(probe, start=start), partial(tune, start=start)
    found: dict[str, Evaluated] = {}
    diverged: dict[str, str] = {}
    for name, (build, *both) in fits.items():
        for way, fit in zip(WAYS, both, strict=True):
            role: Role = "baseline" if name == RANDOM else "student"
            stage = f"{name}, {way}"
            try:
                finished = run.stage(stage, build, fit, seed=seed)
            except FloatingPointError as error:
                if name == RANDOM:
                    raise
                diverged[stage] = str(error)
                run.progress.note(f"{stage}: {error}")
            else:
                found[stage] = Evaluated(role, f"{transfer.student}, {stage}", finished)
    untaught = f"{RANDOM}, {WAYS[1]}"  # the report compares with the first baseline
    taught = [x for name in transfer.outcome.students if (x := f"{name}, {WAYS[1]}") in found]
    first = min(taught or [untaught], key=lambda stage: validated(found[stage].finished, data))
    return {first: found[first], untaught: found[untaught], **found}, diverged


def publish_transfer(
    run: Run,
    data: Sets,
    transfer: Transfer,
    networks: Mapping[str, Evaluated],
    diverged: Mapping[str, str],
    input_words: str,
) -> dict[str, Network]:
    """Measure everything, publish networks, table and headline, and deliver the tuned student that leads."""
    students = transfer.outcome.students
    trials = {RANDOM: Trial(transfer.build, transfer.tuning), **{name: x.trial for name, x in students.items()}}
    costs, methods = costs_of(run, trials)
    measured = publish_networks(run, data, networks, methods)
    accuracy = {name: network.scores["accuracy"].value for name, network in measured.items()}
    rows: list[tuple[Any, ...]] = []
    for name in trials:
        own = [accuracy.get(f"{name}, {way}") for way in WAYS]
        gains = [
            None if value is None else round(value - accuracy[f"{RANDOM}, {way}"], 2)
            for way, value in zip(WAYS, own, strict=True)
        ]
        cost = round(costs[name]["milliseconds"], 2) if name in costs else None
        rows.append((name, own[0], gains[0], own[1], gains[1], cost))
    rows.append((ALL, None, None, accuracy[ALL], round(accuracy[ALL] - accuracy[f"{RANDOM}, {WAYS[1]}"], 2), None))
    over = tuple(f"{way} over {RANDOM}" for way in WAYS)
    few = len(transfer.probe.lesson.train)
    failed = "".join(f" {name} diverged: {why}." for name, why in {**transfer.outcome.diverged, **diverged}.items())
    leader = next(name for name in networks if name.endswith(WAYS[1]))
    run.publish(
        tables=[
            Table(
                title="Students of another modality",
                columns=("taught by", "linear probe", over[0], "tuned", over[1], "ms a step"),
                rows=tuple(rows),
                note=f"Test accuracy, %, of a linear layer fitted to frozen features, and of the tuned student, by "
                f"{few} labels. {RANDOM}: nobody taught it before. The teacher sees the other modality: "
                f"{accuracy['teacher']:g} %. A step is one of the transfer, or of labels alone.{failed}",
                paired=over,
            )
        ],
        headline=_in_words(transfer.student, accuracy, leader.removesuffix(f", {WAYS[1]}"), few),
    )
    run.deliver(networks[leader].finished.last, classes=data.test.classes, input=input_words)
    return measured


def _in_words(student: str, accuracy: Mapping[str, float], leader: str, few: int) -> str:
    """The student that was chosen on validation and the untaught one beside it, in both ways; and all labels."""
    parts = []
    for way, words in zip(reversed(WAYS), ("tuned", "under a linear layer"), strict=True):
        taught, untaught = accuracy.get(f"{leader}, {way}"), accuracy[f"{RANDOM}, {way}"]
        figure = "diverged" if taught is None else f"{taught:.1f} %"
        parts.append(f"{words} {untaught:.1f} % untaught" if leader == RANDOM else
                     f"{words} {figure}, untaught {untaught:.1f} %")  # fmt: skip
    who = "no student was taught" if leader == RANDOM else f"taught by {leader}, the method chosen on validation"
    start = f"Test accuracy of {student}, {few} labels; {who}: {'; '.join(parts)}."
    return f"{start} With all labels {accuracy[ALL]:.1f} %."
