"""Nets that are born again on MNIST: each generation learns from the one before it, without labels."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from tutelage.recipes.mnist.settings import DRAWN, PLAIN, Digits, Net, with_training
from tutelage.study.bounds import Distinct, Seed, refuse_nonsense
from tutelage.study.settings import Generations

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Furlanello et al. 2018, arXiv:1805.04770, table 2, for CIFAR-100"
NET = Net(units=300, training=replace(PLAIN, epochs=60))
GENERATIONS = Generations()
PART = Digits(train=5000)
"""A fixed part of the images, on which a net makes errors enough for differences to be seen."""


def born_again(
    run: "Run",
    *,
    net: Net = NET,
    generations: Generations = GENERATIONS,
    controls: Annotated[tuple[str, ...], Distinct()] = ("ban_labels", "cwtm", "dkpp"),
    digits: Digits = PART,
    seed: Seed = 0,
) -> None:
    """Born again: does a net that its own kind teaches become better? Generations without labels, with controls.

    Nets learn from 5,000 images that move by up to two pixels. The controls take the place of the first generation:
    with labels too, by the teacher's confidence alone, and with its smaller answers given to other classes.

    Args:
        controls: methods that stand beside the first generation: ban_labels, cwtm, dkpp, or any other
        seed: generation k has the seed 100 · seed + k, its teacher 100 · seed
    """
    from tutelage.methods.by_name import method
    from tutelage.recipes.generations import born_again_of
    from tutelage.recipes.mnist import nets
    from tutelage.study.claims import cannot_decide
    from tutelage.study.experiments.generations import refuse_blind

    refuse_nonsense(born_again, locals())
    reason = cannot_decide(run, born_again, locals())
    refuse_blind(generations, digits.validation, "--digits.validation")
    methods = {name: method(name) for name in controls}
    data = nets.digits_of(run, digits)
    nets.refuse_too_large(data, net)
    kind = nets.kind_of(data, net, seed, methods)
    born_again_of(run, kind, generations, methods, reason)


born_again_smoke = partial(
    born_again,
    net=with_training(replace(NET, units=20), epochs=2, batch_size=25),
    generations=Generations(most=2),
    controls=("dkpp",),
    digits=DRAWN,
)
born_again_quick = partial(born_again, net=with_training(NET, epochs=20))
