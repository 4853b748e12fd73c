"""Results that are kept in the repository: a slim report.json a run, and the page RESULTS.md made from them."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from statistics import mean
from typing import Any

from tutelage.files import write_text
from tutelage.printable import in_markdown
from tutelage.report import markdown
from tutelage.report.condense import condensed, three_digits, with_parts
from tutelage.report.conflicts import FIRST
from tutelage.report.finished import is_record, read_finished
from tutelage.report.groups import Group, group_runs, value_text
from tutelage.report.numbers import MINUS, byte_size, time_text
from tutelage.report.read import FinishedRun, run_from_parts
from tutelage.report.record import record_text, report_record
from tutelage.report.spread import Spread
from tutelage.report.story import story_of
from tutelage.report.tables import TableText

LIMIT = 40_000  # bytes of a committed result
LONGEST = 100  # letters of its name
ASIDE = ("seed", "preset", "data")  # flags that a result's file name does not repeat
PAGE, NOTES = "RESULTS.md", "NOTES.md"
MADE = "Made from the JSON files in this folder by `tutelage.report.collected`; do not edit."
Parts = dict[str, Any]


def collect(run: FinishedRun, to: Path | str) -> Path:
    """Writes a finished run's numbers to ``to/<recipe>/<preset>-<flags>-seed<seed>.json`` and returns that path.

    It is report.json without pictures, its curves thinned until it has at most 40 kB.
    """
    recipe = re.sub(r"[^\w.-]+|^\.+|^$", "_", run.request.recipe.replace(":", "-"))  # somebody's word: no path
    file = Path(to, recipe, result_name(run))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, slim(run))
    return file


def refuse_foreign_results(folder: Path) -> None:
    """Raise ``ValueError`` for a folder that holds other things than collected results: it is somebody else's."""
    page = folder / PAGE
    if not folder.is_dir() or (page.is_file() and MADE in page.read_text(encoding="utf-8", errors="replace")[:200]):
        return
    if strangers := sorted(place.name for place in folder.iterdir() if not _may_be_kept(place)):
        raise ValueError(f"{folder} holds {strangers[0]!r} and no collected results; choose a new or empty folder.")


def _may_be_kept(place: Path) -> bool:
    return place.name == NOTES or (place.is_dir() and all(is_record(file) for file in place.iterdir()))


def result_name(run: FinishedRun) -> str:
    """The name of a collected result's file; of a long one, its first 100 letters and a checksum of all of them."""
    flags = [(k, v) for k, v in run.request.arguments.items() if v != run.request.defaults.get(k) and k not in ASIDE]
    words = [run.request.preset, *(f"{flag}={value_text(value, ',').replace(MINUS, '-')}" for flag, value in flags)]
    name, seed = re.sub(r"[^\w.=,-]+", "_", "-".join(words)), re.sub(r"[^\w-]+", "_", f"seed{run.seed}")
    if len(name) > LONGEST:
        name = f"{name[:LONGEST]}-{sha256(name.encode()).hexdigest()[:8]}"
    return f"{name}-{seed}.json"


def slim(run: FinishedRun, limit: int = LIMIT) -> str:
    """A run's record as JSON of at most ``limit`` bytes, as far as thinning its curves can bring it there.

    What first gives way are statistics: to their means over epochs, to those of large parts, to the whole network's.
    """
    parts = {**run.parts, "results": {**run.parts["results"], "examples": []}}
    thin = [partial(_thinned, most=most) for most in (48, 24, 12, 4, 2)]
    large, whole, none = (partial(with_parts, large=names) for names in (FIRST, ("",), ()))
    means = partial(condensed, whole=run.parts["log"])
    steps: list[Callable[[Parts], Parts]]
    steps = [thin[0], means, large, *thin[1:3], _without_bins, whole, *thin[3:], none]
    for step in steps:
        parts = step(parts)
        short = run_from_parts(parts)
        written = record_text(report_record(story_of(group_runs([short])), group_runs([short])))
        if len(written.encode()) <= limit:
            break
    return written


def _thinned(parts: Parts, most: int) -> Parts:
    """At most ``most`` epochs a stage: evenly spaced ones, the first, the last and the best validated among them.

    Only the first of them keeps its step and weights.
    """
    stages: dict[str, list[Parts]] = {}
    for line in parts["log"]:
        stages.setdefault(line["stage"], []).append(line)
    kept = []
    for lines in stages.values():
        chosen = {round(i * (len(lines) - 1) / (most - 1)) for i in range(most)}
        chosen.add(max((i for i, line in enumerate(lines) if line.get("best")), default=0))
        kept += [_rounded(three_digits(_short(lines[i]) if i else lines[i])) for i in sorted(chosen)]
    return {**parts, "log": kept}


def _short(line: Parts) -> Parts:
    return {key: value for key, value in line.items() if key not in ("step", "epochs", "weights")}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _without_bins(parts: Parts) -> Parts:
    empty: Parts = {"edges": [], "confidence": [], "accuracy": [], "share": []}
    networks = [
        {**network, "calibration": {**network["calibration"], **empty}} if network.get("calibration") else network
        for network in parts["results"].get("networks", ())
    ]
    return {**parts, "results": {**parts["results"], "networks": networks}}


def publish_collected(folder: Path | str) -> Path:
    """Writes ``folder``/RESULTS.md from all results in ``folder``, NOTES.md first if there is one; returns its path.

    Raises ``FileNotFoundError`` where there are no results, ``ValueError`` where one is damaged.
    """
    folder = Path(folder)
    files = sorted(folder.glob("*/*.json"))
    if not files:
        raise FileNotFoundError(f"There are no results in {folder}: collect a finished run first.")
    settings: dict[tuple[str, str], list[FinishedRun]] = {}
    for run in (run for file in files for run in read_finished(file)):
        settings.setdefault((run.request.recipe, run.request.preset), []).append(run)
    parts = ["# Results", MADE]
    if (notes := folder / NOTES).is_file():
        parts.append(notes.read_text(encoding="utf-8").strip())
    parts += ["\n\n".join(_setting(group)) for runs in settings.values() for group in group_runs(runs)]
    write_text(folder / PAGE, "\n\n".join(parts) + "\n")
    return folder / PAGE


def _setting(group: Group) -> list[str]:
    story = story_of([Group({}, group.runs)])
    request = group.runs[0].request
    title = " · ".join(filter(None, [request.recipe, f"preset {request.preset}", group.name]))
    parts = [f"## {in_markdown(title)}", in_markdown(story.headline)]
    if story.claims:
        parts += [in_markdown(story.tally), markdown.claims_table(story.claims)]
    if story.networks:
        parts.append(markdown.networks_table(story.networks, story.metrics))
    parts += ["\n\n".join(_table(table)) for table in story.tables]
    parts += map(in_markdown, story.warnings)
    if story.conflicts:
        parts += ["### Where losses pull apart", markdown.conflict_tables(story.conflicts)]
    if story.attention:
        parts += ["### Which layers were listened to", markdown.attention_table(story.attention)]
    commands = "\n".join(dict.fromkeys(run.request.command for run in group.runs))
    return [*parts, _time(group), in_markdown(_hardware(group.runs)), markdown.fenced(commands)]


def _table(table: TableText) -> list[str]:
    note = [in_markdown(table.note)] if table.note else []
    return [f"### {in_markdown(table.title)}", markdown.markdown_table(table.columns, table.rows), *note]


def _time(group: Group) -> str:
    total = Spread(tuple(sum(stage.seconds for stage in run.stages) for run in group.runs))
    seconds: dict[str, list[float]] = {}
    for stage in (stage for run in group.runs for stage in run.stages):
        seconds.setdefault(stage.name, []).append(stage.seconds)
    each = ", ".join(f"{in_markdown(name)} {time_text(mean(some))}" for name, some in seconds.items())
    over = f" a run, mean of {total.n}" if total.n > 1 else ""
    return f"Training took {time_text(total.mean)}{over} ({each})." if seconds else "No stage was trained."


def _hardware(runs: Sequence[FinishedRun]) -> str:
    lines = dict.fromkeys(_machine(run.environment) for run in runs)
    return "Measured on " + "; ".join(lines) + "."


def _machine(e: Parts) -> str:
    memory = f", {byte_size(e['memory_bytes'])} of memory" if isinstance(e.get("memory_bytes"), int) else ""
    versions = ", ".join(f"{name} {e[name]}" for name in ("tutelage", "python", "torch") if name in e)
    return (
        f"{e.get('processor')}, {e.get('threads')} of {e.get('cores')} cores{memory}, {e.get('precision')}, {versions}"
    )
