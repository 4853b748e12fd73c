"""A plan in words, before it is followed; and afterwards, what took longer or less long than it says."""

from collections.abc import Mapping

import torch

from tutelage.data.labelled import Labelled
from tutelage.methods.by_name import method as method_named
from tutelage.plurals import counted, megabytes
from tutelage.progress import Progress
from tutelage.study.budget import in_words
from tutelage.study.own.participants import DistillationSettings, Participants
from tutelage.study.own.sought import plan_of
from tutelage.study.own.views import views_in_words
from tutelage.study.planning.pilot import Found
from tutelage.study.planning.timed_plan import TimedPlan

COPIES = 14
"""Of the student's weights, on disk: a checkpoint with two moments, the last and the best of both trainings, files."""


def plan_in_words(
    participants: Participants, asked: DistillationSettings, timed: TimedPlan, cached_bytes: int
) -> list[str]:
    """The plan, a sentence a line. The answers that are kept take ``cached_bytes``."""
    found, (teacher, student) = timed.found, participants.names
    lesson = participants.lesson(found.batch_size, asked)
    seconds = timed.seconds
    parts = ", ".join(f"{name} {in_words(value)}" for name, value in seconds.items())
    rate = f"{found.lr:g}" + (f" ({found.lr_alone:g} alone)" if found.lr_alone != found.lr else "")
    views = views_in_words(lesson.num_views)
    kept = timed.keeps_answers(lesson)
    why = "" if lesson.repeats(timed.epochs) else ": no view comes twice, so that nothing is kept"
    once = f"{teacher} is asked once about each view, and its answers are kept"
    shown = lesson.kept_bytes(timed.epochs)
    held = sum(part.inputs.nbytes for part in _parts_of(participants)) + shown + found.step_bytes
    with torch.random.fork_rng():
        weights = participants.build_student().state_dict().values()
    written = cached_bytes * kept + COPIES * sum(x.nbytes for x in weights if isinstance(x, torch.Tensor))
    return [
        *search_in_words(participants, asked, found),
        f"{student} learns from {teacher} for {counted(timed.epochs, 'epoch')} of "
        f"{counted(len(lesson.train), 'sample')}, {views}, "
        f"{found.batch_size} a step, by {found.optimizer} at a rate of up to {rate}, up for a fifth of the "
        "steps and then down to 0",
        f"method {found.method}: {found.why}",
        once if kept else f"{teacher} is asked at every step{why}",
        f"about {megabytes(held)} of memory for samples{', their views' * (shown > 0)} and a step, "
        f"up to {megabytes(written)} on disk",
        f"{in_words(sum(seconds.values()))} in all: {parts}",
    ]


def search_in_words(participants: Participants, asked: DistillationSettings, found: Found) -> list[str]:
    """Of a student that is sought, how."""
    sought, pace, (teacher, student) = participants.sought, found.search, participants.names
    if sought is None or pace is None:
        return []
    plan = plan_of(participants.lesson(found.batch_size, asked), participants.task, pace, found.rounds)
    begins = "what is left begins with the weights that it then has"
    if participants.student_of(method_named(found.method)) is not participants.build_student:
        begins += f" where no teacher helps; {found.method} makes a student of its own from it, which begins anew"
    return [
        f"{student} is sought: {sought.in_words}; channels of {teacher} close while it still says the same, within "
        f"{counted(found.rounds, 'round')} of {counted(len(plan.lesson.train), 'sample')}, "
        f"{in_words(pace.seconds(found.rounds))} at most; {begins}"
    ]


def _parts_of(participants: Participants) -> list[Labelled]:
    """All sets that lie in memory, once each."""
    data = participants.data
    held = {id(part): part for part in (data.train, data.validation, data.test, data.unlabelled) if part is not None}
    return list(held.values())


def slower_or_faster(
    progress: Progress, timed: TimedPlan, took: Mapping[str, float], here: Mapping[str, float]
) -> None:
    """Tell of trainings that ``took`` more than 15 % more, or less, than was planned.

    Of those alone that all happened ``here``, in so many seconds: not of what another start trained, and this loaded.
    """
    for name, pace in timed.paces.items():
        planned, real = pace.seconds(timed.epochs), took.get(name, 0.0)
        if 1.0 < real <= here.get(name, 0.0) and not 0.85 <= real / planned <= 1.15:
            word = "longer" if real > planned else "less long"
            progress.note(f"{name}: took {word} than planned, {in_words(real)} where {in_words(planned)} were expected")
