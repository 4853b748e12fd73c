"""Vectors of sentences: the order of pairs against scipy, means of tokens, and what begins a table."""

import pytest
import torch
from scipy.stats import pearsonr, spearmanr
from torch import nn

from tutelage.data.labelled import Labelled, labelled
from tutelage.measures.correlation import interval_of_spearman, pearson, ranks, spearman
from tutelage.models.sentences import (
    NOTHING,
    SentenceEncoder,
    StaticSentences,
    begin_table_,
    sentence_encoder,
    static_sentences,
)
from tutelage.tasks.similarity import similarity


def test_correlations_are_those_of_scipy_ties_included():
    torch.manual_seed(0)
    x, y = torch.randn(200).mul(3).round().double(), torch.randn(200).mul(2).round().double()
    y += x
    assert spearman(x, y) == pytest.approx(spearmanr(x.numpy(), y.numpy()).statistic, rel=1e-12)
    assert pearson(x, y) == pytest.approx(pearsonr(x.numpy(), y.numpy()).statistic, rel=1e-12)
    assert ranks(torch.tensor([5.0])).tolist() == [1.0]


def test_who_always_says_the_same_puts_nothing_in_order():
    assert spearman(torch.ones(9), torch.arange(9.0)) == 0


@pytest.mark.parametrize(("value", "count", "interval"), [(0.5, 3, (-1, 1)), (1.0, 9, (1, 1)), (-1.0, 9, (-1, -1))])
def test_an_interval_stays_where_correlations_are(value, count, interval):
    assert interval_of_spearman(value, count) == interval


def test_rows_of_other_lengths_do_not_go_together():
    with pytest.raises(ValueError, match="Two rows of one length"):
        pearson(torch.ones(3), torch.ones(4))


class OneHot(nn.Module):
    def forward(self, tokens):
        return nn.functional.one_hot(tokens, 6).float()


def test_the_task_asks_about_both_sentences_of_a_pair():
    task = similarity(5.0)
    first, second = torch.tensor([[1, 2, 0], [3, 4, 5]]), torch.tensor([[2, 1, 0], [1, 2, 0]])
    data = labelled("pairs", first, torch.tensor([[5.0], [0.0]]), second=second)
    answers = task.predict(SentenceEncoder(OneHot()), data)
    torch.testing.assert_close(answers, torch.tensor([1.0, 0.0]))
    assert task.loss(answers, data.targets) < 1e-12


def test_padding_counts_nothing_in_a_mean_and_changes_no_answer():
    torch.manual_seed(0)
    tokens = torch.tensor([[7, 8, 9, 0, 0], [7, 8, 9, 5, 6]])
    for network in (sentence_encoder(vocabulary=20, width=8, heads=2, inner=16), static_sentences(20, 8)):
        network.double().eval()
        with torch.no_grad():
            alone = network(tokens[:1, :3])
            torch.testing.assert_close(network(tokens)[:1], alone, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("build", [sentence_encoder, static_sentences])
def test_a_row_of_only_padding_is_refused(build):
    with pytest.raises(ValueError, match="Sample 1 of the batch is nothing but padding; leave it out"):
        build()(torch.tensor([[5, 6], [0, 0]]))


def test_the_mean_of_a_table_is_by_its_weights():
    table = StaticSentences(4, 2)
    with torch.no_grad():
        table.vectors.weight.copy_(torch.tensor([[9.0, 9], [1, 0], [0, 1], [5, 5]]))
        table.weights.weight.copy_(torch.tensor([0, 1, 3, 2.0]).log()[:, None])
    torch.testing.assert_close(table(torch.tensor([[1, 2, 0]])), torch.tensor([[0.25, 0.75]]))


def test_a_table_begins_with_the_main_directions_of_what_a_teacher_says():
    torch.manual_seed(0)
    low = torch.randn(30, 3) @ torch.randn(3, 12) + torch.randn(12)
    counts = torch.arange(30)
    table = begin_table_(static_sentences(30, 3), low, counts, [0, 1])
    found = table.vectors.weight.detach()
    centred = low[2:] - low[2:].mean(0)
    torch.testing.assert_close(found[2:] @ found[2:].T, centred @ centred.T, rtol=1e-4, atol=1e-4)
    assert not found[:2].any() and (table.weights.weight[:2] == NOTHING).all()
    weights = table.weights.weight.detach().flatten()
    assert (weights[2:].diff() < 0).all()
    share = 29 / 435
    assert weights[29].exp() == pytest.approx(1e-3 / (1e-3 + share), rel=1e-5)


def test_a_table_of_another_size_is_refused():
    with pytest.raises(ValueError, match="30 tokens and 3 numbers begins with as many vectors"):
        begin_table_(static_sentences(30, 3), torch.randn(29, 12), torch.ones(30), [0])


def test_what_is_no_pair_is_refused():
    data = Labelled("alone", torch.ones(3, 2), torch.ones(3, 1), torch.arange(3), ())
    with pytest.raises(ValueError, match="has no other input 'second'"):
        similarity().predict(nn.Identity(), data)
