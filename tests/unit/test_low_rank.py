"""Layers as products of two: the nearest of their rank, exact at full rank, and the same network in another process."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn

import tutelage
from tutelage.compress.low_rank import factorisable, factorised, matrix_of, ranks_by_budget, ranks_by_energy
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.measures.cost import parameters
from tutelage.models.mlp import mlp
from tutelage.models.resnet import resnet
from tutelage.optimizers.usual import sgd
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised

CONVOLUTIONS = [
    partial(nn.Conv2d, 6, 8, 3, padding=1),
    partial(nn.Conv2d, 6, 8, (3, 5), stride=(2, 1), padding=(0, 2), dilation=(2, 1), bias=False),
    partial(nn.Conv2d, 6, 8, 3, padding="same", padding_mode="reflect"),
    partial(nn.Conv2d, 6, 8, 1),
]


def wrapped(layer):
    return nn.Sequential(layer).double()


def full(layer, form):
    return min(matrix_of(layer, form).shape)


class TestWorkedValues:
    A = torch.tensor([[3.0, 1, 2], [1, 0, 1], [2, 1, 1], [0, 1, -1]])

    def test_singular_values_and_the_error_of_rank_1(self):
        """Method specification 2, E5."""
        model = wrapped(nn.Linear(3, 4))
        with torch.no_grad():
            model[0].weight.copy_(self.A)
        singular = torch.linalg.svdvals(matrix_of(model[0]))
        assert torch.allclose(singular, torch.tensor([4.652274, 1.535040, 0.0], dtype=torch.float64), atol=1e-6)
        factorised(model, ranks={"0": 1})
        first, second = model[0]
        assert torch.dist(second.weight @ first.weight, self.A.double()).item() == pytest.approx(1.535040, abs=1e-6)
        assert first.weight.norm().item() == pytest.approx(second.weight.norm().item())  # half of s on either side

    def test_weights_of_a_product_and_where_it_ceases_to_save(self):
        model = wrapped(nn.Linear(256, 512, bias=False))
        assert parameters(factorised(model, ranks={"0": 64})) == 49_152
        even = nn.Sequential(nn.Linear(256, 512, bias=False))
        for energy, rank in ((1.0, None), (0.001, 1)):
            assert ranks_by_energy(even, energy).get("0") == rank  # 512 × 256 saves below 170.7
        assert parameters(factorised(wrapped(nn.Linear(256, 512, bias=False)), ranks={"0": 171})) > 131_072


@pytest.mark.parametrize("form", ["channels", "rows"])
class TestForms:
    @pytest.mark.parametrize("build", [*CONVOLUTIONS, partial(nn.Linear, 6, 8)])
    def test_all_but_the_last_singular_value_of_a_matrix_that_lacks_it_is_exact(self, form, build):
        model = wrapped(build())
        matrix = matrix_of(model[0], form)
        u, s, v = torch.linalg.svd(matrix, full_matrices=False)
        lower = (u[:, :-1] * s[:-1]) @ v[:-1]
        with torch.no_grad():
            self.fill(model[0], lower, form)
        x = torch.randn(2, 6, 9, 9).double() if isinstance(model[0], nn.Conv2d) else torch.randn(2, 6).double()
        own = model(x)
        assert isinstance(factorised(model, ranks={"0": len(s) - 1}, form=form)[0], nn.Sequential)
        assert torch.allclose(model(x), own, atol=1e-10)

    @pytest.mark.parametrize("build", [*CONVOLUTIONS, partial(nn.Linear, 6, 8)])
    def test_code_that_reads_the_weight_and_the_bias_reads_what_the_two_come_to(self, form, build):
        model, layer = wrapped(build()), wrapped(build())[0]
        both = factorised(model, ranks={"0": 2}, form=form)[0]
        x = torch.randn(2, 6, 9, 9).double() if isinstance(layer, nn.Conv2d) else torch.randn(2, 6).double()
        layer.weight = nn.Parameter(both.weight)
        layer.bias = None if both.bias is None else nn.Parameter(both.bias)
        assert torch.allclose(both(x), layer(x), atol=1e-10)

    def fill(self, layer, matrix, form):
        if isinstance(layer, nn.Conv2d) and form == "rows":
            out, into, height, width = layer.weight.shape
            layer.weight.copy_(matrix.view(out, width, into, height).permute(0, 2, 3, 1))
        else:
            layer.weight.copy_(matrix.view_as(layer.weight))

    @pytest.mark.parametrize("build", CONVOLUTIONS)
    def test_full_rank_changes_nothing(self, form, build):
        model = wrapped(build())
        layer = model[0]
        assert factorised(model, ranks={"0": full(layer, form)}, form=form)[0] is layer

    @pytest.mark.parametrize("build", CONVOLUTIONS)
    def test_the_error_is_that_of_the_singular_values_left_out(self, form, build):
        model = wrapped(build())
        matrix = matrix_of(model[0], form)
        first, second = factorised(model, ranks={"0": 2}, form=form)[0]
        right = first.weight.flatten(1)
        left = second.weight.flatten(1)
        if form == "rows":
            left = second.weight.squeeze(2).transpose(1, 2).flatten(0, 1)
        error = torch.linalg.svdvals(matrix)[2:].square().sum().sqrt()
        assert torch.dist(left @ right, matrix).item() == pytest.approx(error.item(), rel=1e-9)


class TestRanks:
    def test_more_energy_takes_higher_ranks_and_all_of_it_changes_nothing(self):
        model = resnet(8, num_classes=4)
        kept = [sum(ranks_by_energy(model, energy).values()) for energy in (0.3, 0.5, 0.7)]
        assert kept == sorted(kept) and kept[0] < kept[-1] and not ranks_by_energy(model, 1.0)

    @pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
    def test_a_budget_is_met_and_nearly_used(self, share):
        model = resnet(8, num_classes=4)
        allowed = int(share * parameters(model))
        left = parameters(factorised(model, ranks=ranks_by_budget(model, allowed)))
        assert 0.85 * allowed < left <= allowed
        assert not ranks_by_budget(model, parameters(model))

    def test_layers_that_stay_whole_are_not_among_them_and_the_others_pay_for_them(self):
        model = resnet(8, num_classes=4)
        first, *_, last = factorisable(model)
        allowed = parameters(model) // 2
        ranks = ranks_by_budget(model, allowed, whole=(first, last))
        assert ranks and not {first, last} & ranks.keys()
        assert 0.85 * allowed < parameters(factorised(model, ranks=ranks)) <= allowed

    @pytest.mark.parametrize(
        ("ask", "words"),
        [
            (lambda net: ranks_by_energy(net, 0.0), "more than 0 and at most 1; got 0"),
            (lambda net: ranks_by_budget(net, 10), "With rank 1 everywhere"),
            (lambda net: factorised(net, ranks={"x": 1}), "no layer 'x' that can be factorised; it has"),
            (lambda _net: factorised(nn.Sequential(nn.ReLU()), ranks={"0": 1}), "can be factorised; it has none"),
            (lambda net: factorised(net, ranks={"head": 0}), "A rank is 1 or more"),
        ],
    )
    def test_what_makes_no_sense_is_one_sentence(self, ask, words):
        with pytest.raises(ValueError, match=words):
            ask(resnet(8, num_classes=4))

    def test_layers_that_share_weights_work_in_groups_or_are_hooked_stay(self):
        tied, hooked = nn.Linear(4, 4), nn.Linear(4, 4)
        other = nn.Linear(4, 4)
        other.weight = tied.weight
        hooked.register_forward_hook(lambda *_: None)
        model = nn.Sequential(tied, other, hooked, nn.Conv2d(4, 4, 3, groups=2), nn.Linear(4, 4))
        assert list(factorisable(model)) == ["4"]


@pytest.mark.parametrize("training", [False, True])
def test_torchs_own_attention_reads_factorised_layers(training):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    whole, x = nn.TransformerEncoder(layer, 2).double().train(training), torch.randn(3, 5, 8).double()
    small, plain = deepcopy(whole), deepcopy(whole)
    ranks = dict.fromkeys(factorisable(whole), 3)
    assert {"layers.0.linear1", "layers.1.self_attn.out_proj"} <= ranks.keys()
    factorised(small, ranks=ranks)
    for name in ranks:
        plain.get_submodule(name).weight = nn.Parameter(small.get_submodule(name).weight.detach())
    assert torch.allclose(small(x), plain(x), atol=1e-10)
    assert not torch.allclose(small(x), whole(x), atol=1e-3)


@pytest.mark.slow
def test_a_run_derives_it_delivers_it_and_another_process_would_load_it(tmp_path):
    data = digits(60, seed=0)
    plan = Plan(Lesson(data, batch_size=20), partial(sgd, lr=0.05), 1)
    with Run("lab:test", root=tmp_path, device="cpu", exact=True) as run:
        whole = run.stage("whole", partial(mlp, (784, 24, 10)), partial(supervised, plan=plan))
        ranks = ranks_by_budget(whole.last, 9000)
        small = run.derive("small", factorised, of=whole, ranks=ranks)
        run.deliver(small.last)
    again, x = tutelage.load(run.folder), torch.rand(5, 1, 28, 28)
    assert parameters(again) <= 9000 < parameters(whole.last)
    assert torch.equal(again(x), small.last.eval()(x))
