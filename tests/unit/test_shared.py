"""Weights that share values: found, trained by all that have them, plain again, packed, and back."""

from functools import partial
from math import isclose

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tutelage.compress.clusters import clustered, kmeans, rate
from tutelage.compress.masks import prune_, weights_of, zeros_of
from tutelage.compress.packed_bits import fixed_bits, packed_bits
from tutelage.compress.shared import cluster_, share_, shared, unshared
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.delivery import load
from tutelage.models.lenet import lenet5
from tutelage.models.mlp import mlp
from tutelage.optimizers.usual import adam, sgd
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.schemes.pruned import Thinning, thinned
from tutelage.schemes.shared import with_shared_weights
from tutelage.schemes.supervised import supervised
from tutelage.weights.packed_file import save_packed
from tutelage.weights.sparse_file import load_sparse

pytestmark = pytest.mark.slow

W = torch.tensor([[0.05, -0.40, 0.90, -0.02], [0.30, -0.10, 0.00, 0.70], [-0.60, 0.20, -0.03, 0.11]])
KEPT = torch.tensor([[0, 1, 1, 0], [1, 0, 0, 1], [1, 1, 0, 0]], dtype=torch.bool)


class TestKMeans:
    """Values are those of the specification's example E2, worked out in plain numpy."""

    def test_six_values_of_four(self):
        values = W[KEPT]
        centroids, nearest = kmeans(values, 4)
        assert centroids.tolist() == pytest.approx([-0.5, -0.1, 0.25, 0.8], abs=1e-6)
        assert nearest.tolist() == [0, 3, 2, 3, 0, 2]
        assert (values - centroids[nearest]).square().sum().item() == pytest.approx(0.045, abs=1e-6)

    def test_a_value_moves_by_the_sum_of_the_gradients_of_its_weights(self):
        layer = nn.Linear(6, 1, bias=False)
        with torch.no_grad():
            layer.weight.copy_(W[KEPT])
        share_(layer, {"*": 2})
        codes, codebook = clustered(W[KEPT][None], 4)
        own = layer.parametrizations.weight
        own[0].codes, own[0].count = codes, 4
        own.original = nn.Parameter(codebook)
        (layer.weight * torch.arange(1, 7) * 0.1).sum().backward()
        assert own.original.grad.tolist() == pytest.approx([0.6, 0.0, 0.9, 0.6], abs=1e-6)

    def test_as_many_centroids_as_values_lose_nothing(self):
        values = torch.randn(30, generator=torch.Generator().manual_seed(0)).repeat(5)
        for count in (30, 40):
            centroids, nearest = kmeans(values, count)
            assert len(centroids) == count and torch.equal(centroids[nearest], values)

    @pytest.mark.parametrize("count", [1, 2, 7, 31])
    def test_each_value_is_with_the_nearest_centroid_and_each_centroid_in_the_middle(self, count):
        values = torch.randn(2000, generator=torch.Generator().manual_seed(count), dtype=torch.float64)
        centroids, nearest = kmeans(values, count)
        assert torch.equal(centroids, centroids.sort().values)
        assert torch.equal((values[:, None] - centroids).abs().argmin(1), nearest)
        for number in range(count):
            if bool((nearest == number).any()):
                assert isclose(values[nearest == number].mean().item(), centroids[number].item(), rel_tol=1e-6)

    def test_nothing_to_share(self):
        for values, count in ((torch.zeros(0), 3), (torch.ones(2), 0)):
            with pytest.raises(ValueError, match="shared by one centroid or more"):
                kmeans(values, count)

    def test_rates(self):
        """The example of arXiv:1510.00149, §3; and E9: ten times pruned, 5 bits a value and 4 a place."""
        assert rate(16, 32, 4) == 3.2
        bits = fixed_bits(10**5, 5, 4, 32)
        assert bits == 901_024 and 32 * 10**6 / bits == pytest.approx(35.515147, abs=1e-6)


class TestShared:
    def test_all_weights_of_a_layer_are_of_few_values_and_zeros_are_0(self):
        net, plain = lenet5(), prune_(lenet5(), 0.6)
        share_(net, {"conv*": 4, "hidden": 2})
        cluster_(net, plain)
        assert torch.equal(net.head.weight, plain.head.weight) and torch.equal(net.conv1.bias, plain.conv1.bias)
        for name, bits in (("conv1", 4), ("conv2", 4), ("hidden", 2)):
            weight, own = net.get_submodule(name).weight, plain.get_submodule(name).weight
            assert torch.equal(weight == 0, own == 0)
            assert len(weight.unique()) <= 2**bits

    def test_plain_again_it_answers_the_same_to_the_bit(self):
        net = share_(lenet5(), {"*": 3})
        x = torch.rand(4, 1, 28, 28)
        expected = net(x)
        names = [name for name, _ in lenet5().named_parameters()]
        plain = unshared(net)
        assert torch.equal(plain(x), expected) and sorted(n for n, _ in plain.named_parameters()) == sorted(names)
        with pytest.raises(ValueError, match="no weights that share values"):
            unshared(plain)

    @pytest.mark.parametrize("factory", [partial(sgd, lr=0.01, weight_decay=0.1), partial(adam, lr=0.05)])
    def test_after_any_steps_the_same_weights_share_and_zeros_are_0(self, factory):
        net = share_(prune_(mlp((12, 20, 5)), 0.7), {"*": 3})
        before = {name: net.get_submodule(name).weight.detach().clone() for name in ("hidden1", "output")}
        optimizer = factory(list(net.named_parameters()))
        for seed in range(10):
            optimizer.zero_grad()
            x = torch.randn(8, 12, generator=torch.Generator().manual_seed(seed))
            F.cross_entropy(net(x), torch.arange(8) % 5).backward()
            optimizer.step()
        for name, old in before.items():
            new = net.get_submodule(name).weight.detach()
            assert not new[old == 0].any() and bool((new != old)[old != 0].all())
            for value in old.unique():
                assert len(new[old == value].unique()) == 1

    def test_as_many_values_as_weights_change_nothing(self):
        net = mlp((3, 4, 2))
        own = {name: w.detach().clone() for name, w in weights_of(net).items()}
        plain = unshared(share_(net, {"*": 5}))
        assert all(torch.equal(plain.get_parameter(name), w) for name, w in own.items())

    @pytest.mark.parametrize("bits", [{}, {"nothing": 3}, {"*": 0}, {"*": 9}])
    def test_no_layer_or_no_bits(self, bits):
        with pytest.raises(ValueError, match="Weights are shared with 1 to 8 bits in one layer or more"):
            share_(mlp((3, 4, 2)), bits)

    def test_a_layer_of_two_names_is_shared_once(self):
        def twice():
            layer = nn.Linear(4, 4)
            return nn.Sequential(nn.Linear(3, 4), layer, nn.ReLU(), layer)

        start = twice()
        net, x = shared(twice, bits={"*": 5}), torch.randn(2, 3)
        cluster_(net, start)  # as many values as weights
        assert torch.equal(net(x), start(x)) and torch.equal(unshared(net)(x), start(x))

    def test_a_network_without_layers(self):
        for ask in (partial(share_, bits={"*": 3}), partial(prune_, share=0.5)):
            with pytest.raises(ValueError, match="Identity has no linear layer and no convolution whose weights could"):
                ask(nn.Identity())

    def test_other_architectures(self):
        net = share_(mlp((3, 4, 2)), {"*": 3})
        for other in (mlp((3, 5, 2)), mlp((3, 4, 4, 2))):
            with pytest.raises(ValueError, match="those of another architecture"):
                cluster_(net, other)
        with pytest.raises(ValueError, match="computed from others already"):
            share_(net, {"*": 3})


PLAN = Plan(Lesson(digits(300, seed=0), digits(60, seed=1), batch_size=25), partial(adam, lr=2e-3), 4)
NET = partial(mlp, (784, 30, 20, 10))


def test_dense_pruned_shared_and_packed(tmp_path):
    """The whole of Deep Compression, small; what is delivered is the plain network, and the file gives it back."""
    with Run("toy:packed", root=tmp_path, exact=True, device="cpu") as run:
        dense = run.stage("dense", NET, partial(supervised, plan=PLAN))
        thin = run.stage("thin", NET, partial(thinned, plan=PLAN, start=dense.last, thinning=Thinning(0.9)))
        build = partial(shared, NET, bits={"output": 5, "*": 4})
        few = run.stage("few", build, partial(with_shared_weights, plan=PLAN, start=thin.last))
        plain = run.derive("plain", unshared, of=few)
        run.deliver(plain.last)
    assert zeros_of(plain.last) == zeros_of(thin.last) == pytest.approx(0.9, abs=1e-3)
    save_packed(tmp_path / "net", plain.last)
    again = load_sparse(tmp_path / "net", NET())
    assert all(map(torch.equal, again.state_dict().values(), load(run.folder).state_dict().values()))
    found = packed_bits(again)
    assert found.keys() == weights_of(again).keys()
    for name, one in found.items():
        assert one.values <= (31 if "output" in name else 15) and one.nonzero == int(
            again.get_parameter(name).count_nonzero()
        )
        assert one.huffman_bits <= one.bits and one.huffman_value_bits <= one.value_bits
    coded = sum(one.huffman_bits for one in found.values()) / 8
    assert coded < (tmp_path / "net").stat().st_size < coded + 3000
