"""Networks that teach each other, beside the same networks alone: trained, measured, told in a table."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from statistics import fmean
from string import ascii_lowercase
from typing import NamedTuple

from tutelage.keys import Build, already_imported, described, restored
from tutelage.loop import simultaneous
from tutelage.models.seeded import seeded
from tutelage.results import Metric, Network, Table
from tutelage.run import Run
from tutelage.schemes.mutual import from_mean, mutual
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.stages.stage import JointFit
from tutelage.stages.storage import Finished
from tutelage.study.evaluated import Evaluated, publish_networks
from tutelage.study.memory import refuse_too_large
from tutelage.study.own.networks import refuse_stranger
from tutelage.study.sets import Sets

WAYS: Mapping[str, Callable[..., None]] = {
    "alternating": mutual,
    "simultaneous": partial(mutual, turns=simultaneous),
    "mean": partial(mutual, learn=from_mean),
}
"""In turns, as published; all at once; in turns, from what the others say together."""


class Member(NamedTuple):
    """One network of a cohort: what it is called, how it is built, and how it learns."""

    name: str
    build: Build
    plan: Plan


@dataclass(frozen=True)
class Taught:
    """A network of a cohort, trained with the others in one way, and the same network trained alone."""

    cohort: str
    way: str
    member: str
    together: Finished
    alone: Finished


def cohorts_of(texts: Sequence[str], such_as: str) -> dict[str, list[str]]:
    """The networks of every cohort, which is written as ``such_as`` is: ``resnet14+resnet8``, with spaces or without.

    Raises ``ValueError`` for one of less than two networks, and for one that is there twice.

    >>> cohorts_of(["16 + 16"], such_as="800+300")
    {'16+16': ['16', '16']}
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        names = [name.strip() for name in text.split("+")]
        if len(names) < 2 or not all(names) or len(names) > len(ascii_lowercase):
            raise ValueError(
                f"A cohort is two networks or more, 26 at most, such as {such_as}; got --cohorts {text!r}."
            )
        if (cohort := "+".join(names)) in found:
            raise ValueError(f"--cohorts takes each value once; got {cohort} twice.")
        found[cohort] = names
    return found


def refuse_unfit(run: Run, data: Sets, cohorts: Mapping[str, Sequence[Member]]) -> None:
    """Before hours are spent: raise ``ValueError`` for networks that do not fit the memory, do not answer with the
    classes of ``data``, or could not be loaded again.
    """
    for name, build, plan in {member.name: member for members in cohorts.values() for member in members}.values():
        restored(described(build), already_imported)
        refuse_too_large(name, build, data, plan.lesson.batch_size)
        refuse_stranger(name, run.laid_out(build()), data)


def train_cohorts(run: Run, cohorts: Mapping[str, Sequence[Member]], ways: Sequence[str], seed: int) -> list[Taught]:
    """Every cohort in every one of ``WAYS``, and its networks alone, from the same weights and on the same batches.

    Place k of a cohort has the seed ``100 · seed + k``, so that cohorts share the networks that stand alone. Of two,
    the mean of the others is the one other: that way is left out. Raises ``ValueError`` where nothing is left.
    """
    if {*ways} == {"mean"} and all(len(members) == 2 for members in cohorts.values()):
        raise ValueError("--ways mean wants a cohort of three networks or more: of two, the mean is the other one.")
    taught, by_themselves = [], dict[str, Finished]()
    for cohort, members in cohorts.items():
        seeds = [100 * seed + place for place in range(len(members))]
        alone = [f"{m.name} alone, {own}" for m, own in zip(members, seeds, strict=True)]
        for name, m, own in zip(alone, members, seeds, strict=True):
            if name not in by_themselves:
                by_themselves[name] = run.stage(name, m.build, partial(supervised, plan=m.plan), seed=own)
        for way in ways:
            if way == "mean" and len(members) == 2:
                run.progress.note(f"{cohort}: the mean of one peer is that peer, so that way is left out")
                continue
            named = dict(zip(ascii_lowercase, members, strict=False))
            builds = {
                letter: partial(seeded, m.build, seed=own)
                for (letter, m), own in zip(named.items(), seeds, strict=True)
            }
            fit: JointFit = partial(WAYS[way], plans={letter: m.plan for letter, m in named.items()})
            peers = run.peers(f"{cohort}, {way}", builds, fit, seed=seed)
            taught += [
                Taught(cohort, way, named[letter].name, peer, by_themselves[name])
                for (letter, peer), name in zip(peers.items(), alone, strict=True)
            ]
    return taught


def publish_cohorts(
    run: Run, data: Sets, taught: Sequence[Taught], metric: Metric, input_words: str
) -> dict[str, Network]:
    """Measure every network, publish table and headline, deliver the first peer, and return the networks by name."""
    cast = {
        one.together.name: Evaluated("student", f"{one.member}, one of {one.cohort}, {one.way}", one.together)
        for one in taught
    }
    cast |= {one.alone.name: Evaluated("baseline", f"{one.member}, labels only", one.alone) for one in taught}
    networks = publish_networks(run, data, cast, _cited({one.way for one in taught}))
    run.publish(tables=_tables(taught, networks, metric), headline=_in_words(taught, networks, metric))
    run.deliver(taught[0].together.last, classes=data.test.classes, input=input_words)
    return networks


def gains_of(taught: Sequence[Taught], networks: Mapping[str, Network], metric: Metric) -> list[float]:
    """How much better each network is that was taught by others than the same one alone, after the last epoch."""
    return [
        metric.gain(_value(networks[one.together.name], metric), over=_value(networks[one.alone.name], metric))
        for one in taught
    ]


def _cited(ways: Collection[str]) -> list[str]:
    """What a report cites of networks that were taught in these ways."""
    losses = {"averaged_targets" if way == "mean" else "soft_targets" for way in ways}
    return ["tutelage.schemes.mutual:mutual", *(f"tutelage.losses.kd:{loss}" for loss in sorted(losses))]


def _tables(taught: Sequence[Taught], networks: Mapping[str, Network], metric: Metric) -> list[Table]:
    gains = gains_of(taught, networks, metric)
    rows = []
    for one, gain in zip(taught, gains, strict=True):
        together, alone = networks[one.together.name], networks[one.alone.name]
        values = [_value(alone, metric), _value(together, metric), gain, _best(alone, metric), _best(together, metric)]
        rows.append((one.together.name, *map(_rounded, values), one.member))
    groups: dict[tuple[str, str], list[float]] = {}
    for one, gain in zip(taught, gains, strict=True):
        groups.setdefault((one.cohort, one.way), []).append(gain)
    note = f"Test {metric.name}{f', {metric.unit}' if metric.unit else ''}"
    epochs = len(taught[0].together.records)
    after = "after one epoch" if epochs == 1 else f"after the last of {epochs} epochs"
    return [
        Table(
            title="Networks alone and among peers",
            columns=("peer", "alone", metric.name, "gain", "alone at best epoch", "at best epoch", "network"),
            rows=tuple(rows),
            note=f"{note}, {after}, and after the one that was best on validation. Alone and "
            "among peers, a network starts from the same weights and sees the same batches.",
            paired=("gain",),
        ),
        Table(
            title="Cohorts",
            columns=("cohort", "turns", "networks", "mean gain"),
            rows=tuple((*key, len(some), _rounded(fmean(some))) for key, some in groups.items()),
            note=f"{note}: the mean over its networks of what each gains over itself alone.",
            paired=("mean gain",),
        ),
    ]  # fmt: skip


def _in_words(taught: Sequence[Taught], networks: Mapping[str, Network], metric: Metric) -> str:
    first = [one for one in taught if (one.cohort, one.way) == (taught[0].cohort, taught[0].way)]
    unit = f" {metric.unit}" if metric.unit else ""
    together, alone = (
        _listed([f"{_value(networks[getattr(one, which).name], metric):.4g}" for one in first]) + unit
        for which in ("together", "alone")
    )
    gains = gains_of(taught, networks, metric)
    better = sum(gain > 0 for gain in gains)
    return (
        f"Test {metric.name} of {first[0].cohort}, taught by each other: {together}; alone: {alone}. Of {len(gains)} "
        f"networks among peers, {better} {'does' if better == 1 else 'do'} better than alone."
    )


def _listed(words: Sequence[str]) -> str:
    """As in ``8, 9 and 11``."""
    return " and ".join([", ".join(words[:-1]), words[-1]])


def _value(network: Network, metric: Metric) -> float:
    return network.scores[metric.name].value if metric.name in network.scores else float("nan")


def _best(network: Network, metric: Metric) -> float:
    return float("nan") if network.best is None else network.best.scores.get(metric.name, float("nan"))


def _rounded(value: float) -> float | None:
    return round(value, 2) if isfinite(value) else None
