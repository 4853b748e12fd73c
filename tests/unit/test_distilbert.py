"""DistilBERT: its sizes, where it begins, and a training by the published parts that equals the large batch."""

from functools import partial

import pytest
import torch
from torch import nn

from tutelage import Learner, frozen, train
from tutelage.data.labelled import labelled
from tutelage.data.length_groups import grouped_batches, length_groups
from tutelage.data.masked_texts import masked_texts, text_windows
from tutelage.data.masked_tokens import token_weights
from tutelage.data.wordpiece import SPECIAL, WordPieces
from tutelage.losses.vocabulary import shared_tokens
from tutelage.methods.language import last_layer_relations, layer_losses, triple_loss, triple_loss_in_slabs
from tutelage.models.encoder import Encoder
from tutelage.models.masked_language import MaskedLanguageModel
from tutelage.models.shortened import at_random, begin_with_, every_second, published, spread_out, the_first, the_last

SMALL = {"width": 16, "heads": 2, "inner": 24, "vocabulary": 50, "positions": 24, "separator": 3, "dropout": 0.0}


def model(layers, seed, types=2, **sizes):
    torch.manual_seed(seed)
    return MaskedLanguageModel(Encoder(layers=layers, types=types, **{**SMALL, **sizes})).double()


def texts(count=12):
    g = torch.Generator().manual_seed(0)
    tokens = torch.randint(5, 50, (count, 16), generator=g)
    lengths = torch.randint(6, 17, (count, 1), generator=g)
    tokens[:, 0] = 2
    return labelled("texts", torch.where(torch.arange(16) < lengths, tokens, 0), torch.empty(count, 0))


def batches(size=4, **named):
    return masked_texts(texts(), token_weights(torch.ones(50), special=range(5)), 4, batch_size=size, seed=3, **named)


def begun(student, teacher, layers):
    student.load_state_dict({**student.state_dict(), **{
        name: x for name, x in teacher.state_dict().items() if not name.startswith("encoder.")
    }})  # fmt: skip
    begin_with_(student.encoder, teacher.encoder, layers)
    return student


@pytest.mark.parametrize(
    ("build", "count"),
    [
        (partial(Encoder, layers=6, types=0), 66_362_880),
        (lambda: MaskedLanguageModel(Encoder(layers=6, types=0)), 66_985_530),
        (lambda: nn.ModuleList([Encoder(), nn.Linear(768, 768)]), 109_482_240),  # BERT-base, with its pooler
    ],
)
def test_there_are_as_many_parameters_as_published(build, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in build().parameters()) == count


def test_layers_to_begin_with():
    assert published(12, 6) == spread_out(12, 6) == [0, 2, 4, 7, 9, 11]
    assert every_second(12, 6) == [0, 2, 4, 6, 8, 10] and every_second(5, 3) == [0, 2, 4]
    assert the_first(12, 3) == [0, 1, 2] and the_last(12, 3) == [9, 10, 11]
    torch.manual_seed(1)
    drawn = at_random(12, 6)
    assert sorted({*drawn}) == drawn and len(drawn) == 6 and drawn[0] >= 0 and drawn[-1] < 12
    for of in range(1, 25):
        for layers in range(1, of + 1):
            found = spread_out(of, layers)
            assert found[0] == 0 and sorted({*found}) == found and (layers == 1 or found[-1] == of - 1)


@pytest.mark.parametrize(
    ("pick", "of", "layers"),
    [
        (published, 6, 3),
        (spread_out, 3, 4),
        (every_second, 5, 4),
        (the_first, 3, 0),
        (the_last, 3, 4),
        (at_random, 2, 3),
    ],
)
def test_layers_that_there_are_not_are_refused(pick, of, layers):
    with pytest.raises(ValueError, match=r"layers"):
        pick(of, layers)


def test_a_student_begins_with_the_named_weights_of_its_teacher():
    teacher, student = model(12, 0).encoder, model(6, 1, types=0).encoder
    begin_with_(student, teacher, published(12, 6))
    source = teacher.state_dict()
    for name, x in student.state_dict().items():
        first, _, rest = name.partition(".")
        if name == "embeddings.positions.weight":
            assert torch.equal(x, source[name] + source["embeddings.types.weight"][0])
        elif first.startswith("layer"):
            assert torch.equal(x, source[f"layer{[1, 3, 5, 8, 10, 12][int(first[5:]) - 1]}.{rest}"])
        else:
            assert torch.equal(x, source[name])


@pytest.mark.parametrize(
    ("sizes", "layers", "said"),
    [
        ({}, [0, 2, 4], "A student of 2 layers begins with as many of the teacher's, which are 0 to 3"),
        ({}, [0, 4], "got .0, 4."),
        ({"width": 8}, [0, 1], "both have width 8 and 16"),
        ({"vocabulary": 60}, [0, 1], "vocabulary 60 and 50"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(sizes, layers, said):
    with pytest.raises(ValueError, match=said):
        begin_with_(model(2, 1, **sizes).encoder, model(4, 0).encoder, layers)


def test_a_copy_of_all_layers_has_nothing_to_learn_from_its_teacher():
    teacher = model(12, 0)
    student = begun(model(12, 1, types=0), teacher, range(12))
    objective = triple_loss("student.encoder", "teacher.encoder")
    batch = next(iter(batches()(0, 0)))
    shown = {who: {"output": x(batch["input"]), "encoder": x.encoder(batch["input"])}
             for who, x in (("student", student), ("teacher", teacher))}  # fmt: skip
    losses = objective({"batch": batch, **shown}, list(objective.terms))
    assert losses["soft"] < 1e-20 and losses["direction"] < 1e-20 and losses["label"] > 1


def by_addresses(_student, _teacher):
    return triple_loss("student.encoder", "teacher.encoder")


def moved(accumulate, size, made):
    student, teacher = model(2, 1, types=0), model(4, 0)
    begun(student, teacher, [0, 3])
    objective = made(student, teacher)
    learner = Learner(student, objective, partial(torch.optim.SGD, lr=0.1), teachers={"teacher": frozen(teacher)})
    given = list(batches(size=4)(0, 0))
    if size > 4:  # the same texts with the same tokens hidden, in one batch
        wide = max(x["input"].shape[1] for x in given)
        fill = {"input": 0, "attention_mask": False, "labels": -100}
        given = [{
            **{name: torch.cat([nn.functional.pad(x[name], (0, wide - x[name].shape[1]), value=value) for x in given])
               for name, value in fill.items()},
            "index": torch.cat([x["index"] for x in given]),
        }]  # fmt: skip
    for _ in train({"student": learner}, given, 1, accumulate=accumulate):
        pass
    return student


@pytest.mark.parametrize("made", [by_addresses, triple_loss_in_slabs])
def test_accumulated_batches_are_the_large_batch_token_for_token(made):
    pieces, whole = moved(3, 4, made), moved(1, 12, made)
    start = begun(model(2, 1, types=0), model(4, 0), [0, 3])
    for a, b, was in zip(pieces.parameters(), whole.parameters(), start.parameters(), strict=True):
        step = (b - was).norm()
        assert (a - b).norm() <= 1e-9 * step or step < 1e-15  # a bias of keys changes no attention, and hardly moves


def test_tinybert_and_minilm_learn_from_these_encoders():
    teacher, student = model(4, 0), model(2, 1, types=0, width=8)
    hidden = ["embeddings", "layer1", "layer2"], ["embeddings", "layer2", "layer4"]
    scores = (
        ["layer1.attention.scores", "layer2.attention.scores"],
        ["layer2.attention.scores", "layer4.attention.scores"],
    )
    named = [[f"{who}.encoder.{x}" for x in part] for both in (hidden, scores)
             for who, part in zip(("student", "teacher"), both, strict=True)]  # fmt: skip
    last = last_layer_relations("student.encoder.layer2.attention", "teacher.encoder.layer4.attention", 2)
    for objective in (layer_losses(*named), last):
        learner = Learner(student, objective, partial(torch.optim.Adam, lr=3e-3), teachers={"teacher": frozen(teacher)})
        epochs = [epoch.losses["student"] for epoch in train({"student": learner}, batches(size=12), 12)]
        assert all(epochs[-1][name] < epochs[0][name] for name in objective.terms)


def test_length_groups_are_the_published_ones():
    assert length_groups(torch.tensor([3, 4, 6, 7, 12, 511, 512])).tolist() == [1, 1, 1, 2, 3, 128, 128]


def test_batches_are_of_one_group_and_hold_every_text_once():
    lengths = torch.randint(3, 60, (500,), generator=torch.Generator().manual_seed(0))
    found = grouped_batches(lengths, 8, seed=1, epoch=0)
    assert sorted(torch.cat(found).tolist()) == list(range(500)) and all(len(x) <= 9 for x in found)
    alike = [len(length_groups(lengths[x]).unique()) == 1 for x in found]
    assert sum(alike) >= len(found) - 15  # of 15 groups what is left over
    assert [x.tolist() for x in found] == [x.tolist() for x in grouped_batches(lengths, 8, seed=1, epoch=0)]
    assert [x.tolist() for x in found] != [x.tolist() for x in grouped_batches(lengths, 8, seed=1, epoch=1)]


def test_batches_can_be_entered_in_the_middle():
    whole, rest = list(batches()(2, 0)), list(batches()(2, 1))
    for a, b in zip(whole[1:], rest, strict=True):
        assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


PIECES = WordPieces((*SPECIAL, *"abcdefgh"))


def test_long_texts_become_windows_and_short_or_unknown_ones_are_left_out():
    ids = text_windows(["a b c d e f g h a b c", "a b", "q q q q q a"], PIECES, longest=8, fewest=6)
    assert [row[row != 0].tolist() for row in ids] == [[2, 5, 6, 7, 8, 9, 10, 3], [2, 11, 12, 5, 6, 7, 3]]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["a b", "c"], "of 2 windows 2 have fewer than 12 tokens, and 0 are half unknown"),
        (["q " * 20], "of 1 windows 0 have fewer than 12 tokens, and 1 are half unknown"),
        ([], "of 0 windows"),
    ],
)
def test_a_corpus_of_which_nothing_is_left_is_refused_with_the_reason(given, said):
    with pytest.raises(ValueError, match=f"No text is left to learn from: {said}"):
        text_windows(given, PIECES)


def test_a_corpus_in_which_nothing_can_be_hidden_is_refused():
    weights = token_weights(torch.ones(50), special=range(50))
    with pytest.raises(ValueError, match="No token of the batch can be hidden"):
        next(iter(masked_texts(texts(), weights, 4, batch_size=4)(0, 0)))


def test_networks_with_other_vocabularies_are_refused():
    teacher, student = PIECES, WordPieces((*SPECIAL, *"abcdefgx"))
    assert shared_tokens(teacher.numbers, PIECES.numbers) == len(PIECES)
    with pytest.raises(ValueError, match="2 of which differ; 'x' is no number in one"):
        shared_tokens(teacher.numbers, student.numbers)
