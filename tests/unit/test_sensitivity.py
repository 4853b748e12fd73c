"""Layers that suffer more lose less."""

import pytest
import torch
from torch import nn

from tutelage.compress.masks import in_shares, weights_of
from tutelage.compress.sensitivity import sensitivities, shares_of

SHARES = (0.25, 0.5, 0.9)


def test_each_layer_is_pruned_alone_and_then_whole_again():
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    before = [p.detach().clone() for p in net.parameters()]
    seen = []

    def damage(model):
        seen.append([int((w == 0).sum()) for w in weights_of(model).values()])
        return float(sum(seen[-1]))

    found = sensitivities(net, damage, SHARES)
    assert seen == [[4, 0], [8, 0], [14, 0], [0, 2], [0, 4], [0, 7]]
    assert found == {"0.weight": (4.0, 8.0, 14.0), "1.weight": (2.0, 4.0, 7.0)}
    assert all(torch.equal(p, q) for p, q in zip(net.parameters(), before, strict=True))


def test_shares_do_the_same_damage_and_come_to_the_whole():
    tried = (0.0, *SHARES)
    curves = {"robust": (0.1, 0.1, 0.2, 0.4), "tender": (0.1, 1.0, 2.0, 9.0), "odd": (0.1, 0.3, 0.2, 5.0)}
    sizes = {"robust": 1000, "tender": 500, "odd": 100}
    for share in (0.0, 0.1, 0.2, 0.5, 0.8, 0.9):
        found = shares_of(curves, tried, sizes, share)
        assert sum(sizes[n] * x for n, x in found.items()) / 1600 == pytest.approx(share, abs=1e-5)
        assert found["tender"] <= found["odd"] <= found["robust"] <= 0.9
    assert shares_of(curves, tried, sizes, 0.1) == {"robust": 0.16, "tender": 0.0, "odd": 0.0}


@pytest.mark.parametrize(("tried", "share", "match"), [
    ((0.0, *SHARES), 0.95, r"Up to 0\.9 of each weight was tried"),
    (SHARES, 0.5, "rise from 0; got 0.25, 0.5, 0.9"),
    ((0.0, 0.9, 0.5), 0.5, "rise from 0; got 0, 0.9, 0.5"),
])  # fmt: skip
def test_shares_that_do_not_say_enough(tried, share, match):
    with pytest.raises(ValueError, match=match):
        shares_of({"a": (0.0,) * len(tried)}, tried, {"a": 10}, share)


def test_they_are_shares_that_masks_understand():
    weights = {"a": torch.randn(10, 10), "b": torch.randn(10, 30)}
    shares = shares_of({"a": (0.0, 2.0), "b": (0.0, 1.0)}, (0.0, 1.0), {"a": 100, "b": 300}, 0.5)
    kept = in_shares(weights, 0.5, shares=shares)
    assert sum(int((~x).sum()) for x in kept.values()) == pytest.approx(200, abs=1)
