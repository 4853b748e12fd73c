"""Cohorts: what is trained once, what is paired with what, and what their table says."""

import re
from functools import partial

import pytest
import torch
from torch import nn

from examples import bits, same
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digit_sets
from tutelage.delivery import load
from tutelage.models.mlp import mlp
from tutelage.models.seeded import seeded
from tutelage.optimizers.usual import sgd
from tutelage.recipes.cifar100.mutual import PUBLISHED, claim_table
from tutelage.recipes.mnist.mutual import mutual_smoke
from tutelage.results import Network, Score
from tutelage.run import Run
from tutelage.schemes.mutual import from_each, mutual
from tutelage.schemes.plan import Plan
from tutelage.study.experiments import cohorts
from tutelage.study.experiments.cohorts import Member, Taught, cohorts_of, publish_cohorts, refuse_unfit, train_cohorts
from tutelage.study.sets import parted
from tutelage.tasks.classification import ERRORS

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path):
    with Run("toy:cohorts", root=tmp_path, exact=True, device="cpu") as opened:
        yield opened


def data_of(run):
    return parted(run, *digit_sets(), validation=40, most=60)


def members(data, *widths, classes=10):
    plan = Plan(Lesson(data.train, data.validation, batch_size=20, seed=1), partial(sgd, lr=0.1), 2)
    return [Member(f"{width} wide", partial(mlp, (784, width, classes)), plan) for width in widths]


def trained(run, ways=("alternating", "simultaneous", "mean"), seed=1):
    data = data_of(run)
    return data, train_cohorts(run, {"two": members(data, 8, 6), "three": members(data, 8, 8, 8)}, ways, seed)


def test_a_network_starts_from_the_same_weights_whoever_is_built_before_it():
    build = partial(mlp, (784, 5, 10))
    torch.manual_seed(7)
    alone, drawn = build(), torch.get_rng_state()
    again = seeded(build, 7)
    assert same(bits(alone), bits(again)) and torch.equal(torch.get_rng_state(), drawn)
    assert not same(bits(alone), bits(seeded(build, 8)))


def test_peers_that_do_not_listen_are_the_networks_alone(run, monkeypatch):
    """So that every difference to a network alone is what its peers are worth."""
    monkeypatch.setattr(cohorts, "WAYS", {"deaf": partial(mutual, learn=partial(from_each, weight=0.0))})
    _, taught = trained(run, ["deaf"])
    assert len(taught) == 5 and all(same(bits(one.together.last), bits(one.alone.last)) for one in taught)
    assert len({one.alone.name for one in taught}) == 4  # 8 wide in the first place is one network, in both cohorts
    starts = [one.alone.name for one in taught]
    assert starts == ["8 wide alone, 100", "6 wide alone, 101", *(f"8 wide alone, {k}" for k in (100, 101, 102))]


def test_of_two_the_mean_is_left_out_and_alone_refused(run):
    _, taught = trained(run)
    assert [(one.cohort, one.way) for one in taught[::2]][:2] == [("two", "alternating"), ("two", "simultaneous")]
    assert ("two", "mean") not in {(one.cohort, one.way) for one in taught} and len(taught) == 2 * 2 + 3 * 3
    with pytest.raises(ValueError, match="--ways mean wants a cohort of three networks or more"):
        train_cohorts(run, {"two": members(data_of(run), 8, 6)}, ["mean"], 1)


def test_the_tables_say_what_each_gains_and_the_first_peer_is_delivered(run):
    data, taught = trained(run, ["alternating"])
    networks = publish_cohorts(run, data, taught, ERRORS, "pictures")
    each, whole = run._results.tables
    assert [row[0] for row in each.rows] == [one.together.name for one in taught]
    for row, one in zip(each.rows, taught, strict=True):
        alone, together = (networks[x.name].scores["errors"].value for x in (one.alone, one.together))
        assert row[1:4] == (alone, together, alone - together)
    assert [row[:3] for row in whole.rows] == [("two", "alternating", 2), ("three", "alternating", 3)]
    assert whole.rows[0][3] == pytest.approx(sum(row[3] for row in each.rows[:2]) / 2)
    assert {networks[one.together.name].role for one in taught} == {"student"}
    assert same(bits(load(run.folder)), bits(taught[0].together.last))
    assert each.columns[:4] == ("peer", "alone", "errors", "gain") and each.rows[0][-1] == "8 wide"
    assert "taught by each other" in run._results.headline and run._results.headline.count("errors") == 1


@pytest.mark.parametrize(
    ("ways", "losses"),
    [
        (["alternating", "simultaneous"], {"soft_targets"}),
        (["mean"], {"averaged_targets"}),
        (["alternating", "mean"], {"soft_targets", "averaged_targets"}),
    ],
)
def test_a_report_cites_the_losses_of_the_ways_that_were_gone(run, ways, losses):
    data, taught = trained(run, ways)
    publish_cohorts(run, data, taught, ERRORS, "pictures")
    cited = {f"tutelage.losses.kd:{loss}" for loss in losses} | {"tutelage.schemes.mutual:mutual"}
    assert {*run._results.methods} == cited


@pytest.mark.parametrize("text", ["resnet8", "", "+", "resnet8+", "resnet8++resnet8", "+".join(["resnet8"] * 27)])
def test_a_cohort_is_two_networks_or_more(text):
    for such in ("resnet14+resnet8", "800+300"):  # of the recipe's own kind
        words = f"two networks or more, 26 at most, such as {re.escape(such)}; got --cohorts"
        with pytest.raises(ValueError, match=words):
            cohorts_of([text], such_as=such)


def test_a_cohort_is_the_same_however_it_is_spaced():
    assert cohorts_of(["resnet14 + resnet8"], "a+b") == {"resnet14+resnet8": ["resnet14", "resnet8"]}
    with pytest.raises(ValueError, match=r"--cohorts takes each value once; got 16\+16 twice"):
        cohorts_of(["16+16", "16 + 16"], "a+b")


@pytest.mark.parametrize("cohorts", [("16",), ("16+16", " 16 +16"), ("16+016",), ("16+0",)])
def test_the_recipe_of_nets_refuses_cohorts_by_names_of_its_own_kind(run, tmp_path, cohorts):
    words = r"such as 800\+300; got|got 16\+16 twice|a number from 1 to 100000; '0"
    with pytest.raises(ValueError, match=words):
        mutual_smoke(run, cohorts=cohorts)
    assert not (tmp_path / "stages").exists()


def test_networks_of_other_classes_are_refused_before_anything_is_trained(run):
    data = data_of(run)
    with pytest.raises(ValueError, match="There are 10 classes; 6 wide answers with 4"):
        refuse_unfit(run, data, {"two": [*members(data, 8), *members(data, 6, classes=4)]})


class Noted:
    """A run that keeps what is claimed."""

    def __init__(self):
        self.claims = []

    def claim(self, claim):
        self.claims.append(claim)


class Named(nn.Module):
    def __init__(self, name):
        super().__init__()
        self.name = name


def claimed(cohort, sizes, way="alternating"):
    taught, networks = [], {}
    for letter, name, size in zip("abc", cohort.split("+"), sizes, strict=False):
        one = Taught(cohort, way, name, Named(f"{cohort}: {letter}"), Named(f"{name} alone, {letter}"))
        taught.append(one)
        for finished, value in ((one.together, 71.0), (one.alone, 70.0)):
            scores = {"accuracy": Score(value, (value - 1, value + 1))}
            networks[finished.name] = Network(finished.name, "student", "", 100, scores, parameters=size)
    run = Noted()
    claim_table(run, taught, networks, "only all of it decides", "")
    return run.claims


def test_published_pairs_are_claimed_as_published():
    claims = claimed("wrn_28_10+resnet32", [36, 1])
    assert [(claim.published, claim.unit, claim.paired) for claim in claims] == [
        (78.96, "%", False), (0.27, "points", True), (70.73, "%", False), (1.74, "points", True),
    ]  # fmt: skip
    assert all(claim.measured in (71.0, 1.0) for claim in claims)
    assert [bool(claim.reason) for claim in claims] == [True, False, True, False]


@pytest.mark.parametrize(
    ("cohort", "sizes", "gains"),
    [("resnet8+resnet8", [1, 1], [2.2, 1.76]), ("resnet14+resnet8", [2, 1], [0.27, 1.74]),
     ("resnet8+resnet14", [1, 2], [1.74, 0.27])],
)  # fmt: skip
def test_other_pairs_stand_for_the_nearest_in_their_direction_alone(cohort, sizes, gains):
    claims = claimed(cohort, sizes)
    assert [claim.published for claim in claims] == gains and all(claim.paired and claim.note for claim in claims)
    assert cohort not in PUBLISHED


def test_nothing_is_claimed_of_larger_cohorts_or_other_turns():
    assert claimed("resnet8+resnet8+resnet8", [1, 1, 1]) == claimed("resnet8+resnet8", [1, 1], "simultaneous") == []
