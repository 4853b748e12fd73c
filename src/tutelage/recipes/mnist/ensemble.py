"""What many nets know together, in one net of a single one's size."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from tutelage.recipes.mnist.settings import DIGITS, DRAWN, PLAIN, TAUGHT, Digits, Net, with_training
from tutelage.study.bounds import Above, AtMost, Seed, Share, Temperature, refuse_nonsense
from tutelage.study.settings import TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Hinton, Vinyals & Dean 2015, arXiv:1503.02531, table 1"

MEMBER = Net(training=PLAIN)


def ensemble(
    run: "Run",
    *,
    members: Annotated[int, Above(0), AtMost(1000)] = 10,
    temperature: Temperature = 2.0,
    label: Share = 0.5,
    member: Net = MEMBER,
    student: TrainingSettings = TAUGHT,
    digits: Digits = DIGITS,
    seed: Seed = 0,
) -> None:
    """Can one net know what ten know together? Ten answer, and a student of a single one's size learns that.

    The paper does this for speech: ten nets raise the accuracy of frames from 58.9 to 61.1 %, one distilled net has
    60.8 %, which is more than 80 % of the gain. Here the same on MNIST, with both means of the ten answers.

    Args:
        members: how many nets answer together; they differ in their seeds alone
        temperature: softness of the targets
        label: weight of the true labels in the student's loss; the soft targets weigh the rest
        seed: of the students; member k has the seed 100 · seed + k
    """
    from tutelage.losses.kd import arithmetic, geometric
    from tutelage.measures.ensemble import ensemble_errors
    from tutelage.recipes.mnist import nets
    from tutelage.results import Table
    from tutelage.study.claims import cannot_decide
    from tutelage.study.evaluated import Evaluated

    refuse_nonsense(ensemble, locals())
    reason = cannot_decide(run, ensemble, locals())
    data = nets.digits_of(run, digits)
    nets.refuse_too_large(data, member, replace(member, training=student))
    single = [nets.train_alone(run, data, member, 100 * seed + k, f"member {k}") for k in range(members)]
    teachers = [one.last for one in single]
    networks = {one.name: Evaluated("member", "labels only", one) for one in single}
    taught = replace(member, training=student)
    for average in (arithmetic, geometric):
        name = f"{average.__name__} student"
        how = nets.taught_by_many(teachers, average, temperature, label)
        small = nets.train_student(run, data, taught, seed, name, how)
        networks[name] = Evaluated("student", f"taught by the {average.__name__} mean of {members}", small)
    errors = nets.errors_of(nets.publish_nets(run, data, networks, "averaged_targets"))
    together = {a.__name__: ensemble_errors(teachers, data.test, a) for a in (arithmetic, geometric)}

    mean = sum(errors[one.name] for one in single) / members
    run.publish(
        tables=[
            Table(
                title="One net, ten together, one student of them",
                columns=("who", "test errors"),
                rows=(
                    (f"a single net, mean of {members}", round(mean, 1)),
                    *((f"{members} nets, {name} mean", n) for name, n in together.items()),
                    *((f"one student of the {name} mean", errors[f"{name} student"]) for name in together),
                ),
                note=f"of {len(data.test)} test images",
            )
        ],
        headline=f"A single net makes {mean:.0f} test errors, {members} together {together['arithmetic']}, and one "
        f"student of theirs {errors['arithmetic student']}.",
    )
    run.deliver(networks["arithmetic student"].finished.last, classes=data.test.classes, input=nets.INPUT)
    if not data.synthetic:  # synthetic digits say nothing about what was published
        claim_ensemble(run, mean, together, errors, reason)


ensemble_smoke = partial(
    ensemble,
    members=3,
    member=with_training(replace(MEMBER, units=16), epochs=2),
    student=replace(TAUGHT, epochs=2),
    digits=DRAWN,
)
ensemble_quick = partial(
    ensemble, members=3, member=with_training(replace(MEMBER, units=300), epochs=5), student=replace(TAUGHT, epochs=5)
)


def claim_ensemble(run: "Run", single: float, together: dict[str, int], errors: dict[str, int], reason: str) -> None:
    """That many are better than one, and that one student keeps most of that."""
    from tutelage.results import Claim

    claim = partial(Claim, source=PAPER, reason=reason)
    run.claim(claim("the ensemble beats its average member", round((61.1 - 58.9) / (100 - 58.9), 3),
                    round(1 - together["arithmetic"] / max(single, 1), 3), "fewer errors, as a share", low=0.02,
                    note="published for frames of speech, from 58.9 to 61.1 % right"))  # fmt: skip
    gain = single - together["arithmetic"]
    for name in together:
        kept = round((single - errors[f"{name} student"]) / gain, 2) if gain > 0 else 0.0
        run.claim(claim(f"one student of the {name} mean keeps most of the ensemble's gain",
                        round((60.8 - 58.9) / (61.1 - 58.9), 2), kept, "of the gain", low=0.8,
                        note="published for frames of speech, where 60.8 of 61.1 % are kept"))  # fmt: skip
