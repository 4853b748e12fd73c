"""Networks that return a dictionary, a tuple or a dataclass: one adaptation, usable wherever a network is."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from examples import SGD, bits, kd, mlp, run, same, vectors
from tutelage.data.labelled import labelled
from tutelage.keys import already_imported, called, described, key_of
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.measures.cost import macs
from tutelage.measures.latency import latency
from tutelage.measures.predict import predict
from tutelage.methods.check import check_network
from tutelage.outputs import TensorOutput, sole_tensor, tensor_in, tensor_output
from tutelage.taps import Tapped
from tutelage.teachers.frozen import folded, frozen


@dataclass
class Answer:
    loss: torch.Tensor | None
    logits: torch.Tensor


class Attributes(dict):
    """A dictionary whose keys are attributes too, so that asking it for ``.to`` is a ``KeyError``."""

    __getattr__ = dict.__getitem__


Pair = namedtuple("Pair", ["logits", "aux"])
FORMS = {
    "a dictionary": (lambda x: {"logits": x, "features": 2 * x}, None),
    "an ordered dictionary": (lambda x: OrderedDict(out=x, aux=2 * x), "out"),
    "a dictionary with attributes": (lambda x: Attributes(logits=x), None),
    "a tuple": (lambda x: (2 * x, x), 1),
    "a list of one": (lambda x: [x], None),
    "a named tuple": (lambda x: Pair(x, 2 * x), None),
    "a named tuple by position": (lambda x: Pair(2 * x, x), 1),
    "a dataclass": (lambda x: Answer(None, x), None),
    "an object": (lambda x: SimpleNamespace(logits=x, hidden=2 * x), "logits"),
    "a tensor": (lambda x: x, "logits"),
}
X = torch.randn(3, 8)


class Returning(nn.Module):
    def __init__(self, form, seed=0):
        super().__init__()
        self.body, self.form = mlp(seed=seed), form

    def forward(self, x):
        return self.form(self.body(x))

    class Last(nn.Module):
        """Reads the first of a tuple."""

        def forward(self, x):
            return x[0]


@pytest.mark.parametrize("name", FORMS)
class TestEveryForm:
    def test_is_the_tensor_in_it(self, name):
        form, at = FORMS[name]
        assert torch.equal(TensorOutput(Returning(form), at)(X), mlp()(X))

    def test_learns_and_teaches_as_the_plain_network_does(self, name):
        form, at = FORMS[name]
        ours, theirs = TensorOutput(Returning(form, seed=3), at), mlp(seed=3)
        for make in (frozen, folded):
            teacher = make(TensorOutput(Returning(form, seed=4), at))
            run(train({"student": Learner(ours, kd(), SGD, teachers={"teacher": teacher})}, vectors(), 1))
            teacher = make(mlp(seed=4))
            run(train({"student": Learner(theirs, kd(), SGD, teachers={"teacher": teacher})}, vectors(), 1))
        assert same({name.removeprefix("model.body."): x for name, x in bits(ours).items()}, bits(theirs))

    def test_is_measured_as_the_plain_network_is(self, name):
        form, at = FORMS[name]
        network, data = TensorOutput(Returning(form), at), labelled("mine", X, torch.zeros(3, dtype=torch.long))
        assert torch.equal(predict(network, data), predict(mlp(), data))
        assert macs(network, X[:1]) == macs(Returning(form), X[:1]) == macs(mlp(), X[:1])
        assert latency({"a": network, "b": Returning(form)}, X, batch_sizes=(2,), rounds=2).keys() == {"a", "b"}

    def test_is_read_by_whatever_taps(self, name):
        form, at = FORMS[name]
        read = {"output": partial(tensor_in, at=at)}
        assert torch.equal(Tapped(Returning(form), ["output"], read)(X)["output"], mlp()(X))


PLAIN = [name for name, (_, at) in FORMS.items() if at is None] + ["a tensor"]
OTHERS = {
    "a tuple of logits and what lies deeper": lambda x: (x, (2 * x, x), None),
    "a tuple of a loss and logits": lambda x: (x.mean(), x),
}


@pytest.mark.parametrize("form", [*[FORMS[name][0] for name in PLAIN], *OTHERS.values()], ids=[*PLAIN, *OTHERS])
class TestWithoutAWord:
    """What is unambiguous goes through everything as it is."""

    def test_learns_and_teaches_as_the_plain_network_does(self, form):
        ours, theirs = Returning(form, seed=3), mlp(seed=3)
        for make in (frozen, folded):
            learner = Learner(ours, kd(), SGD, teachers={"teacher": make(Returning(form, seed=4))})
            run(train({"student": learner}, vectors(), 1))
            run(train({"student": Learner(theirs, kd(), SGD, teachers={"teacher": make(mlp(seed=4))})}, vectors(), 1))
        assert same({name.removeprefix("body."): x for name, x in bits(ours).items()}, bits(theirs))

    def test_is_tapped_asked_and_measured_as_the_plain_network_is(self, form):
        network, data = Returning(form), labelled("mine", X, torch.zeros(3, dtype=torch.long))
        assert torch.equal(predict(network, data), predict(mlp(), data))
        assert torch.equal(Tapped(network)(X)["output"], mlp()(X))
        assert torch.equal(sole_tensor(network(X)), mlp()(X))
        assert macs(network, X[:1]) == macs(mlp(), X[:1])
        assert latency({"a": network}, X, batch_sizes=(2,), rounds=2).keys() == {"a"}
        check_network(network, X, 5, "mine")


def test_a_layer_that_returns_a_tuple_shows_the_only_tensor_in_it():
    network = nn.Sequential(Returning(lambda x: (x, None)), Returning.Last())
    assert torch.equal(Tapped(network, ["0", "output"])(X)["0"], mlp()(X))


def test_what_a_reader_says_counts_more_than_what_is_found():
    network = Returning(lambda x: {"logits": x, "features": 2 * x})
    shown = Tapped(network, ["output"], {"output": lambda out: out["features"]})(X)
    assert torch.equal(shown["output"], 2 * mlp()(X))


def untouched(x):
    return {"scores": x, "features": x}


@pytest.mark.parametrize(
    "use",
    [
        lambda network: predict(network, labelled("mine", X, torch.zeros(3, dtype=torch.long))),
        lambda network: Tapped(network)(X),
        lambda network: frozen(network)({"batch": {"input": X}}, frozenset({"output"})),
        lambda network: train({"student": Learner(network, kd(1.0, 0.0), SGD)}, vectors(), 1),
    ],
    ids=["predict", "tapped", "teacher", "student"],
)
def test_what_is_no_tensor_is_said_with_the_network_and_what_to_do(use):
    with pytest.raises(ValueError, match=r"Returning.*dict with 'scores' \(.*TensorOutput|dict.*Returning.*Tensor"):
        use(Returning(untouched))


def test_a_refusal_says_whose_output_it_is():
    network = Returning(untouched)
    with pytest.raises(ValueError, match=r"^Learner 'small': 'output' is a dict with 'scores'.*Learner\(read=…\)"):
        train({"small": Learner(network, kd(1.0, 0.0), SGD)}, vectors(), 1)
    with pytest.raises(ValueError, match=r"^Teacher 'teacher' of learner 'small': 'output' is a dict"):
        train({"small": Learner(mlp(), kd(), SGD, teachers={"teacher": frozen(network)})}, vectors(), 1)


@pytest.mark.parametrize(
    ("output", "at", "sentence"),
    [
        ((X, X), None, r"a tuple with 0 \(3, 8\), 1 \(3, 8\), where one tensor is wanted"),
        ({"out": X, "aux": X}, None, "'out' .*, 'aux' .*one tensor is wanted"),
        ({"out": X}, "logits", "where a tensor at 'logits' is wanted"),
        ((X,), 1, "a tensor at 1 is wanted"),
        ({"logits": None, "loss": X}, None, "a tensor at 'logits' is wanted"),
        (None, None, "returned None, where"),
    ],
)
def test_an_output_that_leaves_it_open_is_refused_with_its_parts(output, at, sentence):
    with pytest.raises(ValueError, match=sentence):
        tensor_in(output, at)


def five() -> nn.Module:
    return mlp()


def test_an_adapted_build_can_be_part_of_a_key_and_be_built_from_it():
    build = partial(tensor_output, five, at="logits")
    assert key_of(build) != key_of(partial(tensor_output, five, at=0))
    network = called(described(build), found=already_imported)
    assert isinstance(network, TensorOutput) and network.at == "logits"
