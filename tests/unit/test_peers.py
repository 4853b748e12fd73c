"""Networks that learn together in one stage: each is kept for itself, and nothing of it is lost on the way."""

import json
import os
import signal
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

import tutelage
from examples import SGD, bits, label, same, vectors
from tutelage.learner import Learner
from tutelage.objective import Objective, Term
from tutelage.run import Run

pytestmark = pytest.mark.slow

EPOCHS = 3
SIGNALS: list[tuple[int, int]] = []  # epoch and batch before which one comes, once


def net(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, 5))


def batches(epoch, first):
    for at, batch in enumerate(vectors(5, seed=epoch)[first:], start=first):
        if (epoch, at) in SIGNALS and at > 0:  # the rehearsal asks for the first batch too
            SIGNALS.remove((epoch, at))
            os.kill(os.getpid(), signal.SIGTERM)
        yield batch


def learners(models):
    peers = {me: next(other for other in models if other != me) for me in models}
    return {
        me: Learner(model, Objective(label=label(), peer=Term(mse_loss, "student.output", f"{peers[me]}.output")), SGD)
        for me, model in models.items()
    }


def mutual(stage, models, *, better="lower", figures=None):
    figures = figures or {}
    validate = {me: partial(figure, stage, me, figures[me]) for me in models if me in figures}
    stage.train(learners(models), batches, EPOCHS, model=models, validate=validate, better=better)


def figure(stage, me, values):
    return {"figure": values[len(stage.records[me])]}


PAIR = {"a": partial(net, 6), "b": partial(net, 9)}
BOTH = partial(mutual, figures={"a": [3, 1, 2], "b": [3, 2, 1]})


def opened(root, recipe="toy:mutual"):
    return Run(recipe, root=root, exact=True, device="cpu")


def lines_of(run):
    return [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]


def no_clock(records):
    return [{name: x for name, x in record.items() if name != "seconds"} for record in records]


def test_peers_learn_what_a_bare_training_of_both_learns_built_in_turn_under_one_seed(tmp_path):
    with opened(tmp_path) as run:
        peers = run.peers("mutual", PAIR, mutual, seed=3)
    torch.manual_seed(3)
    models = {name: build() for name, build in PAIR.items()}
    list(tutelage.train(learners(models), batches, EPOCHS))
    assert list(peers) == ["a", "b"]
    assert all(same(bits(peers[name].last), bits(model)) for name, model in models.items())


def test_each_has_its_own_lines_best_epoch_and_key(tmp_path):
    with opened(tmp_path) as run:
        peers = run.peers("mutual", PAIR, BOTH)
        one = run.stage("one", PAIR["a"], fit_alone)
    lines = lines_of(run)
    assert [(x["stage"], x["epoch"]) for x in lines[:4]] == [
        ("mutual: a", 1), ("mutual: b", 1), ("mutual: a", 2), ("mutual: b", 2),
    ]  # fmt: skip
    for name, best in (("a", 2), ("b", 3)):
        peer = peers[name]
        assert peer.name == f"mutual: {name}" and peer.best_epoch == best and len(peer.records) == EPOCHS
        assert all(record["losses"].keys() == record["weights"].keys() == {name} for record in peer.records)
        assert [record for record in lines if record["stage"] == peer.name] == peer.records
        assert same(bits(peer.best), bits(peer.last)) == (best == EPOCHS)
    assert peers["a"].key.removesuffix("/a") == peers["b"].key.removesuffix("/b") != one.key
    noted = json.loads((run.folder / "stages.json").read_text())
    assert [(stage["name"], stage["epochs"], stage["kind"]) for stage in noted] == [
        ("mutual", EPOCHS, "trained"), ("one", EPOCHS, "trained"),
    ]  # fmt: skip
    assert noted[0]["seconds"] == round(peers["a"].seconds, 1)


def fit_alone(stage, model):
    stage.train({"student": Learner(model, Objective(label=label()), SGD)}, batches, EPOCHS, model=model)


@pytest.mark.parametrize("place", [(0, 1), (0, 4), (1, 2), (2, 4)])
def test_stopped_and_started_again_both_end_in_the_same_bits(tmp_path, place):
    with opened(tmp_path / "straight") as run:
        expected = run.peers("mutual", PAIR, BOTH)
    straight = lines_of(run)
    SIGNALS.append(place)
    with pytest.raises(SystemExit), opened(tmp_path / "broken") as run:
        run.peers("mutual", PAIR, BOTH)
    with opened(tmp_path / "broken") as run:
        peers = run.peers("mutual", PAIR, BOTH)
    for name, peer in peers.items():
        assert same(bits(peer.last), bits(expected[name].last)) and same(bits(peer.best), bits(expected[name].best))
        assert no_clock(peer.records) == no_clock(expected[name].records)
    assert no_clock(lines_of(run)) == no_clock(straight)


def test_they_are_trained_once_and_loaded_under_any_name(tmp_path):
    with opened(tmp_path) as run:
        first = run.peers("mutual", PAIR, BOTH)
        run.deliver(first["b"].last)
    with opened(tmp_path, "toy:again") as again:
        second = again.peers("both", PAIR, BOTH)
    for name in PAIR:
        assert first[name].key == second[name].key and second[name].name == f"both: {name}"
        assert same(bits(first[name].last), bits(second[name].last))
        assert (
            same(bits(first[name].best), bits(second[name].best)) and first[name].best_epoch == second[name].best_epoch
        )
    assert [line["stage"] for line in lines_of(again)] == ["both: a", "both: b"] * EPOCHS
    assert same(bits(tutelage.load(run.folder, allow=[__name__])), bits(first["b"].last))


def test_who_takes_part_and_in_which_order_makes_another_stage(tmp_path):
    with opened(tmp_path) as run:
        keys = [
            run.peers("mutual", builds, mutual, seed=seed)["a"].key
            for builds, seed in (
                (PAIR, 0),
                (dict(reversed(PAIR.items())), 0),
                ({**PAIR, "b": partial(net, 10)}, 0),
                (PAIR, 1),
            )
        ]
    assert len({*keys}) == 4


def distilled(stage, model, *, teacher):
    model[0].weight.data.add_(teacher[-1].weight.mean())
    fit_alone(stage, model)


def test_what_builds_on_a_peer_names_the_stage_and_depends_on_which_peer_it_is(tmp_path):
    with opened(tmp_path) as run:
        peers = run.peers("mutual", PAIR, BOTH)
        keys = [
            run.stage("student", partial(net, 3), partial(distilled, teacher=teacher)).key
            for teacher in (peers["a"].last, peers["a"].best, peers["b"].last)
        ]
    noted = json.loads((run.folder / "stages.json").read_text())
    assert len({*keys}) == 3 and [stage["uses"] for stage in noted] == [[], ["mutual"], ["mutual"], ["mutual"]]


def only_one(stage, models):
    stage.train(learners(models), batches, 1, model=models["a"])


def one_forgotten(stage, models):
    stage.train(learners(models), batches, 1, model={"a": models["a"]})


def stranger(stage, models):
    stage.train(learners(models), batches, 1, model=models, validate={"c": dict})


def not_several(stage, model):
    stage.train({"student": Learner(model, Objective(label=label()), SGD)}, batches, 1, model={"a": model})


def test_what_does_not_fit_the_peers_is_refused_before_anything_is_trained(tmp_path):
    with opened(tmp_path) as run:
        for fit in (only_one, one_forgotten):
            with pytest.raises(ValueError, match=r"trains the models \['a', 'b'\] by their names"):
                run.peers("mutual", PAIR, fit)
        with pytest.raises(ValueError, match=r"has no network \['c'\] to validate"):
            run.peers("mutual", PAIR, stranger)
        with pytest.raises(ValueError, match="trains one model"):
            run.stage("one", PAIR["a"], not_several)
        for builds in ({}, {"": PAIR["a"]}, {"../a": PAIR["a"]}, {"a b": PAIR["a"]}):
            with pytest.raises(ValueError, match="Peers have names such as 'a'"):
                run.peers("mutual", builds, mutual)
    assert lines_of(run) == [] and not list(tmp_path.rglob("*.safetensors"))
