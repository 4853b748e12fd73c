"""Whatever texts a stranger's run holds, its report shows them, and none of them does anything."""

import csv
import io
import json
import re
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

import report_sample
import report_statistics
from tutelage.cli.conclude import conclude
from tutelage.cli.failures import sentence
from tutelage.cli.find import purpose
from tutelage.printable import printable, printable_in
from tutelage.report.collected import collect
from tutelage.report.groups import group_runs
from tutelage.report.kept import publish_kept
from tutelage.report.page import FILES, publish_page
from tutelage.report.read import read_run
from tutelage.report.story import story_of
from tutelage.report.terminal import print_story
from tutelage.results import Arguments

pytestmark = pytest.mark.slow

HOSTILE = " ".join(
    [
        *["=cmd|' /C calc'!A0", "<script>alert(1)</script>", '"onload="x\'', "<img src=x onerror=alert(1)>"],
        *[
            "[link=file:///x]y[/link] [/b]",
            "| a | b |",
            "```",
            "\r# Title",
            "\x1b]0;x\x07\x1b[2J\x9b31m",
            "\u202egnp.exe",
        ],
        *["\u2066\u2028", "javascript:alert(1)", "{{7*7}} {% x %}", 'arXiv:1503.02531"onmouseover=x'],
        *['doi:10.1234/x"y', "![x](javascript:x)", "&lt;b&gt;", "\\"],
    ]
)
LITERAL = {"role", "better", "kind", "pixels"}
FREE = {"scores", "losses", "weights", "validation", "statistics", "student", "arguments", "defaults", "data"}
OURS = {"count", "loss", "seed"}


def hostile(value, key="", free=False):
    """A JSON value with something in front of all its texts, and of the names that a run chooses itself."""
    if isinstance(value, str):
        return value if key in LITERAL else f"{HOSTILE}{value}"
    if isinstance(value, list):
        return [hostile(x, key) for x in value]
    if isinstance(value, dict):
        return {
            f"{HOSTILE}{name}" if free and "/" not in name else name: hostile(x, name, name in FREE)
            for name, x in value.items()
        }
    return value


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two runs of a stranger, with statistics, that differ in a flag."""
    root = tmp_path_factory.mktemp("stranger")
    made = [report_statistics.make(root / str(seed), seed, word=word) for seed, word in enumerate(("a", "b"))]
    for folder in made:
        for file in sorted(folder.iterdir()):
            texts = file.read_text().splitlines() if file.suffix == ".jsonl" else [file.read_text()]
            parts = [hostile(json.loads(text), free=file.stem == "environment") for text in texts]
            file.write_text("\n".join(map(json.dumps, parts)))
    return made


@pytest.fixture(scope="module")
def report(folders, tmp_path_factory):
    groups = group_runs([read_run(folder) for folder in folders])
    where = tmp_path_factory.mktemp("report")
    publish_page(groups, story_of(groups), where)
    return where


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen, self.links = set(), []

    def handle_starttag(self, tag, attrs):
        self.seen |= {(tag, name) for name, _ in attrs} | {(tag, "")}
        self.links += [value for name, value in attrs if name in ("href", "src")]


def tags(page: Path) -> Tags:
    found = Tags()
    found.feed(page.read_text(encoding="utf-8"))
    return found


UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\ud800-\udfff]")


def test_no_output_holds_a_character_that_moves_a_cursor_or_turns_the_writing_round(report):
    for name in FILES:
        text = (report / name).read_bytes().decode()
        assert "alert(1)" in text and not UNSEEN.search(text), name


def test_the_page_has_the_elements_of_any_page(report, tmp_path):
    made = [report_statistics.make(tmp_path / str(seed), seed, word=word) for seed, word in enumerate(("a", "b"))]
    groups = group_runs([read_run(folder) for folder in made])
    publish_page(groups, story_of(groups), tmp_path / "report")
    found = tags(report / "report.html")
    assert {tag for tag, _ in found.seen} <= {tag for tag, _ in tags(tmp_path / "report" / "report.html").seen} | {
        "details",
        "summary",
        "wbr",
    }
    assert not [name for _, name in found.seen if name.startswith("on")]
    for link in found.links:
        assert re.match(
            r"(#[\w-]+$|https://arxiv\.org/abs/[\d.]+|https://doi\.org/10\.[\w./()-]+|report\.(json|csv|md)|data:image/png)",
            link,
        )


def test_no_cell_of_the_table_is_a_formula(report):
    cells = [cell for row in csv.reader(io.StringIO((report / "report.csv").read_text())) for cell in row]
    assert any("calc" in cell for cell in cells)
    assert not [cell for cell in cells if re.match(r"\s*[=+\-@|%]", cell) and not re.fullmatch(r"-?[\d.e-]+", cell)]


OUR_LINK = r"(?<!\\)\[(?:\\.|[^\[\]\\])*\]\([\w./%-]+\)"


def rows_of(page: str) -> list[list[str]]:
    """The lines of each table."""
    return [block.splitlines() for block in page.split("\n\n") if block.startswith("|")]


def refuse_broken_markdown(page: str) -> None:
    """Tables have as many cells in each row, no text begins an element, a link or a heading, and fences are closed."""
    outside = re.sub(r"(?ms)^(`{3,})\n.*?^\1$", "", page)
    for table in rows_of(outside):
        assert len({len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in table}) == 1, table
    assert not re.search(r"<[a-zA-Z/!?]", outside) and not re.search(r"(?<!\\)\]\(|(?<!\\)```", outside)
    assert not re.search(r"(?m)^# Title|\r", page)


def test_markdown_is_text_and_tables_keep_their_columns(report, folders, tmp_path):
    refuse_broken_markdown((report / "report.md").read_text(encoding="utf-8"))
    for folder in folders:
        collect(read_run(folder), tmp_path / "kept")
    publish_kept(tmp_path / "kept", purpose)
    pages = list((tmp_path / "kept").rglob("*.md"))
    assert len(pages) >= 2
    for page in pages:
        text, links = re.subn(OUR_LINK, "", page.read_text(encoding="utf-8"))
        assert links
        refuse_broken_markdown(text)


@pytest.mark.parametrize("recipe", ["../../evil", "/etc/evil", "..", ".", "", "a/../../b", "..:x", "\\..\\evil"])
def test_what_is_kept_goes_where_it_was_to_go(tmp_path, recipe):
    folder = report_sample.make(tmp_path / "stranger")
    report_sample.edited(folder, lambda x: x.update(recipe=recipe, preset=recipe), "arguments")
    file = collect(read_run(folder), tmp_path / "deep" / "kept")
    assert file.resolve().parent.parent == (tmp_path / "deep" / "kept").resolve() and file.name.endswith(".json")
    assert [x.name for x in tmp_path.iterdir()] == ["stranger", "deep"] or {"stranger", "deep"} == {
        x.name for x in tmp_path.iterdir()
    }


@pytest.mark.parametrize("terminal", [True, False])
def test_the_terminal_shows_and_obeys_nothing(folders, terminal):
    said = io.StringIO()
    groups = group_runs([read_run(folder) for folder in folders])
    print_story(story_of(groups), Console(file=said, force_terminal=terminal, color_system=None, width=200))
    assert "alert(1)" in said.getvalue() and not UNSEEN.search(said.getvalue())
    assert "[link=file:///x]" in said.getvalue() or not terminal


def test_the_command_says_names_of_folders_as_text(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report_sample.make(Path("runs") / "fine\x1b[2J")
    begun = tmp_path / "runs" / "begun\x1b]0;x\x07"
    begun.mkdir()
    (begun / "lock").touch()
    (begun / "arguments.json").write_text(json.dumps(asdict(Arguments("mnist:hinton", "", "", {}, {}))))
    conclude([Path("runs")])
    assert "begun" in (said := capsys.readouterr().out) and not UNSEEN.search(said)


def test_an_error_that_quotes_a_file_is_one_line_of_text(tmp_path):
    folder = report_sample.make(tmp_path / "run")
    report_sample.edited(folder, lambda x: x["metrics"].append({"name": HOSTILE, "better": HOSTILE}))
    with pytest.raises(ValueError, match="better should be one of") as refused:
        read_run(folder)
    assert not UNSEEN.search(str(refused.value))
    for failure in (ValueError(HOSTILE), OSError(2, HOSTILE, HOSTILE), KeyError(HOSTILE)):
        assert (
            "alert(1)" in sentence(failure) and not UNSEEN.search(sentence(failure)) and "\n" not in sentence(failure)
        )


@pytest.mark.parametrize("module", ["lib_of_hostile_bytes", "lib_of_old_python", "lib_of_nothing", "a.b/../c", "..x"])
def test_a_module_that_results_cite_is_read_as_text_or_not_at_all(tmp_path, monkeypatch, module):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "lib_of_hostile_bytes.py").write_bytes(b"\xff\x00CITATIONS = {'x': '@misc{a,}'}")
    (tmp_path / "lib_of_old_python.py").write_text("print 'x'\nCITATIONS = {'x': '@misc{a,}'}")
    folder = report_sample.make(tmp_path / "run")
    report_sample.edited(folder, lambda x: x.update(methods=[f"{module}:x"]))
    assert "@misc{a" not in report_sample.write_page(folder).read_text()


def test_texts_are_printable_and_otherwise_as_they_were():
    assert printable("a\tb\nα – 'x' 日本") == "a\tb\nα – 'x' 日本"
    assert printable_in({"a\x1b": ["b\r", (1, None)], "c": 2.5}) == {"a�": ["b�", [1, None]], "c": 2.5}
