"""Whether a pilot chooses as well as a grid of six: a quarter, half, twice and four times its rate, another method.

A distillation is planned as `tutelage distill` does it. Then the student is trained as planned, and in the five other
ways, for every seed, each for the planned epochs; what counts is the deciding metric on validation samples after the
last one. All trainings are stages of a run: a comparison that is stopped goes on. The student alone, at the rate that
the pilot found for it and at multiples of that, is compared likewise with --alone.

    python benchmarks/pilot.py mnist --teacher lenet5 --weights tour/teacher.safetensors --data tour/digits \
        --student "lenet5(first=10, second=25, units=250)" --minutes 1 --seeds 0 1 --runs pilot-runs --cpu

adds `mnist` to results/pilot.json and writes all that is there as results/pilot.md. With --cpu the process's own time
is what a plan counts, for a machine that does other work as well.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

RESULTS = Path(__file__).parent / "results"
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
OTHERS = {"kd": "kd+sp"}
"""The other method that is tried, by the pilot's; soft targets alone where it is none of these."""


def compared(words: argparse.Namespace) -> dict[str, Any]:
    """What came out of all trainings, by what is changed, and what the pilot of each seed had found."""
    from tutelage.machine import environment, tune_allocator
    from tutelage.results import Arguments
    from tutelage.run import Run
    from tutelage.study.comparison import BASELINE
    from tutelage.study.own.participants import DistillationSettings, participants_of
    from tutelage.study.own.settings import DataSettings
    from tutelage.study.own.teacher_settings import OwnTeacherSettings
    from tutelage.study.planning.distillation import STUDENT, trials_of
    from tutelage.study.planning.timed_plan import timed_plan
    from tutelage.study.trials import run_trial

    tune_allocator()
    own = OwnTeacherSettings(teacher=words.teacher, weights=words.weights)
    asked = DistillationSettings(minutes=words.minutes, augment=words.augment, epochs=words.epochs)
    with Run(Arguments("benchmarks:pilot", "", "", vars(words) | {"weights": str(words.weights)}, {}),
             root=words.runs) as run:  # fmt: skip
        people = participants_of(run, own, words.data, words.student, DataSettings())
        plans = []
        for seed in words.seeds:
            run.begun = time.perf_counter()
            plans.append(timed_plan(run, people, replace(asked, seed=seed)))
        first = plans[0].found
        rate, method = ("lr_alone", "") if words.alone else ("lr", first.method)
        ways = {f"× {factor:g}": {rate: getattr(first, rate) * factor} for factor in FACTORS}
        if not words.alone:
            ways[OTHERS.get(method, "kd")] = {"method": OTHERS.get(method, "kd")}
        metric, rows = people.data.task.deciding, []
        for name, change in ways.items():
            values = []
            for seed in words.seeds:
                planned = replace(plans[0], found=replace(first, **change))
                trial = trials_of(people, replace(asked, seed=seed), planned)[BASELINE if words.alone else STUDENT]
                try:
                    records = run_trial(run, f"{name}, seed {seed}", trial).finished.records
                    values.append(float(records[-1]["validation"][metric.name]))
                except (FloatingPointError, ValueError) as error:  # diverged, or not for these networks
                    print(name, seed, error, flush=True)
                print(words.name, name, seed, values[-1:], flush=True)
            row = {"way": name, "method": change.get("method", method), "lr": change.get(rate, getattr(first, rate))}
            rows.append({**row, "values": values})
        return {
            "teacher": words.teacher, "student": words.student, "alone": words.alone, "metric": metric.name,
            "better": metric.better, "samples": len(people.data.train), "validation": len(people.data.validation or ()),
            "epochs": plans[0].epochs, "batch_size": first.batch_size, "optimizer": first.optimizer,
            "minutes": words.minutes, "seeds": words.seeds, "found": [getattr(plan.found, rate) for plan in plans],
            "why": first.why, "rows": rows, "environment": environment(str(run.precision)[6:]),
        }  # fmt: skip


def verdict(case: dict[str, Any]) -> tuple[str, float, float]:
    """The best way of all, by how much the pilot's is worse, and the standard error of that difference.

    Seeds are compared in pairs where there are several; with one, nobody knows the noise.
    """
    sign = 1 if case["better"] == "lower" else -1
    whole = [row for row in case["rows"] if len(row["values"]) == len(case["seeds"])]
    best = min(whole, key=lambda row: sign * fmean(row["values"]))
    own = next(row for row in case["rows"] if row["way"] == "× 1")
    gaps = [sign * (mine - its) for mine, its in zip(own["values"], best["values"], strict=True)]
    return best["way"], fmean(gaps), stdev(gaps) / len(gaps) ** 0.5 if len(gaps) > 1 else float("nan")


def table(cases: dict[str, dict[str, Any]]) -> str:
    """All cases as Markdown."""
    lines = ["# The pilot's choice beside a grid of six", "",
             "Written by `benchmarks/pilot.py`. ×1 is the rate that the pilot found.", ""]  # fmt: skip
    for name, case in cases.items():
        who = f"{case['student']} alone" if case["alone"] else f"{case['student']} of {case['teacher']}"
        lines += [f"## {name}: {who}", "",
                  f"{case['samples']:,} samples, {case['epochs']} epochs, {case['batch_size']} a step, "
                  f"{case['optimizer']}; the pilots of seeds {case['seeds']} found {case['found']}.", "",
                  f"| way | method | rate | validation {case['metric']} of {case['validation']:,}, each seed | mean |",
                  "|---|---|---|---|---|"]  # fmt: skip
        for row in case["rows"]:
            values = ", ".join(f"{x:g}" for x in row["values"]) or "not learnt by"
            mean = f"{fmean(row['values']):.4g}" if row["values"] else ""
            lines.append(f"| {row['way']} | {row['method']} | {row['lr']:.2g} | {values} | {mean} |")
        best, gap, error = verdict(case)
        lines += ["", f"Best: {best}. The pilot's choice is worse by {gap:.3g} {case['metric']}, "
                      f"± {error:.2g} (standard error over seeds, in pairs).", ""]  # fmt: skip
        if "note" in case:  # added by hand
            lines += [case["note"], ""]
    return "\n".join(lines)


def understood(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="what the case is called in the results")
    for flag in ("teacher", "data", "student"):
        parser.add_argument(f"--{flag}", required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--augment", default="light")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--runs", default="runs")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--cpu", action="store_true")
    return parser.parse_args(words)


def main() -> None:
    words = understood()
    if words.cpu:
        time.perf_counter = time.monotonic = time.process_time
    made, file = compared(words), RESULTS / "pilot.json"
    cases = json.loads(file.read_text()) if file.exists() else {}
    cases[words.name] = made
    file.write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")
    (RESULTS / "pilot.md").write_text(table(cases))
    print(table({words.name: made}))


if __name__ == "__main__":
    main()
