"""What a method needs of two networks, and that nothing else is asked of them."""

import pytest
import torch
from torch import nn

from foreign.layers import CLASSES
from foreign_networks import MAPS, TOKENS
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.methods.by_name import family, method, methods
from tutelage.methods.check import check_methods, check_network
from tutelage.methods.pair import Pair
from tutelage.models.named import named
from tutelage.models.resnet import resnet8
from tutelage.objective import Objective

pytestmark = pytest.mark.slow

IMAGES = labelled(
    "small", torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8), torch.arange(20) % 5, tuple("abcde")
)
LOGITS = [name for name, function in methods().items() if family(function) == "response"]
EMBEDDINGS = ["rkd", "cosines", "cc", "pkt", "crd", "crd_shared", "crd_kd", "direction"]
MAPS_ALONE = ["at", "sp", "hint", "vid", "attend_dot", "semckd"]
SQUEEZED = MAPS["torchvision SqueezeNet"].build
PEOPLE = [MAPS["torchvision ResNet"].build, MAPS["torchvision MobileNetV3"].build, MAPS["timm ConvNeXt"].build]


def pair(teacher, student):
    return Pair(teacher, student, Lesson(IMAGES, batch_size=10), 2)


def ours():
    return resnet8(num_classes=CLASSES)


@pytest.mark.parametrize("name", LOGITS)
@pytest.mark.parametrize(
    "teacher", [TOKENS["ViT"].build, SQUEEZED, lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 5))]
)
def test_methods_of_logits_need_nothing_but_answers(teacher, name):
    given = pair(teacher(), ours())
    check_methods(given, {name: method(name)})
    method(name)(given)
    assert "outlines" not in vars(given)  # no layer was looked for


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_methods_of_embeddings_need_a_linear_head_and_no_maps(name):
    check_methods(pair(TOKENS["ViT"].build(), ours()), {name: method(name)})
    with pytest.raises(ValueError, match=f"The method {name} cannot be .*SqueezeNet does not end in a linear layer"):
        check_methods(pair(SQUEEZED(), ours()), {name: method(name)})


@pytest.mark.parametrize("name", MAPS_ALONE)
def test_methods_of_maps_need_maps_and_no_head(name):
    check_methods(pair(SQUEEZED(), ours()), {name: method(name)})
    with pytest.raises(ValueError, match=f"The method {name} cannot be .*ViT has no layer that shows a map"):
        check_methods(pair(TOKENS["ViT"].build(), ours()), {name: method(name)})


@pytest.mark.parametrize("build", PEOPLE)
@pytest.mark.parametrize("name", [name for name in methods() if name not in ("simkd", "ofd")])
def test_methods_can_be_used_on_networks_of_other_people(build, name):
    check_methods(pair(build(), ours()), {name: method(name)})


def test_overhauled_features_need_batch_norms_before_the_teachers_relus():
    check_methods(pair(PEOPLE[0](), ours()), {"ofd": method("ofd")})
    with pytest.raises(ValueError, match=r"The method ofd cannot .*the teacher lacks one"):
        check_methods(pair(PEOPLE[2](), ours()), {"ofd": method("ofd")})


def test_of_a_sum_the_member_is_named_whose_need_is_not_met():
    with pytest.raises(
        ValueError, match=r"The method at, of 0.9\*kd\+at, cannot be used on these networks: ViT has no"
    ):
        check_methods(pair(TOKENS["ViT"].build(), ours()), {"0.9*kd+at": method("0.9*kd+at")})


def wrong(_pair):
    return "an objective"


def fails(_pair):
    raise KeyError("layer")


def reads_nowhere(given):
    from tutelage.methods.feature import hint

    objective: Objective = hint(given)
    objective.terms["hint"].addresses = ("student.layer9", "teacher.layer1")
    return objective


@pytest.mark.parametrize(
    ("own", "sentence"),
    [(wrong, "it returns a str, and a method"), (fails, "KeyError: 'layer'"), (reads_nowhere, "has no layer 'layer9'")],
)
def test_a_method_of_ones_own_that_does_not_fit_is_refused_in_one_sentence(own, sentence):
    with pytest.raises(ValueError, match=f"The method mine.* cannot be used on these networks: .*{sentence}"):
        check_methods(pair(ours(), ours()), {"mine": own})


def test_a_check_draws_nothing_and_leaves_the_networks_alone():
    given = pair(ours(), ours().train())
    before = {name: x.clone() for name, x in given.student.state_dict().items()}
    state = torch.get_rng_state()
    check_methods(given, {name: method(name) for name in ("crd", "hint", "srrl")})
    assert torch.equal(state, torch.get_rng_state()) and given.student.training
    assert all(torch.equal(x, before[name]) for name, x in given.student.state_dict().items())


@pytest.mark.parametrize("build", [*PEOPLE, SQUEEZED, TOKENS["ViT"].build, ours])
def test_a_network_that_answers_with_the_classes_fits_whatever_it_is_made_of(build):
    check_network(build(), torch.rand(2, 3, 32, 32), CLASSES, "net")


class Own(nn.Module):
    """Fails in a sentence of ours."""

    def forward(self, _x):
        named("no such width", 5)


class Twice(nn.Module):
    def forward(self, x):
        return x[:, :5], x[:, 5:10]


class Strange(nn.Module):
    def forward(self, _x):
        raise ValueError("no")


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(3072, 7)), "There are 5 classes; net answers with 7"),
        (nn.Conv2d(3, 5, 1), r"net answers 2 samples with numbers of shape \(2, 5, 32, 32\); .* have \(2, 5\)"),
        (nn.Conv2d(1, 5, 1), r"net does not answer samples of shape \(3, 32, 32\): RuntimeError"),
        (nn.Sequential(nn.Flatten(), Twice()), r"^net answers with a tuple .* name a function .*TensorOutput"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3072, 5), nn.Softmax(1)), "^net: 'output' are probabilities .* logits"),
        (
            nn.Sequential(nn.Flatten(), Own()),
            r"^net does not answer samples of shape \(3, 32, 32\): A network is named .* is not\.$",
        ),
        (
            nn.Sequential(nn.Flatten(), Strange()),
            r"^net does not .*: ValueError: no \(test_method_checks.py, line \d+\).$",
        ),
    ],
)
def test_a_network_that_does_not_fit_the_data_is_refused_in_one_sentence(network, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_network(network, torch.rand(2, 3, 32, 32), CLASSES, "net")
