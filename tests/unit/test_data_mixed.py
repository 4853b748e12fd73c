"""Mixtures are what their shares say, drawn from (seed, epoch, batch) alone, and nobody mistakes them for samples."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tutelage.data.draws import hashed
from tutelage.data.mixed import Place, blended, cutmix, mixup, pasted, symmetric_beta
from tutelage.data.synthetic import digits
from tutelage.data.together import unlabelled
from tutelage.data.views import crop_flip, plain, views
from tutelage.losses.mixed_labels import mixed_cross_entropy
from tutelage.objective import Objective, Term
from tutelage.teachers.cached import cached
from tutelage.teachers.frozen import frozen

DATA = digits(37, seed=0)
PLAIN = views(DATA, crop_flip, num_views=162, batch_size=8, seed=1)
LABEL = Term(mixed_cross_entropy, "student.output", "batch.target", "batch.other_target", "batch.share")


def partners(seed, epoch, number, count):
    return hashed(seed, epoch, number, 7, torch.arange(count)).argsort(stable=True)


@pytest.mark.parametrize("mix", [mixup, cutmix])
class TestBoth:
    def test_entered_in_the_middle_an_epoch_goes_on_to_the_bit(self, mix):
        source = mix(PLAIN, alpha=0.7, probability=0.6, seed=3)
        whole = list(source(2, 0))
        torch.rand(5)  # the global generator is nobody's business
        for first in range(len(whole) + 1):
            rest = list(source(2, first))
            assert len(rest) == len(whole) - first
            for x, y in zip(whole[first:], rest, strict=True):
                assert x.keys() == y.keys() and all(torch.equal(x[key], y[key]) for key in x)

    def test_everything_in_a_batch_has_its_length_and_the_last_may_be_short(self, mix):
        lengths = [{len(x) for x in batch.values()} for batch in mix(PLAIN)(0, 0)]
        assert lengths == [{8}, {8}, {8}, {8}, {5}]

    def test_seeds_epochs_and_batches_differ_in_share_and_partners(self, mix):
        drawn = [
            (float(batch["share"][0]), tuple(batch["other_target"].tolist()))
            for seed in (0, 1) for epoch in (0, 1) for batch in mix(PLAIN, seed=seed)(epoch, 0)
        ]  # fmt: skip
        assert len({share for share, _ in drawn}) > 15 and len({other for _, other in drawn}) == len(drawn)

    def test_the_own_target_stays_and_the_other_is_the_partners(self, mix):
        for number, (before, after) in enumerate(zip(PLAIN(1, 0), mix(PLAIN, seed=4)(1, 0), strict=True)):
            assert torch.equal(after["target"], before["target"])
            partner = partners(4, 1, number, len(before["target"]))
            assert torch.equal(after["other_target"], before["target"][partner])

    def test_a_batch_that_is_not_mixed_is_the_plain_one(self, mix):
        for before, after in zip(PLAIN(0, 0), mix(PLAIN, probability=0)(0, 0), strict=True):
            assert torch.equal(after["input"], before["input"]) and (after["share"] == 1).all()
            assert mixed_cross_entropy(F.one_hot(after["target"], 10).float(), **labels(after)).allclose(
                F.cross_entropy(F.one_hot(before["target"], 10).float(), before["target"])
            )

    def test_batches_are_mixed_as_often_as_wanted(self, mix):
        source = mix([{"input": torch.rand(2, 1, 4, 4)}] * 200, probability=0.3)
        untouched = sum(bool((batch["share"] == 1).all()) for batch in source(0, 0))
        assert 120 < untouched < 180  # 0.7, and boxes that round to nothing

    def test_a_mixture_keeps_neither_index_nor_view_so_that_a_cache_refuses_it(self, mix):
        batch = next(iter(mix(PLAIN)(0, 0)))
        assert sorted(batch) == ["input", "other_target", "share", "target"]
        ask = cached(frozen(nn.Flatten()), samples=37, views=162)
        with pytest.raises(ValueError, match=r"the batch lacks \['index', 'view'\]"):
            ask({"batch": batch}, frozenset({"output"}))

    def test_unlabelled_inputs_are_mixed_too(self, mix):
        assert sorted(next(iter(mix(unlabelled(PLAIN))(0, 0)))) == ["input", "share"]

    def test_the_source_is_not_touched(self, mix):
        batches = [{"input": torch.rand(4, 1, 3, 3), "target": torch.arange(4)}]
        before = batches[0]["input"].clone()
        list(mix(batches)(0, 0))
        assert torch.equal(batches[0]["input"], before)

    def test_a_student_learns_from_it(self, mix):
        student, images = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), DATA.inputs / 255
        objective, source = Objective(label=LABEL), mix(views(DATA, plain, num_views=1, batch_size=8))
        before = F.cross_entropy(student(images), DATA.targets)
        for epoch in range(5):
            for batch in source(epoch, 0):
                scene = {"batch": batch, "student": {"output": student(batch["input"])}}
                student.zero_grad()
                objective(scene, ["label"])["label"].backward()
                student[1].weight.data -= 0.1 * student[1].weight.grad
        assert F.cross_entropy(student(images), DATA.targets) < 0.7 * before

    @pytest.mark.parametrize(
        ("how", "sentence"),
        [
            ({"alpha": 0}, "alpha greater than 0; got 0"),
            ({"alpha": math.nan}, "alpha greater than 0; got nan"),
            ({"probability": 1.5}, "a probability from 0 to 1; got 1.5"),
            ({"seed": -1}, "A seed is a whole number"),
        ],
    )
    def test_nonsense_is_refused_at_once(self, mix, how, sentence):
        with pytest.raises(ValueError, match=sentence):
            mix(PLAIN, **how)

    def test_whole_numbers_cannot_be_mixed(self, mix):
        with pytest.raises(ValueError, match=r"Only inputs of real numbers can be mixed.*torch.uint8"):
            list(mix([{"input": DATA.inputs}])(0, 0))


def labels(batch):
    return {name: batch[name] for name in ("target", "other_target", "share")}


class TestMixup:
    def test_an_input_is_the_share_of_its_own_and_the_rest_of_its_partners(self):
        for number, (before, after) in enumerate(zip(PLAIN(5, 0), mixup(PLAIN, alpha=0.3, seed=2)(5, 0), strict=True)):
            own, share = before["input"], after["share"][:, None, None, None]
            expected = share * own + (1 - share) * own[partners(2, 5, number, len(own))]
            assert torch.allclose(after["input"], expected, atol=1e-6)
            assert after["share"].unique().numel() == 1 and after["share"].dtype == torch.float32

    def test_a_share_of_1_is_the_own_input_and_of_0_the_partners_to_the_bit(self):
        own, other = torch.rand(2, 3, 4)
        assert torch.equal(blended(own, other, 1.0, Place(0, 0, 0))[0], own)
        assert torch.equal(blended(own, other, 0.0, Place(0, 0, 0))[0], other)


class TestCutMix:
    @pytest.mark.parametrize("size", [(32, 32), (28, 17), (1, 1), (5, 64)])
    def test_the_pixels_of_the_box_are_one_less_the_share_as_counted(self, size):
        own, other = torch.zeros(2, 3, *size), torch.ones(2, 3, *size)
        for number in range(60):
            place = Place(0, 0, number)
            mixtures, share = pasted(own, other, symmetric_beta(1.0, *place), place)
            assert mixtures[0, 0].sum().item() == round((1 - share) * size[0] * size[1])
            assert math.isclose(mixtures.mean().item(), 1 - share, abs_tol=1e-6)
            rows, columns = mixtures[1, 2].amax(1).sum(), mixtures[1, 2].amax(0).sum()
            assert rows * columns == mixtures[1, 2].sum()  # it is a box

    def test_a_share_of_1_is_the_own_image_and_of_0_reaches_from_the_middle_halfway_each_way(self):
        own, other = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
        mixtures, share = pasted(own, other, 1.0, Place(0, 0, 0))
        assert torch.equal(mixtures, own) and share == 1
        for number in range(20):
            mixtures, share = pasted(own, other, 0.0, Place(0, 0, number))
            assert mixtures.sum() >= 16 and share == 1 - mixtures.sum() / 64

    def test_a_box_lies_anywhere(self):
        own, other = torch.zeros(1, 1, 9, 9), torch.ones(1, 1, 9, 9)
        hits = sum(pasted(own, other, 0.8, Place(0, 0, number))[0][0, 0] for number in range(300))
        assert hits.min() > 0

    def test_what_is_no_image_has_no_boxes(self):
        with pytest.raises(ValueError, match=r"pastes boxes of images.*\[4, 5\]"):
            list(cutmix([{"input": torch.rand(4, 5)}])(0, 0))


class TestBeta:
    """Closed forms of Beta(a, a): F(x) = 2/π · asin √x at a = ½, x at 1, 3x² − 2x³ at 2; variance 1 / (8 a + 4)."""

    @pytest.mark.parametrize(
        ("alpha", "below"),
        [
            (0.5, lambda x: 2 / math.pi * x.sqrt().asin()),
            (1.0, lambda x: x),
            (2.0, lambda x: 3 * x**2 - 2 * x**3),
        ],
    )
    def test_is_distributed_as_it_says(self, alpha, below):
        x = torch.tensor([symmetric_beta(alpha, 0, n) for n in range(1000)], dtype=torch.float64).sort().values
        assert (below(x) - torch.linspace(0, 1, 1000)).abs().max() < 1.63 / 1000**0.5  # Kolmogorov–Smirnov, 1 %

    @pytest.mark.parametrize("alpha", [1e-4, 0.2, 4.0, 100.0])
    def test_has_the_mean_and_the_variance_that_it_should(self, alpha):
        x = torch.tensor([symmetric_beta(alpha, 1, n) for n in range(1000)], dtype=torch.float64)
        assert ((x >= 0) & (x <= 1)).all()
        assert abs(x.mean() - 0.5) < 4 * (1 / (8 * alpha + 4) / 1000) ** 0.5
        assert math.isclose(x.var().item(), 1 / (8 * alpha + 4), rel_tol=0.15)

    def test_follows_from_its_keys_alone(self):
        assert symmetric_beta(0.3, 1, 2) == symmetric_beta(0.3, 1, 2) != symmetric_beta(0.3, 2, 1)


class TestLoss:
    def test_is_plain_cross_entropy_if_both_targets_are_the_same_or_the_share_is_1(self):
        logits, target, other = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1]), torch.tensor([3, 3, 3, 3, 3, 3])
        plain = F.cross_entropy(logits, target)
        assert mixed_cross_entropy(logits, target, target, torch.rand(6)).allclose(plain)
        assert mixed_cross_entropy(logits, target, other, torch.ones(6)).allclose(plain)
        assert mixed_cross_entropy(logits, other, target, torch.zeros(6)).allclose(plain)

    def test_is_the_cross_entropy_with_the_mixed_distribution(self):
        logits, share = torch.randn(6, 4, dtype=torch.float64), torch.rand(6, dtype=torch.float64)
        target, other = torch.randint(4, (2, 6))
        mixed = share[:, None] * F.one_hot(target, 4) + (1 - share)[:, None] * F.one_hot(other, 4)
        assert mixed_cross_entropy(logits, target, other, share).allclose(F.cross_entropy(logits, mixed))

    def test_worked_by_hand(self):
        """ln(1 + e⁻²) + ¼ · 2 for logits (2, 0), labels 0 and 1, three quarters of the first."""
        value = mixed_cross_entropy(
            torch.tensor([[2.0, 0.0]], dtype=torch.float64), torch.tensor([0]), torch.tensor([1]), torch.tensor([0.75])
        )
        assert math.isclose(value.item(), math.log1p(math.exp(-2)) + 0.5, rel_tol=1e-12)

    def test_a_share_for_the_whole_batch_is_refused(self):
        with pytest.raises(ValueError, match=r"for each of the 6 samples; got shapes \[\[6\], \[6\], \[1\]\]"):
            mixed_cross_entropy(torch.randn(6, 4), torch.zeros(6).long(), torch.zeros(6).long(), torch.ones(1))
