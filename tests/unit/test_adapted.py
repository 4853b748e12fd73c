"""A teacher of other pictures: what it is given, and that nothing else about it changes."""

from functools import partial

import pytest
import torch
from torch import nn

from tutelage.keys import key_of
from tutelage.models.resnet import resnet8
from tutelage.teachers.adapted import adapted, renormalised
from tutelage.teachers.frozen import folded, frozen

MEAN, STD = (0.1, 0.2, 0.3), (0.5, 1.0, 2.0)
OWN_MEAN, OWN_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PICTURES = torch.rand(4, 3, 32, 32, dtype=torch.float64)


def normal(x, mean, std):
    mean, std = (torch.tensor(v, dtype=x.dtype)[:, None, None] for v in (mean, std))
    return (x - mean) / std


def test_a_picture_normalised_for_the_student_reaches_the_teacher_as_it_learnt_them():
    scale, shift = renormalised(MEAN, STD, OWN_MEAN, OWN_STD)
    model = adapted(nn.Identity, scale=scale, shift=shift)
    expected = normal(PICTURES, OWN_MEAN, OWN_STD)
    torch.testing.assert_close(model(normal(PICTURES, MEAN, STD)), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [8, 16, 48])
def test_it_is_resized_before_anything_else_of_the_network(size):
    model = adapted(nn.Identity, size=size)
    assert model(PICTURES).shape == (4, 3, size, size)
    assert torch.equal(adapted(nn.Identity, size=32)(PICTURES), PICTURES)
    flat = torch.full((1, 3, 32, 32), 0.25, dtype=torch.float64)
    assert torch.allclose(model(flat), torch.tensor(0.25, dtype=torch.float64))


def test_layers_weights_and_answers_of_every_teacher_are_found_under_their_names():
    torch.manual_seed(1)
    plain = resnet8(num_classes=5).double()
    other = adapted(partial(resnet8, num_classes=5), scale=(2.0,) * 3, shift=(0.5,) * 3, size=16).double()
    other.load_state_dict(plain.state_dict())
    scene, wanted = {"batch": {"input": PICTURES}}, frozenset({"layer2", "output"})
    inside = nn.functional.interpolate(2 * PICTURES + 0.5, (16, 16), mode="bilinear", antialias=True)
    expected = frozen(plain)({"batch": {"input": inside}}, wanted)
    for teacher in (frozen(other), folded(other)):
        answers = teacher(scene, wanted)
        for name in wanted:
            torch.testing.assert_close(answers[name], expected[name], rtol=1e-9, atol=1e-9)


def test_every_setting_is_part_of_the_key():
    builds = [partial(adapted, resnet8, **x) for x in ({}, {"size": 64}, {"scale": (2.0,) * 3, "shift": (0.0,) * 3})]
    assert len({key_of(build) for build in builds}) == 3


@pytest.mark.parametrize("own", [((0.5,), (0.5,)), ((0.5,) * 3, (0.5, 0.5, 0.0)), ((), ())])
def test_a_normalisation_that_does_not_fit_the_channels_is_refused(own):
    with pytest.raises(ValueError, match="for each of 3 channels"):
        renormalised(MEAN, STD, *own)
