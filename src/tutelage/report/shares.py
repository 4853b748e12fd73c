"""Where the time of profiled runs went: seconds and shares by the part of the work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from tutelage.checksums import read_listed_json, unsummed
from tutelage.files import is_file
from tutelage.profiling import PARTS
from tutelage.report.groups import Group
from tutelage.report.markdown import markdown_table
from tutelage.report.numbers import time_text

PROFILE = "profile.json"
REPORT = "report"
UNTOLD = "Without this report, which was not written yet."
CURE = "remove it: the run is then without a profile"


@dataclass(frozen=True)
class Share:
    """A part of the work of a group's runs: its seconds together, and their share of all (0 to 1)."""

    group: str
    part: str
    seconds: float
    share: float

    @property
    def percent(self) -> str:
        return f"{100 * self.share:.1f}"


def read_profile(folder: Path) -> dict[str, float]:
    """The seconds by part in the profile of the run in ``folder``; none where it has no profile.

    Raises ``ValueError`` where that is damaged.
    """
    path = folder / PROFILE
    if not is_file(path, CURE):
        return {}
    seconds = unsummed(read_listed_json(path, None, CURE), path, CURE).get("seconds")
    found = seconds if isinstance(seconds, dict) else {"": 0}
    if not all(part in PARTS and isinstance(x, int | float) and isfinite(x) and x >= 0 for part, x in found.items()):
        raise ValueError(f"{path} is no profile of a run: {CURE}.")
    return {part: float(found[part]) for part in PARTS if part in found}


def shares_of(groups: Sequence[Group]) -> list[Share]:
    """The shares of every group, of its runs that have a profile in their folder."""
    return [share for group in groups for share in _shares(group.name, _together(group))]


def is_untold(shares: Sequence[Share]) -> bool:
    """Whether no report was written yet when the run was profiled: the one that is being written cannot know."""
    return bool(shares) and all(share.part != REPORT for share in shares)


def shares_markdown(groups: Sequence[Group]) -> list[str]:
    """The same in Markdown; nothing where no run has a profile."""
    shares = shares_of(groups)
    grouped = [("setting", False)] if len(groups) > 1 else []
    columns = [*grouped, ("part", False), ("time", True), ("share, %", True)]
    rows = [(*([x.group] if grouped else []), x.part, time_text(x.seconds), x.percent) for x in shares]
    words = [UNTOLD] if is_untold(shares) else []
    return ["## Where did the time go?", markdown_table(columns, rows), *words] if shares else []


def shares_in_words(seconds: Mapping[str, float]) -> str:
    """The table of one run for a terminal."""
    lines = [f"  {x.part:15} {x.seconds:10.1f} s {x.percent:>6} %" for x in _shares("", seconds)]
    return "\n".join([f"Where the time went, {sum(seconds.values()):.1f} s in all:", *lines])


def _shares(group: str, seconds: Mapping[str, float]) -> list[Share]:
    total = sum(seconds.values()) or 1.0
    return [Share(group, part, value, value / total) for part, value in seconds.items()]


def _together(group: Group) -> dict[str, float]:
    profiles = [read_profile(run.folder) for run in group.runs if run.folder is not None]
    return {part: sum(one.get(part, 0.0) for one in profiles) for part in PARTS if any(part in one for one in profiles)}
