"""Errors, agreement, calibration, confusion, disagreements: numbers from logits."""

from base64 import b64decode

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from tutelage.data.labelled import labelled
from tutelage.measures.agreement import agreement
from tutelage.measures.calibration import calibration
from tutelage.measures.confusion import worst_pairs
from tutelage.measures.disagreements import KINDS, disagreements
from tutelage.measures.errors import errors
from tutelage.measures.wilson import wilson


def logits_of(probabilities):
    return torch.tensor(probabilities, dtype=torch.float64).log()


class TestErrors:
    def test_are_the_samples_whose_answer_is_not_the_target(self):
        logits, target = torch.randn(100, 5), torch.randint(5, (100,))
        assert errors(logits, target) == sum(
            max(range(5), key=row.__getitem__) != t for row, t in zip(logits.tolist(), target.tolist(), strict=True)
        )

    def test_want_one_target_a_sample(self):
        with pytest.raises(ValueError, match=r"one target a sample; got logits \(3, 2\) and targets \(2,\)"):
            errors(torch.zeros(3, 2), torch.zeros(2, dtype=torch.long))


class TestInterval:
    @pytest.mark.parametrize("wrong", [0, 1, 67, 146, 5000, 9999, 10000])
    @pytest.mark.parametrize("level", [0.68, 0.95, 0.999])
    def test_is_wilsons_as_scipy_computes_it_rounded_outwards(self, wrong, level):
        exact = binomtest(wrong, 10000).proportion_ci(level, method="wilson")
        low, high = wilson(wrong, 10000, level)
        assert 0 <= exact.low * 10000 - low < 1 + 1e-6 and 0 <= high - exact.high * 10000 + 1e-6 < 1 + 1e-6

    def test_covers_the_truth_as_often_as_it_says(self):
        made = np.random.default_rng(0).binomial(10000, 0.0074, size=2000)
        assert np.mean([low <= 74 <= high for low, high in (wilson(int(k), 10000) for k in made)]) >= 0.945

    def test_one_run_cannot_tell_67_from_74_but_146(self):
        (_, high), (low, _) = wilson(74, 10000), wilson(146, 10000)
        assert wilson(67, 10000)[1] > 74 and high < low

    @pytest.mark.parametrize(("wrong", "count"), [(-1, 10), (11, 10), (0, 0)])
    def test_of_impossible_counts_is_refused(self, wrong, count):
        with pytest.raises(ValueError, match=f"got {wrong} of {count}"):
            wilson(wrong, count)

    @pytest.mark.parametrize("level", [0.0, 1.0, 95])
    def test_at_an_impossible_level_is_refused(self, level):
        with pytest.raises(ValueError, match=f"between 0 and 1, such as 0.95; got {level}"):
            wilson(1, 10, level)


class TestAgreement:
    def test_is_symmetric_and_one_with_oneself(self):
        left, right = torch.randn(2, 50, 5)
        assert agreement(left, right) == agreement(right, left) < 1 == agreement(left, left)

    def test_counts_shared_mistakes_too(self):
        assert agreement(torch.tensor([[9.0, 0.0]]), torch.tensor([[1.0, 0.0]])) == 1

    def test_of_different_samples_is_refused(self):
        with pytest.raises(ValueError, match=r"same samples, one or more; got logits \(3, 2\) and \(4, 2\)"):
            agreement(torch.zeros(3, 2), torch.zeros(4, 2))


class TestCalibration:
    def test_of_hand_made_answers_is_the_hand_made_sum(self):
        logits = logits_of([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
        curve = calibration(logits, torch.tensor([0, 1, 0, 1]), num_bins=5)  # bins (.4, .6], (.6, .8], (.8, 1]
        assert curve.error == pytest.approx((abs(1 - 0.6) + abs(1 - 0.7) + abs(1 - 1.8)) / 4)
        assert curve.confidence == (None, None, pytest.approx(0.6), pytest.approx(0.7), pytest.approx(0.9))
        assert curve.accuracy == (None, None, 1.0, 1.0, 0.5) and curve.share == (0, 0, 0.25, 0.25, 0.5)
        assert curve.edges == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])

    def test_of_answers_that_are_as_right_as_they_say_is_near_zero(self):
        probabilities = torch.rand(40000, 5, dtype=torch.float64).softmax(-1)
        assert calibration(probabilities.log(), probabilities.multinomial(1)[:, 0]).error < 0.01

    def test_has_fifteen_bins_whose_shares_add_up_to_one(self):
        curve = calibration(3 * torch.randn(500, 10), torch.randint(10, (500,)))
        assert len(curve.edges) == 16 and len(curve.share) == 15 == len(curve.accuracy)
        assert sum(curve.share) == pytest.approx(1)

    def test_of_one_bin_is_the_gap_of_the_means(self):
        logits, target = torch.randn(50, 3), torch.randint(3, (50,))
        gap = logits.softmax(-1).amax(-1).mean() - (logits.argmax(-1) == target).float().mean()
        assert calibration(logits, target, num_bins=1).error == pytest.approx(abs(gap.item()), abs=1e-6)

    def test_survives_absolute_certainty(self):
        curve = calibration(torch.tensor([[1e4, 0.0]]), torch.tensor([0]))
        assert curve.error == 0 and curve.share[-1] == 1

    def test_without_bins_is_refused(self):
        with pytest.raises(ValueError, match="at least 1 bin; got 0"):
            calibration(torch.zeros(1, 2), torch.tensor([0]), num_bins=0)


class TestWorstPairs:
    def test_are_the_counts_off_the_diagonal_in_order(self):
        logits, target = torch.randn(400, 4), torch.randint(4, (400,))
        table = torch.zeros(4, 4, dtype=torch.long)
        for t, answer in zip(target, logits.argmax(-1), strict=True):
            table[t, answer] += t != answer
        pairs = worst_pairs(logits, target, at_most=100)
        assert all(table[t, answer] == n > 0 for t, answer, n in pairs)
        assert sum(n for *_, n in pairs) == errors(logits, target)
        assert pairs == sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))
        assert worst_pairs(logits, target) == pairs[:10]

    def test_of_a_perfect_network_are_none(self):
        assert worst_pairs(torch.eye(3), torch.arange(3)) == []


class TestDisagreements:
    def drawn(self, channels=1, count=200):
        pixels = torch.randint(256, (count, channels, 3, 2), dtype=torch.uint8)
        data = labelled("drawn", pixels, torch.randint(5, (count,)), tuple("abcde"))
        return *(2 * torch.randn(2, count, 5)), data[torch.randperm(count)]

    def test_are_of_the_kind_that_they_say(self):
        teacher, student, data = self.drawn()
        right = {"teacher": teacher.argmax(-1) == data.targets, "student": student.argmax(-1) == data.targets}
        place = {int(index): i for i, index in enumerate(data.index)}
        for example in disagreements(teacher, student, data):
            i = place[example.index]
            assert (bool(right["teacher"][i]), bool(right["student"][i])) == {
                KINDS[0]: (True, False),
                KINDS[1]: (False, False),
                KINDS[2]: (False, True),
            }[example.kind]

    def test_begin_with_the_widest_gap_on_the_target(self):
        teacher, student, data = self.drawn()
        gap = (teacher.softmax(-1) - student.softmax(-1)).gather(1, data.targets[:, None])[:, 0]
        found = disagreements(teacher, student, data, each=5)
        for kind, sign in ((KINDS[0], 1), (KINDS[2], -1)):
            (place,) = (data.index == next(e for e in found if e.kind == kind).index).nonzero()[0]
            which = (teacher.argmax(-1) == data.targets) & (student.argmax(-1) != data.targets)
            if sign < 0:
                which = (student.argmax(-1) == data.targets) & (teacher.argmax(-1) != data.targets)
            assert (sign * gap[which]).max() == sign * gap[place]

    @pytest.mark.parametrize(("channels", "shape"), [(1, (3, 2)), (3, (3, 2, 3))])
    def test_show_the_picture_row_by_row_and_both_networks_two_likeliest_classes(self, channels, shape):
        teacher, student, data = self.drawn(channels)
        example = disagreements(teacher, student, data, each=1)[0]
        (place,) = (data.index == example.index).nonzero()[0]
        pixels = np.frombuffer(b64decode(example.pixels), np.uint8).reshape(shape)
        assert example.shape == shape and (pixels.reshape(3, 2, -1) == data.inputs[place].movedim(0, -1).numpy()).all()
        probability, answer = teacher[place].softmax(-1).max(-1)
        assert example.teacher[0] == (answer.item(), pytest.approx(probability.item(), abs=1e-5))
        assert example.student[0][1] >= example.student[1][1] and len(example.student) == 2

    def test_are_at_most_as_many_of_a_kind_as_asked(self):
        kinds = [example.kind for example in disagreements(*self.drawn(), each=2)]
        assert kinds == [kind for kind in KINDS for _ in range(2)]

    def test_of_what_is_no_image_are_refused(self):
        teacher, student, _ = self.drawn()
        with pytest.raises(ValueError, match=r"shown as images, uint8 .*; 'rows' has torch.float32 \(200, 7\)"):
            disagreements(teacher, student, labelled("rows", torch.rand(200, 7), torch.randint(5, (200,))))
