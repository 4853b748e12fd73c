"""Every rule in a training: accumulated, in bfloat16, of several learners, resumed."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from examples import Hint, bits, cnn, images, kd, label, mlp, run, same, vectors
from tutelage.checkpoint import load_state, save_state
from tutelage.combine.base import Combine
from tutelage.combine.decompose import decomposed, longest_first, symmetric, weights
from tutelage.combine.dot import DOT
from tutelage.combine.granularity import each_layer
from tutelage.combine.learned import LearnedWeights, softmax
from tutelage.combine.published import aggregator, resolved_by, weighting
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.shared_features import AtFeatures
from tutelage.combine.target import cosine_weighted, protected
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.keys import key_of
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.objective import Objective, Term
from tutelage.teachers.frozen import frozen
from tutelage.watched import Watched, watching

pytestmark = pytest.mark.slow

SGD = partial(torch.optim.SGD, lr=0.1)
PAIRWISE = partial(decomposed, by=symmetric)
RULES = {
    "decomposed": lambda: ResolveConflicts(PAIRWISE, seed=3),
    "target, each layer": lambda: ResolveConflicts(partial(decomposed, by=protected), target="label", per=each_layer),
    "cosine": lambda: ResolveConflicts(partial(decomposed, by=cosine_weighted), target="label"),
    "upgrad": lambda: ResolveConflicts(aggregator("UPGrad")),
    "gradvac, each layer": lambda: ResolveConflicts(aggregator("GradVac"), per=each_layer),
    "gradvac, summed": partial(resolved_by, "GradVac", summed=True),
    "excess": partial(resolved_by, "ExcessMTL", n_warmup_steps=2),
    "dot": lambda: DOT(["label"], weight_decay=0.01),
    "learned": lambda: LearnedWeights(["label", "soft", "feel"]),
    "learned, decomposed": lambda: LearnedWeights(
        ["label", "soft", "feel"], softmax, partial(ResolveConflicts, PAIRWISE)
    ),
    "watched": lambda: Watched(ResolveConflicts(PAIRWISE), every=2),
    "at a feature": lambda: AtFeatures(partial(weights, by=symmetric), "student.1", seed=3),
    "at features, gradvac": lambda: AtFeatures(weighting("GradVac"), "student.1", "student.0"),
}
EXACT = [name for name in RULES if not name.startswith("at ")]


def objective():
    """Three terms that conflict, one of them through a projector of its own."""
    torch.manual_seed(5)
    feel = Term(Hint(nn.Linear(8, 16)), "student.1", "teacher.1", weight=0.5)
    return Objective(**kd(0.6, 1.0).terms, feel=feel)


def learner(rule: Combine, seed=3):
    return Learner(mlp(8, seed), objective(), SGD, rule, {"teacher": frozen(mlp(16))})


def trained(rule, batches, **how):
    taught = learner(rule())
    return taught, run(train({"student": taught}, batches, 2, **how))


def ends(taught):
    return {**bits(taught.student), **{f"objective.{n}": x for n, x in bits(taught.objective).items()}}


@pytest.mark.parametrize("name", RULES)
def test_it_learns_and_moves_everything_that_a_loss_reaches(name):
    taught, _ = trained(RULES[name], vectors())
    before = ends(learner(WeightedSum()))
    after = ends(taught)
    assert all(x.isfinite().all() and not torch.equal(x, before[key]) for key, x in after.items())


@pytest.mark.parametrize("name", EXACT)
def test_accumulated_micro_batches_are_one_batch(name):
    """Learned levels may round differently; everything else of a step is the same sum."""
    whole = vectors(2, 16)
    halves = [{k: x[half] for k, x in batch.items()} for batch in whole for half in (slice(0, 8), slice(8, 16))]
    one, _ = trained(RULES[name], whole)
    two, _ = trained(RULES[name], halves, accumulate=2)
    for key, x in ends(one).items():
        torch.testing.assert_close(ends(two)[key], x, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", RULES)
def test_under_autocast_weights_stay_float32_and_finite(name):
    taught, epoch = trained(RULES[name], vectors(2), precision=torch.bfloat16)
    assert all(x.dtype == torch.float32 and x.isfinite().all() for x in ends(taught).values())
    assert all(value < 10 for value in epoch.losses["student"].values())


@pytest.mark.parametrize("name", ["decomposed", "target, each layer", "dot", "learned", "at a feature"])
def test_several_learners_each_have_a_rule(name):
    def taught(peer, seed):
        mutual = Term(F.mse_loss, "student.output", f"{peer}.output")
        return Learner(mlp(8, seed), Objective(label=label(), soft=mutual, feel=label(0.3)), SGD, RULES[name]())

    both = {"a": taught("b", 1), "b": taught("a", 2)}
    epoch = run(train(both, vectors(), 2))
    assert not same(bits(both["a"].student), bits(both["b"].student))
    assert all(x.isfinite().all() for one in both.values() for x in bits(one.student).values())
    assert set(epoch.losses) == {"a", "b"}


@pytest.mark.parametrize("name", RULES)
def test_saved_and_loaded_after_any_step_it_goes_on_to_the_same_bits(name, tmp_path):
    def make(pause=lambda _: False):
        return train({"student": learner(RULES[name]())}, vectors(), 2, pause=pause)

    straight = make()
    reports = list(straight)
    broken = make(lambda clock: clock.step == 3)
    next(iter(broken))
    save_state(tmp_path / "state.safetensors", broken.state_dict())
    resumed = make()
    resumed.load_state_dict(load_state(tmp_path / "state.safetensors"))
    assert list(resumed) == reports
    states = [training.states["student"].learner for training in (straight, resumed)]
    assert same(*map(ends, states))
    assert same(*(dict(x.combine.named_parameters()) for x in states))


@pytest.mark.parametrize("name", RULES)
def test_the_statistics_of_batch_normalisation_move_once_a_step(name):
    student, teacher = cnn(4, seed=3), frozen(cnn(4, seed=9))
    tap = "student.2" if name.startswith("at ") else "student.output"
    feel = Term(F.mse_loss, "student.2", "teacher.2")
    rule = AtFeatures(partial(weights, by=symmetric), tap) if name.startswith("at ") else RULES[name]()
    taught = Learner(student, Objective(**kd(0.6, 1.0).terms, feel=feel), SGD, rule, {"teacher": teacher})
    list(train({"student": taught}, images(3), 2))
    assert [m.num_batches_tracked.item() for m in student.modules() if isinstance(m, nn.BatchNorm2d)] == [6, 6]


def distances(x):
    """Pairwise distances over their mean, by ``cdist``, whose gradient under a vectorised backward is silently 0."""
    found = torch.cdist(x, x)
    return (found / found.mean().detach() - 1).square().mean()


@pytest.mark.parametrize("place", range(3))
def test_every_row_is_the_plain_gradient_of_its_loss_in_any_place(place):
    x = nn.Parameter(torch.randn(5, 4))
    plain = torch.autograd.grad(distances(x), x)[0]
    losses = {"square": x.square().sum(), "size": x.abs().sum()}
    items = list(losses.items())
    items.insert(place, ("distances", distances(x)))
    rule = ResolveConflicts(lambda rows: rows[place])
    rule.add(dict(items), {}, {"x": x})
    rule.settle({"x": x})
    assert plain.abs().sum() > 0
    torch.testing.assert_close(x.grad, plain)


def test_names_that_the_objective_lacks_are_refused_before_the_first_step():
    wrong = {
        "dot": DOT(["labels"]),
        "learned": Watched(LearnedWeights(["labels", "soft"])),
        "target": ResolveConflicts(partial(decomposed, by=protected), target="labels"),
        "feature": AtFeatures(partial(weights, by=protected), "student.1", target="labels"),
    }
    for rule in wrong.values():
        with pytest.raises(
            ValueError, match=r"names losses \['labels'\]; its objective has \['feel', 'label', 'soft'\]"
        ):
            train({"student": learner(rule)}, vectors(), 1)


DESCRIBED = {
    "decomposed": partial(ResolveConflicts, PAIRWISE, seed=3),
    "order": partial(ResolveConflicts, partial(decomposed, by=partial(symmetric, order=longest_first))),
    "target": partial(ResolveConflicts, partial(decomposed, by=protected), target="label", per=each_layer),
    "published": partial(resolved_by, "UPGrad"),
    "feature": partial(AtFeatures, partial(weights, by=symmetric), "student.1"),
    "dot": partial(DOT, ["label"]),
    "learned": partial(LearnedWeights, ["label", "soft"], partial(softmax, evenness=2.0)),
    "watched": partial(watching, partial(ResolveConflicts, PAIRWISE), every=10),
}


def test_every_rule_can_be_told_apart_in_the_key_of_a_stage():
    assert len({key_of(make) for make in DESCRIBED.values()}) == len(DESCRIBED)
    assert all(isinstance(make(), Combine) for make in DESCRIBED.values())


def test_a_feature_that_the_student_lacks_is_refused_before_the_first_step():
    with pytest.raises(ValueError, match="layer9"):
        train({"student": learner(AtFeatures(partial(weights, by=symmetric), "student.layer9"))}, vectors(), 1)
