"""Any source of batches is a function (epoch, first), and two of them can be shown at once."""

import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from tutelage.data.batches import as_batches
from tutelage.data.synthetic import digits
from tutelage.data.together import NO_TARGET, together, unlabelled
from tutelage.data.views import in_order, plain, views

FEW = views(digits(14, seed=0), plain, num_views=1, batch_size=4, seed=1)  # 4 batches, the last of 2
MANY = views(digits(44, seed=1).numbered_from(100), plain, num_views=1, batch_size=4, seed=2)  # 11 batches


def both():
    return together(labelled=FEW, transfer=MANY)


class TestPlainSources:
    def test_a_function_is_taken_as_it_is(self):
        assert as_batches(FEW) is FEW

    def test_pairs_are_named_and_mappings_stay(self):
        x, y = torch.rand(6, 2), torch.arange(6)
        loader = DataLoader(TensorDataset(x, y), batch_size=4)
        assert [sorted(batch) for batch in as_batches(loader)(0, 0)] == [["input", "target"]] * 2
        batch = {"input": x, "index": y}
        assert next(iter(as_batches([batch])(3, 0))) is batch

    def test_a_list_can_be_entered_in_the_middle(self):
        batches = [{"input": torch.tensor([float(i)])} for i in range(4)]
        assert list(as_batches(batches)(0, 3)) == batches[3:]

    def test_a_loader_cannot(self):
        loader = DataLoader(TensorDataset(torch.rand(6, 2), torch.arange(6)))
        with pytest.raises(ValueError, match="cannot be entered in the middle of an epoch; go on from the end"):
            as_batches(loader)(0, 1)

    def test_an_iterator_would_be_empty_in_the_second_epoch(self):
        with pytest.raises(ValueError, match="A generator is used up after one epoch"):
            as_batches({"input": torch.zeros(1)} for _ in range(3))

    @pytest.mark.parametrize(
        ("batch", "found"), [(torch.zeros(2), "a Tensor"), ((1, 2, 3), "a tuple of 3"), ("xy", "a str")]
    )
    def test_a_batch_of_another_kind_is_refused(self, batch, found):
        with pytest.raises(ValueError, match=rf"pair \(input, target\); the loader gave {found}\."):
            list(as_batches([batch])(0, 0))


class TestTogether:
    def test_a_batch_holds_one_of_each_and_masks_tell_them_apart(self):
        batch = next(iter(both()(0, 0)))
        few, many = next(iter(FEW(0, 0))), next(iter(MANY(0, 0)))
        for key in ("input", "target", "index", "view"):
            assert torch.equal(batch[key][batch["labelled"]], few[key])
            assert torch.equal(batch[key][batch["transfer"]], many[key])
        assert torch.equal(batch["labelled"], ~batch["transfer"])

    def test_an_epoch_is_as_long_as_the_longest_and_shows_all_of_it_once(self):
        batches = list(both()(2, 0))
        assert len(batches) == 11
        index = torch.cat([batch["index"][batch["transfer"]] for batch in batches])
        assert sorted(index.tolist()) == list(range(100, 144))

    def test_the_shorter_goes_round_in_ever_new_orders(self):
        shown = [b["index"][b["labelled"]].tolist() for epoch in range(2) for b in both()(epoch, 0)]
        expected = [b["index"].tolist() for epoch in range(6) for b in FEW(epoch, 0)]
        assert shown == expected[:22]

    @pytest.mark.parametrize(("epoch", "first"), [(0, 3), (0, 10), (1, 0), (1, 5), (7, 11)])
    def test_it_can_be_entered_at_any_batch(self, epoch, first):
        whole, rest = list(both()(epoch, 0))[first:], list(both()(epoch, first))
        assert len(whole) == len(rest)
        assert all(torch.equal(x[key], y[key]) for x, y in zip(whole, rest, strict=True) for key in x)

    def test_samples_without_a_target_are_left_out_of_the_label_loss(self):
        batch = next(iter(together(labelled=FEW, transfer=unlabelled(MANY))(0, 0)))
        assert (batch["target"][batch["transfer"]] == NO_TARGET).all()
        logits = torch.randn(8, 10)
        mine = batch["labelled"]
        torch.testing.assert_close(
            F.cross_entropy(logits, batch["target"]), F.cross_entropy(logits[mine], batch["target"][mine])
        )

    def test_a_key_that_a_part_lacks_is_left_out(self):
        pairs = [(torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.int64))]
        batch = next(iter(together(mine=pairs, transfer=MANY)(0, 0)))
        assert set(batch) == {"input", "target", "mine", "transfer"}

    def test_three_parts_are_no_different(self):
        source = together(a=FEW, b=MANY, c=in_order(digits(3, seed=5), batch_size=1))
        assert [len(batch["input"]) for batch in source(0, 0)][:4] == [9, 9, 9, 7]

    @pytest.mark.parametrize(
        ("parts", "sentence"),
        [
            ({"alone": FEW}, r"at least two parts by name; it got \['alone'\]"),
            ({"input": FEW, "b": MANY}, "cannot be named 'input'"),
            ({"a": FEW, "b": DataLoader(TensorDataset(torch.zeros(3, 1)))}, "'b' is a plain loader"),
        ],
    )
    def test_parts_that_cannot_be_shown_together_are_refused_at_once(self, parts, sentence):
        with pytest.raises(ValueError, match=sentence):
            together(**parts)

    @pytest.mark.parametrize(
        ("other", "sentence"),
        [
            ([], "'b' has no batches"),
            ([(torch.zeros(4, 3), torch.zeros(4))], "inputs of one kind; these are"),
            (lambda _epoch, _first: iter([{"input": torch.zeros(1)}]), "'b' never ends"),
        ],
    )
    def test_parts_that_do_not_fit_are_refused_when_they_are_met(self, other, sentence):
        with pytest.raises(ValueError, match=sentence):
            next(iter(together(a=FEW, b=other)(0, 0)))
