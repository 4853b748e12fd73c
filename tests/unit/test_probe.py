"""The linear probe moves the head alone; tuning moves all, from the weights it was given."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torchjd.aggregation import UPGrad

from examples import same
from stopping import LEFT, stopping
from tutelage.combine.base import Combine
from tutelage.combine.projector import exact_projector
from tutelage.combine.resolve import ResolveConflicts
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.models.mlp import mlp
from tutelage.optimizers.usual import sgd
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.schemes.probe import measure_statistics, probed, tuned
from tutelage.schemes.supervised import supervised

pytestmark = pytest.mark.slow

G = torch.Generator().manual_seed(8)
DATA = labelled("small", torch.rand(24, 2, 8, 8, generator=G), torch.arange(24) % 4, tuple("abcd"))
FLAT = labelled("flat", torch.rand(24, 8, generator=G), torch.arange(24) % 4, tuple("abcd"))
PLAN = Plan(Lesson(DATA, DATA, batch_size=8, seed=1), partial(sgd, lr=0.1), epochs=2)


def upgrad() -> Combine:
    return ResolveConflicts(UPGrad(projector=exact_projector()))


RULES = {"sum": {}, "upgrad": {"combine": upgrad}}


def net() -> nn.Module:
    layers = (
        nn.Conv2d(2, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    return nn.Sequential(*layers, nn.Linear(6, 4))


def headless() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def opened(root):
    return Run("toy:probe", root=root, exact=True, device="cpu")


def taught(run):
    return run.stage("taught", net, partial(supervised, plan=PLAN), seed=5).last


def built(seed):
    torch.manual_seed(seed)
    return net()


def parts(state):
    """Of a state: what lies below the head, buffers included, and the head."""
    head = {name: x for name, x in state.items() if name.startswith("5.")}
    return {name: x for name, x in state.items() if name not in head}, head


def test_a_probe_keeps_the_features_to_the_bit_and_fits_a_new_head(tmp_path):
    with opened(tmp_path) as run:
        start = taught(run)
        before = {name: x.clone() for name, x in start.state_dict().items()}
        probe = run.stage("probe", net, partial(probed, plan=PLAN, start=start), seed=3)
    body, head = parts(probe.last.state_dict())
    assert same(body, parts(before)[0]) and same(start.state_dict(), before)
    assert not same(head, parts(before)[1]) and not same(head, parts(built(3).state_dict())[1])
    assert probe.best_epoch is not None


def test_a_probe_is_logistic_regression_on_the_features(tmp_path):
    with opened(tmp_path) as run:
        start = taught(run)
        probe = run.stage("probe", net, partial(probed, plan=PLAN, start=start), seed=3).last
    head = built(3)[5]
    features = nn.Sequential(*list(start)[:5]).eval()
    optimizer = PLAN.scheduled_optimizer(dict(head.named_parameters()).items())
    for batch in (batch for epoch in range(2) for batch in PLAN.lesson.batches()(epoch, 0)):
        optimizer.zero_grad()
        with torch.no_grad():
            x = features(batch["input"])
        cross_entropy(head(x), batch["target"]).backward()
        optimizer.step()
    for ours, plain in zip(probe[5].parameters(), head.parameters(), strict=True):
        torch.testing.assert_close(ours, plain)


def test_a_probe_of_nobody_is_one_of_the_features_that_the_network_starts_with(tmp_path):
    with opened(tmp_path) as run:
        probe = run.stage("probe", net, partial(probed, plan=PLAN, start=None), seed=3).last
    assert all(map(torch.equal, list(probe.parameters())[:-2], list(built(3).parameters())[:-2]))


def test_statistics_that_nobody_measured_are_those_of_the_lesson(tmp_path):
    """Three batches of eight: their means together are the mean, and their variances are averaged."""
    with opened(tmp_path) as run:
        probe = run.stage("probe", net, partial(probed, plan=PLAN, start=None), seed=3).last
    with torch.no_grad():
        fed = [built(3)[0](batch["input"]) for batch in PLAN.lesson.batches()(0, 0)]
    torch.testing.assert_close(probe[1].running_mean, torch.cat(fed).mean((0, 2, 3)))
    torch.testing.assert_close(probe[1].running_var, torch.stack([x.var((0, 2, 3)) for x in fed]).mean(0))
    assert probe[1].momentum == 0.1


def test_measuring_moves_nothing_else():
    model = nn.Sequential(net(), nn.Dropout(0.5), nn.Linear(4, 4)).eval()
    model[0][1].train()
    before, modes = {name: p.clone() for name, p in model.named_parameters()}, [x.training for x in model.modules()]
    state = torch.get_rng_state()
    one = replace(PLAN, lesson=replace(PLAN.lesson, batch_size=23))  # and one sample
    measure_statistics(model, one)
    measured = model[0][1].running_mean.clone()
    measure_statistics(model, one)
    assert torch.equal(measured, model[0][1].running_mean)  # begun afresh
    assert torch.equal(state, torch.get_rng_state()) and [x.training for x in model.modules()] == modes
    assert same(dict(model.named_parameters()), before) and model[0][1].num_batches_tracked == 1


@pytest.mark.parametrize("place", [7, 9])
def test_a_probe_of_nobody_goes_on_to_the_same_bits(tmp_path, place):
    """One batch is seen to find the head, three for the statistics, one in a rehearsal, and three in each epoch."""
    plan = replace(PLAN, lesson=replace(PLAN.lesson, validation=None, transform=stopping))

    def probe(root):
        with opened(root) as run:
            return run.stage("probe", net, partial(probed, plan=plan, start=None), seed=3).last

    straight = probe(tmp_path / "straight")
    LEFT[:] = [place]
    with pytest.raises(SystemExit):
        probe(tmp_path / "broken")
    assert not LEFT and same(probe(tmp_path / "broken").state_dict(), straight.state_dict())


def test_nothing_is_dropped_between_a_frozen_body_and_the_head_that_is_fitted(tmp_path):
    """Dropout that would drop everything, directly before the head: its bias alone would learn."""
    with opened(tmp_path) as run:
        fit = partial(probed, plan=PLAN, start=None)
        dropping, plain = (run.stage(build.__name__, build, fit, seed=3).last for build in (dropped, net))
    assert torch.equal(dropping[6].weight, plain[5].weight)


def dropped() -> nn.Module:
    *body, head = net()
    return nn.Sequential(*body, nn.Dropout(1.0), head)


@pytest.mark.parametrize("fit", [probed, tuned])
def test_a_start_of_another_architecture_is_refused_in_a_sentence(tmp_path, fit):
    words = r"^The network to start from holds the weights of another architecture than this Sequential: .*; start from"
    with opened(tmp_path) as run, pytest.raises(ValueError, match=words) as refused:
        run.stage("fitted", net, partial(fit, plan=PLAN, start=frozen_mlp(run)))
    assert "\n" not in str(refused.value)


def frozen_mlp(run):
    plan = Plan(Lesson(FLAT, batch_size=8), partial(sgd, lr=0.1), epochs=1)
    return run.stage("other", partial(mlp, (8, 6, 4)), partial(supervised, plan=plan)).last


@pytest.mark.filterwarnings("ignore:Nothing to merge")  # of one loss
@pytest.mark.parametrize("rule", RULES)
def test_tuning_moves_everything_from_the_weights_it_was_given(tmp_path, rule):
    with opened(tmp_path) as run:
        start = taught(run)
        fit = partial(tuned, plan=PLAN, start=start, **RULES[rule])
        one, other = (run.stage(f"tuned {seed}", net, fit, seed=seed).last for seed in (3, 4))
    assert same(one.state_dict(), other.state_dict())  # what it was built with does not matter
    moved = dict(one.named_parameters())
    assert all(not torch.equal(p, moved[name]) for name, p in start.named_parameters())


def test_tuning_what_was_never_taught_is_plain_training(tmp_path):
    with opened(tmp_path) as run:
        plain = run.stage("plain", net, partial(supervised, plan=PLAN), seed=3).last
        again = run.stage("begun", net, begun_as_built, seed=3).last
    assert same(plain.state_dict(), again.state_dict())


def begun_as_built(stage, model):
    tuned(stage, model, plan=PLAN, start=built(3))


@pytest.mark.filterwarnings("ignore:Nothing to merge")  # of one loss
@pytest.mark.parametrize("rule", RULES)
def test_a_probe_takes_any_rule(tmp_path, rule):
    with opened(tmp_path) as run:
        probe = run.stage("probe", net, partial(probed, plan=PLAN, start=taught(run), **RULES[rule]), seed=3)
    assert len(probe.records) == 2 and probe.records[-1]["losses"]["student"]["label"] > 0


def test_a_network_without_a_linear_layer_at_its_end_is_refused(tmp_path):
    with opened(tmp_path) as run, pytest.raises(ValueError, match="does not end in a linear layer"):
        run.stage("probe", headless, partial(probed, plan=PLAN, start=None))
