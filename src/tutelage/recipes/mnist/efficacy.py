"""When distillation helps, on MNIST: how wide a teacher, how long it is trained, how long it teaches."""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from tutelage.recipes.mnist.settings import DIGITS, DRAWN, TAUGHT, TEACHER, Digits, Net, Units
from tutelage.study.bounds import Distinct, Epochs, NotEmpty, Seed, Share, Temperature, refuse_nonsense
from tutelage.study.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from tutelage.run import Run

PAPER = "Cho & Hariharan 2019, arXiv:1910.01348"


@dataclass(frozen=True, kw_only=True)
class Teachers:
    """Nets from narrow to wide with dropout, on images that move, all trained alike."""

    units: Annotated[tuple[Units, ...], NotEmpty(), Distinct()] = (200, 400, 1200)
    """widths of their two hidden layers"""
    training: Annotated[TrainingSettings, arg(name="")] = TEACHER.training
    """how each of them is trained"""


TEACHERS, STUDENT = Teachers(), Net(units=100, training=TAUGHT)


def efficacy(
    run: "Run",
    *,
    temperature: Temperature = 4.0,
    label: Share = 0.1,
    stops: Annotated[tuple[Epochs, ...], NotEmpty(), Distinct()] = (5, 10, 15),
    short: Annotated[tuple[Epochs, ...], NotEmpty(), Distinct()] = (5, 15, 40),
    teachers: Teachers = TEACHERS,
    student: Net = STUDENT,
    digits: Digits = DIGITS,
    seed: Seed = 0,
) -> None:
    """Where does a wider teacher stop being better? And does it help to stop it, or the teaching, early?

    One student learns from wider and wider teachers, throughout or until some epoch, from which on it learns from
    labels alone. The widest teacher is also trained for less: by a shorter schedule that goes all the way down, and by
    the long one that is cut off. What is best is picked by the student's score on validation images.

    Args:
        temperature: softness of the targets
        label: weight of the true labels; the soft targets weigh the rest
        stops: epochs of the student after which KD is switched off
        short: epochs after which the widest teacher stops
        seed: of weights, order, views and dropout
    """
    from tutelage.methods.weights import until
    from tutelage.recipes.efficacy import claim_size, claim_stops
    from tutelage.recipes.mnist import nets
    from tutelage.study.claims import cannot_decide
    from tutelage.study.comparison import BASELINE
    from tutelage.study.evaluated import Evaluated, validated
    from tutelage.study.experiments.assistants import refuse_no_growth
    from tutelage.study.experiments.capacity import students_by_teacher
    from tutelage.study.experiments.choice import refuse_no_choice
    from tutelage.study.experiments.efficacy import (
        COMPLETE,
        early_teachers,
        in_words,
        method_for,
        refuse_late,
        stopped_early,
        switched_off,
    )
    from tutelage.tasks.classification import ERRORS

    refuse_nonsense(efficacy, locals())
    refuse_no_choice(digits.validation, "--digits.validation")
    reason = cannot_decide(run, efficacy, locals())
    epochs = student.training.epochs
    refuse_late(stops, "--stops", epochs, "--student.epochs")
    refuse_late(short, "--short", teachers.training.epochs, "--teachers.epochs")
    refuse_no_growth([(nets.wide(width), width) for width in teachers.units], "--teachers.units", "units a layer")
    data = nets.digits_of(run, digits)
    large = {nets.wide(width): Net(units=width, training=teachers.training) for width in teachers.units}
    nets.refuse_too_large(data, student, *large.values())
    plans = {name: nets.plan_of_teacher(data, net, seed) for name, net in large.items()}
    *_, widest = large
    early = stopped_early(widest, plans[widest], short)

    def taught(teacher: "nn.Module", stop: int) -> "Callable[..., None]":
        switch = partial(until, epoch=stop)
        weights = {"label": partial(switch, before=label, after=1.0), "soft": partial(switch, before=1 - label)}
        throughout = nets.taught_by(teacher, temperature, label)
        return partial(throughout, **weights) if stop < epochs else throughout

    trained = {name: nets.train_large(run, net, plans[name], seed, f"teacher {name}") for name, net in large.items()}
    trained |= {name: nets.train_large(run, large[widest], plan, seed, f"teacher {name}")
                for name, (_, plan) in early.items()}  # fmt: skip
    methods = {"kd": epochs, **{method_for(stop): stop for stop in stops}}
    lessons = {f"{word} from {name}": taught(trained[name].last, stop)
               for name in large for word, stop in methods.items()}  # fmt: skip
    lessons |= {f"kd from {name}": taught(trained[name].last, epochs) for name in early}
    alone = nets.train_alone(run, data, student, seed, BASELINE)
    students = {name: nets.train_student(run, data, student, seed, name, how) for name, how in lessons.items()}

    best = min(students, key=lambda name: validated(students[name], data))
    first = {widest: trained[widest], **trained}  # the teacher that a report compares students with
    networks = {f"teacher {name}": Evaluated("teacher", f"{name}, jittered", one) for name, one in first.items()}
    networks[best] = Evaluated("student", f"{nets.wide(student.units)}, {best}", students[best])
    networks[BASELINE] = Evaluated("baseline", f"{nets.wide(student.units)}, labels only", alone)
    for name, one in students.items():
        networks.setdefault(name, Evaluated("student", f"{nets.wide(student.units)}, {name}", one))
    measured = nets.publish_nets(run, data, networks, "soft_targets")
    run.publish(
        tables=[
            students_by_teacher(measured, list(large), list(methods), ERRORS),
            switched_off(measured, list(large), stops, epochs, ERRORS),
            early_teachers(measured, widest, plans[widest], early, ERRORS),
        ],
        headline=in_words(measured, list(large), early, nets.wide(student.units), best, ERRORS),
    )
    run.deliver(students[best].last, classes=data.test.classes, input=nets.INPUT)
    if not data.synthetic:
        note = "published for CIFAR and ImageNet"
        claim_size(run, measured, list(large), ERRORS, reason, note)
        complete = [name for name, (schedule, _) in early.items() if schedule == COMPLETE]
        claim_stops(run, measured, widest, stops, complete, ERRORS, reason, note)


efficacy_smoke = partial(
    efficacy,
    stops=(1,),
    short=(1,),
    teachers=Teachers(units=(16, 32), training=replace(TEACHER.training, epochs=2, batch_size=25)),
    student=Net(units=8, training=replace(TAUGHT, epochs=2, batch_size=25)),
    digits=DRAWN,
)
efficacy_quick = partial(
    efficacy,
    stops=(3, 6),
    short=(3, 6),
    teachers=Teachers(units=(200, 800), training=replace(TEACHER.training, epochs=10)),
    student=Net(units=100, training=replace(TAUGHT, epochs=8)),
)
