"""The page about one experiment whose results are kept in a repository: asked, done, measured, claimed, noted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any
from urllib.parse import quote

from tutelage.printable import in_markdown
from tutelage.report import markdown
from tutelage.report.claims import between
from tutelage.report.collected import departing_flags, experiment_folder
from tutelage.report.groups import Group, NetworkOverSeeds, value_text
from tutelage.report.markdown import Column, markdown_table
from tutelage.report.numbers import byte_size, time_text
from tutelage.report.read import FinishedRun
from tutelage.report.rows import network_row, score_text
from tutelage.report.spread import Spread
from tutelage.report.story import SYNTHETIC, story_of
from tutelage.report.tables import TableText, in_order
from tutelage.report.verdicts import MEANINGS, SIGNS
from tutelage.results import Metric

MARK = "Made from the JSON files in this folder by `tutelage"  # earlier versions went on with the name of a module
MADE = f"{MARK} report --keep`; do not edit."
INDEX, NOTES = "RESULTS.md", "NOTES.md"


@dataclass(frozen=True)
class Kept:
    """A kept run and the file that it was read from."""

    run: FinishedRun
    file: Path


@dataclass(frozen=True)
class Experiment:
    """All kept runs of a recipe, as settings of one preset each; ``purpose`` is what the recipe says of itself."""

    recipe: str
    purpose: str
    settings: tuple[Group, ...]
    kept: tuple[Kept, ...]

    @property
    def folder(self) -> str:
        return experiment_folder(self.recipe)

    @property
    def question(self) -> str:
        return question_in(self.purpose) or self.recipe


def question_in(purpose: str) -> str:
    """The first sentence of the first line that is a question, or else the whole line.

    >>> question_in("Soft targets. Do they help? On MNIST.\\n\\nAnd more?")
    'Do they help?'
    >>> question_in("Soft targets on MNIST.")
    'Soft targets on MNIST'
    """
    line = purpose.partition("\n")[0]
    asked = [sentence for sentence in re.split(r"(?<=[.?!]) +", line) if sentence.endswith("?")]
    return asked[0] if asked else line.removesuffix(".")


def page(experiment: Experiment, notes: str = "") -> str:
    """The whole page as Markdown; ``notes`` were written by hand, and come last as they are."""
    plain = experiment.purpose.replace("``", "")  # a docstring's marks of code
    asked = [" ".join(part.split()) for part in plain.split("\n\n") if part]
    parts = [f"# {in_markdown(experiment.question)}", f"[All results](../{INDEX}). {MADE}"]
    parts += ["## What was asked", *map(in_markdown, [*asked, f"Recipe: {experiment.recipe}."])]
    for group in experiment.settings:
        files = [one.file for one in experiment.kept if any(one.run is run for run in group.runs)]
        parts += _setting(group, [_link(file, experiment.folder) for file in files])
    return "\n\n".join([*parts, *(["## What was noted", notes] if notes else [])]) + "\n"


def _link(file: Path, folder: str) -> str:
    place = file.name if file.parent.name == folder else f"../{file.parent.name}/{file.name}"
    return f"[{in_markdown(file.name)}]({quote(place)})"


def setting_name(group: Group) -> str:
    """``preset paper, temperature 4``: in what the setting differs from the experiment's others."""
    return ", ".join(filter(None, [f"preset {group.runs[0].request.preset}", group.name]))


def _setting(group: Group, links: Sequence[str]) -> list[str]:
    story = story_of([Group({}, group.runs)])
    name = setting_name(group)
    parts = [f"## {in_markdown(name[:1].upper() + name[1:])}", in_markdown(story.headline)]
    parts += [f"**{in_markdown(story.tally)}**"] if story.tally else []
    if any(run.synthetic for run in group.runs):
        parts.append(f"{SYNTHETIC[all(run.synthetic for run in group.runs)].capitalize()}.")
    parts += ["### What was done", _done(group, links), markdown.fenced(_commands(group.runs))]
    if group.networks:
        parts += ["### What was measured", _networks(group, story.metrics)]
    parts += ["\n\n".join(_table(table)) for table in story.tables]
    if story.claims:
        parts += ["### Do the claims hold?", markdown.claims_table(story.claims), legend()]
    parts += map(in_markdown, story.warnings)
    if story.conflicts:
        parts += ["### Where losses pull apart", markdown.conflict_tables(story.conflicts)]
    if story.attention:
        parts += ["### Which layers were listened to", markdown.attention_table(story.attention)]
    return parts


def legend() -> str:
    """What the signs of verdicts mean, in a line."""
    told = "; ".join(f"{sign} {word}, {MEANINGS[word]}" for word, sign in SIGNS.items())
    return f"A claim is judged by its 95 % interval: {told}."


def _done(group: Group, links: Sequence[str]) -> str:
    """A list of seeds, flags, training time, machines, commits, data and files."""
    runs = group.runs
    flags: dict[str, dict[str, None]] = {}
    for flag, value in (pair for run in runs for pair in departing_flags(run).items()):
        flags.setdefault(flag, {})[value_text(value)] = None
    dates = sorted({str(run.environment["date"])[:10] for run in runs if run.environment.get("date")})
    commits = dict.fromkeys(_commit(commit) for run in runs if (commit := run.environment.get("git_commit")))
    data = dict.fromkeys(f"{name} ({sum_[:12]})" for run in runs for name, sum_ in run.results.data.items())
    facts = {
        "Seeds": ", ".join(dict.fromkeys(str(run.seed) for run in runs)),
        "Other than in the preset": "; ".join(f"{flag} {' or '.join(some)}" for flag, some in flags.items()),
        "Training": _time(group),
        "Measured on": "; ".join(dict.fromkeys(_machine(run.environment) for run in runs)),
        "Dates": ", ".join(dates),
        "Commits": ", ".join(commits),
        "Data, with the beginning of its checksum": "; ".join(data),
    }
    lines = [f"- {name}: {in_markdown(value)}" for name, value in facts.items() if value]
    return "\n".join([*lines, f"- Files: {', '.join(links)}"])


def _commands(runs: Sequence[FinishedRun]) -> str:
    return "\n".join(dict.fromkeys(run.request.command for run in runs))


def _networks(group: Group, metrics: Sequence[Metric]) -> str:
    """The networks, the first metric with its 95 % interval, and what could not be measured of them."""
    networks = in_order(group)
    rows = [network_row(group, network, metrics) for network in networks]
    batches = list(dict.fromkeys(batch for row in rows for batch in row.latency))
    scores = [(heading, True) for heading in markdown.metric_headings(metrics)]
    columns: list[Column] = [("network", False), ("description", False), ("seeds", True), *scores[:1]]
    columns += [("95 % interval", True), *scores[1:], ("parameters", True), ("on disk", True)]
    columns += [(f"ms, batch {batch}", True) for batch in batches]
    body = []
    for network, row in zip(networks, rows, strict=True):
        cells = [row.name, row.label, str(row.n), *(score_text(network, metric) for metric in metrics[:1])]
        cells += [_interval(network, metrics), *row.scores[1:], row.parameters, row.bytes]
        body.append([*cells, *(row.latency.get(batch, "") for batch in batches)])
    notes = dict.fromkeys(f"{row.name}: {note}" for row in rows for note in row.notes)
    return "\n\n".join([markdown_table(columns, body), *map(in_markdown, notes)])


def _interval(network: NetworkOverSeeds, metrics: Sequence[Metric]) -> str:
    bounds = network.interval(metrics[0]) if metrics else None
    return between(*bounds) if bounds else ""


def _table(table: TableText) -> list[str]:
    note = [in_markdown(table.note)] if table.note else []
    return [f"### {in_markdown(table.title)}", markdown_table(table.columns, table.rows), *note]


def training_seconds(group: Group) -> Spread:
    """What the stages of each run took."""
    return Spread(tuple(sum(stage.seconds for stage in run.stages) for run in group.runs))


def _time(group: Group) -> str:
    total = training_seconds(group)
    seconds: dict[str, list[float]] = {}
    for stage in (stage for run in group.runs for stage in run.stages):
        seconds.setdefault(stage.name, []).append(stage.seconds)
    each = ", ".join(f"{name} {time_text(mean(some))}" for name, some in seconds.items())
    over = f" a run, mean of {total.n}" if total.n > 1 else ""
    return f"{time_text(total.mean)}{over} ({each})" if seconds else "no stage was trained"


def _machine(e: dict[str, Any]) -> str:
    memory = f", {byte_size(e['memory_bytes'])} of memory" if isinstance(e.get("memory_bytes"), int) else ""
    versions = ", ".join(f"{name} {e[name]}" for name in ("tutelage", "python", "torch") if name in e)
    return (
        f"{e.get('processor')}, {e.get('threads')} of {e.get('cores')} cores{memory}, {e.get('precision')}, {versions}"
    )


def _commit(commit: Any) -> str:
    """The first letters of a commit, and whether files differed from it."""
    sha, dirty, _ = str(commit).partition("-dirty")
    return f"{sha[:10]}{dirty and ' with changes'}"
