"""report.json: the whole report for machines, clock readings kept apart, and a slim form to commit."""

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tutelage.report.groups import Group
from tutelage.report.read import FinishedRun, run_from_parts
from tutelage.report.story import Story

FORMAT = 2
READABLE = (1, 2)
CLOCKS = {"stages": ("seconds", "peak_bytes"), "log": ("seconds",)}  # per part: the keys that a clock wrote
Json = dict[str, Any]


def report_record(story: Story, groups: Sequence[Group]) -> Json:
    """All that the page shows. Two equal runs differ at most in ``clock``."""
    split = [split_clock(run.parts) for group in groups for run in group.runs]
    words = asdict(story)
    del words["tables"]  # the runs have them
    latency = [row.pop("latency") for row in words["networks"]]
    timed = [figure for figure in words["figures"] if figure["clock"]]
    words["figures"] = [figure for figure in words["figures"] if not figure["clock"]]
    clock = {"figures": timed, "latency": latency, "runs": [clock for _, clock in split]}
    return {"format": FORMAT, **words, "runs": [steady for steady, _ in split], "clock": clock}


def runs_of_record(record: Json) -> list[FinishedRun]:
    """The runs of a report.json. Raises ``ValueError`` if it is none, or of a format that this version cannot read."""
    if record.get("format") not in READABLE:
        raise ValueError(f"A report.json has format 1 or {FORMAT}; this has {record.get('format')!r}.")
    pairs = zip(record["runs"], record["clock"]["runs"], strict=True)
    return [run_from_parts(join_clock(steady, clock), "report.json: ") for steady, clock in pairs]


def split_clock(parts: Json) -> tuple[Json, Json]:
    """A run's JSON as (what a repetition gives again to the bit, what the clock said)."""
    steady, clock = copy.deepcopy(parts), {}
    clock["date"] = steady["environment"].pop("date", None)
    for part, keys in CLOCKS.items():
        clock[part] = [{key: item.pop(key) for key in keys if key in item} for item in steady[part]]
    clock["latency_ms"] = [network.pop("latency_ms", None) for network in steady["results"].get("networks", ())]
    return steady, clock


def join_clock(steady: Json, clock: Json) -> Json:
    """The inverse of ``apart``."""
    parts = copy.deepcopy(steady)
    if clock["date"] is not None:
        parts["environment"]["date"] = clock["date"]
    for part in CLOCKS:
        for item, times in zip(parts[part], clock[part], strict=True):
            item.update(times)
    for network, latency in zip(parts["results"].get("networks", ()), clock["latency_ms"], strict=True):
        network["latency_ms"] = latency
    return parts


def record_text(record: Json) -> str:
    """The record as JSON, one line a top-level key: to be read by machines, to be compared by people."""
    lines = (f"{json.dumps(key)}: {dumps(value)}" for key, value in record.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
