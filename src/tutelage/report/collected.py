"""Results that are kept in a repository: a slim report.json a run, in a folder for each experiment."""

import json
import re
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from tutelage.checksums import LONGEST_NAME
from tutelage.files import write_text
from tutelage.report.condense import condensed, three_digits, with_parts
from tutelage.report.conflicts import FIRST
from tutelage.report.finished import is_record, read_finished
from tutelage.report.groups import group_runs, value_text
from tutelage.report.numbers import MINUS
from tutelage.report.read import FinishedRun, run_from_parts
from tutelage.report.record import record_text, report_record
from tutelage.report.settings import departs
from tutelage.report.story import story_of

LIMIT = 40_000  # bytes of a committed result
LONGEST = 40  # letters of a preset in its name
FORMER = 100  # letters of its name in earlier versions
ASIDE = ("seed", "preset")  # flags that a result's file name has beside its hash
Parts = dict[str, Any]


def collect(run: FinishedRun, to: Path | str) -> Path:
    """Writes a finished run's numbers to ``to/<recipe>/<preset>-<hash>-seed<seed>.json`` and returns that path.

    It is report.json without pictures, its curves thinned until it has at most 40 kB. It takes the place of what an
    earlier version kept of the same run, under a longer name.
    """
    folder = Path(to, experiment_folder(run.request.recipe))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / result_name(run)
    write_text(file, slim(run))
    for former in (folder / name for name in former_names(run) if _can_be_a_name(name)):
        if former != file and is_record(former) and any(_is_same(one, run) for one in read_finished(former)):
            former.unlink()
    return file


def experiment_folder(recipe: str) -> str:
    """The name of the folder that holds a recipe's results.

    >>> experiment_folder("mnist:hinton"), experiment_folder("../x")
    ('mnist-hinton', '__x')
    """
    return re.sub(r"[^\w.-]+|^\.+|^$", "_", recipe.replace(":", "-"))  # somebody's word: no path


def result_name(run: FinishedRun) -> str:
    """The name of a collected result's file: its preset, a hash of the flags that depart from it, if any, its seed."""
    label = re.sub(r"[^\w.-]+", "_", run.request.preset)[:LONGEST]
    flags = departing_flags(run)
    settings = [sha256(json.dumps(flags, sort_keys=True).encode()).hexdigest()[:8]] if flags else []
    return f"{'-'.join([label, *settings, _seed(run)])}.json"


def departing_flags(run: FinishedRun) -> dict[str, Any]:
    """The flags that are not what the run's preset has, but for those in ``ASIDE``."""
    return {flag: x for flag, x in run.request.arguments.items() if departs(run, flag) and flag not in ASIDE}


def former_names(run: FinishedRun) -> list[str]:
    """The names that earlier versions gave it: they spelled out every flag but the data, in the end in 100 letters.

    So another run may have had one of them.
    """
    flags = {flag: value for flag, value in departing_flags(run).items() if flag != "data"}
    short = {flag: value_text(value, ",").replace(MINUS, "-") for flag, value in flags.items()}
    words = ["-".join([run.request.preset, *(f"{flag}={x}" for flag, x in some.items())]) for some in (flags, short)]
    first, name = (re.sub(r"[^\w.=,-]+", "_", one) for one in words)
    if len(name) > FORMER:
        name = f"{name[:FORMER]}-{sha256(name.encode()).hexdigest()[:8]}"
    return [f"{one}-{_seed(run)}.json" for one in (first, name)]


def _is_same(one: FinishedRun, other: FinishedRun) -> bool:
    """Whether both were asked for the same, by whatever command."""
    return one.request.arguments == other.request.arguments


def _can_be_a_name(words: str) -> bool:
    return len(words.encode()) <= LONGEST_NAME


def _seed(run: FinishedRun) -> str:
    return re.sub(r"[^\w-]+", "_", f"seed{run.seed}")[:LONGEST]


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

    Where some are validated, the others are left out. Only the first of them keeps its step and weights.
    """
    stages: dict[str, list[Parts]] = {}
    for line in parts["log"]:
        stages.setdefault(line["stage"], []).append(line)
    kept = []
    for logged in stages.values():
        seen = [line for i, line in enumerate(logged) if not i or line.get("validation")]
        lines = seen if len(seen) > 1 else logged
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
