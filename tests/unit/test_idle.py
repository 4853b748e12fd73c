"""A training that trains nothing is an error before its second epoch; one that has nothing left to learn is none."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from examples import SGD, Hint, bits, label, mlp, run, same, vectors
from tutelage import idle
from tutelage.combine.learned import LearnedWeights, homoscedastic
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.kd import soft_targets
from tutelage.objective import Objective, Term
from tutelage.optimizers.ema import ema
from tutelage.optimizers.scheduled import scheduled
from tutelage.teachers.frozen import frozen

OUTPUT = "student.output"


def begun(student=None, objective=None, *, optimizer=SGD, batches=None, epochs=3, teachers=None, more=None, **settings):
    learner = Learner(
        student or mlp(), objective or Objective(label=label()), optimizer, teachers=teachers or {}, **(more or {})
    )
    return train({"student": learner}, vectors() if batches is None else batches, epochs, **settings)


def terms(**losses):
    return Objective(**{name: Term(loss, OUTPUT) for name, loss in losses.items()})


class Dead(nn.Module):
    """All of its units are off, whatever they are shown."""

    def __init__(self):
        super().__init__()
        self.body, self.scale = nn.Linear(8, 5), nn.Parameter(torch.zeros(5))
        nn.init.constant_(self.body.bias, -1e6)

    def forward(self, x):
        return self.body(x).relu() + x[:, :5]


class Inferring(nn.Linear):
    @torch.inference_mode()
    def forward(self, x):
        return super().forward(x)


class Rounding(nn.Linear):
    def forward(self, x):
        return super().forward(x).round() * 0 + x[:, :5]


def decaying(named):
    return torch.optim.SGD(named, lr=0.1, weight_decay=0.1)


def only(part):
    return lambda named: torch.optim.SGD([p for name, p in named if part in name], lr=0.1)


NEVER = {
    "no step": partial(torch.optim.SGD, lr=0.0),
    "adam's": partial(torch.optim.Adam, lr=0.0),
    "scheduled": scheduled(SGD, lambda _step: 0.0),
    "of base 0": scheduled(partial(torch.optim.SGD, lr=0.0), lambda _step: 1.0),
    "averaged": ema(partial(torch.optim.SGD, lr=0.0), 0.9),
}
NOTHING = {
    "a gradient of 0": ({"objective": terms(x=lambda s: (0 * s).sum() + 1)}, r"gradients of its losses \('x' 1\) are"),
    "the same, decayed": ({"objective": terms(x=lambda s: (0 * s).sum() + 1), "optimizer": decaying}, "are 0 or None"),
    "dead units": ({"student": Dead()}, r"losses \('label' .*\) are 0 or None for all of its 3 parameters"),
    "rounded": ({"student": Rounding(8, 5)}, "are 0 or None for all of its 2 parameters"),
    "a constant 0": ({"objective": terms(x=lambda _: torch.zeros(()))}, r"losses \('x' 0\) has a gradient"),
    "two that are detached": (
        {"objective": terms(x=lambda s: s.detach().mean() * 0, y=lambda _: torch.zeros(()))},
        "'x' .*'y' 0.* has a gradient",
    ),
    "a head that no loss reaches": (
        {"objective": Objective(hint=Term(lambda x: x.square().mean(), "student.1")), "optimizer": only(".2.")},
        r"does not hold \('student.0.weight' first\); .*Learner\(trains=…\)",
    ),
    "steps that are too small": (
        {"optimizer": partial(torch.optim.SGD, lr=1e-30)},
        r"change no weight \(learning rate 1e-30\)",
    ),
    "weights of 0 for ever": (
        {"objective": Objective(label=label(lambda _clock: 0.0))},
        r"weights of its terms \['label'\] were 0, and stay 0",
    ),
    **{f"a rate of 0, {name}": ({"optimizer": it}, "learning rate was 0, and stays 0") for name, it in NEVER.items()},
}


@pytest.mark.parametrize("case", NOTHING)
def test_a_learner_that_learns_nothing_is_named_with_the_reason_before_its_second_epoch(case):
    settings, sentence = NOTHING[case]
    training, epochs = begun(**settings), []
    with pytest.raises(ValueError, match=rf"Learner 'student' has learnt nothing in epoch 1 .*{sentence}") as error:
        epochs.extend(training)
    assert epochs == [] and "\n" not in str(error.value) and str(error.value).count(". ") == 0


SOONER = {
    "a student in inference mode": (lambda: begun(Inferring(8, 5)), "has a gradient"),
    "a term that reads the teacher alone": (
        lambda: begun(
            objective=Objective(x=Term(lambda t: t.square().mean(), "teacher.output")),
            teachers={"teacher": frozen(mlp(seed=3))},
        ),
        "has a gradient",
    ),
    "a student that is frozen": (lambda: begun(mlp().requires_grad_(False)), "no parameter needs a gradient"),
    "a choice of nothing": (lambda: begun(more={"trains": lambda _name: False}), "no parameter needs a gradient"),
    "weights of 0": (lambda: begun(objective=Objective(label=label(0.0))), "no term .* has a weight above 0"),
    "another's optimizer": (lambda: begun(optimizer=lambda _: SGD(mlp().parameters())), "holds none of its parameters"),
    "an optimizer of a teacher's too": (
        lambda: begun(optimizer=lambda named: SGD([p for _, p in named] + list(mlp().parameters()))),
        "holds 4 parameters that it was not given",
    ),
    "no batch": (lambda: begun(batches=[]), "first epoch has no batch"),
    "fewer samples than a batch": (lambda: begun(batches=loader(drop_last=True, batch_size=64)), "drop_last=True"),
    "a sampler of nothing": (lambda: begun(batches=loader(sampler=[], batch_size=4)), "first epoch has no batch"),
    "an empty batch": (lambda: begun(batches=[{x: y[:0] for x, y in vectors()[0].items()}]), "is empty"),
}


def loader(**settings):
    return DataLoader(TensorDataset(torch.randn(16, 8), torch.randint(5, (16,))), **settings)


@pytest.mark.parametrize("case", SOONER)
def test_what_is_seen_at_once_is_refused_at_once(case):
    attempt, sentence = SOONER[case]
    with pytest.raises(ValueError, match=sentence):
        run(attempt())


class Once:
    def __init__(self):
        self.left = iter(vectors())

    def __iter__(self):
        return self.left


def drying(epoch, first):
    return vectors()[first:] if epoch == 0 else []


@pytest.mark.parametrize(
    "batches",
    [
        Once(),
        drying,
        lambda _epoch, _first, left=iter(vectors()): left,  # noqa: B008 - used up on purpose
        DataLoader(TensorDataset(torch.randn(16, 8), torch.randint(5, (16,))), batch_sampler=iter([[0, 1], [2, 3]])),
    ],
)
def test_a_source_that_dries_up_is_named_in_its_first_epoch_without_a_batch(batches):
    epochs = []
    with pytest.raises(ValueError, match="Epoch 2 has no batch: what gives them is used up"):
        epochs.extend(begun(batches=batches))
    assert len(epochs) == 1


# ---- what may stay as it is, or move later


def warmed(named):
    """A schedule of torch's own, which whoever goes through the training steps once an epoch."""
    optimizer = SGD(named)
    optimizer.schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: float(epoch > 0))
    return optimizer


PERFECT = mlp()
LEGITIMATE = {
    "a student that knows it all": lambda: begun(
        deepcopy(PERFECT),
        Objective(soft=Term(soft_targets, OUTPUT, "teacher.output")),
        teachers={"teacher": frozen(PERFECT)},
    ),
    "a loss that is 0 by its nature": lambda: begun(objective=terms(hinge=lambda s: (s - 1e3).relu().sum())),
    "a weight that grows": lambda: begun(objective=Objective(label=label(lambda clock: 1.0 * clock.epoch))),
    "a loss that comes in the last epoch": lambda: begun(
        objective=Objective(
            label=label(lambda clock: float(clock.epoch == 2)), watched=Term(lambda s: s.detach().abs().sum(), OUTPUT)
        ),
    ),
    "a rate that rises within an epoch": lambda: begun(optimizer=scheduled(SGD, lambda step: step / 10)),
    "a rate that rises after an epoch": lambda: begun(optimizer=scheduled(SGD, lambda step: float(step > 4))),
    "one step an epoch, and a rate that begins at 0": lambda: begun(
        batches=vectors(1), optimizer=scheduled(SGD, lambda step: step / 10)
    ),
    "a body that is frozen": lambda: begun(more={"trains": lambda name: ".2." in name}),
    "a projector alone": lambda: begun(
        objective=Objective(hint=Term(Hint(nn.Linear(8, 8)), "student.1", "teacher.1")),
        teachers={"teacher": frozen(mlp(seed=2))},
        more={"trains": lambda name: name.startswith("objective")},
    ),
    "accumulated": lambda: begun(accumulate=4),
    "a baseline": begun,
    "units that are off in some batches": lambda: begun(
        batches=lambda _epoch, first: [{**x, "input": x["input"] * (k > 2)} for k, x in enumerate(vectors())][first:],
        student=nn.Linear(8, 5, bias=False),
    ),
}


@pytest.mark.parametrize("case", LEGITIMATE)
def test_a_training_that_has_learnt_it_waits_or_learns_a_part_goes_on(case):
    assert len(list(LEGITIMATE[case]())) == 3


def test_a_schedule_of_torchs_own_may_begin_at_0_for_an_epoch_and_no_longer():
    training, epochs = begun(optimizer=warmed), 0
    for _ in training:
        training.states["student"].optimizer.schedule.step()
        epochs += 1
    assert epochs == 3
    with pytest.raises(ValueError, match=r"nothing in epoch 2 .* learning rate was 0, and stays 0"):
        run(begun(optimizer=warmed))


def test_what_a_rule_learns_for_itself_does_not_count():
    def make(loss):
        objective = Objective(a=Term(loss, OUTPUT), b=Term(loss, OUTPUT))
        return begun(Rounding(8, 5), objective, more={"combine": LearnedWeights(["a", "b"], homoscedastic)})

    with pytest.raises(ValueError, match="has learnt nothing in epoch 1"):
        run(make(lambda s: s.square().mean() + 1))


def test_of_several_learners_the_idle_one_is_named_and_one_without_a_turn_is_not():
    def cast(objective):
        return {"a": Learner(mlp(), Objective(label=label()), SGD), "b": Learner(mlp(seed=2), objective, SGD)}

    with pytest.raises(ValueError, match="Learner 'b' has learnt nothing"):
        run(train(cast(terms(x=lambda s: (0 * s).sum() + 1)), vectors(), 2))
    assert run(train(cast(Objective(label=label())), vectors(), 2, turns=lambda _: [["a"]])).finished


def test_one_that_was_saved_is_judged_once_and_never_by_a_part_of_an_epoch():
    def made(pause):
        return begun(optimizer=scheduled(SGD, lambda step: float(step < 2)), epochs=2, pause=pause)

    straight = made(lambda _: False)
    ends = list(straight)
    broken = made(lambda clock: clock.step == 3)
    next(iter(broken))
    state = deepcopy(broken.state_dict())
    resumed = made(lambda _: False)
    resumed.load_state_dict(state)
    with pytest.raises(ValueError, match="nothing in epoch 2"):  # nor did it in the whole of the epoch that it saw
        list(resumed)
    assert len(ends) == 2
    student = [training.states["student"].learner.student for training in (straight, resumed)]
    assert same(*map(bits, student))


def test_looking_costs_nothing_once_a_learner_has_moved(monkeypatch):
    looks = []
    fingerprint = idle.fingerprint
    monkeypatch.setattr(idle, "fingerprint", lambda state: looks.append(1) or fingerprint(state))
    run(begun(epochs=5))
    assert len(looks) == 2
