"""Several teachers of one student: any method from each, one target of all, and one pass of each teacher a step."""

import os
import signal
from dataclasses import replace
from functools import partial

import pytest
import torch

from examples import bits, same
from tutelage.combine.projector import exact_projector
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.data.labelled import Labelled, labelled
from tutelage.data.lesson import Lesson
from tutelage.data.views import in_turn, plain
from tutelage.keys import STAGE_KEY, described
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.simkd import borrowing
from tutelage.methods.by_name import joint, joints, method, methods
from tutelage.methods.cited import losses_in
from tutelage.methods.pair import Pair, student_for
from tutelage.methods.several import averaged, from_each
from tutelage.models.plain_cnn import wide_cnn
from tutelage.models.resnet import resnet8
from tutelage.objective import Clock, Objective, Term
from tutelage.optimizers.usual import sgd
from tutelage.run import Run
from tutelage.schemes import by_method as scheme
from tutelage.schemes.answers import Conditions
from tutelage.schemes.by_method import JointTeaching, Teaching, by_method, is_cached
from tutelage.schemes.plan import Plan
from tutelage.study import costs as study_costs
from tutelage.study.costs import costs_of
from tutelage.study.trials import Trial, run_trial
from tutelage.teachers.frozen import frozen

pytestmark = pytest.mark.slow

G = torch.Generator().manual_seed(5)
SET = labelled(
    "small", torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8, generator=G), torch.arange(20) % 5, tuple("abcde")
)
OPTIMIZER = partial(sgd, lr=0.01, weight_decay=0.0)
BUILD = partial(resnet8, num_classes=5)
EXTRA = ("kd", "dkd", "hint", "at", "srrl", "vid", "ofd", "review", "rkd", "crd", "semckd", "attend_learned")
STOPS: list[int] = []  # steps before which a signal comes, once


def in_three_views(images, view):
    return plain(images, view) / (1 + view.view(-1, 1, 1, 1))


def plan(epochs=1, **lesson):
    return Plan(Lesson(SET, None, **{"batch_size": 10, **lesson}), OPTIMIZER, epochs)


def network(seed, classes=5):
    torch.manual_seed(seed)
    net = resnet8(num_classes=classes).eval()
    setattr(net, STAGE_KEY, f"{seed:016x}")
    return net


def teachers(count):
    return tuple(network(seed) for seed in range(1, count + 1))


def teaching(how, count=3, **changes):
    return JointTeaching(joint(how), teachers(count), ("resnet8",) * (count + 1), **changes)


def pairs(count=3, student=None, lesson=None):
    student = student or network(0).train()
    return [Pair(t, student, lesson or plan().lesson, 1, ("resnet8", "resnet8")) for t in teachers(count)]


def opened(root, **changes):
    return Run("lab:several", root=root, device="cpu", exact=True, **changes)


def student_of(root, how, count, **changes):
    with opened(root) as run:
        return run_trial(run, "student", Trial(BUILD, plan(), teaching(how, count, **changes))).finished


def spied(nets):
    """How often each network is run from now on."""
    calls = [0] * len(nets)

    def note(number, *_):
        calls[number] += 1

    for number, net in enumerate(nets):
        net.register_forward_pre_hook(partial(note, number))
    return calls


# ---- objectives


def test_the_labels_are_there_once_and_every_teachers_terms_have_its_name():
    objective = joint("crd_kd")(pairs(2))
    assert set(objective.terms) == {
        "label", "soft_teacher1", "soft_teacher2", "contrast_teacher1", "contrast_teacher2",
    }  # fmt: skip
    assert objective.weights(Clock(0, 0, 0.0)) == {
        "label": 1.0, "soft_teacher1": 1.0, "soft_teacher2": 1.0, "contrast_teacher1": 0.8, "contrast_teacher2": 0.8,
    }  # fmt: skip
    read = {who for who, _ in objective.reads(["soft_teacher2", "contrast_teacher2"])}
    assert read == {"student", "teacher2", "batch"}
    one, other = (objective.terms[f"contrast_teacher{k}"].loss.loss for k in (1, 2))
    assert one.memory_of_teacher.data_ptr() != other.memory_of_teacher.data_ptr()
    assert one.embed_student is not other.embed_student


def test_lists_of_layers_are_those_of_the_own_teacher():
    term = joint("at")(pairs(2)).terms["attention_teacher2"]
    students, shown = term.addresses
    assert len(students) == len(shown) > 1
    assert {x.partition(".")[0] for x in students} == {"student"}
    assert {x.partition(".")[0] for x in shown} == {"teacher2"}


def test_the_sum_over_teachers_is_worked():
    """F2: CE = 0.7, β = 0.8, L = 2.1 and 1.9 make 3.9 in all: a sum over teachers and not a mean."""

    def fixed(pair):
        value = {1: 2.1, 2: 1.9}[int(getattr(pair.teacher, STAGE_KEY), 16)]
        return Objective(
            label=Term(lambda _x: torch.tensor(0.7), "student.output"),
            contrast=Term(lambda _x, _y: torch.tensor(value), "student.output", "teacher.output", weight=0.8),
        )

    objective = from_each(pairs(2), method=fixed)
    scene = {who: {"output": torch.zeros(2, 5)} for who in ("student", "teacher1", "teacher2")}
    weights = objective.weights(Clock(0, 0, 0.0))
    losses = objective(scene, list(weights))
    assert sum(weights[name] * loss.item() for name, loss in losses.items()) == pytest.approx(3.9, abs=1e-6)


def test_of_one_teacher_everything_is_the_method_itself():
    for how in ("kd", "crd", "at", "0.5*kd+at"):
        alone, single = joint(how)(pairs(1)), method(how)(pairs(1)[0])
        assert list(alone.terms) == list(single.terms)
        for one, other in zip(alone.terms.values(), single.terms.values(), strict=True):
            assert one.addresses == other.addresses and one.weight == other.weight and one.across == other.across
    for how in ("arithmetic", "geometric", "adaptive", "confident"):
        assert joint(how)(pairs(1)).weights(Clock(0, 0, 0.0)) == {"label": 0.1, "soft": 0.9}


@pytest.mark.parametrize("how", [*joints(), "kd", "sp", "0.5*kd+at"])
def test_the_order_of_the_teachers_changes_no_loss_but_by_rounding(how):
    values = []
    for order in ([0, 1, 2], [2, 0, 1]):
        given = [pairs(3)[k] for k in order]
        torch.manual_seed(3)
        objective = joint(how)(given).eval()
        if how == "camkd":  # its maps are drawn in the teachers' order: give each teacher the same one
            loss = objective.terms["features"].loss
            for fit in loss.maps:
                fit.load_state_dict(loss.maps[0].state_dict())
        batch = next(iter(plan().lesson.batches()(0, 0)))
        names = {f"teacher{k + 1}": pair.teacher for k, pair in enumerate(given)}
        shown = {who: frozen(net)({"batch": batch}, read(objective, who)) for who, net in names.items()}
        shown["student"] = frozen(given[0].student)({"batch": batch}, read(objective, "student"))
        weights = objective.weights(Clock(0, 0, 0.0))
        losses = objective({"batch": batch, **shown}, list(weights))
        values.append(sum(weights[name] * loss.double() for name, loss in losses.items()))
    torch.testing.assert_close(values[1], values[0], rtol=1e-4, atol=1e-6)


def read(objective, who):
    return frozenset(what for one, what in objective.reads(list(objective.terms)) if one == who)


@pytest.mark.parametrize("how", [*joints(), *EXTRA])
def test_a_step_by_every_method_from_two_moves_the_student_and_no_teacher(how):
    lesson = plan().lesson
    student, given = network(0).train(), teachers(2)
    made = [Pair(t, student, lesson, 240, ("resnet8", "resnet8")) for t in given]
    before, kept = bits(student), list(map(bits, given))
    objective = joint(how)(made)
    cast = {f"teacher{k}": frozen(t) for k, t in enumerate(given, start=1)}
    learner = Learner(student, objective, OPTIMIZER, WeightedSum(), cast)
    (epoch,) = train({"student": learner}, lesson.batches(), 1)
    assert all(torch.tensor(list(epoch.losses["student"].values())).isfinite())
    assert any(not torch.equal(x, before[name]) for name, x in student.state_dict().items() if "layer1" in name)
    assert all(map(same, map(bits, given), kept))
    assert all(p.grad is None for t in given for p in t.parameters())
    assert losses_in(objective)


def test_a_student_that_borrows_has_one_teacher():
    build = student_for([method("simkd")], BUILD, BUILD, 8)
    assert build.func is borrowing
    words = r"learns by simkd borrows from its teacher, and can have one only"
    with pytest.raises(ValueError, match=words):
        joint("0.5*kd+simkd")
    with pytest.raises(ValueError, match=words):
        from_each(pairs(2, build()), method=method("simkd"))
    assert set(from_each(pairs(1, build()), method=method("simkd")).terms) == {"fed"}


def test_maps_are_as_wide_as_they_are_shown_and_judged_where_they_can_be():
    """The plain networks of six and more convolutions have maps of other widths than their last layers read."""
    pictures = labelled("large", torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8), SET.targets, tuple("abcde"))
    lesson = Lesson(pictures, None, batch_size=10)
    plain_net, teacher = partial(wide_cnn, 8, 5), network(1)

    def made(teacher, student):
        return [Pair(teacher, student, lesson, 1, ("t", "s"))]

    student = plain_net()
    objective = joint("camkd")(made(teacher, student))
    learner = Learner(student, objective, OPTIMIZER, WeightedSum(), {"teacher": frozen(teacher)})
    (epoch,) = train({"student": learner}, lesson.batches(), 1)
    assert epoch.losses["student"]["features"] > 0
    with pytest.raises(ValueError, match=r"reads \d+ numbers, and its last map has \d+ channels: it cannot judge"):
        joint("camkd")(made(plain_net().eval(), BUILD()))


def test_all_teachers_see_what_their_teaching_names(tmp_path):
    """The student sees the pictures, its teachers the other ones: as those would of pictures that are the other way."""
    other = SET.inputs.flip(0)
    both = Labelled("both", SET.inputs, SET.targets, SET.index, SET.classes, {"other": other})
    lesson, given = Lesson(both, batch_size=10), teachers(2)
    conditions = Conditions(tmp_path, torch.float32, exact=True)
    taught = JointTeaching(joint("kd"), given, ("resnet8",) * 3, cache_views=0, teacher_sees="other")
    _, asked = scheme.prepared(network(0), taught, Plan(lesson, OPTIMIZER, 1), conditions)
    (batch, *_) = lesson.batches()(0, 0)
    for number, teacher in enumerate(given, start=1):
        answer = asked[f"teacher{number}"]({"batch": batch}, frozenset({"output"}))["output"]
        torch.testing.assert_close(answer, teacher(batch["other"]))
    assert described(replace(taught, teacher_sees="input")) == described(
        JointTeaching(joint("kd"), given, ("resnet8",) * 3, cache_views=0)
    )
    assert described(taught) != described(replace(taught, teacher_sees="input"))


def test_names_that_are_none_are_answered_with_those_there_are():
    with pytest.raises(ValueError, match=r"no method 'confidant'.*arithmetic, geometric, adaptive, confident"):
        joint("confidant")
    assert not joints().keys() & methods().keys()


# ---- in a stage


@pytest.mark.parametrize("how", ["kd", "crd", "hint"])
def test_an_ensemble_of_one_is_its_only_member_and_says_so(tmp_path, how):
    notes = []

    class Notes:
        def __getattr__(self, name):
            return notes.append if name == "note" else lambda *_: None

    with opened(tmp_path, progress=Notes()) as run:
        joined = run_trial(run, "joined", Trial(BUILD, plan(), teaching(how, 1)))
        (one,) = teachers(1)
        alone = run_trial(run, "alone", Trial(BUILD, plan(), Teaching(method(how), one, ("resnet8", "resnet8"))))
    assert same(bits(joined.finished.last), bits(alone.finished.last)) and joined.finished.key != alone.finished.key
    assert [note for note in notes if "an ensemble of one" in note] == [
        "joined: an ensemble of one teacher, which is that teacher alone"
    ]


@pytest.mark.parametrize("rule", ["sum", "upgrad"])
@pytest.mark.parametrize("how", ["arithmetic", "adaptive", "camkd", "crd"])
def test_every_way_takes_a_rule_and_leaves_its_teachers_alone(tmp_path, how, rule):
    taught = teaching(how, 2, combine=WeightedSum if rule == "sum" else upgrad)
    kept = list(map(bits, taught.teachers))
    with opened(tmp_path) as run:
        student = run_trial(run, "student", Trial(BUILD, plan(), taught)).finished
    assert all(p.grad is None for t in taught.teachers for p in t.parameters())
    assert all(map(same, map(bits, taught.teachers), kept))
    expected = {"camkd": {"soft", "features"}, "crd": {"contrast_teacher1", "contrast_teacher2"}}.get(how, {"soft"})
    assert student.records[-1]["losses"]["student"].keys() == {"label"} | expected


def upgrad():
    from torchjd.aggregation import UPGrad

    return ResolveConflicts(UPGrad(projector=exact_projector()))


@pytest.mark.parametrize(("how", "count"), [("arithmetic", 3), ("camkd", 3), ("crd_kd", 3), ("crd_kd", 1)])
def test_so_many_teachers_cost_as_many_passes_a_step_and_no_more(tmp_path, how, count):
    """Of two trainings, one an epoch longer: what is asked before the first step is the same for both."""
    passes = []
    for epochs in (1, 2):
        taught = teaching(how, count, cache_views=0)
        calls = spied(taught.teachers)
        with opened(tmp_path) as run:
            run_trial(run, "student", Trial(BUILD, plan(epochs), taught))
        passes.append(calls)
    assert [late - early for early, late in zip(*passes, strict=True)] == [plan().lesson.steps] * count


@pytest.mark.parametrize("how", ["arithmetic", "camkd"])
def test_answers_of_each_teacher_are_kept_by_an_argument_and_serve_the_next_student(tmp_path, monkeypatch, how):
    shown = {"transform": in_three_views, "num_views": 3, "choose": in_turn}
    taught = teaching(how, 3)
    assert is_cached(BUILD(), taught, plan(**shown))
    assert not is_cached(BUILD(), teaching(how, 3, cache_views=2), plan(**shown))
    monkeypatch.setattr(scheme, "SMALL", 3 * (5 if how == "arithmetic" else 256) - 1)  # logits, and maps of 64 × 2 × 2
    assert not is_cached(BUILD(), taught, plan(**shown))
    monkeypatch.undo()
    counts = []
    for seed in (0, 1):
        taught = teaching(how, 3)
        calls = spied(taught.teachers)
        with opened(tmp_path) as run:
            run_trial(run, f"student {seed}", Trial(BUILD, plan(6, seed=seed, **shown), taught))
        counts.append(calls)
    steps = plan().lesson.steps
    assert [first - second for first, second in zip(*counts, strict=True)] == [3 * steps] * 3
    assert len(list((tmp_path / "answers").iterdir())) == 3


@pytest.mark.parametrize("how", ["crd", "camkd", "adaptive"])
def test_stopped_and_started_again_it_ends_in_the_same_bits(tmp_path, how):
    """With a memory and two embeddings for each of three teachers, as far as it has them."""
    with opened(tmp_path / "straight") as run:
        straight = run.stage("student", BUILD, partial(interrupted, how=how), seed=2)
    STOPS.append(4)  # in the second of three epochs
    with pytest.raises(SystemExit), opened(tmp_path / "broken") as run:
        run.stage("student", BUILD, partial(interrupted, how=how), seed=2)
    (checkpoint,) = tmp_path.glob("broken/stages/*/checkpoint*")
    assert checkpoint.exists() and not STOPS
    with opened(tmp_path / "broken") as run:
        resumed = run.stage("student", BUILD, partial(interrupted, how=how), seed=2)
    assert same(bits(resumed.last), bits(straight.last)) and resumed.key == straight.key
    assert [x["losses"] for x in resumed.records] == [x["losses"] for x in straight.records]


def interrupted(stage, model, *, how):
    """Taught by three, with a signal before a step where ``STOPS`` says so."""
    steps = iter(range(1, 1000))

    def note(module, _inputs):
        if module.training and next(steps) in STOPS:
            STOPS.clear()
            os.kill(os.getpid(), signal.SIGTERM)

    handle = model.register_forward_pre_hook(note)
    by_method(stage, model, plan=plan(3, batch_size=10), teaching=teaching(how, 3))
    handle.remove()


def test_the_cost_of_a_step_is_measured_and_its_losses_are_cited(tmp_path, monkeypatch):
    monkeypatch.setattr(study_costs, "SECONDS", 0.0)
    with opened(tmp_path) as run:
        costs, cited = costs_of(
            run, {how: Trial(BUILD, plan(), teaching(how, 2)) for how in ("arithmetic", "camkd", "crd")}
        )
    assert costs.keys() == {"arithmetic", "camkd", "crd"}
    assert set(cited) >= {
        "tutelage.losses.kd:averaged_targets", "tutelage.losses.confident:ConfidentFeatures",
        "tutelage.losses.confident:confident_targets", "tutelage.losses.crd:CRD",
    }  # fmt: skip


# ---- what cannot be


def test_no_teacher_and_names_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="learns from one teacher or more; got none"):
        JointTeaching(joint("crd"), (), ("resnet8",))
    with pytest.raises(ValueError, match="one for each teacher, and the student's last: 3 of them; got"):
        JointTeaching(joint("crd"), teachers(2), ("resnet8", "resnet8"))
    for how in (*joints(), "crd"):
        with pytest.raises(ValueError, match="learns from one teacher or more; got none"):
            joint(how)([])


def test_teachers_may_have_weights_of_their_own_and_each_needs_one(tmp_path):
    def fitted(weights, name):
        taught = JointTeaching(partial(averaged, weights=weights), teachers(2), ("resnet8",) * 3)
        with opened(tmp_path) as run:
            return run_trial(run, name, Trial(BUILD, plan(), taught)).finished

    assert fitted((1.0, 1.0), "equal").key != fitted((3.0, 1.0), "unequal").key
    first, alone = fitted((1.0, 0.0), "first"), student_of(tmp_path, "kd", 1)
    trained = zip(first.last.parameters(), alone.last.parameters(), strict=True)
    assert all(torch.allclose(p, q, rtol=1e-3, atol=1e-4) for p, q in trained)
    with pytest.raises(ValueError, match=r"one for each of the 2 teachers; got \[1\.0\]"):
        fitted((1.0,), "too few")
    with pytest.raises(ValueError, match="not all 0"):
        fitted((0.0, 0.0), "none")


@pytest.mark.parametrize("how", ["arithmetic", "adaptive", "confident", "kd"])
def test_teachers_of_other_classes_are_refused_before_anything_is_trained(tmp_path, how):
    taught = JointTeaching(joint(how), (network(1), network(2, classes=7)), ("a", "b", "c"))
    with opened(tmp_path) as run, pytest.raises(ValueError, match=r"for the same samples and classes; got"):
        run_trial(run, "student", Trial(BUILD, plan(), taught))


@pytest.mark.parametrize("how", ["confident", "camkd"])
def test_labels_are_missed_by_name(how):
    student = network(0).train()
    cast = {f"teacher{k}": frozen(t) for k, t in enumerate(teachers(2), start=1)}
    learner = Learner(student, joint(how)(pairs(2, student)), OPTIMIZER, WeightedSum(), cast)
    batches = [{"input": torch.randn(4, 3, 8, 8)}]
    with pytest.raises(ValueError, match=r"'batch\.target'"):
        list(train({"student": learner}, batches, 1))


def test_probabilities_of_one_teacher_among_several_are_found():
    student, given = network(0).train(), teachers(2)
    soft = torch.nn.Sequential(given[1], torch.nn.Softmax(-1))
    objective = joint("arithmetic")(pairs(2, student))
    learner = Learner(
        student, objective, OPTIMIZER, WeightedSum(), {"teacher1": frozen(given[0]), "teacher2": frozen(soft)}
    )
    with pytest.raises(ValueError, match=r"'teacher2\.output' are probabilities"):
        list(train({"student": learner}, plan().lesson.batches(), 1))
