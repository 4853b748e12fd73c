"""A language learnt from hidden tokens: the triple loss in slabs, a head on an encoder, students that begin with it."""

from functools import partial

import pytest
import torch
from torch import nn

from tutelage.data.labelled import labelled
from tutelage.data.masked_texts import masked_texts
from tutelage.data.masked_tokens import token_weights
from tutelage.data.wordpiece import SPECIAL, WordPieces
from tutelage.methods.language import triple_loss, triple_loss_in_slabs
from tutelage.models.encoder import Encoder
from tutelage.models.masked_language import MaskedLanguageModel
from tutelage.models.shortened import spread_out
from tutelage.optimizers.usual import distilbert_adamw, plain_sgd
from tutelage.recipes.text.ablated import VARIANTS, WHOLE, claim_order, lost
from tutelage.recipes.text.ablation import ablation_smoke
from tutelage.recipes.text.distilbert import distilbert, distilbert_smoke
from tutelage.recipes.text.hidden import PICKS
from tutelage.recipes.text.judged import claim_share, mean_score, spread_of_means
from tutelage.recipes.text.settings import Distilled, Read, Reads, Tasks
from tutelage.run import Run
from tutelage.schemes.masked_language import Reading, distilled_language, with_a_head
from tutelage.study.experiments.language import Lines, hidden_token_sets

SIZES = {"width": 16, "heads": 2, "inner": 24, "vocabulary": 40, "positions": 16, "separator": 3, "dropout": 0.0}


def model(layers: int = 4, types: int = 2, seed: int = 0) -> MaskedLanguageModel:
    torch.manual_seed(seed)
    return MaskedLanguageModel(Encoder(layers=layers, types=types, **SIZES))


def student() -> MaskedLanguageModel:
    return model(2, 0, 1)


def texts(count: int = 24, length: int = 14):
    g = torch.Generator().manual_seed(0)
    tokens = torch.randint(5, 40, (count, length), generator=g)
    lengths = torch.randint(7, length + 1, (count, 1), generator=g)
    tokens[:, 0] = 2
    return labelled("texts", torch.where(torch.arange(length) < lengths, tokens, 0), torch.empty(count, 0))


def batch(size: int = 8):
    weights = token_weights(torch.ones(40), special=range(5))
    return next(iter(masked_texts(texts(), weights, 4, batch_size=size, seed=1)(0, 0)))


def reading(**changes) -> Reading:
    settings = {"optimizer": partial(distilbert_adamw, lr=3e-3), "epochs": 2, "batch_size": 6} | changes
    return Reading(texts(), None, (0, 1, 2, 3, 4), 40, **settings)


WEIGHTS = {"soft": 5.0, "label": 2.0, "direction": 1.0}


class TestTripleLossInSlabs:
    def losses(self, objective, networks, given):
        seen = {}
        for who, network in networks.items():
            hidden = network.encoder(given["input"])
            normed = network.norm(nn.functional.gelu(network.transform(hidden)))
            seen[who] = {"encoder": hidden, "norm": normed, "output": network(given["input"])}
        return objective({"batch": given, **seen}, list(objective.terms))

    def test_they_are_the_losses_of_whole_logits_and_so_are_their_gradients(self):
        given, networks = batch(), {"student": student().double(), "teacher": model().double()}
        found = []
        for objective in (
            triple_loss("student.encoder", "teacher.encoder"),
            triple_loss_in_slabs(networks["student"], networks["teacher"]),
        ):
            losses = self.losses(objective, networks, given)
            sum(WEIGHTS[name] * x for name, x in losses.items()).backward()
            gradients = [p.grad.clone() for p in networks["student"].parameters()]
            networks["student"].zero_grad()
            found.append((torch.stack([losses[name] for name in WEIGHTS]), gradients))
        (whole, by_whole), (slabs, by_slabs) = found
        torch.testing.assert_close(slabs, whole, rtol=1e-9, atol=0)
        for a, b in zip(by_slabs, by_whole, strict=True):
            assert (a - b).norm() <= 1e-8 * b.norm().clamp_min(1e-9)

    def test_a_copy_of_all_twelve_layers_has_nothing_to_learn_from_its_teacher(self, tmp_path):
        teacher, copy = model(12), model(12, 0, 1)
        with Run("toy:copy", root=tmp_path, exact=True, device="cpu") as run:
            whole = run.given("teacher", partial(model, 12)).last
            fit = partial(distilled_language, reading=reading(epochs=1, optimizer=partial(plain_sgd, lr=1e-9)))
            done = run.stage("copy", partial(model, 12, 0, 1), partial(fit, teacher=whole, pick=spread_out))
        losses = done.records[-1]["losses"]["student"]
        assert losses["soft"] < 1e-6 and losses["direction"] < 1e-6 and losses["label"] > 1  # of float32
        assert not torch.equal(teacher.transform.weight, copy.transform.weight)  # they began differently

    def test_a_weight_of_zero_leaves_a_loss_out(self):
        objective = triple_loss_in_slabs(student(), model(), soft=0.0)
        assert objective.terms["soft"].weight == 0 and objective.terms["label"].weight == 2

    def test_a_network_without_such_a_head_is_refused(self):
        with pytest.raises(AttributeError, match="head"):
            triple_loss_in_slabs(student(), Encoder(layers=1, **SIZES))


def trained(run, build, fit, name="student"):
    return run.stage(name, build, fit, seed=3)


@pytest.fixture
def run(tmp_path):
    with Run("toy:hidden", root=tmp_path, exact=True, device="cpu") as run:
        yield run


class TestFits:
    def test_the_head_learns_and_the_encoder_stays_as_it_was(self, run):
        encoder = run.given("encoder", partial(Encoder, layers=4, types=2, **SIZES)).last
        done = trained(run, model, partial(with_a_head, reading=reading(epochs=3), encoder=encoder))
        for name, x in encoder.state_dict().items():
            assert torch.equal(done.last.encoder.state_dict()[name], x)
        first, *_, last = (record["losses"]["student"]["label"] for record in done.records)
        assert last < first

    def test_the_head_begins_with_what_the_encoder_says_and_how_often_tokens_are_hidden(self, run):
        encoder = run.given("encoder", partial(Encoder, layers=4, types=2, **SIZES)).last
        still = reading(epochs=1, optimizer=partial(plain_sgd, lr=1e-9))
        begun = trained(run, model, partial(with_a_head, reading=still, encoder=encoder)).last
        torch.testing.assert_close(begun.transform.weight, torch.eye(16), rtol=0, atol=1e-6)
        counts = torch.bincount(texts().inputs.flatten(), minlength=40).double()
        hidden = torch.where(torch.arange(40) < 5, 0.0, 0.3 * counts.clamp_min(1).log())
        torch.testing.assert_close(begun.head.bias.double(), hidden, rtol=1e-5, atol=1e-6)

    def test_steps_are_counted_by_the_batches_that_are_one(self):
        assert reading(batch_size=6, accumulate=4).steps == 2 and reading(batch_size=24).steps == 2
        assert reading(batch_size=5, accumulate=4).steps == 4  # what is left over of an epoch is a step by itself

    def test_a_student_begins_with_its_teachers_head_and_layers(self, run):
        teacher = run.given("teacher", model).last
        still = reading(epochs=1, optimizer=partial(plain_sgd, lr=1e-9))
        fit = partial(distilled_language, reading=still, teacher=teacher)
        begun = trained(run, student, partial(fit, pick=spread_out)).last
        for ours, theirs in (
            (begun.encoder.layer2.widen.weight, teacher.encoder.layer4.widen.weight),
            (begun.transform.weight, teacher.transform.weight),
            (begun.head.bias, teacher.head.bias),
        ):
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
        assert begun.head.weight is begun.encoder.embeddings.tokens.weight
        drawn = trained(run, student, partial(fit, pick=None), "drawn").last
        assert (drawn.transform.weight - teacher.transform.weight).norm() > 0.5 * teacher.transform.weight.norm()

    @pytest.mark.parametrize(
        ("fit", "said"),
        [
            (partial(distilled_language, teacher=nn.Linear(2, 2), pick=None), "MaskedLanguageModel.*got a Linear"),
            (partial(with_a_head, encoder=nn.Linear(2, 2)), "An Encoder gets a head; got a Linear"),
        ],
    )
    def test_other_networks_are_refused(self, fit, said):
        with pytest.raises(ValueError, match=said):
            fit(None, model(), reading=reading())

    @pytest.mark.parametrize("changes", [{"epochs": 0}, {"accumulate": 0}])
    def test_readings_that_make_no_sense_are_refused(self, changes):
        with pytest.raises(ValueError, match="A training needs 1 or more"):
            reading(**changes)


PIECES = WordPieces((*SPECIAL, *"abcdefghij"))
TEXT = ["a b c d e f g h i j a b"] * 8
WINDOWS = {"most": 0, "validation": 2, "judged": 3, "longest": 16}


class TestSets:
    def test_what_judges_is_hidden_once_and_the_same_for_everybody(self, run):
        again = [hidden_token_sets(run, Lines("mine", TEXT, TEXT, TEXT), PIECES, **WINDOWS) for _ in range(2)]
        test = again[0].test
        told = test.targets != -100
        assert torch.equal(test.inputs, again[1].test.inputs) and torch.equal(test.targets, again[1].test.targets)
        assert len(test) == 3 and told.sum() == -(-15 * 3 * 14 // 100) and bool((test.targets[told] > 4).all())
        assert again[0].train.targets.shape == (8, 0) and len(again[0].validation) == 2

    def test_without_validation_none_chooses(self, run):
        sizes = WINDOWS | {"validation": 0}
        assert hidden_token_sets(run, Lines("mine", TEXT, TEXT, TEXT), PIECES, **sizes).validation is None

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            (["a b"], "No text is left to learn from: of 1 windows 1 have fewer than 12 tokens"),
            (["x y z q w v u t s r o n"], "No text is left to learn from: .* 1 are half unknown"),
        ],
    )
    def test_a_text_of_which_nothing_is_left_is_refused(self, run, text, said):
        with pytest.raises(ValueError, match=said):
            hidden_token_sets(run, Lines("mine", text, TEXT, TEXT), PIECES, **WINDOWS)


class TestRecipes:
    @pytest.mark.parametrize("recipe", [distilbert_smoke, ablation_smoke])
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"text": Read()}, "all synthetic, or none is; got wikitext2 and synthetic"),
            ({"tasks": Tasks(names=("RTE",))}, "all synthetic, or none is; got synthetic and RTE"),
            ({"student": Distilled(layers=3)}, "--student.layers must be at most 2, which is what the teacher has"),
            (
                {"student": Distilled(layers=2, begins="second")},
                "Every second of 2 layers are 1; got --student.la",
            ),
        ],
    )
    def test_what_cannot_be_done_is_refused_before_anything_is_trained(self, run, recipe, changes, said):
        with pytest.raises(ValueError, match=said):
            recipe(run, **changes)
        assert not [x for x in (run.root / "stages").glob("*/stage.json") if "with_a_head" in x.read_text()]

    def test_a_teacher_is_asked_for_where_the_text_is_real(self, run):
        with pytest.raises(ValueError, match="A teacher is needed: give the ONNX file"):
            distilbert(run)

    def test_every_start_names_as_many_layers_as_a_student_has(self):
        for name, pick in PICKS.items():
            assert (pick is None) == (name == "nothing") and (pick is None or len(pick(6, 3)) == 3)

    def test_the_mean_is_over_the_tasks_of_the_medians(self):
        found = {"A": [50.0, 70.0, 60.0], "B": [80.0, 80.0, 100.0]}
        assert mean_score(found) == 70 and spread_of_means(found) == (65.0, 80.0)


def test_the_share_of_the_mean_score_is_beside_that_of_the_same_tasks(run):
    """Of all nine tasks 77.0 of 79.5 are published, 96.9 %; of MRPC and STS-B (87.5 + 86.9) of (88.6 + 89.0)."""
    scores = {"teacher": {"MRPC": [80.0], "STS-B": [90.0]}, "student": {"MRPC": [76.0, 78.0], "STS-B": [88.0, 90.0]}}
    claim_share(run, scores, "")
    (claim,) = run.published.claims
    assert claim.published == claim.low == round(100 * (87.5 + 86.9) / (88.6 + 89.0), 1) == 98.2
    assert claim.measured == pytest.approx(100 * 166 / 170)
    assert claim.interval == pytest.approx((100 * 164 / 170, 100 * 168 / 170))


SCORES = {name: {"A": [80.0 - one.lost], "B": [60.0 - one.lost]} for name, one in VARIANTS.items()}


class TestAblation:
    def test_points_are_those_of_the_mean_and_the_published_order_holds_where_it_is_found(self, run):
        assert lost(SCORES) == pytest.approx({name: one.lost for name, one in VARIANTS.items()})
        claim_order(run, SCORES, "")
        claims = run.published.claims
        assert [x.published for x in claims] == [1.15, 1.5, 0.73]
        assert all(x.measured == pytest.approx(x.published) and x.low == 0 for x in claims)

    def test_what_changes_is_one_thing_at_a_time(self):
        assert VARIANTS[WHOLE].changes == {}
        assert sorted(x for one in VARIANTS.values() for x in one.changes) == ["direction", "label", "pick", "soft"]


def test_settings_of_reading_are_those_of_the_paper_where_nothing_else_is_said():
    how = Distilled()
    assert (how.soft, how.label, how.direction, how.temperature) == (5.0, 2.0, 1.0, 2.0)
    assert (Reads().lr, Reads().epochs) == (5e-4, 3)
