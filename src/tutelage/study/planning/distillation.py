"""A small network of a trained one: planned, trained with and without its teacher, measured once, handed over."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from time import perf_counter

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from tutelage import group
from tutelage.folders import jsonable
from tutelage.foreign.forms import only_answers
from tutelage.measures.cost import parameters
from tutelage.methods.by_name import method as method_named
from tutelage.methods.check import check_methods
from tutelage.objective import Objective
from tutelage.optimizers.schedules import one_cycle
from tutelage.outputs import tensor_in
from tutelage.results import Network
from tutelage.run import Run
from tutelage.schemes.by_method import pair_of
from tutelage.schemes.plan import Plan
from tutelage.stages.storage import Finished
from tutelage.study.comparison import BASELINE
from tutelage.study.evaluated import Evaluated, publish_networks
from tutelage.study.own.networks import refuse_stranger
from tutelage.study.own.participants import DistillationSettings, Participants
from tutelage.study.own.sought import build_found, plan_of, sought_out
from tutelage.study.planning.handover import hand_over
from tutelage.study.planning.headline import headline
from tutelage.study.planning.plan_in_words import plan_in_words, slower_or_faster
from tutelage.study.planning.short_trials import OPTIMIZERS
from tutelage.study.planning.timed_plan import TimedPlan, followed, timed_plan
from tutelage.study.search import in_short, tables_of
from tutelage.study.trials import Trial, run_trial

STUDENT = "student"


@dataclass(frozen=True)
class SmallNetwork:
    """The student after its best epoch, the ``networks`` as they were measured, by name, and what came out in words."""

    model: nn.Module
    networks: dict[str, Network]
    sentence: str


def distilled(
    run: Run, participants_of: Callable[[], Participants], asked: DistillationSettings
) -> SmallNetwork | None:
    """Distil what ``participants_of`` reads as it is ``asked``; nothing but the plan where that is all that is wanted.

    Raises ``ValueError`` before anything is trained for networks and methods that do not fit, and for minutes that do
    not hold an epoch.
    """
    if group.size() > 1:
        raise ValueError("A distillation is planned by the clock of one process; start it without torchrun.")
    if asked.method != "auto":
        method_named(asked.method)  # a misspelt one is found before anything is read
    participants = participants_of()
    if asked.baseline and not participants.data.train.has_targets:
        run.progress.note("no student is trained without a teacher: nobody else says what is to be learnt")
        asked = replace(asked, baseline=False)
    refuse_misfits(run, participants, asked)
    timed = timed_plan(run, participants, asked)
    words = plan_in_words(participants, asked, timed, _kept_bytes(participants, asked, timed))
    run.keep_plan({"asked": jsonable(vars(asked)), "plan": words, "seconds": timed.seconds, "epochs": timed.epochs})
    if asked.dry_run:
        run.end_with_the_plan("\n".join(words))
        return None
    for sentence in words:
        run.progress.note(f"plan: {sentence}")
    with followed(run, participants, asked, timed):
        participants = with_found(run, participants, asked, timed)
        trained: dict[str, Finished] = {}
        took: dict[str, float] = {}
        for name, trial in trials_of(participants, asked, timed).items():
            begun = perf_counter()
            trained[name] = run_trial(run, name, trial).finished
            took[name] = perf_counter() - begun
        slower_or_faster(run.progress, timed, {name: one.seconds for name, one in trained.items()}, took)
        best = {name: at_its_best(one) for name, one in trained.items()}
        networks = publish_distillation(run, participants, best, timed)
        hand_over(run, best[STUDENT].last, participants, timed.found.method)
    return SmallNetwork(
        best[STUDENT].last.eval(), networks, headline(networks, participants.names, participants.data.task.metrics)
    )


def with_found(run: Run, participants: Participants, asked: DistillationSettings, timed: TimedPlan) -> Participants:
    """``participants`` with the student that was sought, once it is found: what is built anew, and its weights."""
    sought, pace = participants.sought, timed.found.search
    if sought is None or pace is None:
        return participants
    lesson = participants.lesson(timed.found.batch_size, asked)
    plan = plan_of(lesson, participants.task, pace, timed.found.rounds)
    found = sought_out(run, sought, participants.teacher, plan, (participants.names[0],) * 2)
    run.progress.note(f"search: {in_short(found)}")
    run.publish(tables=tables_of(found))
    return replace(participants, build_student=build_found(sought, found), start=found.removed.last)


def refuse_misfits(run: Run, participants: Participants, asked: DistillationSettings) -> None:
    """Raise ``ValueError`` for a student that answers other classes, or with what the method cannot be learnt."""
    student = participants.build_student()
    if lazy := [name for name, x in student.named_parameters() if isinstance(x, UninitializedParameter)]:
        raise ValueError(
            f"{participants.names[1]} has layers without a size, {lazy[0]!r} first; write their sizes, so that it can "
            "be built again without a batch."
        )
    student = run.laid_out(student)
    refuse_stranger(participants.names[1], student, participants.data)
    sizes = parameters(participants.teacher.last), parameters(student)
    if 0 < sizes[0] <= sizes[1]:  # a file or a table shows no weights
        run.progress.note(
            "{1} is not smaller than {0}".format(*participants.names) + f": {sizes[1]:,} and {sizes[0]:,} weights"
        )
    if asked.method == "auto":
        return
    how = method_named(asked.method)
    plan = Plan(participants.lesson(2, asked), OPTIMIZERS["nesterov"](lr=1.0), 1, one_cycle, participants.task)
    pair = pair_of(run.laid_out(participants.student_of(how)()), participants.teaching(how, 0), plan)
    try:
        check_methods(pair, {asked.method: how})
    except ValueError as lack:
        if not only_answers(participants.names[0]):
            raise
        words = str(lack).rstrip(".")
        raise ValueError(f"{words}; {participants.names[0]} only answers, which is enough for kd, or auto.") from lack
    if participants.data.unlabelled is not None:
        refuse_readers(asked.method, how(pair))


def refuse_readers(name: str, objective: Objective) -> None:
    """Raise ``ValueError`` for a method that compares with labels beside its label loss: some samples have none."""
    readers = [x for x in objective.terms if x != "label" and ("batch", "target") in objective.reads([x])]
    if readers:
        raise ValueError(
            f"The method {name} compares with labels in {', '.join(map(repr, readers))}, and samples without labels "
            "are among those that it learns from; leave out --unlabelled, or choose kd, at, sp or srrl."
        )


def trials_of(participants: Participants, asked: DistillationSettings, timed: TimedPlan) -> dict[str, Trial]:
    """The student with its teacher and, if it is wanted, the same student without one: each at its own rate."""
    found, how = timed.found, method_named(timed.found.method)
    factory = OPTIMIZERS[found.optimizer]
    lesson = participants.lesson(found.batch_size, asked)
    plan = Plan(lesson, factory(lr=found.lr), timed.epochs, one_cycle, participants.task)
    kept = lesson.num_views if timed.keeps_answers(lesson) else 0
    teaching = participants.teaching(how, kept)
    build = participants.student_of(how)
    trials = {STUDENT: Trial(build, plan, teaching, start=participants.start_of(build))}
    if asked.baseline:
        alone = participants.alone(found.batch_size, asked)
        own = Plan(alone, factory(lr=found.lr_alone), timed.epochs, one_cycle, participants.data.task)
        trials[BASELINE] = Trial(participants.build_student, own, start=participants.start)
    return trials


def at_its_best(finished: Finished) -> Finished:
    """The network after the epoch that was best on validation, as if that had been the last one."""
    if finished.best_epoch is None:
        return finished
    return replace(finished, last=finished.best, records=finished.records[: finished.best_epoch])


def publish_distillation(
    run: Run, participants: Participants, best: dict[str, Finished], timed: TimedPlan
) -> dict[str, Network]:
    """Measure teacher and students on the test samples, once, and put all into the run's results."""
    teacher, student = participants.names
    labels = {STUDENT: f"{student}, taught by {timed.found.method}", BASELINE: f"{student}, labels alone"}
    people = {"teacher": Evaluated("teacher", teacher, participants.teacher, participants.teacher_data)}
    people[STUDENT] = Evaluated("student", labels[STUDENT], best[STUDENT])
    if BASELINE in best:
        people[BASELINE] = Evaluated("baseline", labels[BASELINE], best[BASELINE])
    networks = publish_networks(run, participants.data, people, (timed.found.method,))
    run.publish(headline=headline(networks, participants.names, participants.data.task.metrics))
    return networks


def _kept_bytes(participants: Participants, asked: DistillationSettings, timed: TimedPlan) -> int:
    """Of the teacher's answers to all views, two for each number."""
    lesson = participants.lesson(timed.found.batch_size, asked)
    with torch.no_grad():
        answer = tensor_in(participants.teacher.last(participants.teacher_data.example))
    numbers = prod(answer.shape[1:])
    return 2 * numbers * len(lesson.train) * min(lesson.num_views, timed.epochs)
