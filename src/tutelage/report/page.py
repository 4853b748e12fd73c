"""One self-contained HTML page of a run, or of many, and its companions report.json, report.csv and report.md."""

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from tutelage.files import UNFINISHED, is_file, is_runs, remove_leftovers, write_text
from tutelage.report import columns, dots, heatmaps, learned, networks, tables
from tutelage.report.calibration import ENOUGH
from tutelage.report.claims import by_claim
from tutelage.report.finished import is_record
from tutelage.report.groups import Group
from tutelage.report.markdown import markdown, numeric_flags
from tutelage.report.numbers import exact, time_text, unbroken
from tutelage.report.record import record_text, report_record
from tutelage.report.reproduce import reproduction
from tutelage.report.settings import OTHER_SAMPLES
from tutelage.report.shares import UNTOLD, is_untold, shares_markdown, shares_of
from tutelage.report.story import Story
from tutelage.report.usage import usage_markdown, usage_of
from tutelage.results import Role

HERE = Path(__file__).parent
SECTIONS = {
    "use": "Use it",
    "settings": "Settings",
    "students": "Comparison",
    "claims": "Claims",
    "tables": "Tables",
    "cost": "Cost",
    "curves": "Training",
    "conflicts": "Conflicts",
    "attention": "Attention",
    "learned": "What was learned",
    "repeat": "Repeat it",
}
"""In their order: a template in ``sections/`` that is empty where it has nothing to say -> its name in the contents."""
ID = r'<section id="([\w-]+)"'
EXAMPLES = 1_000_000  # bytes of a page that its pictures may take
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
    environment, markup = _environment()
    known = _context(groups, story)
    texts = {name: environment.get_template(f"sections/{name}.html").render(known) for name in SECTIONS}
    sections = [
        (id, SECTIONS[name], text) for name, text in texts.items() if (id := next(iter(re.findall(ID, text)), ""))
    ]
    script = (HERE / "page.js").read_text(encoding="utf-8").strip()
    digest = b64encode(sha256(script.encode()).digest()).decode()
    page: str = environment.get_template("page.html").render(
        story=story,
        sections=sections,
        style=markup((HERE / "page.css").read_text(encoding="utf-8")),
        script=markup(script),
        script_hash=f"sha256-{digest}",
    )
    return re.sub(r"\n\s*\n+", "\n", page)


def _environment() -> tuple[Any, Any]:
    """Jinja with the filters that the templates use, and what marks a text as HTML."""
    try:
        jinja, markup = import_module("jinja2"), import_module("markupsafe").Markup
    except ImportError:
        raise ImportError("A report needs jinja2: pip install 'tutelage[report]'") from None
    environment = jinja.Environment(
        autoescape=True,
        undefined=jinja.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja.FileSystemLoader([HERE, HERE / "sections"]),
    )
    environment.filters.update(
        drawn=markup,
        unbroken=unbroken,
        linked=lambda words: markup(linked(words)),
        typed=lambda words: markup(typed(words)),
        breakable=lambda name: markup(breakable(name)),
        exact=exact,
        time_text=time_text,
    )
    return environment, markup


def _context(groups: Sequence[Group], story: Story) -> dict[str, Any]:
    """All that the sections speak of."""
    costs, again, shares = networks.stage_costs(groups), reproduction(groups), shares_of(groups)
    beyond_rows = [row for row in story.networks if row.agreement or row.calibration or row.best or row.validation]
    names = list(dict.fromkeys(name for row in story.comparison for name in row.scores))
    return {
        "story": story,
        "signs": SIGNS,
        "numeric": numeric_flags(story) if story.comparison else [],
        "compared_names": names,
        "setting_columns": columns.setting_columns(story, names),
        "settings_chart": None if story.unranked or len(groups) < 2 else dots.settings_chart(groups),
        "flag_plot": "" if story.unranked else tables.flag_plot(groups),
        "compared_tables": [table for table in story.tables if table.students],
        "other_tables": [table for table in story.tables if not table.students],
        "table_columns": columns.table_columns,
        "charts": {group.name: dots.students_chart(group) for group in groups},
        "scatters": [] if story.unranked == OTHER_SAMPLES else networks.scatters(groups),
        "batches": [batch for row in story.networks for batch in row.latency],
        "cost_columns": columns.cost_columns(story),
        "grouped": len(groups) > 1,
        "points": " and ".join(story.flags),
        "claims": by_claim(story.claims),
        "costs": costs,
        "cost_words": networks.cost_in_words(costs),
        "shares": shares,
        "untold": UNTOLD if is_untold(shares) else "",
        "parts": [learned.learning_of(group, EXAMPLES // len(groups)) for group in groups],
        "enough": ENOUGH,
        "cosines": heatmaps.legend((-1, -0.5, -0.1, 0, 0.1, 0.5, 1), heatmaps.cosine_shade),
        "weights": heatmaps.legend((0, 0.1, 0.25, 0.5, 1), heatmaps.weight_shade),
        "metric": groups[0].metric,
        "beyond_rows": beyond_rows,
        "beyond": columns.beyond_columns(story, beyond_rows),
        "again": again,
        "best_epochs": any(stage.best_epoch is not None for _, _, stage in again["stages"]),
        "uses": any(stage.uses for _, _, stage in again["stages"]),
        "usage": usage_of(groups),
    }


def _used(groups: Sequence[Group]) -> str:
    usage = usage_of(groups)
    parts = [*([] if usage is None else usage_markdown(usage)), *shares_markdown(groups)]
    return "\n" + "\n\n".join(parts) + "\n" if parts else ""


def typed(command: str) -> str:
    """``command`` as HTML whose flags do not part at the end of a line."""
    return re.sub(r"(?<!\S)--?[\w.-]+", r'<span class="nowrap">\g<0></span>', escape(command))


def breakable(name: str) -> str:
    """``name`` as HTML that may part behind an underscore, a sign or a bracket, before three letters or more.

    >>> breakable("labels_first+kd")
    'labels_<wbr>first+kd'
    """
    return re.sub(r"([_+/.(,=](?=\w{3}))", r"\1<wbr>", escape(name))


def linked(words: str) -> str:
    """``words`` as HTML in which arXiv numbers and DOIs are links."""
    safe = escape(words)
    safe = re.sub(r"arXiv:(\d{4}\.\d{4,5})", r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>', safe)
    return re.sub(r"\bdoi:(10\.\d{4,9}/[\w.()/-]*\w)", r'<a href="https://doi.org/\1">doi:\1</a>', safe)
