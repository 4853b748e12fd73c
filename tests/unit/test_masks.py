"""Masks keep what they promise, and chosen again from what is left they are the same."""

from functools import partial

import pytest
import torch
from torch import nn

from tutelage.compress.masks import by_deviation, in_shares, n_of_m, of_all, of_each, prune_, weights_of, zeros_of
from tutelage.optimizers.magnitude import cubic

CHOICES = {
    "of_all": of_all,
    "of_each": of_each,
    "by_deviation": by_deviation,
    "in_shares": partial(in_shares, shares={"0.weight": 0.7, "2.weight": 0.3}),
    "n_of_m": n_of_m,
}


def weights():
    g = torch.Generator().manual_seed(0)
    return {"0.weight": torch.randn(12, 8, generator=g), "2.weight": torch.randn(8, 12, 3, 3, generator=g)}


class TestChoices:
    @pytest.mark.parametrize("choose", CHOICES.values(), ids=CHOICES)
    @pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75])
    def test_chosen_again_from_what_is_left_are_the_same(self, choose, share):
        kept = choose(weights(), share)
        again = choose({name: w * kept[name] for name, w in weights().items()}, share)
        assert all(torch.equal(kept[name], again[name]) for name in kept)

    @pytest.mark.parametrize("choose", [of_all, by_deviation])
    def test_a_share_of_all_is_exactly_so_many(self, choose):
        kept = choose(weights(), 0.9)
        assert sum(int((~x).sum()) for x in kept.values()) == round(0.9 * 960)
        largest = {
            name: w.abs() / (w.std(correction=0) if choose is by_deviation else 1) for name, w in weights().items()
        }
        gone, left = (torch.cat([largest[n][x if stays else ~x] for n, x in kept.items()]) for stays in (False, True))
        assert gone.max() <= left.min()

    def test_each_layer_loses_its_own_share(self):
        kept = of_each(weights(), 0.25)
        assert [int((~x).sum()) for x in kept.values()] == [24, 216]
        kept = in_shares(weights(), 0.34, shares={"0.weight": 0.7, "2.weight": 0.3})
        assert [int((~x).sum()) for x in kept.values()] == [67, 259]
        half = in_shares(weights(), 0.17, shares={"0.weight": 0.7, "2.weight": 0.3})
        assert [int((~x).sum()) for x in half.values()] == [34, 130]
        with pytest.raises(ValueError, match=r"'2.weight' has none"):
            in_shares(weights(), 0.5, shares={"0.weight": 0.5})

    def test_a_sensitive_layer_keeps_more(self):
        alike, tender = (by_deviation(weights(), 0.5, sensitivity=x) for x in ({}, {"0.weight": 0.2}))
        assert tender["0.weight"].sum() > alike["0.weight"].sum()

    def test_of_each_four_inputs_two_stay(self):
        for name, kept in n_of_m(weights(), 0.5).items():
            groups = kept.movedim(1, -1).reshape(-1, 4)
            assert bool((groups.sum(1) == 2).all())
            sizes = weights()[name].abs().movedim(1, -1).reshape(-1, 4)
            assert bool(((sizes * groups).sum(1) >= sizes.sum(1) / 2).all())

    def test_what_is_no_multiple_of_four_inputs_stays_whole(self):
        assert bool(n_of_m({"a": torch.zeros(3, 6), "b": torch.zeros(8)}, 0.5)["a"].all())

    def test_equal_weights_are_told_apart_by_their_place(self):
        assert of_all({"a": torch.ones(10)}, 0.3)["a"].tolist() == [False] * 3 + [True] * 7

    def test_what_is_no_number_stays(self):
        w = torch.tensor([float("nan"), 1.0, 2.0, float("inf")])
        assert of_all({"a": w}, 0.75)["a"].tolist() == [True, False, False, False]

    def test_tied_weights_are_counted_once_and_biases_stay(self):
        model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        model[1].weight = model[0].weight
        assert len(weights_of(model)) == 1
        prune_(model, 0.5)
        assert zeros_of(model) == 0.5 and bool(model[0].bias.all())


def test_a_share_changes_once_in_so_many_steps():
    course = [cubic(step, first=0.5, last=0.9, begin=10, end=30, every=5) for step in range(40)]
    assert len(set(course)) == 5 and course[:15] == [0.5] * 15 and course[30:] == [0.9] * 10
    assert course == sorted(course) and cubic(0, last=0.9, begin=0, end=0) == 0.9
