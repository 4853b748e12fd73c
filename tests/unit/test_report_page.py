"""One page that stands alone, and its companions."""

import csv
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import report_sample
from report_sample import write_page
from tutelage.report import plots, tables
from tutelage.report.citations import bibtex
from tutelage.report.groups import group_runs
from tutelage.report.page import FILES, publish_page
from tutelage.report.png import png_address
from tutelage.report.read import read_run
from tutelage.report.story import story_of
from tutelage.results import Curve, Metric, Table

pytestmark = pytest.mark.slow

VOID = {"meta", "img", "br", "hr", "link", "input", "wbr"}
HOSTILE = "<script>alert('x')</script>\"&{{ 7 * 7 }}"


class Reader(HTMLParser):
    """Checks that tags nest, and remembers elements, identifiers, words and everything that is referred to."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.words, self.sources, self.links = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        self.sources += [attributes[name] for name in ("src", "data", "poster", "srcset") if name in attributes]
        if tag == "a":
            self.links.append(attributes["href"])
        elif "href" in attributes:
            self.sources.append(attributes["href"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        self.words.append(data)


def parsed(file: Path) -> Reader:
    reader = Reader()
    reader.feed(file.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    folder = report_sample.make(tmp_path_factory.mktemp("one") / "run")
    write_page(folder)
    return folder


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    root = tmp_path_factory.mktemp("several")
    for temperature in (1.0, 4.0):
        for seed in range(2):
            report_sample.make(root / f"runs/{temperature}-{seed}", seed, epochs=5, temperature=temperature)
    runs = [read_run(folder) for folder in sorted((root / "runs").iterdir())]
    groups = group_runs(runs, ["temperature"])
    publish_page(groups, story_of(groups), root / "report")
    return root / "report"


@pytest.mark.parametrize("which", ["one", "several"])
class TestEveryPage:
    @pytest.fixture
    def folder(self, which, request):
        return request.getfixturevalue(which)

    def test_is_well_formed_and_needs_nothing_from_outside(self, folder):
        reader = parsed(folder / "report.html")
        assert all(source.startswith("data:image/png;base64,") for source in reader.sources)
        assert "@import" not in (text := (folder / "report.html").read_text()) and "url(" not in text
        assert not any(tag in ("link", "iframe", "object") for tag, _ in reader.tags)
        others = {link for link in reader.links if "://" not in link and not link.startswith("#")}
        assert others == {"report.json", "report.csv", "report.md"}

    def test_is_small(self, folder):
        assert (folder / "report.html").stat().st_size < 2_000_000

    def test_has_every_claim_with_its_verdict_in_words(self, folder):
        words = " ".join("".join(parsed(folder / "report.html").words).split())
        for claim in report_sample.claims(report_sample.networks(0)):
            assert claim["name"] in words
        for verdict in (
            "✓ holds",
            "✗ does not hold",
            "○ not judged",
            "60,000 images and 3,000 epochs would decide",
        ):
            assert verdict in words

    def test_writes_four_files(self, folder):
        assert {file.name for file in folder.glob("report.*")} == set(FILES)
        assert not list(folder.glob(".report*"))


def test_hostile_names_are_shown_and_not_obeyed(tmp_path):
    folder = report_sample.make(tmp_path / "run", epochs=3)
    results = json.loads((folder / "results.json").read_text())
    results["headline"] = results["claims"][0]["name"] = results["claims"][0]["source"] = HOSTILE
    results["networks"][1] |= {"name": HOSTILE, "label": HOSTILE}
    results["tables"][0] |= {"title": HOSTILE, "note": HOSTILE}
    results["classes"][3], results["examples"][0]["kind"] = HOSTILE, HOSTILE
    (folder / "results.json").write_text(json.dumps(results))
    log = (folder / "log.jsonl").read_text()
    for name in ('"soft"', '"alone"'):
        log = log.replace(name, json.dumps(HOSTILE))
    (folder / "log.jsonl").write_text(log)
    write_page(folder)
    text = (folder / "report.html").read_text()
    assert text.count("<script") == 1 and "<script" not in (folder / "report.md").read_text()
    assert HOSTILE in "".join(parsed(folder / "report.html").words)


def test_equal_runs_give_equal_files(one, tmp_path):
    again = report_sample.make(tmp_path / "elsewhere")
    write_page(again)
    for name in FILES:
        assert (one / name).read_bytes() == (again / name).read_bytes()


def test_another_clock_changes_nothing_but_the_clock(one, tmp_path):
    folder = report_sample.make(tmp_path / "run")
    slow = folder / "log.jsonl"
    slow.write_text(re.sub(r'"seconds": [\d.]+', '"seconds": 99.5', slow.read_text()))
    for name, edit in {
        "stages": lambda x: [stage.update(seconds=1.25) for stage in x],
        "environment": lambda x: x.update(date="2027-01-01"),
        "results": lambda x: [net["latency_ms"]["1"].update(median=7.0, q1=6.0, q3=8.0) for net in x["networks"]],
    }.items():
        value = json.loads((folder / f"{name}.json").read_text())
        edit(value)
        (folder / f"{name}.json").write_text(json.dumps(value))
    write_page(folder)
    before, after = (json.loads((each / "report.json").read_text()) for each in (one, folder))
    assert before.pop("clock") != after.pop("clock")
    assert before == after


def test_the_csv_has_a_row_for_every_network_with_numbers_in_full(one, several):
    rows = list(csv.DictReader((one / "report.csv").read_text().splitlines()))
    assert [row["network"] for row in rows] == ["teacher", "student", "baseline", "narrow student", "linear"]
    assert float(rows[1]["errors"]) == 103 and (rows[1]["errors_low"], rows[1]["errors_high"]) == ("84.0", "125.0")
    assert [float(rows[1][name]) for name in ("accuracy", "accuracy_low")] == pytest.approx([98.97, 98.75])
    assert rows[1]["accuracy_sd"] == ""
    assert rows[0]["parameters"] == "2395210" and float(rows[0]["latency_ms_batch_64"]) == pytest.approx(3.69)
    grouped = csv.DictReader((several / "report.csv").read_text().splitlines())
    assert [row["temperature"] for row in grouped] == ["1.0"] * 5 + ["4.0"] * 5


def test_the_markdown_has_the_sentence_and_the_verdicts(one):
    text = (one / "report.md").read_text()
    assert "**The distilled 800-800 student makes 103 test errors" in text
    assert (
        text.count("✓ holds") == 1
        and text.count("✗ does not hold") == 1
        and text.count("○ not judged") == 1
        and text.count("? undecided") == 1
    )


def test_sections_without_data_are_left_out(tmp_path):
    folder = report_sample.make(tmp_path / "run", epochs=3)
    (folder / "results.json").write_text(json.dumps({"headline": "Nothing was measured."}))
    (folder / "log.jsonl").write_text("")
    (folder / "stages.json").write_text("[]")
    write_page(folder)
    reader = parsed(folder / "report.html")
    words = " ".join(reader.words)
    assert "Nothing was measured." in words and "How do I repeat it?" in words
    for section in ("Does the published", "did it cost", "did it get there", "did the student", "What else"):
        assert section not in words
    assert not any(tag in ("figure", "svg", "img", "table") for tag, _ in reader.tags)


@pytest.mark.parametrize("missing", ["latency_ms", "agreement", "calibration", "best", "validation", "macs", "bytes"])
def test_a_network_may_lack_any_measure(tmp_path, missing):
    folder = report_sample.make(tmp_path / "run", epochs=2)
    results = json.loads((folder / "results.json").read_text())
    for network in results["networks"]:
        network[missing] = None
    (folder / "results.json").write_text(json.dumps(results))
    parsed(write_page(folder))


def test_every_point_of_a_plot_lies_inside_it(one, several):
    for folder in (one, several):
        text = (folder / "report.html").read_text()
        for width, height, body in re.findall(r'<svg viewBox="0 0 (\d+) (\d+)"(.*?)</svg>', text, re.S):
            xs = [float(x) for x in re.findall(r' (?:cx|x|x1|x2)="([-\d.]+)"', body)]
            ys = [float(y) for y in re.findall(r' (?:cy|y|y1|y2)="([-\d.]+)"', body)]
            assert min(xs) >= 0 and max(xs) <= float(width) and min(ys) >= 0 and max(ys) <= float(height)
            assert "nan" not in body


def test_seeds_are_thin_and_their_mean_is_thick(one, several):
    text = (several / "report.html").read_text()
    assert 'class="seed student"' in text and 'class="curve student"' in text
    assert 'class="seed' not in (one / "report.html").read_text()


def test_a_picture_is_a_png_of_the_same_pixels():
    import base64
    import zlib

    address = png_address(base64.b64encode(bytes(range(6))).decode(), [2, 3])
    png = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    assert png[:8] == b"\x89PNG\r\n\x1a\n" and png[16:24] == bytes([0, 0, 0, 3, 0, 0, 0, 2])
    start = png.index(b"IDAT") + 4
    length = int.from_bytes(png[start - 8 : start - 4], "big")
    assert zlib.decompress(png[start : start + length]) == bytes([0, 0, 1, 2, 0, 3, 4, 5])
    with pytest.raises(ValueError, match=r"shape \(2, 3\) needs .* but has 5"):
        png_address(base64.b64encode(bytes(5)).decode(), [2, 3])


def test_the_methods_that_ran_are_cited_once(one):
    methods = ["tutelage.losses.kd:soft_targets", "tutelage.losses.kd:matched_logits", "no.such:thing", "os:path"]
    (entry,) = bibtex(methods)
    assert entry.startswith("@") and entry.endswith("}") and "Hinton" in entry
    assert entry.splitlines()[1].strip() in (one / "report.html").read_text()


def test_no_torch_is_needed(one):
    code = (
        f"import sys; sys.path.insert(0, {str(Path(report_sample.__file__).parent)!r});"
        f"from report_sample import write_page; write_page({str(one)!r}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_extra_the_error_says_what_to_install(one, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"pip install 'tutelage\[report\]'"):
        write_page(one)


@pytest.mark.parametrize(("errors", "count"), [(0, 10), (10, 10), (1, 1_000_000)])
def test_perfect_and_hopeless_networks_are_drawn_too(tmp_path, errors, count):
    folder = report_sample.make(tmp_path / "run", epochs=1)
    results = json.loads((folder / "results.json").read_text())
    for network in results["networks"]:
        network |= {"scores": report_sample.scores(errors, count), "count": count}
    (folder / "results.json").write_text(json.dumps(results))
    text = write_page(folder).read_text()
    (size, *_) = re.findall(r'<svg viewBox[^>]*aria-label="Accuracy against size".*?</svg>', text, re.S)
    ticks = [float(tick) for tick in re.findall(r'class="t" text-anchor="end">([^<]+)<', size)]
    assert ticks and min(ticks) >= 0 and max(ticks) <= 100


def test_many_students_leave_their_names_out_rather_than_on_top_of_each_other():
    spots = [plots.Spot(1e6, 1 + k / 100, 1, 1.2, "student", f"student number {k}", "") for k in range(20)]
    drawn = plots.pareto_plot(spots, Metric("errors"), "crowd", "parameters")
    assert 1 <= drawn.count('class="name"') < 20 and drawn.count("<title>") == 1 and drawn.count('class="mark') == 20
    alone = plots.pareto_plot(
        [plots.Spot(10.0**k, 5 - k, 4 - k, 6 - k, "student", f"net {k}", "") for k in range(4)],
        Metric("errors"),
        "few",
        "",
    )
    assert alone.count('class="name"') == 4


def test_the_front_holds_what_nothing_beats_in_both():
    best = [plots.Spot(1, 9, 9, 9, "student", "small", ""), plots.Spot(3, 2, 2, 2, "teacher", "large", "")]
    beaten = [plots.Spot(3, 5, 5, 5, "baseline", "same size", ""), plots.Spot(4, 2, 2, 2, "member", "larger", "")]
    assert plots.pareto_front([*beaten, *best], Metric("errors")) == best


def test_lines_are_named_by_words_or_by_a_number_with_its_column_and_large_values_are_short():
    curve = Curve("parameters", "gain", "by", log_x=True)
    rows = ((78042, "kd", -1.5), (175258, "kd", 2.0), (78042, 8, 0.5), (175258, 8, 1.0))
    drawn = tables.table_curve(Table("Teachers", ("parameters", "by", "gain"), rows, curve=curve), rows, curve)
    assert re.findall('class="name"[^>]*>([^<]*)<', drawn) == ["kd", "8 by"]
    assert ">78.0 k<" in drawn and ">175 k<" in drawn and 'class="zero"' in drawn


def test_a_column_of_small_numbers_has_as_many_places_everywhere(tmp_path):
    folder = report_sample.make(tmp_path / "run")
    results = json.loads((folder / "results.json").read_text())
    rows = [["a", 48.2, 1, 0.123, 1e-5], ["b", 48.05, 2, 7.0, 48.25], ["c", None, 3, 2.5, 3.0]]
    results["tables"] = [{"title": "T", "columns": ["who", "places", "whole", "many", "tiny"], "rows": rows}]
    results["claims"] = [{"name": "less", "published": 0, "measured": -0.54, "unit": "points", "low": 0.01,
                          "high": None, "source": "", "note": ""}]  # fmt: skip
    (folder / "results.json").write_text(json.dumps(results))
    write_page(folder)
    cells = re.findall(r"<t[dh][^>]*>([^<]*)</t[dh]>", (folder / "report.html").read_text())
    start = cells.index("a")
    assert cells[start : start + 5] == ["a", "48.20", "1", "0.123", "1e-05"]
    assert cells[start + 5 : start + 15] == ["b", "48.05", "2", "7", "48.25", "c", "–", "3", "2.5", "3"]
    assert "| 0 | −0.54 |" in (folder / "report.md").read_text()  # to the places of the bound that it is judged by


def test_no_path_of_this_machine_is_in_the_page(several):
    assert str(several.parent) not in (several / "report.html").read_text()
