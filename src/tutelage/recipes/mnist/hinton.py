"""The table: a large regularised net, a small one alone, and the small one distilled."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from tutelage.recipes.mnist.settings import (
    DIGITS,
    DRAWN,
    PAPER,
    PLAIN,
    QUICK_TEACHER,
    STUDENT,
    TEACHER,
    Digits,
    Net,
    with_training,
)
from tutelage.study.bounds import AtLeast, AtMost, Seed, Share, Temperature, refuse_nonsense
from tutelage.study.settings import TrainingSettings

if TYPE_CHECKING:
    from tutelage.results import Network
    from tutelage.run import Run

__all__ = ["PAPER"]


def hinton(
    run: "Run",
    *,
    temperature: Temperature = 20.0,
    label: Share = 0.1,
    teacher: Net = TEACHER,
    baseline: TrainingSettings = PLAIN,
    student: Net = STUDENT,
    jittered_epochs: Annotated[int, AtLeast(0), AtMost(10**6)] = 100,
    digits: Digits = DIGITS,
    seed: Seed = 0,
) -> None:
    """What does a small net learn from a large regularised one on MNIST? 67, 146 and 74 errors in the paper.

    The teacher has two hidden layers of 1200 units, dropout, bound weights and jittered images. The same small net is
    trained on labels alone, on the teacher's soft targets for images that do not move, and for images that do.

    Args:
        temperature: softness of the targets, the same for teacher and student
        label: weight of the true labels in the student's loss; the soft targets weigh the rest
        jittered_epochs: epochs of the student distilled on jittered images; 0 leaves it out
        seed: of weights, order, views and dropout
    """
    from tutelage.recipes.mnist import nets
    from tutelage.study.claims import cannot_decide
    from tutelage.study.evaluated import Evaluated

    refuse_nonsense(hinton, locals())
    reason = cannot_decide(run, hinton, locals())
    data = nets.digits_of(run, digits)
    nets.refuse_too_large(data, teacher, student)
    large = nets.train_teacher(run, data, teacher, seed)
    alone = nets.train_alone(run, data, replace(student, training=baseline), seed, "baseline")
    taught = nets.taught_by(large.last, temperature, label)
    small = nets.train_student(run, data, student, seed, "student", taught)
    big, little = nets.wide(teacher.units), nets.wide(student.units)
    networks = {
        "teacher": Evaluated("teacher", f"{big}, dropout, max-norm, jittered", large),
        "baseline": Evaluated("baseline", f"{little}, labels only", alone),
        "student": Evaluated("student", f"{little}, soft targets at T = {temperature:g}", small),
    }
    if jittered_epochs:
        plan = nets.plan_for(data, replace(student.training, epochs=jittered_epochs), seed, jittered=True)
        moved = run.stage("jittered", nets.build_net(student.units), partial(taught, plan=plan), seed=seed)
        networks["jittered"] = Evaluated("student", f"{little}, soft targets, jittered transfer set", moved)
    measured = nets.publish_nets(run, data, networks, "soft_targets")
    errors = nets.errors_of(measured)
    more = f"; on jittered images, {errors['jittered']}" if "jittered" in errors else ""
    run.publish(
        headline=f"The distilled {little} student makes {errors['student']} test errors{more}. Alone it makes "
        f"{errors['baseline']}; its {big} teacher, {errors['teacher']}."
    )
    run.deliver(small.last, classes=data.test.classes, input=nets.INPUT)
    if not data.synthetic:  # synthetic digits say nothing about what was published for MNIST
        claim_table(run, measured, reason)


hinton_smoke = partial(
    hinton,
    teacher=with_training(replace(TEACHER, units=100), epochs=6, lr=0.05, batch_size=25),
    baseline=replace(PLAIN, epochs=4, batch_size=25),
    student=with_training(replace(STUDENT, units=20), epochs=4, lr=0.01, batch_size=25),
    jittered_epochs=4,
    digits=DRAWN,
)
hinton_quick = partial(
    hinton,
    teacher=QUICK_TEACHER,
    baseline=replace(PLAIN, epochs=8),
    student=with_training(STUDENT, epochs=10),
    jittered_epochs=0,
)


def claim_table(run: "Run", networks: "dict[str, Network]", reason: str) -> None:
    """The paper's counts, each with a bound, since it gives neither seeds nor a spread."""
    from tutelage.results import Claim

    scores = {name: network.scores["errors"] for name, network in networks.items()}
    claim = partial(Claim, unit="test errors", source=PAPER, reason=reason)
    rows = [
        ("teacher", "the large net, regularised and jittered", 67, None, 85, ""),
        ("baseline", "the small net on labels alone", 146, 130, 170, ""),
        ("student", "the small net, distilled on images that do not move", 74, None, 95, ""),
        ("jittered", "the small net, distilled on images that move", 74, None, 80,
         "the paper's transfer set does not move; this is what moving it is worth"),
    ]  # fmt: skip
    for name, words, published, low, high, note in rows:
        if name in scores:
            score = scores[name]
            run.claim(claim(words, published, score.value, low=low, high=high, note=note, interval=score.interval))
    share = round(scores["student"].value / max(scores["baseline"].value, 1), 3)
    run.claim(
        claim("distilled, as a share of the errors alone", round(74 / 146, 2), share, unit="of the errors", high=0.85)
    )
