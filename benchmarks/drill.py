"""What becomes of a run to which something happens: killed, damaged, out of room, moved, two at once.

Every trial has a folder of its own; what happens there follows from --seed, the kind and the trial's number. The same
command then goes on, and what it leaves is compared, file by file, with a run that nobody disturbed. A row a kind:

    tried        trials
    same bits    it ends, without a word or after going on, in the same bits; of a reader, the right answer
    refused      in one sentence, exit code 2, 3 or 4; what the sentence advises was done, and led to the same bits
    silent       exit code 0 with something else than it should be
    traceback    Python's own words, or a crash
    dead end     a refusal without a sentence, one whose advice does not help, or no end

With --out, rows of earlier drills with the same seed stay until their kind is tried again. Exit code 0 if the last
three are 0 in every row. A trial that failed keeps its folder, and its command is printed.

python benchmarks/drill.py [--only KIND …] [--reader NAME …] [--trials 20] [--seed 0] [--jobs 2] [--trial N]
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from drills import clocks, damage, disks, kills, memory, moves, output, pairs, processes, readers, stops
from drills.mounts import can_mount, enter_private_mounts
from drills.shelf import prepared
from drills.trial import Shelf, Site, Trial, Verdict

READERS = "readers"
"""The one kind that is no run's: damaged inputs for each reader of files, a row a reader."""
RESULTS = Path(__file__).parent / "results"
COLUMNS = ("same bits", "refused", "silent", "traceback", "dead end")
KINDS: dict[str, Callable[[Shelf], Iterable[Trial]]] = {
    "killed at random moments": kills.at_random_moments,
    "killed at every write": kills.at_every_boundary,
    "asked to stop": stops.asked_to_stop,
    "held still": stops.held_still,
    "damaged, then run": damage.then_run,
    "damaged, then report": damage.then_report,
    "damaged, then load": damage.then_load,
    "damaged, then verify": damage.then_verify,
    "disk full": disks.full,
    "disk full, then report": disks.full_for_reports,
    "read-only": disks.read_only,
    "clocks changed": clocks.changed,
    "two at once": pairs.together,
    "moved": moves.moved,
    "short of memory": memory.short,
    "output fails": output.failing,
}


def main() -> int:
    wanted = _arguments()
    enter_private_mounts()
    processes.prepare()
    folder, begun = Path(tempfile.mkdtemp(prefix="drill-")), time.monotonic()
    shelf = prepared(folder / "shelf", wanted.seed)
    rows: dict[str, Counter[str]] = {}
    with ThreadPoolExecutor(wanted.jobs) as pool:
        for kind in wanted.only or (*KINDS, READERS):
            if kind == READERS:
                inputs = min(wanted.inputs, wanted.trials)
                found = readers.rows(inputs, wanted.seed, folder / kind, pool, wanted.reader)
            else:
                found = [(kind, *_row(shelf, kind, wanted, pool))]
            for name, row, failures in found:
                rows[name] = row
                seconds, begun = time.monotonic() - begun, time.monotonic()
                if wanted.out is not None:
                    _write(wanted, name, row, seconds)
                print(f"{seconds:5.0f} s  {name}: {dict(row)}", file=sys.stderr, flush=True)
                print(*failures, sep="\n", end="\n" * bool(failures), flush=True)
    print(f"\n{_table(rows)}")
    failed = sum(row[column] for row in rows.values() for column in COLUMNS[2:])
    if not failed:
        shutil.rmtree(folder, onerror=_writable)
    return int(failed > 0)


def _row(
    shelf: Shelf, kind: str, wanted: argparse.Namespace, pool: ThreadPoolExecutor
) -> tuple[Counter[str], list[str]]:
    """What became of the trials of a kind, and sentences about those that failed."""
    trials = list(enumerate(KINDS[kind](shelf)))
    if wanted.trial is not None:
        trials = trials[wanted.trial : wanted.trial + 1]
    elif len(trials) > wanted.trials:
        trials = sorted(Random(f"{wanted.seed} {kind}").sample(trials, wanted.trials), key=lambda x: x[0])
    row, failures = Counter({"tried": len(trials)}), []
    for (number, trial), verdict in zip(trials, pool.map(partial(_tried, shelf, kind), trials), strict=True):
        row[verdict.became] += 1
        if verdict.became in COLUMNS[2:]:
            again = f"python benchmarks/drill.py --seed {wanted.seed} --only '{kind}' --trial {number}"
            place = _place(shelf, kind, number)
            failures.append(f"{verdict.became}: {kind}, {trial.name}: {verdict.why}\n    {again}    ({place})")
    return row, failures


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=(*KINDS, READERS), metavar="KIND",
                        help=f"of {', '.join((*KINDS, READERS))}")  # fmt: skip
    parser.add_argument("--trials", type=int, default=10**9, help="of a kind at most, drawn from all")
    parser.add_argument("--trial", type=int, help="the one of that number")
    parser.add_argument("--inputs", type=int, default=10_000, help="damaged ones a reader, at most")
    parser.add_argument("--reader", nargs="+", default=[], metavar="NAME", help="of the readers, these")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="trials at once")
    parser.add_argument("--out", type=Path, help="write each row at its end into drill.json and drill.md there")
    return parser.parse_args()


def _tried(shelf: Shelf, kind: str, numbered: tuple[int, Trial]) -> Verdict:
    number, trial = numbered
    folder = _place(shelf, kind, number)
    folder.mkdir(parents=True)
    try:
        verdict = trial.go(Site(folder, shelf, Random(f"{shelf.seed} {kind} {number}")))
    except Exception as error:
        raise RuntimeError(f"{kind}, trial {number} ({trial.name})") from error
    if verdict.became not in COLUMNS[2:]:
        shutil.rmtree(folder, onerror=_writable)
    return verdict


def _place(shelf: Shelf, kind: str, number: int) -> Path:
    return shelf.folder.parent / "-".join(kind.replace(",", "").split()) / str(number)


def _writable(remove: Callable[[str], Any], path: str, _error: Any) -> None:
    Path(path).parent.chmod(0o700)
    remove(path)


def _table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [f"| what happens | tried | {' | '.join(COLUMNS)} |", "| :-- |" + " --: |" * (len(COLUMNS) + 1)]
    for kind, row in rows.items():
        lines.append(f"| {kind} | {row['tried']} | {' | '.join(str(row[column]) for column in COLUMNS)} |")
    return "\n".join(lines)


def _write(wanted: argparse.Namespace, kind: str, row: Counter[str], seconds: float) -> None:
    """Put the row of a kind among those that are there already, of the same seed."""
    from tutelage.machine import environment

    wanted.out.mkdir(parents=True, exist_ok=True)
    file = wanted.out / "drill.json"
    before = json.loads(file.read_text("utf-8")) if file.exists() else {}
    rows = before.get("rows", {}) if before.get("seed") == wanted.seed else {}
    here = environment()
    how = {"minutes": round(seconds / 60, 2), "git_commit": here.pop("git_commit"), "date": here.pop("date")}
    rows[kind] = {**{column: row[column] for column in ("tried", *COLUMNS)}, **how}
    about = {"benchmark": "drill", "environment": here, "seed": wanted.seed,
             "small and read-only file systems": can_mount(), "rows": rows}  # fmt: skip
    file.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    (wanted.out / "drill.md").write_text(f"# make drill\n\n{_table(rows)}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
