"""Networks that are born again on CIFAR-100: each generation learns from the one before it, without labels."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

from tutelage.recipes.cifar100.settings import CPU, IMAGES, ON_SUBSET, SMOKE, SUBSET, Images
from tutelage.study.bounds import Distinct, Seed, refuse_nonsense
from tutelage.study.settings import Generations, NetworkSettings, TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Furlanello et al. 2018, arXiv:1805.04770, table 2"
DENSENET = TrainingSettings(epochs=300, lr=0.1, schedule="two-steps", optimizer="nesterov", weight_decay=1e-4)
NETWORK = NetworkSettings(name="densenet_bc(112, 33)", training=DENSENET)
GENERATIONS = Generations()


def born_again(
    run: "Run",
    *,
    network: NetworkSettings = NETWORK,
    generations: Generations = GENERATIONS,
    controls: Annotated[tuple[str, ...], Distinct()] = ("ban_labels", "cwtm", "dkpp"),
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """Born again: does a network that its own kind teaches become better? Generations without labels, with controls.

    The controls take the place of the first generation: with labels too, by the teacher's confidence alone, and with
    its smaller answers given to other classes. For the paper's DenseNet-112-33 the one with bottlenecks is taken.

    Args:
        controls: methods that stand beside the first generation: ban_labels, cwtm, dkpp, or any other
        seed: generation k has the seed 100 · seed + k, its teacher 100 · seed
    """
    from tutelage.methods.by_name import method
    from tutelage.recipes.cifar100.images import kind_of
    from tutelage.recipes.generation_claims import claim_table
    from tutelage.recipes.generations import born_again_of
    from tutelage.study.claims import cannot_decide
    from tutelage.study.experiments.generations import refuse_blind

    refuse_nonsense(born_again, locals())
    exact = cannot_decide(run, born_again, locals(), free=("images.cache_views",))
    reason = cannot_decide(
        run, born_again, locals(), free=("images.cache_views", "network.name"), deciding={"subset": born_again_subset}
    )
    refuse_blind(generations, images.validation, "--images.validation")
    methods = {name: method(name) for name in controls}
    kind = kind_of(run, network, images, seed, methods)
    found = born_again_of(run, kind, generations, methods, reason)
    if not kind.data.synthetic:
        claim_table(run, found, exact)


born_again_smoke = partial(
    born_again,
    network=SMOKE["student"],
    generations=Generations(most=2),
    controls=("dkpp",),
    images=SMOKE["images"],
)
born_again_cpu = partial(born_again, network=CPU["student"])
born_again_subset = partial(born_again, network=NetworkSettings(name="resnet8", training=ON_SUBSET), images=SUBSET)
