"""What each feature loss promises beyond the contract of all losses."""

from functools import partial

import pytest
import torch
from torch import Size, nn

from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.losses import overhaul, srrl
from tutelage.losses.attention import attention_distance, attention_maps, largest
from tutelage.losses.crd import CRD, own_negatives, shared_negatives
from tutelage.losses.hint import half_squares, half_squares_by_place, mean_squares, normed_regressor, regressor
from tutelage.losses.overhaul import PartialSquares, margins, published_weights
from tutelage.losses.review import hierarchical_context
from tutelage.losses.simkd import Reused, bottleneck, fed_features
from tutelage.losses.srrl import SoftmaxRegression, soft_cross_entropy
from tutelage.losses.vid import VariationalInformation
from tutelage.methods.feature import simkd
from tutelage.schemes.answers import Conditions
from tutelage.schemes.by_method import Teaching, prepared
from tutelage.schemes.plan import Plan


def maps(channels=3, size=4, samples=5):
    return torch.randn(samples, channels, size, size, dtype=torch.float64)


class TestHints:
    def test_the_sums_double_with_the_channels_and_the_mean_does_not(self):
        s, t = maps(), maps()
        for loss, times in ((half_squares, 2), (half_squares_by_place, 2), (mean_squares, 1)):
            torch.testing.assert_close(loss(torch.cat([s, s], 1), torch.cat([t, t], 1)), times * loss(s, t))

    @pytest.mark.parametrize("make", [regressor, normed_regressor])
    @pytest.mark.parametrize("sizes", [(8, 10), (8, 8), (6, 11)])
    def test_a_regressor_fits_by_its_kernel(self, make, sizes):
        hint, guided = sizes
        layers = make(Size([2, 4, guided, guided]), Size([2, 3, hint, hint]))
        assert layers[0].kernel_size == (guided - hint + 1,) * 2
        assert layers(torch.randn(2, 4, guided, guided)).shape == (2, 3, hint, hint)

    @pytest.mark.parametrize(("guided", "hint"), [(16, 8), (8, 16)])
    def test_a_normed_regressor_halves_and_doubles(self, guided, hint):
        layers = normed_regressor(Size([2, 4, guided, guided]), Size([2, 3, hint, hint]))
        assert layers(torch.randn(2, 4, guided, guided)).shape == (2, 3, hint, hint)

    def test_maps_that_cannot_be_made_to_fit_are_refused(self):
        with pytest.raises(ValueError, match="student's is 6×6, the teacher's 8×8"):
            regressor(Size([2, 4, 6, 6]), Size([2, 3, 8, 8]))
        with pytest.raises(ValueError, match="6×6, is smaller than the teacher's, 8×8, and not half"):
            normed_regressor(Size([2, 4, 6, 6]), Size([2, 3, 8, 8]))
        for make in (regressor, normed_regressor):
            with pytest.raises(ValueError, match=r"is for maps .* got \(2, 4\) and \(2, 3, 8, 8\)"):
                make(Size([2, 4]), Size([2, 3, 8, 8]))

    @pytest.mark.parametrize("loss", [half_squares, half_squares_by_place, mean_squares, hierarchical_context])
    def test_features_of_other_shapes_are_refused(self, loss):
        with pytest.raises(ValueError, match=r"one shape; got \(5, 3, 4, 4\) and \(5, 3, 2, 2\)"):
            loss(maps(), maps(size=2))


@pytest.mark.parametrize(
    "loss",
    [attention_maps, partial(attention_maps, power=3), attention_distance, partial(attention_maps, channels=largest)],
)
class TestAttention:
    def test_scale_sign_and_order_of_the_channels_are_no_matter(self, loss):
        s, t = maps(), maps(7)
        signs = torch.tensor([1.0, -1.0, 1.0])[:, None, None]
        torch.testing.assert_close(loss(3 * s[:, [2, 0, 1]] * signs, t / 5), loss(s, t))

    def test_is_zero_iff_the_maps_are_proportional(self, loss):
        s = maps()
        assert loss(s, 3 * s).item() == pytest.approx(0, abs=1e-12) and loss(s, s.flip(-1)) > 1e-4

    def test_a_silent_layer_is_finite(self, loss):
        silent = torch.zeros(2, 3, 4, 4, requires_grad=True)
        value = loss(silent, torch.randn(2, 3, 4, 4))
        value.backward()
        assert value.isfinite() and silent.grad.isfinite().all()

    def test_the_larger_map_is_pooled(self, loss):
        s, t = maps(size=8), maps(size=4)
        torch.testing.assert_close(loss(s, t), loss(torch.nn.functional.avg_pool2d(s, 2), t))
        torch.testing.assert_close(loss(t, s), loss(s, t))

    def test_anything_but_maps_of_the_same_samples_is_refused(self, loss):
        with pytest.raises(ValueError, match=r"maps .* got \(5, 3\) of the student and \(5, 3, 4, 4\)"):
            loss(torch.randn(5, 3), maps())
        with pytest.raises(ValueError, match="same samples; got 5 and 4"):
            loss(maps(), maps(samples=4))


class TestSrrl:
    def test_the_head_is_frozen_and_lets_gradients_through(self):
        head, student = nn.Linear(3, 4), torch.randn(5, 3, 2, 2, requires_grad=True)
        loss = SoftmaxRegression(head, feature_weight=0)
        loss(student, torch.randn(5, 3)).backward()
        assert student.grad.abs().sum() > 0 and head.weight.grad is None
        assert not list(loss.parameters()) and not loss.state_dict()

    def test_is_zero_at_the_teacher_in_the_l2_form_and_the_entropy_in_the_other(self):
        head, x = nn.Linear(3, 4, bias=False).double(), maps()
        assert SoftmaxRegression(head)(x, x) == 0
        answers = (x.mean((2, 3)) @ head.weight.T).softmax(-1)
        entropy = -(answers * answers.log()).sum(-1).mean()
        torch.testing.assert_close(SoftmaxRegression(head, soft_cross_entropy)(x, x), entropy)

    def test_other_channels_are_refused(self):
        with pytest.raises(ValueError, match=r"reads 3 channels .* got \(5, 4, 4, 4\)"):
            SoftmaxRegression(nn.Linear(3, 4))(maps(4), maps(3))
        with pytest.raises(ValueError, match=r"last map .* got \(5, 3\)"):
            srrl.connector(Size([5, 3]), Size([5, 3]))
        with pytest.raises(ValueError, match=r"same samples and classes; got \(5, 3\) and \(5, 4\)"):
            soft_cross_entropy(torch.randn(5, 3), torch.randn(5, 4))


class TestVid:
    def test_the_best_variance_is_the_mean_square_of_each_channel(self):
        s, t = maps(), maps() * torch.tensor([1.0, 2.0, 0.5])[:, None, None]
        loss = VariationalInformation(nn.Identity(), 3).double()
        with torch.no_grad():
            loss.log_scale.copy_(((s - t).square().mean((0, 2, 3)) - 1e-5).expm1().log())
        loss(s, t).backward()
        torch.testing.assert_close(loss.log_scale.grad, torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0)

    @pytest.mark.parametrize("sizes", [(8, 4), (4, 8)])
    def test_the_larger_map_is_pooled(self, sizes):
        s, t = maps(3, sizes[0]), maps(5, sizes[1])
        loss = VariationalInformation.between(s.shape, t.shape).double()
        pooled = [torch.nn.functional.adaptive_avg_pool2d(x, 4) for x in (s, t)]
        torch.testing.assert_close(loss(s, t), loss(*pooled))

    def test_what_does_not_fit_is_refused(self):
        loss = VariationalInformation(nn.Identity(), 3)
        with pytest.raises(ValueError, match=r"both show maps, or both vectors; got \(5, 3\)"):
            loss(torch.randn(5, 3), maps())
        with pytest.raises(ValueError, match="teacher's 4 channels"):
            loss(maps(3), maps(4))
        with pytest.raises(ValueError, match=r"greater than 1e-05 to begin with; got 0\.0"):
            VariationalInformation(nn.Identity(), 3, variance=0.0)


class TestSimkd:
    def test_the_student_answers_with_the_frozen_head_of_its_teacher(self):
        head, features = nn.Linear(8, 10), torch.randn(2, 8, 3, 3)
        student = Reused(nn.Identity(), nn.Identity(), head)
        torch.testing.assert_close(student(features), head(features.mean((2, 3))))
        trained = [
            name
            for name, p in Reused(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 8, 1), head).named_parameters()
            if p.requires_grad
        ]
        assert trained == ["backbone.weight", "backbone.bias", "projector.weight", "projector.bias"]

    @pytest.mark.parametrize("size", [6, 5])
    def test_the_head_is_the_teachers_wherever_that_has_it(self, size, tmp_path):
        teacher = nn.Sequential(nn.Conv2d(1, 6, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10))
        student = Reused(nn.Conv2d(1, 2, 1), bottleneck(Size([1, 2, 4, 4]), Size([1, size, 4, 4])), nn.Linear(size, 10))
        plan = Plan(Lesson(digits(20, seed=0), batch_size=10), torch.optim.SGD, 1)
        teaching = Teaching(simkd, teacher, ("net", "net"), cache_views=0)
        begin = partial(prepared, student, teaching, plan, Conditions(tmp_path, torch.float32, exact=True))
        if size != 6:
            with pytest.raises(ValueError, match=r"The teacher's last layer holds .*; build Reused with a head of its"):
                begin()
        else:
            begin()
            assert torch.equal(student.head.weight, teacher[4].weight)

    @pytest.mark.parametrize("factor", [2, 4, 8])
    def test_a_bottleneck_has_its_published_size(self, factor):
        layers = bottleneck(Size([1, 64, 8, 8]), Size([1, 256, 8, 8]), factor)
        between = 256 // factor
        convolutions = 64 * between + 9 * between**2 + between * 256
        assert sum(p.numel() for p in layers.parameters()) == convolutions + 2 * (2 * between + 256)

    def test_larger_maps_are_pooled(self):
        assert bottleneck(Size([2, 3, 8, 8]), Size([2, 4, 4, 4]))(torch.randn(2, 3, 8, 8)).shape == (2, 4, 4, 4)
        s, t = maps(size=4), maps(size=8)
        torch.testing.assert_close(fed_features(s, t), mean_squares(s, torch.nn.functional.avg_pool2d(t, 2)))

    def test_what_does_not_fit_is_refused(self):
        with pytest.raises(ValueError, match=r"got \(5, 3, 4, 4\) and \(5, 2, 4, 4\)"):
            fed_features(maps(3), maps(2))
        with pytest.raises(ValueError, match="teacher's 4 channels; got 5"):
            bottleneck(Size([2, 3, 8, 8]), Size([2, 4, 4, 4]), 5)
        with pytest.raises(ValueError, match=r"for maps .* got \(2, 3\)"):
            bottleneck(Size([2, 3]), Size([2, 4, 4, 4]))


class TestOverhaul:
    def test_there_is_no_gradient_where_both_are_below_the_margin(self):
        student = torch.tensor([[-0.7, -0.7, 0.3, -0.2]], requires_grad=True)
        teacher = torch.tensor([[-0.9, 0.4, -0.9, -0.9]])
        PartialSquares(torch.full((4,), -0.5))(student, teacher).backward()
        torch.testing.assert_close(student.grad, torch.tensor([[0.0, -2.2, 1.6, 0.6]]))

    def test_each_layer_weighs_twice_as_much_as_the_one_before(self):
        assert published_weights(3) == [0.00025, 0.0005, 0.001]

    def test_margins_need_the_weights_of_a_batch_norm(self):
        with pytest.raises(ValueError, match="weights are all there and not 0"):
            margins(nn.BatchNorm2d(3, affine=False))
        silent = nn.BatchNorm2d(3)
        nn.init.zeros_(silent.weight)
        with pytest.raises(ValueError, match="not 0"):
            margins(silent)

    def test_what_does_not_fit_is_refused(self):
        with pytest.raises(ValueError, match=r"the 2 channels of the margins; got \(5, 3, 4, 4\)"):
            PartialSquares(torch.zeros(2))(maps(), maps())
        with pytest.raises(ValueError, match=r"one a channel; got a tensor of shape \(1, 2\)"):
            PartialSquares(torch.zeros(1, 2))
        with pytest.raises(ValueError, match=r"maps .* of one size; got \(5, 3, 8, 8\)"):
            overhaul.connector(Size([5, 3, 8, 8]), Size([5, 3, 4, 4]))
        assert overhaul.connector(Size([5, 3, 4, 4]), Size([5, 6, 4, 4]))(torch.randn(5, 3, 4, 4)).shape[1] == 6


def test_small_maps_have_fewer_levels():
    s, t = maps(size=2), maps(size=2)
    gap = s - t
    by_hand = (gap.square().mean() + gap.mean((2, 3)).square().mean() / 2) / 1.5
    torch.testing.assert_close(hierarchical_context(s, t), by_hand)
    torch.testing.assert_close(hierarchical_context(s[..., :1, :1], t[..., :1, :1]), gap[..., 0, 0].square().mean())


@pytest.mark.parametrize("draw", [own_negatives, shared_negatives])
class TestContrast:
    CLASSES = torch.arange(12) % 3

    def loss(self, draw, classes=CLASSES, **changed):
        return CRD(3, 4, classes, **{"negatives": 5, "temperature": 0.5, "draw": draw, **changed})

    def test_trains_both_embeddings_and_the_student_by_plain_steps(self, draw):
        loss = self.loss(draw)
        optimizer = torch.optim.SGD(loss.parameters(), lr=0.1)
        student, teacher = torch.randn(6, 3, requires_grad=True), torch.randn(6, 4)
        for _ in range(2):
            optimizer.zero_grad()
            loss(student, teacher, torch.arange(6)).backward()
            optimizer.step()
        assert student.grad.abs().sum() > 0
        assert all(p.grad.abs().sum() > 0 for p in loss.parameters()) and len(list(loss.parameters())) == 4

    def test_only_the_rows_of_the_batch_change_and_their_length_is_one(self, draw):
        loss, index = self.loss(draw), torch.tensor([3, 7])
        before = loss.memory_of_teacher.clone()
        loss(torch.randn(2, 3), torch.randn(2, 4), index)
        others = [i for i in range(12) if i not in index]
        assert torch.equal(loss.memory_of_teacher[others], before[others])
        torch.testing.assert_close(loss.memory_of_teacher[index].norm(dim=1), torch.ones(2))

    def test_nothing_is_remembered_in_eval_mode(self, draw):
        loss = self.loss(draw).eval()
        before = {name: x.clone() for name, x in loss.state_dict().items()}
        loss(torch.randn(2, 3), torch.randn(2, 4), torch.tensor([3, 7]))
        assert all(torch.equal(x, before[name]) for name, x in loss.state_dict().items())

    def test_the_normalizers_are_set_once(self, draw):
        loss = self.loss(draw)
        loss(torch.randn(2, 3), torch.randn(2, 4), torch.tensor([3, 7]))
        first = loss.normalizers.clone()
        loss(torch.randn(2, 3), torch.randn(2, 4), torch.tensor([1, 8]))
        assert (first > 0).all() and torch.equal(loss.normalizers, first)

    def test_a_sample_that_comes_twice_is_remembered_by_its_mean(self, draw):
        one, other = self.loss(draw), self.loss(draw)
        other.load_state_dict(one.state_dict())
        student, teacher = torch.randn(2, 3), torch.randn(2, 4)
        one(student, teacher, torch.tensor([3, 3]))
        other(student.flip(0), teacher.flip(0), torch.tensor([3, 3]))
        torch.testing.assert_close(one.memory_of_student, other.memory_of_student)

    def test_agreeing_with_the_own_row_lowers_it_and_with_another_raises_it(self, draw):
        loss = self.loss(draw, negatives=8, width=2).eval()
        with torch.no_grad():
            loss.normalizers.fill_(10.0)
            loss.memory_of_teacher.copy_(torch.tensor([[0.0, 1.0]]).expand(12, 2))
            loss.memory_of_teacher[0] = torch.tensor([1.0, 0.0])
            loss.embed_student.weight.copy_(torch.eye(2, 3))
            loss.embed_student.bias.zero_()
        towards = [torch.tensor([[x, y, 0.0]]) for x, y in ((1.0, 0.0), (1.0, 1.0), (0.0, 1.0))]
        torch.manual_seed(1)
        values = []
        for student in towards:
            torch.manual_seed(1)
            values.append(loss(student, torch.ones(1, 4), torch.tensor([0])).item())
        assert values[0] < values[1] < values[2]

    def test_the_length_before_it_is_made_one_is_no_matter(self, draw):
        loss, args = self.loss(draw).eval(), (torch.randn(2, 3), torch.randn(2, 4), torch.tensor([3, 7]))
        values = []
        for _ in range(2):
            torch.manual_seed(1)
            values.append(loss(*args))
            with torch.no_grad():
                for p in loss.embed_student.parameters():
                    p.mul_(7)
        torch.testing.assert_close(*values)

    def test_more_negatives_than_samples_are_refused(self, draw):
        with pytest.raises(ValueError, match=r"9 negatives .* some sample has 8 others"):
            self.loss(draw, negatives=9)
        with pytest.raises(ValueError, match=r"16384 negatives .* some sample has 11 others"):
            CRD(3, 4, 12, draw=draw)

    def test_what_does_not_fit_is_refused(self, draw):
        with pytest.raises(ValueError, match="from 0 to 11; got an index from 3 to 12"):
            self.loss(draw)(torch.randn(2, 3), torch.randn(2, 4), torch.tensor([3, 12]))
        with pytest.raises(ValueError, match="greater than 0; got 0"):
            self.loss(draw, temperature=0)
        with pytest.raises(ValueError, match=r"one for each of the samples; got shape \(3, 1\)"):
            self.loss(draw, classes=torch.arange(3)[:, None])


def test_own_negatives_are_of_other_classes_all_different_and_all_equally_likely():
    index, classes = torch.tensor([0, 4]), torch.arange(9) % 3
    drawn = torch.stack([own_negatives(index, classes, 4) for _ in range(1000)])
    assert not (classes[drawn] == classes[index][:, None]).any()
    assert all(len(set(row.tolist())) == 4 for rows in drawn[:20] for row in rows)
    counts = drawn[:, 0].flatten().bincount(minlength=9)[classes != 0] / 1000
    torch.testing.assert_close(counts, torch.full((6,), 4 / 6), atol=0.1, rtol=0)  # 6 sd


def test_with_one_negative_it_is_the_critic_of_the_paper():
    loss = CRD(3, 4, 2, negatives=1, temperature=0.5).double()
    args = torch.randn(2, 3).double(), torch.randn(2, 4).double(), torch.arange(2)
    loss(*args)
    loss.eval()
    s = torch.nn.functional.normalize(loss.embed_student(args[0]), dim=1)
    t = torch.nn.functional.normalize(loss.embed_teacher(args[1]), dim=1)
    by_hand = 0
    for anchor, memory, z in zip(
        (s, t), (loss.memory_of_teacher, loss.memory_of_student), loss.normalizers, strict=True
    ):
        x = (anchor @ memory.T / 0.5).exp() / z
        h = x / (x + 1 / 2)
        by_hand = by_hand - (h.diag().log() + (1 - h.fliplr().diag()).log()).mean()
    torch.testing.assert_close(loss(*args), by_hand, atol=1e-5, rtol=0)


def test_one_process_in_a_group_is_like_one_alone(tmp_path):
    alone = CRD(3, 4, 12, negatives=11)
    grouped = CRD(3, 4, 12, negatives=11)
    grouped.load_state_dict(alone.state_dict())
    args = torch.randn(4, 3), torch.randn(4, 4), torch.tensor([1, 5, 5, 2])
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        grouped(*args)
    finally:
        torch.distributed.destroy_process_group()
    alone(*args)
    for name, x in alone.state_dict().items():
        torch.testing.assert_close(grouped.state_dict()[name], x)
