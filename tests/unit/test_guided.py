"""Layers that are chosen by what they teach: where the labels want to go decides, and not what is easy to repeat."""

import pytest
import torch

from examples import SGD, cnn, images, label, same
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.hint import mean_squares
from tutelage.matching.fitted import unchanged
from tutelage.matching.guided import Guided, Remembered, agreements, positive_shares
from tutelage.matching.ranges import addresses, every_layer
from tutelage.methods.attention import guided, guided_stage, mean_of_stage
from tutelage.methods.pair import Pair
from tutelage.objective import Objective, Term
from tutelage.teachers.frozen import frozen

RANGES = every_layer(["s"], ["towards", "away", "aside"])
TEACHER = cnn(6, seed=1)


def squares(answer, wanted):
    return (answer - wanted).square().sum() / 2


def scene():
    """A layer S, an answer that is S itself, and three layers: where it is wanted, opposite of that, and sideways."""
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64, requires_grad=True)
    way = torch.tensor([[1.0, 2.0], [3.0, 1.0]], dtype=torch.float64)
    side = torch.tensor([[2.0, -1.0], [1.0, -3.0]], dtype=torch.float64)
    layers = [x.detach() + way, x.detach() - way, x.detach() + side]
    return x, layers, x * 1, x.detach() + way


def matched(**options):
    """A term that has seen a batch, as ``train`` shows it before it builds the optimizer."""
    term = Guided(mean_squares, RANGES, guide=squares, fit=unchanged, project=unchanged, **options).double()
    x, layers, _, _ = scene()
    with torch.no_grad():
        term([x], layers)
    term.means.read()
    return term


def test_agreements_are_cosines_of_what_is_wanted_and_what_a_layer_asks_for():
    x, layers, answer, wanted = scene()
    term = matched()
    (attended,) = term.attentive.attend([x], layers).values()
    (g,) = torch.autograd.grad(squares(answer, wanted), x)
    found = agreements(mean_squares, attended, x, g)
    torch.testing.assert_close(found, torch.tensor([1.0, -1.0, 0.0], dtype=torch.float64), atol=1e-12, rtol=0)


def test_the_first_step_weighs_all_alike_and_the_next_goes_where_the_guide_wants():
    x, layers, answer, wanted = scene()
    term = matched()
    alike = mean_squares(x, torch.stack(layers).mean(0))
    torch.testing.assert_close(term([x], layers, answer, wanted), alike)
    torch.testing.assert_close(term([x], layers, answer, wanted), mean_squares(x, layers[0]))
    assert term.means.read()["weight s | towards"] == pytest.approx((1 / 3 + 1) / 2)


def test_no_gradient_passes_through_the_weights_and_none_of_the_guide_is_left():
    x, layers, answer, wanted = scene()
    term = matched()
    term([x], layers, answer, wanted)
    (found,) = torch.autograd.grad(term([x], layers, answer, wanted), x)
    (fixed,) = torch.autograd.grad(mean_squares(x, layers[0]), x)
    torch.testing.assert_close(found, fixed)
    assert x.grad is None


@pytest.mark.parametrize("how", ["eval", "no answer", "no grad"])
def test_weights_stay_where_nothing_can_be_found_out(how):
    x, layers, answer, wanted = scene()
    term = matched()
    if how == "eval":
        term.eval()([x], layers, answer, wanted)
    elif how == "no answer":
        term([x], layers)
    else:
        with torch.no_grad():
            term([x], layers, answer.detach(), wanted)
    (similar,) = term.attentive.similar
    assert float(similar.count) == 0


def test_a_layer_that_does_not_reach_the_answer_agrees_with_nothing():
    x, layers, _, wanted = scene()
    other = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    term = matched()
    term([x], layers, other * 1, wanted)
    (similar,) = term.attentive.similar
    assert float(similar.count) == 1 and not similar.total.any()


def test_later_steps_count_more():
    remembered = Remembered(2, memory=0.5)
    for value in ([1.0, 0.0], [0.0, 1.0]):
        remembered.add(torch.tensor(value))
    found = remembered(torch.zeros(3, 1), torch.zeros(3, 2, 1))
    torch.testing.assert_close(found, torch.tensor([[1 / 3, 2 / 3]]).expand(3, 2))


def test_where_nothing_agrees_all_weigh_alike():
    torch.testing.assert_close(positive_shares(torch.tensor([[-0.1, -0.2, 0.0, -3.0]])), torch.full((1, 4), 0.25))


@pytest.mark.parametrize("memory", [-0.1, 1.0, float("nan")])
def test_a_memory_that_is_none(memory):
    with pytest.raises(ValueError, match="keeps 0 or more, and less than 1"):
        matched(memory=memory)


def objective():
    ranges = every_layer(["student.1", "student.4"], ["teacher.1", "teacher.2", "teacher.4"])
    seen = *addresses(ranges), "student.output", "batch.target"
    return Objective(label=label(), layers=Term(Guided(mean_squares, ranges), *seen, across=True))


def learner():
    return Learner(cnn(4, seed=2), objective(), SGD, teachers={"teacher": frozen(TEACHER)})


def tensors(module):
    return {name: x for name, x in module.state_dict().items() if isinstance(x, torch.Tensor)}


def test_a_training_that_was_stopped_goes_on_to_the_same_bits():
    whole, first, again = learner(), learner(), learner()
    expected = list(train({"student": whole}, images(), epochs=3))
    training = train({"student": first}, images(), epochs=3)
    next(iter(training))
    resumed = train({"student": again}, images(), epochs=3)
    resumed.load_state_dict(training.state_dict())
    assert list(resumed)[-1].statistics == expected[-1].statistics
    assert same(tensors(whole.objective), tensors(again.objective))
    assert same(tensors(whole.student), tensors(again.student))


def test_weights_of_an_epoch_sum_to_one_over_the_layers_of_a_range():
    for epoch in train({"student": learner()}, images(), epochs=2):
        weights = {k: v for k, v in epoch.statistics["student"].items() if "means/weight student.4 |" in k}
        assert len(weights) == 3 and sum(weights.values()) == pytest.approx(1, abs=1e-5)


def test_the_methods_give_each_layer_all_blocks_or_those_of_its_stage():
    from tutelage.data.lesson import Lesson
    from tutelage.data.synthetic import photographs
    from tutelage.models.resnet import resnet

    teacher, student = resnet(20, 10), resnet(8, 10)
    pair = Pair(teacher, student, Lesson(photographs(8)[0], None, batch_size=4), 1)
    for make, sizes in ((guided, [9, 9, 9]), (guided_stage, [3, 3, 3])):
        term = make(pair).terms["layers"]
        assert [len(x) for x in term.loss.attentive.ranges.values()] == sizes
        assert ("batch", "target") in set(term.reads()) and term.loss.guide is pair.labels().loss
    stages = mean_of_stage(pair).terms["layers"].loss.ranges.values()
    assert [x[-1] for x in stages] == [f"teacher.layer{stage}.block3" for stage in (1, 2, 3)]
