"""Cost charts show where networks stand, and no more of them than a reader can tell apart."""

import re

import pytest

import report_sample
from tutelage.report import plots
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
def test_points_of_equal_cost_stay_within_a_few_pixels(count):
    drawn = plots.pareto_plot([spot(1e6, 10 + k) for k in range(count)], ERRORS, "equal", "ms")
    xs = [x for x, _ in discs(drawn)]
    assert len(xs) == count and max(xs) - min(xs) <= 8


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
    report_sample.edited(folder, lambda value: [network.update(parameters=800) for network in value["networks"]])
    assert titles(folder) == ["Accuracy against latency at batch 1", "Accuracy against latency at batch 64"]
