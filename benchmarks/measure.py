"""Timing that a busy machine cannot easily fool: interleaved rounds, ratios within a round, an A/A row, both mallocs.

A subject is a function that does its work once; one round calls every subject once, beginning with another one each
time. Process CPU time is what counts (one thread: a neighbour on the machine takes none of it), the wall clock stands
beside it. A figure is the median over rounds of its value *within* a round, with its quartiles. Each allocator
gets a process of its own: glibc's defaults, and the two thresholds that the command sets (`tutelage.machine`).
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple, TypeAlias

import torch

from tutelage.machine import environment, has_bfloat16, processor, tune_allocator

RESULTS = Path(__file__).parent / "results"
MALLOCS = ("tuned", "default")
NOTE = (
    "One thread. Ratios are medians, with quartiles, of ratios within one round of interleaved subjects; cpu is the "
    "process's own time and decides, wall is the clock. Other work shares the machine (see load_average), which moves "
    "wall times and, through shared caches and memory, cpu times a little: the A/A rows say how far 1 can be off."
)


class Clock(NamedTuple):
    """Milliseconds."""

    cpu: float
    wall: float


Rounds: TypeAlias = list[dict[str, Clock]]
"""One entry a round: subject -> what it took."""
Figure: TypeAlias = Callable[[Mapping[str, float]], float]
"""A number of one round, from what its subjects took."""


def label() -> str:
    """The name of this processor's results: what it is, and whether it multiplies bfloat16: ``amd-epyc-bfloat16``."""
    words = re.findall(r"\w+", re.sub(r"\((R|TM)\)|\bProcessor\b|\bCPU\b|@.*", "", processor(), flags=re.IGNORECASE))
    return "-".join([*map(str.lower, words), "bfloat16" if has_bfloat16("cpu") else "no-bfloat16"])


def place(name: str) -> Path:
    """Where the figures of a benchmark on this processor go: those of another one are never overwritten."""
    return RESULTS / label() / f"{name}.json"


def conditions(**changed: Any) -> dict[str, Any]:
    """What a figure may depend on, with the processor's bfloat16; ``changed`` stands instead of what is found."""
    return {**environment(), "bfloat16": has_bfloat16("cpu"), **changed}


def write(file: Path, result: Mapping[str, Any]) -> None:
    """One result as JSON, its folder made if need be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"written to {file}", file=sys.stderr)


def interleaved(subjects: Mapping[str, Callable[[], object]], rounds: int, per: int, warm_up: int = 2) -> Rounds:
    """Milliseconds of each subject in each round, divided by ``per``, the steps that one call takes."""
    names, measured = list(subjects), []
    for count in range(warm_up + rounds):
        first = count % len(names)
        taken = {name: _clocked(subjects[name], per) for name in names[first:] + names[:first]}
        if count >= warm_up:
            measured.append(taken)
    return measured


def spread(values: list[float]) -> dict[str, float]:
    q1, median, q3 = (round(x, 4) for x in quantiles(values, n=4, method="inclusive"))
    return {"median": median, "q1": q1, "q3": q3}


def summary(rounds: Rounds, figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Of every subject its milliseconds, of every figure its value, by either clock."""
    times = {
        name: {clock: spread([getattr(taken[name], clock) for taken in rounds]) for clock in Clock._fields}
        for name in rounds[0]
    }
    values = {
        name: {
            clock: spread([figure({x: getattr(took, clock) for x, took in taken.items()}) for taken in rounds])
            for clock in Clock._fields
        }
        for name, figure in figures.items()
    }
    return {"milliseconds": times, "figures": values}


def benchmark(name: str, about: str, measured: Callable[[int], dict[str, Any]], targets: Mapping[str, float]) -> None:
    """The whole command: a child process for each malloc, a table, the JSON. A missed target is a finding, no error."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="interleaved rounds a malloc (12 or more)")
    parser.add_argument("--malloc", choices=MALLOCS, help="measure this one only, in this process, and print its JSON")
    parser.add_argument("--out", type=Path, default=place(name), help="where the figures are written")
    arguments = parser.parse_args()
    if arguments.rounds < 2:
        parser.error(f"Quartiles need 2 rounds or more; got {arguments.rounds}.")
    if arguments.malloc:
        torch.set_num_threads(1)
        applied = arguments.malloc == "tuned" and tune_allocator()
        print(json.dumps({"allocator_tuned": applied, **measured(arguments.rounds)}))
        return
    before = os.getloadavg()[0]
    by_malloc = {malloc: _in_child(malloc, arguments.rounds) for malloc in MALLOCS}
    result = {
        "benchmark": name,
        "environment": conditions(threads=1),
        "load_average": [round(before, 2), round(os.getloadavg()[0], 2)],
        "note": NOTE,
        "rounds": arguments.rounds,
        "targets": {name: {"limit": x, "met": _met(by_malloc, name, x)} for name, x in targets.items()},
        "malloc": by_malloc,
    }
    write(arguments.out, result)
    _printed(by_malloc, result["targets"])


def _clocked(subject: Callable[[], object], per: int) -> Clock:
    wall, cpu = time.perf_counter(), time.process_time()
    subject()
    return Clock((time.process_time() - cpu) / per * 1e3, (time.perf_counter() - wall) / per * 1e3)


def _in_child(malloc: str, rounds: int) -> dict[str, Any]:
    command = [sys.executable, sys.argv[0], "--malloc", malloc, "--rounds", str(rounds)]
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, env=quiet)
    if done.returncode:
        raise SystemExit(done.returncode)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _met(by_malloc: Mapping[str, Any], figure: str, limit: float) -> dict[str, bool]:
    """Under each malloc, by the median of process CPU time."""
    return {malloc: result["figures"][figure]["cpu"]["median"] <= limit for malloc, result in by_malloc.items()}


def _printed(by_malloc: Mapping[str, Any], targets: Mapping[str, Any]) -> None:
    for malloc, result in by_malloc.items():
        print(f"\n{f'{malloc} malloc':50} cpu                       wall")
        for kind, unit in (("milliseconds", "ms"), ("figures", "")):
            for name, row in result[kind].items():
                columns = "   ".join(f"{x['median']:7.3f} [{x['q1']:.3f}, {x['q3']:.3f}]" for x in row.values())
                print(f"  {name:48} {columns} {unit}{_verdict(targets.get(name), malloc)}")
        for title, rows in result.get("where", {}).items():
            print(f"  {title}")
            for name, value in rows.items():
                print(f"    {name:46} {value:7.3f}")


def _verdict(target: Mapping[str, Any] | None, malloc: str) -> str:
    if target is None:
        return ""
    return f"  target {target['limit']}: {'met' if target['met'][malloc] else 'missed'}"
