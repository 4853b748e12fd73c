"""Networks in other precisions than data, of TorchScript, or without values: taken as they are, or refused by name."""

import pytest
import torch
from torch import nn

from tutelage.compress.fold import fold
from tutelage.copies import copy_of, in_float32, is_float32, learning
from tutelage.data.labelled import labelled
from tutelage.study.diagnosis.pictures_tried import Way
from tutelage.study.own.instances import build_of, instance_of
from tutelage.study.own.measured import measured_network
from tutelage.study.own.teacher_builds import as_logits
from tutelage.study.sets import Sets

PRECISIONS = [torch.float16, torch.bfloat16, torch.float64]


def network(answers=3):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, answers)).eval()


def sets(classes="abc"):
    torch.manual_seed(1)
    parts = [labelled(name, torch.rand(12, 3, 8, 8), torch.arange(12) % 3, tuple(classes)) for name in "tve"]
    return Sets(*parts)


class Casts(nn.Module):
    """Computes in half precision whatever it is given."""

    def __init__(self):
        super().__init__()
        self.layers = network().half()

    def forward(self, x):
        return self.layers(x.half()).float()


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_a_network_of_any_precision_is_taken_in_float32_and_stays_as_it_was(dtype):
    kept, notes, data = network().to(dtype), [], sets()
    made = as_logits(lambda: kept, data, Way(), "net", None, notes.append)()
    assert is_float32(made) and not is_float32(kept) and "net is kept in another precision" in notes[0]
    torch.testing.assert_close(made(data.example), network()(data.example), atol=0.02, rtol=0.02)


def test_a_network_that_takes_samples_in_its_own_precision_is_left_alone():
    own, notes = Casts(), []
    assert as_logits(lambda: own, sets(), Way(), "net", None, notes.append)() is own and not notes


@pytest.mark.parametrize("script", [torch.jit.script, lambda net: torch.jit.trace(net, torch.rand(2, 3, 8, 8))])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_copied_and_folded_as_other_networks_are(script):
    made, x = script(network()), torch.rand(2, 3, 8, 8)
    copy = build_of(instance_of(made))()
    assert all(weight.requires_grad and weight.is_leaf for weight in copy.parameters())
    plain = fold(copy, lambda net: net(x))
    assert not any(weight.requires_grad for weight in plain.parameters())
    torch.testing.assert_close(plain(x), network()(x))


def test_copies_learn_as_the_original_does_or_as_is_asked():
    net = network()
    net[3].requires_grad_(False)
    assert [w.requires_grad for w in copy_of(net).parameters()] == [w.requires_grad for w in net.parameters()]
    assert all(w.requires_grad for w in learning(net).parameters())
    assert not any(w.requires_grad for w in learning(in_float32(lambda: net), wanted=False).parameters())


def lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(3))


def empty():
    with torch.device("meta"):
        return network()


def quantised():
    return torch.ao.quantization.quantize_dynamic(network(), {nn.Linear})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lazy, "have no shape before a first batch"),
        (empty, "on meta hold no values"),
        (quantised, "holds quantised weights"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_holds_no_values_that_a_file_takes_is_refused_in_a_sentence(make, words):
    with pytest.raises(ValueError, match=words):
        instance_of(make())
    if make is not quantised:
        with pytest.raises(ValueError, match=words):
            measured_network(make(), sets(), device="cpu", rounds=1)


class Ends(nn.Module):
    def __init__(self, end, answers=3):
        super().__init__()
        self.layers, self.end = network(answers), end

    def forward(self, x):
        return self.end(self.layers(x))


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (Ends(lambda z: torch.complex(z, z)), "net answers with numbers that are complex or sparse"),
        (Ends(lambda z: z.to_sparse()), "net answers with numbers that are complex or sparse"),
        (network(1), "There are 3 classes; net answers with 1"),
        (Ends(torch.sigmoid, answers=1), "There are 3 classes; net answers with 1"),
    ],
)
def test_answers_that_name_no_class_are_refused_before_they_are_counted(net, words):
    with pytest.raises(ValueError, match=words):
        as_logits(lambda: net, sets(), Way(), "net", None, print)
