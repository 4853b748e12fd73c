"""What one to eight networks know together, in one network of a single one's size, on CIFAR-100."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

from tutelage.recipes.cifar100.settings import (
    CPU_OF_SEVERAL,
    IMAGES,
    MEMBERS,
    SMOKE_OF_SEVERAL,
    STUDENT,
    SUBSET_OF_SEVERAL,
    Images,
    Members,
)
from tutelage.study.bounds import Distinct, Names, NotEmpty, Seed, Within, refuse_nonsense
from tutelage.study.settings import NetworkSettings

if TYPE_CHECKING:
    from tutelage.recipes.cifar100.members import Measured
    from tutelage.run import Run

PAPER = (
    "Hinton, Vinyals & Dean 2015, arXiv:1503.02531; Du et al., NeurIPS 2020 (AE-KD); Zhang, Chen & Wang 2022, "
    "arXiv:2201.00007 (CA-MKD)"
)


def ensemble(
    run: "Run",
    *,
    targets: Names = ("arithmetic", "geometric", "adaptive", "confident"),
    numbers: Annotated[tuple[int, ...], Within(1, 8), NotEmpty(), Distinct()] = (1, 2, 3, 4, 5, 6, 7, 8),
    members: Members = MEMBERS,
    student: NetworkSettings = STUDENT,
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """How much of an ensemble's gain does one student keep? One to eight networks answer together.

    All students have the loss 0.1 CE + 0.9 KD at T = 4; they differ in how their teachers' answers make one target.

    Args:
        targets: arithmetic and geometric mean, adaptive (AE-KD's weights) and confident (CA-MKD's); aekd and camkd are
            both as published; whatever else is a method is learnt from each member: crd, at, 0.5*kd+at
        numbers: of how many members students learn; from one of them by the first of the targets only
        seed: of the students' weights, order and views
    """
    from statistics import fmean

    from tutelage.methods.by_name import joint
    from tutelage.recipes.cifar100.images import pictures_of
    from tutelage.recipes.cifar100.members import taught
    from tutelage.study.claims import cannot_decide
    from tutelage.study.experiments.ensembles import student_of
    from tutelage.study.experiments.shares import share_of_gain

    refuse_nonsense(ensemble, locals())
    free = ("targets", "numbers", "members.seed", "images.cache_views")
    figures = cannot_decide(run, ensemble, locals(), free)
    directions = cannot_decide(run, ensemble, locals(), free, {"subset": ensemble_subset})
    ways = {name: (joint(name), "several teachers") for name in targets}
    data = pictures_of(run, images)
    first = dict([next(iter(ways.items()))])
    found = taught(run, data, members, student, images, seed, {n: ways if n > 1 else first for n in sorted(numbers)})

    most, best = max(numbers), student_of(targets[0], max(numbers))
    alone, whole = fmean(found.singles[:most]), found.ensembles["arithmetic"][most - 1]
    words, end = "diverged", ""
    if best in found.networks:
        words = f"{found.accuracy(best):.1f} %"
        share = share_of_gain(alone, whole, found.accuracy(best))
        if members.name == student.name and most > 1:
            end = " No share of a gain is kept: the members together were no better than a single one."
            end = end if share is None else f" It keeps {share:.2f} of the gain."
    run.publish(
        headline=f"Test accuracy of a single {members.name}: {alone:.1f} %; {most} together: {whole:.1f} %; one "
        f"student of these, by {targets[0]}: {words}.{end}"
    )
    if not data.synthetic and most > 1:
        claim_ensemble(run, found, targets, most, members.name == student.name, figures, directions)


ensemble_smoke = partial(ensemble, targets=("geometric", "adaptive", "camkd"), numbers=(1, 2), **SMOKE_OF_SEVERAL)
ensemble_cpu = partial(ensemble, numbers=(3,), **CPU_OF_SEVERAL)
ensemble_subset = partial(ensemble, numbers=(1, 2, 4, 8), **SUBSET_OF_SEVERAL)


def claim_ensemble(
    run: "Run", found: "Measured", targets: tuple[str, ...], most: int, alike: bool, figures: str, directions: str
) -> None:
    """That many are better than one, that one student keeps most of it, and that weighing teachers beats their mean."""
    from statistics import fmean

    from tutelage.results import Claim
    from tutelage.study.experiments.ensembles import student_of
    from tutelage.study.experiments.shares import share_of_gain

    hinton = "Hinton, Vinyals & Dean 2015, arXiv:1503.02531, table 1"
    points = partial(Claim, unit="points", low=0.01, reason=directions, paired=True)
    alone, whole = fmean(found.singles[:most]), found.ensembles["arithmetic"][most - 1]
    plain = student_of("arithmetic", most)
    note = "published for 10 nets on frames of speech, 61.1 against 58.9 %; the direction counts"
    gain = round(whole - alone, 2)
    run.claim(points(f"{most} networks together beat a single one", 2.2, gain, source=hinton, note=note))
    if plain not in found.networks:
        return
    share = share_of_gain(alone, whole, found.accuracy(plain))
    if alike and share is not None:
        note = "published for frames of speech, where 60.8 of 61.1 % are kept"
        run.claim(Claim("one student keeps most of the ensemble's gain", 0.86, round(share, 2), "of the gain", hinton,
                        low=0.8, note=note, reason=figures))  # fmt: skip
    sources = {
        "adaptive": "Du et al., Agree to Disagree (AE-KD), NeurIPS 2020",
        "confident": "Zhang, Chen & Wang 2022, arXiv:2201.00007 (CA-MKD)",
    }
    for name, source in sources.items():
        if name in targets and (weighed := student_of(name, most)) in found.networks:
            gain = round(found.accuracy(weighed) - found.accuracy(plain), 2)
            words = f"{name} weights of {most} teachers beat their arithmetic mean"
            run.claim(points(words, 0.0, gain, source=source, note="the direction, as the abstract has it; no figure"))
