"""Everything that a report says about a run's networks, measured on one test set. No measure ever loses a training."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from torch import Tensor, nn

from tutelage.calls import reason
from tutelage.data.views import in_order
from tutelage.measures.latency import latency
from tutelage.plurals import counted
from tutelage.profiling import clocked
from tutelage.results import Best, Example, Latency, Network, Role, Score
from tutelage.run import Run
from tutelage.stages.storage import Finished
from tutelage.study.network_costs import costs_of, takes_time
from tutelage.study.sets import Sets
from tutelage.tasks.judged import Judged, broken

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A network of the report: who it is in the story, in a few words, and the stage that holds it.

    ``data`` is where it is measured if it sees the samples otherwise than the others do. Where it is delivered as a
    ``file`` that answers for it, answers, bytes and latency are the file's, and there is no best epoch; ``stored`` are
    the bytes of another file in which it is kept.
    """

    role: Role
    label: str
    finished: Finished
    data: Sets | None = None
    file: nn.Module | None = None
    stored: int | None = None

    @property
    def asked(self) -> nn.Module:
        """Who answers."""
        return self.finished.last if self.file is None else self.file


@clocked("measures")
def evaluate(networks: Mapping[str, Evaluated], data: Sets) -> tuple[list[Network], list[Example]]:
    """Every network measured on the test set, and the samples on which the first teacher and student differ most.

    Each network is asked once, about what it sees; latencies are measured together. What cannot be measured is noted,
    not raised. Raises ``ValueError`` if there is no network.
    """
    if not networks:
        raise ValueError("A report needs one network or more to measure; got none.")
    seen = {name: one.data or data for name, one in networks.items()}
    found = {
        name: seen[name].task.judge(one.asked, seen[name].test, seen[name].test_transform)
        for name, one in networks.items()
    }
    teacher, student = (_first(role, networks, found) for role in ("teacher", "student"))
    examples_of = {id(sets): _example(sets) for sets in seen.values()}
    samples = {name: examples_of[id(sets)] for name, sets in seen.items()}
    clocks, slow = _attempted("latency", partial(_clocked, networks, samples))
    measured = [
        _measured(name, one, seen[name], found[name], teacher, samples[name][:1], (clocks or {}).get(name))
        for name, one in networks.items()
    ]
    if slow:
        measured = [replace(network, notes=(*network.notes, *slow)) for network in measured]
    if teacher is None or student is None:
        return measured, []
    examples, _ = _attempted("examples", partial(_examples, teacher, student, data))
    return measured, examples or []


def publish_networks(
    run: Run, data: Sets, networks: Mapping[str, Evaluated], methods: Sequence[str]
) -> dict[str, Network]:
    """Measure every network, put it all into the run's results, and return the networks by their names."""
    measured, examples = evaluate(networks, data)
    for network in measured:
        for note in network.notes:
            run.progress.note(f"{network.name}: {note}")
    run.publish(
        metrics=data.task.metrics,
        networks=measured,
        examples=examples,
        classes=data.test.classes,
        methods=methods,
        data={
            f"{x.name}, {len(x)} samples": x.checksum for x in (data.train, data.validation, data.test) if x is not None
        },
    )
    return {network.name: network for network in measured}


def refuse_nan(answers: Tensor) -> None:
    """Raise ``ValueError`` if a network answered a sample with what is no number."""
    _refuse_any(int(broken(answers)[:, 1].sum()), len(answers))


def _refuse_any(nan: int, count: int) -> None:
    if nan:
        raise ValueError(f"{nan} of {counted(count, 'answer')} not a number (NaN)")


def validated(finished: Finished, data: Sets) -> float:
    """The deciding metric on the validation samples after the last epoch, turned so that less is better.

    Infinite where that is no number; 0 where nothing was validated.
    """
    metric = data.task.deciding
    if not finished.records or data.validation is None:
        return 0.0
    value = (_last_validation(finished) or {}).get(metric.name, math.inf if metric.better == "lower" else -math.inf)
    return value if metric.better == "lower" else -value


def _measured(
    name: str,
    one: Evaluated,
    data: Sets,
    found: Judged,
    teacher: Tensor | None,
    sample: Tensor,
    clock: dict[str, Latency] | None,
) -> Network:
    costs, notes = _costs(one, sample)
    scores = found.scores
    notes += _not_finite(found, len(data.test))
    details, missing = _attempted("details", partial(_details, found, teacher, data))
    network = Network(
        name=name,
        role=one.role,
        label=one.label,
        count=len(data.test),
        scores=_finite(scores),
        stage=one.finished.name,
        validation=_last_validation(one.finished),
        latency_ms=clock,
        notes=(*notes, *missing),
        **costs,
        **(details or {}),
    )
    return network if one.file is not None else replace(network, best=_best(one.finished, network, data))


def _finite(scores: Mapping[str, Score]) -> dict[str, Score]:
    """Those that are numbers, with their intervals where these are; a report knows what to do without the others."""
    return {
        name: score if all(map(math.isfinite, score.interval or ())) else replace(score, interval=None)
        for name, score in scores.items()
        if math.isfinite(score.value)
    }


def _not_finite(found: Judged, count: int) -> list[str]:
    lacking = [name for name in found.scores if name not in _finite(found.scores)]
    return (
        [f"no {' and no '.join(lacking)}: {found.not_finite} of {counted(count, 'answer')} not finite"]
        if lacking
        else []
    )


def _details(found: Judged, teacher: Tensor | None, data: Sets) -> dict[str, Any]:
    _refuse_any(found.nan, len(data.test))
    return {} if found.answers is None else data.task.details(found.answers, teacher, data.test)


def _examples(teacher: Tensor, student: Tensor, data: Sets) -> list[Example]:
    refuse_nan(teacher)
    refuse_nan(student)
    return data.task.examples(teacher, student, data.test)


def _first(role: Role, networks: Mapping[str, Evaluated], found: Mapping[str, Judged]) -> Tensor | None:
    return next((found[name].answers for name, one in networks.items() if one.role == role), None)


def _example(data: Sets) -> Tensor:
    example: Tensor = next(iter(in_order(data.test, batch_size=64, transform=data.test_transform)(0, 0)))["input"]
    return example


def _clocked(networks: Mapping[str, Evaluated], examples: Mapping[str, Tensor]) -> dict[str, dict[str, Latency]]:
    timed = {name: one.asked for name, one in networks.items() if takes_time(one.asked)}
    clocks = latency(timed, {name: examples[name] for name in timed})
    return {name: {size: Latency(**x) for size, x in sizes.items()} for name, sizes in clocks.items()}


def _costs(one: Evaluated, sample: Tensor) -> tuple[dict[str, Any], list[str]]:
    costs: dict[str, Any] = {}
    notes: list[str] = []
    counts = costs_of(one.finished.last, sample)
    counts |= {} if one.file is None else {"bytes": costs_of(one.file, sample)["bytes"]}
    if (stored := one.stored) is not None:
        counts["bytes"] = lambda: stored
    for what, measure in counts.items():
        costs[what], missing = _attempted(what, measure)
        notes += missing
    return costs, notes


def _attempted(what: str, measure: Callable[[], T]) -> tuple[T | None, tuple[str, ...]]:
    """What ``measure`` gives; or nothing, and a note: a network may do whatever it likes when it is asked oddly."""
    try:
        return measure(), ()
    except Exception as error:
        return None, (f"{what} not measured ({reason(error)})",)


def _best(finished: Finished, network: Network, data: Sets) -> Best | None:
    """The test scores of the epoch that was best on validation: those of the last one where it was the best."""
    if finished.best_epoch is None:
        return None
    scores = network.scores
    if finished.best_epoch < len(finished.records):
        scores = _finite(data.task.judge(finished.best, data.test, data.test_transform).scores)
    return Best(finished.best_epoch, {name: score.value for name, score in scores.items()})


def _last_validation(finished: Finished) -> dict[str, float] | None:
    """What was measured then, as far as it is numbers."""
    measured = finished.records[-1].get("validation") if finished.records else None
    return {name: value for name, value in (measured or {}).items() if math.isfinite(value)} or None
