"""Results that are kept in the repository: a slim report.json a run, and the page RESULTS.md made from them."""

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tutelage.report import markdown
from tutelage.report.condense import condensed, only, rounded
from tutelage.report.conflicts import FIRST
from tutelage.report.numbers import duration, size
from tutelage.report.read import Run, read, typed
from tutelage.report.record import record, runs, text
from tutelage.report.seeds import Group, groups
from tutelage.report.spread import Spread
from tutelage.report.story import story
from tutelage.report.tables import Shown, shown

LIMIT = 40_000  # bytes of a committed result
ASIDE = ("seed", "preset", "data")  # flags that a result's file name does not repeat
Parts = dict[str, Any]


def collect(folder: Path | str, to: Path | str) -> Path:
    """Writes a finished run's numbers to ``to/<recipe>/<preset>-<flags>-seed<seed>.json`` and returns that path.

    It is report.json without pictures, its curves thinned until it has at most 40 kB; ``write`` reads it again. Errors
    as ``read``.
    """
    run = read(folder)
    request = run.request
    flags = [f"{k}={v}" for k, v in request.arguments.items() if k not in ASIDE and v != request.defaults.get(k)]
    name = "-".join([request.preset, *flags, f"seed{run.seed}"])
    file = Path(to, request.recipe.replace(":", "-"), re.sub(r"[^\w.=,-]+", "_", name) + ".json")
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".tmp")
    unfinished.write_text(slim(run), encoding="utf-8", newline="\n")
    unfinished.replace(file)
    return file


def slim(run: Run, limit: int = LIMIT) -> str:
    """A run's record as JSON of at most ``limit`` bytes, as far as thinning its curves can bring it there.

    What first gives way are statistics: to their means over epochs, to those of large parts, to the whole network's.
    """
    parts = {**run.parts, "results": {**run.parts["results"], "examples": []}}
    thin = [partial(_thinned, most=most) for most in (48, 24, 12, 4, 2)]
    large, whole, none = (partial(only, large=names) for names in (FIRST, ("",), ()))
    means = partial(condensed, whole=run.parts["log"])
    steps: list[Callable[[Parts], Parts]]
    steps = [thin[0], means, large, *thin[1:3], _without_bins, whole, *thin[3:], none]
    for step in steps:
        parts = step(parts)
        short = typed(parts)
        written = text(record(story(groups([short])), groups([short])))
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
        kept += [_rounded(rounded(_short(lines[i]) if i else lines[i])) for i in sorted(chosen)]
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


def write(folder: Path | str) -> Path:
    """Writes ``folder``/RESULTS.md from all results in ``folder`` and returns its path.

    Raises ``FileNotFoundError`` where there are none, ``ValueError`` where one is damaged.
    """
    files = sorted(Path(folder).glob("*/*.json"))
    if not files:
        raise FileNotFoundError(f"There are no results in {folder}: collect a finished run first.")
    settings: dict[tuple[str, str], list[Run]] = {}
    for run in (run for file in files for run in _runs(file)):
        settings.setdefault((run.request.recipe, run.request.preset), []).append(run)
    parts = ["# Results", "Made from the JSON files in this folder by `tutelage.report.results`; do not edit."]
    parts += ["\n\n".join(_setting(group)) for found in settings.values() for group in groups(found)]
    page = Path(folder, "RESULTS.md")
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8", newline="\n")
    return page


def _runs(file: Path) -> list[Run]:
    try:
        return runs(json.loads(file.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is damaged or no result: {error}. Collect its run again.") from None


def _setting(group: Group) -> list[str]:
    told = story([Group({}, group.runs)])
    request = group.runs[0].request
    title = " · ".join(filter(None, [request.recipe, f"preset {request.preset}", group.name]))
    parts = [f"## {markdown.escape(title)}", markdown.escape(told.headline)]
    if told.claims:
        parts += [markdown.escape(told.tally), markdown.claims(told.claims)]
    if told.networks:
        parts.append(markdown.networks(told.networks, told.metrics))
    parts += ["\n\n".join(_table(table)) for table in shown(Group({}, group.runs))]
    parts += map(markdown.escape, told.warnings)
    if told.conflicts:
        parts += ["### Where losses pull apart", markdown.conflicts(told.conflicts)]
    if told.attention:
        parts += ["### Which layers were listened to", markdown.attention(told.attention)]
    commands = "\n".join(dict.fromkeys(run.request.command for run in group.runs))
    return [*parts, _time(group), _hardware(group.runs), f"```\n{commands}\n```"]


def _table(table: Shown) -> list[str]:
    note = [markdown.escape(table.note)] if table.note else []
    return [f"### {markdown.escape(table.title)}", markdown.table(table.columns, table.rows), *note]


def _time(group: Group) -> str:
    total = Spread(tuple(sum(stage.seconds for stage in run.stages) for run in group.runs))
    first = group.runs[0].stages
    means = [sum(stage.seconds for run in group.runs for stage in run.stages if stage.name == s.name) for s in first]
    each = ", ".join(f"{s.name} {duration(m / len(group.runs))}" for s, m in zip(first, means, strict=True))
    mean = f" a seed, mean of {total.n}" if total.n > 1 else ""
    return f"Training took {duration(total.mean)}{mean} ({each})." if first else "No stage was trained."


def _hardware(found: Sequence[Run]) -> str:
    lines = dict.fromkeys(_machine(run.environment) for run in found)
    return "Measured on " + "; ".join(lines) + "."


def _machine(e: Parts) -> str:
    memory = f", {size(e['memory_bytes'])} of memory" if isinstance(e.get("memory_bytes"), int) else ""
    versions = ", ".join(f"{name} {e[name]}" for name in ("tutelage", "python", "torch") if name in e)
    return (
        f"{e.get('processor')}, {e.get('threads')} of {e.get('cores')} cores{memory}, {e.get('precision')}, {versions}"
    )
