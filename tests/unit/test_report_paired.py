"""Differences between trainings of one seed: what several seeds decide, in claims and in tables."""

import io
import json
from functools import partial

from rich.console import Console

import report_sample
from tutelage.report.groups import group_runs
from tutelage.report.markdown import markdown
from tutelage.report.page import page_html
from tutelage.report.read import FinishedRun, read_run
from tutelage.report.story import story_of
from tutelage.report.tables import table_texts
from tutelage.report.terminal import print_story


def runs(tmp_path, differences: list[float]) -> list[FinishedRun]:
    """A run a seed; the claim and the second row of the table have ``differences``, the first row has none."""
    made = []
    for seed, difference in enumerate(differences):
        folder = report_sample.make(tmp_path / str(seed), seed, epochs=3)
        results = json.loads((folder / "results.json").read_text())
        claim = {"name": "it helps", "published": 0, "measured": difference, "unit": "points", "source": "us"}
        results["claims"] = [claim | {"low": 0.01, "paired": True}]
        rows = [["sum", 40.0 + seed, 0.0], ["rule", 40.0 + seed + difference, difference]]
        table = {"title": "Rules", "columns": ["rule", "accuracy", "over the sum"], "rows": rows}
        results["tables"] = [table | {"paired": ["over the sum"]}]
        report_sample.write(folder / "results.json", results)
        made.append(read_run(folder))
    return made


def test_tables_and_claims_say_how_likely_chance_is(tmp_path):
    (group,) = group_runs(runs(tmp_path, [1.0, 2.0, 3.0]))
    (table,) = table_texts(group)
    assert [name for name, _ in table.columns] == ["rule", "accuracy", "over the sum", "p"]
    assert [row[2:] for row in table.rows] == [("0", "–"), ("2.0 ± 1.0", "0.074")]
    assert "not corrected" in table.note
    told = story_of([group])
    assert told.claims[0].p == "0.074" and told.tally == "The claim is undecided by these seeds."
    assert "| 0.074 |" in markdown(told)
    assert '<td role="cell" data-label="p" class="n">0.074</td>' in page_html([group], story_of([group]))
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    print_story(told, console)
    assert "0.074" in console.file.getvalue() and "? undecided" in console.file.getvalue()


def noted(tmp_path, notes: list[tuple[int, str]]) -> str:
    def edit(value, note):
        value["tables"] = [{"title": "Rules", "columns": ["rule"], "rows": [["sum"]], "note": note}]

    made = []
    for number, (seed, note) in enumerate(notes):
        folder = report_sample.make(tmp_path / str(number), seed, epochs=3)
        made.append(read_run(report_sample.edited(folder, partial(edit, note=note))))
    ((table,),) = map(table_texts, group_runs(made))
    return table.note


def test_a_note_that_differs_says_what_each_seed_says(tmp_path):
    found = "They agree by {} of it. See there."
    notes = [(0, found.format(0.5)), (1, found.format(0.25)), (2, found.format(0.5)), (2, found.format(9))]
    assert noted(tmp_path, notes) == "They agree by 0.5 of it (seeds 0, 2); 0.25 of it (seed 1). See there."


def test_a_sentence_of_some_seeds_alone_says_of_which(tmp_path):
    notes = [(0, "One. "), (1, "One."), (2, "One. To 5."), (3, "One. To 6.")]
    assert noted(tmp_path, notes) == "One. To 5 (seed 2); 6 (seed 3)."
    assert noted(tmp_path / "some", [(0, "One."), (1, "")]) == "One (seed 0)."


def test_of_one_seed_nothing_is_said_about_chance(tmp_path):
    (group,) = group_runs(runs(tmp_path, [1.0]))
    (table,) = table_texts(group)
    assert [name for name, _ in table.columns] == ["rule", "accuracy", "over the sum"] and not table.note
    assert story_of([group]).claims[0].p == "" and 'data-label="p"' not in page_html([group], story_of([group]))
