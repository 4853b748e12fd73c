"""Whether a teacher can be too large to learn from, on CIFAR-100."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from tutelage.recipes.cifar100.settings import CPU, IMAGES, LONG, SMOKE, STUDENT, Images
from tutelage.study.bounds import Names, Seed, refuse_nonsense
from tutelage.study.settings import NetworkSettings, TeacherSettings, TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Cho & Hariharan 2019, arXiv:1910.01348"


TRAINING = TrainingSettings()


@dataclass(frozen=True, kw_only=True)
class Teachers:
    """Networks from small to large, all trained alike."""

    names: Names = ("resnet20", "resnet32", "resnet56", "resnet110")
    """networks from small to large: resnet56, wrn_40_2, …, or dotted paths"""
    seed: Seed = 0
    """of their weights, order and views"""
    training: Annotated[TrainingSettings, arg(name="")] = TRAINING
    """how each of them is trained"""


TEACHERS = Teachers()


def capacity(
    run: "Run",
    *,
    methods: Names = ("kd", "proportional", "attend_scaled", "attend_detached"),
    teachers: Teachers = TEACHERS,
    student: NetworkSettings = STUDENT,
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """Can a teacher be too large to learn from? Bigger and bigger teachers for one student.

    A teacher may be too large to learn from, although it knows more. Does that happen here, and does attention over its
    layers mend it?

    Args:
        methods: by which it learns from each of them; sums and factors such as 0.1*proportional too
        seed: of the students' weights, order and views
    """
    from tutelage.methods.by_name import expanded, family, method
    from tutelage.recipes.cifar100.images import INPUT, pictures_of, plan_for
    from tutelage.recipes.proposal import claim_layers, claim_size
    from tutelage.study.claims import cannot_decide
    from tutelage.study.comparison import BASELINE, Compared, publish_comparison
    from tutelage.study.experiments.capacity import best_teachers_in_words, students_by_teacher
    from tutelage.study.own.networks import PairOfNetworks, teacher_of
    from tutelage.study.trials import Trial, run_trial, run_trials
    from tutelage.tasks.classification import ACCURACY

    refuse_nonsense(capacity, locals())
    reason = cannot_decide(run, capacity, locals(), free=("methods", "images.cache_views", "teachers.seed"))
    chosen = {name: method(name) for name in expanded(methods)}
    data = pictures_of(run, images)
    plan = plan_for(data, student, seed)
    named = [TeacherSettings(name=name, training=teachers.training, seed=teachers.seed) for name in teachers.names]
    pairs = {one.name: PairOfNetworks(one, student, data) for one in named}
    for pair in pairs.values():
        pair.refuse_strangers(run, plan, chosen)

    trained = {
        one.name: teacher_of(run, data, one, plan_for(data, one, one.seed), f"teacher {one.name}") for one in named
    }
    baseline = run_trial(run, BASELINE, Trial(next(iter(pairs.values())).build_student, plan))
    trials = {}
    for name, pair in pairs.items():
        for word, how in chosen.items():
            teaching = pair.teaching(how, trained[name].last, images.cache_views)
            trials[f"{word} from {name}"] = [Trial(pair.student_of(how), plan, teaching, family(how))]
    outcome = run_trials(run, data, trials)

    labels = {f"teacher {name}": name for name in pairs}
    labels |= {name: f"{student.name}, {name}" for name in (BASELINE, *trials)}
    stages = {f"teacher {name}": one for name, one in trained.items()}
    networks = publish_comparison(run, data, Compared("Students", ACCURACY, stages, baseline, outcome, labels), INPUT)
    run.publish(
        tables=[students_by_teacher(networks, list(pairs), list(chosen), ACCURACY)],
        headline=best_teachers_in_words(networks, list(pairs), list(chosen), student.name, ACCURACY),
    )
    if not data.synthetic and len(pairs) > 1:
        claim_size(run, networks, list(pairs), list(chosen), reason)
        largest = {name: one for name, one in outcome.students.items() if name.endswith(f" from {named[-1].name}")}
        claim_layers(run, data, largest, networks, reason)


capacity_smoke = partial(
    capacity,
    methods=("kd",),
    teachers=Teachers(names=("resnet8",), training=SMOKE["teacher"].training),
    student=SMOKE["student"],
    images=SMOKE["images"],
)
capacity_cpu = partial(
    capacity,
    methods=(
        "kd",
        "0.1*proportional",
        "0.1*attend_scaled",
        "0.1*attend_detached",
    ),  # at a rate of 0.3, as attention_cpu
    teachers=Teachers(names=("resnet8", "resnet14", "resnet20", "resnet32"), training=CPU["teacher"].training),
    student=CPU["student"],
)
capacity_long = partial(
    capacity,
    methods=("kd", "proportional"),
    teachers=Teachers(names=("resnet8", "resnet20", "resnet56"), training=LONG["teacher"].training),
    student=LONG["student"],
)
