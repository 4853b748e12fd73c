"""A run's folder holds what was asked, what was done and what came out; it is nobody else's meanwhile."""

import json
import multiprocessing
import os
import signal
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import tutelage
from examples import SGD, bits, label, mlp, same, vectors
from tutelage.checkpoint import bytes_of_weights, save_weights
from tutelage.folders import departures
from tutelage.keys import MOVED, called
from tutelage.learner import Learner
from tutelage.objective import Objective
from tutelage.results import Arguments, Claim, Metric, Network, Results, Score, StageRecord, Table
from tutelage.run import Run
from tutelage.trust import stored

QUICK = Arguments("toy:one", "quick", command="", arguments={"seed": 0}, defaults={"seed": 0})


def net(width: int = 8) -> nn.Sequential:
    return mlp(width)


def fit(stage, model, *, epochs=2, fails=False, start=None):
    if start is not None:
        model.load_state_dict(start.state_dict())
    if fails:
        raise ValueError("no data")
    stage.train({"student": Learner(model, Objective(label=label()), SGD)}, vectors(), epochs, model=model)


def idle(stage, model):
    pass


def made(root, **settings):
    return Run(QUICK, root=root, exact=True, device="cpu", **settings)


def test_everything_is_in_the_folder_and_the_student_comes_back_ready(tmp_path):
    with made(tmp_path) as run:
        done = run.stage("student", net, fit)
        run.deliver(done.last, classes=("a", "b"))
        run.claim(Claim("errors", published=1, measured=2, unit="errors", high=3, source="nobody"))
        run.publish(headline="done")
    names = {"arguments.json", "environment.json", "lock", "log.jsonl", "results.json", "stages.json", "SHA256SUMS"}
    assert {file.name for file in run.folder.iterdir()} == names | {"student.json", "student.safetensors"}
    student = tutelage.load(str(run.folder), allow=[__name__])
    assert same(bits(student), bits(done.last)) and not student.training
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["epoch"], line["step"]) for line in lines] == [("student", 1, 4), ("student", 2, 8)]


def mostly_zero(network: nn.Module) -> nn.Module:
    """One value in a hundred stays."""
    with torch.no_grad():
        for p in network.parameters():
            p.flatten()[torch.arange(p.numel()) % 100 != 0] = 0
    return network


def test_a_student_of_many_zeros_is_kept_in_few_bytes_and_so_is_what_it_was_made_of(tmp_path):
    with made(tmp_path) as run:
        sparse = run.derive("sparse", mostly_zero, of=run.stage("student", partial(net, 900), fit))
        run.deliver(run.derive("sparser", mostly_zero, of=sparse).last)
    plain = bytes_of_weights(sparse.last)
    assert (run.folder / "student.safetensors").stat().st_size < plain / 8
    assert (run.folder / "source.1.safetensors").stat().st_size < plain / 8
    assert (run.folder / "source.safetensors").stat().st_size > plain / 2
    student = tutelage.load(run.folder, allow=["test_run"])
    assert all(torch.equal(x, y) for x, y in zip(student.parameters(), sparse.last.parameters(), strict=True))


def test_numbers_of_any_library_end_up_as_plain_json(tmp_path):
    with made(tmp_path) as run:
        run.claim(Claim("errors", 1, measured=np.int64(2), unit="errors", high=torch.tensor(3.0), source="nobody"))
        run.publish(tables=[Table("numbers", ("a", "b"), ((np.float32(0.5), torch.tensor(3)),))], headline="x")
    results = json.loads((run.folder / "results.json").read_text())
    assert results["tables"][0]["rows"] == [[0.5, 3]] and results["claims"][0]["measured"] == 2


def test_a_stage_is_trained_once_for_all_runs_that_need_it(tmp_path):
    with made(tmp_path) as one:
        first = one.stage("student", net, fit)
    with Run("toy:two", root=tmp_path, exact=True, device="cpu") as two:
        second = two.stage("student again", net, fit)
        other = two.stage("longer", net, partial(fit, epochs=3))
    assert first.key == second.key != other.key and same(bits(first.last), bits(second.last))
    assert [record["stage"] for record in second.records] == ["student again", "student again"]
    assert len(list((tmp_path / "stages").iterdir())) == 2


def hold(root, pipe):
    with made(root):
        pipe.send("held")
        pipe.recv()


def test_a_second_process_is_refused_and_told_who_is_there(tmp_path):
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    process = fork.Process(target=hold, args=(tmp_path, there))
    process.start()
    assert here.recv() == "held"
    with pytest.raises(BlockingIOError, match=f"in use by process {process.pid}"), made(tmp_path):
        pass
    here.send("go")
    process.join()
    with made(tmp_path) as run:
        assert (run.folder / "lock").read_text() == str(os.getpid())


def test_a_folder_of_another_run_is_refused_and_left_alone(tmp_path):
    with made(tmp_path, folder=tmp_path / "mine") as run:
        run.publish(headline="kept")
    before = (run.folder / "results.json").read_bytes()
    settings = {"root": tmp_path, "folder": tmp_path / "mine", "device": "cpu"}
    for other, sentence in (
        (Run(replace(QUICK, recipe="toy:two"), exact=True, **settings), "holds a run of toy:one, not of toy:two"),
        (Run(replace(QUICK, arguments={"seed": 1}), exact=True, **settings), "seed = 0 there and 1 here"),
        (Run(QUICK, exact=False, **settings), "made with --exact"),
    ):
        with pytest.raises(ValueError, match=sentence), other:
            pass
    assert (run.folder / "results.json").read_bytes() == before


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match="cannot be used as a run folder"), made(tmp_path / "file"):
        pass


def test_a_run_that_fails_has_no_results_and_gives_its_lock_back(tmp_path):
    with pytest.raises(ValueError, match="no data"), made(tmp_path) as run:
        run.stage("student", net, partial(fit, fails=True))
    assert not (run.folder / "results.json").exists()
    with pytest.raises(ValueError, match=r"has to call stage\.train"), made(tmp_path) as run:
        run.stage("student", net, idle)


def test_what_cannot_be_delivered_or_loaded_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="comes from elsewhere"), made(tmp_path) as run:
        run.deliver(mlp())
    with pytest.raises(FileNotFoundError, match="no finished student"):
        tutelage.load(tmp_path)
    with made(tmp_path) as run:
        run.deliver(run.stage("student", net, fit).last)
    save_weights(run.folder / "student.safetensors", mlp(9))
    with pytest.raises(ValueError, match="whole, but not the file that belongs here"):
        tutelage.load(run.folder, allow=[__name__])
    (run.folder / "student.safetensors").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match="is a pickle"):
        tutelage.load(run.folder, allow=[__name__])
    (run.folder / "SHA256SUMS").unlink()
    (run.folder / "student.json").write_text('{"build": {"function": "os:system", "arguments": ["exit 1"]}}')
    with pytest.raises(ValueError, match="os:system is not called"):
        tutelage.load(run.folder, allow=[__name__])


def test_results_grow_over_calls_and_are_written_as_their_types_say(tmp_path):
    errors, f1 = Metric("errors"), Metric("F1", better="higher")
    one, two = (Network(name, "student", "small", 100, {"errors": Score(7, (3, 12))}) for name in ("one", "two"))
    with made(tmp_path) as run:
        run.publish(headline="so far", metrics=[errors], networks=[one], classes=("a", "b"), methods=["kd"])
        run.publish(metrics=(errors, f1), networks=(two,), methods=["at", "kd"], data={"blobs": "0f"})
        run.publish(headline="done", tables=[Table("t", ("x",), ((1,),))], data={"held": "1e"})
    assert json.loads((run.folder / "results.json").read_text()) == json.loads(
        json.dumps(
            asdict(
                Results(
                    headline="done",
                    metrics=(errors, f1),
                    networks=(one, two),
                    classes=("a", "b"),
                    tables=(Table("t", ("x",), ((1,),)),),
                    methods=("kd", "at"),
                    data={"blobs": "0f", "held": "1e"},
                )
            )
        )
    )


def test_stages_are_written_as_their_type_says(tmp_path):
    with made(tmp_path) as run:
        first = run.stage("first", net, fit)
        run.stage("second", net, partial(fit, start=first.last))
    stages = [StageRecord(**stage) for stage in json.loads((run.folder / "stages.json").read_text())]
    assert [(stage.name, stage.epochs, stage.uses, stage.kind) for stage in stages] == [
        ("first", 2, [], "trained"), ("second", 2, ["first"], "trained"),
    ]  # fmt: skip


def test_paths_may_be_given_as_text(tmp_path):
    with made(tmp_path / "a") as run:
        key = run.stage("student", net, fit).key
    with Run(QUICK, root=str(tmp_path / "b"), data=str(tmp_path), exact=True, device="cpu") as text:
        assert text.stage("student", net, fit).key == key and text.data == tmp_path
    assert text.folder.name == run.folder.name and (tmp_path / "b" / "stages" / key / "last.safetensors").exists()
    with made(tmp_path, folder=str(tmp_path / "mine")) as mine:
        assert mine.folder == tmp_path / "mine"


def test_it_is_remembered_whether_anybody_wanted_to_know_where_the_data_are(tmp_path):
    with made(tmp_path, data=tmp_path) as run:
        run.stage("student", net, fit)
        assert not run.data_was_read and run.data == tmp_path and run.data_was_read


DEFAULTS = {"seed": 0, "epochs": 3, "teacher.name": "a", "teacher.batch_size": 8, "teachers": [1, 2], "student.lr": 0.1}


@pytest.mark.parametrize(
    ("changed", "free", "flags"),
    [
        ({}, (), []),
        ({"seed": 4}, (), []),
        ({"epochs": 3.0, "teachers": [1, 2]}, (), []),
        ({"epochs": 4}, (), ["--epochs"]),
        ({"teacher.batch_size": 9, "student.lr": 0.2}, (), ["--teacher.batch-size", "--student.lr"]),
        ({"teacher.batch_size": 9, "teachers": [1]}, ["teacher"], ["--teachers"]),
        ({"teacher.batch_size": 9, "teacher.name": "b"}, ["--teacher.batch-size"], ["--teacher.name"]),
        ({"teacher.name": "b", "epochs": 1}, {"teacher", "epochs"}, []),
        ({"unknown": 1}, (), ["--unknown"]),
    ],
)
def test_departures_are_the_flags_that_differ_as_the_command_spells_them(changed, free, flags):
    assert departures({**DEFAULTS, **changed}, DEFAULTS, free) == flags


class Refused(ValueError):
    """What a command line that makes no sense raises."""


def contents(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


@pytest.mark.parametrize("error", [ValueError, Refused])
def test_a_run_that_was_refused_before_anything_was_done_leaves_nothing(tmp_path, error):
    for settings in ({}, {"folder": tmp_path / "deep" / "mine"}):
        with pytest.raises(error), made(tmp_path, **settings) as run:
            assert (run.folder / "arguments.json").exists()
            raise error("The temperature must be above 0.")
        assert contents(tmp_path) == []
    (tmp_path / "mine").mkdir()
    with pytest.raises(error), made(tmp_path, folder=tmp_path / "mine"):
        raise error("It was empty.")
    assert contents(tmp_path) == ["mine"]
    (tmp_path / "mine").rmdir()
    with made(tmp_path):
        pass
    before = contents(tmp_path)
    with pytest.raises(error), made(tmp_path):
        raise error("It is an earlier run's folder.")
    assert contents(tmp_path) == before


def test_a_stage_that_was_refused_before_its_first_step_leaves_nothing_either(tmp_path):
    with pytest.raises(ValueError, match="no data"), made(tmp_path) as run:
        run.stage("student", net, partial(fit, fails=True))
    assert contents(tmp_path) == []


def test_what_lies_beside_a_refused_run_stays(tmp_path):
    (tmp_path / "toy-one" / "other").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    for settings in ({}, {"folder": tmp_path / "mine"}):
        with pytest.raises(ValueError, match="no"), made(tmp_path, **settings) as run:
            (run.folder / "notes.txt").write_text("the recipe's own")
            raise ValueError("no")
        assert (run.folder / "notes.txt").exists() and (tmp_path / "toy-one" / "other").exists()


def interrupted():
    os.kill(os.getpid(), signal.SIGINT)


def broken():
    raise RuntimeError("a bug")


def test_a_run_that_ends_otherwise_or_later_keeps_its_folder(tmp_path):
    for number, (end, error) in enumerate(((interrupted, KeyboardInterrupt), (broken, RuntimeError))):
        with pytest.raises(error), made(tmp_path / str(number)) as run:
            end()
        assert (run.folder / "arguments.json").exists()
    with pytest.raises(ValueError, match="later"), made(tmp_path / "trained") as run:
        run.stage("student", net, fit)
        raise ValueError("later")
    with pytest.raises(ValueError, match="loaded"), made(tmp_path / "trained", folder=tmp_path / "new") as loaded:
        loaded.stage("student", net, fit)
        raise ValueError("loaded")
    for folder in (run.folder, loaded.folder):
        assert {"arguments.json", "log.jsonl", "stages.json"} <= {file.name for file in folder.iterdir()}


@pytest.mark.parametrize("name", ["notes.txt", ".notes.2024", "results.json", "log.jsonl", "student.json", "photos/"])
def test_a_folder_with_other_things_than_a_run_is_refused_and_left_alone(tmp_path, name):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / name).mkdir() if name.endswith("/") else (mine / name).write_text("precious")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="is not the folder of a run"), made(tmp_path, folder=mine):
        pass
    assert contents(tmp_path) == before and (name.endswith("/") or (mine / name).read_text() == "precious")


def test_a_folder_that_a_run_had_only_begun_to_open_is_a_runs(tmp_path):
    with made(tmp_path) as run:
        pass
    for file in run.folder.iterdir():
        if file.name != "lock":
            file.unlink()
    (run.folder / ".tutelage-unfinished-4711").mkdir()
    (run.folder / ".tutelage-unfinished-4711" / "arguments.json").write_text("{")
    with made(tmp_path) as again:
        again.stage("student", net, fit)
    assert again.folder == run.folder and not list(run.folder.glob(".*"))


def test_a_run_is_named_by_text_as_well_as_by_what_was_asked_for(tmp_path):
    with Run("toy:one", "smoke", root=tmp_path, device="cpu") as run:
        pass
    asked = json.loads((run.folder / "arguments.json").read_text())
    assert Arguments(**{name: x for name, x in asked.items() if name != "exact"}) == Arguments(
        "toy:one", "smoke", command="", arguments={}, defaults={}
    )
    assert (run.recipe, run.preset) == ("toy:one", "smoke")


@pytest.mark.parametrize("build", ["plain", "borrowed"])
def test_a_student_that_names_the_former_home_of_its_function_is_loaded(tmp_path, build):
    resnet = {"function": "tutelage.models.resnet:resnet", "arguments": [8], "named": {"num_classes": 5}}
    described = {
        "plain": {"function": "tutelage.recipes.somewhere:resnet", "arguments": [8], "named": {"num_classes": 5}},
        "borrowed": {
            "function": "tutelage.recipes.parts.pupils:borrowing", "arguments": [resnet, resnet, 32], "named": {},
        },
    }[build]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MOVED, "tutelage.recipes.somewhere:", "tutelage.models.resnet:")
        network = called(described, found=partial(stored, allow=(), folder=tmp_path))
        save_weights(tmp_path / "student.safetensors", network)
        (tmp_path / "student.json").write_text(json.dumps({"build": described, "input": "float32 (N, 3, 32, 32)"}))
        assert same(bits(tutelage.load(tmp_path)), bits(network))
