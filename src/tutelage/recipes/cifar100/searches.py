"""What of a search for a student matters, on CIFAR-100, or CIFAR-10 with the images of that name."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from tutelage.recipes.cifar100.search import CPU, FREE, GATES, PAPER, SMALLEST, TEACHER, TRAINING
from tutelage.recipes.cifar100.settings import IMAGES, Images
from tutelage.study.bounds import Above, AtLeast, AtMost, Distinct, NotEmpty, Seed, refuse_nonsense
from tutelage.study.settings import NetworkSettings, SearchSettings, TeacherSettings, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tutelage.run import Run
    from tutelage.study.experiments.searches import Searched
    from tutelage.study.sets import Sets

__all__ = ["PAPER"]

NOTE = "only the direction is published"


def search_losses(
    run: "Run",
    *,
    gates: SearchSettings = GATES,
    teacher: TeacherSettings = TEACHER,
    student: TrainingSettings = TRAINING,
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """Does a search have to know the teacher, and what each gate saves?

    As ``mnist:search_losses``; where several blocks of layers have gates, what is gone of each stands beside it.

    Args:
        student: how every student is trained
        seed: of weights, order, views and searches, but for the teacher's
    """
    from tutelage.recipes.search import claim_losses
    from tutelage.recipes.searches import by_losses, tell_losses
    from tutelage.study.claims import cannot_decide

    refuse_nonsense(search_losses, locals())
    reason = cannot_decide(run, search_losses, locals(), FREE, {"cpu": search_losses_cpu})
    data, students = _students(run, by_losses(gates), teacher, student, images, seed)
    tell_losses(run, students)
    if not data.synthetic:
        claim_losses(run, students, reason, NOTE)


def search_kl0(
    run: "Run",
    *,
    kl0: Annotated[tuple[Annotated[float, AtLeast(0), AtMost(100)], ...], NotEmpty(), Distinct()] = (
        *(0.0, 0.05, 0.1, 0.2, 0.4, 0.8),
    ),
    gates: SearchSettings = GATES,
    teacher: TeacherSettings = TEACHER,
    student: TrainingSettings = TRAINING,
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """Is a student worse that was searched for further away from its teacher?

    As ``mnist:search_kl0``.

    Args:
        kl0: the divergences that samples are held at, in nats
        student: how every student is trained
        seed: of weights, order, views and searches, but for the teacher's
    """
    from tutelage.recipes.search import claim_kl0
    from tutelage.recipes.searches import by_kl0, tell_kl0
    from tutelage.study.claims import cannot_decide

    refuse_nonsense(search_kl0, locals())
    reason = cannot_decide(run, search_kl0, locals(), FREE, {"cpu": search_kl0_cpu})
    searches = by_kl0(gates, kl0)
    held = dict(zip(searches, kl0, strict=True))
    data, students = _students(run, searches, teacher, student, images, seed)
    tell_kl0(run, students, held)
    if not data.synthetic:
        claim_kl0(run, students, held, reason, "")


def search_strength(
    run: "Run",
    *,
    strengths: Annotated[tuple[Annotated[float, Above(0), AtMost(1e6)], ...], NotEmpty(), Distinct()] = (
        *(3e-4, 1e-3, 3e-3, 1e-2),
    ),
    gates: SearchSettings = GATES,
    teacher: TeacherSettings = TEACHER,
    student: TrainingSettings = TRAINING,
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """How strong should the penalty of a search be?

    As ``mnist:search_strength``.

    Args:
        strengths: of the penalty, λ₂ in the paper
        student: how every student is trained
        seed: of weights, order, views and searches, but for the teacher's
    """
    from tutelage.recipes.search import claim_strength
    from tutelage.recipes.searches import by_strength, tell_strength
    from tutelage.study.claims import cannot_decide

    refuse_nonsense(search_strength, locals())
    reason = cannot_decide(run, search_strength, locals(), FREE, {"cpu": search_strength_cpu})
    searches = by_strength(gates, strengths)
    by_name = dict(zip(searches, strengths, strict=True))
    data, students = _students(run, searches, teacher, student, images, seed)
    tell_strength(run, students, by_name)
    if not data.synthetic:
        claim_strength(run, students, by_name, reason, NOTE)


def _students(
    run: "Run",
    searches: "Mapping[str, SearchSettings]",
    teacher: TeacherSettings,
    student: TrainingSettings,
    images: Images,
    seed: int,
) -> "tuple[Sets, Searched]":
    """The pictures, and what the searches come to within one teacher."""
    from tutelage.methods.response import kd
    from tutelage.models.seeded import restart_by_fan_out_
    from tutelage.recipes.cifar100.images import INPUT, pictures_of, plan_for
    from tutelage.study.experiments.one_cost import Lineup
    from tutelage.study.experiments.searches import searched
    from tutelage.study.own.networks import PairOfNetworks, teacher_of
    from tutelage.tasks.classification import ACCURACY

    data = pictures_of(run, images)
    views = NetworkSettings(name=teacher.name, views=teacher.views, training=student)
    plan = plan_for(data, views, seed)
    pair = PairOfNetworks(teacher, views, data)
    pair.refuse_strangers(run, plan, {"kd": kd})
    large = teacher_of(run, data, teacher, plan_for(data, teacher, teacher.seed))
    lineup = Lineup(large, teacher.name, {}, plan, pair.teaching(kd, large.last, images.cache_views), ACCURACY)
    asked = {
        name: (settings, plan_for(data, replace(views, training=settings.training), seed))
        for name, settings in searches.items()
    }
    return data, searched(run, data, lineup, asked, pair.build_teacher, restart_by_fan_out_, INPUT)


OF_ALL: dict[str, Any] = {name: x for name, x in CPU.items() if name != "by_hand"}
"""The settings of the preset ``cpu`` that these share with ``search``: its search and its teacher are trained once."""
BRIEFLY: dict[str, Any] = {name: x for name, x in SMALLEST.items() if name != "by_hand"}
search_losses_smoke = partial(search_losses, **BRIEFLY)
search_losses_cpu = partial(search_losses, **OF_ALL)
search_kl0_smoke = partial(search_kl0, kl0=(0.0, 0.2), **BRIEFLY)
search_kl0_cpu = partial(search_kl0, kl0=(0.0, 0.02, 0.05, 0.1), **OF_ALL)
search_strength_smoke = partial(search_strength, strengths=(0.1, 0.3), **BRIEFLY)
search_strength_cpu = partial(search_strength, strengths=(0.1, 0.2, 0.4), **OF_ALL)
