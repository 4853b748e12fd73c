"""Texts of the student's own: drawn by counting, by its own probabilities, and learnt from without a gradient of it."""

from functools import partial

import pytest
import torch
from torch import nn

from tutelage import Learner, Objective, Term, frozen, train
from tutelage.data.on_policy import continued, on_policy
from tutelage.losses.masked import masked
from tutelage.losses.reverse_kl import reverse_kl


def words(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Embedding(9, 6), nn.Linear(6, 9))


def drawn(model, tokens, length=4, **named):
    return continued(model, tokens, length, **{"seed": 0, "epoch": 0, "index": torch.arange(len(tokens)), **named})


def test_tokens_are_drawn_from_the_softmax_at_the_temperature():
    """4000 draws, of which 4 standard deviations are at most 0.032."""
    logits = torch.tensor([1.0, 0.0, -1.0, 2.0])
    tokens = torch.zeros(4000, 1, dtype=torch.int64)
    for temperature in (1.0, 0.5):
        last = drawn(lambda x: logits.expand(*x.shape, 4), tokens, 1, temperature=temperature)[:, -1]
        shares = last.bincount(minlength=4) / 4000
        assert (shares - (logits / temperature).softmax(-1)).abs().max() < 0.032


def test_draws_follow_from_the_text_the_epoch_and_the_place_alone():
    model, tokens = words(0), torch.randint(9, (6, 3))
    torch.manual_seed(1)
    first = drawn(model, tokens)
    torch.manual_seed(2)
    order = torch.randperm(6)
    assert torch.equal(drawn(model, tokens[order], index=order), first[order])
    assert torch.equal(drawn(model, tokens, 2), first[:, :5])
    assert not torch.equal(drawn(model, tokens, epoch=1), first) and not torch.equal(
        drawn(model, tokens, seed=1), first
    )


def test_a_network_writes_in_eval_mode_and_is_as_it_was_afterwards():
    model, tokens = nn.Sequential(words(0), nn.Dropout(0.9)), torch.randint(9, (6, 3))
    model[0].eval()
    assert torch.equal(drawn(model, tokens), drawn(words(0), tokens))
    assert model.training and model[1].training and not model[0].training
    with pytest.raises(IndexError):
        drawn(model, tokens + 9)
    assert model.training and not model[0].training


def test_after_an_end_there_is_only_the_end():
    told = drawn(words(0), torch.randint(9, (40, 2)), 12, end=3)[:, 2:]
    after = (told == 3).cumsum(1) > 0
    assert after.any() and (told[after] == 3).all() and not after.all()


def test_a_share_of_the_batches_is_the_students_and_a_later_start_finds_the_same():
    batches = on_policy(lambda _epoch, first: [{"n": n} for n in range(first, 400)], lambda b, e: {**b, "own": e}, 0.3)
    own = [batch["n"] for batch in batches(2, 0) if "own" in batch]
    assert 80 < len(own) < 160 and own != [batch["n"] for batch in batches(3, 0) if "own" in batch]
    assert [batch["n"] for batch in batches(2, 250) if "own" in batch] == [n for n in own if n >= 250]
    never, always = (on_policy(lambda _e, _f: [{}] * 9, lambda _b, _e: {"own": 1}, share) for share in (0, 1))
    assert not any(never(0, 0)) and all(always(0, 0))


def test_a_student_learns_from_its_own_texts_what_the_teacher_says_of_them():
    student, teacher = words(1), words(2)
    prompts = torch.randint(9, (12, 1))

    def written(batch, epoch):
        tokens = drawn(student, batch["input"], 5, epoch=epoch)
        return {"input": tokens, "mask": torch.arange(6).expand(12, 6) < 5}

    def gap():
        tokens = torch.arange(9)[None]
        return reverse_kl(student(tokens), teacher(tokens)).item()

    before = gap()
    objective = Objective(soft=Term(masked(reverse_kl), "student.output", "teacher.output", "batch.mask"))
    batches = on_policy(lambda _epoch, _first: [{"input": prompts}], written, share=1.0)
    one = Learner(student, objective, partial(torch.optim.AdamW, lr=0.03), teachers={"teacher": frozen(teacher)})
    seen = [epoch.losses["student"]["soft"] for epoch in train({"student": one}, batches, 30)]
    assert gap() < before / 2 and seen[-1] < seen[0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: on_policy(list, dict, share=1.5), "share of texts that the student writes is from 0 to 1; got 1.5"),
        (lambda: drawn(words(0), torch.zeros(2, 3).long(), temperature=0.0), "A temperature is greater than 0"),
        (lambda: drawn(words(0), torch.zeros(2, 3).long(), 0), "go on for 1 token or more"),
        (lambda: drawn(words(0), torch.zeros(3).long()), r"Texts \(N, T\)"),
    ],
)
def test_what_makes_no_sense_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()
