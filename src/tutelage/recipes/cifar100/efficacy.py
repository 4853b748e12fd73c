"""When distillation helps, on CIFAR-100: how large a teacher, how long it is trained, how long it teaches."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from tutelage.recipes.cifar100.capacity import Teachers
from tutelage.recipes.cifar100.settings import BRIEF, IMAGES, ON_SUBSET, SMALL, SMOKE, SUBSET, Images
from tutelage.study.bounds import Distinct, Epochs, NotEmpty, Seed, Share, Temperature, refuse_nonsense
from tutelage.study.settings import NetworkSettings, TeacherSettings, TrainingSettings

if TYPE_CHECKING:
    from tutelage.methods.pair import Method
    from tutelage.run import Run
    from tutelage.stages.storage import Finished

PAPER = "Cho & Hariharan 2019, arXiv:1910.01348"
TRAINING = TrainingSettings(epochs=200, batch_size=128, lr=0.1)
TEACHERS = Teachers(training=TRAINING)
STUDENT = NetworkSettings(name="resnet8", training=TRAINING)


def efficacy(
    run: "Run",
    *,
    temperature: Temperature = 4.0,
    label: Share = 0.1,
    stops: Annotated[tuple[Epochs, ...], NotEmpty(), Distinct()] = (60, 120, 180),
    short: Annotated[tuple[Epochs, ...], NotEmpty(), Distinct()] = (35, 50, 80),
    teachers: Teachers = TEACHERS,
    student: NetworkSettings = STUDENT,
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """Where does a bigger teacher stop being better? And does it help to stop it, or the teaching, early?

    One student learns from larger and larger teachers, throughout or until some epoch, from which on it learns from
    labels alone. The largest teacher is also trained for less: by a shorter schedule with all of its drops, and by the
    long one that is cut off. What is best is picked by the student's score on validation images.

    Args:
        temperature: softness of the targets
        label: weight of the true labels; the soft targets weigh the rest
        stops: epochs of the student after which KD is switched off
        short: epochs after which the largest teacher stops
        seed: of the students' weights, order and views
    """
    from tutelage.methods.response import softened
    from tutelage.methods.sums import stopped
    from tutelage.recipes.cifar100.images import INPUT, pictures_of, plan_for
    from tutelage.recipes.efficacy import claim_size, claim_stops
    from tutelage.schemes.supervised import supervised
    from tutelage.study.claims import cannot_decide
    from tutelage.study.comparison import BASELINE, Compared, publish_comparison
    from tutelage.study.experiments.assistants import refuse_no_growth, sizes_of
    from tutelage.study.experiments.capacity import students_by_teacher
    from tutelage.study.experiments.choice import refuse_no_choice
    from tutelage.study.experiments.efficacy import (
        COMPLETE,
        early_teachers,
        in_words,
        method_for,
        refuse_late,
        stopped_early,
        switched_off,
    )
    from tutelage.study.own.networks import PairOfNetworks, teacher_of
    from tutelage.study.trials import Trial, run_trial, run_trials
    from tutelage.tasks.classification import ACCURACY

    refuse_nonsense(efficacy, locals())
    refuse_no_choice(images.validation, "--images.validation")
    refuse_late(stops, "--stops", student.training.epochs, "--student.epochs")
    refuse_late(short, "--short", teachers.training.epochs, "--teachers.epochs")
    free = ("images.cache_views", "teachers.seed")
    reason = cannot_decide(run, efficacy, locals(), free, {"subset": efficacy_subset})
    data = pictures_of(run, images)
    plan = plan_for(data, student, seed)
    kd = partial(softened, temperature=temperature, label=label, soft=1 - label)
    methods: dict[str, Method] = {"kd": kd, **{method_for(stop): stopped(kd, stop) for stop in stops}}
    named = {
        name: TeacherSettings(name=name, training=teachers.training, seed=teachers.seed) for name in teachers.names
    }
    pairs = {name: PairOfNetworks(one, student, data) for name, one in named.items()}
    *_, largest = named
    whole = plan_for(data, named[largest], teachers.seed)
    early = stopped_early(largest, whole, short)
    for pair in pairs.values():
        pair.refuse_strangers(run, plan, methods)
    sizes = sizes_of({name: pair.build_teacher for name, pair in pairs.items()})
    refuse_no_growth(sizes.items(), "--teachers.names")

    trained = {name: teacher_of(run, data, one, plan_for(data, one, one.seed), f"teacher {name}")
               for name, one in named.items()}  # fmt: skip
    build = pairs[largest].build_teacher
    stages = {name: run.stage(f"teacher {name}", build, partial(supervised, plan=own), seed=teachers.seed)
              for name, (_, own) in early.items()}  # fmt: skip
    baseline = run_trial(run, BASELINE, Trial(pairs[largest].build_student, plan))

    def trial(pair: PairOfNetworks, method: "Method", teacher: "Finished") -> list[Trial]:
        return [Trial(pair.build_student, plan, pair.teaching(method, teacher.last, images.cache_views), "response")]

    trials = {f"{word} from {name}": trial(pairs[name], method, one)
              for name, one in trained.items() for word, method in methods.items()}  # fmt: skip
    trials |= {f"kd from {name}": trial(pairs[largest], kd, one) for name, one in stages.items()}
    outcome = run_trials(run, data, trials)

    first = {largest: trained[largest]}  # the teacher that a report compares students with
    teaching = {f"teacher {name}": one for name, one in {**first, **trained, **stages}.items()}
    labels = {f"teacher {name}": name for name in (*named, *early)}
    labels |= {name: f"{student.name}, {name}" for name in (BASELINE, *trials)}
    compared = Compared("Students", ACCURACY, teaching, baseline, outcome, labels)
    networks = publish_comparison(run, data, compared, INPUT)
    delivered = next(iter(compared.ranked(data)), "")
    run.publish(
        tables=[
            students_by_teacher(networks, list(named), list(methods), ACCURACY),
            switched_off(networks, list(named), stops, plan.epochs, ACCURACY),
            early_teachers(networks, largest, whole, early, ACCURACY),
        ],
        headline=in_words(networks, list(named), early, student.name, delivered, ACCURACY),
    )
    if not data.synthetic:
        complete = [name for name, (schedule, _) in early.items() if schedule == COMPLETE]
        claim_size(run, networks, list(named), ACCURACY, reason)
        claim_stops(run, networks, largest, stops, complete, ACCURACY, reason)


efficacy_smoke = partial(
    efficacy,
    stops=(1,),
    short=(1,),
    teachers=Teachers(names=("wide_cnn(2)", "wide_cnn(4)"), training=replace(BRIEF, epochs=2, lr=0.05)),
    student=NetworkSettings(name="wide_cnn(2)", views=2, training=replace(BRIEF, epochs=2, lr=0.05)),
    images=SMOKE["images"],
)
efficacy_cpu = partial(
    efficacy,
    stops=(2, 4),
    short=(2, 4),
    teachers=Teachers(names=("wide_cnn(4)", "wide_cnn(6)"), training=replace(SMALL, epochs=6, lr=0.1)),
    student=NetworkSettings(name="wide_cnn(2)", views=3, training=replace(SMALL, epochs=6, lr=0.1)),
    images=SUBSET,
)
efficacy_subset = partial(
    efficacy,
    stops=(20, 40),
    short=(10, 20, 40),
    teachers=Teachers(names=("wide_cnn(4)", "wide_cnn(6)", "wide_cnn(8)", "wide_cnn(10)"), training=ON_SUBSET),
    student=NetworkSettings(name="wide_cnn(2)", training=ON_SUBSET),
    images=SUBSET,
)
