"""All that is needed to repeat the runs."""

from collections.abc import Sequence
from typing import Any

from tutelage.report.citations import bibtex
from tutelage.report.groups import Group, value_text
from tutelage.report.numbers import byte_size
from tutelage.report.read import FinishedRun
from tutelage.results import StageRecord


def reproduction(groups: Sequence[Group]) -> dict[str, Any]:
    """All that is needed to repeat the runs: commands, arguments that differ from the defaults first, environment."""
    runs = [run for group in groups for run in group.runs]
    request = runs[0].request
    flags = {flag: _values(runs, flag) for flag in request.arguments}
    changed = [flag for flag in flags if any(_changed(run, flag) for run in runs)]
    methods = dict.fromkeys(method for run in runs for method in run.results.methods)
    return {
        "commands": list(dict.fromkeys(run.request.command for run in runs)),
        "changed": [(flag, flags[flag], value_text(request.defaults.get(flag, ""))) for flag in changed],
        "defaults": [(flag, value) for flag, value in flags.items() if flag not in changed],
        "environment": _environment(runs),
        "data": dict(pair for run in runs for pair in run.results.data.items()),
        "stages": _stages(groups),
        "bibtex": bibtex(methods),
        "seconds": sum(stage.seconds for stage in {s.key: s for run in runs for s in run.stages}.values()),
    }


def _changed(run: FinishedRun, flag: str) -> bool:
    return run.request.arguments.get(flag) != run.request.defaults.get(flag)


def _values(runs: Sequence[FinishedRun], flag: str) -> str:
    return ", ".join(dict.fromkeys(value_text(run.request.arguments.get(flag)) for run in runs))


def _environment(runs: Sequence[FinishedRun]) -> list[tuple[str, str]]:
    facts: dict[str, dict[str, None]] = {}
    for key, value in (pair for run in runs for pair in run.environment.items() if pair[1] is not None):
        words = byte_size(value) if key.endswith("_bytes") and isinstance(value, int) else str(value)
        facts.setdefault(key.removesuffix("_bytes").replace("_", " "), {})[words] = None
    return [(key, ", ".join(values)) for key, values in facts.items()]


def _stages(groups: Sequence[Group]) -> list[tuple[str, Any, StageRecord]]:
    rows = [(group.name, run.seed, stage) for group in groups for run in group.runs for stage in run.stages]
    return list({stage.key: (name, seed, stage) for name, seed, stage in reversed(rows)}.values())[::-1]
