"""Networks that are pruned, recover, and are pruned again; and come back in another process."""

import subprocess
import sys
from copy import deepcopy
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import nn

from tutelage.checkpoint import save_state
from tutelage.compress.architecture import read_back
from tutelage.compress.budget import budget
from tutelage.compress.importance import scales, taylor
from tutelage.compress.masks import in_shares, of_each, weights_of, zeros_of
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.costs import cost, macs
from tutelage.compress.structure.removal import zeroed
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.measures.cost import macs as macs_of
from tutelage.methods.response import kd
from tutelage.models.resnet import resnet
from tutelage.optimizers.usual import adam, sgd
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching
from tutelage.schemes.plan import Plan
from tutelage.schemes.pruned import Thinning, losses_of, narrowed, recovered, thinned, with_small_norms
from tutelage.schemes.supervised import supervised

pytestmark = pytest.mark.slow


def drawn(count, seed):
    g = torch.Generator().manual_seed(seed)
    targets = torch.randint(4, (count,), generator=g)
    pictures = torch.randint(0, 60, (count, 3, 8, 8), generator=g)
    pictures[torch.arange(count), targets % 3] += 40 * (1 + targets // 3)[:, None, None]
    return labelled("drawn", pictures.clamp(max=255).to(torch.uint8), targets, tuple("abcd"))


PLAN = Plan(Lesson(drawn(64, 0), drawn(32, 1), batch_size=16, seed=3), partial(sgd, lr=0.05, weight_decay=1e-3), 2)
BUILD = partial(resnet, 8, 4)


@pytest.fixture
def run(tmp_path):
    with Run("toy:pruned", root=tmp_path, exact=True, device="cpu") as run:
        yield run


@pytest.fixture
def dense(run):
    return run.stage("dense", BUILD, partial(supervised, plan=PLAN), seed=1)


class TestThinned:
    @pytest.mark.parametrize(
        "thinning", [Thinning(0.8), Thinning(0.8, of_each, rise=0.0), Thinning(0.8, rise=1.0, every=3)]
    )
    @pytest.mark.parametrize("optimizer", [sgd, adam])
    def test_so_many_weights_are_0_in_the_end_and_the_others_have_moved(self, thinning, optimizer, run, dense):
        plan = Plan(PLAN.lesson, partial(optimizer, lr=0.01, weight_decay=1e-3), 3)
        fit = partial(thinned, plan=plan, start=dense.last, thinning=thinning)
        found = run.stage("thin", BUILD, fit).last
        assert zeros_of(found) == pytest.approx(0.8, abs=2e-3)
        for name, w in weights_of(found).items():
            before = dense.last.get_parameter(name)
            assert bool((w != before)[w != 0].any()), name

    def test_rounds_go_on_from_what_is_0(self, run, dense):
        first = run.stage("1", BUILD, partial(thinned, plan=PLAN, start=dense.last, thinning=Thinning(0.5)))
        second = run.stage("2", BUILD, partial(thinned, plan=PLAN, start=first.last, thinning=Thinning(0.9)))
        again = run.stage("3", BUILD, partial(recovered, plan=PLAN, start=second.last))
        for small, large in ((second, first), (again, second)):
            for name, w in weights_of(large.last).items():
                assert not small.last.get_parameter(name)[w == 0].any()
        assert zeros_of(again.last) == zeros_of(second.last) == pytest.approx(0.9, abs=2e-3)

    def test_layers_have_shares_of_their_own_by_the_networks_names(self, run, dense):
        shares = {name: 0.3 if "conv1" in name else 0.6 for name in weights_of(dense.last)}
        thinning = Thinning(0.5, partial(in_shares, shares=shares))
        found = run.stage("thin", BUILD, partial(thinned, plan=PLAN, start=dense.last, thinning=thinning)).last
        zeros = {name: 1 - int(w.count_nonzero()) / w.numel() for name, w in weights_of(found).items()}
        ratio = zeros["layer1.block1.conv1.weight"] / zeros["layer1.block1.conv2.weight"]
        assert ratio == pytest.approx(0.5, abs=0.02)

    def test_nothing_to_prune_is_plain_training(self, run, dense):
        start = dense.last
        open_masks = run.stage(
            "open", BUILD, partial(thinned, plan=PLAN, start=start, thinning=Thinning(0.0, rise=0.0))
        )
        plain = run.stage("plain", BUILD, partial(recovered, plan=PLAN, start=start))
        assert all(map(torch.equal, open_masks.last.state_dict().values(), plain.last.state_dict().values()))

    @pytest.mark.parametrize("wrong", [(1.0, 0.5, 1), (-0.1, 0.5, 1), (0.5, 2.0, 1), (0.5, 0.5, 0)])
    def test_shares_that_are_none(self, wrong):
        with pytest.raises(ValueError, match="Less than all of the weights become 0"):
            Thinning(wrong[0], rise=wrong[1], every=wrong[2])


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A run whose network is cut to 40 % in three rounds, the network before, and the rounds."""
    with Run("toy:small", root=tmp_path_factory.mktemp("small"), exact=True, device="cpu") as run:
        dense = run.stage("dense", BUILD, partial(supervised, plan=PLAN), seed=1)
        teaching = Teaching(kd, dense.last, ("resnet8", "resnet8"))
        rounds = narrowed(run, "small", dense, BUILD, plan=PLAN, budget=budget("40 %"), teaching=teaching)
        yield run, dense, list(rounds)


class TestNarrowed:
    def test_a_little_goes_and_recovers_until_the_budget_is_reached(self, small):
        _, dense, found = small
        whole = cost(channels_of(dense.last, PLAN.lesson.example), macs)
        costs = [whole, *(one.cost for one in found)]
        assert len(found) == 3 and found[-1].cost <= 0.4 * whole
        assert all(0.6 * before < after < before for before, after in pairwise(costs))
        for one in found:
            assert macs_of(one.recovered.last, PLAN.lesson.example) == one.cost
            assert [n for n, _ in one.cut.last.named_modules()] == [n for n, _ in one.recovered.last.named_modules()]
            assert one.cut.last.head.weight.ne(one.recovered.last.head.weight).any()

    def test_what_is_cut_answers_as_the_whole_with_the_rest_at_zero(self, small):
        _, dense, (first, *_) = small
        channels = channels_of(dense.last, PLAN.lesson.example)
        whole = zeroed(dense.last, channels, read_back(channels, first.architecture)).double().eval()
        x = torch.rand(5, 3, 8, 8, dtype=torch.float64)
        torch.testing.assert_close(deepcopy(first.cut.last).double().eval()(x), whole(x), rtol=1e-9, atol=1e-9)

    def test_it_comes_back_in_another_process(self, small, tmp_path):
        run, _, rounds = small
        last = rounds[-1].recovered.last.eval()
        run.deliver(last)
        x = torch.rand(5, 3, 8, 8)
        save_state(tmp_path / "seen", {"x": x, "answers": last(x).detach()})
        code = (
            "import sys, torch, tutelage; from tutelage.checkpoint import load_state\n"
            "seen = load_state(sys.argv[2]); torch.set_num_threads(1)\n"
            "torch.testing.assert_close(tutelage.load(sys.argv[1]).eval()(seen['x']), seen['answers'])"
        )
        subprocess.run([sys.executable, "-c", code, str(run.place), str(tmp_path / "seen")], check=True)

    @pytest.mark.parametrize("importance", [scales, partial(taylor, shown=partial(losses_of, plan=PLAN, batches=2))])
    def test_any_importance_and_unit(self, importance, run, dense):
        half = budget("half of the channels")
        (only,) = narrowed(run, "s", dense, BUILD, plan=PLAN, budget=half, importance=importance, most=0.6, multiple=4)
        widths = [x.out_channels for x in only.cut.last.modules() if isinstance(x, nn.Conv2d)]
        assert all(width % 4 == 0 for width in widths) and only.cost == sum(widths) + 4

    def test_a_budget_that_is_no_less(self, run, dense):
        with pytest.raises(ValueError, match="Pruning ends below what the whole network costs"):
            next(narrowed(run, "s", dense, BUILD, plan=PLAN, budget=budget("1 GMACs")))


def test_sparsity_training_leaves_scales_at_0(run, dense):
    fit = partial(with_small_norms, plan=PLAN, strength=20.0, start=dense.last)
    norms = [x for x in run.stage("norms", BUILD, fit).last.modules() if isinstance(x, nn.BatchNorm2d)]
    gammas = torch.cat([norm.weight.detach() for norm in norms])
    assert 0.5 * len(gammas) < int((gammas == 0).sum()) and bool(
        torch.cat([norm.bias.detach() for norm in norms]).any()
    )


def test_norms_are_what_sparsity_training_needs():
    with pytest.raises(ValueError, match="has no batch norm whose scales could be drawn to 0"):
        with_small_norms(None, nn.Sequential(nn.Linear(2, 2)), plan=PLAN, strength=1.0)
