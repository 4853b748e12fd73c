"""Stopping early: KD that is switched off at an epoch, and teachers that are trained for less."""

from copy import deepcopy
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.nn.functional import cross_entropy
from torchjd.aggregation import UPGrad

from examples import bits, same
from stopping import LEFT, stopping
from tutelage.combine.projector import exact_projector
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.data.views import JITTERS, jitter
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.methods.by_name import family, method
from tutelage.methods.feature import simkd
from tutelage.methods.pair import Pair
from tutelage.methods.response import kd, softened
from tutelage.methods.sums import added, members, stopped
from tutelage.methods.weights import until
from tutelage.models.mlp import mlp
from tutelage.objective import Clock, Objective, Term
from tutelage.optimizers.schedules import cosine, one_cycle, stepwise, truncated
from tutelage.optimizers.usual import nesterov
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching, by_method
from tutelage.schemes.chain import Link, chain
from tutelage.schemes.distill import distilled
from tutelage.schemes.early import complete, cut_off
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.tasks.classification import CLASSIFICATION
from tutelage.teachers.frozen import frozen

pytestmark = pytest.mark.slow

LESSON = Lesson(digits(80, seed=0), digits(40, seed=1), partial(stopping, transform=jitter), JITTERS, batch_size=40)
EPOCHS, STOP = 4, 2
PLAN = Plan(LESSON, partial(nesterov, lr=0.05), EPOCHS)
STUDENT = partial(mlp, (784, 6, 10))
WHOLE = partial(distilled, temperature=4.0, label=0.1, soft=0.9)
SWITCH = {"label": partial(until, epoch=STOP, before=0.1, after=1.0), "soft": partial(until, epoch=STOP, before=0.9)}
CUT = partial(WHOLE, **SWITCH)
RULES = {"sum": WeightedSum, "upgrad": partial(ResolveConflicts, UPGrad(projector=exact_projector()))}


def upgrad():
    return RULES["upgrad"]()


def opened(root):
    return Run("toy:early", root=root, exact=True, device="cpu")


def teacher_of(run, plan=PLAN):
    return run.stage("teacher", partial(mlp, (784, 12, 10)), partial(supervised, plan=plan)).last


def by(teacher, how, cache_views):
    return partial(by_method, plan=PLAN, teaching=Teaching(how, teacher, ("mlp", "mlp"), cache_views=cache_views))


def without_clock(records):
    return [{name: x for name, x in record.items() if name not in ("seconds", "stage")} for record in records]


class TestSwitchedOff:
    def test_before_the_switch_it_is_kd_and_afterwards_another_training(self, tmp_path):
        with opened(tmp_path) as run:
            teacher = teacher_of(run)
            throughout, cut = (run.stage(name, STUDENT, partial(fit, plan=PLAN, teacher=teacher), seed=3).records
                               for name, fit in (("kd", WHOLE), ("cut", CUT)))  # fmt: skip
        left, right = without_clock(throughout), without_clock(cut)
        assert left[:STOP] == right[:STOP] and left[STOP] != right[STOP]
        assert [record["weights"]["student"] for record in cut] == [{"label": 0.1, "soft": 0.9}] * STOP + [
            {"label": 1.0, "soft": 0.0}
        ] * (EPOCHS - STOP)
        assert [sorted(record["losses"]["student"]) for record in cut[STOP:]] == [["label"]] * (EPOCHS - STOP)

    @pytest.mark.parametrize("combine", [WeightedSum, upgrad])
    def test_from_the_switch_on_it_is_cross_entropy_to_the_bit(self, combine):
        teacher = frozen(mlp((784, 12, 10)))
        pair = Pair(mlp((784, 12, 10)), STUDENT(), LESSON, EPOCHS)

        def training(objective):
            torch.manual_seed(2)
            student = STUDENT()
            learner = Learner(student, objective, PLAN.scheduled_optimizer, combine(), {"teacher": teacher})
            return train({"student": learner}, LESSON.batches(), EPOCHS), student

        one, cut = training(stopped(kd, STOP)(pair))
        epochs = iter(one)
        for _ in range(STOP):
            next(epochs)
        other, plain = training(Objective(label=CLASSIFICATION.labels()))
        other.load_state_dict(deepcopy(one.state_dict()))
        rest, same_rest = list(epochs), list(other)
        assert [x.losses for x in rest] == [x.losses for x in same_rest] and len(rest) == EPOCHS - STOP
        assert same(bits(cut), bits(plain))

    @pytest.mark.parametrize("way", ["kept in memory", "asked at each step", "kept in a folder"])
    def test_from_the_switch_on_the_teacher_is_not_asked(self, tmp_path, way):
        counts = {}
        for epochs, stop in ((3, 1), (3, 2), (4, 2)):
            plan = replace(PLAN, epochs=epochs)
            with opened(tmp_path / f"{epochs} {stop}") as run:
                teacher = teacher_of(run)
                if way == "kept in memory":
                    weights = {name: partial(until, epoch=stop, before=part.keywords["before"], after=after)
                               for (name, part), after in zip(SWITCH.items(), (1.0, 0.0), strict=True)}  # fmt: skip
                    fit = partial(WHOLE, plan=plan, teacher=teacher, **weights)
                else:
                    views = JITTERS if way == "kept in a folder" else 0
                    fit = by(teacher, stopped(kd, stop), views)
                    fit = partial(fit, plan=plan)
                asked = []
                hook = teacher.register_forward_hook(lambda *_, asked=asked: asked.append(1))
                run.stage("student", STUDENT, fit)
                hook.remove()
            counts[epochs, stop] = len(asked)
        assert counts[3, 1] < counts[3, 2] == counts[4, 2]

    @pytest.mark.parametrize("place", [4, 5, 6])
    def test_interrupted_on_either_side_of_the_switch_it_goes_on_to_the_same_bits(self, tmp_path, place):
        def student(root):
            with opened(root) as run:
                teacher = teacher_of(run)
                LEFT[:] = [place] if root.name == "broken" else []
                return run.stage("cut", STUDENT, partial(CUT, plan=PLAN, teacher=teacher))

        expected = student(tmp_path / "straight")
        with pytest.raises(SystemExit):
            student(tmp_path / "broken")
        (tmp_path / "broken").rename(tmp_path / "again")
        found = student(tmp_path / "again")
        assert same(bits(found.last), bits(expected.last))
        assert without_clock(found.records) == without_clock(expected.records)

    @pytest.mark.parametrize("combine", [WeightedSum, upgrad])
    def test_any_rule_makes_one_gradient_of_the_losses_while_there_are_two(self, tmp_path, combine):
        with opened(tmp_path) as run:
            teacher = teacher_of(run)
            students = [run.stage(name, STUDENT, partial(fit, plan=PLAN, teacher=teacher, combine=combine))
                        for name, fit in (("kd", WHOLE), ("cut", CUT))]  # fmt: skip
            (last,) = chain(run, teacher, [Link("link", STUDENT, lambda t: partial(WHOLE, plan=PLAN, teacher=t))])
        assert all(len(student.records) == EPOCHS for student in students)
        assert same(bits(last.last), bits(students[0].last)) == (combine is WeightedSum)

    def test_labels_of_all_the_weight_are_plain_training(self, tmp_path):
        """λ = 0 in the paper of assistants: the term of weight 0 is not evaluated, and no teacher is asked."""
        with opened(tmp_path) as run:
            teacher = teacher_of(run)
            asked = []
            teacher.register_forward_hook(lambda *_: asked.append(1))
            taught = run.stage("kd", STUDENT, partial(WHOLE, plan=PLAN, teacher=teacher, label=1.0, soft=0.0), seed=1)
            alone = run.stage("alone", STUDENT, partial(supervised, plan=PLAN), seed=1)
        assert same(bits(taught.last), bits(alone.last)) and not asked


class TestAnyMethod:
    def pair(self, epochs=EPOCHS):
        return Pair(mlp((784, 12, 10)), STUDENT(), LESSON, epochs)

    def weights(self, how, epoch, epochs=EPOCHS):
        return how(self.pair(epochs)).weights(Clock(epoch, 0, epoch / epochs))

    def test_all_its_terms_end_but_the_labels(self):
        both = stopped(added([kd, method("rkd")], [0.5, 2.0]), STOP)
        before, after = self.weights(both, STOP - 1), self.weights(both, STOP)
        assert all(weight > 0 for weight in before.values()) and len(before) > 2
        assert after == dict.fromkeys(before, 0.0) | {"label": 1.0}

    def test_weights_that_grow_grow_until_then(self):
        growing = [self.weights(method("dkd"), epoch, 240)["decoupled"] for epoch in (0, 10)]
        cut = [self.weights(stopped(method("dkd"), 11), epoch, 240)["decoupled"] for epoch in (0, 10, 11)]
        assert cut == [*growing, 0.0] and 0 < growing[0] < growing[1]

    def test_it_is_counted_to_the_family_of_what_is_stopped(self):
        assert (
            family(stopped(kd, 2)) == "response" and family(stopped(added([kd, method("at")], [1, 1]), 2)) == "combined"
        )
        assert members(stopped(added([kd, method("at")], [1, 1]), 2)) == (kd, method("at"))

    @pytest.mark.parametrize("epoch", [0, -1, EPOCHS, EPOCHS + 1])
    def test_a_switch_that_is_not_within_the_training_is_refused(self, epoch):
        with pytest.raises(ValueError, match=f"within the training, from 1 to 3 of 4; got {epoch}"):
            stopped(kd, epoch)(self.pair())

    @pytest.mark.parametrize("epoch", [0, EPOCHS, 300])
    def test_a_weight_that_does_not_change_within_the_training_is_refused_before_its_first_step(self, epoch):
        model = mlp((784, 6, 10))
        before = {name: x.clone() for name, x in model.state_dict().items()}
        late = Term(cross_entropy, "student.output", "batch.target", weight=partial(until, epoch=epoch, before=0.9))
        learner = Learner(model, Objective(late=late), partial(nesterov, lr=0.05))
        training = train({"student": learner}, LESSON.batches(), EPOCHS)
        with pytest.raises(ValueError, match=rf"within the training, from 1 to 3 of 4; got {epoch}\."):
            next(iter(training))
        assert same(model.state_dict(), before)

    def test_samples_without_labels_leave_nothing_to_go_on_with(self):
        pair = Pair(mlp((784, 12, 10)), STUDENT(), replace(LESSON, train=LESSON.train.unlabelled()), EPOCHS)
        words = r"have no labels, and a method is stopped to go on with these: after epoch 2 nothing would train"
        for how in (kd, added([kd, method("rkd")], [0.5, 2.0])):
            with pytest.raises(ValueError, match=words):
                stopped(how, 2)(pair)

    def test_a_method_without_labels_has_nothing_to_go_on_with(self):
        def unlabelled(pair):
            return Objective(soft=softened(pair, temperature=1.0, label=1.0, soft=1.0).terms["soft"])

        with pytest.raises(ValueError, match=r"go on with the labels, and this one has none; it has \['soft'\]"):
            stopped(unlabelled, 2)(self.pair())
        assert members(stopped(simkd, 2)) == (simkd,)


class TestTeachers:
    @pytest.mark.parametrize("schedule", [one_cycle, cosine, partial(stepwise, at=(0.5, 0.75))])
    def test_one_that_is_cut_off_is_the_beginning_of_the_whole_training(self, tmp_path, schedule):
        plan = replace(PLAN, schedule=schedule)
        with opened(tmp_path) as run:
            whole = run.stage("whole", STUDENT, partial(supervised, plan=plan))
            part = run.stage("part", STUDENT, partial(supervised, plan=cut_off(plan, 3)))
            short = run.stage("short", STUDENT, partial(supervised, plan=complete(plan, 3)))
        left = [{**x, "epochs": 0} for x in without_clock(whole.records)]
        right = [{**x, "epochs": 0} for x in without_clock(part.records)]
        assert left[:3] == right and not same(bits(part.last), bits(short.last))

    @pytest.mark.parametrize("epochs", [200, 35, 50, 80])
    def test_a_complete_schedule_drops_as_often_however_short_it_is(self, epochs):
        whole = replace(PLAN, schedule=partial(stepwise, at=(60 / 200, 120 / 200, 180 / 200), by=0.2), epochs=201)
        factors = self.factors(complete(whole, epochs))
        assert [round(x, 6) for x in dict.fromkeys(factors)] == [1, 0.2, 0.04, 0.008]
        assert factors == sorted(factors, reverse=True)

    def test_one_that_is_cut_off_has_dropped_as_often_as_it_had_by_then(self):
        whole = replace(PLAN, schedule=partial(stepwise, at=(0.3, 0.6, 0.9), by=0.2), epochs=200)
        assert [len({*self.factors(cut_off(whole, epochs))}) for epochs in (35, 61, 130, 199)] == [1, 2, 3, 4]

    def factors(self, plan):
        factor = plan.schedule(plan.epochs * 2)
        return [factor(step) for step in range(plan.epochs * 2)]

    @pytest.mark.parametrize("shorter", [complete, cut_off])
    @pytest.mark.parametrize("epochs", [EPOCHS, EPOCHS + 1])
    def test_as_many_epochs_or_more_are_not_early(self, shorter, epochs):
        with pytest.raises(ValueError, match=f"after fewer epochs than its 4; got {epochs}"):
            shorter(PLAN, epochs)

    @pytest.mark.parametrize("shorter", [complete, cut_off])
    @pytest.mark.parametrize("epochs", [True, False, 0, -1, 2.5, "2", None])
    def test_what_does_not_count_epochs_is_refused(self, shorter, epochs):
        with pytest.raises(ValueError, match=f"a whole number; got {epochs!r}"):
            shorter(PLAN, epochs)

    @pytest.mark.parametrize("share", [0.0, -1.0, 1.5, float("nan")])
    def test_what_is_no_share_is_refused(self, share):
        with pytest.raises(ValueError, match="a share of more than 0 and at most 1"):
            truncated(10, cosine, share)
