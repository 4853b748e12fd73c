"""Transfer sets that leave digits out: what the soft targets still say of them."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tutelage.recipes.mnist.settings import (
    DIGITS,
    DRAWN,
    PAPER,
    QUICK_TEACHER,
    STUDENT,
    TEACHER,
    Digits,
    Net,
    with_training,
)
from tutelage.study.bounds import Epochs, Seed, Share, Temperature, refuse_nonsense

if TYPE_CHECKING:
    from tutelage.recipes.mnist.bias import Corrected
    from tutelage.run import Run

__all__ = ["PAPER"]
NEAR = 1.2
"""A count that the paper gives without seeds or spread is repeated by one that is at most a fifth larger."""
CHOSEN = {
    "as it is": "",
    "chosen on validation": "chosen on validation images, where the paper chose on the test set",
    "chosen on the test set": "chosen on the test set, as published",
}


def unseen(
    run: "Run",
    *,
    temperature: Temperature = 20.0,
    label: Share = 0.1,
    teacher: Net = TEACHER,
    student: Net = STUDENT,
    pair_epochs: Epochs = 100,
    digits: Digits = DIGITS,
    seed: Seed = 0,
) -> None:
    """Does a student recognise digits that it never saw? One without 3s, and one of 7s and 8s only.

    The transfer set leaves classes out, but the teacher's soft targets still speak of them. A single number, added to
    the output biases, then makes up for how rarely they were spoken of. It is chosen on validation images; beside it,
    marked as such, stands the choice on the test set, which is what the paper did.

    Args:
        temperature: softness of the targets, the same for teacher and student
        label: weight of the true labels in the student's loss; the soft targets weigh the rest
        pair_epochs: epochs of the student with 7s and 8s only, which has a fifth of the images
        seed: of weights, order, views and dropout
    """
    from tutelage.recipes.mnist import bias, nets
    from tutelage.study.claims import cannot_decide
    from tutelage.study.evaluated import Evaluated

    refuse_nonsense(unseen, locals())
    reason = cannot_decide(run, unseen, locals())
    if not digits.validation:
        raise ValueError("--digits.validation must be more than 0 here: validation images choose the bias; got 0.")
    data = nets.digits_of(run, digits)
    nets.refuse_too_large(data, teacher, student)
    large = nets.train_teacher(run, data, teacher, seed)
    taught = nets.taught_by(large.last, temperature, label)
    no_threes, pair = bias.lacking(data, {3}), bias.holding(data, {7, 8})
    blind = nets.train_student(run, no_threes, student, seed, "without 3s", taught)
    longer = with_training(student, epochs=pair_epochs)
    narrow = nets.train_student(run, pair, longer, seed, "7s and 8s only", taught)
    networks = {
        "teacher": Evaluated("teacher", f"{nets.wide(teacher.units)}, dropout, jittered", large),
        "without 3s": Evaluated("student", "its transfer set has no 3", blind),
        "7s and 8s only": Evaluated("student", "its transfer set has only 7s and 8s", narrow),
    }
    nets.publish_nets(run, data, networks, "soft_targets")
    threes = bias.corrected(blind.last, data, {3}, sign=1)
    pairs = bias.corrected(narrow.last, data, {7, 8}, sign=-1)
    run.publish(
        tables=[
            bias.table_of("A transfer set without 3s", threes),
            bias.table_of("A transfer set of 7s and 8s", pairs),
        ],
        headline=f"A student that never saw a 3 makes {threes[0].errors} errors, {threes[0].on_classes} of them on "
        f"3s; corrected by {threes[1].shift:g}, {threes[1].errors}. One that only saw 7s and 8s is wrong on "
        f"{pairs[0].percent:.1f} % of all digits; corrected by {pairs[1].shift:g}, on {pairs[1].percent:.1f} %.",
    )
    run.deliver(blind.last, classes=data.test.classes, input=nets.INPUT)
    if not data.synthetic:  # synthetic digits say nothing about what was published for MNIST
        claim_unseen(run, threes, pairs, reason)


unseen_smoke = partial(
    unseen,
    teacher=with_training(replace(TEACHER, units=64), epochs=2),
    student=with_training(replace(STUDENT, units=32), epochs=2),
    pair_epochs=4,
    digits=DRAWN,
)
unseen_quick = partial(unseen, teacher=QUICK_TEACHER, student=with_training(STUDENT, epochs=8), pair_epochs=30)


def claim_unseen(run: "Run", threes: "list[Corrected]", pairs: "list[Corrected]", reason: str) -> None:
    """The paper's counts and rates, as they are and with the bias corrected."""
    from tutelage.results import Claim

    claim = partial(Claim, source=PAPER, reason=reason)
    for words, row, published, on_threes in (
        ("no 3 in the transfer set", threes[0], 206, 133),
        ("no 3, its bias corrected", threes[1], 109, None),
        ("no 3, its bias corrected as published", threes[2], 109, 14),
    ):
        note = CHOSEN[row.chosen]
        run.claim(claim(words, published, row.errors, "test errors", high=NEAR * published, note=note,
                        interval=row.interval))  # fmt: skip
        if on_threes is not None:
            run.claim(claim(f"{words}: errors on 3s", on_threes, row.on_classes, "test errors",
                            high=NEAR * on_threes, note=note))  # fmt: skip
    for words, row, share in (
        ("only 7s and 8s in the transfer set", pairs[0], 47.3),
        ("only 7s and 8s, their biases corrected", pairs[1], 13.2),
        ("only 7s and 8s, their biases corrected as published", pairs[2], 13.2),
    ):
        low, high = (round(100 * bound / row.count, 2) for bound in row.interval)
        run.claim(claim(words, share, row.percent, "% errors", high=NEAR * share, note=CHOSEN[row.chosen],
                        interval=(low, high)))  # fmt: skip
