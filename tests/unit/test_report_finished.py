"""Reports are drawn from run folders and from what was collected of them, whatever the flags were called."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import report_sample
import tutelage
from tutelage.cli.conclude import conclude
from tutelage.report.collected import collect
from tutelage.report.finished import find_finished, read_finished
from tutelage.report.groups import group_runs
from tutelage.report.read import read_run

pytestmark = pytest.mark.slow

KEPT = sorted(Path(tutelage.__file__).parents[2].glob("results/*"))
METHODS = [f"method_{k}" for k in range(30)]


@pytest.fixture
def results(tmp_path):
    for seed in range(2):
        for temperature in (1.0, 4.0):
            run = report_sample.make(tmp_path / f"{temperature}-{seed}", seed, epochs=2, temperature=temperature)
            collect(read_run(run), tmp_path / "results")
    return tmp_path / "results"


def test_collected_results_are_found_at_any_depth_and_one_by_one(results):
    files = sorted(results.glob("*/*.json"))
    assert find_finished(results) == find_finished(results / "mnist-hinton") == files and len(files) == 4
    assert find_finished(files[0]) == files[:1]
    seeds = [run.seed for file in files for run in read_finished(file)]
    assert sorted(seeds) == [0, 0, 1, 1]


def test_runs_count_before_what_was_collected_of_them(results):
    assert find_finished(results.parent) == sorted(results.parent.glob("?.0-?"))


def test_a_report_json_is_as_good_as_its_runs(tmp_path):
    folder = report_sample.make(tmp_path / "run", 3, epochs=2)
    report_sample.write_page(folder)
    (run,) = read_finished(folder / "report.json")
    assert run == replace(read_run(folder), folder=None)  # what a page alone does not know
    (folder / "results.json").unlink()
    with pytest.raises(FileNotFoundError, match="no finished run in"):
        find_finished(folder)  # the report of a run that is no more is only read where it is asked for


def test_the_command_draws_the_page_of_collected_results(results, capsys):
    page = conclude([results / "mnist-hinton"])
    assert page == results / "mnist-hinton" / "report" / "report.html" and page.is_file()
    assert "Of 2 settings, temperature 4 gives the lowest test errors" in capsys.readouterr().out
    (one, *_) = sorted(results.glob("*/*.json"))
    assert conclude([one], out=results.parent / "out") == results.parent / "out" / "report.html"
    assert conclude([results / "mnist-hinton"]) == page  # its own report.json is no result


def test_collected_results_can_be_kept_elsewhere(results, tmp_path):
    conclude([results / "mnist-hinton"], out=tmp_path / "out", keep=tmp_path / "kept")
    names = [file.name for file in sorted(results.glob("*/*.json"))]
    assert [file.name for file in sorted((tmp_path / "kept").glob("*/*.json"))] == names
    pages = ["RESULTS.md", "mnist-hinton/README.md"]
    assert all((tmp_path / "kept" / page).is_file() for page in pages)


@pytest.mark.parametrize("text", ["{", '{\n"format": 7}', "[]", '{\n"format": 1, "runs": [1], "clock": {"runs": [2]}}'])
def test_a_damaged_result_is_named(results, text):
    (file, *_) = sorted(results.glob("*/*.json"))
    file.write_text(text)
    with pytest.raises(ValueError, match=f"{file.name} is damaged or no result"):
        read_finished(file)


@pytest.mark.parametrize("folder", [pytest.param(folder, id=folder.name) for folder in KEPT if folder.is_dir()])
def test_every_folder_of_kept_results_has_a_page(folder, tmp_path, capsys):
    text = conclude([shutil.copytree(folder, tmp_path / folder.name)]).read_text(encoding="utf-8")
    assert "verdict" in text and capsys.readouterr().out


def test_a_list_of_flags_reads_as_words(tmp_path):
    runs = [
        read_run(report_sample.make(tmp_path / f"{k}", epochs=1, methods=METHODS[:k], **{"teacher.name": "resnet20"}))
        for k in (1, 2, 29, 30)
    ]
    names = [group.name for group in group_runs(runs)]
    assert {"methods method_0", "methods method_0, method_1"} < set(names)
    assert len(set(names)) == 4 and max(map(len, names)) < 100 and not any("[" in name for name in names)


def test_flags_of_nested_settings_group_runs(tmp_path):
    runs = [
        read_run(report_sample.make(tmp_path / f"{epochs}-{seed}", seed, epochs=1, **{"student.epochs": epochs}))
        for epochs in (30, 3)
        for seed in range(2)
    ]
    assert [group.name for group in group_runs(runs, ["student.epochs"])] == ["student.epochs 3", "student.epochs 30"]
    assert conclude([tmp_path], by=["student.epochs"]).is_file()


def test_what_was_written_before_metrics_is_read_the_same_when_collected(tmp_path):
    new, old = (make(tmp_path / make.__name__, epochs=2) for make in (report_sample.make, report_sample.make_older))
    assert read_run(old).results == read_run(new).results
    file = collect(read_run(old), tmp_path / "results")
    assert json.loads(file.read_text())["format"] == 2
    assert read_finished(file)[0].results.networks == read_run(new).results.networks


def test_unfinished_runs_are_left_out_and_named(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i in range(3):
        report_sample.make(tmp_path / f"run{i}", i, epochs=1)
    conclude([tmp_path])
    assert "unfinished" not in capsys.readouterr().out
    for i, words in (
        (1, "1 run is unfinished and left out: run1"),
        (2, "2 runs are unfinished and left out: run1, run2"),
    ):
        (tmp_path / f"run{i}" / "results.json").unlink()
        conclude([Path()])
        assert words + "\n" in capsys.readouterr().out
