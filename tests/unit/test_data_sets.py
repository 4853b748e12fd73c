"""Sets in memory and their parts."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tutelage.data import synthetic
from tutelage.data.labelled import Labelled, labelled
from tutelage.data.split import held_out, only, sample, share, without
from tutelage.data.synthetic import digits

TARGETS = torch.tensor([0] * 500 + [1] * 300 + [2] * 200)
DATA = labelled("uneven", torch.arange(1000)[:, None], TARGETS, ("a", "b", "c"))


class TestASet:
    def test_a_subset_keeps_the_numbers_of_its_samples(self):
        part = DATA[torch.tensor([7, 3])][torch.tensor([1])]
        assert part.index.tolist() == [3] and part.inputs.tolist() == [[3]] and len(part) == 1

    def test_a_mask_chooses_too(self):
        assert torch.equal(DATA[DATA.targets == 2].index, torch.arange(800, 1000))

    def test_the_checksum_sees_every_part_of_it(self):
        base = {"name": "x", "inputs": torch.zeros(2, 3), "targets": torch.tensor([0, 1]), "index": torch.arange(2)}
        make = partial(Labelled, classes=("a", "b"))
        others = [
            {"name": "y"},
            {"inputs": torch.ones(2, 3)},
            {"inputs": torch.zeros(2, 3, 1)},
            {"inputs": torch.zeros(2, 3, dtype=torch.int32)},
            {"targets": torch.tensor([1, 0])},
            {"index": torch.tensor([1, 0])},
        ]
        sums = {make(**{**base, **other}).checksum for other in [{}, *others]} | {Labelled(**base, classes=()).checksum}
        assert len(sums) == 8 and make(**base).checksum in sums

    def test_the_checksum_does_not_see_how_it_lies_in_memory(self):
        images = torch.rand(2, 3, 4, 5)
        moved = images.to(memory_format=torch.channels_last)
        left, right = (labelled("x", x, torch.zeros(2)).checksum for x in (images, moved))
        assert left == right and len(left) == 64

    def test_other_numbers_keep_two_sets_apart(self):
        assert DATA.numbered_from(60000).index[:2].tolist() == [60000, 60001]

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"targets": torch.zeros(3, dtype=torch.int64)}, "needs an input, a target and an index"),
            ({"targets": torch.tensor([0, 2])}, "must be 0 to 1, one for each class; 2 is among them"),
            ({"targets": torch.tensor([0, -1])}, "-1 is among them"),
            ({"targets": torch.tensor([0.0, 1.0])}, "must be int64"),
            ({"index": torch.tensor([0.0, 1.0])}, "index of 'x' must be int64"),
            ({"inputs": torch.zeros(2, device="meta")}, "put all of them on one device"),
        ],
    )
    def test_parts_that_do_not_fit_are_refused(self, change, sentence):
        base = {"inputs": torch.zeros(2), "targets": torch.tensor([0, 1]), "index": torch.arange(2)}
        with pytest.raises(ValueError, match=sentence):
            Labelled(name="x", classes=("a", "b"), **{**base, **change})


class TestParts:
    def test_by_class(self):
        assert set(only(DATA, {1, 2}).targets.tolist()) == {1, 2} and len(only(DATA, {1, 2})) == 500
        assert set(without(DATA, {1}).targets.tolist()) == {0, 2} and len(without(DATA, [1])) == 700
        assert only(DATA, {1}).classes == DATA.classes  # an unseen class is still an output of the network

    @settings(max_examples=40, deadline=None)
    @given(count=st.integers(1, 1000), seed=st.integers(0, 2**63 - 1))
    def test_each_class_has_its_share_to_within_one_sample(self, count, seed):
        part = sample(DATA, count, seed)
        assert len(part) == count == len(part.index.unique())
        for label, size in enumerate((500, 300, 200)):
            assert abs((part.targets == label).sum().item() - size * count / 1000) <= 1
        assert torch.equal(part.index, part.index.sort().values)

    def test_the_smaller_part_is_contained_in_the_larger(self):
        parts = [set(share(DATA, x).index.tolist()) for x in (0.013, 0.1, 0.5, 1.0)]
        assert [len(x) for x in parts] == [13, 100, 500, 1000]
        assert parts[0] < parts[1] < parts[2] < parts[3]

    def test_parts_depend_on_their_seed_alone(self):
        torch.manual_seed(1)
        first = sample(DATA, 50).index
        torch.manual_seed(2)
        assert torch.equal(first, sample(DATA, 50).index)
        assert not torch.equal(first, sample(DATA, 50, seed=1).index)

    @pytest.mark.parametrize("shape", [(), (1,), (3,)])
    def test_of_numbers_to_be_predicted_any_may_be_held_out(self, shape):
        data = labelled(
            "numbers", torch.zeros(200, 2), torch.arange(200.0).reshape(-1, *[1] * len(shape)).expand(-1, *shape)
        )
        rest, validation = held_out(data, 50)
        assert len(rest) == 150 and not set(rest.index.tolist()) & set(validation.index.tolist())
        assert 70 < validation.index.double().mean() < 130  # drawn from everywhere, not the first ones

    def test_held_out_samples_are_apart_from_the_rest_and_stratified(self):
        rest, validation = held_out(DATA, 100)
        assert validation.targets.bincount().tolist() == [50, 30, 20]
        assert sorted(rest.index.tolist() + validation.index.tolist()) == list(range(1000))
        assert set(held_out(DATA, 100, seed=1)[1].index.tolist()) != set(validation.index.tolist())

    def test_the_smallest_share_is_one_sample(self):
        assert len(share(DATA, 1e-9)) == 1

    @pytest.mark.parametrize(
        ("ask", "sentence"),
        [
            (partial(only, DATA, {3}), "'uneven' has the classes 0 to 2; there is no class 3"),
            (partial(without, DATA, {-1}), "there is no class -1"),
            (partial(share, DATA, 0.0), "more than 0 and at most 1; 0.0 is not"),
            (partial(share, DATA, 1.5), "1.5 is not"),
            (partial(sample, DATA, 1001), "between 1 and that many can be taken, not 1001"),
            (partial(sample, DATA, 0), "not 0"),
            (partial(held_out, DATA, 1000), "holding out 1000 leaves none to train on"),
            (partial(held_out, DATA, 0), "not 0"),
            (partial(sample, DATA, 3, seed=-4), "-4 is not"),
        ],
    )
    def test_impossible_parts_are_refused_in_one_sentence(self, ask, sentence):
        with pytest.raises(ValueError, match=sentence):
            ask()


class TestDrawnDigits:
    def test_a_sample_depends_on_the_seed_and_its_number_alone(self):
        few, many = digits(15, seed=4), digits(40, seed=4)
        assert torch.equal(few.inputs, many.inputs[:15]) and torch.equal(few.targets, many.targets[:15])
        assert not torch.equal(few.inputs, digits(15, seed=5).inputs)

    def test_they_look_like_mnist(self):
        train, test = synthetic.digit_sets(200, 50)
        assert train.inputs.shape == (200, 1, 28, 28) and train.inputs.dtype == torch.uint8
        assert train.classes == test.classes == tuple("0123456789")
        assert train.targets.bincount().tolist() == [20] * 10 and len(test) == 50
        assert not set(train.index.tolist()) & set(test.index.tolist())
        assert 0.1 < train.inputs.float().div(255).mean() < 0.25  # MNIST: 0.13

    def test_there_is_something_to_learn_that_carries_over(self):
        train, test = synthetic.digit_sets(1000, 300)
        x, y = (part.inputs.flatten(1).double() / 255 for part in (train, test))
        wanted = torch.eye(10, dtype=torch.float64)[train.targets]
        weights = torch.linalg.solve(x.T @ x + 30 * torch.eye(784), x.T @ wanted)  # ridge regression on the classes
        errors = ((y @ weights).argmax(1) != test.targets).double().mean()
        assert 0.05 < errors < 0.5  # chance: 0.9; a small network does better still

    @pytest.mark.parametrize(("count", "seed"), [(0, 0), (3, -1)])
    def test_impossible_draws_are_refused(self, count, seed):
        with pytest.raises(ValueError, match=r"is not|has at least 1 sample; got"):
            digits(count, seed)
