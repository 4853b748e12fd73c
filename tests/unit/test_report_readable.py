"""Pages of one network, of four, of twenty-five and of many settings are read by whoever cannot see, and hold nothing
empty."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from itertools import product
from pathlib import Path
from random import Random

import pytest

import report_sample
import report_statistics
from readable import complaints, tree
from tutelage.report import page as page_module
from tutelage.report.calibration import ENOUGH, sure_bins
from tutelage.report.columns import Column, filled
from tutelage.report.groups import group_runs
from tutelage.report.page import page_html
from tutelage.report.read import read_run
from tutelage.report.story import story_of
from tutelage.results import Calibration

pytestmark = pytest.mark.slow

STYLE = (Path(page_module.__file__).parent / "page.css").read_text(encoding="utf-8")


def html(*folders, by=()):
    groups = group_runs([read_run(folder) for folder in folders], by)
    return page_html(groups, story_of(groups))


def alone(folder):
    """A run of one network and nothing else."""
    return report_sample.edited(report_sample.make(folder, epochs=2), lambda x: x.update(
        networks=x["networks"][:1], claims=[], tables=[], examples=[], headline="One network."))  # fmt: skip


def compared(folder, students=25):
    """A comparison of many methods, as the recipes leave it."""
    report_sample.make(folder, epochs=3)

    def many(results):
        teacher, student, baseline = results["networks"][:3]
        names = [f"method_{k}" for k in range(students)]
        taught = [json.loads(json.dumps(student)) | {"name": name, "stage": None} for name in names]
        for k, each in enumerate(taught):
            each["scores"] = report_sample.scores(100 + 7 * k)
        results["networks"] = [teacher, baseline, *taught]
        rows = [[name, "kd", 1.0, 98.0 + k / 50, None] for k, name in enumerate(names)]
        columns = ["student", "family", "× published weight", "accuracy", "remark"]
        results["tables"] = [{"title": "Methods", "columns": columns, "rows": rows}]

    return report_sample.edited(folder, many)


def settings(root):
    return [
        report_sample.make(root / f"{t}-{s}", s, epochs=3, temperature=t) for t, s in product((1.0, 4.0, 20.0), (0, 1))
    ]


def of_words(root):
    """Settings that are no numbers."""
    return [report_sample.make(root / f"{t}-{s}", s, epochs=3, loss=t) for t, s in product(("kd", "at"), (0, 1))]


def empty(folder):
    """A run that measured nothing."""
    report_sample.make(folder, epochs=2)
    report_sample.write(folder / "results.json", {"headline": "Nothing was measured."})
    (folder / "log.jsonl").write_text("")
    report_sample.write(folder / "stages.json", [])
    return folder


PAGES = {
    "one": lambda root: html(alone(root)),
    "four": lambda root: html(report_sample.make(root, epochs=20)),
    "twenty-five": lambda root: html(compared(root)),
    "two seeds": lambda root: html(*settings(root)[:2]),
    "settings": lambda root: html(*settings(root), by=["temperature"]),
    "settings in words": lambda root: html(*of_words(root)),
    "statistics": lambda root: html(report_statistics.make(root, rules=("pcgrad", "attention"))),
    "older": lambda root: html(report_sample.make_older(root, epochs=5)),
    "nothing": lambda root: html(empty(root)),
}


@pytest.fixture(scope="module", params=PAGES)
def page(request, tmp_path_factory):
    return PAGES[request.param](tmp_path_factory.mktemp("runs") / "one")


class TestEveryPage:
    def test_is_read_by_those_who_cannot_see_and_holds_nothing_empty(self, page):
        assert complaints(page) == []

    def test_folds_what_figures_are_compared_with_by_its_script_alone(self, page):
        style, script = (re.findall(rf"<{what}>(.*?)</{what}>", page, re.S)[0] for what in ("style", "script"))
        assert ".brief .value ~ dd { display: none; }" in style and 'classList.toggle("brief"' in script
        assert "brief" not in page.replace(style, "").replace(script, "")

    def test_has_one_script_of_ours_and_allows_no_other(self, page):
        (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
        assert page.count("<script") == 1 and script == (page_module.HERE / "page.js").read_text().strip()
        digest = b64encode(sha256(script.encode()).digest()).decode()
        assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in page

    def test_lists_its_sections_where_there_are_several(self, page):
        sections = [each["id"] for each in tree(page).all("section")]
        listed = [link["href"].removeprefix("#") for nav in tree(page).all("nav") for link in nav.all("a")]
        assert listed == (sections if len(sections) > 2 else [])


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (("<h3>Arguments</h3>", "<h4>Arguments</h4>"), "h4 follows h2"),
        ((' lang="en"', ""), "the language"),
        ((' scope="col"', ""), "without scope"),
        (('role="img" ', ""), "without words"),
        (("<caption>The networks", "<caption hidden>The networks"), "hidden"),
        (("<td", "<td></td><td"), "a row of"),
        (('href="#cost"', 'href="#nowhere"'), "leads nowhere"),
        (("<footer>", "<footer></footer><footer>"), "not one footer"),
        (("<p>", "<p></p><p>"), "an empty p"),
    ],
)
def test_the_checks_find_what_is_wrong(tmp_path, broken, words):
    text = html(report_sample.make(tmp_path / "run", epochs=2))
    assert any(words in each for each in complaints(text.replace(*broken))), words


def test_a_page_of_large_pictures_stays_small_and_says_what_it_left_out(tmp_path):
    pixels = b64encode(Random(0).randbytes(224 * 224 * 3)).decode()
    folder = report_sample.edited(report_sample.make(tmp_path / "run", epochs=2), lambda x: [
        example.update(pixels=pixels, shape=[224, 224, 3]) for example in x["examples"]])  # fmt: skip
    text = html(folder)
    assert complaints(text) == [] and 3 <= text.count("data:image/png") < 14
    assert f"{14 - text.count('data:image/png')} more are in report.json" in text


def test_a_methods_chart_stands_before_its_table_and_both_before_the_claims(tmp_path):
    text = html(compared(tmp_path / "run"))
    places = [
        text.index(words) for words in ('class="dots"', '<th scope="col" role="columnheader">student', 'id="claims"')
    ]
    assert places == sorted(places)
    (chart,) = [each for each in tree(text).all("table") if each["class"] == "dots"]
    rows = [row for row in chart.all("tr") if next(row.all("th"), None) is not None][1:]
    assert len(rows) == 27 and [next(row.all("th")).text.strip() for row in rows[:2]] == ["teacher", "method_0"]
    assert all(sum("mark" in each["class"] for each in row.all()) == 1 for row in rows)


def test_numbers_that_differ_come_first_on_a_phone_and_latency_is_among_them(tmp_path):
    text = html(compared(tmp_path / "run"))
    heads = [[cell.text for cell in table.all("th") if cell["scope"] == "col"] for table in tree(text).all("table")]
    (networks,) = [head for head in heads if "parameters" in head]
    assert networks[:4] == ["network", "test errors", "ms, batch 1", "parameters"]
    (methods,) = [head for head in heads if head[:1] == ["student"]]
    assert methods == ["student", "accuracy", "family", "× published weight"]  # the remark is empty


def test_columns_that_hold_nothing_are_left_out_and_gaps_are_marked():
    kept = filled([Column("a", ("", "1")), Column("b", ("", "–")), Column("c", ("x", "y"))])
    assert [(column.heading, column.cells) for column in kept] == [("a", ("–", "1")), ("c", ("x", "y"))]


def test_bins_of_a_few_samples_are_left_out_and_others_have_an_interval():
    share = (0.0019, 0.002, 0.0981, 0.898)
    found = sure_bins(Calibration(0.1, (), (0.1, 0.4, 0.7, 0.95), (1.0, 0.5, 0.7, 0.95), share), 10_000)
    assert [one.count for one in found] == [20, 981, 8980] and ENOUGH == 20
    for one in found:
        assert 0 <= one.interval[0] < one.accuracy < one.interval[1] <= 1
    assert found[0].interval == pytest.approx((0.25, 0.75), abs=0.06)


def test_a_network_without_a_bin_that_says_something_has_no_panel(tmp_path):
    folder = report_sample.edited(report_sample.make(tmp_path / "run", epochs=2), lambda x: [
        network.update(count=60) for network in x["networks"][1:]])  # fmt: skip
    text = html(folder)
    assert re.findall(r'aria-label="Reliability of ([^:]+):', text) == ["teacher", "student", "baseline"]
    report_sample.edited(folder, lambda x: [network.update(count=15) for network in x["networks"][1:]])
    assert re.findall(r'aria-label="Reliability of ([^:]+):', html(folder)) == ["teacher"]


def test_teacher_baseline_and_students_share_an_axis_by_epoch_and_by_time(tmp_path):
    text = html(report_sample.make(tmp_path / "run", epochs=20))
    drawn = re.findall(r'<svg [^>]*aria-label="Validation errors over[^"]*".*?</svg>', text, re.S)
    assert len(drawn) == 2
    for svg in drawn:
        assert {*re.findall('class="curve (\\w+)"', svg)} == {"teacher", "baseline", "student"}
        assert {*re.findall('class="name"[^>]*>([^<]+)<', svg)} == {"teacher", "baseline", "student"}
    assert "minutes of training" in drawn[1] and ">epoch<" in drawn[0]


def channel(value):
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def contrast(a, b):
    """WCAG's ratio of two colours, each three numbers from 0 to 255."""
    light, dark = sorted(
        (sum(w * channel(x / 255) for w, x in zip((0.2126, 0.7152, 0.0722), c, strict=True)) for c in (a, b)),
        reverse=True,
    )
    return (light + 0.05) / (dark + 0.05)


def colours(block):
    """The colours of a block of the style sheet by their names."""
    found = {}
    for name, value in re.findall(r"--([\w-]+): ([^;]+);", block):
        if value.startswith("#"):
            digits = value[1:] if len(value) == 7 else "".join(2 * x for x in value[1:])
            found[name] = tuple(int(digits[i : i + 2], 16) for i in (0, 2, 4))
        elif re.fullmatch(r"\d+ \d+ \d+", value):
            found[name] = tuple(map(int, value.split()))
    return found


LIGHT, DARK = (colours(block) for block in re.findall(r":root \{(.*?)\}", STYLE, re.S))
SCHEMES = {"light": LIGHT, "dark": LIGHT | DARK}


@pytest.mark.parametrize("scheme", SCHEMES)
class TestContrast:
    @pytest.mark.parametrize("ink", ["ink", "muted", "accent"])
    @pytest.mark.parametrize("ground", ["page", "soft"])
    def test_text_reaches_aa(self, scheme, ink, ground):
        assert contrast(SCHEMES[scheme][ink], SCHEMES[scheme][ground]) >= 4.5

    @pytest.mark.parametrize("ground", ["accent", "ink"])
    def test_verdicts_reach_aa(self, scheme, ground):
        assert contrast(SCHEMES[scheme]["page"], SCHEMES[scheme][ground]) >= 4.5

    @pytest.mark.parametrize(
        "role", ["teacher", "student", "baseline", "member", "other", "k0", "k1", "k2", "k3", "k4"]
    )
    def test_marks_and_lines_reach_three_to_one(self, scheme, role):
        assert contrast(SCHEMES[scheme][role], SCHEMES[scheme]["page"]) >= 3

    @pytest.mark.parametrize("tint", ["along", "against", "heard"])
    @pytest.mark.parametrize("depth", [0, 0.25, 0.5, 0.75, 1])
    def test_numbers_on_a_heat_map_reach_aa(self, scheme, tint, depth):
        known = SCHEMES[scheme]
        ground = [depth * a + (1 - depth) * b for a, b in zip(known[tint], known["page"], strict=True)]
        assert contrast(known["ink"], ground) >= 4.5


def test_no_text_is_faded_below_its_colour():
    """``opacity`` on text would undo its contrast; it is for marks, lines and bars alone."""
    faded = {rule.split("{")[0].strip() for rule in STYLE.split("}") if re.search(r"(?<![-\w])opacity: *0?\.\d", rule)}
    assert faded <= {"svg .bar", "svg .seed", "svg .faint", ".track .through", ".track .one", ".track .bar", ".barline"}
