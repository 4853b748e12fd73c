"""Blocks that turn little of what they get, and the network without them."""

import pytest
import torch
from torch import nn

from tutelage.compress.depth import block_importance, turned, without_blocks
from tutelage.measures.cost import parameters
from tutelage.models.resnet import resnet


def test_worked_value():
    """Method specification 2, E7: two places of two channels."""
    before, after = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 1.0], [0.0, 3.0]])
    assert turned(before, after, dim=1).item() == pytest.approx(0.146447, abs=1e-6)


class Scaled(nn.Module):
    """Turns by nothing, by a quarter of a circle, or by half of one."""

    def __init__(self, turn):
        super().__init__()
        self.turn = turn

    def forward(self, x):
        return {0: 3 * x, 1: torch.stack([-x.select(-1, 1), x.select(-1, 0)], -1), 2: -x}[self.turn]


@pytest.mark.parametrize("shape", [(5, 2), (5, 7, 2)])
def test_what_is_only_scaled_is_worth_nothing_and_what_is_reversed_most(shape):
    model = nn.Sequential(Scaled(0), Scaled(1), Scaled(2))
    found = block_importance(model, ["0", "1", "2"], torch.randn(shape, dtype=torch.float64))
    assert list(found.values()) == pytest.approx([0.0, 1.0, 2.0], abs=1e-9)


def test_channels_of_maps_are_at_1():
    class Swapped(nn.Module):
        def forward(self, x):
            return x.flip(1) * torch.tensor([1.0, -1.0]).view(1, 2, 1, 1)

    found = block_importance(nn.Sequential(Swapped()), ["0"], torch.rand(3, 2, 4, 4))
    assert found["0"] == pytest.approx(1.0, abs=1e-6)


def test_a_residual_block_goes_and_the_network_is_that_without_it():
    model = resnet(20, 4).eval()
    x = torch.randn(2, 3, 8, 8)
    blocks = ["layer1.block2", "layer2.block2"]
    assert all(0 < value < 2 for value in block_importance(model, blocks, x).values())
    expected = x
    for name, layer in model.named_children():
        for part, block in layer.named_children() if name.startswith("layer") else [("", layer)]:
            expected = expected if f"{name}.{part}" in blocks else block(expected)
    whole = parameters(model)
    shallow = without_blocks(model, blocks=blocks)
    assert torch.equal(shallow(x), expected) and parameters(shallow) < whole
    shallow.train()(x).sum().backward()


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda net, x: block_importance(net, ["layer2.block1"], x), r"takes \(16, 8, 8\) and answers \(32, 4, 4\)"),
        (lambda net, x: block_importance(net, ["layer9"], x), "no layer 'layer9'"),
        (lambda net, _: without_blocks(net, blocks=["layer1.block1", "layer9"]), "no layer 'layer9'"),
    ],
)
def test_what_cannot_go_is_told_and_nothing_changes(ask, words):
    model = resnet(8, 4)
    before = str(model)
    with pytest.raises(ValueError, match=words):
        ask(model, torch.randn(2, 3, 8, 8))
    assert str(model) == before
