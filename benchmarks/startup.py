"""How long the command takes to answer before it does anything: whole processes, from start to exit.

python benchmarks/startup.py [--rounds 20]
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from measure import spread

from tutelage.machine import environment

LIMIT = 0.5  # seconds, for --help
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "tutelage --help": ["-m", "tutelage", "--help"],
    "tutelage ls": ["-m", "tutelage", "ls"],
    "tutelage run mnist:hinton --help": ["-m", "tutelage", "run", "mnist:hinton", "--help"],
}


def seconds(words: list[str]) -> dict[str, float]:
    """Of one process: the clock, and the processor time of its own."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": time.perf_counter() - start, "cpu": cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in COMMANDS}
    for _ in range(rounds + 1):
        for name, words in COMMANDS.items():
            samples[name].append(seconds(words))
    table = {  # the first round fills caches
        name: {clock: spread([once[clock] for once in times[1:]]) for clock in ("wall", "cpu")}
        for name, times in samples.items()
    }
    for name, clocks in table.items():
        print(f"{name:36} wall {clocks['wall']['median']:.3f} s   cpu {clocks['cpu']['median']:.3f} s")
    met = table["tutelage --help"]["wall"]["median"] <= LIMIT
    print(f"tutelage --help within {LIMIT} s: {'met' if met else 'MISSED'}")
    result = {
        "benchmark": "startup",
        "environment": environment(),
        "rounds": rounds,
        "limit_seconds": LIMIT,
        "met": met,
    }
    path = Path(__file__).parent / "results" / "startup.json"
    path.write_text(json.dumps({**result, "seconds": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
