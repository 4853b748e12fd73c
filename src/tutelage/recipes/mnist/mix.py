"""The tools of network compression mixed, on MNIST: each alone, every pair, all together."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from tutelage.recipes.mnist.settings import DIGITS, DRAWN, PLAIN, TAUGHT, Digits
from tutelage.study.bounds import Above, AtMost, Seed, refuse_nonsense
from tutelage.study.experiments.mix_settings import MIX, MixSettings
from tutelage.study.settings import TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Han, Mao & Dally 2016, arXiv:1510.00149"
ORIGINAL = replace(PLAIN, epochs=12, lr=0.05, weight_decay=1e-4)
STUDENT = replace(TAUGHT, epochs=12)
RECOVERING = replace(TAUGHT, epochs=5, lr=1e-3)
IMITATING = replace(TAUGHT, epochs=1, lr=1e-3)
ROUNDING = replace(TAUGHT, epochs=1, lr=1e-4)


def mix(
    run: "Run",
    *,
    settings: MixSettings = MIX,
    width: Annotated[float, Above(0), AtMost(1)] = 0.5,
    original: TrainingSettings = ORIGINAL,
    student: TrainingSettings = STUDENT,
    recovering: TrainingSettings = RECOVERING,
    imitating: TrainingSettings = IMITATING,
    rounding: TrainingSettings = ROUNDING,
    digits: Digits = DIGITS,
    seed: Seed = 0,
) -> None:
    """Distil, replace layers, prune, quantise: why not all of them?

    LeNet-5 is made smaller by each tool alone, by every pair, and by all together: a narrower student, layers of low
    rank, fewer channels, int8. Each arm is a file that is asked and timed. Steps that several arms begin with are
    trained once.

    Args:
        settings: which tools, and how far each goes
        width: of the narrower student: share of the channels and units
        original: how LeNet-5 is trained
        student: how the narrower one is trained
        recovering: how a network learns on after its layers were replaced, and after each round of pruning
        imitating: how new layers learn what those in their place did
        rounding: how a network learns on with the rounding of int8, twice: ranges move, then they are frozen
        seed: of weights, order and views
    """
    from tutelage.methods.response import softened
    from tutelage.models.lenet import lenet5
    from tutelage.recipes.mix import claim_mixed
    from tutelage.recipes.mnist import nets
    from tutelage.schemes.by_method import Teaching
    from tutelage.study import memory
    from tutelage.study.claims import cannot_decide
    from tutelage.study.experiments.mixed_tables import publish_mixed
    from tutelage.study.experiments.mixing import Mixture, Plans, mixed, whole
    from tutelage.tasks.classification import ERRORS

    refuse_nonsense(mix, locals())
    reason = cannot_decide(run, mix, locals())
    data = nets.digits_of(run, digits)
    memory.refuse_too_large("LeNet-5", lenet5, data, original.batch_size)
    large = whole(run, lenet5, nets.plan_for(data, original, seed), seed)
    first, second, units = (max(1, round(width * full)) for full in (20, 50, 500))
    plans = Plans(*(nets.plan_for(data, x, seed) for x in (student, imitating, recovering, rounding)))
    method = partial(softened, temperature=settings.temperature, label=0.5, soft=0.5)
    teaching = Teaching(method, large.finished.last, ("lenet-5", "lenet-5"))
    narrow = partial(lenet5, first=first, second=second, units=units)
    mixture = Mixture(run, large, narrow, plans, teaching, settings)
    found = publish_mixed(run, data, "LeNet-5", mixture, mixed(mixture), ERRORS, nets.INPUT)
    if not data.synthetic:
        claim_mixed(run, found, reason)


BRIEF = replace(TAUGHT, epochs=1, batch_size=25, lr=1e-3)
mix_smoke = partial(
    mix,
    settings=replace(MIX, tools=("replaced", "int8")),
    original=replace(BRIEF, epochs=2),
    student=BRIEF,
    recovering=BRIEF,
    imitating=BRIEF,
    rounding=BRIEF,
    digits=replace(DRAWN, train=200),
)
mix_quick = partial(
    mix,
    original=replace(ORIGINAL, epochs=4),
    student=replace(STUDENT, epochs=4),
    recovering=replace(RECOVERING, epochs=2),
    digits=replace(DIGITS, train=20_000),
)
