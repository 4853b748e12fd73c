"""The report in the terminal, in the repository and in TensorBoard."""

import io
import json

import pytest
from rich.console import Console

import report_sample
from tutelage.report.collected import collect
from tutelage.report.finished import find_finished
from tutelage.report.groups import group_runs
from tutelage.report.read import read_run
from tutelage.report.record import runs_of_record
from tutelage.report.story import story_of
from tutelage.report.terminal import print_story


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return report_sample.make(tmp_path_factory.mktemp("run") / "run", epochs=300)


def printed(folders, by=(), **options):
    buffer = io.StringIO()
    runs = [read_run(run) for folder in folders for run in find_finished(folder)]
    print_story(story_of(group_runs(runs, by)), Console(file=buffer, **options))
    return buffer.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_gets_sentence_figures_and_verdicts_at_its_width(folder, width):
    text = printed([folder], width=width, force_terminal=True, color_system=None)
    assert "makes 103 test errors" in text and "Teacher’s gain kept" in text and "✓ holds" in text
    assert max(map(len, text.splitlines())) <= width


def test_without_a_terminal_it_is_plain_markdown(folder):
    text = printed([folder], width=60)
    assert (
        "\x1b" not in text
        and "| distilled student (unjittered) | 74 | 103 (84 to 125) | 1 | test errors | ≤ 80 |" in text
    )


def test_the_terminal_compares_settings(tmp_path):
    for seed in range(2):
        for temperature in (1.0, 4.0):
            report_sample.make(tmp_path / f"{temperature}-{seed}", seed, epochs=2, temperature=temperature)
    text = printed([tmp_path], ["temperature"], width=110, force_terminal=True, color_system=None)
    assert "temperature 4 gives the lowest test errors" in text and "p, paired t" in text


def test_a_collected_result_is_small_and_reads_as_the_same_run(folder, tmp_path):
    file = collect(read_run(folder), tmp_path)
    assert file == tmp_path / "mnist-hinton" / "paper-seed0.json"
    assert file.stat().st_size <= 40_000 and "pixels" not in file.read_text()
    (short,) = runs_of_record(json.loads(file.read_text()))
    whole = read_run(folder)
    assert short.results.networks == whole.results.networks and short.results.claims == whole.results.claims
    assert short.stages == whole.stages and short.request == whole.request
    kept = [epoch.epoch for epoch in short.log if epoch.stage == "student"]
    assert kept[0] == 1 and kept[-1] == 300 and 298 in kept and len(kept) < 60


def test_of_a_log_in_which_few_epochs_were_validated_those_are_kept(tmp_path):
    run = report_sample.make(tmp_path / "run", epochs=300)
    log = run / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    few = [{k: v for k, v in line.items() if line["epoch"] % 7 == 6 or k != "validation"} for line in lines]
    log.write_text("".join(json.dumps(line) + "\n" for line in few))
    (short,) = runs_of_record(json.loads(collect(read_run(run), tmp_path).read_text()))
    kept = [epoch.epoch for epoch in short.log if epoch.stage == "student"]
    assert kept[0] == 1 and len(kept) > 30 and all(epoch % 7 == 6 for epoch in kept[1:])
