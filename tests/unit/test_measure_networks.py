"""Prediction, cost and latency."""

import pytest
import torch
from torch import nn

from tutelage.checkpoint import bytes_of_weights, save_weights
from tutelage.data.synthetic import digits
from tutelage.measures.cost import macs, parameters
from tutelage.measures.latency import latency
from tutelage.measures.predict import predict, predict_batches
from tutelage.models.mlp import mlp
from tutelage.modes import evaluating


class TestPredict:
    def test_answers_in_the_order_of_the_data_whatever_the_batches(self):
        data, network = digits(25, seed=0), mlp((784, 10, 10), dropout=0.5).train()
        whole = network.eval()(data.inputs.float() / 255).detach()
        for batch_size in (1, 7, 1000):
            torch.testing.assert_close(predict(network, data, batch_size=batch_size), whole)

    def test_leaves_every_part_in_the_mode_it_was_in(self):
        network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(784), nn.Dropout(), nn.Linear(784, 10)).train()
        network[1].eval()
        before = {name: x.clone() for name, x in network.state_dict().items()}
        predict(network, digits(8, seed=0))
        assert [module.training for module in network.modules()] == [True, True, False, True, True]
        assert all(torch.equal(x, network.state_dict()[name]) for name, x in before.items())

    def test_puts_the_modes_back_even_if_the_network_fails(self):
        network = mlp((5, 10)).train()
        with pytest.raises(RuntimeError):
            predict(network, digits(8, seed=0))
        assert network.training and torch.is_grad_enabled()

    def test_keeps_no_graph_and_is_float32_also_for_a_network_of_bfloat16(self):
        class Narrow(nn.Linear):
            def forward(self, x):
                return super().forward(x.flatten(1)).bfloat16()

        logits = predict(Narrow(784, 10), digits(3, seed=0))
        assert not logits.requires_grad and logits.dtype is torch.float32

    def test_shows_the_pictures_as_it_is_told(self):
        data, network = digits(4, seed=0), mlp((784, 10))
        dark = predict(network, data, transform=lambda images, _view: torch.zeros_like(images))
        assert torch.equal(
            dark, predict(network, data[:0].__class__("dark", 0 * data.inputs, data.targets, data.index, data.classes))
        )

    def test_of_nothing_is_refused(self):
        with pytest.raises(ValueError, match="nothing to predict"):
            predict_batches(mlp(), [])

    def test_of_a_remainder_of_one_is_that_of_a_whole_batch_for_a_network_that_squeezes(self):
        data = digits(9, seed=0)
        assert predict(Squeezing(), data, batch_size=4).shape == (9, 10)

    @pytest.mark.parametrize(("network", "shape"), [(lambda: Squeezing(), "10,"), (lambda: Squeezing(1), "")])
    def test_of_a_network_that_drops_the_batch_is_refused_with_what_to_write(self, network, shape):
        with pytest.raises(ValueError, match=rf"Squeezing returned \({shape}\) for 1 sample.*squeeze\(-1\)"):
            predict(network(), digits(1, seed=0))

    def test_of_batches_without_input_names_what_they_have(self):
        with pytest.raises(ValueError, match=r"this batch has \['pixel_values'\]"):
            predict_batches(mlp(), [{"pixel_values": torch.rand(2, 784)}])

    def test_of_a_network_without_weights_works(self):
        assert predict(nn.Flatten(), digits(4, seed=0)).shape == (4, 784)

    def test_an_evaluating_network_may_be_evaluated_again(self):
        network = mlp().train()
        with evaluating(network):
            with evaluating(network):
                assert not torch.is_grad_enabled()
            assert not network.training and not torch.is_grad_enabled()
        assert network.training


class Squeezing(nn.Module):
    """A network whose author never thought of a batch of one."""

    def __init__(self, classes=10):
        super().__init__()
        self.body = mlp((784, classes))

    def forward(self, x):
        return self.body(x)[..., None].squeeze()


def attention():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.heads = nn.MultiheadAttention(16, 2, batch_first=True)

        def forward(self, x):
            return self.heads(x, x, x)[0]

    return Attention()


class First(nn.Module):
    """The first thing that a recurrent layer returns."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x)[0]


class Secret(nn.Linear):
    """A linear layer that multiplies in a way nobody counts."""

    def forward(self, x):
        return (x[:, None] * self.weight).sum(-1)


SEQUENCE = torch.zeros(1, 10, 16)
PICTURE = torch.zeros(1, 3, 8, 8)
COUNTED = {
    "an MLP": (lambda: mlp((784, 1200, 1200, 10)), torch.zeros(1, 1, 28, 28), 784 * 1200 + 1200 * 1200 + 1200 * 10),
    "a convolution": (lambda: nn.Conv2d(3, 8, 3), PICTURE, 3 * 8 * 9 * 36),
    "a depthwise convolution": (lambda: nn.Conv2d(3, 3, 3, groups=3), PICTURE, 3 * 9 * 36),
    "a strided convolution": (lambda: nn.Conv2d(3, 8, 3, stride=2, padding=1), PICTURE, 3 * 8 * 9 * 16),
    "attention": (attention, SEQUENCE, 4 * 16 * 16 * 10 + 2 * 10 * 10 * 16),
    "a transformer layer": (
        lambda: nn.TransformerEncoderLayer(16, 2, 32, batch_first=True),
        SEQUENCE,
        4 * 16 * 16 * 10 + 2 * 10 * 10 * 16 + 2 * 16 * 32 * 10,
    ),
    "an LSTM": (lambda: First(nn.LSTM(16, 16, batch_first=True)), SEQUENCE, 4 * 2 * 16 * 16 * 10),
    "a GRU": (lambda: First(nn.GRU(16, 16, batch_first=True)), SEQUENCE, 3 * 2 * 16 * 16 * 10),
    "no product at all": (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()), PICTURE, 0),
}


class Looking(nn.Module):
    """A network that does something with its input that wants real numbers."""

    def __init__(self, body, look):
        super().__init__()
        self.body, self.look = body, look

    def forward(self, x):
        return self.body(self.look(x))


def checked(x):
    if not torch.isfinite(x).all():
        raise ValueError("not finite")
    return x


def broken(_x):
    raise KeyError("x")


LOOKS = {
    "a check": checked,
    "a tensor of its own": lambda x: x + torch.arange(float(x.shape[-1])),
    "a number": lambda x: x * (1 + x.sum().item()),
    "a list": lambda x: x + sum(x.flatten().tolist()),
    "numpy": lambda x: torch.from_numpy(x.numpy() + 1),
    "places": lambda x: x[torch.nonzero(x.flatten(1).sum(1) > -1)[:, 0]],
}


class TestCost:
    def test_the_teacher_of_the_mnist_table(self):
        network = mlp((784, 1200, 1200, 10))
        assert macs(network, torch.zeros(1, 784)) == 2_392_800
        assert parameters(network) == 2_392_800 + 1200 + 1200 + 10 == 2_395_210

    @pytest.mark.parametrize("name", COUNTED)
    def test_multiplications_are_those_of_the_formula(self, name):
        build, example, expected = COUNTED[name]
        assert macs(build(), example) == expected

    def test_multiplications_grow_with_the_batch(self):
        assert macs(mlp(), torch.zeros(3, 784)) == 3 * macs(mlp(), torch.zeros(1, 784))

    def test_counting_leaves_the_network_as_it_was(self):
        network = mlp(dropout=0.5).train()
        macs(network, torch.zeros(1, 784))
        assert network.training and all(p.device.type == "cpu" and p.requires_grad for p in network.parameters())
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())

    def test_a_layer_that_ought_to_multiply_and_counts_nothing_is_refused_by_name(self):
        with pytest.raises(ValueError, match=r"multiplications of '1' \(Secret\) cannot be counted"):
            macs(nn.Sequential(nn.Linear(4, 4), Secret(4, 4)), torch.zeros(1, 4))

    @pytest.mark.parametrize("look", LOOKS)
    @pytest.mark.parametrize("name", COUNTED)
    def test_a_network_that_looks_at_values_is_counted_as_it_is_without(self, name, look):
        build, example, expected = COUNTED[name]
        network = Looking(build(), LOOKS[look]).train()
        assert macs(network, example) == expected
        assert all(module.training for module in network.modules())
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())

    def test_a_real_pass_leaves_the_ways_to_compute_as_they_were(self):
        before = torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.set_flags(_fp32_precision=None)[0]
        macs(Looking(nn.Linear(3, 2), LOOKS["a check"]), torch.ones(1, 3))
        now = torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.set_flags(_fp32_precision=None)[0]
        assert now == before

    @pytest.mark.parametrize(
        ("network", "example", "reason"),
        [
            (lambda: nn.Linear(3, 2), torch.ones(1, 4), r"Linear cannot run on an example \(1, 4\) \(RuntimeError"),
            (lambda: Looking(nn.Linear(3, 2), broken), torch.ones(1, 3), r"Looking cannot run .*\(KeyError: 'x'\)"),
            (
                lambda: Looking(Secret(3, 2), LOOKS["a check"]),
                torch.ones(1, 3),
                r"of 'body' \(Secret\)",
            ),
            (lambda: nn.Linear(3, 2), {"x": torch.ones(1, 3)}, "the example is a tensor"),
        ],
    )
    def test_what_cannot_be_counted_is_one_value_error_that_says_not_counted(self, network, example, reason):
        with pytest.raises(ValueError, match=f"^not counted: .*{reason}") as error:
            macs(network(), example)
        assert "\n" not in str(error.value)

    def test_a_layer_that_got_nothing_multiplies_nothing(self):
        routed = Looking(nn.Linear(3, 2), lambda x: x[:0])
        assert macs(routed, torch.ones(1, 3)) == 0

    def test_tied_weights_are_counted_and_stored_once(self):
        network = nn.Sequential(nn.Linear(50, 50), nn.Linear(50, 50))
        loose, loose_bytes = parameters(network), bytes_of_weights(network)
        network[1].weight = network[0].weight
        assert loose - parameters(network) == 2500 and loose_bytes - bytes_of_weights(network) >= 4 * 2500
        assert macs(network, torch.zeros(1, 50)) == 2 * 2500

    @pytest.mark.parametrize("looks", [False, True])
    def test_a_parameter_that_is_given_to_a_module_is_counted_too(self, looks):
        class Queries(nn.Linear):
            def forward(self, x):
                read = self.ask(self.queries.expand(len(x), -1, -1)) @ x.mT
                return super().forward(read if not looks or bool(x.isfinite().all()) else x)

        network = Queries(5, 2)
        network.queries, network.ask = nn.Parameter(torch.ones(4, 3)), nn.Linear(3, 6)
        assert macs(network, torch.zeros(1, 5, 6)) == 4 * 3 * 6 + 4 * 6 * 5 + 4 * 5 * 2
        assert all(p.requires_grad for p in network.parameters())

    def test_frozen_weights_count(self):
        network = mlp().requires_grad_(False)
        assert parameters(network) == parameters(mlp())

    def test_bytes_are_those_of_the_file(self, tmp_path):
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(2, 3).bfloat16())
        save_weights(tmp_path / "network.safetensors", network)
        assert bytes_of_weights(network) == (tmp_path / "network.safetensors").stat().st_size


class TestLatency:
    def test_grows_with_the_work_and_its_quartiles_are_in_order(self):
        networks = {"small": mlp((784, 10)), "large": mlp((784, 1500, 1500, 10))}
        found = latency(networks, torch.rand(4, 784), rounds=9)
        assert found.keys() == networks.keys() and found["small"].keys() == {"1", "64"}
        for sizes in found.values():
            assert all(0 < x["q1"] <= x["median"] <= x["q3"] for x in sizes.values())
            assert {x["threads"] for x in sizes.values()} == {torch.get_num_threads()}
        assert found["large"]["64"]["q1"] > found["small"]["64"]["median"]

    def test_asks_in_turns_in_eval_mode_and_without_gradient(self):
        asked = []

        class Witness(nn.Module):
            def __init__(self, name):
                super().__init__()
                self.name = name

            def forward(self, x):
                asked.append((self.name, len(x), self.training or torch.is_grad_enabled()))
                return x

        networks = {name: Witness(name).train() for name in "abc"}
        latency(networks, torch.rand(2, 3), batch_sizes=(5,), rounds=3, warm_up=1)
        assert [name for name, *_ in asked] == [*"abc", *"bca", *"cab", *"abc"]
        assert {(size, live) for _, size, live in asked} == {(5, False)} and networks["a"].training

    @pytest.mark.parametrize("wrong", [{"batch_sizes": (0,)}, {"batch_sizes": ()}, {"rounds": 1}, {"warm_up": -1}])
    def test_of_nothing_is_refused(self, wrong):
        with pytest.raises(ValueError, match="Latency takes one model or more"):
            latency({"a": mlp()}, torch.rand(1, 784), **wrong)
        with pytest.raises(ValueError, match="got 0 models"):
            latency({}, torch.rand(1, 784))

    def test_of_no_tensor_is_refused(self):
        with pytest.raises(ValueError, match=r"an example that is a tensor of samples; got a dict with 'x' \(1, 784\)"):
            latency({"a": mlp()}, {"x": torch.rand(1, 784)})
