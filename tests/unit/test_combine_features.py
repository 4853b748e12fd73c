"""Weights from gradients at shared features: where they are exact, where plain, and what is refused."""

from functools import partial

import pytest
import torch
from torch import nn

from tutelage.combine.decompose import as_listed, decomposed, symmetric, untouched, weights
from tutelage.combine.published import weighting
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.shared_features import AtFeatures
from tutelage.combine.target import protected
from tutelage.combine.weighted_sum import WeightedSum

PLAIN = partial(weights, by=symmetric)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk, self.head = nn.Linear(4, 6), nn.Linear(6, 3)

    def scene(self, x):
        h = self.trunk(x).tanh()
        return {"student": {"trunk": h, "output": self.head(h)}, "teacher": {"output": torch.ones(len(x), 3)}}


def losses_of(scene):
    h, y = scene["student"]["trunk"], scene["student"]["output"]
    return {"label": (y[:, 0] - 1).square().mean(), "soft": (y[:, 1] + y[:, 0]).mean(), "hint": h.sum(1).mean()}


def settled(rule, make, parameters):
    """The gradients that ``rule`` gives for ``make() -> (losses, scene)``."""
    for p in parameters.values():
        p.grad = None
    rule.add(*make(), parameters)
    rule.settle(parameters)
    return {name: p.grad.clone() for name, p in parameters.items() if p.grad is not None}


def found_by(rule, net, x, names=("label", "soft", "hint")):
    def make():
        scene = net.scene(x)
        return {name: loss for name, loss in losses_of(scene).items() if name in names}, scene

    return settled(rule, make, dict(net.named_parameters()))


@pytest.mark.parametrize("seed", range(5))
def test_where_the_feature_is_the_weights_it_is_the_exact_rule(seed):
    p = nn.Parameter(torch.randn(6))
    directions = torch.randn(3, 6, generator=torch.Generator().manual_seed(seed))

    def make():
        feature = p * 1.0
        return {str(i): direction @ feature for i, direction in enumerate(directions)}, {"student": {"p": feature}}

    by = partial(symmetric, order=as_listed)
    cheap = settled(AtFeatures(partial(weights, by=by), "student.p"), make, {"p": p})
    exact = settled(ResolveConflicts(partial(decomposed, by=by)), make, {"p": p})
    torch.testing.assert_close(cheap, exact)


def test_weights_of_one_are_the_weighted_sum_to_the_bit():
    net, x = Net(), torch.randn(5, 4)
    cheap = found_by(AtFeatures(partial(weights, by=untouched), "student.trunk"), net, x)
    plain = found_by(WeightedSum(), net, x)
    assert all(torch.equal(cheap[name], plain[name]) for name in plain)


def test_it_is_a_weighted_sum_of_the_plain_gradients_everywhere():
    """Above the feature, too; with the weights that the rule finds for the gradients at the feature."""
    net, x = Net(), torch.randn(5, 4)
    scene = net.scene(x)
    losses, feature = losses_of(scene), scene["student"]["trunk"]
    rows = torch.stack([torch.autograd.grad(y, feature, retain_graph=True)[0].flatten() for y in losses.values()])
    by = partial(symmetric, order=as_listed)
    found = weights(rows @ rows.mT, by).float()
    expected = torch.autograd.grad(
        sum(w * y for w, y in zip(found, losses.values(), strict=True)), list(net.parameters())
    )
    assert (found != 1).any()
    cheap = found_by(AtFeatures(partial(weights, by=by), "student.trunk"), net, x)
    for gradient, other in zip(cheap.values(), expected, strict=True):
        torch.testing.assert_close(gradient, other)


def test_a_loss_that_does_not_reach_the_feature_keeps_its_plain_weight_and_is_named_once():
    net, x = Net(), torch.randn(5, 4)
    rule = AtFeatures(weighting("MGDA"), "student.output")
    with pytest.warns(UserWarning, match=r"Not compared .*: hint, which 'student\.output' is not on the way to"):
        with_hint = found_by(rule, net, x)
    assert torch.equal(found_by(rule, net, x)["trunk.weight"], with_hint["trunk.weight"])
    without = found_by(rule, net, x, ("label", "soft"))
    alone = found_by(WeightedSum(), net, x, ["hint"])
    torch.testing.assert_close(with_hint["trunk.weight"], without["trunk.weight"] + alone["trunk.weight"])
    torch.testing.assert_close(with_hint["head.weight"], without["head.weight"])


def test_where_no_loss_reaches_the_feature_yet_it_is_the_plain_sum_and_says_so():
    """A hint below it alone, as in a first stage, after which others come."""
    net, x = Net(), torch.randn(5, 4)
    with pytest.warns(UserWarning, match="hint"):
        found = found_by(AtFeatures(PLAIN, "student.output"), net, x, ["hint"])
    plain = found_by(WeightedSum(), net, x, ["hint"])
    assert all(torch.equal(found[key], plain[key]) for key in plain)


def test_several_features_are_one_after_the_other():
    net, x = Net(), torch.randn(5, 4)
    scene = net.scene(x)
    seen = []
    rule = AtFeatures(lambda gramian: seen.append(gramian) or torch.ones(3), "student.trunk", "student.output")
    rule.add(losses_of(scene), scene, dict(net.named_parameters()))
    scene = net.scene(x)
    features = [scene["student"]["trunk"], scene["student"]["output"]]
    rows = []
    for loss in losses_of(scene).values():
        parts = torch.autograd.grad(loss, features, retain_graph=True, allow_unused=True)
        parts = [torch.zeros_like(f) if g is None else g for g, f in zip(parts, features, strict=True)]
        rows.append(torch.cat([g.flatten() for g in parts]))
    torch.testing.assert_close(seen[0], torch.stack(rows) @ torch.stack(rows).mT)
    assert rule.reads() == {("student", "trunk"), ("student", "output")}


def test_the_target_comes_first_and_descends_at_the_feature():
    net, x = Net(), torch.randn(5, 4)
    scene = net.scene(x)
    losses, feature = losses_of(scene), scene["student"]["trunk"]
    rows = {n: torch.autograd.grad(y, feature, retain_graph=True)[0].flatten() for n, y in losses.items()}
    rule = AtFeatures(partial(weights, by=protected), "student.trunk", target="soft")
    found = rule._weights(losses, [feature])
    total = sum(found[name] * row for name, row in rows.items())
    assert list(found) == ["soft", "label", "hint"] and rule.names() == {"soft"}
    assert total @ rows["soft"] >= rows["soft"].square().sum() * (1 - 1e-5)


@pytest.mark.parametrize("kept", [["label"], ["label", "soft"]])
def test_with_one_loss_or_gradients_of_zero_it_is_the_plain_sum(kept):
    net, x = Net(), torch.randn(5, 4)
    rule = AtFeatures(lambda _gramian: pytest.fail("there is nothing to ask a rule about"), "student.trunk")
    scale = 0.0 if len(kept) > 1 else 1.0

    def make():
        scene = net.scene(x)
        return {name: scale * y for name, y in losses_of(scene).items() if name in kept}, scene

    found = settled(rule, make, dict(net.named_parameters()))
    expected = settled(WeightedSum(), make, dict(net.named_parameters()))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("name", ["a_hint", "z_hint"])
def test_where_the_target_does_not_reach_the_feature_all_weights_are_plain(name):
    net, x = Net(), torch.randn(5, 4)

    def make():
        scene = net.scene(x)
        losses = losses_of(scene)
        return {"label": losses["label"], "soft": losses["soft"], name: losses["hint"]}, scene

    rule = AtFeatures(partial(weights, by=protected), "student.output", target=name)
    with pytest.warns(UserWarning, match=name):
        found = settled(rule, make, dict(net.named_parameters()))
    plain = settled(WeightedSum(), make, dict(net.named_parameters()))
    assert all(torch.equal(found[key], plain[key]) for key in plain)


def test_addresses_that_cannot_serve_are_refused():
    net = Net()
    scene = net.scene(torch.randn(5, 4))
    with pytest.raises(ValueError, match="need the address of one"):
        AtFeatures(PLAIN)
    with pytest.raises(ValueError, match="needs to know which loss is the target"):
        AtFeatures(partial(weights, by=protected), "student.trunk")
    with pytest.raises(ValueError, match=r"reads 'who\.what', such as 'student\.layer3'; got 'trunk'"):
        AtFeatures(PLAIN, "trunk")
    with pytest.raises(ValueError, match=r"Nothing at 'student\.layer9'"):
        AtFeatures(PLAIN, "student.layer9").add(losses_of(scene), scene, dict(net.named_parameters()))
    with pytest.raises(ValueError, match=r"'teacher\.output' carries no gradient"):
        AtFeatures(PLAIN, "teacher.output").add(losses_of(scene), scene, dict(net.named_parameters()))
    with pytest.raises(ValueError, match="target is the loss 'other', but this step has"):
        AtFeatures(PLAIN, "student.trunk", target="other").add(losses_of(scene), scene, dict(net.named_parameters()))
