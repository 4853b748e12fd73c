"""The loop does what a hand-written loop does, in the order it should, and nothing that nobody asked for."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from examples import SGD, Hint, bits, cnn, images, kd, label, mlp, run, same, similarities, vectors
from tutelage import learn
from tutelage.combine.projector import exact_projector
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.learn import alternating, simultaneous, train
from tutelage.learner import Learner, LearnerState
from tutelage.losses.kd import soft_targets
from tutelage.objective import Objective, Term, through
from tutelage.optimizers.ema import ema
from tutelage.optimizers.proximal import proximal
from tutelage.teachers.frozen import frozen


def test_offline_distillation_is_a_hand_written_loop():
    ours, theirs, teacher = cnn(4, seed=3), cnn(4, seed=3), cnn(8)
    run(train({"student": Learner(ours, kd(), SGD, teachers={"teacher": frozen(teacher)})}, images(3), 2))
    optimizer = SGD(theirs.parameters())
    teacher.eval()
    for batch in images(3) * 2:
        with torch.no_grad():
            y = teacher(batch["input"])
        z = theirs(batch["input"])
        loss = 0.1 * F.cross_entropy(z, batch["target"]) + 0.9 * soft_targets(z, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert same(bits(ours), bits(theirs))


def test_the_teacher_is_untouched_and_no_hook_is_left():
    student, teacher = cnn(4), cnn(8)
    before = bits(teacher)
    at = Term(similarities, "student.7", "teacher.8:input", across=True)
    learner = Learner(student, Objective(at=at), SGD, teachers={"teacher": frozen(teacher)})
    for _ in train({"student": learner}, images(), 5):
        break
    assert same(before, bits(teacher)) and teacher.training and all(p.requires_grad for p in teacher.parameters())
    hooks = [m._forward_hooks or m._forward_pre_hooks for net in (student, teacher) for m in net.modules()]
    assert not any(hooks) and all(p.grad is None for p in teacher.parameters())


@pytest.mark.parametrize("weight", [0.0, lambda clock: 0.9 * (clock.epoch >= 5)])
def test_a_term_of_weight_zero_costs_nothing_and_its_teacher_is_not_called(weight):
    calls = []

    def teacher(scene, wanted):
        calls.append(wanted)
        return {what: torch.zeros(len(scene["batch"]["input"]), 5) for what in wanted}

    ours, plain = mlp(seed=3), mlp(seed=3)
    last = run(train({"student": Learner(ours, kd(1.0, weight), SGD, teachers={"teacher": teacher})}, vectors(), 2))
    run(train({"student": Learner(plain, Objective(label=label()), SGD)}, vectors(), 2))
    assert same(bits(ours), bits(plain)) and set(last.losses["student"]) == {"label"}
    assert len(calls) == (1 if callable(weight) else 0)  # the rehearsal asks whoever may be asked later


def test_teachers_answer_before_students_run():
    order, student, teacher = [], mlp(), mlp(16)
    student.register_forward_hook(lambda *_: order.append("student"))
    teacher.register_forward_hook(lambda *_: order.append("teacher"))
    run(train({"student": Learner(student, kd(), SGD, teachers={"teacher": frozen(teacher)})}, vectors(2), 1))
    assert order == ["teacher", "student"] * 3


def test_a_shared_teacher_is_asked_once_a_batch_for_all_that_anybody_reads():
    calls, teacher = [], frozen(mlp(16))

    def ask(scene, wanted):
        calls.append(wanted)
        return teacher(scene, wanted)

    feel = Objective(feel=Term(F.mse_loss, "student.1", "teacher.1"))
    learners = {
        "a": Learner(mlp(8), kd(), SGD, teachers={"teacher": ask}),
        "b": Learner(mlp(16, seed=5), feel, SGD, teachers={"teacher": ask}),
    }
    for turns in (simultaneous, alternating):
        calls.clear()
        run(train(learners, vectors(3), 1, turns=turns))
        assert calls == [frozenset({"1", "output"})] * 4  # the rehearsal and three batches


def test_hints_move_nothing_above_the_layer_that_is_read():
    student, teacher = cnn(4), cnn(8, seed=2)
    before = bits(student)
    hint = Objective(hint=Term(Hint(nn.LazyConv2d(8, 1)), "student.2", "teacher.2"))
    optimizer = partial(torch.optim.SGD, lr=0.01, momentum=0.9, weight_decay=0.1)
    run(train({"student": Learner(student, hint, optimizer, teachers={"teacher": frozen(teacher)})}, images(), 2))
    after = bits(student)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved and {name.split(".")[0] for name in moved} == {"0", "1"}


def test_what_does_not_train_neither_moves_nor_keeps_statistics():
    student = cnn(4)
    before = bits(student)
    names = []

    def optimizer(named):
        names.extend(name for name, _ in named)
        return SGD(named)

    learner = Learner(student, Objective(label=label()), optimizer, trains=lambda name: name.startswith("student.8"))
    run(train({"student": learner}, images(), 1))
    after = bits(student)
    assert names == ["student.8.weight", "student.8.bias"]
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"8.weight", "8.bias"}
    assert all(p.requires_grad for p in student.parameters()) and student[1].training


def modes_of(trains, student):
    """By name, what is in train mode while it trains."""
    learner = Learner(student, Objective(label=label()), SGD, trains=trains)
    train({"student": learner}, vectors(), 1).states["student"].train_mode()
    return {name for name, module in student.named_modules() if module.training}


def halves():
    lower = nn.Sequential(nn.Linear(8, 8), nn.Dropout(), nn.BatchNorm1d(8))
    upper = nn.Sequential(nn.Dropout(), nn.Linear(8, 5))
    return nn.Sequential(lower, nn.Dropout(), nn.ReLU(), upper, nn.Dropout())


@pytest.mark.parametrize(
    ("chosen", "at_work"),
    [
        ("student.", {"", "0", "0.0", "0.1", "0.2", "1", "2", "3", "3.0", "3.1", "4"}),
        ("student.0.", {"", "0", "0.0", "0.1", "0.2", "1", "2"}),
        ("student.3.", {"", "3", "3.0", "3.1", "4"}),
        ("student.0.0.", {"", "0", "0.0", "0.1", "1", "2"}),
    ],
)
def test_dropout_is_at_work_behind_what_is_chosen_alone(chosen, at_work):
    assert modes_of(lambda name: name.startswith(chosen), halves()) == at_work


def test_a_student_that_came_with_fixed_weights_is_chosen_as_a_whole():
    """Fixed places in front of all that learns: dropout between the two drops, as it always did."""
    student = halves()
    student[0].requires_grad_(False)
    assert modes_of(lambda _: True, student) == {"", "1", "2", "3", "3.0", "3.1", "4"}


def test_parts_of_an_objective_are_at_work_whatever_is_chosen():
    objective = Objective(label=label(), hint=Term(nn.Dropout(), "student.output", weight=1.0))
    learner = Learner(halves(), objective, SGD, trains=lambda name: name.startswith("student.3"))
    assert learner.objective.terms["hint"].loss.eval()
    state = LearnerState("student", learner)
    state.build_optimizer()
    state.train_mode()
    assert objective.terms["hint"].loss.training and not learner.student[1].training


def test_lazy_parts_are_made_to_measure_before_the_optimizer_is_built():
    objective = Objective(hint=Term(Hint(nn.LazyConv2d(8, 1)), "student.2", "teacher.2"))
    learner = Learner(cnn(4), objective, SGD, teachers={"teacher": frozen(cnn(8))})
    state = torch.get_rng_state()
    training = train({"student": learner}, images(), 1)
    assert torch.equal(state, torch.get_rng_state())
    assert "objective.hint.loss.regressor.weight" in training.states["student"].parameters


@pytest.mark.parametrize("combine", [None, "conflicts"])
def test_accumulation_equals_the_big_batch(combine):
    from torchjd.aggregation import UPGrad

    def make():
        torch.manual_seed(7)
        extra = {} if combine is None else {"combine": ResolveConflicts(UPGrad(projector=exact_projector()))}
        return Learner(mlp(seed=3), kd(), SGD, teachers={"teacher": frozen(mlp(16))}, **extra)

    pieces = vectors(1, 12)[0]
    small = [{k: x[a:b] for k, x in pieces.items()} for a, b in ((0, 2), (2, 7), (7, 12))]  # unequal on purpose
    once, thrice = make(), make()
    one = run(train({"student": once}, [pieces], 3))
    three = run(train({"student": thrice}, small, 3, accumulate=3))
    for p, q in zip(once.student.parameters(), thrice.student.parameters(), strict=True):
        torch.testing.assert_close(p, q)
    assert one.losses["student"] == pytest.approx(three.losses["student"], rel=1e-4)


def test_terms_that_look_across_the_batch_refuse_accumulation():
    rkd = Objective(rkd=Term(similarities, "student.output", "teacher.output", across=True))
    learner = Learner(mlp(), rkd, SGD, teachers={"teacher": frozen(mlp(16))})
    with pytest.raises(ValueError, match="student: rkd"):
        train({"student": learner}, vectors(), 1, accumulate=2)


def peers():
    soft = partial(soft_targets, temperature=1.0)
    return {
        me: Learner(cnn(4, seed), Objective(label=label(), peer=Term(soft, "student.output", f"{peer}.output")), SGD)
        for me, peer, seed in (("a", "b", 1), ("b", "a", 2))
    }


@pytest.mark.parametrize("turns", [simultaneous, alternating])
def test_turns_are_the_hand_written_ones_buffers_and_all(turns):
    learners, (a, b) = peers(), (cnn(4, 1), cnn(4, 2))
    run(train(learners, images(3), 1, turns=turns))
    one, two = SGD(a.parameters()), SGD(b.parameters())

    def quiet(net, x):  # on batch statistics, buffers restored
        buffers = [buffer.clone() for buffer in net.buffers()]
        with torch.no_grad():
            y = net(x)
        for buffer, kept in zip(net.buffers(), buffers, strict=True):
            buffer.copy_(kept)
        return y

    for batch in images(3):
        x, target = batch["input"], batch["target"]
        if turns is simultaneous:
            y, z = a(x), b(x)
            one.zero_grad(), two.zero_grad()
            (F.cross_entropy(y, target) + soft_targets(y, z.detach(), 1.0)).backward()
            (F.cross_entropy(z, target) + soft_targets(z, y.detach(), 1.0)).backward()
            one.step(), two.step()
        else:
            for me, peer, optimizer in ((a, b, one), (b, a, two)):
                y = me(x)
                optimizer.zero_grad()
                (F.cross_entropy(y, target) + soft_targets(y, quiet(peer, x), 1.0)).backward()
                optimizer.step()
    assert same(bits(learners["a"].student), bits(a)) and same(bits(learners["b"].student), bits(b))


def test_alternating_is_not_simultaneous():
    together, inturn = peers(), peers()
    run(train(together, images(3), 1))
    run(train(inturn, images(3), 1, turns=alternating))
    assert not torch.equal(together["b"].student[8].weight, inturn["b"].student[8].weight)
    assert torch.equal(inturn["a"].student[1].num_batches_tracked, torch.tensor(3))


@pytest.mark.parametrize("place", ["loss", "gradient"])
def test_a_loss_that_is_not_finite_leaves_the_weights_and_is_named(place):
    def sour(student, target):
        bad = (target == -1).any()
        x = student.sum()
        steep = (x * 0 + (~bad).float() * 1e-8).sqrt() + student.square().mean()
        return x * torch.where(bad, float("nan"), 1.0) if place == "loss" else steep

    batches = vectors(5)
    batches[3]["target"] = torch.full_like(batches[3]["target"], -1)
    good = batches[:3]

    def make():
        objective = Objective(sour=Term(sour, "student.output", "batch.target", weight=1e-3))
        return Learner(mlp(seed=3), objective, SGD)

    ours, reference = make(), make()
    run(train({"student": reference}, good, 1))
    name = "Loss 'sour'" if place == "loss" else "The gradient"
    training = train({"student": ours}, batches, 1)
    with pytest.raises(FloatingPointError, match=f"{name} of learner 'student' was not finite in epoch 1, batch 4"):
        list(training)
    assert same(bits(ours.student), bits(reference.student))
    with pytest.raises(FloatingPointError):
        training.state_dict()


class Doubling(nn.Module):
    """Writes to what it is given."""

    def __init__(self):
        super().__init__()
        self.inner = mlp(seed=3)

    def forward(self, x):
        return self.inner(x.mul_(2))


@pytest.mark.parametrize(
    ("student", "teacher", "who"), [(mlp, Doubling, r"A teacher \('teacher'\)"), (Doubling, mlp, "A learner")]
)
def test_a_network_that_writes_to_the_batch_is_refused_before_others_see_that(student, teacher, who):
    learner = Learner(student(), kd(), SGD, teachers={"teacher": frozen(teacher())})
    with pytest.raises(ValueError, match=f"{who}.* overwrites 'batch.input' as it runs, .*begin with x = x.clone()"):
        list(train({"student": learner}, vectors(2), 1))


@pytest.mark.parametrize("place", ["batch.input", "teacher.output", "student.output"])
def test_a_loss_that_is_not_finite_says_what_it_was_given(place):
    batches, student, teacher = vectors(2), mlp(seed=3), mlp(seed=4)
    with torch.no_grad():
        spoilt = {
            "batch.input": batches[1]["input"],
            "teacher.output": teacher[2].bias,
            "student.output": student[2].bias,
        }
        spoilt[place][0] = float("nan")
    objective = Objective(soft=Term(F.mse_loss, "student.output", "teacher.output"))
    learner = Learner(student, objective, SGD, teachers={"teacher": frozen(teacher)})
    with pytest.raises(FloatingPointError, match=rf"Loss 'soft' .* \(step \d\), for '{place}' is not; its weights"):
        list(train({"student": learner}, batches, 1))


def test_a_later_learner_may_be_called_with_what_an_earlier_one_showed():
    seen = []

    def call(model, scene):
        seen.append(scene["a"]["output"])
        return model(scene["batch"]["input"])

    learners = peers()
    learners["b"].call = call
    run(train(learners, images(2), 1))
    assert len(seen) == 3 and not any(x.requires_grad for x in seen)


def test_pairs_and_loaders_are_welcome_but_cannot_be_entered_in_the_middle():
    data = torch.utils.data.TensorDataset(torch.randn(16, 8), torch.randint(5, (16,)))
    loader = torch.utils.data.DataLoader(data, batch_size=4)
    training = train({"student": Learner(mlp(), Objective(label=label()), SGD)}, loader, 2)
    assert [epoch.number for epoch in training] == [0, 1]
    with pytest.raises(ValueError, match="cannot be entered in the middle"):
        training.batches(0, 2)


def test_breaking_off_and_going_on_is_going_on():
    ours, theirs = (Learner(mlp(seed=3), Objective(label=label()), SGD) for _ in range(2))
    training = train({"student": ours}, vectors(), 3)
    for _ in training:
        break
    assert [epoch.number for epoch in training] == [1, 2]
    run(train({"student": theirs}, vectors(), 3))
    assert same(bits(ours.student), bits(theirs.student))


def test_prepare_is_applied_to_every_student():
    prepared = []
    run(train(peers(), images(1), 1, prepare=lambda net: prepared.append(net) or net))
    assert len(prepared) == 2


@pytest.mark.parametrize("counts", [{"epochs": 0}, {"epochs": -1}, {"epochs": 1, "accumulate": 0}])
def test_too_few_of_anything_is_refused(counts):
    with pytest.raises(ValueError, match="1 or more"):
        train({"student": Learner(mlp(), Objective(label=label()), SGD)}, vectors(), **counts)
    with pytest.raises(ValueError, match="1 or more learners"):
        train({}, vectors(), 1)


def test_an_empty_first_batch_is_refused_as_that():
    empty = {"input": torch.zeros(0, 8), "target": torch.zeros(0, dtype=torch.long)}
    with pytest.raises(ValueError, match="Batch 1 of epoch 1 is empty"):
        train({"student": Learner(mlp(), Objective(label=label()), SGD)}, [empty], 1)


def test_an_empty_source_and_an_empty_batch_are_refused():
    learners = {"student": Learner(mlp(), Objective(label=label()), SGD)}
    with pytest.raises(ValueError, match="nothing to learn from"):
        train(learners, [], 1)
    with pytest.raises(ValueError, match="Batch 3 of epoch 1 is empty"):
        run(train(learners, [*vectors(2), {k: x[:0] for k, x in vectors(1)[0].items()}], 1, accumulate=2))


def test_a_learner_with_nothing_to_learn_is_refused():
    with pytest.raises(ValueError, match="no term of its objective has a weight above 0"):
        train({"student": Learner(mlp(), Objective(label=label(0.0)), SGD)}, vectors(), 1)
    with pytest.raises(ValueError, match="no parameter needs a gradient"):
        train({"student": Learner(mlp(), Objective(label=label()), SGD, trains=str.isupper)}, vectors(), 1)
    objective = Objective(label=label(), hint=Term(Hint(nn.LazyLinear(8)), "student.1", "teacher.1", weight=0.0))
    with pytest.raises(ValueError, match="never got a shape"):
        train({"student": Learner(mlp(), objective, SGD)}, vectors(), 1)


def test_learners_do_not_share_a_rule():
    rule = WeightedSum()
    learners = {name: Learner(mlp(), Objective(label=label()), SGD, rule) for name in ("a", "b")}
    with pytest.raises(ValueError, match="share one Combine"):
        train(learners, vectors(), 1)


def test_precisions_that_would_need_more_than_autocast_are_refused():
    with pytest.raises(ValueError, match=r"torch\.bfloat16; got torch\.float16"):
        train({"student": Learner(mlp(), Objective(label=label()), SGD)}, vectors(), 1, precision=torch.float16)


def test_bfloat16_is_autocast_for_students_and_teachers_and_nothing_outside_of_them():
    seen = {}

    def watch(who):
        return lambda _module, _args, y: seen.update({who: y.dtype})

    student, teacher = mlp(), mlp(16)
    student.register_forward_hook(watch("student")), teacher.register_forward_hook(watch("teacher"))
    learner = Learner(student, kd(), SGD, teachers={"teacher": frozen(teacher)})
    for epoch in train({"student": learner}, vectors(), 2, precision=torch.bfloat16):
        assert not torch.is_autocast_enabled("cpu") and all(
            isinstance(x, float) for x in epoch.losses["student"].values()
        )
    assert set(seen.values()) == {torch.bfloat16} and {p.dtype for p in student.parameters()} == {torch.float32}


def test_a_mean_of_many_narrow_losses_is_still_their_mean():
    def constant(student):
        return (student.sum() * 0 + 1.0).bfloat16()

    learner = Learner(mlp(), Objective(label=label(), one=Term(constant, "student.output")), SGD)
    assert (
        run(train({"student": learner}, vectors(1) * 600, 1)).losses["student"]["one"] == 1.0
    )  # bfloat16 stops at 256


def test_double_precision_networks_train_in_double_precision():
    batches = [{"input": x["input"].double(), "target": x["target"]} for x in vectors()]
    learner = Learner(mlp().double(), kd(), SGD, teachers={"teacher": frozen(mlp(16).double())})
    run(train({"student": learner}, batches, 1))
    assert {p.dtype for p in learner.student.parameters()} == {torch.float64}


def test_a_term_that_fades_out_and_one_that_fades_in_have_means_over_the_steps_they_had():
    objective = kd(lambda clock: float(clock.step < 2), lambda clock: float(clock.step >= 3))
    epochs = list(
        train({"student": Learner(mlp(), objective, SGD, teachers={"teacher": frozen(mlp(16))})}, vectors(4), 2)
    )
    assert [set(epoch.losses["student"]) for epoch in epochs] == [{"label", "soft"}, {"soft"}]
    assert epochs[0].weights["student"] == {"label": 0.0, "soft": 1.0}


def test_no_hook_is_left_when_something_cannot_be_tapped_or_prepared():
    def broken(_net):
        raise RuntimeError("no compiler")

    learners = peers()
    with pytest.raises(RuntimeError, match="no compiler"):
        run(train(learners, images(1), 1, prepare=broken))
    learners["b"].objective.add_module("hint", Term(F.mse_loss, "student.22", "a.output"))
    with pytest.raises(ValueError, match="no layer '22'"):
        train(learners, images(1), 1)
    modules = [m for learner in learners.values() for m in learner.student.modules()]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in modules) and all(m.training for m in modules)


def test_a_teacher_that_forgot_no_grad_teaches_without_learning():
    teacher = mlp(16)

    def ask(scene, _wanted):
        return {"output": teacher(scene["batch"]["input"])}

    run(train({"student": Learner(mlp(), kd(), SGD, teachers={"teacher": ask})}, vectors(), 1))
    assert all(p.grad is None for p in teacher.parameters())


def test_when_one_learner_is_spoilt_its_peer_has_not_moved_on():
    learners = peers()

    def sour(student, target):
        return student.sum() * torch.where((target == -1).any(), float("nan"), 1.0)

    learners["b"].objective = Objective(sour=Term(sour, "student.output", "batch.target", weight=1e-3))
    learners["a"].objective = Objective(mean=Term(lambda x: x.square().mean(), "student.output"))
    batches = images(3)
    batches[1]["target"] = batches[1]["target"] * 0 - 1
    before = []
    training = train(learners, batches, 1, pause=lambda _clock: bool(before.append(bits(learners["a"].student))))
    with pytest.raises(FloatingPointError, match=r"Loss 'sour' of learner 'b'.*batch 2 \(step 2\)"):
        list(training)
    moved = bits(learners["a"].student)
    assert all(
        torch.equal(moved[name], x) for name, x in before[0].items() if "running" not in name and "num" not in name
    )


class Accelerator:
    """What a device says of itself that is not a CPU."""

    type = "accelerator"


@pytest.mark.parametrize(
    "optimizer",
    [partial(torch.optim.SGD, lr=0.1, momentum=0.9, fused=fused) for fused in (False, True)]
    + [partial(torch.optim.Adam, lr=0.1, fused=True), ema(partial(torch.optim.SGD, lr=0.1, fused=True), 0.9),
       proximal(partial(torch.optim.SGD, lr=0.1, fused=True), 0.5, str.isprintable)],
    ids=["sgd", "fused", "adam", "averaged", "with exact zeros"],
)  # fmt: skip
@pytest.mark.parametrize("accumulate", [1, 2])
def test_where_looking_would_wait_the_step_is_masked_and_the_first_spoilt_one_is_named(
    optimizer, accumulate, monkeypatch
):
    """The accelerator's path, on a CPU that is told it is one."""
    batches = vectors(5)
    batches[2]["input"] = batches[2]["input"] * float("inf")

    def make(source):
        learner = Learner(mlp(seed=3), Objective(label=label()), optimizer)
        training = train({"student": learner}, source, 1, accumulate=accumulate)
        training.states["student"].device = Accelerator()
        return learner.student, training

    ours, training = make(batches)
    training.device = Accelerator()
    monkeypatch.setattr(learn, "on_device", lambda _device, batch: batch)
    with pytest.raises(FloatingPointError, match=r"Loss 'label'.*in epoch 1, batch 3 "):
        list(training)
    with pytest.raises(FloatingPointError):
        training.state_dict()
    reference, good = make(batches[:2])
    run(good)
    assert same(bits(ours), bits(reference))


def test_an_adversary_passes_gradients_on_and_learns_nothing():
    critic, student = mlp(5, seed=4), mlp()
    critic = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    before = dict(critic.named_parameters())
    before = {name: p.clone() for name, p in before.items()}

    def fooled(logits):
        return through(critic)(logits).mean()

    run(train({"student": Learner(student, Objective(fool=Term(fooled, "student.output")), SGD)}, vectors(), 1))
    assert all(torch.equal(p, before[name]) and p.grad is None for name, p in critic.named_parameters())
    assert not same(bits(student), bits(mlp()))
