"""Tokens that are hidden: how many, which, what becomes of them, and that this follows from counting alone."""

from math import ceil

import pytest
import torch

from tutelage.data.masked_tokens import masked_tokens, token_weights

COUNTS = torch.tensor([0, 5, 100, 1000, 20])
IDS, ATTENDED = torch.tensor([[0, 1, 2, 3, 0], [0, 4, 3, 0, 0]]), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]])
WEIGHTS = token_weights(COUNTS, special=[0])


def drawn(ids, mask, weights, epoch=0, index=None, **named):
    index = torch.arange(len(ids)) if index is None else index
    return masked_tokens(ids, mask, weights, 0, seed=3, epoch=epoch, index=index, **named)


def long_batch():
    g = torch.Generator().manual_seed(0)
    ids = torch.randint(4, 1000, (40, 64), generator=g)
    mask = (torch.arange(64) < torch.randint(3, 65, (40, 1), generator=g)).long()
    return torch.where(mask == 1, ids, 0), mask


def test_weights_worked_from_the_published_code():
    """token_counts.py and distiller.py of huggingface/transformers-research-projects: max(count, 1) ** −0.7."""
    worked = torch.tensor([0.0, 0.324131, 0.039811, 0.007943, 0.122823], dtype=torch.float64)
    torch.testing.assert_close(WEIGHTS, worked, atol=1e-6, rtol=0)
    assert (WEIGHTS[1] / WEIGHTS[3]).item() == pytest.approx(40.805715, rel=1e-6)


def test_a_single_token_is_drawn_as_often_as_its_weight_says():
    """*worked* distribution over the ten positions; of 1500 draws 4 standard deviations are less than 0.05."""
    worked = torch.tensor([0, 0.644843, 0.079201, 0.015803, 0, 0, 0.244350, 0.015803, 0, 0])
    hidden = torch.zeros(10)
    for epoch in range(1500):
        _, labels = drawn(IDS, ATTENDED, WEIGHTS, epoch, share=0.1)
        hidden += (labels != -100).flatten()
    assert hidden.sum() == 1500
    assert (hidden / 1500 - worked).abs().max() < 0.05 and not hidden[worked == 0].any()


def test_as_many_are_hidden_as_the_share_says_of_the_whole_batch_rounded_up():
    ids, mask = long_batch()
    for share in (0.15, 0.5, 1.0):
        _, labels = drawn(ids, mask, torch.ones(1000), share=share)
        assert (labels != -100).sum() == ceil(share * int(mask.sum()) - 1e-9)


def test_labels_are_what_was_there_and_no_padding_is_hidden():
    ids, mask = long_batch()
    inputs, labels = drawn(ids, mask, torch.ones(1000))
    hidden = labels != -100
    assert torch.equal(labels[hidden], ids[hidden]) and torch.equal(inputs[~hidden], ids[~hidden])
    assert not hidden[mask == 0].any()


def test_eight_of_ten_become_the_mask_one_stays_and_one_is_any_token():
    ids, mask = long_batch()
    counts = torch.zeros(3)
    for epoch in range(40):
        inputs, labels = drawn(ids, mask, torch.ones(1000), epoch, share=0.5)
        hidden = labels != -100
        now, was = inputs[hidden], ids[hidden]
        counts += torch.tensor([int((now == 0).sum()), int((now == was).sum()), int(((now != 0) & (now != was)).sum())])
    shares = counts / counts.sum()
    assert (shares - torch.tensor([0.8, 0.1, 0.1])).abs().max() < 4 * (0.16 / counts.sum()).sqrt() + 1e-3


def test_draws_follow_from_seed_epoch_and_index_alone():
    ids, mask = long_batch()
    torch.manual_seed(1)
    first = drawn(ids, mask, torch.ones(1000))
    torch.manual_seed(2)
    assert all(torch.equal(x, y) for x, y in zip(first, drawn(ids, mask, torch.ones(1000)), strict=True))
    order = torch.randperm(40)
    moved = drawn(ids[order], mask[order], torch.ones(1000), index=order)
    assert all(torch.equal(x[order], y) for x, y in zip(first, moved, strict=True))
    assert not torch.equal(first[1], drawn(ids, mask, torch.ones(1000), epoch=1)[1])


def test_where_fewer_can_be_hidden_than_are_to_be_all_of_these_are():
    _, labels = drawn(IDS, ATTENDED, WEIGHTS, share=1.0)
    assert torch.equal(labels != -100, IDS > 0)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ids": IDS * 0}, "No token of the batch can be hidden"),
        ({"mask": torch.tensor([[1] * 5, [0] * 5])}, r"Sample 1 of the batch is nothing but padding \(its mask is 0\)"),
        ({"ids": IDS + 1}, "Tokens are from 0 to 4, each with its weight; got 5"),
        ({"ids": IDS - 1}, "Tokens are from 0 to 4, each with its weight; got -1"),
        ({"mask": ATTENDED[:, :4]}, r"Tokens and their attention mask are \(N, T\)"),
        ({"index": torch.arange(3)}, r"each sample has a number \(N,\); got .* and \(3,\)"),
        ({"share": 1.5}, "The share of tokens that is hidden is from 0 to 1; got 1.5"),
    ],
)
def test_what_cannot_be_hidden_is_refused_in_a_sentence(changed, said):
    with pytest.raises(ValueError, match=said):
        drawn(**{"ids": IDS, "mask": ATTENDED, "weights": WEIGHTS, **changed})


def test_weights_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="A power of counts is from 0 to 10; got -1"):
        token_weights(COUNTS, power=-1)
    with pytest.raises(ValueError, match=r"Special tokens are from 0 to 4; got \[0, 5\]"):
        token_weights(COUNTS, special=[0, 5])
