"""Blocks in the place of others: they learn what these did, on the same inputs, and nothing else moves."""

from collections import OrderedDict
from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn

import tutelage
from tutelage.compress.bottleneck import bottlenecked
from tutelage.compress.changed import changed
from tutelage.compress.low_rank import factorised
from tutelage.compress.separable import separated
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.methods.response import kd
from tutelage.models.resnet import resnet
from tutelage.optimizers.usual import adam
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching
from tutelage.schemes.imitated import imitated, replaced
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised

pytestmark = pytest.mark.slow
BUILD = partial(resnet, 8, 4)
BLOCKS = ("layer2.block1.conv1", "layer3.block1.conv2")


def drawn(count, seed):
    g = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8, generator=g)
    return labelled("drawn", pictures, torch.randint(4, (count,), generator=g), tuple("abcd"))


LESSON = Lesson(drawn(64, 0), drawn(32, 1), batch_size=16, seed=3)
PLAN = Plan(LESSON, partial(adam, lr=1e-3), 2)
IMITATING = Plan(LESSON, partial(adam, lr=3e-3), 4)


def wrapped_up(network: nn.Module, *, blocks: tuple[str, ...]) -> nn.Module:
    """Each block in a box of its own: another module that does the same."""
    for name in blocks:
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, nn.Sequential(network.get_submodule(name)))
    return network


def narrow(network: nn.Module, *, name: str) -> nn.Module:
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, nn.Conv2d(16, 8, 3, padding=1, stride=2))
    return network


@pytest.fixture
def run(tmp_path):
    with Run("toy:imitated", root=tmp_path, exact=True, device="cpu") as run:
        yield run


@pytest.fixture
def dense(run):
    return run.stage("dense", BUILD, partial(supervised, plan=PLAN), seed=1)


def imitating(run, dense, change, blocks=BLOCKS, plan=IMITATING):
    begun = run.derive("changed", change, of=dense)
    fit = partial(imitated, plan=plan, start=begun.last, original=dense.last, blocks=blocks)
    return begun, run.stage("imitating", partial(changed, BUILD, change=change), fit)


def losses(finished):
    return [sum(record["losses"]["student"].values()) for record in finished.records]


CHANGES = {
    "low rank": partial(factorised, ranks=dict.fromkeys(BLOCKS, 4)),
    "depthwise-separable": partial(separated, layers=BLOCKS),
    "grouped": partial(separated, layers=BLOCKS, together=4),
    "bottleneck": partial(bottlenecked, ranks=dict.fromkeys(BLOCKS, 6)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_blocks_come_nearer_to_what_they_replace_and_all_else_stays_to_the_bit(change, run, dense):
    begun, near = imitating(run, dense, change)
    assert losses(near)[-1] < 0.97 * losses(near)[0] and near.best_epoch is None
    moved = {name for name, x in near.last.state_dict().items() if not torch.equal(x, begun.last.state_dict()[name])}
    assert moved == {name for name, _ in near.last.named_parameters() if name.startswith(BLOCKS)}
    x, shown = torch.rand(5, 16, 8, 8), near.last.get_submodule(BLOCKS[0])
    original, first = (net.last.get_submodule(BLOCKS[0]) for net in (dense, begun))
    assert shown(x).shape == original(x).shape == first(x).shape


def test_what_does_the_same_has_no_loss_and_does_not_change(run, dense):
    _, near = imitating(run, dense, partial(wrapped_up, blocks=BLOCKS))
    assert losses(near) == [0.0] * IMITATING.epochs
    own = {name.replace("conv1.0.", "conv1.").replace("conv2.0.", "conv2."): x
           for name, x in near.last.state_dict().items()}  # fmt: skip
    assert all(torch.equal(x, own[name]) for name, x in dense.last.state_dict().items())


def test_a_block_sees_what_the_original_feeds_its_own_whatever_stands_before_it(run, dense):
    """With the first block useless, the second has the loss that it would have alone."""
    alone = imitating(run, dense, partial(separated, layers=BLOCKS[1:]), BLOCKS[1:])[1]
    both = imitating(run, dense, partial(separated, layers=BLOCKS))[1]
    assert [x["losses"]["student"]["block2"] for x in both.records] == pytest.approx(
        [x["losses"]["student"]["block1"] for x in alone.records], rel=1e-5
    )


def test_a_block_may_be_several_layers(run, dense):
    named = ("layer1.block1",)
    _, near = imitating(run, dense, partial(separated, layers=["layer1.block1.conv1"]), named)
    begun = changed(BUILD, change=partial(separated, layers=["layer1.block1.conv1"]))
    learns = {name for name, _ in begun.named_parameters() if name.startswith(named)}
    assert losses(near)[-1] < losses(near)[0] and learns


def test_all_of_it_in_a_run_with_a_teacher_and_another_process_would_load_it(run, dense):
    teaching = Teaching(kd, dense.last, ("resnet8", "resnet8"))
    before = deepcopy(dense.last.state_dict())
    change = CHANGES["bottleneck"]
    made = replaced(run, "small", dense, BUILD, change, BLOCKS, imitating=IMITATING, plan=PLAN, teaching=teaching)
    assert [stage.name for stage in run._stages] == ["dense", "small, changed", "small, imitating", "small"]
    assert all(torch.equal(x, before[name]) for name, x in dense.last.state_dict().items())
    assert not torch.equal(made.finished.last.stem.conv.weight, made.imitating.last.stem.conv.weight)
    assert made.build().state_dict().keys() == made.finished.last.state_dict().keys()
    run.deliver(made.finished.last)
    again, x = tutelage.load(run.folder), torch.rand(5, 3, 8, 8)
    assert torch.equal(again(x), made.finished.last.eval()(x))


@pytest.mark.parametrize(
    ("change", "blocks", "words"),
    [
        (CHANGES["grouped"], (), "by their names; got none"),
        (CHANGES["grouped"], ("layer9",), "has no layer 'layer9'"),
        (partial(narrow, name=BLOCKS[0]), BLOCKS[:1], r"answers \(8, 4, 4\) where the original answers \(32, 4, 4\)"),
    ],
)
def test_what_cannot_imitate_is_one_sentence(change, blocks, words, run, dense):
    with pytest.raises(ValueError, match=words):
        imitating(run, dense, change, blocks)


class TestBottleneck:
    def test_full_ranks_are_exact_and_lower_ones_cost_what_the_formula_says(self):
        layer = nn.Conv2d(6, 8, 3, stride=2, padding=1).double()
        model = nn.Sequential(OrderedDict(conv=layer))
        x = torch.randn(2, 6, 9, 9).double()
        own = model(x)
        assert torch.allclose(bottlenecked(deepcopy(model), ranks={"conv": 8})(x), own, atol=1e-12)
        small = bottlenecked(model, ranks={"conv": 3})
        assert sum(p.numel() for p in small.parameters()) == 6 * 3 + 3 * 3 * 9 + 3 * 8 + 8

    def test_what_is_of_that_rank_stays_the_same_function(self):
        model = nn.Sequential(nn.Conv2d(6, 8, 3, bias=False)).double()
        core, outer, inner = (torch.randn(*size).double() for size in ((2, 2, 3, 3), (8, 2), (6, 2)))
        with torch.no_grad():
            model[0].weight.copy_(torch.einsum("abhw,na,mb->nmhw", core, outer, inner))
        x = torch.randn(2, 6, 7, 7).double()
        own = model(x)
        assert torch.allclose(bottlenecked(model, ranks={"0": 2})(x), own, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize(
        ("ranks", "words"),
        [({"head": 2}, "no convolution 'head' that could"), ({"stem.conv": 0}, "A rank is 1 or more")],
    )
    def test_what_makes_no_sense_is_refused(self, ranks, words):
        with pytest.raises(ValueError, match=words):
            bottlenecked(resnet(8, 4), ranks=ranks)


class TestGrouped:
    @pytest.mark.parametrize(("together", "cost"), [(1, 6 * 9 + 48), (2, 12 * 9 + 48), (6, 36 * 9 + 48)])
    def test_more_channels_together_cost_more_and_are_nearer(self, together, cost):
        model = nn.Sequential(nn.Conv2d(6, 8, 3, bias=False)).double()
        weight = model[0].weight.detach().clone()
        pair = separated(model, layers=["0"], together=together)[0]
        assert sum(p.numel() for p in pair.parameters()) == cost
        filters = pair.depthwise.weight.view(6 // together, together, together, 9)
        mixing = pair.pointwise.weight.view(8, 6 // together, together)
        made = torch.einsum("ngr,grmk->ngmk", mixing, filters).flatten(1)
        groups = weight.view(8, 6 // together, together * 9).transpose(0, 1)
        left_out = torch.linalg.svdvals(groups)[:, together:]
        assert torch.dist(made, weight.flatten(1)).item() == pytest.approx(left_out.square().sum().sqrt().item())

    def test_more_filters_than_outputs(self):
        model = nn.Sequential(nn.Conv2d(6, 2, 3)).double()
        x = torch.randn(2, 6, 7, 7).double()
        own = model(x)
        assert torch.allclose(separated(model, layers=["0"], together=6)(x), own, atol=1e-10)

    def test_channels_that_cannot_be_parted_are_refused_before_anything_changes(self):
        model = resnet(8, 4)
        with pytest.raises(ValueError, match="3 input channels, which cannot be filtered 2 at a time"):
            separated(model, layers=["layer1.block1.conv1", "stem.conv"], together=2)
        assert isinstance(model.layer1.block1.conv1, nn.Conv2d)
