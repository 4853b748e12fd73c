"""A report is about whatever a run measured: errors, perplexity, R², and which way is better."""

import csv
import io
import json
import re

import pytest
from rich.console import Console

import report_sample
from tutelage.report import plots
from tutelage.report.groups import group_runs
from tutelage.report.networks import scatters
from tutelage.report.page import publish_page
from tutelage.report.read import read_run
from tutelage.report.story import story_of
from tutelage.report.terminal import print_story
from tutelage.results import ROLES, Metric

pytestmark = pytest.mark.slow

SQUARES, R2 = Metric("mean squared error"), Metric("R²", better="higher")
PERPLEXITY, ACCURACY = Metric("perplexity"), Metric("accuracy", "%", "higher")
FAMILY = [(SQUARES, R2), (R2, SQUARES), (PERPLEXITY,), (ACCURACY,), (Metric("F1", better="higher"), ACCURACY)]
ORDER = ("teacher", "student", "baseline", "narrow student", "linear")  # the best first


def value(metric, place, shift):
    """The better, the smaller the place; ``shift`` is what a seed or a setting adds."""
    step = 2.0 if metric.unit else 0.05
    return (90 if metric.unit else 0.8) - step * (place + shift) * (1 if metric.better == "higher" else -1)


def make(folder, metrics, seed=0, worse=0.0, certain=True, **flags):
    """A run of these metrics; ``worse`` is added to the student's place."""
    report_sample.make(folder, seed, epochs=3, **flags)
    results = json.loads((folder / "results.json").read_text())
    results |= {"headline": "", "claims": [], "tables": [], "methods": [], "examples": []}
    results["metrics"] = [{"name": m.name, "unit": m.unit, "better": m.better} for m in metrics]
    for network in results["networks"]:
        place = ORDER.index(network["name"])
        shift = 0.02 * seed * (place + 1) + (worse if network["name"] == "student" else 0)
        values = {m.name: value(m, place, shift) for m in metrics}
        network["scores"] = {
            name: {"value": x, "interval": [x - 0.011, x + 0.013] if certain else None} for name, x in values.items()
        }
        network |= {"calibration": None, "confusion": []}
        network["best"] = {"epoch": 2, "scores": {metrics[0].name: values[metrics[0].name]}}
        network["validation"] = {metrics[0].name: values[metrics[0].name], "count": 500}
    report_sample.write(folder / "results.json", results)
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    for line in lines:
        line["stage"] = line["stage"].replace("alone", "baseline")
        line["validation"] = {metrics[0].name: 1 / line["epoch"], "loss": 2.0}
    (folder / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def everything(found, folder):
    """All that a report says, as one text without the environment."""
    publish_page(found, story_of(found), folder)
    buffer = io.StringIO()
    print_story(story_of(found), Console(file=buffer, force_terminal=True, width=110, color_system=None))
    return buffer.getvalue() + "".join((folder / f"report.{end}").read_text() for end in ("html", "md", "csv"))


def named(metrics):
    return [pytest.param(some, id=", ".join(metric.name for metric in some)) for some in metrics]


@pytest.mark.parametrize("certain", [True, False])
@pytest.mark.parametrize("metrics", named(FAMILY))
def test_nothing_is_said_of_a_metric_that_nobody_measured(tmp_path, metrics, certain):
    found = [
        read_run(make(tmp_path / f"{t}-{seed}", metrics, seed, certain=certain, temperature=t))
        for t in (1.0, 4.0)
        for seed in range(2)
    ]
    text = everything(group_runs(found), tmp_path / "all") + everything(group_runs(found[:1]), tmp_path / "one")
    text = text.replace("calibration_error", "").replace("mean_squared_error", "")  # columns of the CSV
    for metric in sorted(metrics, key=lambda metric: -len(metric.name)):
        assert metric.name in text
        text = re.sub(metric.name, "", text, flags=re.IGNORECASE)
    for word in ("error", "accuracy"):
        assert not re.search(rf".{{0,60}}{word}.{{0,60}}", text, re.IGNORECASE)


@pytest.mark.parametrize("metrics", named(FAMILY))
def test_the_best_setting_is_the_better_one_whichever_way_that_is(tmp_path, metrics):
    found = group_runs(
        [
            read_run(make(tmp_path / f"{t}-{seed}", metrics, seed, worse=w, temperature=t))
            for t, w in ((1.0, 0.6), (4.0, 0.0), (20.0, 0.3))
            for seed in range(3)
        ]
    )
    word = "lowest" if metrics[0].better == "lower" else "highest"
    assert story_of(found).headline.startswith(f"Of 3 settings, temperature 4 gives the {word} test {metrics[0].name}")


@pytest.mark.parametrize("metrics", named(FAMILY))
def test_changes_are_better_or_worse_and_the_gain_is_a_share_of_the_lead(tmp_path, metrics):
    (group,) = group_runs([read_run(make(tmp_path / "run", metrics))])
    figures = {figure.title: figure for figure in story_of([group]).figures}
    detail = " ".join(figures[f"Test {metrics[0].name}"].detail)
    unit = " points" if metrics[0].unit == "%" else ""  # of two percentages
    assert re.search(rf"[\d.]+{unit} better than the baseline \(800-800\)", detail)
    assert re.search(rf"[\d.]+{unit} worse than the teacher", detail)
    assert figures["Teacher’s gain kept"].value == "50 %"  # the student is half-way between them


@pytest.mark.parametrize("metrics", named(FAMILY))
def test_the_csv_has_four_columns_a_metric(tmp_path, metrics):
    groups = group_runs([read_run(make(tmp_path / "run", metrics))])
    publish_page(groups, story_of(groups), tmp_path / "report")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "report" / "report.csv").read_text())))
    for metric in metrics:
        name = metric.name.replace(" ", "_")
        for row in rows:
            x = value(metric, ORDER.index(row["network"]), 0)
            assert [float(row[name + end]) for end in ("", "_low", "_high")] == pytest.approx([x, x - 0.011, x + 0.013])
            assert row[f"{name}_sd"] == ""


@pytest.mark.parametrize("metric", [SQUARES, R2, PERPLEXITY, ACCURACY], ids=lambda metric: metric.name)
def test_better_is_up_and_the_front_holds_what_nothing_beats(metric):
    good, bad = value(metric, 0, 0), value(metric, 3, 0)
    best = [
        plots.Spot(1, bad, bad, bad, "student", "small", ""),
        plots.Spot(3, good, good, good, "teacher", "large", ""),
    ]
    beaten = plots.Spot(3, bad, bad, bad, "baseline", "as large", "")
    assert plots.pareto_front([beaten, *best], metric) == best
    drawn = plots.pareto_plot(best, metric, "title", "parameters")
    heights = dict(re.findall(r'class="mark (?:disc |)(student|teacher)"', drawn) and _heights(drawn))
    assert heights["teacher"] < heights["student"]  # pixels grow downwards


def _heights(drawn):
    discs = re.findall(r'<circle cx="[-\d.]+" cy="([-\d.]+)" r="5" class="mark disc (\w+)"', drawn)
    squares = re.findall(r'<polygon points="[-\d.]+,([-\d.]+) [^"]*" class="mark (\w+)"', drawn)
    return [(role, float(height)) for height, role in discs + squares]


def test_a_network_may_lack_the_metric_that_decides(tmp_path):
    folder = make(tmp_path / "run", (PERPLEXITY,))
    results = json.loads((folder / "results.json").read_text())
    for network in results["networks"]:
        network |= {"scores": {}, "best": None, "notes": ["its perplexity is infinite"]}
    report_sample.write(folder / "results.json", results)
    text = everything(group_runs([read_run(folder)]), tmp_path / "report")
    assert "its perplexity is infinite" in text and "they measured no network" in text
    results["networks"] = (
        results["networks"][:1]
        + json.loads((make(tmp_path / "b", (PERPLEXITY,)) / "results.json").read_text())["networks"][1:]
    )
    report_sample.write(folder / "results.json", results)
    everything(group_runs([read_run(folder)]), tmp_path / "report")


@pytest.mark.parametrize("metrics", [(SQUARES, R2), (R2, SQUARES), (PERPLEXITY, R2)], ids=lambda some: some[0].name)
def test_the_metric_that_decides_is_the_one_that_is_drawn(tmp_path, metrics):
    name = metrics[0].name
    assert (
        scatters(group_runs([read_run(make(tmp_path / "run", metrics))]))[0].caption
        == f"{name[:1].upper()}{name[1:]} against size"
    )


def test_rows_that_differ_in_the_third_digit_read_differently(tmp_path):
    def edit(value):
        for k, network in enumerate(value["networks"]):
            score = 2.08 + 0.02 * k
            network["scores"] = {SQUARES.name: {"value": score, "interval": [score - 0.3, score + 0.3]}}
            network["latency_ms"] = {"1": {"median": 0.662 + 0.11 * k, "q1": 0.5, "q3": 1.9}}

    folder = report_sample.edited(make(tmp_path / "run", (SQUARES,)), edit)
    story = story_of(group_runs([read_run(folder)]))
    assert [row.scores[0].split()[0] for row in story.networks] == ["2.08", "2.10", "2.12", "2.14", "2.16"]
    assert [row.latency["1"] for row in story.networks] == ["0.662", "0.772", "0.882", "0.992", "1.10"]
    assert story.figures[0].value == "2.10" and {row.role for row in story.networks} == set(ROLES)
