"""What a run leaves on disk, to be compared with what another one left."""

import json
from pathlib import Path

CLOCKS = ("seconds", "date", "clock")
CHECKOUT = ("git_commit",)  # dirty from when a drill has written its first row into it
APART = ("lock", "environment.json", "SHA256SUMS")  # a process, a machine, and sums of files with clocks in them
PAGES = ("report.html", "report.csv", "report.md")  # full of clock readings: that they are there is all


def outcome(root: Path) -> dict[str, object]:
    """Everything a run leaves, byte for byte, but for what clocks say."""
    left: dict[str, object] = {}
    for file in (path for path in sorted(root.rglob("*")) if path.is_file() and path.name not in APART):
        name = str(file.relative_to(root))
        if file.name in ("log.jsonl", "stages.json", "stage.json", "report.json"):
            left[name] = [_without_clocks(json.loads(line)) for line in _texts(file)]
        else:
            left[name] = None if file.name in PAGES else file.read_bytes()
    return left


def differences(one: dict[str, object], other: dict[str, object]) -> list[str]:
    """The files in which two outcomes differ."""
    return sorted(name for name in {*one, *other} if name not in one or name not in other or one[name] != other[name])


def _texts(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.suffix == ".jsonl" else [file.read_text()]


def _without_clocks(x: object) -> object:
    if isinstance(x, dict):
        return {name: _without_clocks(y) for name, y in x.items() if name not in (*CLOCKS, *CHECKOUT)}
    return [_without_clocks(y) for y in x] if isinstance(x, list) else x
