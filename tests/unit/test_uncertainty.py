"""What random networks answer on average, how sure they are, and whether that tells strangers apart."""

from dataclasses import replace
from functools import partial
from math import log

import pytest
import torch
from torch import nn

from tutelage.compress.variational import is_variational, variational_
from tutelage.data.synthetic import digits
from tutelage.measures.calibration import calibration
from tutelage.measures.entropy import entropy
from tutelage.measures.monte_carlo import monte_carlo
from tutelage.measures.outside import detected, outside
from tutelage.measures.predict import predict
from tutelage.models.mlp import mlp
from tutelage.tasks.classification import CLASSIFICATION

DATA = digits(30, seed=0)
MANY = partial(monte_carlo, random=is_variational)


def student(log_variance=-3.0):
    return variational_(mlp((784, 20, 10)), log_variance=log_variance).eval()


def test_it_is_the_logarithm_of_mean_probabilities():
    net = student()
    answers = MANY(net, DATA, passes=8)
    assert answers.shape == (30, 10)
    assert torch.allclose(answers.exp().sum(-1), torch.ones(30), atol=1e-5)
    torch.manual_seed(0)
    net.train()
    x = DATA.inputs.float() / 255
    by_hand = torch.stack([net(x).softmax(-1) for _ in range(8)]).mean(0)
    assert torch.allclose(answers.exp(), by_hand.detach(), atol=1e-5)


def test_it_follows_from_its_seed_and_uses_up_nobody_elses_numbers():
    net, state = student(), torch.get_rng_state()
    first = MANY(net, DATA)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first, MANY(net, DATA)) and not torch.equal(first, MANY(net, DATA, seed=1))


@pytest.mark.parametrize("mode", [True, False])
def test_modes_are_as_they_were_and_the_rest_is_in_eval_mode(mode):
    net = nn.Sequential(student(), nn.BatchNorm1d(10)).train(mode)
    before = {name: x.clone() for name, x in net.state_dict().items()}
    MANY(net, DATA)
    assert all(module.training is mode for module in net.modules())
    assert all(torch.equal(x, before[name]) for name, x in net.state_dict().items())


def test_without_noise_it_is_what_is_predicted():
    net = student(log_variance=-40.0)
    for layer in (net.hidden1, net.output):
        layer.posterior.threshold = 9.0
    assert torch.allclose(MANY(net, DATA).exp(), predict(net, DATA).softmax(-1), atol=1e-3)


def test_dropout_is_random_too():
    net = mlp((784, 20, 10), dropout=0.5)
    answers = monte_carlo(net, DATA, random=lambda module: "Dropout" in type(module).__name__)
    assert not torch.allclose(answers, predict(net, DATA).log_softmax(-1), atol=1e-4)


def test_a_task_may_be_judged_by_it():
    task = replace(CLASSIFICATION, predict=MANY)
    net = student()
    found = task.judge(net, DATA)
    assert found.answers is not None and torch.equal(found.answers, MANY(net, DATA))


def test_noise_makes_a_network_less_sure():
    net = student(log_variance=-6.0)
    with torch.no_grad():
        net.output.weight.mul_(30)
    assert entropy(MANY(net, DATA)).mean() > entropy(predict(net, DATA)).mean()
    assert 0 <= calibration(MANY(net, DATA), DATA.targets).error <= 1


@pytest.mark.parametrize(
    ("arguments", "match"),
    [({"passes": 0}, "takes 1 or more; got 0"), ({"random": lambda _module: False}, "Nothing in this Sequential is")],
)
def test_what_has_no_mean_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        monte_carlo(student(), DATA, **{"random": is_variational, **arguments})


def test_entropy_is_between_0_and_that_of_a_guess():
    logits = 5 * torch.randn(50, 7)
    found = entropy(logits)
    assert bool((found >= 0).all()) and bool((found <= log(7) + 1e-12).all())
    assert torch.allclose(found, torch.distributions.Categorical(logits=logits.double()).entropy())
    assert entropy(torch.tensor([[0.0, -float("inf")]])).item() == 0
    with pytest.raises(ValueError, match="one answer or more; got 0"):
        entropy(torch.zeros(0, 3))


def test_strangers_are_told_apart_by_rank():
    within, beyond = torch.randn(200).double(), torch.randn(100).double() + 1
    found = outside(within, beyond)
    by_hand = ((beyond[:, None] > within).double() + 0.5 * (beyond[:, None] == within).double()).mean().item()
    assert found.auroc == pytest.approx(by_hand)
    assert outside(within.exp(), beyond.exp()) == found  # any score that orders them alike
    lowest = beyond.sort().values[5]  # 95 of 100 are as high or higher
    assert found.false_alarms == pytest.approx((within >= lowest).double().mean().item())


def test_the_best_detection_the_worst_and_that_of_chance():
    low, high = torch.zeros(20), torch.ones(30)
    assert (outside(low, high).auroc, outside(low, high).false_alarms) == (1, 0)
    assert (outside(high, low).auroc, outside(high, low).false_alarms) == (0, 1)
    assert outside(low, low).auroc == 0.5


def test_a_curve_of_detection_keeps_to_its_false_alarms():
    within, beyond = torch.randn(200).double(), torch.randn(100).double() + 1
    alarms = [0.0, 0.05, 0.3, 1.0]
    shares = detected(within, beyond, alarms)
    assert shares == sorted(shares)
    assert shares[0] == (beyond > within.max()).double().mean().item()
    for share, most in zip(shares, alarms, strict=True):
        taken = beyond.sort(descending=True).values[: round(share * 100)]
        assert not len(taken) or (within >= taken.min()).double().mean().item() <= most
    assert detected(torch.zeros(20), torch.ones(30), [0.0]) == [1.0]
    with pytest.raises(ValueError, match="Scores are numbers of samples within and outside"):
        detected(within, torch.zeros(0), [0.5])
    for share in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="A share of false alarms is from 0 to 1; got"):
            detected(within, beyond, [share])


@pytest.mark.parametrize("scores", [(torch.zeros(0), torch.ones(1)), (torch.ones(1), torch.tensor([float("nan")]))])
def test_scores_that_are_none_are_refused(scores):
    with pytest.raises(ValueError, match="Scores are numbers of samples within and outside"):
        outside(*scores)
