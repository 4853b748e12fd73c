"""A stage logs, validates, saves and goes on; whatever happens to it, no work is lost and nothing is left behind."""

import json
import math
import os
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from examples import SGD, bits, label, mlp, same, vectors
from tutelage.checkpoint import load_state, save_state
from tutelage.learner import Learner
from tutelage.objective import Objective
from tutelage.progress import Silence
from tutelage.stages import stage as stages
from tutelage.stages.locks import locked
from tutelage.stages.stage import Stage
from tutelage.stages.storage import ONLY, finished


def stage_in(folder, save_every=1e9, name="student"):
    folder.mkdir(exist_ok=True)
    lines = []
    return Stage(name, folder, Silence(), lines.append, save_every=save_every), lines


def source(epoch, first):
    return vectors(5, seed=epoch)[first:]


def taught(stage, model, validate=None, batches=source, epochs=3, **settings):
    learner = Learner(model, Objective(label=label()), SGD)
    stage.train({"student": learner}, batches, epochs, model=model, validate=validate, **settings)


def sending(number, epoch_of_signal, place):
    """Batches that send a signal to this process before batch ``place`` of an epoch."""
    left, calls = [number], []

    def batches(epoch, first):
        calls.append(epoch)
        for at, batch in enumerate(source(epoch, first), start=first):
            if (epoch, at) == (epoch_of_signal, place) and left and len(calls) > 1:  # the first call is the rehearsal
                os.kill(os.getpid(), left.pop())
            yield batch

    return batches


def no_clock(records):
    return [{name: x for name, x in record.items() if name != "seconds"} for record in records]


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("epoch", range(3))
@pytest.mark.parametrize(("number", "raised"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)])
def test_stopped_at_any_step_it_goes_on_to_the_same_bits(tmp_path, number, raised, epoch, place):
    before = signal.getsignal(number)
    model, straight = mlp(), mlp()
    stage, _ = stage_in(tmp_path / "a")
    with pytest.raises(raised) as stopped:
        taught(stage, model, batches=sending(number, epoch, place), accumulate=2)
    assert number != signal.SIGTERM or stopped.value.code == 143
    assert signal.getsignal(number) is before and not any(m._forward_hooks for m in model.modules())
    stage, lines = stage_in(tmp_path / "a")
    model = mlp(seed=9)  # whatever it begins with, the checkpoint knows better
    taught(stage, model, accumulate=2)
    whole, expected = stage_in(tmp_path / "b")
    taught(whole, straight, accumulate=2)
    assert same(bits(model), bits(straight)) and no_clock(lines) == no_clock(expected) == no_clock(stage.records[ONLY])


def test_asked_in_the_very_last_moment_it_still_stops(tmp_path, monkeypatch):
    stage, _ = stage_in(tmp_path)
    close = stage._close

    def ask_after(epoch, *rest):
        close(epoch, *rest)
        if epoch.number == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(stage, "_close", ask_after)
    with pytest.raises(SystemExit):
        taught(stage, mlp())
    again, lines = stage_in(tmp_path)
    taught(again, mlp(seed=4), batches=lambda *_: vectors(1) if not _[0] else pytest.fail("nothing is left to train"))
    assert len(lines) == 3


def test_a_second_signal_is_obeyed_at_once(tmp_path):
    stage, _ = stage_in(tmp_path)
    stepped = []

    def impatient(epoch, first):
        for batch in source(epoch, first):
            if epoch == 1:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
                stepped.append(1)
            yield batch

    with pytest.raises(KeyboardInterrupt):
        taught(stage, mlp(), batches=impatient)
    assert stepped == [] and not stage.checkpoint.exists()


def test_outside_the_main_thread_nobody_asks_and_it_trains(tmp_path):
    model, expected, errors = mlp(), mlp(), []

    def work():
        try:
            taught(stage_in(tmp_path / "a")[0], model)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    taught(stage_in(tmp_path / "b")[0], expected)
    assert errors == [] and same(bits(model), bits(expected))


class Loader:
    """Neither a list nor a function: it can only be begun."""

    def __iter__(self):
        return iter(vectors(5))


def test_a_plain_loader_is_saved_between_epochs_only_and_goes_on_from_there(tmp_path):
    stage, _ = stage_in(tmp_path, save_every=0.0)

    def validate():
        if len(stage.records[ONLY]) == 1:
            raise RuntimeError("power cut")
        return {"errors": 1}

    with pytest.raises(RuntimeError, match="power cut"):
        taught(stage, mlp(), validate, Loader())
    assert load_state(stage.checkpoint)["training"]["position"] == {"epoch": 1, "step": 5, "batch": 0}
    model, straight = mlp(seed=3), mlp()
    again, lines = stage_in(tmp_path)
    taught(again, model, lambda: {"errors": 1}, Loader())
    taught(stage_in(tmp_path / "b")[0], straight, lambda: {"errors": 1}, Loader())
    assert same(bits(model), bits(straight)) and [line["epoch"] for line in lines] == [1, 2, 3]


@pytest.mark.parametrize(
    ("better", "figures", "best"),
    [
        ("lower", [5, 3, 3], 2),
        ("higher", [0.5, 0.9, 0.9], 2),
        ("higher", [-1.0, -2.0, -1.0], 1),
        ("lower", [math.nan, 2.0, math.nan], 2),
        ("higher", [math.nan, math.inf, 2.0], 2),
        ("lower", [math.inf, math.nan, 7.0], 3),
        ("higher", [-math.inf, math.nan, math.nan], 1),
    ],
)
def test_the_best_epoch_is_the_first_with_the_best_figure_and_its_weights_are_kept(tmp_path, better, figures, best):
    left, kept, model = iter(figures), [], mlp()
    stage, lines = stage_in(tmp_path)

    def validate():
        kept.append(bits(model))
        return {"figure": next(left), "loss": 0.1}

    taught(stage, model, validate, better=better)
    stage.finish({ONLY: model}, "made so")
    done = finished(tmp_path, "student", {ONLY: mlp})[ONLY]
    assert done.best_epoch == best and same(bits(done.best), kept[best - 1]) and same(bits(done.last), kept[2])
    assert max(line["epoch"] for line in lines if line["best"]) == best
    assert json.dumps(no_clock(done.records)) == json.dumps(no_clock(lines))  # nan is not equal to itself
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "SHA256SUMS",
        "best.safetensors",
        "last.safetensors",
        "stage.json",
    ]


def test_where_no_figure_is_a_number_no_epoch_is_best(tmp_path):
    stage, lines = stage_in(tmp_path)
    model = mlp()
    taught(stage, model, lambda: {"loss": math.nan})
    stage.finish({ONLY: model}, "made so")
    done = finished(tmp_path, "student", {ONLY: mlp})[ONLY]
    assert done.best_epoch is None and done.best is done.last and not any(line["best"] for line in lines)


def test_whether_lower_or_higher_is_better_is_said_in_these_words(tmp_path):
    with pytest.raises(ValueError, match="better 'lower' or 'higher'; got 'up'"):
        taught(stage_in(tmp_path)[0], mlp(), lambda: {"F1": 0.5}, better="up")


def test_a_figure_that_is_no_number_at_all_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="'scores' is a dict"):
        taught(stage_in(tmp_path)[0], mlp(), lambda: {"scores": {"F1": 0.5}})


@pytest.mark.parametrize("number", [torch.tensor(3), np.float32(3), np.int64(3), 3, 3.0])
def test_figures_of_any_kind_are_logged_as_plain_numbers(tmp_path, number):
    stage, lines = stage_in(tmp_path, save_every=0.0)
    taught(stage, mlp(), lambda: {"errors": number})
    assert [json.loads(json.dumps(line))["validation"]["errors"] for line in lines] == [3, 3, 3]


def test_a_failing_validation_loses_nothing_that_was_saved(tmp_path):
    def validate():
        raise ZeroDivisionError

    stage, _ = stage_in(tmp_path, save_every=0.0)
    model = mlp()
    with pytest.raises(ZeroDivisionError):
        taught(stage, model, validate)
    assert load_state(stage.checkpoint)["training"]["position"]["step"] == 5
    assert not any(m._forward_hooks for m in model.modules())


def test_a_disk_that_is_full_leaves_the_checkpoint_from_before(tmp_path, monkeypatch):
    stage, _ = stage_in(tmp_path, save_every=0.0)
    saved = []

    def fills(path, state):
        saved.append(1)
        if len(saved) > 3:
            raise OSError("The disk is full")
        save_state(path, state)

    monkeypatch.setattr(stages, "save_state", fills)
    with pytest.raises(OSError, match="The disk is full"):
        taught(stage, mlp())
    assert load_state(stage.checkpoint)["training"]["position"]["step"] == 3


@pytest.mark.parametrize("other", ["architecture", "optimizer", "file"])
def test_a_checkpoint_of_another_training_is_refused_by_name_and_kept(tmp_path, other):
    stage, _ = stage_in(tmp_path, save_every=0.0)
    taught(stage, mlp(8))
    if other == "file":
        save_state(stage.checkpoint, {"epoch": 1, "weights": {}})
    again, _ = stage_in(tmp_path, name="other")
    named = {"student": Learner(mlp(9 if other == "architecture" else 8), Objective(label=label()), SGD)}
    if other == "optimizer":
        named["student"].trains = lambda name: ".0." in name
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors is of another training than stage 'other'"):
        again.train(named, source, 3, model=named["student"].student)
    assert again.checkpoint.exists()


def test_a_damaged_checkpoint_is_refused_by_name(tmp_path):
    stage, _ = stage_in(tmp_path, save_every=0.0)
    taught(stage, mlp())
    stage.checkpoint.write_bytes(stage.checkpoint.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors is damaged or cut short"):
        taught(stage_in(tmp_path)[0], mlp())


def test_a_stage_trains_once(tmp_path):
    stage, _ = stage_in(tmp_path)
    taught(stage, mlp())
    with pytest.raises(ValueError, match="'student' trains once"):
        taught(stage, mlp())


def test_a_loss_that_is_not_finite_leaves_the_last_good_checkpoint(tmp_path):
    stage, _ = stage_in(tmp_path, save_every=0.0)

    def sour(epoch, first):
        return (
            {**batch, "input": batch["input"] * (float("nan") if epoch == 1 else 1)} for batch in source(epoch, first)
        )

    with pytest.raises(
        FloatingPointError, match="Loss 'label' of learner 'student' was not finite in epoch 2, batch 1"
    ):
        taught(stage, mlp(), batches=sour)
    state = load_state(stage.checkpoint)
    assert state["training"]["position"]["step"] == 5
    assert all(x.isfinite().all() for x in state["training"]["learners"]["student"]["owned"].values())


def test_a_lock_is_held_by_one_and_names_its_holder(tmp_path):
    told = []

    def busy(pid):
        told.append(pid)
        raise BlockingIOError

    with locked(tmp_path / "new" / "lock", busy):
        with pytest.raises(BlockingIOError), locked(tmp_path / "new" / "lock", busy):
            pass
        assert told == [str(os.getpid())]
    with locked(Path(tmp_path / "new" / "lock"), busy):
        assert len(told) == 1


def test_a_lock_whose_folder_was_taken_away_meanwhile_is_taken_again(tmp_path):
    path = tmp_path / "folder" / "lock"
    waiting, holder = threading.Event(), []

    def wait():
        with locked(path, lambda _pid: waiting.set()):
            holder.append(path.read_text())

    with locked(path, pytest.fail):
        thread = threading.Thread(target=wait)
        thread.start()
        assert waiting.wait(10)
        path.unlink()
        path.parent.rmdir()
    thread.join()
    assert holder == [str(os.getpid())]


def test_validation_answers_in_the_precision_of_the_training(tmp_path):
    model, seen = mlp(), []

    def validate():
        seen.append(model(torch.ones(2, 8)).dtype)
        return {"errors": 1}

    folder = tmp_path / "stage"
    folder.mkdir()
    for precision in (torch.float32, torch.bfloat16):
        stage = Stage("student", folder, Silence(), lambda _record: None, precision)
        taught(stage, model, validate, epochs=1)
    assert seen == [torch.float32, torch.bfloat16]


@pytest.mark.parametrize(("epochs", "looks", "looked_at"), [(3, None, [1, 2, 3]), (7, 7, [1, 2, 3, 4, 5, 6, 7]),
    (7, 3, [3, 5, 7]), (8, 4, [2, 4, 6, 8]), (5, 1, [5])])  # fmt: skip
def test_of_many_epochs_so_many_are_looked_at_evenly_spread_and_the_last(tmp_path, epochs, looks, looked_at):
    stage, lines = stage_in(tmp_path)
    taught(stage, mlp(), lambda: {"cost": 1}, epochs=epochs, looks=looks)
    assert [line["epoch"] for line in lines] == list(range(1, epochs + 1))
    assert [line["epoch"] for line in lines if "validation" in line] == looked_at


def falling_to(*figures):
    """A validation that gives these figures in turn, and how many it gave."""
    given = []

    def validate():
        given.append(figures[len(given)])
        return {"cost": given[-1], "other": 0}

    return validate, given


def below(figures):
    return figures["cost"] <= 3


def test_no_epoch_follows_one_whose_figures_are_enough(tmp_path):
    stage, lines = stage_in(tmp_path)
    validate, given = falling_to(5, 3, 1)
    model = mlp()
    taught(stage, model, validate, until=below)
    assert [line["epoch"] for line in lines] == [1, 2] and given == [5, 3]
    assert not any(m._forward_hooks for m in model.modules())
    other = mlp()
    taught(stage_in(tmp_path / "two")[0], other, epochs=2)
    assert same(bits(model), bits(other))  # as SGD has no schedule here, they are the first two of three


@pytest.mark.parametrize(("epoch", "place"), [(0, 2), (1, 0), (1, 4)])
def test_a_training_that_goes_on_ends_where_it_would_have_ended(tmp_path, epoch, place):
    validate, given = falling_to(5, 3, 1)
    model, straight = mlp(), mlp()
    with pytest.raises(SystemExit):
        taught(stage_in(tmp_path / "a")[0], model, validate, sending(signal.SIGTERM, epoch, place), until=below)
    stage, lines = stage_in(tmp_path / "a")
    taught(stage, model := mlp(seed=9), validate, until=below)
    taught(stage_in(tmp_path / "b")[0], straight, falling_to(5, 3, 1)[0], until=below)
    assert same(bits(model), bits(straight)) and len(lines) == 2
    assert given == [5, 3]  # what was measured is not measured again


def test_stopped_after_the_epoch_that_was_enough_it_trains_no_more(tmp_path):
    def enough():
        os.kill(os.getpid(), signal.SIGTERM)
        return {"cost": 0}

    model = mlp()
    with pytest.raises(SystemExit):
        taught(stage_in(tmp_path)[0], model, enough, until=below)
    stage, lines = stage_in(tmp_path)
    taught(stage, again := mlp(seed=9), pytest.fail, until=below)
    assert same(bits(again), bits(model)) and len(lines) == 1
