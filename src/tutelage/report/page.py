"""One self-contained HTML page of a run, or of many, and its companions report.json, report.csv and report.md."""

import re
from collections.abc import Sequence
from html import escape
from importlib import import_module
from pathlib import Path

from tutelage.report import heat, learned, networks, tables
from tutelage.report.again import again
from tutelage.report.markdown import compared, markdown, metric_headings
from tutelage.report.numbers import duration, plain, whole
from tutelage.report.read import read
from tutelage.report.record import record, text
from tutelage.report.rows import by_claim, rank_of
from tutelage.report.seeds import Group, groups
from tutelage.report.story import Story, story
from tutelage.results import Role

HERE = Path(__file__).parent
FILES = ("report.html", "report.json", "report.csv", "report.md")
SIGNS: dict[Role, str] = {
    "teacher": "■",
    "student": "●",
    "baseline": "▲",
    "member": "○",
    "other": "◆",
}  # as on the plots


def write(folder: Path | str) -> Path:
    """Writes report.html, .json, .csv and .md into a finished run's folder and returns the page's path.

    Raises ``FileNotFoundError`` or ``ValueError`` as ``read`` does; ``ImportError`` with the install line where the
    extra ``report`` is missing.
    """
    return publish(groups([read(folder)]), Path(folder))


def publish(found: Sequence[Group], folder: Path) -> Path:
    """Writes the four files of a report on these groups into ``folder`` and returns the page's path."""
    told = story(found)
    contents = html(found, told), text(record(told, found)), networks.table(found), markdown(told)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in zip(FILES, contents, strict=True):
        unfinished = folder / f".{name}.tmp"
        unfinished.write_text(content, encoding="utf-8", newline="\n")
        unfinished.replace(folder / name)
    return folder / FILES[0]


def html(found: Sequence[Group], told: Story) -> str:
    """The page as one text without any reference to another file, but for links to read on."""
    try:
        jinja, markup = import_module("jinja2"), import_module("markupsafe").Markup
    except ImportError:
        raise ImportError("A report needs jinja2: pip install 'tutelage[report]'") from None
    environment = jinja.Environment(
        autoescape=True,
        undefined=jinja.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja.FileSystemLoader(HERE),
    )
    environment.filters.update(
        drawn=markup, whole=whole, linked=lambda words: markup(linked(words)), plain=plain, duration=duration
    )
    page: str = environment.get_template("page.html").render(
        told=told,
        style=markup((HERE / "page.css").read_text(encoding="utf-8")),
        signs=SIGNS,
        compared=compared,
        compared_names=list(dict.fromkeys(name for row in told.comparison for name in row.scores)),
        over_flag=tables.over_flag(found),
        tables=[shown for group in found for shown in tables.shown(group)],
        scatters=networks.scatters(found),
        batches=sorted({batch for row in told.networks for batch in row.latency}, key=rank_of),
        grouped=len(found) > 1,
        points=" and ".join(told.flags),
        claims=by_claim(told.claims),
        costs=networks.costs(found),
        parts=[learned.part(group) for group in found],
        cosines=heat.scale((-1, -0.5, -0.1, 0, 0.1, 0.5, 1), heat.cosine),
        heard=heat.scale((0, 0.1, 0.25, 0.5, 1), heat.weight),
        metric=found[0].metric,
        headings=metric_headings(told.metrics),
        beyond=beyond(told),
        again=again(found),
    )
    return re.sub(r"\n\s*\n+", "\n", page)


def linked(words: str) -> str:
    """``words`` as HTML in which arXiv numbers and DOIs are links."""
    safe = escape(words)
    safe = re.sub(r"arXiv:(\d{4}\.\d{4,5})", r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>', safe)
    return re.sub(r"\bdoi:(10\.\d{4,9}/[\w.()/-]*\w)", r'<a href="https://doi.org/\1">doi:\1</a>', safe)


def beyond(told: Story) -> list[tuple[str, str]]:
    """(heading, key of a network's row) for what is known of a network besides its scores, as far as any has it."""
    name = told.metrics[0].name if told.metrics else ""
    headings = {
        "agrees with the teacher, %": "agreement",
        "calibration error, %": "calibration",
        f"test {name} of the best epoch": "best",
        f"validation {name}": "validation",
    }
    return [(words, key) for words, key in headings.items() if any(getattr(row, key) for row in told.networks)]
