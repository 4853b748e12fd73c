"""Convolutions as a depthwise and a pointwise one: what they cost, and how near they are."""

from functools import partial

import pytest
import torch
from torch import nn

from tutelage.compress.bottleneck import bottlenecked
from tutelage.compress.separable import separable, separated
from tutelage.measures.cost import macs, parameters
from tutelage.models.resnet import resnet


def test_worked_values():
    """Method specification 2, E6: 64 → 128 channels, 3 × 3, at 32 × 32."""
    model = nn.Sequential(nn.Conv2d(64, 128, 3, padding=1, bias=False))
    x = torch.zeros(1, 64, 32, 32)
    assert (macs(model, x), parameters(model)) == (75_497_472, 73_728)
    separated(model, layers=["0"])
    assert (macs(model, x), parameters(model)) == (8_978_432, 8_768)
    assert 8_978_432 / 75_497_472 == pytest.approx(1 / 128 + 1 / 9) == pytest.approx(0.118924, abs=1e-6)


BUILDS = [
    partial(nn.Conv2d, 4, 6, 3, padding=1),
    partial(nn.Conv2d, 4, 6, (3, 5), stride=(2, 1), padding=(0, 2), dilation=(1, 2), bias=False),
    partial(nn.Conv2d, 4, 6, 3, padding="same", padding_mode="reflect"),
]


@pytest.mark.parametrize("build", BUILDS)
def test_what_is_separable_stays_the_same_function(build):
    model = nn.Sequential(build()).double()
    filters, mixing = torch.randn(4, *model[0].kernel_size).double(), torch.randn(6, 4).double()
    with torch.no_grad():
        model[0].weight.copy_(mixing[:, :, None, None] * filters)
    x = torch.randn(2, 4, 12, 12).double()
    own = model(x)
    assert isinstance(separated(model, layers=["0"])[0], nn.Sequential)
    assert torch.allclose(model(x), own, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize(
    "change",
    [
        partial(separated, layers=["0"]),
        partial(separated, layers=["0"], together=2),
        partial(bottlenecked, ranks={"0": 2}),
    ],
    ids=["depthwise", "in groups", "bottleneck"],
)
def test_code_that_reads_the_weight_and_the_bias_reads_what_they_come_to(build, change):
    layer = build().double()
    several = change(nn.Sequential(build()).double())[0]
    layer.weight, layer.bias = (None if x is None else nn.Parameter(x) for x in (several.weight, several.bias))
    inside = torch.randn(2, 4, 12, 12).double()
    torch.testing.assert_close(layer(inside), several(inside), rtol=1e-9, atol=1e-10)


def test_the_two_are_as_near_as_the_largest_singular_values_of_each_channel():
    model = nn.Sequential(nn.Conv2d(4, 6, 3)).double()
    weight = model[0].weight.detach().clone()
    pair = separated(model, layers=["0"])[0]
    made = pair.pointwise.weight.squeeze(3) * pair.depthwise.weight.view(1, 4, 9)
    left_out = torch.linalg.svdvals(weight.transpose(0, 1).flatten(2))[:, 1:]
    assert torch.dist(made, weight.flatten(2)).item() == pytest.approx(left_out.square().sum().sqrt().item())


def test_it_trains_and_what_cannot_be_separated_is_refused():
    model = resnet(8, num_classes=4)
    names = [name for name in separable(model) if name.endswith("conv2")]
    small = separated(model, layers=names)
    small(torch.randn(3, 3, 16, 16)).sum().backward()
    assert all(p.grad is not None for p in small.parameters()) and not {*names} & {*separable(small)}
    with pytest.raises(ValueError, match="no convolution 'head' that could be separated; it has"):
        separated(model, layers=["head"])
    with pytest.raises(ValueError, match="no convolution '0' that could be separated; it has none"):
        separated(nn.Sequential(nn.ReLU()), layers=["0"])
    with pytest.raises(ValueError, match="no convolution '0' that could be made a bottleneck; it has none"):
        bottlenecked(nn.Sequential(nn.ReLU()), ranks={"0": 1})
