"""Whatever of ours is changed, by a bit, by a file, by a name, is found when it is read; and what is read is ours."""

import hashlib
import json
import logging
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import tutelage
from examples import SGD, bits, label, mlp, same, vectors
from tutelage import machine
from tutelage.checkpoint import load_state, load_weights, save_state, save_weights, seal
from tutelage.checksums import MANIFEST, listed
from tutelage.cli.conclude import conclude
from tutelage.cli.failures import Usage, exit_code
from tutelage.cli.verify import verify
from tutelage.integrity import findings
from tutelage.learner import Learner
from tutelage.objective import Objective
from tutelage.progress import Silence
from tutelage.report.read import read_run
from tutelage.results import Arguments
from tutelage.run import Run
from tutelage.stages.stage import Stage
from tutelage.stages.storage import LAST, ONLY, cure, finished
from tutelage.teachers.cached import cached
from tutelage.teachers.forms import dense, top
from tutelage.teachers.row_sums import RowSums
from tutelage.teachers.stores import in_folder
from tutelage.tensors import is_pickle, read_tensors

pytestmark = pytest.mark.slow

STATE = {"step": 3, "x": torch.arange(3.0), "best": [("a", float("inf"))]}


def flips(path, numbers, every=1):
    """The file with each bit ``numbers`` of a byte turned in turn, and whole again at the end."""
    whole = path.read_bytes()
    for place in range(0, len(whole), every):
        for number in numbers:
            changed = bytearray(whole)
            changed[place] ^= 1 << number
            path.write_bytes(changed)
            yield place, number
    path.write_bytes(whole)


def refused(read, path, words="damaged"):
    """Whether ``read`` refuses the file, by its name."""
    try:
        read()
    except ValueError as error:
        assert str(path) in str(error) and words in str(error), error
        return True
    return False


class TestTensors:
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "net.safetensors"

    def test_a_bit_that_flips_anywhere_in_a_file_of_weights_is_found(self, path):
        net = nn.Linear(2, 1, bias=False)
        save_weights(path, net)
        for place in flips(path, (0, 5)):
            assert refused(partial(load_weights, path, net), path), place
        assert same(bits(load_weights(path, nn.Linear(2, 1, bias=False))), bits(net))

    def test_a_bit_that_flips_anywhere_in_a_checkpoint_is_found(self, path):
        save_state(path, STATE)
        for place in flips(path, (1,)):
            assert refused(partial(load_state, path), path), place
        assert load_state(path)["step"] == 3

    def test_the_checksum_is_over_names_types_shapes_bytes_and_all_else(self, path):
        def said(state):
            return save_state(path, state)

        first = said(STATE)
        assert first == said(STATE) == read_tensors(path)[1]["sha256"] and len(first) == 64
        others = [{**STATE, "step": 4}, {**STATE, "x": torch.arange(3.0).view(3, 1)}, {**STATE, "x": torch.arange(3)}]
        assert len({first, *map(said, others)}) == 4
        save_state(path, {"first": torch.ones(2), "second": torch.zeros(3)})
        (tensors, about), renamed = read_tensors(path), path.with_name("renamed")
        head = [[[name, "float32", list(x.shape)] for name, x in sorted(tensors.items())]]
        rest = json.dumps({"state": about["state"]})[1:]
        content = json.dumps([*head, rest]).encode() + b"".join(x.numpy().tobytes() for _, x in sorted(tensors.items()))
        assert hashlib.sha256(content).hexdigest() == about["sha256"]
        entry = {"tutelage": f'{{"sha256": "{about["sha256"]}", {rest}'}
        save_file({{"0": "1", "1": "0"}[name]: x for name, x in tensors.items()}, renamed, entry)
        assert refused(partial(read_tensors, renamed), renamed)
        save_file(tensors, renamed, {**entry, "more": ""})
        assert refused(partial(read_tensors, renamed), renamed)
        save_file(tensors, renamed, entry)
        assert same(read_tensors(renamed)[0], tensors)

    @pytest.mark.parametrize(
        "dtype", [torch.bool, torch.int8, torch.float16, torch.bfloat16, torch.float64, torch.complex64]
    )
    def test_any_type_and_shape_is_hashed_as_it_lies_in_memory(self, path, dtype):
        state = [torch.ones(shape, dtype=dtype) for shape in ((), (0,), (2, 3))] + [torch.ones(4, 3, dtype=dtype).T[1:]]
        save_state(path, state)
        assert all(torch.equal(x, y) for x, y in zip(load_state(path), state, strict=True))

    def test_another_file_than_the_expected_one_is_refused_though_it_is_whole(self, path):
        digest = save_weights(path, mlp(8))
        load_weights(path, mlp(8), expected=digest)
        save_weights(path, mlp(8, seed=1))
        with pytest.raises(ValueError, match=r"whole, but not the file that belongs here: fetch it\."):
            load_weights(path, mlp(8), "fetch it", digest)

    def test_files_of_others_and_of_earlier_versions_are_read_and_say_no_checksum(self, path):
        net = nn.Linear(2, 1)
        for metadata in (None, {"format": "pt"}, {"tied": "{}"}, {"note": '{"sha256": 3}'}):
            save_file(net.state_dict(), path, metadata)
            assert same(bits(load_weights(path, nn.Linear(2, 1))), bits(net)) and "sha256" not in read_tensors(path)[1]
        save_file({"0": torch.ones(2)}, path, {"tutelage": '{"dict": [["x", {"tensor": "0"}], [3, {"tuple": [NaN]}]]}'})
        assert torch.equal(load_state(path)["x"], torch.ones(2))
        save_file({"0": torch.ones(2)}, path, {"tied": '{"1": "0"}'})
        assert sorted(read_tensors(path)[0]) == ["0", "1"]

    DEEP = "[" * 5000 + "]" * 5000
    METADATA = (
        *({"tutelage": text} for text in ("", "{", "{}", '{"dict": 3}', '{"dict": [[{"list": []}, 1]]}', DEEP)),
        *({"tutelage": text} for text in ('{"tensor": "9"}', '{"tensor": []}', '{"a": 1, "b": 2}', '{"list": 3}')),
        *({"tied": text} for text in ("[]", "3", '{"0": "0"}', '{"1": "9"}', '{"1": ["0"]}', DEEP, '{"1": {}}')),
    )

    @pytest.mark.parametrize("metadata", METADATA, ids=range(len(METADATA)))
    def test_entries_that_make_no_sense_are_refused_in_a_sentence(self, path, metadata):
        save_file({"0": torch.ones(2)}, path, metadata)
        assert refused(partial(load_state, path), path)

    def test_what_could_not_be_read_again_is_not_written(self, path):
        state = 0
        for _ in range(200):
            state = [state]
        with pytest.raises(ValueError, match="cannot hold this state"):
            save_state(path, state)
        assert not path.exists()

    @pytest.mark.parametrize("keep", [0, 1, 2, 3, 4, 8, 9, 50, -1])
    @pytest.mark.parametrize("length", range(0, 264, 8))
    def test_what_is_left_of_a_file_is_never_called_a_pickle(self, path, length, keep):
        """One of 32 lengths of a header begins with the byte of a pickle."""
        save_state(path, {"filler": "f" * length})
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(ValueError, match="is damaged or cut short"):
            load_state(path)

    def test_lengths_of_headers_are_no_pickles_and_beginnings_of_pickles_are(self):
        for length in (0x280, 0x380, 0x480, 0x580, 0x10280, 0x4B50, 50_000_000):
            assert not any(is_pickle((length.to_bytes(8, "little") + b"{")[:cut]) for cut in range(10))
        assert all(map(is_pickle, (b"PK\3\4\0\0\0\0", b"PK\3\4", b"\x80\2}q\0X\1\0", b"\x80\4\x95\x20\0\0\0\0")))


def net(seed: int = 0) -> nn.Sequential:
    return mlp(3, seed=seed)


def fit(stage, model, *, epochs=2):
    learner = Learner(model, Objective(label=label()), SGD)
    stage.train({"student": learner}, vectors(1), epochs, model=model, validate=lambda: {"errors": 5})


class Notes(Silence):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def narrowed(network: nn.Module) -> nn.Module:
    return network


def work(root, seed=0):
    """A run, and the folders of its teacher's stage and its student's, who is made of the teacher."""
    asked = Arguments("toy:sums", "", "", {"seed": seed}, {"seed": 0})
    with Run(asked, root=root, exact=True, device="cpu", progress=Notes()) as run:
        teacher = run.stage("teacher", partial(net, seed), fit)
        student = run.derive("student", narrowed, of=teacher)
        run.deliver(student.last, classes=("a", "b"))
    return run, *(root / "stages" / one.key for one in (teacher, student))


@pytest.fixture(scope="module")
def worked(tmp_path_factory):
    return work(tmp_path_factory.mktemp("worked") / "runs")


@pytest.fixture
def done(tmp_path, worked):
    """The run and the folders of its stages, the teacher's and the student's; a copy that a test may damage."""
    run, *stages = worked
    shutil.copytree(run.root, tmp_path / "runs")
    return [tmp_path / "runs" / place.relative_to(run.root) for place in (run.folder, *stages)]


def read_stage(folder):
    return finished(folder, "teacher", {ONLY: net})[ONLY]


class TestManifest:
    def test_sha256sum_takes_it(self, done):
        folder, teacher, _ = done
        named = {"arguments.json", "environment.json", "log.jsonl", "stages.json", "results.json"}
        delivered = {"student.json", "student.safetensors", "source.safetensors"}
        assert listed(folder).keys() == named | delivered
        assert listed(teacher).keys() == {"best.safetensors", "last.safetensors", "stage.json"}
        for place in (folder, teacher):
            lines = [line.split("  ") for line in (place / MANIFEST).read_text().splitlines()]
            assert lines == sorted(lines, key=lambda line: line[1])
            for digest, name in lines:
                assert hashlib.sha256((place / name).read_bytes()).hexdigest() == digest
            if program := shutil.which("sha256sum"):
                subprocess.run([program, "--check", "--strict", "--quiet", MANIFEST], cwd=place, check=True)

    @pytest.mark.parametrize("name", ["a/../../b", "/etc/passwd", "x\\y", "x" * 300, "é" * 130, "d/" * 600 + "x"])
    def test_only_names_of_files_of_the_folder_are_in_it(self, tmp_path, name):
        seal(tmp_path, {name: b""})
        with pytest.raises(ValueError, match="SHA256SUMS is damaged"):
            listed(tmp_path)


class TestStage:
    def test_a_bit_that_flips_in_its_description_is_found(self, done):
        _, teacher, _ = done
        for place in flips(teacher / "stage.json", (1,), every=5):
            assert refused(partial(read_stage, teacher), teacher / "stage.json", "damaged"), place
        assert read_stage(teacher).best_epoch == 1

    def test_a_bit_that_flips_in_its_checksums_is_found_or_was_of_no_use(self, done):
        """Weights are known by a checksum of their own: a line about them is for ``sha256sum`` and ``verify``."""
        _, teacher, _ = done
        weights, found = bits(read_stage(teacher).last), []
        for place in flips(teacher / MANIFEST, (1,), every=7):
            if refused(partial(read_stage, teacher), teacher, "remove "):
                found.append(place)
            else:
                assert same(bits(read_stage(teacher).last), weights)
            assert [finding.verdict for finding in findings(teacher)] == ["damaged"]
        assert len(found) > 10

    @pytest.mark.parametrize("name", ["stage.json", LAST, "best.safetensors"])
    @pytest.mark.parametrize("keep", [None, 0, 20, -1])
    def test_a_file_that_is_gone_or_cut_short_is_named_and_the_advice_works(self, done, tmp_path, name, keep):
        folder, teacher, _ = done
        before, path = bits(read_stage(teacher).last), teacher / name
        whole = path.read_bytes()
        path.unlink()
        if keep is not None:
            path.write_bytes(whole[:keep])
        if keep is None and name == "stage.json":  # then it is not finished
            assert same(bits(work(tmp_path / "runs")[0].stage("teacher", net, fit).last), before)
            return
        with pytest.raises(ValueError, match=rf"{name} .*: (.*)remove .*{teacher.name}, and the same command makes it"):
            work(tmp_path / "runs")
        shutil.rmtree(teacher)
        again, _, _ = work(tmp_path / "runs")
        assert same(bits(read_stage(teacher).last), before) and again.folder == folder

    @pytest.mark.parametrize("name", [LAST, "best.safetensors", "stage.json", "everything"])
    def test_files_of_another_stage_are_refused(self, done, tmp_path, name):
        _, teacher, _ = done
        _, other, _ = work(tmp_path / "runs", seed=1)
        if name == "everything":
            shutil.rmtree(teacher)
            shutil.copytree(other, teacher)
        else:
            shutil.copyfile(other / name, teacher / name)
        with pytest.raises(ValueError, match=f"{teacher.name}.*(belongs here|SHA256SUMS says|another stage)"):
            work(tmp_path / "runs")

    def test_a_checkpoint_of_another_stage_is_refused(self, tmp_path):
        save_state(tmp_path / "checkpoint.safetensors", {"stage": "another", "training": {}})
        stage = Stage("student", tmp_path, Silence(), print)
        with pytest.raises(ValueError, match=r"another training than stage 'student' \(that in another\); remove it"):
            fit(stage, net())

    def test_one_of_an_earlier_version_is_read_and_said_to_be_unverified(self, done, tmp_path):
        _, teacher, _ = done
        (teacher / MANIFEST).unlink()
        content = json.loads((teacher / "stage.json").read_text())
        del content["weights"]
        (teacher / "stage.json").write_text(json.dumps(content))
        said = work(tmp_path / "runs")[0].progress.notes
        assert [note for note in said if "verified" in note] == [
            f"teacher: {teacher} has no checksums: it was not verified"
        ]
        (teacher / "best.safetensors").unlink()
        with pytest.raises(ValueError, match=r"best\.safetensors is missing: remove "):
            work(tmp_path / "runs")

    WRONG = (
        *("[]", "{}", "NaN", "null", '"x"', "[" * 5000, "[" * 300 + "]" * 300, '{"records": 3}', '{"records": [3]}'),
        *('{"records": [{"epoch": "x", "seconds": 1}]}', '{"records": [{"epoch": 1, "seconds": NaN}]}'),
        *('{"records": {"a": []}}', '{"records": [], "notes": 3}', '{"records": [], "weights": {"a": 3}}'),
        *(
            '{"records": {"": [], "a": [{"epoch": 1, "seconds": 1}]}}',
            '{"records": {}}',
            '{"records": [], "weights": []}',
        ),
    )

    @pytest.mark.parametrize("text", [*map(str.encode, WRONG), b"\xff\xfe", b""], ids=repr)
    def test_what_describes_no_stage_is_refused_in_a_sentence(self, tmp_path, text):
        (tmp_path / "stage.json").write_bytes(text)
        with pytest.raises(ValueError, match=rf"stage\.json .*remove {tmp_path}, and the same command") as error:
            read_stage(tmp_path)
        assert cure(tmp_path) in str(error.value)


class TestRun:
    @pytest.mark.parametrize("name", ["results.json", "arguments.json", "environment.json", "stages.json", "log.jsonl"])
    def test_a_character_that_changes_is_found_and_the_advice_works(self, done, tmp_path, name):
        folder, _, _ = done
        path = folder / name
        before = read_run(folder)
        for place in flips(path, (1,), every=7):
            assert refused(partial(read_run, folder), path), place
        path.write_bytes(path.read_bytes() + b"\n")
        with pytest.raises(ValueError, match=rf"{name} is not what SHA256SUMS says") as error:
            read_run(folder)
        if name == "arguments.json":
            folder.rename(tmp_path / "away")
        assert ("away" in str(error.value)) == (name == "arguments.json")
        work(tmp_path / "runs")
        again = read_run(folder)
        assert (again.request, again.results) == (before.request, before.results) and len(again.log) == len(before.log)

    def test_started_again_it_does_not_take_what_is_damaged_for_whole(self, done, tmp_path):
        folder, _, _ = done
        path = folder / "arguments.json"
        path.write_text(path.read_text().replace("0", "1", 1))
        with pytest.raises(ValueError, match=r"arguments.json is not what SHA256SUMS says"):
            work(tmp_path / "runs")
        (folder / MANIFEST).unlink()  # it was changed on purpose

    def test_checksums_of_another_run_are_what_is_blamed_and_the_advice_works(self, done):
        folder, _, _ = done
        before, own = read_run(folder), (folder / MANIFEST).read_text()
        (folder / MANIFEST).write_text("".join(f"{'0' * 64}  {line[66:]}\n" for line in own.splitlines()))
        with pytest.raises(ValueError, match=r"SHA256SUMS is another folder's: restore it from a copy, or remove "):
            read_run(folder)
        (folder / MANIFEST).write_text(own)
        assert read_run(folder).results == before.results
        (folder / MANIFEST).unlink()
        assert read_run(folder).results == before.results

    def test_started_again_it_says_where_it_ran_then(self, done, tmp_path, monkeypatch):
        folder, _, _ = done
        before = read_run(folder).environment
        monkeypatch.setattr(machine, "processor", lambda: "another one")
        work(tmp_path / "runs")
        assert read_run(folder).environment["processor"] == "another one" != before["processor"]

    def test_changed_on_purpose_it_is_read_without_checksums_and_said_to_be_unverified(self, done, caplog, tmp_path):
        folder, _, _ = done
        path = folder / "environment.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "processor": "mine"}))
        with pytest.raises(ValueError, match=r"if you changed it yourself, remove .*SHA256SUMS"):
            read_run(folder)
        (folder / MANIFEST).unlink()
        assert read_run(folder).environment["processor"] == "mine"
        shutil.copytree(folder, tmp_path / "copy")
        with caplog.at_level(logging.WARNING, "tutelage"):
            conclude([folder, tmp_path / "copy"])
        (said,) = [record.message for record in caplog.records]  # one sentence, however many there are
        assert said.startswith(f"2 runs are without checksums and not verified: {folder}, ")


class TestDelivered:
    def test_a_bit_that_flips_anywhere_in_what_a_student_is_loaded_from_is_found(self, done):
        folder, teacher, _ = done
        for name in ("student.json", "student.safetensors", "source.safetensors"):
            for place in flips(folder / name, (2,), every=11):
                assert refused(partial(tutelage.load, folder, allow=[__name__]), folder / name), place
        assert same(bits(tutelage.load(folder, allow=[__name__])), bits(read_stage(teacher).last))

    @pytest.mark.parametrize("name", ["student.safetensors", "source.safetensors"])
    def test_the_weights_of_another_student_are_refused(self, done, tmp_path, name):
        other, _, _ = work(tmp_path / "runs", seed=1)
        shutil.copyfile(other.folder / name, done[0] / name)
        with pytest.raises(ValueError, match=rf"{name} is whole, but not the file that belongs here"):
            tutelage.load(done[0], allow=[__name__])

    def test_copied_out_of_its_run_it_is_verified_as_far_as_it_brings_its_checksums(self, done, tmp_path, caplog):
        for name in ("student.json", "student.safetensors", "source.safetensors"):
            shutil.copyfile(done[0] / name, tmp_path / name)
        with caplog.at_level(logging.WARNING, "tutelage"):
            tutelage.load(tmp_path, allow=[__name__])
        assert [record.message for record in caplog.records] == [
            f"The student in {tmp_path} has no checksums: it was not verified."
        ]
        shutil.copyfile(done[0] / MANIFEST, tmp_path / MANIFEST)
        tutelage.load(tmp_path, allow=[__name__])
        assert len(caplog.records) == 1


class TestVerify:
    def test_says_of_each_thing_whether_it_is_whole_and_what_helps_where_it_is_not(self, done, tmp_path, capsys):
        folder, teacher, student = done
        before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
        assert verify([str(tmp_path)]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == "3 whole"
        assert before == sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
        (teacher / LAST).unlink()
        (folder / "results.json").write_text("{}")
        (student / MANIFEST).unlink()
        (tmp_path / "runs" / "stages" / "0").mkdir()
        (tmp_path / "runs" / "stages" / "0" / "lock").write_text("")
        assert verify([str(tmp_path)]) == 3
        said = capsys.readouterr().out.splitlines()
        assert said[-1] == "1 unverified, 1 unfinished, 2 damaged"
        for verdict, problem in (
            (f"unfinished  stage {tmp_path / 'runs' / 'stages' / '0'}", ""),
            (f"unverified  stage {student}", ""),
            (f"damaged     stage {teacher}", f"{teacher / LAST} is missing: {cure(teacher)}."),
            (f"damaged     run {folder}", f"{folder / 'results.json'} is damaged, or was changed: start the run's"),
        ):
            assert said[said.index(verdict) + 1].strip().startswith(problem)

    @pytest.mark.parametrize("name", ["last.safetensors", "best.safetensors", "stage.json", MANIFEST])
    @pytest.mark.parametrize("sealed", [True, False])
    def test_finds_what_is_damaged_or_gone_in_a_stage(self, done, name, sealed, capsys):
        _, teacher, _ = done
        if not sealed:
            (teacher / MANIFEST).unlink()
        for change in (lambda x: x.write_bytes(x.read_bytes()[:-5]), lambda x: x.unlink(missing_ok=True)):
            if not (teacher / name).exists():  # there was none
                continue
            change(teacher / name)
            expected = (
                "unverified" if name == MANIFEST and not (teacher / name).exists()
                else "unfinished" if name == "stage.json" and not (teacher / name).exists()
                else "damaged"
            )  # fmt: skip
            assert verify([str(teacher)]) == 3 * (expected == "damaged")
            assert capsys.readouterr().out.startswith(expected)

    @pytest.mark.parametrize("keep", [0, 1, 2])
    def test_finds_that_the_checksums_themselves_were_cut_short(self, done, tmp_path, keep, capsys):
        folder, teacher, _ = done
        alone = tmp_path / "alone"
        alone.mkdir()
        for name in ("student.json", "student.safetensors", "source.safetensors", MANIFEST):
            shutil.copyfile(folder / name, alone / name)
        assert verify([str(alone)]) == 0 and "whole       student" in capsys.readouterr().out
        for place in (folder, teacher, alone):
            lines = (place / MANIFEST).read_text().splitlines(keepends=True)
            (place / MANIFEST).write_text("".join(lines[:keep]))
            assert verify([str(place)]) == 3
            said = capsys.readouterr().out
            lacking = [line[66:-1] for line in lines[keep:] if (place / line[66:-1]).exists()]
            sentences = [f"{place / name} has no checksum in {MANIFEST}" for name in lacking if keep]
            assert lacking and all(sentence in said for sentence in sentences or [f"{place / MANIFEST} is damaged"])

    def test_follows_links_to_folders_and_comes_to_each_once(self, done, tmp_path, capsys):
        stages = done[1].parent
        (tmp_path / "elsewhere").mkdir()
        stages.rename(tmp_path / "elsewhere" / "stages")
        stages.symlink_to(tmp_path / "elsewhere" / "stages")
        (tmp_path / "elsewhere" / "stages" / "round").symlink_to(tmp_path)
        assert verify([str(stages.parent)]) == 0 and capsys.readouterr().out.endswith("3 whole\n")

    def test_takes_no_checkpoint_that_was_left_for_a_file_without_a_checksum_and_waits_for_no_pipe(self, done, capsys):
        folder, teacher, _ = done
        (teacher / "checkpoint.safetensors").write_bytes(b"left by a kill")
        (teacher / ".tutelage-unfinished-x").mkdir()
        (teacher / ".tutelage-unfinished-x" / "best.safetensors").write_bytes(b"left by a kill")
        os.mkfifo(folder / "pipe.json")
        assert verify([str(folder), str(teacher)]) == 0 and capsys.readouterr().out.endswith("2 whole\n")

    def test_a_student_copied_out_of_its_run_is_checked_by_itself(self, done, tmp_path, capsys):
        alone = tmp_path / "alone"
        alone.mkdir()
        for name in ("student.json", "student.safetensors", "source.safetensors", MANIFEST):
            shutil.copyfile(done[0] / name, alone / name)
        (alone / MANIFEST).unlink()
        assert verify([str(alone)]) == 0 and "unverified  student" in capsys.readouterr().out
        shutil.copyfile(alone / "source.safetensors", alone / "student.safetensors")
        (alone / "source.safetensors").unlink()
        assert verify([str(alone)]) == 3 and "There is no file" in capsys.readouterr().out

    def test_what_is_nothing_of_ours_is_a_mistake_in_the_command(self, tmp_path):
        (tmp_path / "notes.txt").write_text("{")
        (tmp_path / "data.json").write_text("{}")
        for words, sentence in (
            ([], "which folder"),
            (["--renew"], "has no flag"),
            ([str(tmp_path)], "holds no run"),
            ([str(tmp_path / "data.json")], "is a file"),
        ):
            with pytest.raises(Usage, match=sentence):
                verify(words)
        with pytest.raises(FileNotFoundError, match="There is no folder"):
            verify([str(tmp_path / "gone")])

    def test_collected_results_are_read(self, tmp_path, capsys):
        results = Path(tutelage.__file__).parents[2] / "results" / "mnist-hinton"
        shutil.copytree(results, tmp_path / "kept")
        count = len(list(results.glob("*.json")))
        assert verify([str(tmp_path)]) == 0 and f"{count} unverified" in capsys.readouterr().out
        file = next((tmp_path / "kept").glob("*.json"))
        file.write_bytes(file.read_bytes()[:-100])
        assert verify([str(tmp_path)]) == 3


class TestCache:
    KEY: ClassVar = {"weights": "a" * 64}

    @pytest.fixture
    def folder(self, tmp_path):
        self.ask(tmp_path / "cache")
        return tmp_path / "cache"

    def ask(self, folder, teacher=True, form=dense(torch.float16), samples=6):  # noqa: B008  (it has no state)
        def shown(scene, _wanted):
            return {"output": scene["batch"]["index"][:, None] + torch.arange(3.0)}

        index = torch.arange(6)
        ask = cached(shown if teacher else None, samples=samples, views=1, form=form, place=in_folder(folder, self.KEY))
        return ask({"batch": {"input": index, "index": index, "view": index * 0}}, frozenset({"output"}))["output"]

    @pytest.mark.parametrize("name", ["layer-output.rows", "layer-output.json", "cache.json"])
    @pytest.mark.parametrize("teacher", [True, False])
    def test_a_bit_that_flips_is_found_or_harmless(self, folder, name, teacher):
        expected, found = self.ask(folder), 0
        for _ in flips(folder / name, (1,), every=2):
            try:
                assert torch.equal(self.ask(folder, teacher), expected)
            except ValueError as error:
                found += 1
                assert str(folder) in str(error) and "delete" in str(error)
        assert found > 20

    def test_rows_in_another_order_or_of_other_answers_are_found(self, folder, tmp_path):
        path = folder / "layer-output.rows"
        rows = np.memmap(path, np.uint8, "r+")
        marks, values = rows[:48].reshape(6, 8), rows[64:].reshape(6, 6)
        for part in (marks, values):
            part[[0, 1]] = part[[1, 0]]
        with pytest.raises(ValueError, match=r"sample 0 in view 0 is not what was kept; delete .* asked anew"):
            self.ask(folder)
        assert verify([str(folder)]) == 3
        shutil.rmtree(folder)
        assert len(self.ask(folder)) == 6 and verify([str(folder)]) == 0
        TestCache.KEY = {"weights": "b" * 64}
        self.ask(tmp_path / "other")
        TestCache.KEY = {"weights": "a" * 64}
        shutil.copyfile(tmp_path / "other" / "layer-output.rows", path)
        with pytest.raises(ValueError, match="is damaged"):
            self.ask(folder)

    def test_each_row_is_looked_at_once_in_a_process(self, folder, monkeypatch):
        looked = []
        of = RowSums.of
        monkeypatch.setattr(
            RowSums, "of", lambda self, places, parts: looked.append(len(places)) or of(self, places, parts)
        )
        index = torch.arange(6)
        ask = cached(None, samples=6, views=1, form=dense(torch.float16), place=in_folder(folder, self.KEY))
        for some in (index[:2], index[:4], index, index, index[1:3]):
            ask({"batch": {"input": some, "index": some, "view": some * 0}}, frozenset({"output"}))
        assert [count for count in looked if count] == [2, 2, 2]

    def test_one_of_an_earlier_version_is_read_filled_and_said_to_be_unverified(self, folder, caplog, capsys):
        expected = self.ask(folder)
        path = folder / "layer-output.rows"
        values = path.read_bytes()[64:]
        path.write_bytes(bytes([1, 1, 1, 1, 0, 0]) + bytes(58) + values[:24] + bytes(12))
        about, layer = (json.loads((folder / name).read_text()) for name in ("cache.json", "layer-output.json"))
        (folder / "cache.json").write_text(json.dumps({**about, "format": 1}))
        (folder / "layer-output.json").write_text(json.dumps({**layer, "bytes": 64 + 36}))
        with caplog.at_level(logging.WARNING, "tutelage"):
            assert torch.equal(self.ask(folder), expected) and torch.equal(self.ask(folder, teacher=False), expected)
        assert {record.message for record in caplog.records} == {
            f"{folder} has no checksums: its answers were not verified."
        }
        assert verify([str(folder)]) == 0 and capsys.readouterr().out.startswith("unverified  cache")
        os.truncate(path, 90)
        assert verify([str(folder)]) == 3 and "cut short" in capsys.readouterr().out

    @pytest.mark.parametrize("form", [dense(), top(2)])
    def test_any_form_is_verified(self, tmp_path, form):
        shown = self.ask(tmp_path / "cache", form=form)
        assert torch.equal(self.ask(tmp_path / "cache", teacher=False, form=form), shown)
        assert verify([str(tmp_path)]) == 0
        rows = np.memmap(tmp_path / "cache" / "layer-output.rows", np.uint8, "r+")
        rows[-1] ^= 1
        assert verify([str(tmp_path)]) == 3


@pytest.mark.parametrize(
    "name", ["teacher/last.safetensors", "teacher/stage.json", "run/student.json", "run/results.json"]
)
def test_the_exit_code_of_what_is_damaged_is_that_of_files(done, name):
    folder, teacher, _ = done
    path = {"teacher": teacher, "run": folder}[name.partition("/")[0]] / name.partition("/")[2]
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError) as error:
        for read in (
            partial(read_stage, teacher),
            partial(tutelage.load, folder, allow=[__name__]),
            partial(read_run, folder),
        ):
            read()
    assert exit_code(error.value) == 3


@pytest.mark.parametrize("name", ["a\0b", "/etc/passwd", "../x", "a\\b", ""])
def test_a_name_that_no_file_of_the_folder_has_is_damage(tmp_path, name):
    (tmp_path / MANIFEST).write_text(f"{'0' * 64}  {name}\n")
    with pytest.raises(ValueError, match="SHA256SUMS is damaged"):
        listed(tmp_path)
