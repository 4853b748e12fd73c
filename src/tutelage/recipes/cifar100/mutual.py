"""Deep mutual learning on CIFAR-100: networks that teach each other, beside the same networks alone."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from tutelage.recipes.cifar100.settings import BRIEF, IMAGES, ON_SUBSET, SMALL, SUBSET, Images
from tutelage.study.bounds import Distinct, Names, NotEmpty, Seed, refuse_nonsense
from tutelage.study.settings import NetworkSettings, TrainingSettings

if TYPE_CHECKING:
    from tutelage.results import Network
    from tutelage.run import Run
    from tutelage.study.experiments.cohorts import Taught

PAPER = "Zhang, Xiang, Hospedales & Lu 2018, arXiv:1706.00384, table 2"
PUBLISHED = {
    "resnet32+resnet32": ((68.99, 71.19), (68.99, 70.75)),
    "wrn_28_10+resnet32": ((78.69, 78.96), (68.99, 70.73)),
    "wrn_28_10+wrn_28_10": ((78.69, 80.28), (78.69, 80.08)),
}
"""Accuracy alone and among peers, of each network of a pair. The paper's MobileNet is another than ours."""
BAND = 0.6
"""Points by which an accuracy without a spread may be missed and still count as repeated."""
TRAINING = TrainingSettings(epochs=200, lr=0.1, schedule="even-steps", optimizer="nesterov")

Ways: TypeAlias = Annotated[tuple[Literal["alternating", "simultaneous", "mean"], ...], NotEmpty(), Distinct()]


def mutual(
    run: "Run",
    *,
    cohorts: Names = tuple(PUBLISHED),
    ways: Ways = ("alternating",),
    training: TrainingSettings = TRAINING,
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """Mutual learning: do networks that teach each other become better than alone? Pairs, and larger cohorts.

    Each learns the labels and what the others think of the same images. Beside them, the same networks learn alone,
    from the same weights and on the same batches, so that every difference is one between two trainings of one seed.

    Args:
        cohorts: networks that learn together, such as resnet14+resnet8+resnet8
        ways: alternating, as published: each sees the others as they are after their steps; simultaneous: as they were
            before; mean: in turns, from the mean of what the others say (of three networks or more)
        training: how every network is trained
        seed: of the batches' order and views; place k of a cohort starts from the seed 100 · this + k
    """
    from tutelage.models.named import named
    from tutelage.recipes.cifar100.images import INPUT, pictures_of, plan_for
    from tutelage.study.claims import cannot_decide
    from tutelage.study.experiments.cohorts import Member, cohorts_of, publish_cohorts, refuse_unfit, train_cohorts
    from tutelage.tasks.classification import ACCURACY

    refuse_nonsense(mutual, locals())
    judge = partial(cannot_decide, run, mutual, locals(), free=("cohorts", "ways", "images.cache_views"))
    reasons = judge(), judge(deciding={"subset": mutual_subset})
    members = cohorts_of(cohorts, such_as="resnet14+resnet8")
    data = pictures_of(run, images)
    teams = {
        cohort: [
            Member(name, named(name, len(data.train.classes)),
                   plan_for(data, NetworkSettings(name=name, training=training), seed))
            for name in names
        ]
        for cohort, names in members.items()
    }  # fmt: skip
    refuse_unfit(run, data, teams)
    taught = train_cohorts(run, teams, ways, seed)
    networks = publish_cohorts(run, data, taught, ACCURACY, INPUT)
    if not data.synthetic:
        claim_table(run, taught, networks, *reasons)


mutual_smoke = partial(
    mutual,
    cohorts=("resnet8+resnet8", "resnet8+resnet8+resnet8"),
    ways=("alternating", "mean"),
    training=TrainingSettings(epochs=1, lr=0.05, batch_size=BRIEF.batch_size, schedule="one-cycle"),
    images=Images(name="synthetic", validation=50),
)
mutual_cpu = partial(
    mutual,
    cohorts=("resnet8+resnet8",),
    ways=("alternating", "simultaneous"),
    training=TrainingSettings(
        epochs=3, lr=0.1, batch_size=SMALL.batch_size, schedule="one-cycle", optimizer="nesterov"
    ),
)
mutual_subset = partial(
    mutual,
    cohorts=("resnet8+resnet8", "resnet14+resnet8", "resnet8+resnet8+resnet8"),
    ways=("alternating", "simultaneous", "mean"),
    training=ON_SUBSET,
    images=SUBSET,
)


def claim_table(
    run: "Run", taught: "Sequence[Taught]", networks: "dict[str, Network]", of_accuracy: str, of_direction: str
) -> None:
    """The paper's pairs, in turns: every accuracy, and that each network gains. Other pairs stand for the nearest."""
    from tutelage.results import Claim
    from tutelage.study.experiments.cohorts import gains_of
    from tutelage.tasks.classification import ACCURACY

    gains = gains_of(taught, networks, ACCURACY)
    claim = partial(Claim, source=PAPER)
    pairs = [(one, gain) for one, gain in zip(taught, gains, strict=True) if one.way == "alternating"]
    for cohort in dict.fromkeys(one.cohort for one, _ in pairs):
        both = [(one, gain) for one, gain in pairs if one.cohort == cohort]
        if len(both) > 2:  # of larger cohorts the paper shows a curve, and another data set
            continue
        nearest = cohort if cohort in PUBLISHED else _nearest(cohort)
        sizes = [networks[one.alone.name].parameters or 0 for one, _ in both]
        places = (0, 1) if cohort in PUBLISHED or sizes[0] >= sizes[1] else (1, 0)  # the larger one stands first
        for (one, gain), place in zip(both, places, strict=True):
            alone, together = PUBLISHED[nearest][place]
            score = networks[one.together.name].scores["accuracy"]
            if cohort in PUBLISHED:
                words, reached = f"{one.together.name}: accuracy", round(score.value, 2)
                low = round(together - BAND, 2)
                run.claim(claim(words, together, reached, "%", low=low, interval=score.interval, reason=of_accuracy))
            note = "" if cohort in PUBLISHED else f"published for {nearest}, on all images"
            words, over = f"{one.together.name}: beats the same network alone", round(together - alone, 2)
            run.claim(
                claim(words, over, round(gain, 2), "points", low=0.01, note=note, reason=of_direction, paired=True)
            )


def _nearest(cohort: str) -> str:
    """The published pair whose networks are equal, or unequal, as well."""
    first, second = cohort.split("+")
    return "resnet32+resnet32" if first == second else "wrn_28_10+resnet32"
