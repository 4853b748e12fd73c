"""What is told of networks before anything is trained."""

from math import log10

import pytest
import torch
from torch import nn

from tutelage.losses.similarity_preserving import similarity_preserving
from tutelage.measures.relation_gap import relation_gap
from tutelage.measures.synaptic_flow import synaptic_flow
from tutelage.models.mlp import mlp
from tutelage.models.named import named


def test_the_flow_through_a_chain_is_the_product_of_its_layers_times_their_number():
    """Each layer's weights conserve it: the sum of θ · ∂R/∂θ over a layer is R."""
    net = mlp((6, 5, 4, 3))
    weights = [x.weight.detach().double().abs() for x in net.modules() if isinstance(x, nn.Linear)]
    through = (weights[2] @ weights[1] @ weights[0] @ torch.ones(6, dtype=torch.float64)).sum()
    assert synaptic_flow(net, torch.rand(2, 6)) == pytest.approx(log10(3 * float(through)))


def test_norms_and_biases_change_no_flow_and_the_network_is_left_as_it_was():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
    bare = nn.Sequential(net[0], net[2], net[3], net[4])
    before = {name: x.clone() for name, x in net.state_dict().items()}
    example = torch.rand(1, 1, 4, 4)
    flow = synaptic_flow(net, example)
    assert flow == pytest.approx(synaptic_flow(bare, example))
    assert all(torch.equal(x, before[name]) for name, x in net.state_dict().items()) and net.training
    with torch.no_grad():
        net[0].bias.fill_(9)
        net[1].weight.fill_(7)
        assert synaptic_flow(net, example) == pytest.approx(flow)
        net[4].weight.zero_()
    assert synaptic_flow(net, example) == -float("inf")
    with pytest.raises(ValueError, match="got 0 of them"):
        synaptic_flow(net, example[:0])


def test_a_wider_network_lets_more_through_and_a_deep_one_does_not_overflow():
    torch.manual_seed(0)
    flows = [synaptic_flow(named(name, 10)(), torch.rand(1, 3, 8, 8)) for name in ("resnet8", "resnet8x4", "resnet56")]
    assert flows[0] < flows[1] and all(abs(x) < 300 for x in flows)


def test_the_gap_is_the_loss_of_the_embeddings_and_zero_for_the_same_network():
    torch.manual_seed(0)
    student, teacher, x = mlp((6, 5, 3)), mlp((6, 9, 3)).eval(), torch.rand(8, 6)
    assert relation_gap(teacher, teacher, x) == pytest.approx(0, abs=1e-12)
    with torch.no_grad():
        fed = [net.get_submodule(net_head(net, -1))(x).relu() for net in (student, teacher)]
    assert relation_gap(student, teacher, x) == pytest.approx(float(similarity_preserving(*fed)), rel=1e-5)
    with pytest.raises(ValueError, match="at least two samples"):
        relation_gap(student, teacher, x[:1])


def net_head(net, place):
    """The name of the linear layer that many from the last."""
    return [name for name, module in net.named_modules() if isinstance(module, nn.Linear)][place - 1]


def test_statistics_and_modes_are_as_before():
    torch.manual_seed(0)
    student, teacher = named("resnet8", 4)(), named("resnet8x4", 4)().eval()
    before = {name: x.clone() for name, x in student.state_dict().items()}
    assert relation_gap(student, teacher, torch.rand(4, 3, 8, 8)) > 0
    assert all(torch.equal(x, before[name]) for name, x in student.state_dict().items())
    assert student.training and not teacher.training
