"""Models that tell the next token: windows of a text, what a place sees, perplexity, and texts of a student's own."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.data.on_policy import continued
from tutelage.data.token_windows import token_row, token_windows
from tutelage.data.wordpiece import SPECIAL, WordPieces
from tutelage.losses.reverse_kl import reverse_kl
from tutelage.methods.language import tokens_in_slabs
from tutelage.methods.pair import Pair
from tutelage.models.causal_language import CausalLanguageModel, Decoder, MixedWriter, Writer
from tutelage.recipes.text.lm import TEXT, lm, lm_smoke
from tutelage.run import Run
from tutelage.schemes import own_texts
from tutelage.study.experiments.language import Lines, next_token_sets
from tutelage.tasks.language import LANGUAGE, perplexity, token_cross_entropy, token_targets

PIECES = WordPieces((*SPECIAL, *"abcdef"))


def model(width=8, seed=0, **sizes) -> CausalLanguageModel:
    torch.manual_seed(seed)
    return CausalLanguageModel(**{"layers": 2, "width": width, "heads": 2, "vocabulary": 11, "positions": 8} | sizes)


class TestWindows:
    def test_every_token_but_the_first_is_told_once_by_the_one_before_it(self):
        row = torch.arange(100, 117)
        inputs, targets = token_windows(row, 5)
        told = targets != -100
        assert torch.equal(targets[told], row[1:]) and torch.equal(inputs[told] + 1, targets[told])
        assert told.sum() == len(row) - 1 and bool((inputs[~told] == 0).all())

    def test_a_text_that_fills_its_windows_has_no_padding(self):
        assert bool((token_windows(torch.arange(11), 5)[1] != -100).all())

    @pytest.mark.parametrize("length", [4, 5, 0])
    def test_a_text_shorter_than_a_window_is_refused_in_a_sentence(self, length):
        with pytest.raises(ValueError, match=r"A text of 4 tokens is shorter than a window of . and the token after"):
            token_windows(torch.arange(4), length)

    def test_words_that_were_struck_out_are_unknown_and_lines_end(self):
        assert token_row(["a <unk> b", "<unk>"], PIECES).tolist() == [5, 1, 6, 3, 1, 3]

    @pytest.mark.parametrize("lines", [[], [" "]])
    def test_a_text_without_a_word_is_refused(self, lines):
        with pytest.raises(ValueError, match="There is no word in the text"):
            token_row(lines, PIECES)


class TestModel:
    def test_a_place_sees_no_token_after_it(self):
        network = model().double().eval()
        tokens = torch.randint(11, (3, 8), generator=torch.Generator().manual_seed(0))
        changed = tokens.clone()
        changed[:, 5:] = (tokens[:, 5:] + 1) % 11
        before, after = network(tokens), network(changed)
        assert (before[:, :5] - after[:, :5]).abs().max() <= 1e-12 * before.abs().max()
        assert (before[:, 5:] - after[:, 5:]).abs().amax((1, 2)).min() > 1e-6

    def test_the_head_is_the_table_of_tokens(self):
        network = model()
        assert network.head.weight is network.decoder.embeddings.tokens.weight
        layer = 4 * (8 * 8 + 8) + 2 * 8 * 32 + 32 + 8 + 2 * 2 * 8
        assert sum(p.numel() for p in network.parameters()) == 11 * 8 + 8 * 8 + 2 * 8 + 2 * layer

    def test_who_writes_needs_the_last_logits_alone(self):
        network = model().eval()
        tokens = torch.tensor([[1, 2, 3], [4, 5, 6]])
        torch.testing.assert_close(Writer(network)(tokens), network(tokens)[:, -1:])

    @pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
    def test_what_two_write_together_is_the_mixture_of_their_probabilities(self, share):
        student, teacher = model(8, 0).eval(), model(16, 1).eval()
        tokens = torch.tensor([[1, 2, 3], [4, 5, 6]])
        ours, theirs = (network(tokens)[:, -1:].double().softmax(-1) for network in (student, teacher))
        found = MixedWriter(student, teacher, share)(tokens).softmax(-1)  # as whoever draws takes them
        torch.testing.assert_close(found, (1 - share) * ours + share * theirs)
        with pytest.raises(ValueError, match="The share of the teacher in what is written"):
            MixedWriter(student, teacher, 1.5)

    @pytest.mark.parametrize(
        ("sizes", "said"),
        [
            ({"heads": 3}, "Heads divide the width; got 8 and 3"),
            ({"layers": 0}, "A decoder takes a whole number from 1"),
            ({"dropout": 1.0}, "A decoder takes a probability"),
        ],
    )
    def test_sizes_that_make_no_network_are_refused(self, sizes, said):
        with pytest.raises(ValueError, match=said):
            model(**sizes)

    def test_another_network_does_not_write(self):
        with pytest.raises(ValueError, match="A CausalLanguageModel writes on; got a Decoder"):
            Writer(model().decoder)

    def test_texts_longer_than_its_places_are_refused(self):
        with pytest.raises(ValueError, match=r"at most 8 a text; got \(1, 9\)"):
            Decoder(1, 8, 2, 8, 11, 8, 0.0)(torch.zeros(1, 9, dtype=torch.int64))


def test_perplexity_is_that_of_all_tokens_together_however_long_their_texts():
    logits = torch.randn(3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[1, 2, 3, 4], [0, -100, -100, -100], [2, 2, -100, -100]])
    by_hand = cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
    data = labelled("three", torch.zeros(3, 4), targets)
    found = perplexity(logits, data)["perplexity"]
    assert found.value == pytest.approx(by_hand.exp().item(), rel=1e-12) and found.interval[0] < found.value
    assert token_cross_entropy(logits, targets) == pytest.approx(by_hand.item(), rel=1e-12)
    halves = [LANGUAGE.rows(LANGUAGE, logits[part], data[torch.arange(3)[part]]) for part in (slice(2), slice(2, 3))]
    judged = LANGUAGE.judged(LANGUAGE, tuple(map(torch.cat, zip(*halves, strict=True))), data)
    assert judged.scores["perplexity"].value == pytest.approx(found.value, rel=1e-12)


@pytest.mark.parametrize("loss", [token_cross_entropy, lambda s, y: token_targets(s, s.detach(), y)])
def test_a_batch_of_which_nothing_is_to_be_told_is_refused(loss):
    with pytest.raises(ValueError, match="No token of the batch counts"):
        loss(torch.zeros(2, 3, 4), torch.full((2, 3), -100))


@pytest.mark.parametrize("targets", [torch.zeros(2, 4, dtype=torch.int64), torch.zeros(2, 3), torch.tensor([0, 1])])
def test_targets_of_other_shapes_are_refused(targets):
    with pytest.raises(ValueError, match=r"Logits \(N, T, V\) are compared with tokens \(N, T\)"):
        token_cross_entropy(torch.zeros(2, 3, 4), targets)


def test_slabs_of_both_networks_give_the_loss_of_whole_logits_where_something_is_told():
    student, teacher = model(8, 0).double().eval(), model(16, 1).double().eval()
    inputs, targets = token_windows(torch.arange(30) % 11, 8)
    lesson = Lesson(labelled("texts", inputs, targets), batch_size=4)
    objective = tokens_in_slabs(Pair(teacher, student, lesson, 1, task=LANGUAGE), reverse_kl)
    scene = {"student": {"decoder": student.decoder(inputs)}, "teacher": {"decoder": teacher.decoder(inputs)}}
    found = objective({**scene, "batch": {"target": targets}}, ["soft"])["soft"]
    told = targets != -100
    assert found.item() == pytest.approx(reverse_kl(student(inputs)[told], teacher(inputs)[told]).item(), rel=1e-9)
    assert objective.reads(["soft"]) == {("student", "decoder"), ("teacher", "decoder"), ("batch", "target")}


def test_of_a_text_that_the_student_wrote_what_it_wrote_counts():
    """The texts that a training on its own texts sees: prompts of the data, then what the student says."""
    network = model().eval()
    inputs, targets = token_windows(torch.arange(33) % 11, 8)
    batch = {"input": inputs, "target": targets, "index": torch.arange(len(inputs))}
    written = own_texts._written(Writer(network), 3, 5, batch, 2)
    tokens = continued(network, inputs[:, :3], 6, seed=5, epoch=2, index=batch["index"])
    assert torch.equal(written["input"], tokens[:, :-1]) and torch.equal(written["input"][:, :3], inputs[:, :3])
    assert torch.equal(written["target"][:, 2:], tokens[:, 3:]) and bool((written["target"][:, :2] == -100).all())


@pytest.fixture
def run(tmp_path):
    with Run("toy:text", root=tmp_path, device="cpu") as run:
        yield run


SIZES = {"size": 100, "most": 0, "validation": 0, "longest": 4}


class TestSets:
    def test_windows_are_cut_by_a_smaller_vocabulary_that_spells_the_same(self, run):
        lines = Lines("mine", ["ab ab ab"] * 9, ["ab a"] * 3, ["ab b"] * 3)
        large = WordPieces((*SPECIAL, "a", "b", "##a", "##b", "ab", *(f"ab{x}" for x in "ab")))
        sets, pieces = next_token_sets(run, lines, large, **SIZES | {"size": 10, "validation": 2})
        assert len(pieces) == 10 and "ab" in pieces.numbers and len(sets.validation) == 2
        assert int(sets.train.inputs.max()) < 10 and sets.train.classes == ()

    def test_a_part_that_is_shorter_than_a_window_is_refused(self, run):
        lines = Lines("mine", ["a b c d"] * 3, ["a b c d"] * 3, ["a b"])
        with pytest.raises(ValueError, match="A text of 3 tokens is shorter than a window of 4"):
            next_token_sets(run, lines, PIECES, **SIZES)

    def test_a_text_that_the_vocabulary_does_not_know_is_refused(self, run):
        lines = Lines("mine", ["x y z a"] * 3, ["a b c d"] * 3, ["a b c d"] * 3)
        with pytest.raises(ValueError, match="The text mine is to 75 % of pieces that the vocabulary does not know"):
            next_token_sets(run, lines, PIECES, **SIZES)


def test_a_prompt_that_leaves_nothing_to_write_is_refused(run):
    with pytest.raises(ValueError, match="--prompt must be at most 16, the tokens of a window; got 17"):
        lm_smoke(run, prompt=17)


def test_a_model_of_a_width_that_its_heads_do_not_divide_is_refused_before_anything_is_trained(run):
    with pytest.raises(ValueError, match="Heads divide the width"):
        lm_smoke(run, student=replace(lm_smoke.keywords["student"], heads=3))
    assert not (run.root / "stages").exists()


def test_a_folder_without_the_text_is_named(tmp_path):
    missing = pytest.raises(FileNotFoundError, match="The data set 'wikitext2' needs train")
    with Run("toy:text", root=tmp_path, data=tmp_path, device="cpu") as run, missing:
        lm(run, text=TEXT)
