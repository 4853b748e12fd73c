"""The search for a student: a plain loop with gates, which stops at its budget and goes on to the same bits."""

from collections import OrderedDict
from dataclasses import replace
from functools import partial
from itertools import combinations

import pytest
import torch
from torch import nn

from examples import bits, same
from stopping import LEFT, stopping
from tutelage.combine.by_name import Given, pcgrad
from tutelage.compress import spending
from tutelage.compress.budget import Budget, budget, in_words
from tutelage.compress.fitting import fitting, settle_
from tutelage.compress.gates import closed, fill_, fold_gates_, gate_, gated, gates_of
from tutelage.compress.scaled import all_alike, by_cost
from tutelage.compress.spending import Measure
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.costs import cost, macs, macs_and_elements, parameters, saved
from tutelage.compress.structure.removal import without
from tutelage.compress.structure.smallest import smallest
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.data.views import plain
from tutelage.losses.kd import soft_targets
from tutelage.methods.by_name import method
from tutelage.methods.search import divergence, held_divergence, labels_alone, reverse_divergence
from tutelage.optimizers.accelerated_proximal import growing, steady
from tutelage.optimizers.schedules import constant
from tutelage.optimizers.usual import nesterov
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching
from tutelage.schemes.plan import Plan
from tutelage.schemes.search import OPEN, Ledger, Penalty, search
from tutelage.schemes.supervised import supervised

pytestmark = pytest.mark.slow

BATCHES, SAMPLE = 4, (1, 6, 6)


def striped(count, seed):
    """Noise with a bright line each, whose place is the class."""
    g = torch.Generator().manual_seed(seed)
    targets = torch.randint(5, (count,), generator=g)
    pictures = torch.randint(0, 100, (count, 1, 6, 6), dtype=torch.uint8, generator=g)
    pictures[torch.arange(count), :, targets] = 255
    return labelled("striped", pictures, targets, tuple("abcde"))


def net(width=6, units=10):
    layers = OrderedDict(conv=nn.Conv2d(1, width, 3, padding=1), norm=nn.BatchNorm2d(width), relu=nn.ReLU())
    layers |= {"pool": nn.AdaptiveAvgPool2d(2), "flatten": nn.Flatten()}
    layers |= {"hidden": nn.Linear(4 * width, units), "relu2": nn.ReLU(), "head": nn.Linear(units, 5)}
    return nn.Sequential(layers)


LESSON = Lesson(striped(40, 0), striped(20, 1), partial(stopping, transform=plain), batch_size=40 // BATCHES, seed=3)
PLAN = Plan(LESSON, partial(nesterov, lr=0.02, weight_decay=1e-3), 16, constant)
SMALLER, STRONG = budget("70 %"), Penalty(1.0)
BUILD = partial(gated, net, sample=SAMPLE)


def in_half_with_its_gates():
    return BUILD().bfloat16()


@pytest.fixture
def run(tmp_path):
    with Run("toy:search", root=tmp_path, exact=True, device="cpu") as run:
        yield run
    LEFT.clear()


def teacher_of(run):
    lesson = replace(LESSON, transform=plain)
    plan = Plan(lesson, partial(nesterov, lr=0.1, weight_decay=1e-3), 8)
    return run.stage("teacher", net, partial(supervised, plan=plan)).last


def teaching(teacher, wanted=divergence, **settings):
    return Teaching(wanted, teacher, ("net", "net"), **settings)


def searched(run, *, teacher=None, build=BUILD, plan=PLAN, wanted=divergence, start=True, rule=None, **settings):
    teacher = teacher or teacher_of(run)
    given = {"budget": SMALLER, "penalty": STRONG, "start": teacher if start else None, **settings}
    by = {} if rule is None else {"combine": rule}
    return run.stage("search", build, partial(search, plan=plan, teaching=teaching(teacher, wanted, **by), **given))


def net_of(network):
    copy = BUILD()
    copy.load_state_dict(network.state_dict())
    return copy


def macs_of(network, unit=macs):
    shut = closed(network)
    folded = fold_gates_(net_of(network))
    channels = channels_of(folded, torch.zeros(1, *SAMPLE))
    return cost(channels, unit, shut), without(folded, channels, shut), cost(channels, unit)


def test_it_begins_where_student_and_teacher_say_the_same(run):
    teacher, student = teacher_of(run).eval(), BUILD()
    x = torch.rand(5, *SAMPLE)
    assert soft_targets(student.eval()(x), teacher(x)) > 0
    fill_(student, teacher)
    with torch.no_grad():
        assert torch.equal(student(x), teacher(x)) and soft_targets(student(x), teacher(x)) == 0


def test_it_is_a_loop_of_a_few_lines(run, monkeypatch):
    """Weights by gradient descent with decay, gates by the equations of the paper: after two epochs the same."""
    monkeypatch.setattr(Ledger, "fitting", lambda ledger, values, _lasted: closed(ledger.model, values))
    teacher = teacher_of(run).eval()
    plan = replace(PLAN, epochs=2)
    found = searched(run, teacher=teacher, plan=plan, budget=Budget(1e-6 + 0.2, "MACs", True)).last

    model = BUILD()
    fill_(model, teacher)
    model.train()
    folded = fold_gates_(net_of(model))
    by_cost(model, saved(channels_of(folded, torch.zeros(1, *SAMPLE)), macs))
    gates = list(gates_of(model).values())
    weights = [p for name, p in model.named_parameters() if name not in gates_of(model)]
    optimizer = torch.optim.SGD(weights, lr=0.02, momentum=0.9, nesterov=True, weight_decay=1e-3)
    speeds = [torch.zeros_like(x.gate) for x in gates]
    iterates = []
    for epoch in range(2):
        for batch in replace(LESSON, transform=plain).batches()(epoch, 0):
            with torch.no_grad():
                said = teacher(batch["input"])
            model.zero_grad()
            soft_targets(model(batch["input"]), said, temperature=4.0).backward()
            optimizer.step()
            iterates = []
            for place, x in enumerate(gates):
                g, z = x.gate.detach(), x.gate.detach() - 0.02 * x.gate.grad
                soft = z.sign() * (z.abs() - 0.02 * x.scale).clamp_min(0)
                speeds[place] = soft - g + 0.9 * speeds[place]
                iterates.append(soft.clamp_min(0))
                x.gate.data = (soft + 0.9 * speeds[place]).clamp_min(0)
    for x, iterate in zip(gates, iterates, strict=True):
        x.gate.data = iterate
    theirs = model.state_dict()
    for name, x in found.state_dict().items():
        torch.testing.assert_close(x, theirs[name], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("words", "price"), [
    ("1.6 kMACs", macs), ("70 % of the operations", macs_and_elements), ("75 % of the parameters", parameters)
])  # fmt: skip
def test_it_stops_at_its_budget_and_says_what_to_take_away(run, words, price):
    wanted = budget(words)
    finished = searched(run, budget=wanted)
    *earlier, last = [record["validation"] for record in finished.records]
    spent, removed, whole = macs_of(finished.last, price)
    limit = wanted.limit(whole)
    assert 1 <= len(earlier) + 1 < PLAN.epochs  # of which there were more
    assert last[wanted.unit] <= spent <= limit and all(figures[wanted.unit] > limit for figures in earlier)
    open_gates = sum(int((gates.gate != 0).sum()) for gates in gates_of(finished.last).values())
    assert last[OPEN] <= open_gates < 16 and last["errors"] >= 0
    folded = fold_gates_(net_of(finished.last)).eval()
    x = torch.rand(3, *SAMPLE)
    torch.testing.assert_close(removed.eval()(x), folded(x))


@pytest.mark.parametrize("strength", [1e-6, 0.3, 1.0, 30.0], ids=["nothing closes", "some", "many", "all close"])
@pytest.mark.parametrize("words", ["15 %", "1.6 kMACs", "75 % of the parameters", "90 % of the operations"])
def test_what_is_left_is_the_most_that_the_budget_holds_however_strong_the_penalty(run, words, strength):
    """Whether all closed in an epoch or nothing ever did: one gate more would cost too much."""
    wanted = budget(words)
    price = {"MACs": macs, "parameters": parameters, "operations": macs_and_elements}[wanted.unit]
    finished = searched(run, budget=wanted, penalty=Penalty(strength), plan=replace(PLAN, epochs=4))
    spent, _, whole = macs_of(finished.last, price)
    channels, shut = channels_of(net(), torch.zeros(1, *SAMPLE)), closed(finished.last)
    dearest = max(float(x.max()) for x in saved(channels, price).inputs.values())
    assert wanted.limit(whole) - dearest < spent <= wanted.limit(whole)
    assert all(bool((~x).any()) for x in shut.inputs.values())  # of either layer, or there were no answer
    assert all(bool((x.gate >= 0).all()) for x in gates_of(finished.last).values())


def test_what_closed_last_opens_first_and_the_smallest_closes_first():
    """By hand: the budget holds three gates of the head, whatever else there is."""
    model = BUILD()
    channels = channels_of(net(), torch.zeros(1, *SAMPLE))
    hidden, head = gates_of(model)
    values = {hidden: torch.ones(6), head: torch.tensor([0.0, 0.5, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0])}
    lasted = {hidden: torch.full((6,), 9.0), head: torch.tensor([1.0, 9.0, 3.0, 8.0, 9.0, 2.0, 8.0, 0.0, 0.0, 0.0])}
    by = partial(fitting, model, channels, least=smallest(channels, ["hidden", "head"], []))

    def price(part, inputs, _outputs):
        return inputs if part.name == "head" else 0

    def opened(values, gates_of_head):
        count = partial(cost, channels, price)
        return by(values, lasted, Measure(price, count, count), gates_of_head)

    assert (~opened(values, 4).inputs["head"]).nonzero().flatten().tolist() == [1, 3, 4, 6]
    assert (~opened(values, 3).inputs["head"]).nonzero().flatten().tolist() == [1, 3, 4]
    found = opened(values, 1)
    assert (~found.inputs["head"]).nonzero().flatten().tolist() == [1] and not found.inputs["hidden"].any()
    settle_(model, values, opened(values, 3))
    assert gates_of(model)[head].gate.tolist() == pytest.approx([0, 0.5, 0, 0.3, 0.3, 0, 0, 0, 0, 0])
    assert gates_of(model)[hidden].gate.tolist() == [1.0] * 6


def test_milliseconds_are_those_of_the_removed_network(run, monkeypatch):
    """As if a network took a millisecond for each hundred parameters, and a layer one for each of its outputs."""
    asked = []

    def latency(models, _example, *, batch_sizes, rounds):
        """Whatever else the machine does: it is busy with the whole network as well."""
        assert batch_sizes == (1,) and rounds > 10 and not any(map(gates_of, models.values()))
        sizes = {name: sum(p.numel() for p in model.parameters()) for name, model in models.items()}
        busy = 1 + len(asked) % 3 if len(models) > 1 else 1
        asked.append(sizes.get("found", 0))
        return {name: {"1": {"median": busy * size / 100}} for name, size in sizes.items()}

    monkeypatch.setattr(spending, "latency", latency)
    monkeypatch.setattr(
        spending, "milliseconds_by_layer", lambda _model, channels, _example: dict.fromkeys(channels.layers, 1.0)
    )
    finished = searched(run, budget=budget("3 ms"))
    figures = [record["validation"]["ms"] for record in finished.records]
    assert figures[-1] <= 3 and min(figures[:-1], default=4) > 3 and {round(100 * x) for x in figures} <= {*asked}
    assert 2.5 < sum(p.numel() for p in macs_of(finished.last)[1].parameters()) / 100 <= 3  # what is left of it
    scales = {name.split(".")[0]: gates.scale for name, gates in gates_of(finished.last).items()}
    # a gate of the hidden layer saves its sixth of it and of convolution and norm; one of the head a tenth of both
    assert scales["hidden"].tolist() == [1] * 6 and scales["head"].tolist() == [pytest.approx(2 / 10 / (3 / 6))] * 10


@pytest.mark.parametrize("after", [3, 6, 9, 10])
def test_stopped_anywhere_it_goes_on_to_the_same_bits_and_stops_at_the_same_epoch(tmp_path, after):
    def perform(root):
        with Run("toy:search", root=root, exact=True, device="cpu") as run:
            return searched(run, penalty=Penalty(1.0, momentum=growing))

    straight = perform(tmp_path / "straight")
    with Run("toy:search", root=tmp_path / "broken", exact=True, device="cpu") as run:
        teacher_of(run)
    LEFT[:] = [after]
    with pytest.raises(SystemExit):
        perform(tmp_path / "broken")
    found = perform(tmp_path / "broken")
    assert same(bits(found.last), bits(straight.last)) and len(found.records) == len(straight.records) > 2
    assert [x["validation"] for x in found.records] == [x["validation"] for x in straight.records]


WANTED = {
    "the divergence at T = 2": partial(divergence, temperature=2.0),
    "turned round": reverse_divergence,
    "held": partial(held_divergence, kl0=0.1),
    "labels alone": labels_alone,
    "kd": method("kd"),
    "attention": method("kd + at"),
    "relations": method("rkd"),
}


@pytest.mark.parametrize("wanted", WANTED)
def test_anything_may_stand_in_the_place_of_the_divergence(run, wanted):
    finished = searched(run, wanted=WANTED[wanted], penalty=Penalty(0.3), budget=budget("99 %"))
    spent, _, whole = macs_of(finished.last)
    assert finished.records[-1]["validation"]["MACs"] <= spent <= 0.99 * whole
    assert all(x > 0 for x in finished.records[0]["losses"]["student"].values())


def test_from_scratch_unscaled_with_another_momentum_and_by_a_rule(run):
    """Each is another search, and none of them closes everything."""
    teacher, plan = teacher_of(run), replace(PLAN, epochs=3)
    by = partial(searched, run, teacher=teacher, plan=plan, wanted=method("kd"))
    ends = [
        by(penalty=Penalty(0.3)),
        by(penalty=Penalty(0.3), start=False),
        by(penalty=Penalty(0.3, scaling=all_alike)),
        by(penalty=Penalty(0.3, momentum=partial(steady, momentum=0.0))),
        by(penalty=Penalty(0.3), rule=pcgrad(Given())),
    ]
    assert len({finished.key for finished in ends}) == len(ends)
    gates = [torch.cat([x.gate for x in gates_of(finished.last).values()]) for finished in ends]
    assert not any(torch.equal(x, y) for x, y in combinations(gates, 2))
    assert all((x.scale == 1).all() for x in gates_of(ends[2].last).values())


def test_only_the_chosen_layers_have_gates(run):
    build = partial(gated, net, sample=SAMPLE, layers=("hidden",))
    finished = searched(run, build=build, budget=budget("80 %"))
    assert list(closed(finished.last).inputs) == ["hidden"] and finished.records[-1]["validation"][OPEN] < 6


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"budget": budget("6 kMACs")}, "A search ends below what the whole network costs, 2.234k MACs; the budget is 6k"),
    ({"budget": budget("9 MACs")}, "of 9 MACs cannot be reached by gates on hidden, head; the least that is left is"),
    ({"build": net}, "Sequential has no gates to search with: build it by compress.gates.gated"),
    ({"build": in_half_with_its_gates}, "gates of Sequential are in bfloat16, which knows no steps as small as theirs"),
    ({"build": partial(gated, partial(net, 7), sample=SAMPLE)}, "'conv.weight' differs; build both alike"),
    ({"wanted": partial(held_divergence, kl0=-1.0)}, "from 0 to 1e\\+18; got -1.0"),
])  # fmt: skip
def test_what_cannot_be_searched_for_is_refused_in_a_sentence(run, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        searched(run, **settings)


@pytest.mark.parametrize("strength", [0.0, -1.0, float("nan")])
def test_a_penalty_without_strength_closes_nothing(strength):
    with pytest.raises(ValueError, match=f"has a strength above 0, or none ever closes; got {strength}"):
        Penalty(strength)


class Branching(nn.Module):
    """One of two layers runs, whichever the weights before it decide on."""

    def __init__(self):
        super().__init__()
        self.read, self.one, self.other, self.head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 5)
        nn.init.zeros_(self.read.bias)

    def forward(self, x):
        y = self.read(x.flatten(1)[:, :6])
        return self.head(torch.relu(self.one(y) if y.mean() > 1 else self.other(y)))


def test_a_network_whose_values_decide_which_layers_run_is_refused_in_a_sentence():
    model = Branching()
    gate_(model, channels_of(model, torch.zeros(1, *SAMPLE)))
    nn.init.constant_(model.read.bias, 2.0)
    with pytest.raises(
        ValueError, match=r"Branching runs 'other' for some values alone, .*decision out of its forward"
    ):
        Ledger(model, budget("half"), LESSON)


def test_gates_already_there_are_refused_before_a_search():
    with pytest.raises(ValueError, match="has gates already"):
        gate_(BUILD(), channels_of(net(), torch.zeros(1, *SAMPLE)))


def test_the_least_that_is_left_can_be_made():
    """The sentence above names it; so it is a network that answers, of one channel a layer."""
    model = net()
    channels = channels_of(model, torch.zeros(1, *SAMPLE))
    least = smallest(channels, ["hidden", "head"], [])
    removed = without(model, channels, least)
    assert removed(torch.rand(2, *SAMPLE)).shape == (2, 5)
    assert [removed.conv.out_channels, removed.hidden.out_features] == [1, 1] and cost(channels, macs, least) == 333


@pytest.mark.parametrize(("text", "found"), [
    ("90 MMACs", Budget(9e7, "MACs")), ("90M MACs", Budget(9e7, "MACs")), ("3e8 macs", Budget(3e8, "MACs")),
    ("0.8M parameters", Budget(8e5, "parameters")), ("90M operations", Budget(9e7, "operations")),
    ("5 ms", Budget(5.0, "ms")), (".5ms", Budget(0.5, "ms")), ("25 %", Budget(0.25, "MACs", True)),
    ("a quarter", Budget(0.25, "MACs", True)), ("half of the parameters", Budget(0.5, "parameters", True)),
    ("30% of operations", Budget(0.3, "operations", True)),
])  # fmt: skip
def test_budgets_in_words(text, found):
    assert budget(text) == replace(found, amount=pytest.approx(found.amount))
    assert budget(str(found)) == replace(found, amount=pytest.approx(found.amount))


@pytest.mark.parametrize(
    "text", ["1234567 parameters", "0.123456 ms", "1e20 MACs", "0.00001 ms", "12.3456789 %", "third"]
)
def test_a_budget_in_full_is_the_same_budget(text):
    """A search whose budget were rounded would end above it."""
    wanted = budget(text)
    again = budget(wanted.in_full)
    assert again.amount == pytest.approx(wanted.amount, rel=1e-15) and again.unit == wanted.unit
    assert budget("90 MMACs").in_full == "90M MACs"


@pytest.mark.parametrize(
    "text", ["", "90", "90M", "small", "ms", "5 GB", "-3 ms", "nan ms", "5 ms quarter", "half 3 ms"]
)
def test_what_is_no_budget_is_answered_by_how_one_is_said(text):
    with pytest.raises(ValueError, match="A budget is said as in '90 MMACs'"):
        budget(text)


@pytest.mark.parametrize("text", ["0 ms", "0 %", "100 %", "1e400 MACs"])
def test_a_budget_is_more_than_nothing_and_a_share_less_than_all(text):
    with pytest.raises(ValueError, match="more than 0, and a share of what there is less than all of it; got"):
        budget(text)


def test_amounts_in_words():
    assert [in_words(x, "MACs") for x in (0.5, 999, 1e3, 1.5e9)] == ["0.5 MACs", "999 MACs", "1k MACs", "1.5G MACs"]


def test_labels_do_not_count_where_there_are_none(run):
    plan = replace(PLAN, lesson=replace(LESSON, train=LESSON.train.unlabelled()))
    finished = searched(run, plan=plan)
    assert list(finished.records[0]["losses"]["student"]) == ["soft"]
