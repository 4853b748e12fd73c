"""Conflicts between losses, attention over layers and learned weights: what a report makes of them."""

import io
import json
import re

import pytest
from rich.console import Console
from test_report_page import HOSTILE, parsed

import report_sample
import report_statistics
from report_sample import write_page
from tutelage.report.attention import attentions
from tutelage.report.collected import LIMIT, slim
from tutelage.report.condense import condensed
from tutelage.report.conflicts import Conflict, conflicts_of, cosines_over_time, drowned_warnings, on_part
from tutelage.report.groups import group_runs
from tutelage.report.heatmaps import cosine_shade, two_places, weight_shade
from tutelage.report.markdown import markdown
from tutelage.report.page import publish_page
from tutelage.report.read import read_run
from tutelage.report.record import runs_of_record
from tutelage.report.story import story_of
from tutelage.report.terminal import print_story
from tutelage.results import statistic

pytestmark = pytest.mark.slow

RULES = ("sum", "attention", "learned")


def group(tmp_path, seeds=1, **options):
    return group_runs([read_run(report_statistics.make(tmp_path / str(k), k, **options)) for k in range(seeds)])[0]


def words(folder):
    return " ".join(" ".join(parsed(folder / "report.html").words).split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = report_statistics.make(tmp_path_factory.mktemp("watched") / "run", rules=RULES)
    write_page(folder)
    return folder


def test_weights_are_of_a_term_or_of_two_layers():
    assert statistic("combine.means/weight soft").about == ("soft",)
    assert statistic("objective.a.loss.means/weight student.1 | teacher.2").path == "objective.a.loss.means"
    assert statistic("weight a | b | c") is None and statistic("weight") is None


def test_values_land_where_they_belong(tmp_path):
    (found,) = conflicts_of(group(tmp_path))
    log = [report_statistics.watched(0, epoch) for epoch in range(1, 7)]
    assert found.stage == "student" and found.epochs == 6 and found.pairs[1] == ("label", "hint")
    assert found.parts == ("", "backbone", "head", "layer1", "layer2", "layer3")
    for i, (a, b) in enumerate(found.pairs):
        for k, part in enumerate(found.parts):
            for what, table in (("cosine", found.cosine), ("negative", found.negative)):
                name = f"combine.means/{what} {a} | {b}{part and f' @ {part}'}"
                if name in log[0]:
                    assert table[i][k] == pytest.approx(sum(epoch[name] for epoch in log) / 6, abs=1e-4)
                else:
                    assert table[i][k] is None and part == "head" and "hint" in (a, b)


def test_over_time_has_a_value_an_epoch(tmp_path):
    whole = group(tmp_path)
    past = cosines_over_time(whole, conflicts_of(whole)[0])
    assert past.epochs == (1, 2, 3, 4, 5, 6) and past.names[0] == ("label", "soft")
    assert past.rows[0][3] == report_statistics.watched(0, 4)["combine.means/cosine label | soft"]


def test_attention_is_that_of_the_last_epoch(tmp_path):
    (found,) = attentions(group(tmp_path, rules=("attention",)))
    last = report_statistics.attended(0, 6)
    assert (found.term, found.epoch, found.student) == (
        "layers",
        6,
        ("student.layer1", "student.layer2", "student.layer3"),
    )
    assert found.weights[0][3] is None  # out of range
    assert found.weights[2][1] == pytest.approx(
        last["objective.layers.loss.means/weight student.layer3 | teacher.layer2"], abs=1e-4
    )
    assert all(sum(w for w in row if w is not None) == pytest.approx(1, abs=1e-3) for row in found.weights)


def test_seeds_are_averaged(tmp_path):
    three = group(tmp_path, 3)
    name = "combine.means/cosine soft | hint"
    values = [report_statistics.watched(seed, epoch)[name] for seed in range(3) for epoch in range(1, 7)]
    found = {pair: value for pair, value, _ in on_part(conflicts_of(three)[0], "")}
    assert found["soft", "hint"] == pytest.approx(sum(values) / 18, abs=1e-4)


def test_the_stage_of_the_main_network_comes_first(tmp_path):
    folder = report_statistics.make(tmp_path / "run", rules=("sum", "pcgrad"))
    (folder / "results.json").write_text((folder / "results.json").read_text().replace('"sum"', '"pcgrad"'))
    assert [conflict.stage for conflict in conflicts_of(group_runs([read_run(folder)])[0])] == ["pcgrad", "sum"]


def test_a_drowned_term_is_said_everywhere(tmp_path):
    folder = report_statistics.make(tmp_path / "run")
    write_page(folder)
    said = "hint is drowned: its gradient is 0.3 % of label’s."
    assert said in words(folder).replace("\u00a0", " ") and said in (folder / "report.md").read_text()
    assert json.loads((folder / "report.json").read_text())["warnings"] == [said]
    buffer = io.StringIO()
    print_story(
        story_of(group_runs([read_run(folder)])),
        Console(file=buffer, force_terminal=True, width=100, color_system=None),
    )
    assert said in buffer.getvalue().replace("\u00a0", " ")


def test_a_term_that_is_loud_once_is_drowned_all_the_same(tmp_path):
    folder = report_statistics.make(tmp_path / "run")
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    about = [line["statistics"]["student"] for line in lines if "statistics" in line]
    (name,) = (name for name in about[0] if name.endswith("relative hint"))
    about[0][name] = 1.0
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_page(folder)
    assert "hint is drowned: its gradient is 0.3 % of label’s." in words(folder).replace("\u00a0", " ")


def test_warnings_say_in_which_stages():
    def watched(stage, hint, label=1.0):
        return Conflict("", stage, "student", 1, (), (), (), (), {"label": label, "hint": hint})

    assert drowned_warnings([watched("a", 0.01)]) == ()
    assert drowned_warnings([watched("a", 0.5), watched("b", 0.002)]) == (
        "hint is drowned in b: its gradient is 0.2 % of label’s.",
    )
    some = [watched("a", 0.002), watched("b", 0.0096), watched("c", 0.5)]
    assert drowned_warnings(some) == (
        "hint is drowned in 2 of 3 stages (a, b): its gradient is 0.2 to 0.96 % of label’s.",
    )
    assert drowned_warnings([watched("a", 0.0, 0.9)]) == ("hint is drowned: its gradient is 0 % of the longest.",)


def test_the_page_shows_cosines_shares_attention_and_learned_weights(folder):
    text = words(folder)
    for shown in (
        "Where losses pull apart",
        "Which layers were listened to",
        "Weights that were learned",
        "−0.69 100 %",
    ):
        assert shown in text
    drawings = re.findall(r'aria-label="([^"]*over training[^"]*)"', (folder / "report.html").read_text())
    assert drawings == [f"Cosines over training, {rule}" for rule in RULES] + ["Attention over training, attention"]


def test_every_cell_lies_inside_its_map(folder):
    for width, height, body in re.findall(
        r'<svg viewBox="0 0 ([\d.]+) ([\d.]+)"(.*?)</svg>', (folder / "report.html").read_text(), re.S
    ):
        for x, y, w, h in re.findall(r'<rect x="([-\d.]+)" y="([-\d.]+)" width="([-\d.]+)" height="([-\d.]+)"', body):
            assert float(x) >= 0 and float(x) + float(w) <= float(width) and float(w) > 0
            assert float(y) >= 0 and float(y) + float(h) <= float(height)


def test_nothing_is_shown_where_there_are_no_statistics(tmp_path):
    folder = report_sample.make(tmp_path / "run", epochs=2)
    write_page(folder)
    shown = words(folder) + (folder / "report.md").read_text()
    for title in ("pull apart", "listened to", "were learned", "drowned"):
        assert title not in shown
    told = json.loads((folder / "report.json").read_text())
    assert told["conflicts"] == told["attention"] == told["warnings"] == []


def test_unknown_statistics_are_ignored_and_kept(tmp_path):
    folder = report_sample.make(tmp_path / "run", epochs=2)
    log = (
        (folder / "log.jsonl")
        .read_text()
        .replace('"best"', '"statistics": {"student": {"x/temperature": 2.5}}, "best"')
    )
    (folder / "log.jsonl").write_text(log)
    write_page(folder)
    assert "pull apart" not in words(folder)
    (run,) = runs_of_record(json.loads((folder / "report.json").read_text()))
    assert run.log[0].statistics == {"student": {"x/temperature": 2.5}}


def test_a_statistic_that_is_no_number_is_statistic(tmp_path):
    folder = report_sample.make(tmp_path / "run", epochs=1)
    log = (folder / "log.jsonl").read_text().replace('"best"', '"statistics": {"student": {"x": "y"}}, "best"')
    (folder / "log.jsonl").write_text(log)
    with pytest.raises(ValueError, match=r"line 1.statistics.student.x should be a number"):
        read_run(folder)


def test_hostile_terms_and_layers_are_shown_and_not_obeyed(tmp_path):
    folder = report_statistics.make(tmp_path / "run", rules=RULES)
    log = (folder / "log.jsonl").read_text()
    hostile = json.dumps(HOSTILE.replace("/", "\\"))[1:-1]  # what stands before the last / is a path
    for name in ("hint", "layer2"):
        log = log.replace(name, hostile)
    (folder / "log.jsonl").write_text(log)
    write_page(folder)
    assert ((folder / "report.html").read_text() + (folder / "report.md").read_text()).count("<script") == 1
    assert f"{HOSTILE.replace('/', chr(92))} is drowned" in words(folder).replace("\u00a0", " ")


def test_many_stages_are_folded_below_one_overview(tmp_path):
    rules = [f"rule {k}" for k in range(12)]
    write_page(folder := report_statistics.make(tmp_path / "run", rules=rules, epochs=3))
    section = re.search(r'<section id="conflicts">.*?</section>', (folder / "report.html").read_text(), re.S).group()
    assert section.count("<details>") == 11 and "All stages" in section
    assert section.index("All stages") < section.index("<h3>rule 0</h3>") < section.index("<details>")


def test_many_epochs_share_columns(tmp_path):
    write_page(folder := report_statistics.make(tmp_path / "run", epochs=200))
    text = (folder / "report.html").read_text()
    assert text.count('class="cell along"') + text.count('class="cell against"') == 6 * 50
    assert "epochs 197 to 200" in text


def test_settings_have_their_own_maps(tmp_path):
    found = [
        read_run(report_statistics.make(tmp_path / f"{t}-{s}", s, epochs=2, temperature=t))
        for t in (1.0, 4.0)
        for s in (0, 1)
    ]
    groups = group_runs(found)
    publish_page(groups, story_of(groups), tmp_path / "report")
    told = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [conflict["group"] for conflict in told["conflicts"]] == ["temperature 1", "temperature 4"]
    assert "means over all epochs and seeds" in words(tmp_path / "report")


def test_learners_have_their_own_maps(tmp_path):
    folder = report_statistics.make(tmp_path / "run", epochs=2)
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    for line in lines:
        if "statistics" in line:
            line["statistics"]["friend"] = report_statistics.watched(5, line["epoch"])
    (folder / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    write_page(folder)
    assert "student, friend" in words(folder) and "student, student" in words(folder)


def test_the_record_reads_as_the_same_run(folder):
    (again,) = runs_of_record(json.loads((folder / "report.json").read_text()))
    assert again.log == read_run(folder).log
    assert conflicts_of(group_runs([again])[0]) == conflicts_of(group_runs([read_run(folder)])[0])


def test_a_small_result_keeps_the_statistics_of_its_epochs_to_three_digits(tmp_path):
    run = read_run(report_statistics.make(tmp_path / "run", epochs=2))
    (short,) = runs_of_record(json.loads(slim(run, 400_000)))
    values, whole = short.log[-1].statistics["student"], run.log[-1].statistics["student"]
    assert values.keys() == whole.keys()
    assert all(value == float(f"{whole[name]:.3g}") for name, value in values.items())


@pytest.mark.parametrize("rules", [2, 12])
def test_a_result_too_large_keeps_the_means_of_all_epochs(tmp_path, rules):
    run = read_run(report_statistics.make(tmp_path / "run", rules=[f"rule {k}" for k in range(rules)], epochs=24))
    written = slim(run)
    (short,) = runs_of_record(json.loads(written))
    assert len(written.encode()) <= LIMIT
    for small, large in zip(conflicts_of(group_runs([short])[0]), conflicts_of(group_runs([run])[0]), strict=True):
        assert (small.stage, small.pairs) == (large.stage, large.pairs) and "" in small.parts
        pairs = zip(on_part(small, ""), on_part(large, ""), strict=True)
        assert all(a[1] == pytest.approx(b[1], abs=1e-3) and a[2] == pytest.approx(b[2], abs=1e-3) for a, b in pairs)
        assert small.drowned.keys() == {"hint"}
        assert small.relative == pytest.approx(large.relative, abs=1e-3)


def test_statistics_go_before_the_last_epochs(tmp_path):
    run = read_run(report_statistics.make(tmp_path / "run", rules=RULES, epochs=30))
    (short,) = runs_of_record(json.loads(slim(run, 9_000)))
    assert short.log and not any(epoch.statistics for epoch in short.log)


def test_condensed_attention_is_that_of_the_end(tmp_path):
    run = read_run(report_statistics.make(tmp_path / "run", rules=("attention",), epochs=5))
    line = condensed(run.parts, run.parts["log"])["log"][-1]
    name = "objective.layers.loss.means/weight student.layer2 | teacher.layer2"
    assert line["statistics"]["student"][name] == report_statistics.attended(0, 5)[name]


def test_all_stages_but_the_first_are_told_in_a_line_each(tmp_path):
    told = markdown(story_of([group(tmp_path, rules=("pcgrad", "sum", "mgda"))]))
    first, others = told.split("The same in all other stages, on all parameters that both reach:")
    assert "| pcgrad | label \\| soft |" in first and "head" in first
    lines = [line for line in others.splitlines() if line.startswith(("| sum", "| mgda"))]
    assert len(lines) == 2 and "| stage | label \\| soft |" in others


def test_numbers_and_colours():
    assert [two_places(x) for x in (0.123, -0.051, -0.001, 1, 0)] == ["0.12", "−0.05", "0", "1.00", "0"]
    assert cosine_shade(-0.25).hue == "against" and cosine_shade(-0.25).depth == 0.5 and cosine_shade(1.5).depth == 1
    assert cosine_shade(0.0).depth == 0 and weight_shade(0.3).depth == 0.3
