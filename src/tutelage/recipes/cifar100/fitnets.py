"""FitNets on CIFAR-100, in the paper's two stages."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from tutelage.recipes.cifar100.settings import CPU, IMAGES, ON_SUBSET, SMOKE, STUDENT, SUBSET, TEACHER, Images
from tutelage.study.bounds import Epochs, Rate, Seed, Temperature, Weight, refuse_nonsense
from tutelage.study.settings import NetworkSettings, TeacherSettings

if TYPE_CHECKING:
    from tutelage.results import Network
    from tutelage.run import Run

PAPER = "Romero et al. 2015, arXiv:1412.6550, table 2"
ELSEWHERE = "the paper's networks are others: maxout networks without batch norms, RMSProp, whitened images, 500 epochs"
DEEPER = "published for students that are deeper than their teacher"
PUBLISHED = {
    ("cifar10", "fitnet1"): 89.01,
    ("cifar10", "fitnet2"): 91.06,
    ("cifar10", "fitnet4"): 91.61,
    ("cifar100", "fitnet4"): 64.96,
}
"""Accuracy (%) of the students; those of their teachers: 90.18 % on CIFAR-10, 63.54 % on CIFAR-100."""


@dataclass(frozen=True, kw_only=True)
class Hints:
    """The first stage, in which the student's lower half learns layers of the teacher."""

    epochs: Epochs = 80
    """epochs of the first stage"""
    lr: Rate = 0.005
    """first or highest learning rate of the first stage"""
    loss: Literal["regressor", "attention"] = "regressor"
    """what is learnt of a layer: its features, through a regressor, or its attention map, which is smaller"""
    layers: Literal["middle", "all"] = "middle"
    """the middle one of the layers, or all of them, each student's layer from the teacher's beside it"""


@dataclass(frozen=True, kw_only=True)
class Fading:
    """The soft targets of the second stage, whose weight falls in a straight line."""

    temperature: Temperature = 3.0
    """softness of the targets in the second stage"""
    first: Weight = 4.0
    """weight of the soft targets at first"""
    last: Weight = 1.0
    """weight of the soft targets at last"""


HINTS, FADING = Hints(), Fading()


def fitnets(
    run: "Run",
    *,
    hints: Hints = HINTS,
    soft: Fading = FADING,
    teacher: TeacherSettings = TEACHER,
    student: NetworkSettings = STUDENT,
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """FitNets: do hints help before soft targets do? The paper's two stages, beside labels, and soft targets alone.

    Hints go from --teacher.layers to --student.layers, found where none are given: from the middle one of each, or from
    all. Students may be thinner and deeper than their teacher: --student.name fitnet1, or thin_deep(((16, 16), (32,))).
    With --hints.loss attention --hints.layers all, the first stage is what lecture notes call knowledge compression.
    The method called hint in cifar100:feature is what later comparisons made of it: one term beside the labels.

    Args:
        seed: of the students' weights, order and views
    """
    from tutelage.recipes.cifar100.images import INPUT, pictures_of, plan_for
    from tutelage.schemes.by_method import pair_of
    from tutelage.schemes.hints import faded, hinted
    from tutelage.study.claims import cannot_decide
    from tutelage.study.comparison import BASELINE
    from tutelage.study.costs import stepping
    from tutelage.study.evaluated import Evaluated, publish_networks
    from tutelage.study.experiments.hints import CITED, LOSSES, depth_of, guidance, in_words, layers_of
    from tutelage.study.own.networks import PairOfNetworks, teacher_of
    from tutelage.study.trials import Trial, run_trial

    refuse_nonsense(fitnets, locals())
    reason = cannot_decide(run, fitnets, locals(), ("teacher.seed",), {"subset": fitnets_subset})
    data = pictures_of(run, images)
    pair = PairOfNetworks(teacher, student, data)
    plan = plan_for(data, student, seed)
    first = replace(student, training=replace(student.training, epochs=hints.epochs, lr=hints.lr))
    before, guide = plan_for(data, first, seed), partial(guidance, loss=hints.loss, layers=hints.layers)
    build = pair.build_student
    pair.refuse_strangers(run, plan, {"hint": guide})
    stepping(
        run, Trial(build, before, pair.teaching(guide, run.laid_out(pair.build_teacher()), 0))
    )()  # layers that fit

    trained = teacher_of(run, data, teacher, plan_for(data, teacher, teacher.seed))
    baseline = run_trial(run, BASELINE, Trial(build, plan))
    both = pair_of(run.laid_out(build()), pair.teaching(guide, trained.last, 0), plan)
    guided, hint = layers_of(both, hints.layers)
    begin = partial(hinted, plan=before, teacher=trained.last, guided=guided, hint=hint, **LOSSES[hints.loss])
    end = partial(
        faded, plan=plan, teacher=trained.last, temperature=soft.temperature, first=soft.first, last=soft.last
    )
    start = run.stage("hints", build, begin, seed=seed)
    fitnet = run.stage("fitnet", build, partial(end, start=start.last), seed=seed)
    targets = run.stage("soft", build, partial(end, start=None), seed=seed)

    way = f"hints from {in_words(hint)} to {in_words(guided)}"
    networks = publish_networks(
        run,
        data,
        {
            "teacher": Evaluated("teacher", teacher.name, trained),
            "fitnet": Evaluated("student", f"{student.name}, {way}, then soft targets", fitnet),
            BASELINE: Evaluated("baseline", f"{student.name}, labels only", baseline.finished),
            "soft": Evaluated("student", f"{student.name}, soft targets from the start", targets),
        },
        [CITED[hints.loss], "tutelage.losses.kd:soft_targets"],
    )
    accuracy = {name: network.scores["accuracy"].value for name, network in networks.items()}
    run.publish(
        headline=f"{student.name} with hints first: {accuracy['fitnet']:.1f} % accuracy; with soft targets alone "
        f"{accuracy['soft']:.1f} %; with labels alone {accuracy[BASELINE]:.1f} %. "
        f"{teacher.name}, the teacher: {accuracy['teacher']:.1f} %."
    )
    run.deliver(fitnet.last, classes=data.test.classes, input=INPUT)
    if not data.synthetic:
        deeper = depth_of(fitnet.last) > depth_of(trained.last)
        claim_hints(run, networks, (images.name, student.name), reason or ("" if deeper else DEEPER))


fitnets_smoke = partial(fitnets, hints=Hints(epochs=1, lr=0.01), **SMOKE)
fitnets_cpu = partial(fitnets, hints=Hints(epochs=1, lr=0.05), **CPU)
fitnets_subset = partial(
    fitnets,
    hints=Hints(epochs=20, lr=0.05),
    teacher=TeacherSettings(name="wide_cnn(6)", training=ON_SUBSET),
    student=NetworkSettings(name="fitnet1", training=ON_SUBSET),
    images=SUBSET,
)
"""A student of 11 layers, thinner than its teacher of 7, with a quarter of its parameters."""


def claim_hints(run: "Run", networks: "Mapping[str, Network]", whom: tuple[str, str], reason: str) -> None:
    """What the paper's tables say: by how much a FitNet is ahead, and how good each of them is."""
    from tutelage.results import Claim

    accuracy = {name: network.scores["accuracy"].value for name, network in networks.items()}
    claim = partial(Claim, unit="points", source=PAPER, low=0.01, paired=True)
    run.claim(claim("hints help over soft targets alone", 0.14, round(accuracy["fitnet"] - accuracy["soft"], 2),
                    reason=reason, note="published for MNIST: 0.51 % of errors against 0.65 %"))  # fmt: skip
    ahead = round(accuracy["fitnet"] - accuracy["teacher"], 2)
    run.claim(claim("a FitNet beats its teacher on CIFAR-100", 1.42, ahead, reason=ELSEWHERE))
    if (published := PUBLISHED.get(whom)) is not None:
        score = networks["fitnet"].scores["accuracy"]
        run.claim(Claim(f"{whom[1]}: accuracy on {whom[0]}", published, score.value, "%", PAPER, low=published - 1,
                        interval=score.interval, reason=ELSEWHERE))  # fmt: skip
