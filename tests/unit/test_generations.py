"""Generations: each starts afresh, is taught by the one before it about the very view it sees, and may be the last."""

from dataclasses import replace
from functools import partial
from itertools import islice, pairwise

import pytest
import torch
from torch import nn
from torchjd.aggregation import UPGrad

from examples import bits, same
from tutelage.combine.projector import exact_projector
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.data.views import in_turn, plain
from tutelage.learn import train
from tutelage.losses.born_again import soft_cross_entropy
from tutelage.methods.by_name import method
from tutelage.models.mlp import mlp
from tutelage.objective import Objective, Term
from tutelage.optimizers.usual import sgd
from tutelage.progress import Silence
from tutelage.run import Run
from tutelage.schemes.answers import Conditions
from tutelage.schemes.by_method import Teaching, by_method, prepared
from tutelage.schemes.generations import first, generations, improving, of_generation
from tutelage.schemes.plan import Plan
from tutelage.schemes.static_labels import can_be_static, once_an_image, with_static_labels
from tutelage.schemes.supervised import supervised
from tutelage.stages.storage import Finished
from tutelage.tasks.classification import CLASSIFICATION
from tutelage.teachers.frozen import frozen

pytestmark = pytest.mark.slow

WHERE = {"index": torch.tensor([3, 3, 5, 5]), "view": torch.tensor([0, 2, 1, 2])}
OUTPUT = frozenset({"output"})


def darker(images, view):
    """Three views of whole numbers: sums of them are exact in whatever order a processor adds them up."""
    return (images > 64 * (1 + view.view(-1, 1, 1, 1))).float()


TRAIN, HELD = digits(64, seed=0), digits(40, seed=1)
LESSON = Lesson(TRAIN, HELD, darker, 3, batch_size=32, choose=in_turn, seed=2)
PLAN = Plan(LESSON, partial(sgd, lr=0.1, weight_decay=0.0), 2)
KEPT = Teaching(method("ban"), nn.Identity(), ("net", "net"), cache_views=3, kept=torch.float32)
LIVE = replace(KEPT, cache_views=0)


def net(width: int = 8) -> nn.Module:
    return mlp((784, width, 10))


def normalising() -> nn.Module:
    """With BatchNorm, whose buffers move in train mode, and dropout."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 10)
    )


def upgrad():
    return ResolveConflicts(UPGrad(projector=exact_projector()))


def opened(root, progress=None):
    return Run("toy:generations", root=root, exact=True, device="cpu", progress=progress)


def taught_first(run, build=net, plan=PLAN):
    return run.stage("teacher", build, partial(supervised, plan=of_generation(plan, 0)), seed=200).last


# ---- each starts afresh


def test_each_generation_starts_from_a_seed_of_its_own_and_takes_over_no_weight(tmp_path):
    with opened(tmp_path) as run:
        teacher = taught_first(run)
        two = first(generations(run, net, replace(PLAN, epochs=1), replace(LIVE, teacher=teacher)), 2)
    assert [one.name for one in two] == ["generation 1", "generation 2"]
    for parent, child in ((teacher, two[0].last), (two[0].last, two[1].last)):
        pairs = zip(parent.parameters(), child.parameters(), strict=True)
        assert not any(torch.equal(p, q) for p, q in pairs)
    for k, one in enumerate(two, 1):
        torch.manual_seed(200 + k)
        start, own = net(), of_generation(PLAN, k)
        teacher_of_it = teacher if k == 1 else two[0].last
        objective = Objective(soft=Term(soft_cross_entropy, "student.output", "teacher.output"))
        learner = replace(own, epochs=1).learner(start, objective, {"teacher": frozen(teacher_of_it)})
        list(train({"student": learner}, own.lesson.batches(), 1))
        assert same(bits(start), bits(one.last))


def test_two_runs_share_no_seed_and_generations_see_their_samples_in_another_order():
    plans = [replace(PLAN, lesson=replace(LESSON, seed=seed)) for seed in (0, 1)]
    seeds = [of_generation(plan, k).lesson.seed for plan in plans for k in range(50)]
    assert len({*seeds}) == 100
    batches = [next(iter(of_generation(PLAN, k).lesson.batches()(0, 0)))["index"] for k in (1, 2)]
    assert not torch.equal(*batches)


class Recorded:
    """A run that trains nothing and remembers what it was asked for."""

    def __init__(self):
        self.asked = []

    def stage(self, name, build, fit, *, seed):
        self.asked.append((name, fit.keywords["teaching"], fit.keywords["plan"].lesson.seed, seed))
        model = build()
        return Finished(name, "", model, model, [], None)


def test_generations_are_trained_when_they_are_asked_for_and_no_further():
    run = Recorded()
    row = generations(run, net, PLAN, LIVE, name="BAN")
    assert not run.asked
    made = list(islice(row, 3))
    assert [one.name for one in made] == [name for name, *_ in run.asked] == ["BAN 1", "BAN 2", "BAN 3"]
    assert [(of_batches, of_weights) for *_, of_batches, of_weights in run.asked] == [(k, k) for k in (201, 202, 203)]
    assert [x[1].teacher for x in run.asked] == [LIVE.teacher, made[0].last, made[1].last]


def test_the_first_teacher_may_be_another_network_with_layers_of_its_own():
    run = Recorded()
    teaching = replace(LIVE, names=("wide", "net"), teacher_layers=("a",), student_layers=("b",), strength=2.0)
    list(islice(generations(run, net, PLAN, teaching), 3))
    of_first, *later = [x[1] for x in run.asked]
    assert of_first == teaching
    for one in later:
        assert one == replace(teaching, names=("net", "net"), teacher_layers=("b",), teacher=one.teacher)


# ---- how many


class Figures:
    """Validation errors by a network's name, for those that only pretend."""

    def __init__(self, better="lower"):
        metric = replace(CLASSIFICATION.deciding, better=better)
        task = replace(CLASSIFICATION, metrics=(metric,))
        self.plan = replace(PLAN, task=task)
        self.made = []

    def row(self, values):
        for value in values:
            self.made.append(value)
            yield self.network(value)

    def network(self, value):
        model = nn.Identity()
        model.value = value
        model.last = model
        return model


@pytest.fixture
def pretended(monkeypatch):
    monkeypatch.setattr(type(CLASSIFICATION), "validation", lambda _task, model, *_: {"errors": model.value})
    return Figures


@pytest.mark.parametrize(
    ("better", "start", "values", "kept"),
    [
        ("lower", 10, [8, 7, 7, 1], 3),  # no better is no improvement
        ("lower", 10, [11, 1], 1),
        ("lower", 10, [8, 9, 1], 2),  # better than the first of all is not enough
        ("higher", 10, [11, 12, 12.5, 12.4, 99], 4),
        ("lower", 10, [float("nan"), 1], 1),
        ("lower", 10, [9, 8, 7, 6, 5, 4, 3], 5),  # the bound
    ],
)
def test_it_goes_on_while_each_is_better_than_all_before_and_the_last_to_be_trained_is_kept(
    pretended, better, start, values, kept
):
    figures = pretended(better)
    found = improving(figures.row(values), figures.plan, figures.network(start), 5)
    assert [str(one.value) for one in found] == [str(x) for x in values[:kept]] and len(figures.made) == kept


def test_on_real_networks_it_is_the_errors_on_all_validation_samples_after_the_last_epoch(tmp_path):
    with opened(tmp_path) as run:
        teacher = taught_first(run)
        found = improving(generations(run, net, PLAN, replace(LIVE, teacher=teacher)), PLAN, teacher, 4)
    errors = [run_errors(teacher), *(one.records[-1]["validation"]["errors"] for one in found)]
    assert all(later < earlier for earlier, later in pairwise(errors[:-1]))
    assert errors[-1] >= errors[-2] or len(found) == 4


def run_errors(model):
    return CLASSIFICATION.validation(model, HELD, plain)["errors"]


@pytest.mark.parametrize("number", [0, -1, 1.5])
def test_fewer_than_one_generation_is_refused_before_any_is_trained(number):
    figures = Figures()
    with pytest.raises(ValueError, match=f"1 or more generations, a whole number; got {number}"):
        first(figures.row([1]), number)
    with pytest.raises(ValueError, match=f"1 or more generations, a whole number; got {number}"):
        improving(figures.row([1]), figures.plan, nn.Identity(), number)
    assert not figures.made


def test_without_validation_samples_there_is_no_improvement_to_wait_for():
    figures = Figures()
    blind = replace(PLAN, lesson=replace(LESSON, validation=None))
    with pytest.raises(ValueError, match="is seen on validation samples; keep some, or say how many"):
        improving(figures.row([1]), blind, nn.Identity(), 3)
    assert not figures.made


# ---- labels of the very view


def exact(network):
    """Its answers are the same to the bit, whoever else is in a batch: whole numbers."""
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(torch.randint(-1, 2, p.shape))
    return network


def views_of(index, view):
    batch = {"input": darker(TRAIN.inputs[index], view), "target": TRAIN.targets[index], "index": index, "view": view}
    return {"batch": batch}


def test_two_views_of_an_image_have_two_labels_and_static_ones_have_one(tmp_path):
    with opened(tmp_path) as run:
        teacher = taught_first(run)
        conditions = Conditions(tmp_path, run.precision, True)
        _, dynamic = prepared(net(), replace(KEPT, teacher=teacher), PLAN, conditions)
    for ask in (dynamic["teacher"], frozen(teacher)):
        moving = ask(views_of(**WHERE), OUTPUT)["output"]
        assert not torch.equal(moving[0], moving[1]) and not torch.equal(moving[2], moving[3])
    still = once_an_image(teacher, PLAN)(views_of(**WHERE), OUTPUT)["output"]
    assert torch.equal(still[0], still[1]) and torch.equal(still[2], still[3])
    as_measured = frozen(teacher)({"batch": {"input": TRAIN.inputs[[3, 5]].float() / 255}}, OUTPUT)["output"]
    torch.testing.assert_close(still[[0, 2]], as_measured)


def test_what_is_kept_of_a_view_is_what_would_be_said_of_it_now(tmp_path):
    teacher = exact(net())
    teacher._tutelage_stage_key = "0123456789abcdef"
    _, asked = prepared(net(), replace(KEPT, teacher=teacher), PLAN, Conditions(tmp_path, torch.float32, True))
    kept = asked["teacher"]
    scenes = [{"batch": batch} for epoch in range(6) for batch in LESSON.batches()(epoch, 0)]
    live = [frozen(teacher)(scene, OUTPUT)["output"] for scene in scenes]
    assert all(torch.equal(kept(scene, OUTPUT)["output"], x) for scene, x in zip(scenes, live, strict=True))


def test_the_teacher_sees_the_very_batch_that_the_student_sees(tmp_path):
    seen = {"student": [], "teacher": []}
    student, teacher = net(), net()
    for who, network in (("student", student), ("teacher", teacher)):
        network.register_forward_hook(lambda _net, inputs, _output, who=who: seen[who].append(inputs[0].clone()))
    objective, asked = prepared(
        student, replace(LIVE, teacher=teacher), PLAN, Conditions(tmp_path, torch.float32, True)
    )
    list(train({"student": PLAN.learner(student, objective, asked)}, LESSON.batches(), 2))
    assert len(seen["student"]) == len(seen["teacher"]) == 1 + 2 * 2  # the rehearsal, and two epochs of two batches
    assert all(map(torch.equal, seen["student"], seen["teacher"]))


# ---- the refinery stays as it is


@pytest.mark.parametrize("name", ["refinery_both_ways", "dkpp"])
def test_a_refinery_is_asked_in_eval_mode_and_neither_weights_nor_buffers_of_it_move(tmp_path, name):
    with opened(tmp_path) as run:
        teacher = taught_first(run, normalising, replace(PLAN, epochs=1))
        before, answers = bits(teacher), frozen(teacher)(views_of(**WHERE), OUTPUT)["output"]
        teacher.train()  # as the authors' code has it, whose wrapper puts it into train mode in every epoch
        how = replace(LIVE, method=method(name), teacher=teacher)
        first(generations(run, normalising, replace(PLAN, epochs=1), how), 1)
        assert same(bits(teacher), before) and all(p.grad is None for p in teacher.parameters())
        assert torch.equal(frozen(teacher)(views_of(**WHERE), OUTPUT)["output"], answers)
    teacher.train()(views_of(**WHERE)["batch"]["input"])
    assert not same(bits(teacher), before)  # in train mode its buffers would have moved


# ---- any losses, any rule, no labels, and a power cut


@pytest.mark.parametrize("combine", [WeightedSum, upgrad], ids=["sum", "upgrad"])
@pytest.mark.parametrize("name", ["ban_labels", "0.5*kd + rkd"])
def test_generations_take_any_losses_and_any_rule(tmp_path, name, combine):
    with opened(tmp_path) as run:
        teaching = replace(KEPT, method=method(name), teacher=taught_first(run), combine=combine)
        two = first(generations(run, net, replace(PLAN, epochs=1), teaching), 2)
        losses = [one.records[-1]["losses"]["student"] for one in two]
    assert all(len(values) > 1 and all(x > 0 for x in values.values()) for values in losses)


def test_a_rule_makes_another_generation_than_the_sum(tmp_path):
    with opened(tmp_path) as run:
        teaching = replace(KEPT, method=method("ban_labels"), teacher=taught_first(run))
        rules = [WeightedSum, upgrad]
        keys = [first(generations(run, net, PLAN, replace(teaching, combine=rule)), 1)[0].key for rule in rules]
    assert keys[0] != keys[1]


@pytest.mark.parametrize("name", ["ban", "dkpp"])
def test_a_transfer_set_whose_labels_mean_nothing_makes_the_same_generations(tmp_path, name):
    ends = []
    for targets in (TRAIN.targets, torch.zeros_like(TRAIN.targets)):
        lesson = replace(LESSON, train=replace(TRAIN, targets=targets), validation=None)
        with opened(tmp_path) as run:
            how = replace(LIVE, method=method(name), teacher=taught_first(run))
            ends.append(first(generations(run, net, replace(PLAN, lesson=lesson), how), 2)[-1])
    assert ends[0].key != ends[1].key and same(bits(ends[0].last), bits(ends[1].last))


class PowerCut(Silence):
    def __init__(self, stage):
        self.stage_to_lose, self.now, self.steps = stage, "", 0

    def stage(self, name, _epochs, _done):
        self.now, self.steps = name, 0

    def step(self, _step, _steps):
        self.steps += self.now == self.stage_to_lose
        if self.steps == 4:  # in the second of two epochs of two batches, after all was saved
            raise RuntimeError("power cut")


@pytest.mark.parametrize(("name", "teaching"), [("ban", KEPT), ("dkpp", LIVE)])
def test_a_generation_that_was_cut_short_ends_in_the_same_bits(tmp_path, name, teaching, monkeypatch):
    monkeypatch.setattr(Run, "save_every", 0.0)

    def row(root, progress=None):
        with opened(root, progress) as run:
            how = replace(teaching, method=method(name), teacher=taught_first(run, normalising))
            return [bits(one.last) for one in first(generations(run, normalising, PLAN, how), 2)]

    straight = row(tmp_path / "straight")
    with pytest.raises(RuntimeError, match="power cut"):
        row(tmp_path / "cut", PowerCut("generation 2"))
    assert list((tmp_path / "cut" / "stages").rglob("checkpoint.safetensors"))
    torch.manual_seed(99)
    assert all(map(same, row(tmp_path / "cut"), straight))


# ---- the control


def test_static_labels_are_a_training_like_any_other_and_speak_of_the_output_alone(tmp_path):
    with opened(tmp_path) as run:
        teacher = taught_first(run)
        fits = [
            partial(fit, plan=PLAN, teaching=replace(LIVE, teacher=teacher)) for fit in (with_static_labels, by_method)
        ]
        static, moving = (run.stage(f"by {fit.func.__name__}", net, fit, seed=1).last for fit in fits)
        assert not same(bits(static), bits(moving))
        with pytest.raises(ValueError, match="Static labels are what a teacher answers, its output"):
            once_an_image(teacher, PLAN)(views_of(**WHERE), frozenset({"output", "hidden1"}))


def test_static_labels_are_of_the_input_that_the_teacher_sees(tmp_path):
    lesson = replace(LESSON, transform=beside, test_transform=beside)
    plan, teacher = replace(PLAN, lesson=lesson), exact(net())
    still = once_an_image(teacher, plan, "negative")({"batch": {"index": torch.arange(4)}}, OUTPUT)["output"]
    torch.testing.assert_close(still, teacher(255 - TRAIN.inputs[:4].float()))
    with opened(tmp_path) as run:
        known = replace(LIVE, teacher=taught_first(run))
        positive, negative = (
            run.stage(sees, net, partial(with_static_labels, plan=plan, teaching=replace(known, teacher_sees=sees)))
            for sees in ("input", "negative")
        )
    assert not same(bits(positive.last), bits(negative.last))
    with pytest.raises(ValueError, match="called with the batch's 'negative'; this batch has"):
        once_an_image(teacher, PLAN, "negative")


def beside(images, _view):
    return {"input": images.float(), "negative": 255 - images.float()}


def test_where_there_is_one_view_static_labels_are_those_of_the_view():
    plan = replace(PLAN, lesson=replace(LESSON, transform=plain, num_views=1))
    teacher = exact(net())
    batch = next(iter(plan.lesson.batches()(0, 0)))
    assert torch.equal(once_an_image(teacher, plan)({"batch": batch}, OUTPUT)["output"], teacher(batch["input"]))


def test_a_method_that_reads_a_layer_of_the_teacher_cannot_do_with_static_labels():
    names = ("refinery", "ban_labels", "dkpp", "rkd", "0.5*kd + rkd")
    static = [can_be_static(replace(LIVE, method=method(name), teacher=net()), net(), PLAN) for name in names]
    assert static == [True, True, True, False, False]
