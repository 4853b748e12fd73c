"""Labels that are refined on CIFAR-100: the network before answers for the very view that the next one sees."""

from functools import partial
from typing import TYPE_CHECKING

from tutelage.recipes.cifar100.settings import CPU, IMAGES, ON_SUBSET, SMOKE, STUDENT, SUBSET, TEACHER, Images
from tutelage.study.bounds import Seed, refuse_nonsense
from tutelage.study.settings import Generations, NetworkSettings, TeacherSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Bagherinezhad et al. 2018, arXiv:1805.02641, for ImageNet"
GENERATIONS = Generations(most=5, until="no-better")


def refinery(
    run: "Run",
    *,
    network: NetworkSettings = STUDENT,
    stronger: TeacherSettings = TEACHER,
    generations: Generations = GENERATIONS,
    losses: str = "refinery",
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """Label refinery: are labels that a network refined better? It labels what the next one sees, again and again.

    Each crop is labelled by itself. Static labels, the control, are the answer for the whole image, whatever the
    student sees of it. A stronger network refines once, too. The paper's pictures are ImageNet's, and so are its
    networks and schedules; here networks learn as most others on CIFAR-100 do.

    Args:
        losses: a method, or a sum of several: refinery, refinery_both_ways, ban, kd, 0.5*ban_labels, …
        seed: generation k has the seed 100 · seed + k, the network on labels 100 · seed
    """
    from tutelage.methods.by_name import method
    from tutelage.recipes.cifar100.images import kind_of, plan_for
    from tutelage.recipes.generations import refinery_of, refuse_own_kind
    from tutelage.study.claims import cannot_decide
    from tutelage.study.experiments.generations import refuse_blind
    from tutelage.study.own.networks import PairOfNetworks, teacher_of

    refuse_nonsense(refinery, locals())
    free = ("images.cache_views", "stronger.seed")
    reason = cannot_decide(run, refinery, locals(), free, deciding={"subset": refinery_subset})
    refuse_blind(generations, images.validation, "--images.validation")
    how = method(losses)
    refuse_own_kind(how)
    kind = kind_of(run, network, images, seed, {losses: how})
    PairOfNetworks(stronger, network, kind.data).refuse_strangers(run, kind.plan, {losses: how})
    large = teacher_of(run, kind.data, stronger, plan_for(kind.data, stronger, stronger.seed), "stronger")
    refinery_of(run, kind, how, generations, large, stronger.name, reason, stronger.layers)


refinery_smoke = partial(
    refinery,
    network=SMOKE["student"],
    stronger=SMOKE["teacher"],
    generations=Generations(most=2, until="no-better"),
    images=SMOKE["images"],
)
refinery_cpu = partial(refinery, network=CPU["student"], stronger=CPU["teacher"])
refinery_subset = partial(
    refinery,
    network=NetworkSettings(name="resnet8", training=ON_SUBSET),
    stronger=TeacherSettings(name="resnet20", training=ON_SUBSET),
    images=SUBSET,
)
