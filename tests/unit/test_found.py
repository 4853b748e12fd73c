"""What a search found becomes a plain network; students of its cost are made by hand and by chance."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from examples import bits, same
from tutelage.compress.architecture import describe, fresh
from tutelage.compress.found import architecture_of, found
from tutelage.compress.gates import gated, gates_of
from tutelage.compress.handmade import drawn, uniform
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.costs import cost, macs, parameters
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.delivery import load
from tutelage.methods.search import divergence, held_divergence, labels_alone
from tutelage.models.lenet import lenet5
from tutelage.models.mlp import mlp
from tutelage.models.resnet import resnet
from tutelage.models.seeded import restart_
from tutelage.optimizers.schedules import constant
from tutelage.optimizers.usual import nesterov
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.study.search import builds_of, find, in_short, minimised, of_its_cost, tables_of
from tutelage.study.settings import SearchSettings, TrainingSettings

pytestmark = pytest.mark.slow

NET = partial(mlp, (784, 30, 20, 10))
SAMPLE = (1, 28, 28)
PLAN = Plan(Lesson(digits(200, seed=0), digits(50, seed=1), batch_size=20), partial(nesterov, lr=0.01), 20, constant)


def closing(network, share=0.5):
    """``network`` with gates, about so many of them closed."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for gates in gates_of(network).values():
            gates.gate[1:] *= torch.rand(len(gates.gate) - 1, generator=generator) > share
            gates.gate *= 1.5
    return network


@pytest.mark.parametrize(("build", "sample"), [
    (NET, SAMPLE), (lenet5, SAMPLE), (partial(resnet, 8, num_classes=10), (3, 16, 16))
], ids=["mlp", "lenet", "resnet"])  # fmt: skip
def test_the_plain_network_answers_as_the_one_with_gates(build, sample):
    network = closing(gated(build, sample=sample))
    x = torch.randn(4, *sample)
    architecture = architecture_of(network, x)
    expected, gates = network.eval()(x), {name: gates.gate.clone() for name, gates in gates_of(network).items()}
    plain = found(network, architecture=architecture)
    torch.testing.assert_close(plain(x), expected, rtol=1e-5, atol=1e-5)
    assert gates and not gates_of(plain)
    assert sum(p.numel() for p in plain.parameters()) < sum(p.numel() for p in build().parameters())
    assert fresh(build, architecture=architecture)(x).shape == expected.shape


def test_what_has_no_gates_was_not_searched():
    with pytest.raises(ValueError, match="has no gates to fold"):
        architecture_of(NET(), torch.zeros(1, *SAMPLE))


@pytest.mark.parametrize(("build", "sample", "layer", "starved"), [
    (NET, SAMPLE, "output", "output"), (NET, SAMPLE, "hidden2", "output"), (lenet5, SAMPLE, "conv2", "head"),
    (partial(resnet, 8, num_classes=10), (3, 16, 16), "head", "head"),
])  # fmt: skip
def test_a_layer_that_reads_nothing_on_every_way_to_the_answer_is_refused_in_a_sentence(build, sample, layer, starved):
    network = gated(build, sample=sample)
    with torch.no_grad():
        network.get_submodule(layer).parametrizations["weight"][0].gate.zero_()
    with pytest.raises(ValueError, match=f"leave '{starved}' nothing to read, so that it would answer the same to eve"):
        architecture_of(network, torch.zeros(1, *sample))


@pytest.mark.parametrize("price", [macs, parameters])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
def test_networks_made_by_hand_cost_as_much_as_they_may_and_no_more(price, share):
    channels = channels_of(NET(), torch.zeros(1, *SAMPLE))
    count = partial(cost, channels, price)
    limit = share * cost(channels, price)
    readers = ["hidden2", "output"]
    for shut in (
        uniform(channels, readers, count, limit),
        *(drawn(channels, readers, count, limit, k) for k in (1, 2)),
    ):
        made = fresh(NET, architecture=describe(channels, shut))
        assert limit - 1100 < count(shut) <= limit  # a unit more would cost 785 and a few
        widths = [made.hidden1.out_features, made.hidden2.out_features]
        assert widths == [int((~shut.inputs[name]).sum()) for name in readers]


def test_uniform_is_the_same_share_everywhere_and_chance_is_not():
    channels = channels_of(NET(), torch.zeros(1, *SAMPLE))
    count, readers = partial(cost, channels, macs), ["hidden2", "output"]
    shut = uniform(channels, readers, count, 12000)
    kept = {name: (~gates).nonzero().flatten().tolist() for name, gates in shut.inputs.items()}
    assert kept == {"hidden2": list(range(14)), "output": list(range(10))}
    others = [drawn(channels, readers, count, 12000, seed) for seed in (1, 1, 2)]
    first, again, second = ([gates.tolist() for gates in shut.inputs.values()] for shut in others)
    assert first == again != second


def test_less_than_one_channel_each_cannot_be():
    channels = channels_of(NET(), torch.zeros(1, *SAMPLE))
    with pytest.raises(ValueError, match="One channel for each layer costs 795, more than 700: name more"):
        uniform(channels, ["hidden2", "output"], partial(cost, channels, macs), 700)


def test_layers_start_anew_at_their_sizes():
    torch.manual_seed(0)
    wide = mlp((784, 30, 20, 10))
    with torch.no_grad():
        for p in wide.parameters():
            p.fill_(7)
    assert restart_(wide) is wide and wide.hidden2.weight.abs().max() <= 30**-0.5


SETTINGS = SearchSettings(
    budget="80 %", strength=0.12, training=TrainingSettings(epochs=20, batch_size=20, lr=0.01, schedule="constant")
)


@pytest.fixture
def run(tmp_path):
    with Run("toy:found", root=tmp_path, exact=True, device="cpu") as run:
        yield run


def teacher_of(run):
    return run.stage("teacher", NET, partial(supervised, plan=Plan(PLAN.lesson, partial(nesterov, lr=0.1), 3)))


def test_what_is_found_is_delivered_without_its_gates_and_built_anew(run):
    teacher = teacher_of(run).last
    one = find(run, "search", teacher, NET, PLAN, SETTINGS, ("net", "net"))
    assert one.cost <= one.limit == 0.8 * one.whole and 1 <= one.epochs < PLAN.epochs
    x = torch.rand(5, *SAMPLE)
    torch.testing.assert_close(one.removed.last.eval()(x), one.searched.last.eval()(x), rtol=1e-4, atol=1e-5)
    run.deliver(one.removed.last, classes=(), input="digits")
    again = load(run.place)
    assert same(bits(again), bits(one.removed.last)) and torch.equal(again(x), one.removed.last(x))

    architectures = of_its_cost(one, teacher, 2, seed=0)
    assert list(architectures) == ["found", "uniform", "random 1", "random 2"]
    builds = builds_of(architectures, NET, restart_)
    counts = [sum(p.numel() for name, p in build().named_parameters() if name.endswith("weight"))
              for build in builds.values()]  # fmt: skip
    assert counts[0] == one.cost and max(counts) == counts[0]
    student = run.stage("student", builds["found"], partial(supervised, plan=PLAN))
    run.deliver(student.last, classes=(), input="digits")
    assert same(bits(load(run.place)), bits(student.last))

    course, layers = tables_of(one)
    assert len(course.rows) == one.epochs and course.rows[-1][2] <= one.cost
    assert "What closed last opened again as far as that holds it" in course.note
    assert [row[:2] for row in layers.rows] == [("hidden2", 30), ("output", 20)]
    assert in_short(one).startswith(f"{one.cost / 1000:.4g}k of 24.32k MACs, found in ")


def test_a_search_that_ends_above_its_budget_closes_what_is_smallest_and_says_so(run):
    settings = replace(SETTINGS, strength=1e-5)
    one = find(run, "search", teacher_of(run).last, NET, replace(PLAN, epochs=2), settings, ("net", "net"))
    assert 0.75 * one.whole < one.cost <= one.limit == 0.8 * one.whole and one.epochs == 2
    course, layers = tables_of(one)
    assert "None did: of the gates that were still open the smallest were closed, to " in course.note
    assert sum(row[2] for row in layers.rows) < 50 and course.rows[-1][4] == 50
    assert in_short(one).endswith(", found in 2 epochs, none of which ended within the budget")
    assert "Nothing nearer" not in course.note
    assert "Nothing nearer to it was found" in tables_of(replace(one, cost=0.5 * one.limit))[0].note


def test_what_is_minimised_has_a_name():
    assert minimised(SearchSettings()) is divergence
    assert minimised(SearchSettings(minimises="labels")) is labels_alone
    held = minimised(SearchSettings(minimises="held", kl0=0.2))
    assert (held.func, held.keywords) == (held_divergence, {"kl0": 0.2})
    assert minimised(SearchSettings(minimises="0.5*kd+at")) is not None
    with pytest.raises(ValueError, match="There is no method 'divergense'"):
        minimised(SearchSettings(minimises="divergense"))
