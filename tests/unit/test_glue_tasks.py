"""How GLUE scores its tasks, and an encoder that is fine-tuned on one."""

import math

import pytest
import torch

from tutelage.data.glue import COLUMNS
from tutelage.data.labelled import labelled
from tutelage.measures.matthews import matthews
from tutelage.models.text_classifier import text_classifier
from tutelage.tasks.glue import glue_task


def told(said):
    return 3.0 * torch.nn.functional.one_hot(torch.tensor(said), 2)


def scored(task, answers, targets):
    targets = torch.tensor(targets)
    data = labelled(task, torch.zeros(len(targets), 1), targets, ("a", "b") if targets.ndim == 1 else ("x",))
    return {name: score.value for name, score in glue_task(task).score(answers, data).items()}


def test_matthews_worked_by_hand():
    """TP 2, TN 3, FP 1, FN 1: (6 − 1) / √(3 · 3 · 4 · 4)."""
    said, true = [1, 1, 1, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0]
    assert matthews(torch.tensor(said), torch.tensor(true)) == pytest.approx(5 / 12)
    found = scored("CoLA", told(said), true)
    assert found["Matthews"] == pytest.approx(500 / 12) and found["accuracy"] == pytest.approx(500 / 7)


def test_matthews_of_one_class_alone_is_none():
    assert matthews(torch.ones(4), torch.tensor([1, 0, 1, 0])) == 0
    assert scored("CoLA", told([1] * 4), [1, 0, 1, 0])["Matthews"] == 0


def test_f1_is_that_of_the_second_class():
    """TP 2, FP 1, FN 1: 4 / 6."""
    found = scored("MRPC", told([1, 1, 1, 0, 0]), [1, 1, 0, 1, 0])
    assert found["F1"] == pytest.approx(100 * 4 / 6) and found["accuracy"] == pytest.approx(60)
    assert scored("MRPC", told([0, 0]), [0, 0])["F1"] == 0


def test_similarity_is_scored_by_both_correlations():
    found = scored("STS-B", torch.tensor([[1.0], [2.0], [4.0]]), [[0.0], [1.0], [2.0]])
    assert found["Spearman"] == pytest.approx(100)
    assert found["Pearson"] == pytest.approx(100 * 3 / math.sqrt(2 * (1 + 4 + 16 - 49 / 3)))


@pytest.mark.parametrize("task", list(COLUMNS))
def test_every_task_has_a_first_metric_that_a_constant_does_not_beat(task):
    one = glue_task(task)
    targets = torch.arange(20.0)[:, None] if task == "STS-B" else torch.arange(20) % 4 // 3
    data = labelled(task, torch.zeros(20, 1), targets, ("x",) if task == "STS-B" else ("a", "b"))
    answers = targets + 0.1 * torch.randn(20, 1) if task == "STS-B" else told(targets.tolist())
    found = one.score(answers, data)
    assert list(found) == [metric.name for metric in one.metrics] and one.name == task
    low, high = found[one.deciding.name].interval
    assert low <= found[one.deciding.name].value <= high
    assert one.deciding.gain(found[one.deciding.name].value, one.constant(data)) > 0
    same = answers.mean(0, keepdim=True).expand_as(answers)
    assert one.deciding.gain(one.score(same, data)[one.deciding.name].value, one.constant(data)) <= 1e-6


def test_a_task_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no task 'QNLI' of GLUE here; the tasks are CoLA"):
        glue_task("QNLI")


def small(**sizes):
    torch.manual_seed(0)
    return text_classifier(**{"width": 16, "inner": 32, "vocabulary": 120, **sizes})


def test_a_classifier_does_not_see_padding():
    network, tokens = small(num_answers=3).double().eval(), torch.tensor([[101, 7, 102, 8, 102]])
    other = torch.tensor([[101, 5, 6, 7, 8, 9, 10, 11]])
    with torch.no_grad():
        together = network(torch.cat([torch.nn.functional.pad(tokens, (0, 3)), other]))
        torch.testing.assert_close(together[:1], network(tokens), rtol=1e-9, atol=1e-12)


def test_what_is_of_the_second_sentence_counts_from_behind_the_first_end_on():
    network = small().double().eval()
    with torch.no_grad():
        network.encoder.embeddings.types.weight.mul_(50)
        pair, alone = torch.tensor([[101, 7, 102, 8, 102]]), torch.tensor([[101, 7, 8, 9, 102]])
        before = network(pair), network(alone)
        network.encoder.embeddings.types.weight[1] = 0
        assert not torch.allclose(network(pair), before[0]) and torch.equal(network(alone), before[1])


def test_a_classifier_learns_which_of_two_words_is_there():
    network, g = small(layers=1).train(), torch.Generator().manual_seed(0)
    tokens = torch.randint(20, 100, (64, 8), generator=g)
    labels = torch.arange(64) % 2
    tokens[:, 0], tokens[torch.arange(64), torch.randint(1, 8, (64,), generator=g)] = 101, 5 + labels
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(tokens), labels).backward()
        optimizer.step()
    assert (network.eval()(tokens).argmax(-1) == labels).float().mean() > 0.95


def test_a_row_of_only_padding_is_refused():
    with pytest.raises(ValueError, match="Sample 1 of the batch is nothing but padding"):
        small()(torch.tensor([[101, 102], [0, 0]]))
