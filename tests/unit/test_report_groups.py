"""Means over seeds, verdicts, settings, and whether they differ."""

import importlib
import json
import math

import pytest

import report_sample
from tutelage.report.compare import against
from tutelage.report.groups import Group, NetworkOverSeeds, group_runs
from tutelage.report.numbers import plus_minus, rounded, time_text, times
from tutelage.report.paired import mean_interval, paired_t, sign_flips
from tutelage.report.read import read_run
from tutelage.report.story import story_of
from tutelage.results import Metric, Network, Score


def runs(tmp_path, temperatures, seeds):
    return [
        read_run(report_sample.make(tmp_path / f"{t}-{seed}", seed, epochs=3, temperature=t))
        for t in temperatures
        for seed in range(seeds)
    ]


def test_the_same_setting_with_other_seeds_is_one_group(tmp_path):
    found = group_runs(runs(tmp_path, [4.0], 3))
    assert len(found) == 1 and found[0].seeds == (0, 1, 2) and found[0].by == {}
    student = found[0].main
    values = [run.results.networks[1].scores["errors"].value for run in found[0].runs]
    score = student.score(Metric("errors"))
    assert score.mean == pytest.approx(sum(values) / 3)
    assert score.sd == pytest.approx(math.sqrt(sum((v - sum(values) / 3) ** 2 for v in values) / 2))


def test_settings_are_found_by_themselves_and_sorted_as_numbers(tmp_path):
    some = runs(tmp_path, [20.0, 4.0, 1.0], 2)
    assert [group.by for group in group_runs(some)] == [{"temperature": t} for t in (1.0, 4.0, 20.0)]
    assert [group.name for group in group_runs(some, ["temperature"])] == [
        "temperature 1",
        "temperature 4",
        "temperature 20",
    ]


def test_mixed_settings_are_said(tmp_path):
    told = story_of(group_runs(runs(tmp_path, [1.0, 4.0], 1), ["units"]))
    assert told.notes == ("units 800: the runs differ in temperature too; their mean mixes these settings.",)


def test_refuses_unknown_flags_other_recipes_and_no_runs(tmp_path):
    some = runs(tmp_path, [4.0], 1)
    with pytest.raises(ValueError, match=r"mnist:hinton has no flag 'heat'; it has \['exact', 'seed',"):
        group_runs(some, ["heat"])
    with pytest.raises(ValueError, match="at least one run"):
        group_runs([])
    (file := tmp_path / "4.0-0" / "arguments.json").write_text(file.read_text().replace("mnist:hinton", "mnist:other"))
    with pytest.raises(ValueError, match="one recipe, but the runs are of 2: mnist:hinton, mnist:other"):
        group_runs([*some, read_run(tmp_path / "4.0-0")])


def test_paired_t_equals_scipy():
    stats = importlib.import_module("scipy.stats")
    first, second = [101.0, 96.0, 108.0, 99.0], [118.0, 113.5, 117.0, 121.0]
    expected = stats.ttest_rel(second, first).pvalue
    assert paired_t([b - a for a, b in zip(first, second, strict=True)]) == pytest.approx(float(expected), rel=1e-12)


def test_sign_flips_count_what_is_at_least_as_extreme():
    assert sign_flips([5.0, 7.0, 6.0]) == 2 / 8
    assert sign_flips([1.0, -1.0]) == 1.0
    assert sign_flips([3.0, 4.0, 5.0, -1.0]) == 4 / 16
    assert sign_flips([1.0] * 13) is None


def test_differences_are_paired_over_common_seeds(tmp_path):
    first, second = group_runs(runs(tmp_path, [1.0, 4.0], 3))
    found = against(second, first)
    expected = [
        b.results.networks[1].scores["errors"].value - a.results.networks[1].scores["errors"].value
        for a, b in zip(first.runs, second.runs, strict=True)
    ]
    assert found.difference.values == tuple(expected)
    assert 0 < found.t < 1 and found.flips == 0.25


def test_no_p_value_without_two_pairs(tmp_path):
    one, other = group_runs(runs(tmp_path, [1.0, 4.0], 1))
    found = against(other, one)
    assert (found.t, found.flips, found.reason) == (None, None, "one pair of seeds: no test")
    row = story_of([one, other]).comparison[1]
    assert row.t == "" and row.reason == "one pair of seeds: no test"


def test_the_sentence_of_many_seeds_has_means_and_deviations(tmp_path):
    told = story_of(group_runs(runs(tmp_path, [4.0], 3)))
    assert told.headline.startswith(
        "The student has 101.7 ± 1.2 test errors; the baseline 151.7 ± 1.2; its teacher, 1.9 × larger,"
    )
    assert "over 3 seeds" in told.headline


def test_the_sentence_of_one_run_is_its_own(tmp_path):
    (run,) = runs(tmp_path, [4.0], 1)
    assert story_of(group_runs([run])).headline == run.results.headline


def test_networks_that_settings_share_are_told_once(tmp_path):
    told = story_of(group_runs(runs(tmp_path, [1.0, 4.0], 2)))
    rows = [(row.name, row.group) for row in told.networks]
    assert rows.count(("teacher", "all settings")) == 1
    assert [group for name, group in rows if name == "student"] == ["temperature 1", "temperature 4"]


def test_never_more_digits_than_the_uncertainty_carries():
    assert plus_minus(101.6667, 4.51) == "102 ± 5"
    assert plus_minus(101.6667, 1.527) == "101.7 ± 1.5"
    assert plus_minus(0.67012, 0.0031) == "0.670 ± 0.003"
    assert rounded(99.1873, 0.21) == "99.2"
    assert rounded(1234.567, 40) == "1,235"


def test_units_of_time_and_ratios():
    assert [time_text(s) for s in (0.04, 59.6, 880.2, 7322)] == ["0.0 s", "1 min 0 s", "14 min 40 s", "2 h 2 min"]
    assert [times(r) for r in (1.876, 12.34)] == ["1.9 ×", "12.3 ×"]


def test_the_gain_kept_is_told_where_the_teacher_is_ahead_of_chance(tmp_path):
    folder = report_sample.make(tmp_path / "run", epochs=1)
    titles = [figure.title for figure in story_of(group_runs([read_run(folder)])).figures]
    assert titles == ["Test errors", "Teacher’s gain kept", "Parameters", "Latency, batch 1", "Agreement"]
    text = (folder / "results.json").read_text()
    results = json.loads(text)
    results["networks"][2] |= {
        "scores": {"errors": {"value": 87, "interval": [70, 107]}}
    }  # the teacher's 80 are within its interval
    (folder / "results.json").write_text(json.dumps(results))
    assert "Teacher’s gain kept" not in [figure.title for figure in story_of(group_runs([read_run(folder)])).figures]


@pytest.mark.parametrize(("threads", "words"), [((1, 1), "on 1 thread"), ((4, 4), "on 4 threads"), ((1, 2), "")])
def test_a_latency_says_on_how_many_threads_it_was_measured_if_always_on_as_many(tmp_path, threads, words):
    some = []
    for seed, count in enumerate(threads):
        folder = report_sample.make(tmp_path / str(seed), seed, epochs=1)
        results = json.loads((folder / "results.json").read_text())
        for network in results["networks"]:
            for latency in network["latency_ms"].values():
                latency["threads"] = count
        report_sample.write(folder / "results.json", results)
        some.append(read_run(folder))
    (figure,) = (figure for figure in story_of(group_runs(some)).figures if figure.clock)
    assert [detail for detail in figure.detail if "thread" in detail] == [words] * bool(words)


def over_seeds(*scores):
    networks = [Network("student", "student", "net", 100, {"errors": Score(*score)}) for score in scores]
    return NetworkOverSeeds(networks[0], tuple(networks)).interval(Metric("errors"))


def test_an_interval_is_of_the_mean_at_95_percent_and_never_of_one_training():
    many = over_seeds((10.0, (7.0, 13.0)), (12.0, (9.0, 15.0)), (14.0, (11.0, 17.0)))
    assert many == pytest.approx(mean_interval([10.0, 12.0, 14.0])) and many[0] < 10 and many[1] > 14
    assert over_seeds((10.0, (7.0, 13.0))) == (7.0, 13.0) and over_seeds((10.0, None)) is None
    assert over_seeds((10.0, (7.0, 13.0)), (10.0, (7.0, 13.0))) == (7.0, 13.0)  # one network that both seeds share


def test_what_is_said_of_a_network_is_counted_where_seeds_differ():
    def said(*labels):
        networks = [Network("student", "student", label, 100, {"errors": Score(1.0)}) for label in labels]
        return NetworkOverSeeds(networks[0], tuple(networks)).label

    assert said("by kd", "by kd") == said("by kd") == "by kd"
    assert said("by kd+srrl", "by kd", "by kd") == "by kd (2 of 3 seeds); by kd+srrl (1 of 3 seeds)"


def test_a_setting_without_a_text_is_called_by_what_it_has_not():
    assert Group({"preset": "", "weights": None, "minutes": 1}, ()).name == "no preset, no weights, minutes 1"


@pytest.mark.parametrize("value", [None, "", (), []])
def test_a_setting_without_a_text_has_a_name_and_a_word_in_tables(value):
    one = Group({"weights": value, "minutes": 3.0}, ())
    assert one.name == "no weights, minutes 3" and one.values[0] == "none"
