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


def judged(run: Run, transfer: Transfer, data: Sets) -> dict[str, Evaluated]:
    """A linear layer on each student's features, and each student tuned; the untaught one among them.

    All linear layers, and all tuned students, learn from the same labels in the same views and order. Those of the
    untaught student are fitted to features at random, and trained on labels alone. First of all stands the tuned one
    that is best on validation, of those that were taught: the report speaks of it, and it is delivered.
    """
    seed = transfer.tuning.lesson.seed
    probe, tune = partial(probed, plan=transfer.probe), partial(tuned, plan=transfer.tuning)
    fits = {RANDOM: (transfer.build, partial(probe, start=None), partial(supervised, plan=transfer.tuning))}
    for name, trained in transfer.outcome.students.items():
        start = trained.finished.last
        fits[name] = trained.trial.build, partial(probe, start=start), partial(tune, start=start)
    found = {}
    for name, (build, *both) in fits.items():
        for way, fit in zip(WAYS, both, strict=True):
            role: Role = "baseline" if name == RANDOM else "student"
            label = f"{transfer.student}, {name}, {way}"
            found[f"{name}, {way}"] = Evaluated(role, label, run.stage(f"{name}, {way}", build, fit, seed=seed))
    candidates = [f"{name}, {WAYS[1]}" for name in transfer.outcome.students or (RANDOM,)]
    first = min(candidates, key=lambda name: validated(found[name].finished, data))
    untaught = f"{RANDOM}, {WAYS[1]}"  # the report compares with the first baseline
    return {first: found[first], untaught: found[untaught], **found}


def publish_transfer(
    run: Run, data: Sets, transfer: Transfer, networks: Mapping[str, Evaluated], input_words: str
) -> dict[str, Network]:
    """Measure everything, publish networks, table and headline, and deliver the tuned student that leads."""
    students = transfer.outcome.students
    trials = {RANDOM: Trial(transfer.build, transfer.tuning), **{name: x.trial for name, x in students.items()}}
    costs, methods = costs_of(run, trials)
    measured = publish_networks(run, data, networks, methods)
    accuracy = {name: network.scores["accuracy"].value for name, network in measured.items()}
    rows: list[tuple[Any, ...]] = []
    for name in trials:
        own = [accuracy[f"{name}, {way}"] for way in WAYS]
        gains = [round(value - accuracy[f"{RANDOM}, {way}"], 2) for way, value in zip(WAYS, own, strict=True)]
        cost = round(costs[name]["milliseconds"], 2) if name in costs else None
        rows.append((name, own[0], gains[0], own[1], gains[1], cost))
    rows.append((ALL, None, None, accuracy[ALL], round(accuracy[ALL] - accuracy[f"{RANDOM}, {WAYS[1]}"], 2), None))
    over = tuple(f"{way} over {RANDOM}" for way in WAYS)
    few, rest = len(transfer.probe.lesson.train), transfer.outcome
    failed = "".join(f" {name} diverged: {why}." for name, why in rest.diverged.items())
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
        headline=_in_words(transfer, accuracy, list(students), few),
    )
    leader = next(name for name in networks if name.endswith(WAYS[1]))
    run.deliver(networks[leader].finished.last, classes=data.test.classes, input=input_words)
    return measured


def _in_words(transfer: Transfer, accuracy: Mapping[str, float], students: list[str], few: int) -> str:
    start = f"{transfer.student}, {few} labels: {accuracy[f'{RANDOM}, {WAYS[1]}']:.1f} % untaught"
    parts = []
    for way, words in zip(WAYS, ("under a linear layer", "tuned"), strict=True):
        if students:
            best = max(students, key=lambda name: accuracy[f"{name}, {way}"])
            parts.append(f"{words} {best} is best with {accuracy[f'{best}, {way}']:.1f} %")
    return "; ".join([start, *parts, f"all labels give {accuracy[ALL]:.1f} %"]) + "."
