"""Attention over layers: its weights, its two readings, what may not collapse, and SemCKD beside it."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import Size, Tensor, nn

from examples import SGD, cnn, images, label, same
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.attention import attention_maps
from tutelage.losses.hint import mean_squares
from tutelage.losses.review import hierarchical_context
from tutelage.matching.attentive import Attentive, each_sample, of_each
from tutelage.matching.fitted import (
    Fitted,
    Orthogonal,
    common,
    learned_orthogonal,
    orthogonal,
    unchanged,
    unit_orthogonal,
)
from tutelage.matching.projected import Projected, pointwise, projected
from tutelage.matching.ranges import addresses, every_layer, window
from tutelage.matching.semckd import SemCKD, from_the_largest, in_batch_order
from tutelage.matching.similarities import (
    Detached,
    QueryKey,
    all_features,
    cosine_similarity,
    inner_product,
    negative_squares,
    per_layer,
    relations,
    scaled_dot,
    single_place,
)
from tutelage.objective import Objective, Term
from tutelage.teachers.frozen import frozen

pytestmark = pytest.mark.slow

SIMILARITIES = {
    "dot": inner_product,
    "scaled dot": scaled_dot,
    "cosine": partial(cosine_similarity, temperature=0.1),
    "negative squares": negative_squares,
    "learned": QueryKey(8),
    "detached": Detached(QueryKey(8)),
}
THREE = every_layer(["s"], ["t1", "t2", "t3"])
TEACHER = cnn(6, seed=1)
OVER = every_layer(["student.1", "student.4"], ["teacher.1", "teacher.2", "teacher.4"])


def maps(count, channels=4, size=4, samples=5):
    return [torch.randn(samples, channels, size, size, dtype=torch.float64) for _ in range(count)]


def seen(matched, student, teacher):
    """``matched``, having seen one batch, as ``train`` shows it before it builds the optimizer."""
    with torch.no_grad():
        matched.double()(student, teacher)
    return matched


def three(**choices):
    """A layer of the student over three layers of its shape, compared as they are."""
    return seen(Attentive(mean_squares, THREE, **{"fit": unchanged, **choices}), maps(1), maps(3))


def tensors(module):
    return {name: x.clone() for name, x in module.state_dict().items() if isinstance(x, Tensor)}


@pytest.mark.parametrize("similarity", SIMILARITIES.values(), ids=SIMILARITIES)
class TestLaws:
    @pytest.mark.parametrize("choices", [{}, {"weigh": per_layer}, {"describe": all_features}, {"reading": of_each}])
    def test_weights_are_none_below_zero_and_sum_to_one(self, similarity, choices):
        attended = three(similarity=similarity, **choices).attend(maps(1), maps(3))["s"]
        assert (attended.weights >= 0).all() and attended.weights.shape == (1 if "weigh" in choices else 5, 3)
        torch.testing.assert_close(attended.weights.sum(1), torch.ones(len(attended.weights)).double())

    @pytest.mark.parametrize("reading", [{}, {"reading": of_each}])
    def test_one_layer_is_the_plain_loss(self, similarity, reading):
        student, teacher = maps(1), maps(1)
        one = Attentive(mean_squares, every_layer(["s"], ["t"]), similarity=similarity, fit=unchanged, **reading)
        torch.testing.assert_close(seen(one, student, teacher)(student, teacher), mean_squares(*student, *teacher))

    @pytest.mark.parametrize("reading", [{}, {"reading": of_each}])
    def test_equal_layers_are_the_plain_loss_however_alike_they_are(self, similarity, reading):
        student, (teacher,) = maps(1), maps(1)
        plain = mean_squares(*student, teacher)
        torch.testing.assert_close(three(similarity=similarity, **reading)(student, [teacher] * 3), plain)

    @pytest.mark.parametrize("reading", [{}, {"reading": of_each}])
    def test_permuting_layers_permutes_their_weights_and_leaves_the_loss(self, similarity, reading):
        matched, student, teacher, order = three(similarity=similarity, **reading), maps(1), maps(3), [2, 0, 1]
        permuted = [teacher[place] for place in order]
        torch.testing.assert_close(matched(student, permuted), matched(student, teacher))
        weights = [matched.attend(student, x)["s"].weights for x in (teacher, permuted)]
        torch.testing.assert_close(weights[1], weights[0][:, order])

    def test_the_order_of_the_batch_means_nothing_and_a_sample_alone_has_the_same_weights(self, similarity):
        matched, student, teacher, order = three(similarity=similarity), maps(1), maps(3), torch.randperm(5)
        whole = matched.attend(student, teacher)["s"].weights
        moved = [student[0][order]], [x[order] for x in teacher]
        torch.testing.assert_close(matched(*moved), matched(student, teacher))
        torch.testing.assert_close(matched.attend(*moved)["s"].weights, whole[order])
        alone = matched.attend([student[0][3:4]], [x[3:4] for x in teacher])["s"].weights
        torch.testing.assert_close(alone, whole[3:4])

    def test_losses_are_the_loss_of_the_mixture_and_the_spread_of_the_layers(self, similarity):
        mixture, student, teacher = three(similarity=similarity), maps(1), maps(3)
        losses = deepcopy(mixture)
        losses.reading = of_each
        _, layers, weights = mixture.attend(student, teacher)["s"]
        weights = weights[:, :, None, None, None]
        spread = (weights * (layers - (weights * layers).sum(1, keepdim=True)).square()).sum(1).mean()
        gap = losses(student, teacher) - mixture(student, teacher) - spread
        assert abs(gap.item()) < 1e-10 < spread.item()

    def test_gradients_reach_student_and_weights_and_never_the_teacher(self, similarity):
        matched = seen(Attentive(mean_squares, THREE, similarity=similarity), maps(1, 3), [*maps(2), *maps(1, 2)])
        student = [x.requires_grad_() for x in maps(1, 3)]
        teacher = [x.requires_grad_() for x in [*maps(2), *maps(1, 2)]]
        matched(student, teacher).backward()
        assert student[0].grad.abs().sum() > 0 and all(x.grad is None for x in teacher)
        names = [name for name, p in matched.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0]
        assert names == [name for name, _ in matched.named_parameters()]
        assert len(names) == 2 + 2 * bool(list(matched.similar.parameters()))  # the student's map, query and key


class TestAttentive:
    def test_each_layer_looks_at_its_own_range(self):
        student, teacher = maps(2), maps(3)
        matched = seen(Attentive(mean_squares, {"a": ["x", "y"], "b": ["y", "z"]}, fit=unchanged), student, teacher)
        alone = [
            seen(Attentive(mean_squares, every_layer(["s"], ["t", "u"]), fit=unchanged), [s], t)([s], t)
            for s, t in zip(student, (teacher[:2], teacher[1:]), strict=True)
        ]
        torch.testing.assert_close(matched(student, teacher), torch.stack(alone).mean())

    def test_layers_of_other_shapes_are_brought_to_the_smallest_map_and_the_teachers_widest(self):
        student = [torch.randn(2, 3, 8, 8)]
        teacher = [torch.randn(2, 5, 16, 16), torch.randn(2, 7, 4, 6), torch.randn(2, 6, 8, 8)]
        matched = Attentive(mean_squares, THREE)
        with torch.no_grad():
            matched(student, teacher)
        attended = matched.attend(student, teacher)["s"]
        assert attended.student.shape == (2, 7, 4, 6) and attended.teachers.shape == (2, 3, 7, 4, 6)
        torch.testing.assert_close(attended.teachers[:, 1], teacher[1])

    @pytest.mark.parametrize("shape", [(4,), (6, 4)], ids=["vectors", "tokens"])
    def test_vectors_and_tokens_are_layers_too(self, shape):
        student, teacher = [torch.randn(2, *shape)], [torch.randn(2, *shape[:-1], width) for width in (3, 5, 7)]
        matched = Attentive(mean_squares, THREE)
        with torch.no_grad():
            matched(student, teacher)
        assert matched(student, teacher).isfinite()
        assert matched.attend(student, teacher)["s"].teachers.shape == (2, 3, *shape[:-1], 7)

    @pytest.mark.parametrize("reading", [{}, {"reading": of_each}])
    @pytest.mark.parametrize("samples", [1, 3, 9])
    def test_a_batch_may_have_any_size(self, samples, reading):
        matched = three(describe=relations, weigh=per_layer, **reading)
        assert matched(maps(1, samples=samples), maps(3, samples=samples)).isfinite()

    def test_the_nearest_layer_is_chosen_where_distances_are_large(self):
        (student,), teacher = maps(1), maps(3)
        near = [1000 * teacher[0], student + 0.1, 1000 * teacher[2]]
        weights = three(similarity=negative_squares).attend([student], near)["s"].weights
        torch.testing.assert_close(weights, torch.tensor([[0.0, 1.0, 0.0]]).double().expand(5, 3))

    def test_relations_mean_the_same_in_every_width_and_rotation(self):
        (student,) = maps(1)
        turned = Orthogonal(4, 9).double()(student)
        torch.testing.assert_close(relations(turned), relations(3 * student), atol=1e-5, rtol=0)  # cosines

    def test_a_detached_similarity_leaves_the_student_only_the_loss(self):
        (student,), teacher = maps(1), maps(3)
        student.requires_grad_()
        matched = three(similarity=Detached(inner_product))
        _, layers, weights = matched.attend([student], teacher)["s"]
        mixture = torch.einsum("nk,nkchw->nchw", weights, layers)
        (plain,) = torch.autograd.grad(mean_squares(student, mixture), student)
        (found,) = torch.autograd.grad(matched([student], teacher), student)
        (through,) = torch.autograd.grad(three(similarity=inner_product)([student], teacher), student)
        torch.testing.assert_close(found, plain)
        assert not torch.allclose(through, plain)

    @pytest.mark.parametrize("loss", [mean_squares, attention_maps, hierarchical_context])
    def test_the_loss_of_every_sample_is_the_loss_of_a_batch_of_one(self, loss):
        (student, teacher) = (x.requires_grad_() for x in maps(2, size=8))
        alone = torch.stack([loss(s, t) for s, t in zip(student.split(1), teacher.split(1), strict=True)])
        found = each_sample(loss, student, teacher)
        torch.testing.assert_close(found, alone)
        weights = torch.arange(5).double()
        left, right = (torch.autograd.grad((weights * x).sum(), (student, teacher)) for x in (found, alone))
        torch.testing.assert_close(left, right)

    def test_each_layer_of_the_student_may_have_its_own_loss(self):
        student, teacher = [*maps(1), *maps(1, 3, 2)], [*maps(1, 5), *maps(1, 6, 2)]
        losses = [projected(mean_squares), projected(mean_squares)]
        matched = Attentive(losses, {"a": ["x"], "b": ["y"]}, fit=unchanged_or_not)
        apart = [x.float() for x in student], [x.float() for x in teacher]
        with pytest.raises(ValueError, match="a shows 4 numbers where the teacher shows 5"), torch.no_grad():
            matched(*apart)
        matched.describe = relations
        with torch.no_grad():
            matched(*apart)
        assert [tuple(p.shape) for p in matched.parameters()] == [(5, 4, 1, 1), (5,), (6, 3, 1, 1), (6,)]

    @pytest.mark.parametrize("reading", [{}, {"reading": of_each}])
    @pytest.mark.parametrize("make", [Attentive, SemCKD], ids=["attentive", "semckd"])
    def test_half_precision_is_lifted(self, make, reading):
        if make is SemCKD:
            matched, reading = SemCKD(THREE, samples=5).eval(), {}
        else:
            matched = Attentive(mean_squares, THREE, similarity=QueryKey(8), **reading)
        student, teacher = [maps(1)[0].bfloat16()], [x.bfloat16() for x in [*maps(2), *maps(1, 6)]]
        single = [x.float() for x in student], [x.float() for x in teacher]
        with torch.no_grad():
            first = matched(*single)
        torch.testing.assert_close(matched(student, teacher), first)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(matched(*single), first, atol=0.02, rtol=0.02)


def unchanged_or_not(_student, _wanted):
    return nn.Identity()


class TestProjections:
    def test_a_frozen_map_keeps_lengths_and_angles_and_is_no_parameter(self):
        made, (a, b) = orthogonal(Size([1, 3, 2, 2]), Size([1, 8, 2, 2])), (x.float() for x in maps(2, 3))
        gaps, lengths = (made(a) * made(b)).sum(1) - (a * b).sum(1), a.norm(dim=1) * b.norm(dim=1)
        assert (gaps.abs() <= 1e-5 * lengths).all()
        assert not list(made.parameters()) and list(made.state_dict()) == ["weight"]

    def test_to_fewer_channels_its_rows_are_orthonormal(self):
        weight = Orthogonal(8, 3).weight
        torch.testing.assert_close(weight @ weight.mT, torch.eye(3), atol=1e-5, rtol=0)

    def test_unit_size_is_that_of_every_sample_alone(self):
        made, (x,) = unit_orthogonal(Size([1, 4, 4, 4]), Size([1, 6, 4, 4])).double(), maps(1)
        x = x * torch.arange(1, 6)[:, None, None, None]
        torch.testing.assert_close(made(x).flatten(1).square().mean(1), torch.ones(5).double())
        assert made(torch.zeros_like(x)).eq(0).all()

    @staticmethod
    def kept(project):
        """What is left of how samples differ in the layers and in their mixture, after 500 steps on nothing else."""
        inputs, teacher = torch.randn(16, 5), [torch.randn(16, width) for width in (4, 6, 8)]
        student = nn.Linear(5, 5)
        matched = Attentive(mean_squares, THREE, similarity=QueryKey(8), project=project)

        def spread():
            with torch.no_grad():
                _, layers, weights = matched.attend([student(inputs)], teacher)["s"]
            mixture = (weights[:, :, None] * layers).sum(1)
            return torch.stack([(x - x.mean(0)).norm() for x in (layers, mixture)])

        before = spread()
        optimizer = torch.optim.SGD([*student.parameters(), *matched.parameters()], lr=0.5, momentum=0.9)
        for _ in range(500):
            optimizer.zero_grad()
            matched([student(inputs)], teacher).backward()
            optimizer.step()
        return (spread() / before).tolist()

    @pytest.mark.parametrize("project", [orthogonal, unit_orthogonal, learned_orthogonal])
    def test_nothing_collapses_in_500_steps(self, project):
        layers, mixture = self.kept(project)
        assert layers == pytest.approx(1, abs=1e-4) and mixture > 0.5

    def test_what_learns_freely_on_both_sides_does(self):
        _, mixture = self.kept(pointwise)
        assert mixture < 0.5


class TestSemCKD:
    @staticmethod
    def made(**choices):
        return seen(SemCKD(every_layer(["a", "b"], ["x", "y", "z"]), samples=8, **choices), *TestSemCKD.layers(8))

    @staticmethod
    def layers(samples):
        student = [*maps(1, 3, 8, samples), *maps(1, 4, 4, samples)]
        return student, [*maps(1, 5, 8, samples), *maps(1, 6, 4, samples), *maps(1, 7, 2, samples)]

    @pytest.mark.parametrize("samples", [1, 5, 8, 19])
    def test_a_batch_may_have_any_size(self, samples):
        matched, (student, teacher) = self.made(), self.layers(samples)
        weights = matched.weights(student, teacher)
        assert {name: x.shape for name, x in weights.items()} == {"a": (samples, 3), "b": (samples, 3)}
        assert all(torch.allclose(x.sum(1), torch.ones(samples).double()) for x in weights.values())
        for x in student:
            x.requires_grad_()
        matched(student, teacher).backward()
        assert all(x.grad.isfinite().all() and x.grad.abs().sum() > 0 for x in student)
        assert all(p.grad is not None for p in matched.parameters())

    def test_a_larger_batch_is_cut_into_pieces_of_the_published_size(self):
        matched, (student, teacher) = self.made(), self.layers(16)
        whole = matched.weights(student, teacher)
        pieces = [matched.weights([x[p] for x in student], [x[p] for x in teacher]) for p in (slice(8), slice(8, 16))]
        for name, weights in whole.items():
            torch.testing.assert_close(weights, torch.cat([piece[name] for piece in pieces]))

    @pytest.mark.parametrize(("rows", "blind"), [(in_batch_order, False), (from_the_largest, True)])
    def test_the_published_rows_see_the_order_of_the_batch_and_sorted_ones_do_not(self, rows, blind):
        matched, (student, teacher), order = self.made(rows=rows), self.layers(6), torch.tensor([3, 0, 5, 1, 4, 2])
        moved = [x[order] for x in student], [x[order] for x in teacher]
        same_weights = torch.allclose(matched.weights(*moved)["a"], matched.weights(student, teacher)["a"][order])
        assert same_weights == blind
        assert torch.allclose(matched(*moved), matched(student, teacher)) == blind

    def test_gradients_never_reach_the_teacher(self):
        matched, (student, teacher) = self.made(), self.layers(8)
        for x in teacher:
            x.requires_grad_()
        matched(student, teacher).backward()
        assert all(x.grad is None for x in teacher)

    def test_vectors_are_maps_of_one_place(self):
        student, teacher = [torch.randn(4, 3)], [torch.randn(4, width) for width in (2, 3, 5)]
        matched = SemCKD(THREE, samples=4)
        with torch.no_grad():
            matched(student, teacher)
        assert matched(student, teacher).isfinite()
        with pytest.raises(ValueError, match=r"two samples or more at once, or on maps.*got \(1, 3, 1, 1\)"):
            matched([student[0][:1]], [x[:1] for x in teacher])
        assert matched.eval()([student[0][:1]], [x[:1] for x in teacher]).isfinite()

    def test_what_does_not_fit_is_refused(self):
        student, teacher = self.layers(4)
        with pytest.raises(ValueError, match="4 or more; got samples=3"):
            SemCKD(THREE, samples=3)
        with pytest.raises(ValueError, match="got 1 layers of the student and 3 of the teacher"):
            self.made()(student[:1], teacher)
        with pytest.raises(ValueError, match=r"SemCKD wants maps .* or vectors .* got \(4, 3, 8\)"):
            self.made()([student[0][:, :, 0], student[1]], teacher)


def ways():
    return {
        "fixed": Attentive(mean_squares, OVER, similarity=cosine_similarity),
        "learned": Attentive(mean_squares, OVER, similarity=QueryKey(8), project=learned_orthogonal),
        "losses": Attentive(attention_maps, OVER, similarity=Detached(QueryKey(8)), reading=of_each),
        "semckd": SemCKD(OVER, samples=8),
    }


def learner(way):
    term = Term(ways()[way], *addresses(OVER), across=way == "semckd")
    return Learner(cnn(4), Objective(label=label(), layers=term), SGD, teachers={"teacher": frozen(TEACHER)})


@pytest.mark.parametrize("way", ways())
class TestTraining:
    def test_what_learns_trains_with_the_student_and_is_no_part_of_it(self, way):
        torch.manual_seed(0)
        taught = learner(way)
        size = sum(p.numel() for p in taught.student.parameters())
        training = train({"student": taught}, images(), 1)
        before = {name: p.clone() for name, p in taught.objective.named_parameters()}
        list(training)
        still = [name for name, p in taught.objective.named_parameters() if torch.equal(p, before[name])]
        assert before and all("fits" in name for name in still if way == "losses") and (not still or way == "losses")
        assert sum(p.numel() for p in taught.student.parameters()) == size

    def test_it_survives_a_resume_to_the_same_bits(self, way):
        def made():
            torch.manual_seed(0)
            return learner(way)

        whole, first, second = made(), made(), made()
        expected = list(train({"student": whole}, images(), 2))
        halfway = train({"student": first}, images(), 2)
        next(iter(halfway))
        state = deepcopy(halfway.state_dict())
        torch.manual_seed(9)  # what the maps start from is no matter any more, the teacher's frozen ones included
        resumed = train({"student": second}, images(), 2)
        resumed.load_state_dict(state)
        assert list(resumed)[-1].statistics == expected[-1].statistics
        assert same(tensors(whole.objective), tensors(second.objective))
        assert same(tensors(whole.student), tensors(second.student))

    def test_its_state_is_that_of_whoever_has_seen_the_layers_too(self, way):
        one, other = learner(way), learner(way)
        with pytest.raises(ValueError, match="uninitialized parameter"):
            one.objective.state_dict()
        list(train({"student": one}, images(), 1))
        assert train({"student": other}, images(), 1).states  # rehearses, and no more
        assert not same(tensors(one.objective), tensors(other.objective))
        other.objective.load_state_dict(one.objective.state_dict())
        assert same(tensors(one.objective), tensors(other.objective))

    def test_mean_weights_are_in_the_statistics_of_an_epoch(self, way):
        (epoch,) = train({"student": learner(way)}, images(), 1)
        start = "objective.layers.loss.means/weight "
        weights = {name.removeprefix(start): x for name, x in epoch.statistics["student"].items()}
        assert list(weights) == [f"{student} | {teacher}" for student, names in OVER.items() for teacher in names]
        for student in OVER:
            assert sum(x for name, x in weights.items() if name.startswith(student)) == pytest.approx(1, abs=1e-6)


class TestErrors:
    def test_layers_that_cannot_stand_side_by_side_are_one_sentence(self):
        (student,), teacher = maps(1), maps(2)
        with pytest.raises(ValueError, match=r"^Layers side by side .* got \(5, 4, 4, 4\) of .* \(5, 4\) of"):
            Attentive(mean_squares, THREE)([student], [*teacher, teacher[0].mean((2, 3))])
        for shapes in (((2, 6, 4), (2, 7, 4)), ((2, 3), (3, 3)), ((2, 3, 4, 4, 4), (2, 3, 4, 4, 4)), ((2,), (2,))):
            with pytest.raises(ValueError, match="Layers side by side show the same samples"):
                common(Size(shapes[0]), [Size(shapes[1])])

    def test_lists_of_other_lengths_are_refused(self):
        with pytest.raises(ValueError, match=r"over \['t1', 't2', 't3'\], in this order; got 1 layers .* and 2 of"):
            three()(maps(1), maps(2))
        with pytest.raises(ValueError, match="got 3 for 1 layers"):
            Attentive([mean_squares] * 3, THREE)

    def test_ranges_that_mean_nothing_are_refused(self):
        for ranges in ({}, {"s": []}):
            with pytest.raises(ValueError, match="one layer of the teacher or more; got"):
                Attentive(mean_squares, ranges)
        for ranges in ({"s": ["t", "t"]}, {"s": "teacher.layer1"}):
            with pytest.raises(ValueError, match="Layers are a list of different names; got"):
                Attentive(mean_squares, ranges)
        with pytest.raises(ValueError, match="different names"):
            every_layer(["s", "s"], ["t"])
        with pytest.raises(ValueError, match=r"one layer of the teacher or more; got \{\}"):
            window([], ["t"])
        with pytest.raises(ValueError, match="0 or more layers to either side; got reach=-1"):
            window(["s"], ["t"], -1)

    def test_layers_are_not_first_seen_while_gradients_are_recorded(self):
        with pytest.raises(ValueError, match=r"see one batch before the optimizer is built.*under torch\.no_grad"):
            Attentive(mean_squares, THREE)(maps(1), maps(3))

    def test_layers_of_another_width_than_the_first_are_refused(self):
        fitted = Fitted(pointwise)
        with torch.no_grad():
            fitted(torch.randn(2, 3), Size([2, 5]))
        with pytest.raises(ValueError, match=r"A map from 3 to 5 channels got activations of \(4, 5\)"):
            fitted(torch.randn(2, 4), Size([2, 5]))

    def test_similarities_refuse_what_they_cannot_compare(self):
        with pytest.raises(ValueError, match="greater than 0; got 0"):
            cosine_similarity(torch.ones(1, 2), torch.ones(1, 1, 2), temperature=0)
        with pytest.raises(ValueError, match="one number or more; got width=0"):
            QueryKey(0)
        matched = three(similarity=QueryKey(4), describe=relations)
        with pytest.raises(ValueError, match="is for vectors of 5 numbers; got 4"):
            matched(maps(1, samples=4), maps(3, samples=4))
        with pytest.raises(ValueError, match="3 channels is compared with 5"):
            unchanged(Size([1, 3]), Size([1, 5]))

    def test_a_term_that_nobody_rehearses_is_noticed(self):
        term = Term(Attentive(mean_squares, OVER), *addresses(OVER), weight=0.0)
        taught = Learner(cnn(4), Objective(label=label(), layers=term), SGD, teachers={"teacher": frozen(TEACHER)})
        with pytest.raises(ValueError, match=r"layers\.loss\.fits\.0\.unseen.*never got a shape"):
            train({"student": taught}, images(), 1)


def test_a_copy_trains_its_own_weights():
    first = three(similarity=QueryKey(4), fit=pointwise)
    second = deepcopy(first)
    second(maps(1), maps(3)).backward()
    assert all(p.grad is not None for p in second.parameters()) and all(p.grad is None for p in first.parameters())


def test_weights_of_a_shared_loss_are_owned_once():
    shared = Projected(mean_squares, nn.Conv2d(3, 3, 1))
    assert len(list(Attentive(shared, every_layer(["a", "b"], ["x"]), fit=unchanged).owned.parameters())) == 2


@pytest.mark.parametrize("reading", [{}, {"reading": of_each}])
def test_only_one_layer_is_the_plain_loss_on_it_whatever_the_others_say(reading):
    ranges = every_layer(["a", "b"], ["t1", "t2", "t3"])
    students, teachers = maps(2), maps(3)
    chosen = [partial(single_place, place=2), partial(single_place, place=0)]
    matched = seen(Attentive(mean_squares, ranges, similarity=chosen, fit=unchanged, **reading), students, teachers)
    expected = (mean_squares(students[0], teachers[2]) + mean_squares(students[1], teachers[0])) / 2
    torch.testing.assert_close(matched(students, teachers), expected)
    assert matched.attend(students, teachers)["a"].weights.tolist() == [[0, 0, 1]] * 5


def test_lists_of_another_length_than_the_layers_are_refused():
    ranges = every_layer(["a", "b"], ["t"])
    with pytest.raises(ValueError, match="Similarities are one a layer of the student; got 3 for 2 layers"):
        Attentive(mean_squares, ranges, similarity=[inner_product, inner_product, inner_product])
    with pytest.raises(ValueError, match="Losses are one a layer of the student; got 1 for 2 layers"):
        Attentive([mean_squares], ranges)


@pytest.mark.parametrize("project", [orthogonal, unit_orthogonal, learned_orthogonal])
@pytest.mark.parametrize("similarity", SIMILARITIES.values(), ids=SIMILARITIES)
def test_it_trains_under_autocast(project, similarity):
    matched = Attentive(mean_squares, OVER, similarity=deepcopy(similarity), project=project)
    objective = Objective(label=label(), layers=Term(matched, *addresses(OVER)))
    taught = Learner(cnn(4, 3), objective, SGD, teachers={"teacher": frozen(TEACHER)})
    (epoch,) = train({"student": taught}, images(2), 1, precision=torch.bfloat16)
    assert torch.tensor(list(epoch.losses["student"].values())).isfinite().all()
    assert {p.dtype for p in matched.parameters()} == {torch.float32}
