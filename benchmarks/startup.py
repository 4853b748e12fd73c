"""How long the command takes to answer before it does anything: whole processes, from start to exit.

python benchmarks/startup.py [--rounds 20]
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

from measure import conditions, place, spread, write

LIMIT = 0.5  # seconds, for --help
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "tutelage --help": ["-m", "tutelage", "--help"],
    "tutelage ls": ["-m", "tutelage", "ls"],
    "tutelage run mnist:hinton --help": ["-m", "tutelage", "run", "mnist:hinton", "--help"],
    "tutelage distill --help": ["-m", "tutelage", "distill", "--help"],
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
    parser.add_argument("--rounds", type=int, default=20, help="how often each command is started (2 or more)")
    parser.add_argument("--out", type=Path, default=place("startup"), help="where the figures are written")
    asked = parser.parse_args()
    if asked.rounds < 2:
        parser.error(f"Quartiles need 2 rounds or more; got {asked.rounds}.")
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in COMMANDS}
    for _ in range(asked.rounds + 1):
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
    about = {"benchmark": "startup", "environment": conditions(), "rounds": asked.rounds}
    write(asked.out, {**about, "limit_seconds": LIMIT, "met": met, "seconds": table})


if __name__ == "__main__":
    main()
