"""What of a search for a student matters, on MNIST: what it minimises, how close it is held, how strong its penalty."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from tutelage.recipes.mnist.search import GATES, PAPER, TEACHER
from tutelage.recipes.mnist.settings import DIGITS, DRAWN, TAUGHT, Digits
from tutelage.study.bounds import Above, AtLeast, AtMost, Distinct, NotEmpty, Seed, refuse_nonsense
from tutelage.study.settings import SearchSettings, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tutelage.run import Run
    from tutelage.study.experiments.searches import Searched
    from tutelage.study.sets import Sets

__all__ = ["PAPER"]

Net: TypeAlias = Literal["mlp", "lenet"]
ELSEWHERE = "shown for CIFAR; only the direction is published"


def search_losses(
    run: "Run",
    *,
    network: Net = "lenet",
    gates: SearchSettings = GATES,
    teacher: TrainingSettings = TEACHER,
    student: TrainingSettings = TAUGHT,
    digits: Digits = DIGITS,
    seed: Seed = 0,
) -> None:
    """Does a search have to know the teacher, and what each gate saves?

    Four searches of one budget: by the divergence from the teacher's soft targets (KD) or by the loss of the labels,
    which is plain pruning (NP), each with gates that save more closed sooner (α) and with all alike. What each of them
    finds is trained anew, on labels and by soft targets.

    Args:
        network: LeNet-5, or a net of 784-300-100-10 units
        seed: of weights, order and searches
    """
    from tutelage.recipes.search import claim_losses
    from tutelage.recipes.searches import by_losses, tell_losses
    from tutelage.study.claims import cannot_decide

    refuse_nonsense(search_losses, locals())
    reason = cannot_decide(run, search_losses, locals(), free=("network",))
    data, students = _students(run, network, by_losses(gates), teacher, student, digits, seed)
    tell_losses(run, students)
    if not data.synthetic:
        claim_losses(run, students, reason, ELSEWHERE)


def search_kl0(
    run: "Run",
    *,
    network: Net = "lenet",
    kl0: Annotated[tuple[Annotated[float, AtLeast(0), AtMost(100)], ...], NotEmpty(), Distinct()] = (
        *(0.0, 0.05, 0.1, 0.2, 0.4, 0.8),
    ),
    gates: SearchSettings = GATES,
    teacher: TrainingSettings = TEACHER,
    student: TrainingSettings = TAUGHT,
    digits: Digits = DIGITS,
    seed: Seed = 0,
) -> None:
    """Is a student worse that was searched for further away from its teacher?

    Searches of one budget in which each sample's divergence from the teacher is drawn to a value instead of to 0. What
    each of them finds is trained anew.

    Args:
        network: LeNet-5, or a net of 784-300-100-10 units
        kl0: the divergences that samples are held at, in nats
        seed: of weights, order and searches
    """
    from tutelage.recipes.search import claim_kl0
    from tutelage.recipes.searches import by_kl0, tell_kl0
    from tutelage.study.claims import cannot_decide

    refuse_nonsense(search_kl0, locals())
    reason = cannot_decide(run, search_kl0, locals(), free=("network",))
    searches = by_kl0(gates, kl0)
    held = dict(zip(searches, kl0, strict=True))
    data, students = _students(run, network, searches, teacher, student, digits, seed)
    tell_kl0(run, students, held)
    if not data.synthetic:
        claim_kl0(run, students, held, reason, "published for CIFAR")


def search_strength(
    run: "Run",
    *,
    network: Net = "lenet",
    strengths: Annotated[tuple[Annotated[float, Above(0), AtMost(1e6)], ...], NotEmpty(), Distinct()] = (
        *(0.02, 0.03, 0.05, 0.1),
    ),
    gates: SearchSettings = GATES,
    teacher: TrainingSettings = TEACHER,
    student: TrainingSettings = TAUGHT,
    digits: Digits = DIGITS,
    seed: Seed = 0,
) -> None:
    """How strong should the penalty of a search be?

    Searches of one budget whose penalties differ: how many epochs each of them takes, and how good a student it finds.

    Args:
        network: LeNet-5, or a net of 784-300-100-10 units
        strengths: of the penalty, λ₂ in the paper
        seed: of weights, order and searches
    """
    from tutelage.recipes.search import claim_strength
    from tutelage.recipes.searches import by_strength, tell_strength
    from tutelage.study.claims import cannot_decide

    refuse_nonsense(search_strength, locals())
    reason = cannot_decide(run, search_strength, locals(), free=("network",))
    searches = by_strength(gates, strengths)
    by_name = dict(zip(searches, strengths, strict=True))
    data, students = _students(run, network, searches, teacher, student, digits, seed)
    tell_strength(run, students, by_name)
    if not data.synthetic:
        claim_strength(run, students, by_name, reason, ELSEWHERE)


def _students(
    run: "Run",
    network: Net,
    searches: "Mapping[str, SearchSettings]",
    teacher: TrainingSettings,
    student: TrainingSettings,
    digits: Digits,
    seed: int,
) -> "tuple[Sets, Searched]":
    """The digits, and what the searches come to within one teacher that is trained for it."""
    from tutelage.methods.response import kd
    from tutelage.models.seeded import restart_
    from tutelage.recipes.mnist import nets
    from tutelage.schemes.by_method import Teaching
    from tutelage.schemes.supervised import supervised
    from tutelage.study import memory
    from tutelage.study.experiments.one_cost import Lineup
    from tutelage.study.experiments.searches import searched
    from tutelage.tasks.classification import ERRORS

    build = nets.SEARCHED[network]
    data = nets.digits_of(run, digits)
    memory.refuse_too_large(network, build, data, teacher.batch_size)
    large = run.stage("teacher", build, partial(supervised, plan=nets.plan_for(data, teacher, seed)), seed=seed)
    plan = nets.plan_for(data, student, seed)
    lineup = Lineup(large, network, {}, plan, Teaching(kd, large.last, (network, network)), ERRORS)
    asked = {name: (settings, nets.plan_for(data, settings.training, seed)) for name, settings in searches.items()}
    return data, searched(run, data, lineup, asked, build, restart_, nets.INPUT)


SMOKE: dict[str, Any] = {
    "network": "mlp",
    "gates": replace(GATES, strength=0.1, training=replace(GATES.training, epochs=20, batch_size=25)),
    "teacher": replace(TEACHER, epochs=4, batch_size=25),
    "student": replace(TAUGHT, epochs=1, batch_size=25),
    "digits": DRAWN,
}
QUICK: dict[str, Any] = {
    "gates": replace(GATES, strength=0.05, training=replace(GATES.training, epochs=20)),
    "teacher": replace(TEACHER, epochs=5),
    "student": replace(TAUGHT, epochs=5),
    "digits": replace(DIGITS, train=20_000),
}
search_losses_smoke = partial(search_losses, **SMOKE)
search_losses_quick = partial(search_losses, **QUICK)
search_kl0_smoke = partial(search_kl0, kl0=(0.0, 0.2), **SMOKE)
search_kl0_quick = partial(search_kl0, kl0=(0.0, 0.1, 0.4), **QUICK)
search_strength_smoke = partial(search_strength, strengths=(0.1, 0.3), **SMOKE)
search_strength_quick = partial(search_strength, strengths=(0.03, 0.05, 0.1), **QUICK)
