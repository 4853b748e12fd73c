"""Texts that a teacher writes: the likeliest there are, the nearest to the data's, kept once, learnt from as labels."""

from functools import partial
from itertools import product

import pytest
import torch
from torch.nn.functional import cross_entropy

from tutelage.data.beam_search import beam_search
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.data.token_windows import token_windows
from tutelage.integrity import findings
from tutelage.measures.bleu import sentence_bleu
from tutelage.models.causal_language import CausalLanguageModel, Writer
from tutelage.run import Run
from tutelage.schemes import written_texts
from tutelage.schemes.plan import Plan
from tutelage.schemes.written_texts import likeliest, nearest, on_written_texts
from tutelage.tasks.language import LANGUAGE


def model(seed, vocabulary=11, width=8):
    torch.manual_seed(seed)
    return CausalLanguageModel(layers=1, width=width, heads=2, vocabulary=vocabulary, positions=8).double().eval()


def sharper(network):
    return lambda tokens: 40 * network(tokens)  # as it is drawn, all tokens are nearly alike


class TestBeamSearch:
    @pytest.mark.parametrize("length", [1, 2, 3])
    def test_with_enough_beams_it_finds_what_an_exhaustive_search_does(self, length):
        write = sharper(model(0, vocabulary=3))
        prompts = torch.tensor([[0, 1], [2, 2]])
        found, scores = beam_search(write, prompts, length, beams=3 ** max(1, length - 1))
        for prompt, texts, values in zip(prompts, found, scores, strict=True):
            every = torch.tensor([[*prompt, *rest] for rest in product(range(3), repeat=length)])
            each = write(every)[:, 1:-1].log_softmax(-1).gather(2, every[:, 2:, None]).sum((1, 2))
            best, order = each.sort(descending=True)
            torch.testing.assert_close(values, best[: len(values)], rtol=1e-9, atol=1e-12)
            assert torch.equal(texts, every[order[: len(texts)]])

    def test_of_one_beam_it_is_the_likeliest_token_each_time(self):
        write = sharper(model(1))
        found, scores = beam_search(write, torch.tensor([[3]]), 5, beams=1)
        tokens, total = torch.tensor([[3]]), 0.0
        for _ in range(5):
            last = write(tokens)[:, -1].log_softmax(-1)
            tokens, total = torch.cat([tokens, last.argmax(-1, keepdim=True)], 1), total + last.max()
        assert torch.equal(found[:, 0], tokens) and scores.item() == pytest.approx(total.item(), rel=1e-9)

    @pytest.mark.parametrize(("beams", "text", "probability"), [(1, [9, 0, 0], 0.33), (2, [9, 1, 2], 0.36)])
    def test_a_beginning_that_is_less_likely_may_go_on_better(self, beams, text, probability):
        """0.6 · 0.55 = 0.33 is what the likelier beginning comes to, 0.4 · 0.9 = 0.36 the other."""
        after = {9: [0.6, 0.4, 0.0], 0: [0.55, 0.45, 0.0], 1: [0.1, 0.0, 0.9], 2: [1.0, 0.0, 0.0]}
        write = lambda tokens: torch.tensor([[after[x] for x in row] for row in tokens.tolist()]).double().log()  # noqa: E731
        found, scores = beam_search(write, torch.tensor([[9]]), 2, beams=beams)
        assert found[0, 0].tolist() == text and scores[0, 0].exp().item() == pytest.approx(probability)

    def test_what_has_ended_stays_as_likely_as_it_was(self):
        """Ends have 0.5 after each token: the likeliest text is the shortest, and no text goes on behind its end."""
        write = lambda tokens: torch.tensor([0.5, 0.3, 0.2]).double().log().expand(*tokens.shape, 3)  # noqa: E731
        found, scores = beam_search(write, torch.tensor([[1]]), 3, beams=4, end=0)
        assert found[0, :3].tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 2, 0, 0]]
        assert scores[0].exp().tolist() == pytest.approx([0.5, 0.15, 0.1, 0.045])

    def test_the_network_is_asked_in_eval_mode_and_is_as_it_was(self):
        network = model(0).train()
        beam_search(network, torch.tensor([[1]]), 2, beams=2)
        assert all(module.training for module in network.modules())

    def test_nothing_to_write_is_refused(self):
        for length, beams in ((0, 1), (1, 0)):
            with pytest.raises(ValueError, match="1 token or more, by 1 beam or more"):
                beam_search(model(0), torch.tensor([[1]]), length, beams=beams)


class TestBleu:
    @pytest.mark.parametrize(
        ("text", "reference", "order", "value"),
        [
            ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], 4, 1.0),
            ([1, 2], [3, 4], 4, 0.0),
            ([], [1], 4, 0.0),
            ([1, 1, 1], [1, 2, 3], 1, 1 / 3),  # each as often as it stands there
            ([1, 2, 3, 4], [1, 2, 4], 2, (3 / 4 * 2 / 4) ** (1 / 2)),
            ([1, 2, 9], [1, 2, 3, 4, 5, 6], 3, 0.36787944 * (2 / 3 * 2 / 3 * 1 / 2) ** (1 / 3)),  # exp(1 - 6 / 3)
        ],
    )
    def test_it_is_what_is_counted_by_hand(self, text, reference, order, value):
        assert sentence_bleu(text, reference, order) == pytest.approx(value, rel=1e-7)

    def test_the_nearest_is_the_one_that_says_most_of_the_reference(self):
        assert nearest([[5, 6, 7], [1, 2, 9], [1, 2, 3]], [1, 2, 3]) == 2
        assert nearest([[1, 2, 4], [1, 2, 5]], [1, 2, 3]) == 0 == likeliest([[5], [1]], [1])


def plan(texts=24):
    row = torch.randint(11, (8 * texts + 1,), generator=torch.Generator().manual_seed(0))
    lesson = Lesson(labelled("texts", *token_windows(row, 8)), batch_size=6, seed=3)
    return Plan(lesson, partial(torch.optim.SGD, lr=0.5), 2, task=LANGUAGE)


@pytest.fixture
def run(tmp_path):
    with Run("toy:text", root=tmp_path, exact=True, device="cpu") as run:
        yield run


def taught(run, start=1, **settings):
    teacher = run.given("teacher", partial(model, 5, width=16)).last
    fit = partial(on_written_texts, plan=plan(), teacher=teacher, writer=Writer, **{"prompt": 3} | settings)
    return teacher, run.stage("student", partial(model, start), fit, seed=7).last


@pytest.mark.parametrize("settings", [{}, {"beams": 3}, {"beams": 3, "choose": nearest}, {"end": 4}])
def test_a_student_is_that_of_a_plain_loop_over_what_the_teacher_wrote(run, settings):
    teacher, student = taught(run, **settings)
    beams, choose, end = settings.get("beams", 1), settings.get("choose", likeliest), settings.get("end")
    torch.manual_seed(7)
    expected = model(1).train()
    optimizer = torch.optim.SGD(expected.parameters(), lr=0.5)
    rate, step = plan().schedule(8), 0
    data = plan().lesson.train
    for epoch in range(2):
        for batch in plan().lesson.batches()(epoch, 0):
            rows = []
            for place in batch["index"].tolist():
                texts, _ = beam_search(teacher, data.inputs[place : place + 1, :3], 6, beams=beams, end=end)
                ours = [row[: row.index(end) + 1] if end in row else row for row in texts[0, :, 3:].tolist()]
                theirs = data.targets[place, 2:].tolist()
                theirs = theirs[: theirs.index(end) + 1] if end in theirs else theirs
                rows.append(texts[0, choose(ours, theirs)])
            tokens = torch.stack(rows)
            counts = torch.ones(len(tokens), 6, dtype=torch.bool)
            if end is not None:
                counts = (tokens[:, 3:] == end).cumsum(1) - (tokens[:, 3:] == end).long() == 0
            loss = cross_entropy(expected(tokens[:, :-1])[:, 2:][counts], tokens[:, 3:][counts])
            optimizer.zero_grad()
            loss.backward()
            optimizer.param_groups[0]["lr"] = 0.5 * rate(step)
            optimizer.step()
            step += 1
    for name, x in expected.state_dict().items():
        torch.testing.assert_close(student.state_dict()[name], x, rtol=1e-6, atol=1e-9)


def test_texts_are_written_once_for_all_who_ask_for_the_same(run, monkeypatch):
    taught(run)
    (kept,) = run.root.rglob("written/*.safetensors")

    def again(*_, **__):
        raise AssertionError("the teacher is asked again")

    monkeypatch.setattr(written_texts, "written_texts", again)
    taught(run, start=2)
    with pytest.raises(AssertionError, match="asked again"):
        taught(run, beams=2)
    judged = [x for x in findings(run.root) if x.kind == "written texts"]
    assert [(x.place, x.verdict) for x in judged] == [(kept.parent, "whole")]
    kept.write_bytes(kept.read_bytes()[:-9])
    (damaged,) = [x for x in findings(run.root) if x.kind == "written texts"]
    assert damaged.verdict == "damaged" and "delete it to have the texts written anew" in damaged.problems[0]
    with pytest.raises(ValueError, match=rf"^{kept} is damaged.*delete it to have the texts written anew"):
        taught(run, start=3)


@pytest.mark.parametrize(("prompt", "words"), [(0, "A prompt has 1 to 8 tokens"), (9, "got 9")])
def test_prompts_that_are_no_part_of_a_text_are_refused(run, prompt, words):
    with pytest.raises(ValueError, match=words):
        taught(run, prompt=prompt)


def test_a_text_that_is_shorter_than_a_prompt_is_left_out():
    texts = labelled("texts", *token_windows(torch.arange(11), 8))  # the second window tells 2 tokens
    tokens = written_texts.written_texts(
        model(0), texts[torch.tensor([0])], prompt=4, beams=1, choose=likeliest, end=None
    )
    assert tokens.shape == (1, 9) and (texts.targets[:, :3] != -100).all(1).tolist() == [True, False]
