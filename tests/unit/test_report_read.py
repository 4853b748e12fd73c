"""A run folder becomes typed values, or one clear sentence."""

import json
import shutil

import pytest

import report_sample
from tutelage.report.finished import find_finished
from tutelage.report.read import read_run

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    return report_sample.make(tmp_path / "run", seed=2)


def change(file, edit):
    value = json.loads(file.read_text())
    edit(value)
    file.write_text(json.dumps(value))


def test_reads_what_was_written(folder):
    run = read_run(folder)
    assert run.request.recipe == "mnist:hinton" and run.seed == 2
    assert [stage.name for stage in run.stages] == ["teacher", "alone", "student"]
    assert len(run.log) == 60 and run.log[-1].losses["student"].keys() == {"label", "soft"}
    assert [network.role for network in run.results.networks] == ["teacher", "student", "baseline", "member", "other"]
    assert run.results.networks[0].latency_ms["64"].median == pytest.approx(3.69)


def test_a_run_without_a_log_or_optional_results_is_a_run(folder):
    (folder / "log.jsonl").unlink()
    (folder / "results.json").write_text("{}")
    run = read_run(folder)
    assert run.log == () and run.results.networks == ()


def test_refuses_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"not a run folder: it has no arguments.json"):
        read_run(tmp_path)


def test_says_that_there_are_no_results_yet(folder):
    (folder / "results.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no results yet.*start the same command again"):
        read_run(folder)


def test_names_the_missing_file(folder):
    (folder / "stages.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"stages.json is missing"):
        read_run(folder)


def test_names_file_and_line_of_damaged_json(folder):
    lines = (folder / "log.jsonl").read_text().splitlines()
    lines[6] = lines[6][:40]
    (folder / "log.jsonl").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"log.jsonl is damaged at line 7, column \d+"):
        read_run(folder)
    (folder / "log.jsonl").write_text("")
    (folder / "stages.json").write_text('[\n{"name":\n]')
    with pytest.raises(ValueError, match=r"stages.json is damaged at line 3, column 1"):
        read_run(folder)


def errors_of(results):
    return results["networks"][1]["scores"]["errors"]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda r: r["networks"][1].pop("scores"), r"results.json: networks\[1\].scores is missing"),
        (lambda r: r.update(metrics=[]), r"networks have scores, but there are no metrics"),
        (
            lambda r: errors_of(r).update(value="many"),
            r"value should be a number, but is 'many'",
        ),
        (lambda r: errors_of(r).update(interval=[1]), r"should be a list of 2"),
        (lambda r: r["networks"][1].update(role="boss"), r"role should be one of teacher, .* is 'boss'"),
        (lambda r: r["claims"][0].update(measured=float("nan")), r"claims\[0\].measured should be a finite number"),
        (lambda r: r["networks"][0].update(parameters=-5), r"networks\[0\].parameters should be 0 or more, but is -5"),
        (lambda r: r["networks"][0].update(agreement=1.5), r"agreement should be between 0 and 1, but is 1.5"),
        (lambda r: r["networks"][0]["latency_ms"]["1"].update(median=-1), r"latency_ms.1.median should be 0 or more"),
        (lambda r: r["networks"][0]["calibration"]["share"].__setitem__(3, 7), r"share\[3\] should be between 0 and 1"),
        (
            lambda r: r["networks"][0]["calibration"]["accuracy"].__setitem__(-1, 1e308),
            r"accuracy\[\d+\] should be between 0 and 1, but is 1e\+308",
        ),
        (lambda r: r.update(tables={}), r"tables should be a list, but is \{\}"),
    ],
)
def test_names_the_place_of_a_wrong_value(folder, edit, words):
    change(folder / "results.json", edit)
    with pytest.raises(ValueError, match=words):
        read_run(folder)


def test_names_the_line_of_a_wrong_value_in_the_log(folder):
    lines = (folder / "log.jsonl").read_text().splitlines()
    lines[2] = json.dumps(json.loads(lines[2]) | {"losses": {"student": {"label": "x"}}})
    (folder / "log.jsonl").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"log.jsonl: line 3.losses.student.label should be a number"):
        read_run(folder)


def test_finds_finished_runs_at_any_depth(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "deep" / "er" / "run")
    shutil.copytree(folder, tmp_path / "unfinished")
    (tmp_path / "unfinished" / "results.json").unlink()
    assert find_finished(tmp_path) == [tmp_path / "deep" / "er" / "run", folder]
    assert find_finished(folder) == [folder]
    with pytest.raises(FileNotFoundError, match="no finished run in"):
        find_finished(tmp_path / "unfinished")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("which", ["losses", "validation", "weights", "seconds", "statistics"])
@pytest.mark.parametrize("everywhere", [False, True])
def test_numbers_of_the_log_that_are_none_are_left_out_and_the_report_comes_out(folder, number, which, everywhere):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    for line in lines if everywhere else lines[-2:]:
        line["statistics"] = {"student": {"means/cosine label | soft": 0.1}}
        line[which] = dict_of(line[which], float(number))
    (folder / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    text = report_sample.write_page(folder).read_text()
    assert "nan" not in text.lower().replace("dominant", "") and ">inf" not in text
    assert (folder / "report.json").is_file()


def dict_of(value, number):
    """``value`` with ``number`` in place of all its numbers."""
    return {key: dict_of(item, number) for key, item in value.items()} if isinstance(value, dict) else number
