"""Encoders judged by several tasks of GLUE: fine-tuned on each, with several seeds, of which the median counts."""

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import TypeAlias

from tutelage.recipes.text import tuned
from tutelage.recipes.text.settings import Given, Tasks
from tutelage.results import Claim, Table
from tutelage.run import Run
from tutelage.stages.storage import Finished
from tutelage.study.sets import Sets
from tutelage.study.settings import TrainingSettings

Scores: TypeAlias = Mapping[str, Sequence[float]]
"""What decides in each task, of each seed."""


def sets_of(run: Run, tasks: Tasks) -> dict[str, Sets]:
    """The sentences of each task."""
    sizes = {"train": tasks.train, "validation": tasks.validation, "longest": tasks.longest}
    return {name: tuned.sets_of(run, Given(name=name, **sizes))[0] for name in tasks.names}


def fitted(
    run: Run,
    sets: Mapping[str, Sets],
    training: TrainingSettings,
    name: str,
    begin: Finished,
    layers: int,
    seeds: Sequence[int],
) -> dict[str, list[Finished]]:
    """Networks that begin with ``layers`` of the encoder in ``begin``, fine-tuned on each task with each seed."""
    return {
        task: [tuned.tune(run, data, begin, f"{task} {name} {seed}", layers, training, seed) for seed in seeds]
        for task, data in sets.items()
    }


def scores(networks: Mapping[str, Sequence[Finished]], sets: Mapping[str, Sets]) -> dict[str, list[float]]:
    """What decides in each task, of each network on its dev set."""
    return {task: tuned.scores(found, sets[task]) for task, found in networks.items()}


def mean_score(found: Scores) -> float:
    """The mean over the tasks of the seeds' medians, as published."""
    return fmean(median(each) for each in found.values())


def spread_of_means(found: Scores) -> tuple[float, float]:
    """The lowest and the highest mean over the tasks that one of the seeds has."""
    means = [fmean(each) for each in zip(*found.values(), strict=True)]
    return min(means), max(means)


def tasks_table(scores: Mapping[str, Scores], sets: Mapping[str, Sets]) -> Table:
    """Each task's score of everybody, and what the student keeps of the teacher's."""
    rows = []
    for task, data in sets.items():
        values = [median(found[task]) for found in scores.values()]
        rows.append((task, data.task.deciding.name, *(round(x, 2) for x in values), _share(values[1], values[0])))
    means = [mean_score(found) for found in scores.values()]
    rows.append(("mean", "", *(round(x, 2) for x in means), _share(means[1], means[0])))
    seeds = max(len(each) for found in scores.values() for each in found.values())
    return Table(
        title="Scores of the tasks",
        columns=("task", "what decides", *(f"{who}, %" for who in scores), "the student’s of the teacher’s, %"),
        rows=tuple(rows),
        note=f"Medians of {seeds} fine-tunings of the students, on the dev sets.",
    )


def in_words(scores: Mapping[str, Scores], layers: int, depth: int) -> str:
    """What is kept of the teacher's mean score, with and without learning its language."""
    means = {who: mean_score(found) for who, found in scores.items()}
    tasks = ", ".join(scores["student"])
    return (
        f"Mean score ({tasks}): the encoder of {depth} layers {means['teacher']:.2f} %; {layers} of them that learnt "
        f"its language {means['student']:.2f} %; the same {layers} as they were {means['untaught']:.2f} %."
    )


def claim_share(run: Run, scores: Mapping[str, Scores], reason: str) -> None:
    """The claim: the share of the teacher's mean score that half of the layers keep, over the same tasks as here."""
    published = [fmean(each) for each in zip(*(tuned.PUBLISHED[task] for task in scores["student"]), strict=True)]
    whole, share = mean_score(scores["teacher"]), round(100 * published[1] / published[0], 1)
    if whole <= 0:
        return
    kept, low, high = (100 * x / whole for x in (mean_score(scores["student"]), *spread_of_means(scores["student"])))
    run.claim(
        Claim("share of the teacher’s mean score that is kept", share, kept, "%", tuned.SOURCE, low=share,
              reason=reason, note=f"{published[1]:.1f} of {published[0]:.1f}, mean of {', '.join(scores['student'])}",
              interval=(min(low, kept), max(high, kept)), seeds=1)
    )  # fmt: skip


def _share(part: float, whole: float) -> float | None:
    return round(100 * part / whole, 1) if whole > 0 else None
