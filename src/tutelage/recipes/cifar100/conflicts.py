"""Whether losses get in each other's way on CIFAR-100, and whether it helps to remove that."""

from functools import partial
from typing import TYPE_CHECKING

from tutelage.recipes.cifar100.settings import CPU, IMAGES, LONG, SMOKE, STUDENT, TEACHER, Images
from tutelage.study.bounds import Seed, refuse_nonsense
from tutelage.study.settings import NetworkSettings, Rules, TeacherSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Yu et al. 2020, arXiv:2001.06782, for multi-task learning"

RULES = Rules()


def conflicts(
    run: "Run",
    *,
    losses: str = "kd+hint+sp",
    rules: Rules = RULES,
    teacher: TeacherSettings = TEACHER,
    student: NetworkSettings = STUDENT,
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """Does removing conflict help? One set of losses, and many rules that make one gradient of theirs.

    All students have the same losses, seed and steps. One more, by the weighted sum, has as much time as a rule takes
    that wants one gradient a loss. How gradients lie to each other is measured in head, backbone and every stage.

    Args:
        losses: a sum of methods, such as 0.9*kd+at+sp; labels are always among them
        seed: of the students' weights, order and views, and of rules that draw
    """
    from tutelage.methods.by_name import method
    from tutelage.recipes.cifar100.images import INPUT, pictures_of, plan_for
    from tutelage.recipes.proposal import claim_conflicts
    from tutelage.study.claims import cannot_decide
    from tutelage.study.comparison import BASELINE, Compared, best_in_words, publish_comparison
    from tutelage.study.experiments.conflicts import SUM, question, rule_trials, where_losses_pull
    from tutelage.study.own.networks import PairOfNetworks, teacher_of
    from tutelage.study.trials import Trial, run_trial, run_trials
    from tutelage.tasks.classification import ACCURACY

    refuse_nonsense(conflicts, locals())
    reason = cannot_decide(run, conflicts, locals(), free=("rules", "images.cache_views", "teacher.seed"))
    how, asked = method(losses), question(rules.names, rules.look_every, rules.time_ratio)
    data = pictures_of(run, images)
    pair = PairOfNetworks(teacher, student, data)
    plan = plan_for(data, student, seed)
    pair.refuse_strangers(run, plan, {losses: how})

    trained = teacher_of(run, data, teacher, plan_for(data, teacher, teacher.seed))
    baseline = run_trial(run, BASELINE, Trial(pair.build_student, plan))
    teaching = pair.teaching(how, trained.last, images.cache_views)
    outcome = run_trials(run, data, rule_trials(run, pair.student_of(how), plan, teaching, asked))

    labels = {"teacher": teacher.name} | {name: f"{student.name}, {name}" for name in (BASELINE, *outcome.students)}
    compared = Compared(f"Rules for {losses}", ACCURACY, {"teacher": trained}, baseline, outcome, labels, rival=SUM)
    networks = publish_comparison(run, data, compared, INPUT)
    run.publish(
        headline=best_in_words(compared, networks, teacher.name, student.name, "rules"),
        tables=[where_losses_pull(outcome.students[SUM].finished.records)] if SUM in outcome.students else [],
    )
    if not data.synthetic:
        claim_conflicts(run, networks, reason)


conflicts_smoke = partial(conflicts, rules=Rules(names=("pcgrad", "cheap"), look_every=2, time_ratio=1.0), **SMOKE)
conflicts_cpu = partial(conflicts, **CPU)
conflicts_long = partial(conflicts, rules=Rules(names=("pcgrad", "labels_first")), **LONG)
