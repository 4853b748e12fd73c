"""Whether losses get in each other's way on MNIST: the version of cifar100:conflicts that ends in minutes."""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from tutelage.recipes.mnist.settings import DIGITS, DRAWN, PLAIN, QUICK_TEACHER, TEACHER, Digits, Net, with_training
from tutelage.study.bounds import Seed, Temperature, Weight, refuse_nonsense
from tutelage.study.settings import Rules

if TYPE_CHECKING:
    from tutelage.methods.pair import Pair
    from tutelage.objective import Objective
    from tutelage.run import Run

PAPER = "Yu et al. 2020, arXiv:2001.06782, for multi-task learning"


@dataclass(frozen=True, kw_only=True)
class Losses:
    """CE + a · soft targets + b · MSE of the last hidden layer, through a linear map, + c · RKD of its distances."""

    temperature: Temperature = 4.0
    """softness of the soft targets"""
    soft: Weight = 1.0
    """weight of the soft targets"""
    hint: Weight = 1.0
    """weight of the mean squares between the last hidden layers"""
    distances: Weight = 25.0
    """weight of the relative distances between samples there"""


RULES = Rules(look_every=20, time_ratio=1.65)
LOSSES = Losses()
STUDENT = Net(units=100, training=replace(PLAIN, lr=0.02))


def conflicts(
    run: "Run",
    *,
    rules: Rules = RULES,
    losses: Losses = LOSSES,
    teacher: Net = TEACHER,
    student: Net = STUDENT,
    digits: Digits = DIGITS,
    seed: Seed = 0,
    teacher_seed: Seed = 0,
) -> None:
    """Does removing conflict help? Labels, logits, a layer and distances teach a small net, by many rules.

    All students have the same four losses, seed and steps; what differs is how one gradient is made of theirs. One
    more, by the weighted sum, has as much time as a rule takes that wants one gradient a loss.

    Args:
        seed: of the students' weights and order, and of rules that draw
        teacher_seed: of the teacher's
    """
    from tutelage.recipes.mnist import nets
    from tutelage.recipes.proposal import claim_conflicts
    from tutelage.schemes.by_method import Teaching
    from tutelage.study.claims import cannot_decide
    from tutelage.study.comparison import BASELINE, Compared, best_in_words, publish_comparison
    from tutelage.study.experiments.conflicts import SUM, question, rule_trials, where_losses_pull
    from tutelage.study.trials import Trial, run_trial, run_trials
    from tutelage.tasks.classification import ERRORS

    refuse_nonsense(conflicts, locals())
    reason = cannot_decide(run, conflicts, locals(), free=("rules", "teacher_seed"))
    if student.training.batch_size == 1:
        raise ValueError("--student.batch-size must be more than 1 here: distances are between samples; got 1.")
    asked = question(rules.names, rules.look_every, rules.time_ratio)
    data = nets.digits_of(run, digits)
    nets.refuse_too_large(data, teacher, student)
    large = nets.train_teacher(run, data, teacher, teacher_seed)
    trial = Trial(nets.build_net(student.units), nets.plan_for(data, student.training, seed))
    baseline = run_trial(run, BASELINE, trial)
    teaching = Teaching(partial(four_losses, losses=losses), large.last, ("teacher", "student"))
    outcome = run_trials(run, data, rule_trials(run, trial.build, trial.plan, teaching, asked))

    labels = {"teacher": f"{nets.wide(teacher.units)}, dropout, jittered", BASELINE: "labels only"}
    labels |= {name: f"by {name}" for name in outcome.students}
    compared = Compared("Rules", ERRORS, {"teacher": large}, baseline, outcome, labels, rival=SUM)
    networks = publish_comparison(run, data, compared, nets.INPUT)
    run.publish(
        headline=best_in_words(compared, networks, nets.wide(teacher.units), nets.wide(student.units), "rules"),
        tables=[where_losses_pull(outcome.students[SUM].finished.records)] if SUM in outcome.students else [],
    )
    if not data.synthetic:
        claim_conflicts(run, networks, reason)


conflicts_smoke = partial(
    conflicts,
    rules=Rules(names=("pcgrad", "labels_first"), look_every=20, time_ratio=1.5),
    teacher=with_training(replace(TEACHER, units=32), epochs=1),
    student=with_training(replace(STUDENT, units=8), epochs=1),
    digits=DRAWN,
)
conflicts_quick = partial(conflicts, teacher=QUICK_TEACHER, student=with_training(STUDENT, epochs=8))


def four_losses(pair: "Pair", *, losses: Losses) -> "Objective":
    """The four losses with their weights, as a method."""
    from tutelage.losses.hint import mean_squares
    from tutelage.losses.kd import soft_targets
    from tutelage.losses.rkd import distances
    from tutelage.matching.projected import projected
    from tutelage.objective import Objective, Term

    soft = partial(soft_targets, temperature=losses.temperature)
    hidden = "student.hidden2", "teacher.hidden2"
    return Objective(
        label=pair.labels(),
        soft=Term(soft, "student.output", "teacher.output", weight=losses.soft),
        hint=Term(projected(mean_squares), *hidden, weight=losses.hint),
        distances=Term(distances, *hidden, weight=losses.distances, across=True),
    )
