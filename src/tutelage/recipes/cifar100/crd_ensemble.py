"""Contrastive representation distillation from an ensemble, on CIFAR-100."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

from tutelage.recipes.cifar100.settings import (
    CPU_OF_SEVERAL,
    IMAGES,
    MEMBERS,
    PAPER,
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

__all__ = ["PAPER"]

ERRORS = {"wrn_16_2": 23.7, "resnet20": 28.3}
"""Test errors, in %, of students that learn by CRD from eight teachers of their own architecture: figure 4."""
BAND = 0.6
"""Points by which an error may be above a published one, as ``published.BAND``."""


def crd_ensemble(
    run: "Run",
    *,
    methods: Names = ("crd",),
    numbers: Annotated[tuple[int, ...], Within(1, 8), NotEmpty(), Distinct()] = (1, 2, 4, 8),
    members: Members = MEMBERS,
    student: NetworkSettings = STUDENT,
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """Does CRD teach more with every teacher? From one to eight, beside soft targets of their mean.

    The student learns from each teacher by a contrast with a memory and embeddings of its own, and from all of them by
    the sum: CE + 0.8 Σ CRD. Any other method can be learnt from each of them, too.

    Args:
        methods: learnt from each teacher, added up at their published weights: crd, crd_shared, at, 0.5*kd+at
        numbers: of how many members students learn
        seed: of the students' weights, order and views
    """
    from tutelage.methods.by_name import family, joint, method
    from tutelage.methods.several import arithmetic
    from tutelage.recipes.cifar100.images import pictures_of
    from tutelage.recipes.cifar100.members import taught
    from tutelage.study.claims import cannot_decide
    from tutelage.study.experiments.ensembles import student_of

    refuse_nonsense(crd_ensemble, locals())
    free = ("methods", "numbers", "members.name", "student.name", "members.seed", "images.cache_views")
    figures = cannot_decide(run, crd_ensemble, locals(), free)
    directions = cannot_decide(run, crd_ensemble, locals(), free, {"subset": crd_ensemble_subset})
    ways = {SOFT: (arithmetic, "response")} | {name: (joint(name), family(method(name))) for name in methods}
    data = pictures_of(run, images)
    found = taught(run, data, members, student, images, seed, dict.fromkeys(sorted(numbers), ways))

    most = max(numbers)
    students = {way: name for way in ways if (name := student_of(way, most)) in found.networks}
    words = ", ".join(f"by {way} {found.accuracy(name):.1f} %" for way, name in students.items())
    run.publish(
        headline=f"Test accuracy of one {student.name} that learns from {most} {members.name}: "
        f"{words or 'all diverged'}; of a single one of these: {found.single:.1f} %."
    )
    if not data.synthetic:
        alike = "" if members.name == student.name else "its teachers are no networks of the student's kind"
        claim_contrast(run, found, methods, numbers, student.name, alike or figures, alike or directions)


SOFT = "soft targets"

crd_ensemble_smoke = partial(crd_ensemble, methods=("crd", "at"), numbers=(1, 2), **SMOKE_OF_SEVERAL)
crd_ensemble_cpu = partial(crd_ensemble, methods=("crd_shared",), numbers=(1, 3), **CPU_OF_SEVERAL)
crd_ensemble_subset = partial(crd_ensemble, **SUBSET_OF_SEVERAL)


def claim_contrast(
    run: "Run",
    found: "Measured",
    methods: tuple[str, ...],
    numbers: tuple[int, ...],
    student: str,
    figures: str,
    directions: str,
) -> None:
    """The published errors from eight teachers, and that a contrast makes fewer than soft targets from any number."""
    from tutelage.results import Claim
    from tutelage.study.experiments.ensembles import student_of

    claim = partial(Claim, source=f"{PAPER}, figure 4", unit="points")
    contrasts = [name for name in ("crd", "crd_shared") if name in methods]
    for name in contrasts:
        for n in sorted(numbers):
            own, soft = student_of(name, n), student_of(SOFT, n)
            if own in found.networks and soft in found.networks:
                gain = round(found.accuracy(own) - found.accuracy(soft), 2)
                note = "the figure shows it for every number; no table is published"
                words = f"{own} makes fewer errors than {soft}"
                run.claim(claim(words, 0.0, gain, low=0.01, note=note, reason=directions, paired=True))
    eight = student_of("crd", 8)
    if eight in found.networks and student in ERRORS:
        network = found.networks[eight].scores["accuracy"]
        low, high = network.interval or (network.value, network.value)
        published, bound = ERRORS[student], round(ERRORS[student] + BAND, 2)
        run.claim(claim(f"{student}, {eight}: errors", published, round(100 - network.value, 2), unit="%", high=bound,
                        interval=(100 - high, 100 - low), reason=figures))  # fmt: skip
