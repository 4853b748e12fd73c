"""From one modality to another on CIFAR-100: a teacher of lightness teaches a student of colours, without labels."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tutelage.recipes.cifar100.settings import (
    BRIEF,
    CPU,
    IMAGES,
    ON_SUBSET,
    PAPER,
    SMALL,
    SMOKE,
    STUDENT,
    SUBSET,
    TEACHER,
    Images,
)
from tutelage.study.bounds import Count, Names, Seed, refuse_nonsense
from tutelage.study.settings import NetworkSettings, TeacherSettings, TrainingSettings

if TYPE_CHECKING:
    from tutelage.results import Network
    from tutelage.run import Run

__all__ = ["PAPER"]
PROBE = TrainingSettings(epochs=60, lr=0.1, weight_decay=0.0)
INPUT = "float32 (N, 2, 32, 32): a* and b* of the picture, less their mean over CIFAR-100 and divided by their std"
ELSEWHERE = "the paper gives the direction alone, and has STL-10 where this has CIFAR-100"


def crossmodal(
    run: "Run",
    *,
    methods: Names = ("kd", "at", "hint_last", "kd+at", "crd"),
    labelled: Count = 5000,
    teacher: TeacherSettings = TEACHER,
    student: NetworkSettings = STUDENT,
    probe: TrainingSettings = PROBE,
    tuning: TrainingSettings = STUDENT.training,
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """Can a teacher of lightness teach a student of colours? From the same pictures, without their labels.

    The teacher learns from a few labelled images; a student learns from it on all others, whose labels are taken away,
    by what a method has beside labels. Then the few labelled images show what its features are worth: a linear layer is
    fitted to them as they are, and the whole student is tuned. In the paper the images are STL-10's.

    Args:
        methods: by which students learn: names or sums such as kd+at; those that compare with labels are refused
        labelled: images with labels, from which the teacher, the linear layers and the tuned students learn
        probe: how linear layers are fitted
        tuning: how whole students are tuned, and trained on labels alone
        seed: of the students' weights, order and views
    """
    from tutelage.data.split import held_out
    from tutelage.data.views import plain
    from tutelage.methods.by_name import expanded, family, method
    from tutelage.recipes.cifar100 import images as looks
    from tutelage.schemes.supervised import supervised
    from tutelage.study.claims import cannot_decide
    from tutelage.study.evaluated import Evaluated
    from tutelage.study.experiments.transfer import ALL, Transfer, judged, publish_transfer
    from tutelage.study.own.networks import PairOfNetworks, teacher_of
    from tutelage.study.trials import Trial, run_trials

    refuse_nonsense(crossmodal, locals())
    if not images.validation:
        raise ValueError(
            "--images.validation must be more than 0 here: validation images choose the student to deliver; got 0."
        )
    free = ("methods", "images.cache_views", "teacher.seed")
    reason = cannot_decide(run, crossmodal, locals(), free, {"subset": crossmodal_subset})
    chosen = {name: method(name) for name in expanded(methods)}
    data = looks.pictures_of(run, images)
    if labelled >= len(data.train):
        raise ValueError(f"--labelled must leave some of {len(data.train)} images for the transfer; got {labelled}.")
    rest, few = held_out(data.train, labelled)
    colours = replace(data, train=few, test_transform=looks.in_colours(plain))
    lightness = looks.of_lightness(replace(data, train=few))
    paired = replace(colours, train=rest.unlabelled(), validation=None)
    pair = PairOfNetworks(teacher, student, colours, lightness, looks.LUMINANCE)
    plan = looks.plan_for(paired, student, seed, looks.in_both)
    pair.refuse_strangers(run, plan, chosen)

    called = f"{student.name} on colours"
    labels = partial(looks.plan_for, seed=seed, look=looks.in_colours)
    probing, tuned = (replace(student, training=training) for training in (probe, tuning))
    of_lightness = looks.plan_for(lightness, teacher, teacher.seed, looks.in_lightness)
    trained = teacher_of(run, lightness, teacher, of_lightness)
    trials = {
        name: [Trial(pair.student_of(how), plan, pair.teaching(how, trained.last, images.cache_views), family(how))]
        for name, how in chosen.items()
    }
    outcome = run_trials(run, data, trials)
    transfer = Transfer(pair.build_student, labels(colours, probing), labels(colours, tuned), outcome, called)
    everything = partial(supervised, plan=labels(replace(colours, train=data.train), tuned))
    students, diverged = judged(run, transfer, colours)
    networks = {
        "teacher": Evaluated("teacher", f"{teacher.name} on lightness, {len(few)} labels", trained, lightness),
        **students,
        ALL: Evaluated("student", f"{called}, {len(data.train)} labels",
                       run.stage(ALL, pair.build_student, everything, seed=seed)),
    }  # fmt: skip
    measured = publish_transfer(run, colours, transfer, networks, diverged, INPUT)
    run.publish(data={f"{rest.name}, {len(rest)} samples without labels": paired.train.checksum})
    if not data.synthetic:
        claim_directions(run, measured, reason)


crossmodal_smoke = partial(
    crossmodal,
    methods=("kd", "crd"),
    labelled=60,
    teacher=replace(SMOKE["teacher"], name="narrow_cnn(2)"),
    student=replace(SMOKE["student"], name="narrow_cnn(2)"),
    probe=replace(BRIEF, epochs=1, lr=0.1),
    tuning=replace(BRIEF, epochs=1, lr=0.05),
    images=SMOKE["images"],
)
crossmodal_cpu = partial(
    crossmodal,
    probe=replace(SMALL, epochs=6, lr=0.1, weight_decay=0.0),
    tuning=replace(SMALL, epochs=10, lr=0.1),
    **CPU,
)
crossmodal_subset = partial(
    crossmodal,
    labelled=2500,
    teacher=TeacherSettings(name="resnet20", training=ON_SUBSET),
    student=NetworkSettings(name="resnet8", training=ON_SUBSET),
    probe=replace(ON_SUBSET, weight_decay=0.0),
    tuning=ON_SUBSET,
    images=SUBSET,
)


def claim_directions(run: "Run", networks: "dict[str, Network]", reason: str) -> None:
    """Who comes before whom, of linear layers on the students' features and of tuned students."""
    from tutelage.results import Claim
    from tutelage.study.experiments.transfer import WAYS

    claim = partial(Claim, unit="points", source=PAPER, reason=reason, note=ELSEWHERE, paired=True)
    for way in WAYS:
        scores = {name.removesuffix(f", {way}"): network.scores["accuracy"].value
                  for name, network in networks.items() if name.endswith(f", {way}")}  # fmt: skip
        others = [value for name, value in scores.items() if "crd" not in name]
        if "crd" in scores:
            run.claim(claim(f"{way}: crd is best of all", 0.0, round(scores["crd"] - max(others), 2), low=0.01))
        for better, worse in (("hint_last", "kd"), ("hint_last", "kd+at")):
            if {better, worse} <= scores.keys():
                gain = round(scores[better] - scores[worse], 2)
                run.claim(claim(f"{way}: {better} beats {worse}", 0.0, gain, low=0.01))
        if {"kd", "kd+at"} <= scores.keys():
            gain = round(scores["kd+at"] - scores["kd"], 2)
            note = f"{ELSEWHERE}; up to half a point counts as no better"
            run.claim(claim(f"{way}: kd+at is no better than kd", 0.0, gain, high=0.5, note=note))
