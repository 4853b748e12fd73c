"""Cost charts show where networks stand, and no more of them than a reader can tell apart."""

import re
from itertools import pairwise

import pytest

import report_sample
from tutelage.report import dots, plots
from tutelage.report.groups import group_runs
from tutelage.report.networks import scatters
from tutelage.report.read import read_run
from tutelage.results import Metric

ERRORS = Metric("errors")


def spot(x, y, role="student", name="net"):
    return plots.Spot(x, y, y, y, role, name, "")


def discs(drawn):
    return [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([-\d.]+)" cy="([-\d.]+)" r="5"', drawn)]


@pytest.mark.parametrize("count", [2, 5, 14, 40])
def test_networks_of_equal_size_stand_at_the_same_place(count):
    drawn = plots.pareto_plot([spot(1e6, 10 + k) for k in range(count)], ERRORS, "equal", "ms")
    xs = [x for x, _ in discs(drawn)]
    assert len(xs) == count and len({*xs}) == 1


def test_an_interval_of_a_share_ends_where_shares_end():
    share = Metric("accuracy", "%", "higher")
    spots = [plots.Spot(1, 98, 80, 116, "student", "wide", ""), plots.Spot(2, 99, 98, 100, "teacher", "narrow", "")]
    drawn = plots.pareto_plot(spots, share, "shares", "parameters")
    ticks = [float(tick) for tick in re.findall(r'class="t" text-anchor="end">([^<]+)<', drawn)]
    assert ticks and max(ticks) <= 100 and min(ticks) >= 0


def boxes_of_names(drawn):
    """(left, top, right, bottom) of every name, at a width that a letter has at least."""
    anchors = {"start": 0.0, "middle": 0.5, "end": 1.0}
    found = re.findall(r'<text x="([-\d.]+)" y="([-\d.]+)" class="name" text-anchor="(\w+)">([^<]*)<', drawn)
    lefts = [(float(x) - anchors[a] * 6 * len(name), float(y), 6 * len(name)) for x, y, a, name in found]
    return [(left, y - 9, left + wide, y) for left, y, wide in lefts]


@pytest.mark.parametrize("heights", [(5, 2, 9), (9, 5, 2), (2, 2.1, 9), (5, 4.9, 4.8)])
def test_the_front_crosses_no_name(heights):
    nets = [("small student", "student", 1.0), ("the teacher", "teacher", 3.0), ("baseline", "baseline", 1.0)]
    spots = [spot(x, y, role, name) for (name, role, x), y in zip(nets, heights, strict=True)]
    drawn = plots.pareto_plot(spots, ERRORS, "front", "ms")
    (corners,) = re.findall(r'<polyline points="([^"]+)" class="front"', drawn)
    corners = [tuple(map(float, corner.split(","))) for corner in corners.split()]
    assert len(boxes_of_names(drawn)) == 3
    for left, top, right, bottom in boxes_of_names(drawn):
        for (a, b), (c, d) in pairwise(corners):
            assert max(a, c) <= left or min(a, c) >= right or max(b, d) <= top or min(b, d) >= bottom


def test_the_front_goes_through_the_points_that_are_drawn():
    spots = [spot(1, 9), spot(1, 5), spot(1.001, 7), spot(3, 2), spot(3, 4)]
    drawn = plots.pareto_plot(spots, ERRORS, "front", "ms")
    (corners,) = re.findall(r'<polyline points="([^"]+)" class="front"', drawn)
    corners = [tuple(map(float, corner.split(","))) for corner in corners.split()]
    points = discs(drawn)
    assert {points[1], points[3]} <= set(corners)


def test_of_a_crowd_the_front_and_the_first_of_each_role_are_named():
    spots = [spot(10 + k, 50 + k, name=f"net {k}") for k in range(12)]
    drawn = plots.pareto_plot([*spots, spot(100, 5, "teacher", "large"), spot(30, 90, "baseline", "alone")], ERRORS,
                              "crowd", "ms")  # fmt: skip
    assert set(re.findall('class="name"[^>]*>([^<]*)<', drawn)) == {"net 0", "large", "alone"}


def titles(folder):
    return [drawing.caption for drawing in scatters(group_runs([read_run(folder)]))]


def test_sizes_that_are_all_equal_are_no_chart(tmp_path):
    folder = report_sample.make(tmp_path / "run", epochs=1)
    assert "Accuracy against size" in titles(folder)
    report_sample.edited(folder, lambda value: [x.update(parameters=800, bytes=3800) for x in value["networks"]])
    assert titles(folder) == ["Accuracy against latency at batch 1", "Accuracy against latency at batch 64"]


@pytest.mark.parametrize("small", [{"bytes": 400_000}, {"parameters": None}])
def test_bytes_are_drawn_where_they_say_something_else_than_parameters(small, tmp_path):
    folder = report_sample.make(tmp_path / "run", epochs=1)
    assert "Accuracy against bytes" not in titles(folder)
    report_sample.edited(folder, lambda value: value["networks"][1].update(small))
    drawn = {drawing.caption: drawing.svg for drawing in scatters(group_runs([read_run(folder)]))}
    assert len(discs(drawn["Accuracy against bytes"])) and "bytes of the file" in drawn["Accuracy against bytes"]


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ((157, 159, 159), ["98.43", "98.41", "98.41"]),
        ((130, 157, 210), ["98.7", "98.4", "97.9"]),
        ((159, 159, 159), ["98.4"] * 3),
    ],
)
def test_a_chart_tells_accuracies_with_as_many_digits_as_tell_its_marks_apart(tmp_path, errors, told):
    def edit(value):
        value["networks"] = value["networks"][:3]
        for network, count in zip(value["networks"], errors, strict=True):
            network["scores"] = report_sample.scores(count)

    folder = report_sample.edited(report_sample.make(tmp_path / "run", epochs=2), edit)
    (group,) = group_runs([read_run(folder)])
    networks = [(network.first.name, network) for network in group.networks]
    chart = dots.dot_chart("network", networks, Metric("accuracy", "%", "higher"))
    assert [row.value for row in chart.rows] == told
    places = {len(words.partition(".")[2]) for row in chart.rows for words in (row.value, *row.interval.split(" to "))}
    assert len(places) == 1
