"""One self-contained HTML page of a run, or of many, and its companions report.json, report.csv and report.md."""

import re
from collections.abc import Sequence
from html import escape
from importlib import import_module
from pathlib import Path

from tutelage.files import UNFINISHED, is_file, is_runs, remove_leftovers, write_text
from tutelage.report import heatmaps, learned, networks, tables
from tutelage.report.claims import by_claim
from tutelage.report.finished import is_record
from tutelage.report.groups import Group
from tutelage.report.markdown import markdown, metric_headings, numeric_flags, setting_cells
from tutelage.report.numbers import exact, time_text, unbroken
from tutelage.report.record import record_text, report_record
from tutelage.report.reproduce import reproduction
from tutelage.report.rows import batch_key
from tutelage.report.settings import OTHER_SAMPLES
from tutelage.report.shares import shares_markdown, shares_of
from tutelage.report.story import Story
from tutelage.report.usage import usage_markdown, usage_of
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


def publish_page(groups: Sequence[Group], story: Story, folder: Path | str) -> Path:
    """Writes report.html, .json, .csv and .md about ``groups``, whose ``story`` it is; returns the path of the page.

    Raises ``ImportError`` with the install line where the extra ``report`` is missing, ``ValueError`` for a folder that
    is somebody else's, ``OSError`` in one sentence where it cannot be written.
    """
    folder = Path(folder)
    refuse_foreign_place(folder)
    record = record_text(report_record(story, groups))
    contents = page_html(groups, story), record, networks.networks_csv(groups), markdown(story) + _used(groups)
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    written = dict(zip(FILES, contents, strict=True))
    for name in ("report.json", *FILES):  # first what makes the folder a report's, should the rest not be written
        if name in written:
            write_text(folder / name, written.pop(name))
    return folder / FILES[0]


def refuse_foreign_place(folder: Path) -> None:
    """Raise ``ValueError`` for a place that is no folder of a run or a report, and not empty: it is somebody else's.

    So it does where something else than a file lies where one of the report belongs.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file, and a report goes into a folder; choose another place.")
    for name in FILES:
        is_file(folder / name)
    if not folder.is_dir() or is_runs(folder) or is_record(folder / "report.json"):
        return
    if strangers := sorted(x.name for x in folder.iterdir() if not x.name.startswith(UNFINISHED)):
        raise ValueError(f"{folder} holds {strangers[0]!r} and no report; choose a new or empty folder.")


def page_html(groups: Sequence[Group], story: Story) -> str:
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
        drawn=markup,
        unbroken=unbroken,
        linked=lambda words: markup(linked(words)),
        exact=exact,
        time_text=time_text,
    )
    page: str = environment.get_template("page.html").render(
        story=story,
        style=markup((HERE / "page.css").read_text(encoding="utf-8")),
        signs=SIGNS,
        setting_cells=setting_cells,
        numeric=numeric_flags(story) if story.comparison else [],
        compared_names=list(dict.fromkeys(name for row in story.comparison for name in row.scores)),
        flag_plot="" if story.unranked else tables.flag_plot(groups),
        compared_tables=[table for table in story.tables if table.students],
        other_tables=[table for table in story.tables if not table.students],
        scatters=[] if story.unranked == OTHER_SAMPLES else networks.scatters(groups),
        batches=sorted({batch for row in story.networks for batch in row.latency}, key=batch_key),
        grouped=len(groups) > 1,
        points=" and ".join(story.flags),
        claims=by_claim(story.claims),
        costs=networks.stage_costs(groups),
        shares=shares_of(groups),
        parts=[learned.learning_of(group) for group in groups],
        cosines=heatmaps.legend((-1, -0.5, -0.1, 0, 0.1, 0.5, 1), heatmaps.cosine_shade),
        weights=heatmaps.legend((0, 0.1, 0.25, 0.5, 1), heatmaps.weight_shade),
        metric=groups[0].metric,
        headings=metric_headings(story.metrics),
        beyond=beyond(story),
        again=reproduction(groups),
        usage=usage_of(groups),
    )
    return re.sub(r"\n\s*\n+", "\n", page)


def _used(groups: Sequence[Group]) -> str:
    usage = usage_of(groups)
    parts = [*([] if usage is None else usage_markdown(usage)), *shares_markdown(groups)]
    return "\n" + "\n\n".join(parts) + "\n" if parts else ""


def linked(words: str) -> str:
    """``words`` as HTML in which arXiv numbers and DOIs are links."""
    safe = escape(words)
    safe = re.sub(r"arXiv:(\d{4}\.\d{4,5})", r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>', safe)
    return re.sub(r"\bdoi:(10\.\d{4,9}/[\w.()/-]*\w)", r'<a href="https://doi.org/\1">doi:\1</a>', safe)


def beyond(story: Story) -> list[tuple[str, str]]:
    """(heading, key of a network's row) for what is known of a network besides its scores, as far as any has it."""
    name = story.metrics[0].name if story.metrics else ""
    headings = {
        "agrees with the teacher, %": "agreement",
        "calibration error, %": "calibration",
        f"test {name} of the best epoch": "best",
        f"validation {name}": "validation",
    }
    return [(words, key) for words, key in headings.items() if any(getattr(row, key) for row in story.networks)]
