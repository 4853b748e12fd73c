"""The variational student in a run: its objective, that β = 0 is plain distillation, resuming, and what is said."""

from collections import OrderedDict
from functools import partial

import pytest
import torch
from torch import nn

from examples import bits, same
from stopping import LEFT, stopping
from tutelage.compress.block_sparse import block_sparse
from tutelage.compress.compact import compacted
from tutelage.compress.dropout_kl import bayesian, sparse
from tutelage.compress.variational import channelwise_, group_normal_jeffreys_, kl, variational, variational_
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.data.views import plain
from tutelage.methods.by_name import method
from tutelage.methods.response import softened
from tutelage.methods.weights import rising
from tutelage.optimizers.usual import adam, sgd
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching, by_method
from tutelage.schemes.penalised import Penalty, penalised
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised

pytestmark = pytest.mark.slow
BATCHES, EPOCHS = 4, 3


def drawn(count, seed):
    g = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (count, 1, 6, 6), dtype=torch.uint8, generator=g)
    return labelled("drawn", pictures, torch.randint(3, (count,), generator=g), tuple("abc"))


def net(width=8) -> nn.Module:
    layers = {"conv": nn.Conv2d(1, width, 3, padding=1), "norm": nn.BatchNorm2d(width), "relu": nn.ReLU()}
    layers |= {"pool": nn.AdaptiveAvgPool2d(2), "flatten": nn.Flatten(), "head": nn.Linear(4 * width, 3)}
    return nn.Sequential(OrderedDict(layers))


LESSON = Lesson(drawn(40, 0), drawn(20, 1), partial(stopping, transform=plain), 1, batch_size=40 // BATCHES, seed=3)
PLAN = Plan(LESSON, partial(adam, lr=0.01), EPOCHS)
STUDENT = partial(variational, net)
KD = partial(softened, temperature=2.0, label=1.0, soft=2.0)
WARM = partial(rising, begin=0, end=2)


@pytest.fixture
def run(tmp_path):
    with Run("lab:test", root=tmp_path, device="cpu", exact=True) as run:
        yield run


def teacher(run, width=12):
    plan = Plan(Lesson(drawn(40, 0), batch_size=20), partial(sgd, lr=0.05), 1)
    return run.stage("teacher", partial(net, width), partial(supervised, plan=plan)).last


def taught(run, name="kd"):
    return Teaching(KD if name == "kd" else method(name), teacher(run), ("net", "net"))


def fitted(run, name, build=STUDENT, scheme=penalised, plan=PLAN, **settings):
    return run.stage(name, build, partial(scheme, plan=plan, **settings), seed=7)


def test_beta_0_is_plain_distillation_to_the_bit(run):
    teaching = taught(run)
    ours = fitted(run, "ours", teaching=teaching, penalties={"kl": Penalty(kl, 0.0)})
    plainly = fitted(run, "plainly", scheme=by_method, teaching=teaching)
    assert same(bits(ours.last), bits(plainly.last))


def test_without_noise_it_is_what_a_deterministic_student_learns(run):
    teaching, build = taught(run), partial(variational, net, log_variance=-40.0)
    plan = Plan(LESSON, partial(sgd, lr=0.02), EPOCHS)
    ours = fitted(run, "ours", build, plan=plan, teaching=teaching, penalties={"kl": Penalty(kl, 0.0)}).last
    plainly = fitted(run, "plainly", net, by_method, plan, teaching=teaching).last
    # The two differ by the noise of 1e-4 that the variance's own 1e-8 leaves.
    assert all(torch.allclose(x, ours.state_dict()[name], atol=5e-3) for name, x in plainly.state_dict().items())


def test_the_log_has_every_term_and_its_weight(run):
    penalties = {"kl": Penalty(kl, WARM), "blocks": Penalty(partial(block_sparse, teacher=teacher(run)), 0.001)}
    found = fitted(run, "ours", teaching=taught(run), penalties=penalties).records
    assert [record["weights"]["student"] for record in found] == [
        {"label": 1.0, "soft": 2.0, "kl": beta, "blocks": 0.001} for beta in (0.0, 0.5, 1.0)
    ]
    assert "kl" not in found[0]["losses"]["student"]  # what counts nothing is not computed
    assert found[1]["losses"]["student"]["kl"] > 0


def test_a_penalty_is_divided_by_the_samples(run):
    slow = Plan(LESSON, partial(sgd, lr=1e-6), 1)
    found = fitted(run, "ours", plan=slow, penalties={"kl": Penalty(kl)})
    begun = STUDENT()
    begun.load_state_dict(found.last.state_dict())
    assert found.records[0]["losses"]["student"]["kl"] == pytest.approx(kl(begun).item() / 40, rel=1e-3)


@pytest.mark.parametrize("name", ["at", "rkd", "kd+at", "crd", "srrl"])
def test_any_method_may_stand_in_the_place_of_the_distillation_term(run, name):
    found = fitted(run, name, teaching=taught(run, name), penalties={"kl": Penalty(kl, WARM)})
    assert len(found.records) == EPOCHS and "kl" in found.records[-1]["losses"]["student"]


@pytest.mark.parametrize("form", [variational_, channelwise_, group_normal_jeffreys_])
@pytest.mark.parametrize("divergence", [sparse, bayesian])
def test_every_form_learns_and_is_compacted(run, form, divergence):
    penalties = {"kl": Penalty(partial(kl, divergence=divergence), WARM)}
    trained = fitted(run, "student", partial(variational, net, form), penalties=penalties)
    small = run.derive("compact", compacted, of=trained)
    x = torch.rand(4, 1, 6, 6)
    assert torch.equal(small.last.eval()(x), trained.last.eval()(x)) and type(small.last.conv) is nn.Conv2d


@pytest.mark.parametrize("at", [5, 8, 11])
def test_it_goes_on_to_the_same_bits(at, tmp_path):
    def student(root):
        with Run("lab:test", root=root, device="cpu", exact=True) as run:
            penalties = {"kl": Penalty(kl, WARM), "blocks": Penalty(partial(block_sparse, teacher=teacher(run)), 0.1)}
            return fitted(run, "student", teaching=taught(run), penalties=penalties)

    whole = student(tmp_path / "whole")
    LEFT[:] = [at]
    with pytest.raises(SystemExit):
        student(tmp_path / "stopped")
    assert same(bits(student(tmp_path / "stopped").last), bits(whole.last))


def test_a_stage_is_found_again_by_its_words(run):
    penalties = {"kl": Penalty(kl, WARM)}
    first, again = (fitted(run, name, penalties=penalties) for name in ("one", "two"))
    other = fitted(run, "three", penalties={"kl": Penalty(partial(kl, divergence=bayesian), WARM)})
    assert first.key == again.key != other.key


def test_it_begins_with_what_was_learnt(run):
    trained = fitted(run, "plain", net, by_method, teaching=taught(run)).last
    slow = Plan(LESSON, partial(sgd, lr=1e-6), 1)
    found = fitted(run, "student", plan=slow, start=trained, penalties={"kl": Penalty(kl)}).last
    assert torch.allclose(found.head.weight, trained.head.weight, atol=1e-4)


def test_the_deterministic_student_of_block_sparsity(run):
    penalties = {"blocks": Penalty(partial(block_sparse, teacher=teacher(run)), 1.0)}
    found = fitted(run, "student", net, penalties=penalties)
    assert "blocks" in found.records[-1]["losses"]["student"]


class TestSaid:
    def test_weight_decay_on_what_has_a_prior(self, run):
        plan = Plan(LESSON, partial(adam, lr=0.01, weight_decay=1e-4), 1)
        with pytest.warns(
            UserWarning, match=r"Weight decay \(0.0001\) pulls at 4 parameters .* \('student.conv.weight'\)"
        ):
            fitted(run, "student", plan=plan, penalties={"kl": Penalty(kl)})

    def test_and_not_where_nothing_has_one(self, run):
        plan = Plan(LESSON, partial(adam, lr=0.01, weight_decay=1e-4), 1)
        penalties = {"blocks": Penalty(partial(block_sparse, teacher=teacher(run)))}
        fitted(run, "student", net, plan=plan, penalties=penalties)  # a warning would be an error

    def test_a_layer_of_which_nothing_is_left_and_what_beta_was(self, run):
        slow, noisy = Plan(LESSON, partial(adam, lr=1e-3), 1), partial(variational, net, log_variance=5.0)
        told = []
        run.progress = Told(told)
        trained = fitted(run, "student", noisy, plan=slow, penalties={"kl": Penalty(kl, 0.5)})
        assert any("nothing is left of layer 'conv' (kl × 0.5)" in note for note in told)
        with pytest.raises(ValueError, match="Nothing is left of layer"):
            run.derive("compact", compacted, of=trained)

    def test_a_warm_up_that_never_begins(self, run):
        told = []
        run.progress = Told(told)
        for name, begin in (("late", EPOCHS), ("soon", EPOCHS - 2)):
            fitted(run, name, penalties={"kl": Penalty(kl, partial(rising, begin=begin, end=20))})
        assert [note for note in told if "counts 0" in note] == [
            "late: penalty 'kl' counts 0 in all 3 epochs; let it begin earlier, or train on"
        ]

    def test_a_variance_that_is_no_number(self, run):
        with pytest.raises(FloatingPointError, match=r"of learner 'student' was not finite in epoch"):
            fitted(run, "student", plan=Plan(LESSON, partial(sgd, lr=1e20), 2), penalties={"kl": Penalty(kl, 1e6)})

    def test_a_part_that_reads_the_weights_of_another(self, run):
        with pytest.raises(ValueError, match="outside of layer 'encoder' computes with its weight"):
            fitted(run, "student", Autoencoder, penalties={"kl": Penalty(kl)})

    def test_two_terms_of_one_name(self, run):
        with pytest.raises(ValueError, match="Penalty 'soft' is called like a term of the method"):
            fitted(run, "student", teaching=taught(run), penalties={"soft": Penalty(kl)})


class Autoencoder(nn.Module):
    """The posterior is given to its encoder alone, whose weights it reads outside of that."""

    def __init__(self):
        super().__init__()
        self.encoder = variational_(nn.Linear(36, 3))

    def forward(self, x):
        code = self.encoder(x.flatten(1))
        return self.encoder(code @ self.encoder.weight)


class Told:
    """A progress that keeps what it is told."""

    def __init__(self, told):
        self.told = told

    def note(self, sentence):
        self.told.append(sentence)

    def __getattr__(self, _name):
        return lambda *_args, **_named: None
