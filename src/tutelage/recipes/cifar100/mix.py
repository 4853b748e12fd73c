"""The tools of network compression mixed, on CIFAR-100: each alone, every pair, all together."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tutelage.recipes.cifar100.settings import BRIEF, IMAGES, SMALL, SMOKE, SUBSET, Images
from tutelage.study.bounds import Seed, refuse_nonsense
from tutelage.study.experiments.mix_settings import MIX, MixSettings
from tutelage.study.settings import NetworkSettings, TeacherSettings, TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Han, Mao & Dally 2016, arXiv:1510.00149"
ORIGINAL = TeacherSettings(name="resnet56")
STUDENT = NetworkSettings(name="resnet20")
SEPARABLE = replace(MIX, blocks="depthwise-separable", pruned_to="half of the parameters")
RECOVERING = replace(TrainingSettings(), epochs=60, lr=0.02, schedule="cosine")
IMITATING = replace(TrainingSettings(), epochs=10, lr=1e-3, schedule="cosine", optimizer="adam", weight_decay=0.0)
ROUNDING = replace(TrainingSettings(), epochs=10, lr=2e-3, schedule="cosine")


def mix(
    run: "Run",
    *,
    settings: MixSettings = SEPARABLE,
    original: TeacherSettings = ORIGINAL,
    student: NetworkSettings = STUDENT,
    recovering: TrainingSettings = RECOVERING,
    imitating: TrainingSettings = IMITATING,
    rounding: TrainingSettings = ROUNDING,
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """Distil, replace layers, prune, quantise: why not all of them?

    As ``mnist:mix``, with a residual network: a smaller student, convolutions made depthwise-separable, fewer
    channels, int8.

    Args:
        settings: which tools, and how far each goes
        original: the network that is made smaller, and how it is trained
        student: the network that it is distilled into, and how that is trained
        recovering: how a network learns on after its layers were replaced, and after each round of pruning
        imitating: how new layers learn what those in their place did
        rounding: how a network learns on with the rounding of int8, twice: ranges move, then they are frozen
        seed: of the student's weights, of order and views
    """
    from tutelage.methods.response import softened
    from tutelage.recipes.cifar100.images import INPUT, pictures_of, plan_for
    from tutelage.recipes.mix import claim_mixed
    from tutelage.study.claims import cannot_decide
    from tutelage.study.experiments.mixed_tables import publish_mixed
    from tutelage.study.experiments.mixing import Made, Mixture, Plans, mixed
    from tutelage.study.own.networks import PairOfNetworks, teacher_of
    from tutelage.tasks.classification import ACCURACY

    refuse_nonsense(mix, locals())
    reason = cannot_decide(run, mix, locals(), ("images.name", "images.cache_views", "original.seed"))
    data = pictures_of(run, images)
    pair = PairOfNetworks(original, student, data)
    trainings = (student.training, imitating, recovering, rounding)
    plans = Plans(*(plan_for(data, replace(student, training=x), seed) for x in trainings))
    method = partial(softened, temperature=settings.temperature, label=0.5, soft=0.5)
    pair.refuse_strangers(run, plans.learns, {"soft targets": method})
    large = teacher_of(run, data, original, plan_for(data, original, original.seed), "original")
    teaching = pair.teaching(method, large.last, images.cache_views)
    mixture = Mixture(run, Made(large, pair.build_teacher), pair.build_student, plans, teaching, settings)
    found = publish_mixed(run, data, original.name, mixture, mixed(mixture), ACCURACY, INPUT)
    if not data.synthetic:
        claim_mixed(run, found, reason)


FEW = replace(BRIEF, epochs=1, lr=0.02)
mix_smoke = partial(
    mix,
    settings=replace(SEPARABLE, tools=("distilled", "pruned")),
    original=SMOKE["teacher"],
    student=replace(SMOKE["student"], name="narrow_cnn(2)"),
    recovering=FEW,
    imitating=replace(FEW, lr=1e-3, optimizer="adam"),
    rounding=FEW,
    images=SMOKE["images"],
)
mix_cpu = partial(
    mix,
    original=TeacherSettings(name="resnet20", views=16, training=replace(SMALL, epochs=30, lr=0.1)),
    student=NetworkSettings(name="resnet8", views=16, training=replace(SMALL, epochs=30, lr=0.1)),
    recovering=replace(SMALL, epochs=8, lr=0.02, schedule="cosine"),
    imitating=replace(IMITATING, epochs=1, batch_size=128),
    rounding=replace(SMALL, epochs=1, lr=2e-3, schedule="cosine"),
    images=SUBSET,
)
"""On 10,000 of the pictures, the same in every run; by the time of single steps, half an hour of a core."""
