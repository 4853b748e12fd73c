"""What is met and what is missed on this machine: the committed figures of its processor beside every goal and peer.

    python benchmarks/met.py [PROCESSOR]        a folder of benchmarks/results; this machine's by default

Nothing is measured here: `make bench` does that, and ends with this table. A figure is the median, with quartiles, of
process CPU time on one thread with tuned malloc (the clock on the wall for whole processes, MB for peaks of memory);
with default malloc it stands beside. What peers take was measured as their source says.
"""

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from goals import GOALS, PEERS, Goal
from measure import RESULTS, label

Spread = Mapping[str, float]
MISSING = "not measured"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("processor", nargs="?", default=label(), help="whose figures: a folder of benchmarks/results")
    name = parser.parse_args().processor
    if not (files := sorted((RESULTS / name).glob("*.json"))):
        others = ", ".join(sorted({file.parent.name for file in RESULTS.glob("*/*.json")})) or "none"
        parser.error(f"There are no figures of {name}: `make bench` measures them; there are those of {others}.")
    results = {file.stem: read(file) for file in files}
    print(f"{name}, from {RESULTS.name}/{name}/*.json\n")
    rows = [goal_row(goal, results.get(goal.benchmark)) for goal in GOALS]
    print(aligned(["benchmark", "figure", "tuned malloc", "default", "target", "", "source", "measured"], rows))
    count = Counter(row[5] for row in rows)
    print("\n" + ", ".join(f"{count[word]} {word}" for word in ("met", "missed", MISSING)) + "\n")
    others = [[x.peer, x.what, x.tuned, x.default, *ours(results.get(x.benchmark), x.figure), x.source] for x in PEERS]
    heads = ["peer", "what", "its, tuned", "its, default", "ours, tuned", "ours, default", "source"]
    print(aligned(heads, others))


def read(file: Path) -> dict[str, Any]:
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SystemExit(f"{file} is damaged ({error}): run its benchmark again.") from None
    if not isinstance(result, dict):
        raise SystemExit(f"{file} is no result of a benchmark: run its benchmark again.")
    return result


def goal_row(goal: Goal, result: Mapping[str, Any] | None) -> list[str]:
    tuned = figure(result, goal.figure, "tuned")
    if result is None or tuned is None:
        return [goal.benchmark, goal.figure, "", "", f"≤ {goal.limit:g}", MISSING, goal.source, ""]
    verdict = "met" if tuned["median"] <= goal.limit else "missed"
    when = f"{str(result['environment'].get('date'))[:10]}, {result.get('rounds')} rounds"
    shown = f"{tuned['median']:.3f} [{tuned['q1']:.3f}, {tuned['q3']:.3f}]"
    default = number(figure(result, goal.figure, "default"))
    return [goal.benchmark, goal.figure, shown, default, f"≤ {goal.limit:g}", verdict, goal.source, when]


def ours(result: Mapping[str, Any] | None, name: str) -> tuple[str, str]:
    return number(figure(result, name, "tuned")), number(figure(result, name, "default"))


def figure(result: Mapping[str, Any] | None, name: str, malloc: str) -> Spread | None:
    """The median and quartiles of a figure; nothing where the file has none. Whole processes have one malloc."""
    if result is None:
        return None
    if "malloc" in result:
        measured = result["malloc"].get(malloc, {})
        for peaks in measured.get("where", {}).values():
            if name in peaks:
                return dict.fromkeys(("median", "q1", "q3"), peaks[name])
        found = measured.get("figures", {}).get(name, {})
    elif malloc == "tuned":
        found = result.get("figures", {}).get(name, {}) or result.get("seconds", {}).get(name, {})
    else:
        found = {}
    spread: Spread | None = found.get("wall" if "seconds" in result else "cpu")
    return spread


def number(spread: Spread | None) -> str:
    return "" if spread is None else f"{spread['median']:.3f}"


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for the terminal."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [heads, ["-" * width for width in widths], *rows]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


if __name__ == "__main__":
    main()
