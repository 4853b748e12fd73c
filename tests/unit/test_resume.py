"""A training that was saved within an epoch and loaded elsewhere goes on to the same bits."""

import io
import random
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchjd.aggregation import GradVac, Random, UPGrad

from examples import Hint, bits, cnn, images, label, mlp, same
from tutelage.checkpoint import load_state, save_state
from tutelage.combine.projector import exact_projector
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.data.labelled import labelled
from tutelage.data.views import views
from tutelage.learn import alternating, never, simultaneous, train
from tutelage.learner import Learner
from tutelage.losses.kd import soft_targets
from tutelage.objective import Objective, Term
from tutelage.optimizers.accelerated_proximal import accelerated_proximal, growing
from tutelage.optimizers.clipped import clipped
from tutelage.optimizers.ema import ema
from tutelage.optimizers.max_norm import max_norm
from tutelage.optimizers.proximal import proximal
from tutelage.optimizers.scheduled import scheduled
from tutelage.teachers.frozen import frozen

pytestmark = pytest.mark.slow

SGD = partial(torch.optim.SGD, lr=0.05, momentum=0.9)
ADAM = partial(torch.optim.Adam, lr=0.01)
WRAPPED = ema(clipped(scheduled(ADAM, lambda step: 1 / (1 + step)), 1.0), 0.9)
SPARSE = scheduled(accelerated_proximal(SGD, 0.1, str.isprintable, momentum=growing), lambda step: 1 / (1 + step))
BOUNDED = max_norm(proximal(ADAM, 1e-3, str.isprintable), 0.8, str.isprintable)
G = torch.Generator().manual_seed(4)
X, Y = torch.randn(40, 8, generator=G), torch.randint(5, (40,), generator=G)


def jitter(x, view):
    return x + 0.1 * view[:, None].sin()


BATCHES = views(labelled("blobs", X, Y), jitter, num_views=25, batch_size=8, seed=3)


def learners(optimizer, combine, teacher):
    """Two peers with dropout, BatchNorm, a lazy projector and a scheduled weight; only their seeds differ."""

    def one(peer, seed):
        torch.manual_seed(seed)
        student = nn.Sequential(nn.Linear(8, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 5))
        objective = Objective(
            label=Term(F.cross_entropy, "student.output", "batch.target"),
            peer=Term(soft_targets, "student.output", f"{peer}.output", weight=lambda clock: 0.1 * clock.step),
            hint=Term(Hint(nn.LazyLinear(16)), "student.2", "teacher.1", weight=0.1),
        )
        return Learner(student, objective, optimizer, combine(), {"teacher": teacher})

    return {"a": one("b", 1), "b": one("a", 2)}


CASES = {
    "sgd": (SGD, WeightedSum, simultaneous, 1),
    "adam": (ADAM, WeightedSum, alternating, 1),
    "clipped, scheduled, averaged": (WRAPPED, WeightedSum, simultaneous, 1),
    "bounded, with exact zeros, accumulated": (BOUNDED, WeightedSum, alternating, 2),
    "accelerated proximal, scheduled": (SPARSE, WeightedSum, simultaneous, 1),
    "upgrad": (SGD, lambda: ResolveConflicts(UPGrad(projector=exact_projector())), simultaneous, 1),
    "random, accumulated": (SGD, lambda: ResolveConflicts(Random(), seed=5), simultaneous, 3),
    "gradvac, with state": (ADAM, lambda: ResolveConflicts(GradVac()), alternating, 1),
}


@pytest.mark.parametrize("case", CASES)
def test_to_the_same_bits_as_an_uninterrupted_run(case):
    optimizer, combine, turns, accumulate = CASES[case]
    stop = random.Random(case).randrange(1, 3 * -(-5 // accumulate))  # 5 batches an epoch, 3 epochs
    teacher = frozen(mlp(16))

    def make(pause=lambda clock: clock.step == stop):
        cast = learners(optimizer, combine, teacher)
        return train(cast, BATCHES, 3, turns=turns, pause=pause, accumulate=accumulate), cast

    torch.manual_seed(11)
    straight, straight_cast = make(never)
    reports = list(straight)

    torch.manual_seed(11)
    broken, _ = make()
    file = io.BytesIO()
    for report in broken:
        torch.rand(3)  # what the caller draws must not matter
        if not report.finished:
            torch.save(broken.state_dict(), file)
            break
    assert file.tell() > 0

    torch.manual_seed(99)  # as in another process: nothing is left but the file
    resumed, cast = make()
    resumed.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    later = [report for report in resumed if report.finished]
    for name in cast:
        assert same(bits(cast[name].student), bits(straight_cast[name].student))
        assert same(bits(cast[name].objective), bits(straight_cast[name].objective))
        ours, theirs = (t.states[name].optimizer.state_dict()["state"] for t in (resumed, straight))
        assert all(torch.equal(ours[i][k], theirs[i][k]) for i in theirs for k in theirs[i] if theirs[i][k] is not None)
    assert later == reports[-len(later) :]


def test_the_file_is_needed():
    teacher = frozen(mlp(16))
    ends = []
    for seed in (11, 99):
        torch.manual_seed(seed)
        cast = learners(SGD, WeightedSum, teacher)
        torch.manual_seed(seed)
        list(train(cast, BATCHES, 1))
        ends.append(bits(cast["a"].student))
    assert not same(*ends)  # dropout differs, so the equality above says something


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_begun_anew_after_every_single_step_it_learns_the_same(tmp_path, precision):
    """The strictest form: each step in a training of its own, with nothing but a checkpoint file between them."""
    teacher, file = frozen(mlp(16)), tmp_path / "state.safetensors"

    def make(pause):
        cast = learners(WRAPPED, WeightedSum, teacher)
        return train(cast, BATCHES, 2, pause=pause, accumulate=2, precision=precision), cast

    torch.manual_seed(11)
    straight, expected = make(never)
    reports = list(straight)
    torch.manual_seed(11)
    seen = []
    while not seen or seen[-1].number < 1 or not seen[-1].finished:
        training, cast = make(lambda _clock: True)
        if file.exists():
            training.load_state_dict(load_state(file))
        seen.append(next(iter(training)))
        save_state(file, training.state_dict())
        torch.manual_seed(len(seen))
    assert len(seen) == 2 * (3 + 1) and [report for report in seen if report.finished] == reports
    for name in cast:
        assert same(bits(cast[name].student), bits(expected[name].student))
        assert same(bits(cast[name].objective), bits(expected[name].objective))


@pytest.mark.parametrize("fused", [True, False])
def test_a_state_in_another_memory_layout_is_put_into_the_weights_own(tmp_path, fused):
    def make():
        student = cnn(4, seed=3).to(memory_format=torch.channels_last)
        optimizer = partial(torch.optim.SGD, lr=0.1, momentum=0.9, fused=fused)
        return train({"student": Learner(student, Objective(label=label()), optimizer)}, images(), 3), student

    straight, expected = make()
    list(straight)
    broken, _ = make()
    next(iter(broken))
    save_state(tmp_path / "state.safetensors", broken.state_dict())
    resumed, student = make()
    resumed.load_state_dict(load_state(tmp_path / "state.safetensors"))
    list(resumed)
    assert same(bits(student), bits(expected))
    momenta = [state["momentum_buffer"] for state in resumed.states["student"].optimizer.state.values()]
    assert all(x.stride() == p.stride() for x, p in zip(momenta, student.parameters(), strict=True))
