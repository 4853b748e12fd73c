"""A teacher that its own student moves is refused; memory that stays as it is may be shared."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn

from examples import SGD, label, mlp, run, vectors
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.kd import soft_targets
from tutelage.objective import Objective, Term
from tutelage.outputs import TensorOutput
from tutelage.teachers.adapted import adapted
from tutelage.teachers.cached import cached
from tutelage.teachers.ensemble import ensemble
from tutelage.teachers.frozen import folded, frozen


def fit(student=None, objective=None, *, teachers=None, batches=None, optimizer=SGD, **settings):
    learner = Learner(student or mlp(), objective or Objective(label=label()), optimizer, teachers=teachers or {})
    return run(train({"student": learner}, vectors() if batches is None else batches, 1, **settings))


def soft(loss=soft_targets, **settings):
    return Objective(soft=Term(loss, "student.output", "teacher.output", **settings))


class Halves(nn.Module):
    """A student whose body is somebody else's."""

    def __init__(self, body):
        super().__init__()
        self.body, self.head = body, nn.Linear(5, 5)

    def forward(self, x):
        return self.head(self.body(x))


@pytest.mark.parametrize(
    "wrap", [frozen, folded, lambda x: ensemble([frozen(x)]), lambda x: cached(frozen(x), samples=9, views=1)]
)
def test_a_teacher_that_the_student_trains_is_refused(wrap):
    student = mlp()
    batches = [{**batch, "index": torch.arange(8), "view": torch.zeros(8, dtype=torch.long)} for batch in vectors()]
    loss = soft(lambda s, t: soft_targets(s, t if t.ndim == 2 else t[0]))
    for network in (student, Halves(student)):
        teachers = {"teacher": wrap(student)}
        with pytest.raises(
            ValueError, match=r"Teacher 'teacher' of learner 'student' has 4 parameters that this learner"
        ):
            fit(network, loss, teachers=teachers, batches=batches)


def test_sharing_what_does_not_train_copies_and_layers_of_oneself_are_no_teacher_of_oneself():
    teacher = mlp().requires_grad_(False)
    assert fit(Halves(teacher), soft(), teachers={"teacher": frozen(teacher)}).finished
    student = mlp()
    assert fit(student, soft(), teachers={"teacher": frozen(deepcopy(student))}).finished
    assert fit(student, Objective(self=Term(soft_targets, "student.output", "student.2"))).finished
    unread = {"teacher": frozen(student)}
    assert fit(student, teachers=unread).finished


def normed(**settings):
    return nn.Sequential(nn.Linear(8, 5), nn.BatchNorm1d(5, **settings))


def sliced():
    student, teacher = mlp(), mlp(seed=3)
    student[0].weight = nn.Parameter(torch.as_strided(teacher[0].weight.data, student[0].weight.shape, (8, 1)))
    student[2].bias = nn.Parameter(teacher[0].bias.data[1:6])
    return student, teacher


def measuring(**settings):
    student, teacher = normed(**settings), normed(**settings)
    student[1].running_mean = teacher[1].running_mean
    return student, teacher


@pytest.mark.parametrize(
    ("networks", "sentence"),
    [
        (sliced, "has 2 parameters that this learner trains"),
        (measuring, r"has 1 buffers that the BatchNorms of this learner move \('1\.running_mean' first\)"),
        (partial(measuring, affine=False), "has 1 buffers that the BatchNorms of this learner move"),
    ],
)
@pytest.mark.parametrize("wrap", [frozen, folded])
def test_a_teacher_whose_memory_the_student_writes_to_is_refused(networks, sentence, wrap):
    student, teacher = networks()
    with pytest.raises(ValueError, match=sentence):
        fit(student, soft(), teachers={"teacher": wrap(teacher)})


def test_memory_that_stays_as_it_is_and_neighbours_in_memory_may_be_shared():
    student, teacher = measuring()
    student[1].requires_grad_(False)  # so it stays in eval mode
    before = teacher[1].running_mean.clone()
    assert fit(student, soft(), teachers={"teacher": frozen(teacher)}).finished
    assert torch.equal(teacher[1].running_mean, before)
    student, teacher, flat = nn.Linear(8, 5), nn.Linear(8, 5), torch.randn(80)
    student.weight, teacher.weight = (nn.Parameter(half.view(5, 8)) for half in (flat[:40], flat[40:]))
    assert fit(student, soft(), teachers={"teacher": frozen(teacher)}).finished


# ---- wrapped and hidden


@pytest.mark.parametrize("wrap", [TensorOutput, lambda net: adapted(lambda: net, size=0), nn.Sequential, Halves])
def test_a_wrapped_student_is_the_student(wrap):
    student = mlp()
    for mine, its in ((student, wrap(student)), (wrap(student), student)):
        with pytest.raises(ValueError, match="4 parameters that this learner trains"):
            fit(mine, soft(), teachers={"teacher": frozen(its)})


def tied():
    student, teacher = mlp(), mlp(seed=3)
    teacher[0].renamed = student[2].weight
    return student, teacher


def buffered():
    student, teacher = mlp(), mlp(seed=3)
    teacher.register_buffer("table", student[0].weight.detach())
    return student, teacher


@pytest.mark.parametrize("networks", [tied, buffered])
def test_by_another_name_or_as_a_buffer_it_is_the_same_memory(networks):
    student, teacher = networks()
    with pytest.raises(ValueError, match="1 parameters that this learner trains"):
        fit(student, soft(), teachers={"teacher": frozen(teacher)})


class Asking:
    """A teacher of one's own: its networks are its own affair."""

    def __init__(self, asked, held=None):
        self.asked, self.held = asked, held

    def __call__(self, scene, wanted):
        return self.inner(scene, wanted)

    def inner(self, scene, wanted):
        return {what: self.asked(scene["batch"]["input"]) for what in wanted}


OURS = []


def through_a_global(scene, wanted):
    return {what: OURS[0](scene["batch"]["input"]) for what in wanted}


def globally(network):
    OURS[:] = [network]
    return through_a_global


class Repeating:
    """Its method names itself, and was looked at for ever."""

    def __init__(self, network):
        self.others = [Asking(network)]

    def again(self, scene, wanted, times=3):
        return self.again(scene, wanted, times - 1) if times else self.others[0].inner(scene, wanted)


HIDING = {
    "a closure": lambda x: lambda scene, wanted: {what: x(scene["batch"]["input"]) for what in wanted},
    "a default": lambda x: lambda scene, wanted, x=x: {what: x(scene["batch"]["input"]) for what in wanted},
    "a partial": lambda x: partial(lambda net, scene, _: {"output": net(scene["batch"]["input"])}, x),
    "an object": Asking,
    "a method": lambda x: Asking(x).inner,
    "an object in a closure": lambda x: (lambda lab: lambda scene, wanted: lab.inner(scene, wanted))(Asking(x)),
    "a method that names itself": lambda x: Repeating(x).again,
    "a global": globally,
    "a call": lambda x: frozen(mlp(3), call=lambda net, scene: {**net(scene["batch"]["input"]), "output": x(
        scene["batch"]["input"])}),
}  # fmt: skip


@pytest.mark.parametrize("hide", HIDING)
def test_a_teacher_of_ones_own_that_asks_the_student_is_said_and_one_that_asks_a_copy_is_not(hide):
    student = mlp()
    with pytest.warns(RuntimeWarning, match="Teacher 'teacher' .* refers to a network with 4 parameters that this"):
        assert fit(student, soft(), teachers={"teacher": HIDING[hide](student)}).finished
    assert fit(student, soft(), teachers={"teacher": HIDING[hide](deepcopy(student))}).finished
    assert fit(student, soft(), teachers={"teacher": Asking(mlp(seed=2), held=student)}).finished


# ---- among learners


def together(a, b, *, teachers=None, objectives=None, trains=None, **settings):
    cast = {}
    for name, student in (("a", a), ("b", b)):
        objective = (objectives or {}).get(name) or Objective(label=label())
        more = {"trains": trains[name]} if trains else {}
        cast[name] = Learner(student, objective, SGD, teachers=(teachers or {}).get(name, {}), **more)
    return run(train(cast, vectors(), 1, **settings))


def test_what_a_learner_trains_is_nobody_elses():
    body = nn.Linear(8, 5)
    with pytest.raises(ValueError, match=r"Learners 'a' and 'b' share 2 parameters that 'a' trains \('student\.body"):
        together(Halves(body), Halves(body))
    with pytest.raises(ValueError, match="Learners 'b' and 'a' share 2 parameters that 'b' trains"):
        together(Halves(body), Halves(body), trains={"a": lambda x: "head" in x, "b": lambda _: True})
    norms = [normed(), normed()]
    norms[1][1].running_mean = norms[0][1].running_mean
    with pytest.raises(ValueError, match="share 1 buffers that the BatchNorms of 'a' move"):
        together(*norms)


def test_what_none_of_the_learners_trains_may_be_shared():
    body = nn.Sequential(nn.Linear(8, 5), nn.BatchNorm1d(5))
    only_head = dict.fromkeys("ab", lambda name: "head" in name)
    assert together(Halves(body), Halves(body), trains=only_head).finished
    body.requires_grad_(False)
    assert together(Halves(body), Halves(body)).finished
    teacher = frozen(body)
    assert together(Halves(body), Halves(body), teachers={"a": {"t": teacher}, "b": {"t": teacher}}).finished


class Regressed(nn.Module):
    def __init__(self, regressor):
        super().__init__()
        self.regressor = regressor

    def forward(self, x):
        return self.regressor(x).square().mean()


def test_a_projector_is_no_part_of_another_learners_student():
    student, other = mlp(5), mlp(5, seed=2)
    own = Objective(label=label(), fit=Term(Regressed(other[2]), "student.1"))
    with pytest.raises(ValueError, match=r"share 2 parameters that '[ab]' trains \('(objective\.fit|student\.2)"):
        together(student, other, objectives={"a": own})
    assert fit(other, own).finished  # within one learner it is a tied layer


@pytest.mark.parametrize("wrap", [frozen, folded, lambda x: cached(frozen(x), samples=9, views=1)])
def test_a_peer_is_no_teacher_and_what_it_shows_is_read_by_its_name(wrap):
    a, b = mlp(), mlp(seed=2)
    batches = [{**x, "index": torch.arange(8), "view": torch.zeros(8, dtype=torch.long)} for x in vectors()]
    learners = {"a": Learner(a, soft(), SGD, teachers={"teacher": wrap(b)}), "b": Learner(b, Objective(x=label()), SGD)}
    with pytest.raises(ValueError, match=r"4 parameters that learner 'b' trains .*read 'b\.output'"):
        train(learners, batches, 1)
    advised = Objective(soft=Term(soft_targets, "student.output", "b.output"))
    assert together(a, b, objectives={"a": advised}).finished


class Counting(nn.Module):
    """A module that writes to a buffer as it runs, unless it is done with that."""

    def __init__(self, steps, writes=True):
        super().__init__()
        self.register_buffer("steps", steps)
        self.writes = writes

    def forward(self, x):
        if self.writes and self.training:
            self.steps += 1
        return x + 0 * self.steps


@pytest.mark.parametrize("writes", [True, False])
def test_a_buffer_that_any_module_writes_to_is_nobody_elses_and_a_constant_may_be_shared(writes):
    steps = torch.zeros(())
    student, teacher = (nn.Sequential(mlp(seed=seed), Counting(steps, writes)) for seed in (1, 2))
    attempts = [
        (lambda: fit(student, soft(), teachers={"teacher": frozen(teacher)}), "of teacher 'teacher' of learner"),
        (lambda: together(student, teacher), "of learner 'b'"),
    ]
    for attempt, whose in attempts:
        if writes:
            with pytest.raises(ValueError, match=rf"writes to its buffer 'student\.1\.steps' .* a buffer {whose}"):
                attempt()
        else:
            assert attempt().finished
    if writes:
        assert steps == 0  # what was tried was taken back


def test_one_network_is_one_learner():
    network, objective = mlp(), lambda: Objective(label=label())
    with pytest.raises(ValueError, match="Learners 'a' and 'b' are one network"):
        train({"a": Learner(network, objective(), SGD), "b": Learner(network, objective(), SGD)}, vectors(), 1)
