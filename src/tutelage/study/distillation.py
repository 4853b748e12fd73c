"""A small network of a trained one: planned, trained with and without its teacher, measured once, handed over."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from time import perf_counter

import torch
from torch import nn

from tutelage import group
from tutelage.folders import jsonable
from tutelage.measures.cost import parameters
from tutelage.methods.by_name import method as method_named
from tutelage.methods.check import check_methods
from tutelage.objective import Objective
from tutelage.optimizers.schedules import one_cycle
from tutelage.results import Metric, Network
from tutelage.run import Run
from tutelage.schemes.by_method import pair_of
from tutelage.schemes.plan import Plan
from tutelage.stages.storage import Finished
from tutelage.study.cast import Asked, Cast
from tutelage.study.choice import figure
from tutelage.study.comparison import BASELINE
from tutelage.study.course import Course, course_in_words, course_of, slower_or_faster
from tutelage.study.evaluated import Evaluated, publish_networks
from tutelage.study.joints import deploy
from tutelage.study.look import OPTIMIZERS, noise_of
from tutelage.study.networks import refuse_stranger
from tutelage.study.trials import Trial, run_trial

STUDENT = "student"


@dataclass(frozen=True)
class SmallNetwork:
    """The student after its best epoch, the ``networks`` as they were measured, by name, and what came out in words."""

    model: nn.Module
    networks: dict[str, Network]
    sentence: str


def distilled(run: Run, cast_of: Callable[[], Cast], asked: Asked) -> SmallNetwork | None:
    """Distil what ``cast_of`` reads as it is ``asked``; nothing but the plan where that is all that is wanted.

    Raises ``ValueError`` before anything is trained for networks and methods that do not fit, and for minutes that do
    not hold an epoch.
    """
    if group.size() > 1:
        raise ValueError("A distillation is planned by the clock of one process; start it without torchrun.")
    begun = perf_counter()
    cast = cast_of()
    refuse_misfits(run, cast, asked)
    course = course_of(run, cast, asked, begun)
    words = course_in_words(cast, asked, course, _kept_bytes(cast, asked, course))
    run.keep_plan({"asked": jsonable(vars(asked)), "plan": words, "seconds": course.seconds, "epochs": course.epochs})
    if asked.dry_run:
        run.end_with_the_plan("\n".join(words))
        return None
    for sentence in words:
        run.progress.note(f"plan: {sentence}")
    trained = {name: run_trial(run, name, trial).finished for name, trial in trials_of(cast, asked, course).items()}
    slower_or_faster(run.progress, course, {name: one.seconds for name, one in trained.items()})
    best = {name: at_its_best(one) for name, one in trained.items()}
    networks = publish_distillation(run, cast, best, course)
    deploy(run, best[STUDENT].last, cast.data, {"method": course.found.method})
    return SmallNetwork(best[STUDENT].last.eval(), networks, in_a_sentence(cast, networks))


def refuse_misfits(run: Run, cast: Cast, asked: Asked) -> None:
    """Raise ``ValueError`` for a student that answers other classes, or with what the method cannot be learnt."""
    student = run.laid_out(cast.build_student())
    refuse_stranger(cast.names[1], student, cast.data)
    sizes = parameters(cast.teacher.last), parameters(student)
    if sizes[1] >= sizes[0]:
        run.progress.note(f"{cast.names[1]} is not smaller than {cast.names[0]}: {sizes[1]:,} and {sizes[0]:,} weights")
    if asked.method == "auto":
        return
    how = method_named(asked.method)
    plan = Plan(cast.lesson(2, asked), OPTIMIZERS["nesterov"](lr=1.0), 1, one_cycle, cast.task)
    pair = pair_of(run.laid_out(cast.student_of(how)()), cast.teaching(how, 0), plan)
    check_methods(pair, {asked.method: how})
    if cast.data.unlabelled is not None:
        refuse_readers(asked.method, how(pair))


def refuse_readers(name: str, objective: Objective) -> None:
    """Raise ``ValueError`` for a method that compares with labels beside its label loss: some samples have none."""
    readers = [x for x in objective.terms if x != "label" and ("batch", "target") in objective.reads([x])]
    if readers:
        raise ValueError(
            f"The method {name} compares with labels in {', '.join(map(repr, readers))}, and samples without labels "
            "are among those that it learns from; leave out --unlabelled, or choose kd, at, sp or srrl."
        )


def trials_of(cast: Cast, asked: Asked, course: Course) -> dict[str, Trial]:
    """The student with its teacher and, if it is wanted, the same student without one: each at its own rate."""
    found, how = course.found, method_named(course.found.method)
    factory = OPTIMIZERS[found.optimizer]
    lesson = cast.lesson(found.batch_size, asked)
    plan = Plan(lesson, factory(lr=found.lr), course.epochs, one_cycle, cast.task)
    teaching = cast.teaching(how, lesson.num_views if found.taught.views else 0)
    trials = {STUDENT: Trial(cast.student_of(how), plan, teaching)}
    if asked.baseline:
        alone = cast.alone(found.batch_size, asked)
        own = Plan(alone, factory(lr=found.lr_alone), course.epochs, one_cycle, cast.data.task)
        trials[BASELINE] = Trial(cast.build_student, own)
    return trials


def at_its_best(finished: Finished) -> Finished:
    """The network after the epoch that was best on validation, as if that had been the last one."""
    if finished.best_epoch is None:
        return finished
    return replace(finished, last=finished.best, records=finished.records[: finished.best_epoch])


def publish_distillation(run: Run, cast: Cast, best: dict[str, Finished], course: Course) -> dict[str, Network]:
    """Measure teacher and students on the test samples, once, and put all into the run's results."""
    teacher, student = cast.names
    labels = {STUDENT: f"{student}, taught by {course.found.method}", BASELINE: f"{student}, labels alone"}
    people = {"teacher": Evaluated("teacher", teacher, cast.teacher)}
    people[STUDENT] = Evaluated("student", labels[STUDENT], best[STUDENT])
    if BASELINE in best:
        people[BASELINE] = Evaluated("baseline", labels[BASELINE], best[BASELINE])
    networks = publish_networks(run, cast.data, people, (course.found.method,))
    run.publish(headline=in_a_sentence(cast, networks))
    return networks


def in_a_sentence(cast: Cast, networks: dict[str, Network]) -> str:
    """How well the student does, how much smaller and faster it is, and whether its teacher was worth the while."""
    metric = _shown(cast)
    teacher, student = networks["teacher"], networks[STUDENT]
    words = f"{cast.names[1]}: {figure(student, metric, named=True)}; its teacher {cast.names[0]}: "
    words += f"{figure(teacher, metric)}{_smaller(teacher, student)}."
    if BASELINE not in networks:
        return words
    with_one, alone = (networks[name].scores[metric.name] for name in (STUDENT, BASELINE))
    gain = metric.gain(with_one.value, over=alone.value)
    sure = gain > noise_of(with_one, alone)
    verdict = "more than chance" if sure else "which may be chance" if gain > 0 else "so its teacher did not help"
    words += f" Without a teacher it has {figure(networks[BASELINE], metric)}"
    return f"{words}: {_difference(gain, metric)}, {verdict}."


def _shown(cast: Cast) -> Metric:
    """A share in per cent where the task has one, else what decides."""
    metrics = cast.data.task.metrics
    return next((metric for metric in metrics if metric.unit == "%"), metrics[0])


def _difference(gain: float, metric: Metric) -> str:
    size = f"{abs(gain):.1f} points" if metric.unit == "%" else f"{abs(gain):g}"
    return f"{size} {'better with one' if gain >= 0 else 'worse with one'}"


def _smaller(teacher: Network, student: Network) -> str:
    words = ""
    if teacher.parameters and student.parameters:
        words = f", {teacher.parameters / student.parameters:.1f} times its size"
    if teacher.latency_ms and student.latency_ms:
        slow, fast = (x.latency_ms["1"].median for x in (teacher, student) if x.latency_ms)
        words += f" and {slow / fast:.1f} times its milliseconds"
    return words


def _kept_bytes(cast: Cast, asked: Asked, course: Course) -> int:
    """Of the teacher's answers to all views, two for each number."""
    lesson = cast.lesson(course.found.batch_size, asked)
    with torch.no_grad():
        answer = cast.teacher.last(cast.data.example)
    numbers = prod(answer.shape[1:]) if isinstance(answer, torch.Tensor) else 0
    return 2 * numbers * len(lesson.train) * min(lesson.num_views, course.epochs)
