"""Runs that earlier versions wrote, and the results that are kept, read as if they were of today."""

import json
from pathlib import Path

import pytest

import report_sample
import tutelage
from tutelage.report.older import renewed
from tutelage.report.read import read_run
from tutelage.report.record import runs_of_record
from tutelage.results import Metric

pytestmark = pytest.mark.slow

KEPT = sorted(Path(tutelage.__file__).parents[2].glob("results/*/*.json"))


@pytest.mark.parametrize("seed", range(3))
def test_an_older_run_reads_as_the_same_run_of_today(tmp_path, seed):
    old = read_run(report_sample.make_older(tmp_path / "old", seed, epochs=2))
    new = read_run(report_sample.make(tmp_path / "new", seed, epochs=2))
    assert old.results == new.results
    assert (old.log, old.stages, old.request, old.environment) == (new.log, new.stages, new.request, new.environment)


def test_what_this_version_wrote_stays_as_it_is(tmp_path):
    parts = read_run(report_sample.make(tmp_path / "run", epochs=2)).parts
    assert renewed(parts) is parts


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda r: r["networks"][1].update(errors="many"), r"networks\[1\].scores is missing"),
        (lambda r: r["networks"][1].update(interval=[1]), r"networks\[1\].scores is missing"),
        (lambda r: r["networks"][1].update(count=None), r"networks\[1\].count should be a whole number"),
        (lambda r: r["networks"][1].update(role="boss"), r"role should be one of teacher, .* is 'boss'"),
        (lambda r: r["networks"][1].update(role=["boss"]), r"role should be one of teacher, .* is \[.boss.\]"),
        (lambda r: r["networks"][1].update(role={}), r"role should be one of teacher, .* is \{\}"),
        (lambda r: r["claims"][1].update(measured="x"), r"claims\[1\].measured should be a number"),
        (lambda r: r.update(networks=3), r"networks should be a list, but is 3"),
        (lambda r: r.update(claims=[3]), r"claims\[0\] should be an object, but is 3"),
    ],
)
def test_a_damaged_older_run_is_named(tmp_path, edit, words):
    folder = report_sample.make_older(tmp_path / "run", epochs=1)
    results = json.loads((folder / "results.json").read_text())
    edit(results)
    report_sample.write(folder / "results.json", results)
    with pytest.raises(ValueError, match=words):
        read_run(folder)


def test_an_error_rate_has_the_interval_of_its_count(tmp_path):
    folder = report_sample.make_older(tmp_path / "run", epochs=1)
    results = json.loads((folder / "results.json").read_text())
    claim = {"name": "of all", "published": 47.3, "unit": "% errors", "source": "us", "high": 56.0, "scale": None}
    results["claims"] = [claim | {"measured": 20.57}, claim | {"name": "paired", "measured": 3.0, "paired": True}]
    report_sample.write(folder / "results.json", results)
    rate, paired = read_run(folder).results.claims
    assert rate.interval == pytest.approx((19.78, 21.38)) and paired.interval is None


@pytest.mark.parametrize("file", [pytest.param(file, id=f"{file.parent.name}/{file.name[:40]}") for file in KEPT])
def test_every_kept_result_reads(file):
    text = json.loads(file.read_text(encoding="utf-8"))
    for old, run in zip(text["runs"], runs_of_record(text), strict=True):
        if "metrics" in old["results"]:  # of this version
            assert [network.name for network in run.results.networks] == [x["name"] for x in old["results"]["networks"]]
            assert all(network.scores for network in run.results.networks)
            continue
        assert run.results.metrics == (Metric("errors"), Metric("accuracy", "%", "higher"))
        for before, network in zip(old["results"]["networks"], run.results.networks, strict=True):
            score, accuracy = network.scores["errors"], network.scores["accuracy"]
            assert (score.value, [*score.interval]) == (before["errors"], before["interval"])
            assert accuracy.value == pytest.approx(100 * (1 - before["errors"] / before["count"]))
            assert accuracy.interval[0] <= accuracy.value <= accuracy.interval[1]
            assert {before["role"], network.role} in (
                {"alone", "baseline"},
                {"baseline", "other"},
                {"teacher"},
                {"student"},
                {"member"},
            )
            assert (network.validation or {}).get("errors") == (before["validation"] or {}).get("errors")
        for before, claim in zip(old["results"]["claims"], run.results.claims, strict=True):
            assert (claim.measured, claim.reason) == (before["measured"], before.get("scale") or "")
            if claim.interval:
                assert claim.interval[0] <= claim.measured <= claim.interval[1]
