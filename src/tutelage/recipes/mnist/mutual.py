"""Deep mutual learning on MNIST: nets that teach each other, beside the same nets alone."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from tutelage.recipes.mnist.settings import DIGITS, DRAWN, PLAIN, Digits
from tutelage.study.bounds import Distinct, Names, NotEmpty, Seed, refuse_nonsense
from tutelage.study.settings import TrainingSettings

if TYPE_CHECKING:
    from tutelage.results import Network
    from tutelage.run import Run
    from tutelage.study.experiments.cohorts import Taught

PAPER = "Zhang, Xiang, Hospedales & Lu 2018, arXiv:1706.00384, table 2"
PUBLISHED = 100 * (1 - (200 - 71.19 - 70.75) / 2 / (100 - 68.99))
"""By how many per cent two ResNet-32 made fewer errors on CIFAR-100 than one of them alone."""

Ways: TypeAlias = Annotated[tuple[Literal["alternating", "simultaneous", "mean"], ...], NotEmpty(), Distinct()]


def mutual(
    run: "Run",
    *,
    cohorts: Names = ("300+300", "800+300", "300+300+300+300"),
    ways: Ways = ("alternating", "simultaneous", "mean"),
    training: TrainingSettings = PLAIN,
    digits: Digits = DIGITS,
    seed: Seed = 0,
) -> None:
    """Mutual learning: do nets that teach each other become better than alone? Pairs, and larger cohorts.

    Each learns the labels and what the others think of the same images. Beside them, the same nets learn alone, from
    the same weights and on the same batches.

    Args:
        cohorts: nets that learn together, by the width of their two hidden layers, such as 800+300+300
        ways: alternating, as published: each sees the others as they are after their steps; simultaneous: as they were
            before; mean: in turns, from the mean of what the others say (of three nets or more)
        training: how every net is trained
        seed: of the batches' order; place k of a cohort starts from the seed 100 · this + k
    """
    from tutelage.recipes.mnist import nets
    from tutelage.study.claims import cannot_decide
    from tutelage.study.experiments.cohorts import Member, cohorts_of, publish_cohorts, refuse_unfit, train_cohorts
    from tutelage.tasks.classification import ERRORS

    refuse_nonsense(mutual, locals())
    reason = cannot_decide(run, mutual, locals(), free=("cohorts", "ways"), deciding={"few": mutual_few})
    widths = {
        cohort: [_width(name, cohort) for name in names]
        for cohort, names in cohorts_of(cohorts, such_as="800+300").items()
    }
    data = nets.digits_of(run, digits)
    plan = nets.plan_for(data, training, seed)
    teams = {
        cohort: [Member(nets.wide(units), nets.build_net(units), plan) for units in some]
        for cohort, some in widths.items()
    }
    refuse_unfit(run, data, teams)
    taught = train_cohorts(run, teams, ways, seed)
    networks = publish_cohorts(run, data, taught, ERRORS, nets.INPUT)
    if not data.synthetic:
        claim_fewer(run, taught, networks, reason)


mutual_smoke = partial(
    mutual,
    cohorts=("16+16", "16+8+8"),
    ways=("alternating", "mean"),
    training=replace(PLAIN, epochs=2, batch_size=25),
    digits=DRAWN,
)
mutual_quick = partial(mutual, cohorts=("300+300", "300+300+300"), training=replace(PLAIN, epochs=5))
mutual_few = partial(mutual, training=replace(PLAIN, epochs=60), digits=replace(DIGITS, train=1000))
"""Few images, which a net alone learns by heart."""


def claim_fewer(run: "Run", taught: "Sequence[Taught]", networks: "dict[str, Network]", reason: str) -> None:
    """That the nets of a cohort make fewer errors than alone, on average. The paper has no MNIST."""
    from tutelage.results import Claim

    for cohort, way in dict.fromkeys((one.cohort, one.way) for one in taught):
        some = [one for one in taught if (one.cohort, one.way) == (cohort, way)]
        if way == "alternating":
            alone, together = (
                fmean(networks[getattr(one, which).name].scores["errors"].value for one in some)
                for which in ("alone", "together")
            )
            fewer = round(100 * (1 - together / max(alone, 1)), 2)
            words = f"{cohort}: nets that teach each other make fewer errors"
            note = "published for two ResNet-32 on CIFAR-100: 68.99 % alone, 71.19 and 70.75 %"
            figures = round(PUBLISHED, 1), fewer, "% of the errors"
            run.claim(Claim(words, *figures, PAPER, low=0.01, note=note, reason=reason, paired=True))


def _width(name: str, cohort: str) -> int:
    """The width that a net's name is. Raises ``ValueError`` for anything but a number from 1 to 100,000."""
    if not (name.isascii() and name.isdigit() and name[0] != "0" and int(name) <= 10**5):
        raise ValueError(f"Nets are named by their width, a number from 1 to 100000; {name!r} in {cohort!r} is none.")
    return int(name)
