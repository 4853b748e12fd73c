"""What a batch may hold besides tensors, and how many samples it has."""

from collections import UserDict, namedtuple

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader, TensorDataset

from examples import SGD, kd, label, mlp, run, vectors
from tutelage.data.batches import as_batches, input_of, moved, num_samples, on_device
from tutelage.data.labelled import labelled
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.objective import Objective, Term
from tutelage.teachers.cached import cached
from tutelage.teachers.frozen import frozen

META = torch.device("meta")  # a second device that every machine has
X, Y = torch.randn(4, 8), torch.randint(5, (4,))
Boxes = namedtuple("Boxes", ["corners", "names"])


def tensors(x):
    if isinstance(x, torch.Tensor):
        return [x]
    parts = x.values() if isinstance(x, dict) else x if isinstance(x, list | tuple) else []
    return [y for part in parts for y in tensors(part)]


def test_every_tensor_moves_however_deep_and_everything_else_stays_what_it_is():
    batch = {
        "input": [X, (X, "a")],
        "path": ["a.png", "b.png"],
        "target": {"boxes": Boxes(X, ["cat"]), "size": 3, "nothing": None},
        "tokens": UserDict(ids=Y),
    }
    there = on_device(META, batch)
    assert {x.device for x in tensors(there)} == {META} and len(tensors(there)) == 4
    assert there["path"] == ["a.png", "b.png"] and there["input"][1][1] == "a"
    assert isinstance(there["target"]["boxes"], Boxes) and there["target"]["boxes"].names == ["cat"]
    assert there["target"]["size"] == 3 and there["target"]["nothing"] is None
    assert {x.device.type for x in tensors(batch)} == {"cpu"}


def test_a_packed_sequence_moves_as_it_knows_how_to():
    packed = pack_sequence([torch.ones(3), torch.ones(2)])
    assert torch.equal(moved(torch.device("cpu"), packed).data, packed.data)


def test_a_batch_of_tensors_that_lies_where_it_should_is_handed_on_itself():
    batch = {"input": X, "target": Y}
    assert on_device(torch.device("cpu"), batch) is batch


@pytest.mark.parametrize(
    "batch",
    [
        {"input": X, "target": Y},
        {"pixel_values": X, "labels": Y},
        {"path": list("abcd"), "weight": torch.tensor(2.0), "image": X},
        {"input": [X, X], "target": Y},
        {"input": {"ids": X, "mask": X}},
        UserDict(input_ids=X),
    ],
)
def test_the_size_of_a_batch_is_that_of_its_first_tensor(batch):
    assert num_samples(batch) == 4


@pytest.mark.parametrize(
    "batch",
    [{"input": [X, X]}, {"path": ["a"]}, {"input": torch.tensor(1.0)}, {"input": {"ids": X, "mask": X[:2]}}, {}],
)
def test_a_batch_that_does_not_show_its_size_asks_for_it(batch):
    with pytest.raises(ValueError, match=r"how many samples it holds; pass size="):
        num_samples(batch)


def test_a_batch_without_input_names_what_it_has_and_what_is_wanted():
    batch = {"pixel_values": X, "labels": Y}
    with pytest.raises(ValueError, match=r"'input'; this batch has \['labels', 'pixel_values'\].*'pixel_values'"):
        input_of(batch)
    with pytest.raises(ValueError, match=r"^Learner 'student'.*\['labels', 'pixel_values'\]"):
        train({"student": Learner(mlp(), Objective(label=label()), SGD)}, [batch], 1)


def test_a_batch_of_other_names_trains_where_the_call_is_said_and_needs_no_size():
    objective = Objective(label=Term(torch.nn.functional.cross_entropy, "student.output", "batch.labels"))
    learner = Learner(mlp(), objective, SGD, call=lambda model, scene: model(scene["batch"]["pixel_values"]))
    assert run(train({"student": learner}, [{"pixel_values": X, "labels": Y}] * 2, 1, accumulate=2)).finished


def test_what_is_no_tensor_reaches_the_losses_as_it_is():
    seen = []

    def by_path(student, paths, target):
        seen.append((paths, sorted(target)))
        return student.square().mean()

    objective = Objective(one=Term(by_path, "student.output", "batch.path", "batch.target"))
    batch = {"input": X, "path": list("abcd"), "target": {"boxes": X, "classes": Y}}
    run(train({"student": Learner(mlp(), objective, SGD)}, [batch], 1))
    assert seen == [(list("abcd"), ["boxes", "classes"])] * 2  # the rehearsal and the step


@pytest.mark.parametrize(("x", "stars"), [([X, X], r"model\(\*scene"), ({"a": X, "b": X}, r"model\(\*\*scene")])
def test_an_input_in_parts_says_how_to_call_with_it(x, stars):
    with pytest.raises(ValueError, match=stars):
        train({"student": Learner(mlp(), Objective(label=label()), SGD)}, [(x, Y)], 1)
    two = Learner(
        mlp(), Objective(label=label()), SGD, call=lambda net, scene: net(sum(tensors(scene["batch"]["input"])))
    )
    assert run(train({"student": two}, [(x, Y)], 1)).finished


def test_pairs_from_a_function_are_named_as_those_of_a_list():
    learner = Learner(mlp(), Objective(label=label()), SGD)
    assert run(train({"student": learner}, lambda _epoch, first: [(X, Y)] * (2 - first), 1)).finished


def test_a_cache_asks_about_the_rows_of_lists_too():
    asked = []

    def teacher(scene, wanted):
        asked.append(scene["batch"]["path"])
        return frozen(mlp())(scene, wanted)

    answer = cached(teacher, samples=4, views=1, choose=lambda unseen: unseen.nonzero().flatten())
    batch = {"input": X, "path": list("abcd"), "index": torch.arange(4), "view": torch.zeros(4, dtype=torch.long)}
    few = {name: x[:1] for name, x in batch.items()}
    for scene in ({"batch": few}, {"batch": batch}):
        answer(scene, frozenset({"output"}))
    assert asked == [["a"], ["b", "c", "d"]]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (TensorDataset(X, Y), "samples one by one; give a DataLoader"),
        (labelled("mine", X, Y), r"'mine' is not batches yet; give views"),
        (3, "Batches are a list, a loader or a function .*; got an int"),
        (iter([(X, Y)]), "is used up after one epoch"),
    ],
)
def test_what_gives_no_batches_is_refused_with_what_does(source, sentence):
    with pytest.raises(ValueError, match=sentence):
        as_batches(source)


def test_teachers_get_what_is_no_tensor_as_well():
    batches = [{**batch, "path": ["x"] * 8} for batch in vectors(2)]
    learner = Learner(mlp(), kd(), SGD, teachers={"teacher": frozen(mlp(16))})
    assert run(train({"student": learner}, batches, 1)).finished
    assert run(train({"student": learner}, DataLoader(TensorDataset(X, Y), batch_size=2), 1)).finished
