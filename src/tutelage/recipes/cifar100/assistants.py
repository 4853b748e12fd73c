"""Teacher assistants on CIFAR-100: every way from a large network down to a small one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from tutelage.recipes.cifar100.settings import BRIEF, IMAGES, ON_SUBSET, SMALL, SMOKE, SUBSET, Images
from tutelage.study.bounds import Names, Seed, Share, Temperature, Within, refuse_nonsense
from tutelage.study.settings import TeacherSettings, TrainingSettings

if TYPE_CHECKING:
    from torch import nn

    from tutelage.run import Run
    from tutelage.stages.stage import Fit
    from tutelage.study.experiments.ways import Ways

PAPER = "Mirzadeh et al. 2020, arXiv:1902.03393, tables 1 and 2"
WIDE = ("wide_cnn(10)", "wide_cnn(8)", "wide_cnn(6)", "wide_cnn(4)", "wide_cnn(2)")
NARROW = ("narrow_cnn(10)", "narrow_cnn(8)", "narrow_cnn(6)", "narrow_cnn(4)", "narrow_cnn(2)")
PUBLISHED: Mapping[tuple[str, tuple[str, ...]], Mapping[str, float]] = {
    ("cifar100", WIDE): {"NOKD": 41.09, "BLKD": 44.57, WIDE[1]: 44.28, WIDE[2]: 44.57, WIDE[3]: 44.92},
    ("cifar10", NARROW): {"NOKD": 70.16, "BLKD": 72.57, NARROW[1]: 72.75, NARROW[2]: 73.15, NARROW[3]: 73.51},
}
"""Test accuracy (%) of the student: alone, taught by the teacher, and by way of one assistant."""
TRAINING = TrainingSettings(
    epochs=150, batch_size=128, lr=0.1, schedule="constant", optimizer="nesterov", weight_decay=1e-4
)


@dataclass(frozen=True, kw_only=True)
class Networks:
    """Networks from the teacher down to the student, all trained alike."""

    names: Names = WIDE
    """from large to small: the teacher first, then assistants, the student last"""
    views: Annotated[int, Within(0, 162)] = 0
    """how many of the 162 crops and flips they see, in turn; 0 draws any of them at random"""
    seed: Seed = 0
    """of the teacher's weights, order and views"""
    training: Annotated[TrainingSettings, arg(name="")] = TRAINING
    """how each of them is trained"""


NETWORKS = Networks()


def assistants(
    run: "Run",
    *,
    temperature: Temperature = 4.0,
    label: Share = 0.1,
    networks: Networks = NETWORKS,
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """Does an assistant help a small network to learn from a large one? Every way through the networks in between.

    With n networks between them there are 2ⁿ ways; what several begin with is trained once. The best one is chosen on
    validation images. Each size is trained alone as well: the paper expects the assistant to be best whose accuracy
    alone is nearest to the mean of the teacher's and the student's.

    Args:
        temperature: softness of the targets, τ in the paper
        label: weight of the true labels, 1 − λ in the paper; the soft targets weigh the rest
        seed: of weights, order and views, but for the teacher's
    """
    from itertools import pairwise

    from tutelage.methods.response import softened
    from tutelage.recipes.cifar100.images import INPUT, pictures_of, plan_for
    from tutelage.schemes.by_method import by_method
    from tutelage.schemes.chain import Link
    from tutelage.schemes.paths import Path, taught_along_paths, trainings
    from tutelage.study.claims import cannot_decide
    from tutelage.study.experiments.assistants import Cast, alone, publish_ways, refuse_alone, refuse_disorder, sizes_of
    from tutelage.study.experiments.choice import refuse_no_choice
    from tutelage.study.experiments.ways import ARROW
    from tutelage.study.own.networks import PairOfNetworks, teacher_of
    from tutelage.tasks.classification import ACCURACY

    refuse_nonsense(assistants, locals())
    refuse_no_choice(images.validation, "--images.validation")
    free = ("networks.seed", "networks.names", "images.name", "images.cache_views")
    reason = cannot_decide(run, assistants, locals(), free, {"subset": assistants_subset})
    method = partial(softened, temperature=temperature, label=label, soft=1 - label)
    refuse_alone(networks.names, "--networks.names")
    data = pictures_of(run, images)
    teacher = TeacherSettings(
        name=networks.names[0], views=networks.views, training=networks.training, seed=networks.seed
    )
    plan = plan_for(data, teacher, seed)
    settings = [replace(teacher, name=name) for name in networks.names]
    pairs = {smaller.name: PairOfNetworks(larger, smaller, data) for larger, smaller in pairwise(settings)}
    for pair in pairs.values():
        pair.refuse_strangers(run, plan, {"kd": method})
    builds = {name: pair.build_student for name, pair in pairs.items()}
    sizes = sizes_of({teacher.name: pairs[settings[1].name].build_teacher, **builds})
    refuse_disorder(sizes.items(), "--networks.names")
    run.progress.note(trainings(networks.names))

    def link(path: Path[str]) -> Link:
        pair = replace(pairs[path[-1]], teacher=replace(teacher, name=path[-2]))

        def taught(network: "nn.Module") -> "Fit":
            return partial(by_method, plan=plan, teaching=pair.teaching(method, network, images.cache_views))

        return Link(ARROW.join(path), builds[path[-1]], taught, seed)

    trained = teacher_of(run, data, teacher, plan_for(data, teacher, teacher.seed), teacher.name)
    single = alone(run, builds, plan, seed)
    taught = {ARROW.join(path): one for path, one in taught_along_paths(run, trained.last, networks.names, link)}
    ways = publish_ways(run, data, Cast(networks.names, trained, single, taught), ACCURACY, INPUT)
    if not data.synthetic:
        claim_assistants(run, ways, PUBLISHED.get((images.name, networks.names), {}), reason)


assistants_smoke = partial(
    assistants,
    networks=Networks(names=("wide_cnn(6)", "wide_cnn(4)", "wide_cnn(2)"), training=replace(BRIEF, epochs=1, lr=0.05)),
    images=SMOKE["images"],
)
assistants_cpu = partial(
    assistants,
    networks=Networks(
        names=("wide_cnn(6)", "wide_cnn(4)", "wide_cnn(2)"), views=3, training=replace(SMALL, epochs=3, lr=0.1)
    ),
    images=SUBSET,
)
assistants_subset = partial(assistants, networks=Networks(training=ON_SUBSET), images=SUBSET)


def claim_assistants(run: "Run", ways: "Ways", published: "Mapping[str, float]", reason: str) -> None:
    """The tables of the paper, which its own preset decides, and the directions in them."""
    from tutelage.recipes.assistants import claim_directions
    from tutelage.results import Claim
    from tutelage.study.claims import PAPER as PRESET
    from tutelage.study.comparison import BASELINE

    figures = reason or ("" if run.preset == PRESET else f"the {PRESET} preset decides")
    networks = {"NOKD": BASELINE, "BLKD": ways.direct, **ways.single}
    for name, value in published.items():
        score = ways.networks[networks[name]].scores[ways.metric.name]
        words = name if name in ("NOKD", "BLKD") else f"TAKD by way of {name}"
        run.claim(Claim(f"{words}: accuracy", value, score.value, "%", PAPER, low=round(value - 1, 2),
                        reason=figures, interval=score.interval))  # fmt: skip
    note = "λ and τ were searched for on the test set"
    claim_directions(run, ways, published, reason or ("" if published else "published for other networks"), note)
