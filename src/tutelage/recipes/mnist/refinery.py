"""Labels that are refined on MNIST: the net before answers for the very view that the next one sees."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tutelage.recipes.mnist.born_again import NET, PART
from tutelage.recipes.mnist.settings import DRAWN, Digits, Net, with_training
from tutelage.study.bounds import Seed, refuse_nonsense
from tutelage.study.settings import Generations

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Bagherinezhad et al. 2018, arXiv:1805.02641, for ImageNet"
STRONGER = replace(NET, units=1200)
GENERATIONS = Generations(most=5, until="no-better")


def refinery(
    run: "Run",
    *,
    net: Net = NET,
    stronger: Net = STRONGER,
    generations: Generations = GENERATIONS,
    losses: str = "refinery",
    digits: Digits = PART,
    seed: Seed = 0,
) -> None:
    """Label refinery: are labels that a net refined better? It labels what the next one sees, again and again.

    Nets learn from 5,000 images that move by up to two pixels, and each view is labelled by itself. Static labels, the
    control, are the answer for the image that does not move. A net with dropout that is wider refines once, too.

    Args:
        losses: a method, or a sum of several: refinery, refinery_both_ways, ban, kd, 0.5*ban_labels, …
        seed: generation k has the seed 100 · seed + k, the net on labels 100 · seed
    """
    from tutelage.methods.by_name import method
    from tutelage.recipes.generations import refinery_of, refuse_own_kind
    from tutelage.recipes.mnist import nets
    from tutelage.study.claims import cannot_decide
    from tutelage.study.experiments.generations import refuse_blind

    refuse_nonsense(refinery, locals())
    reason = cannot_decide(run, refinery, locals())
    refuse_blind(generations, digits.validation, "--digits.validation")
    how = method(losses)
    refuse_own_kind(how)
    data = nets.digits_of(run, digits)
    nets.refuse_too_large(data, net, stronger)
    kind = nets.kind_of(data, net, seed, {losses: how})
    large = nets.train_teacher(run, data, stronger, seed, "stronger")
    refinery_of(run, kind, how, generations, large, nets.wide(stronger.units), reason)


refinery_smoke = partial(
    refinery,
    net=with_training(replace(NET, units=20), epochs=2, batch_size=25),
    stronger=with_training(replace(NET, units=64), epochs=4, batch_size=25),
    generations=Generations(most=2, until="no-better"),
    digits=DRAWN,
)
refinery_quick = partial(refinery, net=with_training(NET, epochs=20), stronger=with_training(STRONGER, epochs=20))
