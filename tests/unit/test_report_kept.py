"""What is kept in a repository: an index of a screen, a page an experiment, files with short names."""

import json
import re
from urllib.parse import unquote

import pytest

import report_sample
import report_statistics
from tutelage.cli.command import main
from tutelage.cli.conclude import conclude
from tutelage.cli.find import purpose
from tutelage.cli.recipe import recipes_in, shipped
from tutelage.report.collected import LONGEST, collect, former_names, result_name
from tutelage.report.finished import read_finished
from tutelage.report.kept import publish_kept
from tutelage.report.read import read_run

pytestmark = pytest.mark.slow

METHODS = [f"method_{k}" for k in range(30)]
SCREEN = 64  # lines, with every recipe that there is


def kept(tmp_path, *seeds, recipe="mnist:hinton", **flags):
    """The folder of results, with a run of each seed."""
    for seed in seeds:
        run = report_sample.make(tmp_path / "run", seed, epochs=1, **flags)
        report_sample.edited(run, lambda request: request.update(recipe=recipe), "arguments")
        collect(read_run(run), tmp_path / "results")
    return tmp_path / "results"


def texts(folder):
    index = publish_kept(folder, purpose)
    return index.read_text(encoding="utf-8"), (folder / "mnist-hinton" / "README.md").read_text(encoding="utf-8")


def row(index):
    """The only line of the index's table, by column."""
    head, _, line = [line for line in index.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in one.strip("|").split(" | ")] for one in (head, line)]
    return dict(zip(*cells, strict=True))


def test_a_line_of_the_index_says_question_answer_verdicts_seeds_and_time(tmp_path):
    told = row(texts(kept(tmp_path, 0, 1, 2))[0])
    assert told["experiment"] == "[mnist:hinton](mnist-hinton/README.md) paper" and told["question"].endswith("?")
    answer = told["answer, as measured"]
    assert re.match(r"test errors [\d.]+ ± [\d.]+ \(student\); baseline [\d.]+ ± [\d.]+; teacher ", answer)
    assert told["seeds"] == "3" and "✗ 1 does not hold" in told["claims"] and re.match(r"\d.* s", told["a run takes"])


def test_a_single_run_answers_in_its_own_words(tmp_path):
    run = read_run(report_sample.make(tmp_path / "run", epochs=1))
    assert row(texts(kept(tmp_path, 0))[0])["answer, as measured"] == run.results.headline


def test_of_many_students_the_best_and_the_worst_are_told_of_those_with_all_seeds(tmp_path):
    for seed in range(2):
        run = report_sample.make(tmp_path / f"{seed}", seed, epochs=1)
        new = [("x", 50), ("good", 90), ("bad", 200), *[("once", 10)] * (not seed)]

        def edit(results, new=new):
            student = next(each for each in results["networks"] if each["role"] == "student")
            results["networks"].remove(student)
            results["networks"] += [student | {"name": n, "scores": report_sample.scores(k + 100)} for n, k in new]

        collect(read_run(report_sample.edited(run, edit)), tmp_path / "results")
    answer = row(texts(tmp_path / "results")[0])["answer, as measured"]
    assert answer.startswith("3 students: test errors 150 ± 0 (x) to 300 ± 0 (bad); baseline ")


def test_the_setting_with_most_seeds_answers_and_the_others_are_counted(tmp_path):
    kept(tmp_path, 0, temperature=1.0)
    told = row(texts(kept(tmp_path, 0, 1, temperature=4.0))[0])
    assert told["seeds"] == "1 to 2"
    assert told["answer, as measured"].endswith("(preset paper, temperature 4, one of 2 settings)")


def test_the_index_is_a_screen_with_every_recipe_that_there_is(tmp_path):
    recipes = [recipe.name for name, module in shipped().items() for recipe in recipes_in(module, name)]
    for recipe in recipes:
        kept(tmp_path, 0, recipe=recipe)
    index = publish_kept(tmp_path / "results", purpose).read_text(encoding="utf-8")
    assert not any(r"\`" in page.read_text(encoding="utf-8") for page in tmp_path.rglob("README.md"))
    assert index.count("/README.md)") == len(recipes) and len(index.splitlines()) <= SCREEN
    assert all((tmp_path / "results" / link).is_file() for link in re.findall(r"\]\(([^)]+)\)", index))


def test_a_page_says_what_was_asked_done_measured_and_claimed(tmp_path):
    page = texts(kept(tmp_path, 0, 1, 2))[1]
    asked = purpose("mnist:hinton").partition("?")[0]
    assert page.startswith(f"# {asked}?\n")
    parts = ["## What was asked", "## Preset paper", "### What was done", "### What was measured"]
    places = [page.index(f"\n{heading}\n") for heading in [*parts, "### Do the claims hold?"]]
    assert places == sorted(places)
    assert "- Seeds: 0, 1, 2" in page and "- Training: " in page and "a run, mean of 3 (" in page
    assert "- Measured on: synthetic processor, 2 of 2 cores" in page
    assert "tutelage run mnist:hinton --preset paper --seed 2" in page
    assert re.search(r"\| student \| 800-800, T = 20 \| 3 \| [\d.]+ ± [\d.]+ \| [\d.]+ to [\d.]+ \|", page)
    assert page.count("✗ does not hold |") == 1 and texts(tmp_path / "results")[1] == page


def test_flags_that_depart_from_the_preset_are_told(tmp_path):
    page = texts(kept(tmp_path, 0, methods=METHODS[:2]))[1]
    assert "- Other than in the preset: methods method\\_0, method\\_1" in page


def test_every_link_of_a_page_leads_somewhere(tmp_path):
    folder = kept(tmp_path, 0, 1)
    file = next(folder.glob("*/*seed1.json"))
    file.rename(file.with_name("by hand (1).json"))
    (folder / "older").mkdir()
    next(folder.glob("*/*seed0.json")).rename(folder / "older" / "one.json")
    texts(folder)
    page = folder / "mnist-hinton" / "README.md"
    links = re.findall(r"(?<!\\)\]\(([^)]+)\)", page.read_text())
    assert links == ["../RESULTS.md", "by%20hand%20%281%29.json", "../older/one.json"]
    assert all((page.parent / unquote(link)).is_file() for link in links)


def test_training_time_is_a_mean_over_the_runs_that_had_the_stage(tmp_path):
    for seed, stage in enumerate(("teacher", "teacher", "only here")):
        folder = report_sample.make(tmp_path / f"run{seed}", seed, epochs=2)
        line = {"name": stage, "key": f"k{seed}", "epochs": 2, "seconds": 20.0 * (seed + 1)}
        report_sample.write(folder / "stages.json", [line])
        collect(read_run(folder), tmp_path / "results")
    assert "- Training: 40 s a run, mean of 3 (teacher 30 s, only here 1 min 0 s)" in texts(tmp_path / "results")[1]


def test_a_page_has_what_gradients_and_attention_said(tmp_path):
    for seed in range(2):
        run = report_statistics.make(tmp_path / f"run{seed}", seed, rules=("attention",))
        collect(read_run(run), tmp_path / "results")
    publish_kept(tmp_path / "results", purpose)
    (page,) = (tmp_path / "results").glob("*/README.md")
    text = page.read_text()
    assert "### Where losses pull apart" in text and "### Which layers were listened to" in text
    assert "| attention | label \\| soft |" in text and "| attention | student.layer1 |" in text


def test_notes_by_hand_come_last(tmp_path):
    folder = kept(tmp_path, 0)
    before = texts(folder)
    for place in (folder, folder / "mnist-hinton"):
        (place / "NOTES.md").write_text("### Mine\n\nEverything.\n")
    index, page = texts(folder)
    assert index == f"{before[0]}\n### Mine\n\nEverything.\n"
    assert page == f"{before[1]}\n## What was noted\n\n### Mine\n\nEverything.\n"


def test_a_recipe_of_somebody_else_is_named_and_never_imported(tmp_path, monkeypatch):
    (tmp_path / "lab.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    index = publish_kept(kept(tmp_path, 0, recipe="lab:kd"), purpose).read_text()
    assert row(index)["question"] == "lab:kd"


def test_the_name_of_a_result_is_short_and_its_own(tmp_path):
    def collected(seed, **flags):
        return collect(read_run(report_sample.make(tmp_path / "run", seed, epochs=1, **flags)), tmp_path / "results")

    files = {collected(seed, methods=METHODS[:k]) for k in (1, 2, 28, 29, 30) for seed in (0, 1)}
    assert len(files) == 10 and all(re.fullmatch(r"paper-[0-9a-f]{8}-seed[01]\.json", file.name) for file in files)
    assert len({file.name[:14] for file in files}) == 5  # a setting has one hash
    assert collected(0).name == "paper-seed0.json"
    long = report_sample.edited(tmp_path / "run", lambda request: request.update(preset="x/" * 99), "arguments")
    assert len(result_name(read_run(long))) <= LONGEST + len("-seed0.json")


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("many", [2, 30])
def test_a_file_under_an_earlier_name_reads_and_gets_its_new_one(tmp_path, which, many):
    folder = kept(tmp_path, 0, 1, methods=METHODS[:many])
    file = next(folder.glob("*/*-seed0.json"))
    (run,) = read_finished(file)
    before, name = texts(folder), former_names(run)[which]
    if len(name) > 255:
        return  # no file was ever called so
    old = file.rename(file.with_name(name))
    index, page = texts(folder)
    assert index == before[0] and name in page.replace("\\", "")
    conclude([old], out=tmp_path / "out", keep=folder)
    assert file.is_file() and not old.is_file() and texts(folder) == before


def test_a_file_of_the_same_run_with_a_name_by_hand_stays(tmp_path):
    folder = kept(tmp_path, 0)
    mine = folder / "mnist-hinton" / "paper-before.json"
    mine.write_bytes((folder / "mnist-hinton" / "paper-seed0.json").read_bytes())
    kept(tmp_path, 0)
    assert mine.is_file()


def test_runs_on_other_data_are_results_of_their_own(tmp_path):
    folder = kept(tmp_path, 0, recipe="own:distill", data="photos")
    kept(tmp_path, 0, recipe="own:distill", data="scans")
    assert len(list(folder.glob("*/*.json"))) == 2
    page = publish_kept(folder, purpose).parent / "own-distill" / "README.md"
    assert "data photos" in page.read_text() and "data scans" in page.read_text()


def test_a_file_of_another_run_under_an_earlier_name_stays(tmp_path):
    folder = kept(tmp_path, 0, data="photos", temperature=4.0)
    (first,) = folder.glob("*/*.json")
    old = first.rename(first.with_name(former_names(read_finished(first)[0])[0]))
    kept(tmp_path, 0, data="scans", temperature=4.0)
    assert former_names(read_finished(old)[0])[0] == old.name and len(list(folder.glob("*/*.json"))) == 2


@pytest.mark.parametrize(
    "text",
    ["", "[1]", '{"name": "theirs"}', '{\n"format": 7}', '{\n"format": 1, "runs": [1], "clock": {"runs": [2]}}'],
)
def test_a_damaged_result_ends_in_one_sentence_and_nothing_is_written(tmp_path, text, capsys):
    folder = kept(tmp_path, 0)
    publish_kept(folder, purpose)
    run = report_sample.make(tmp_path / "run", 1, epochs=1)
    (folder / "mnist-hinton" / "old.json").write_text(text)
    before = {file: file.read_text() for file in folder.rglob("*.*")}
    assert main(["report", str(run), "--keep", str(folder)]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "old.json is damaged or no result" in line
    assert {file: file.read_text() for file in folder.rglob("*.*")} == before


def test_no_results_are_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="no results in"):
        publish_kept(tmp_path, purpose)


def test_a_page_of_ones_own_is_not_overwritten(tmp_path, capsys):
    run = report_sample.make(tmp_path / "run", epochs=1)
    folder = kept(tmp_path, 1)
    mine = folder / "mnist-hinton" / "README.md"
    for published in (False, True):
        mine.unlink(missing_ok=True)
        if published:
            publish_kept(folder, purpose)
        mine.write_text("Mine.")
        assert main(["report", str(run), "--keep", str(folder)]) == 3
        assert "rename it to NOTES.md" in capsys.readouterr().err and mine.read_text() == "Mine."
    mine.rename(mine.with_name("NOTES.md"))
    assert main(["report", str(run), "--keep", str(folder)]) == 0
    assert mine.read_text().endswith("## What was noted\n\nMine.\n")


def test_no_number_of_a_file_changes_as_pages_are_made(tmp_path):
    folder = kept(tmp_path, 0, 1)
    before = {file: json.loads(file.read_text()) for file in folder.glob("*/*.json")}
    texts(folder)
    assert {file: json.loads(file.read_text()) for file in folder.glob("*/*.json")} == before
