"""What an accelerator is worth here: many long students side by side on one card, and what a step takes on it.

First what steps of resnet56 → resnet20 take: on labels alone, with soft targets, and by a rule that wants one gradient
a loss, eager and compiled into a graph of the card's. Then the students of ``cifar100:conflicts``, ``:attention`` and
``:compare`` at one preset: they are trained as stages by so many processes at once, in the order of their worth, until
the time is over. Last, recipe by recipe and seed by seed, the usual commands measure what is trained, one at a time, so
that no clock is disturbed. A stage that was begun goes on when the same command is given again.

    python benchmarks/accelerator.py --out DIR [--device cuda] [--preset long] [--seconds 480] [--workers 15]
"""

import argparse
import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tutelage.cli.command import main as command
from tutelage.cli.find import find
from tutelage.cli.flags import flags_of
from tutelage.methods.by_name import family, method
from tutelage.recipes.cifar100.images import pictures_of, plan_for
from tutelage.run import Run
from tutelage.study.comparison import BASELINE
from tutelage.study.experiments.conflicts import question, rule_trials
from tutelage.study.own.networks import PairOfNetworks, teacher_of
from tutelage.study.trials import Trial, run_trials

METHODS = {
    "cifar100:attention": ("proportional", "proportional_pooled", "attend_dot", "attend_detached", "semckd_alone"),
    "cifar100:compare": ("kd", "dkd", "dist", "standardized", "at", "rkd", "crd", "hint", "srrl", "sp"),
}
"""What is compared, by recipe; the rules of ``cifar100:conflicts`` are those of its preset."""
SEEDS = (0, 1, 2)
WARM_UP, ROUNDS = 10, 60


@dataclass(frozen=True)
class Place:
    """Where and how everything is trained."""

    root: Path
    preset: str
    device: str
    exact: bool
    deadline: float  # of time.time()


@dataclass(frozen=True)
class Student:
    """One student to train: of a recipe, by a method or rule, from a seed; without a name the one nobody teaches."""

    recipe: str
    name: str
    seed: int
    lr: float | None = None  # the preset's


def settings(recipe: str, preset: str) -> dict[str, Any]:
    """The arguments of the recipe at the preset."""
    return {flag.name: flag.default for flag in flags_of(find(recipe)[0].with_preset(preset))}


def students(preset: str) -> Iterator[Student]:
    """In the order of their worth: seed by seed, so that what is there when time is over is paired."""
    asked = settings("cifar100:conflicts", preset)["rules"]
    rules = list(question(asked.names, asked.look_every, 1.0).names) + ["as long"] * (asked.time_ratio > 1)
    for seed in SEEDS:
        yield from (Student("cifar100:conflicts", name, seed) for name in (*reversed(rules), BASELINE))
        yield from (Student("cifar100:attention", name, seed) for name in METHODS["cifar100:attention"])
    for seed in SEEDS:
        yield from (Student("cifar100:compare", name, seed) for name in METHODS["cifar100:compare"])


def train_one(student: Student, place: Place) -> str:
    """Train it as the stage that its recipe will ask for; how that went, in a few words."""
    if time.time() > place.deadline:
        return "left out: the time is over"
    begun = time.monotonic()
    asked = settings(student.recipe, place.preset)
    if student.lr is not None:
        training = replace(asked["student"].training, lr=student.lr)
        asked["student"] = replace(asked["student"], training=training)
    data_folder = os.environ.get("TUTELAGE_DATA")
    with Run(f"accelerator {student.recipe}", f"{student.name} {student.seed} {student.lr or ''}", root=place.root,
             data=data_folder, device=place.device, exact=place.exact) as run:  # fmt: skip
        run.save_every = 20.0
        data = pictures_of(run, asked["images"])
        pair = PairOfNetworks(asked["teacher"], asked["student"], data)
        teacher = asked["teacher"]
        last = (
            None  # whoever needs none does not wait for it
            if student.name.startswith(BASELINE)
            else teacher_of(run, data, teacher, plan_for(data, teacher, teacher.seed)).last
        )
        outcome = run_trials(run, data, trials_of(student, run, pair, asked, last))
    said = f"diverged: {'; '.join(outcome.diverged.values())}" if outcome.diverged else "trained"
    accuracies = [one.finished.records[-1]["validation"]["accuracy"] for one in outcome.students.values()]
    return f"{said} in {time.monotonic() - begun:.0f} s, validation {accuracies}"


def trials_of(student: Student, run: Run, pair: PairOfNetworks, asked: dict[str, Any], teacher: Any) -> dict[str, Any]:
    """The trial that the recipe makes of this student, under the name of its stage."""
    plan = plan_for(pair.data, asked["student"], student.seed)
    if student.name.startswith(BASELINE):  # perhaps at another rate
        return {student.name: [Trial(pair.build_student, plan)]}
    views = asked["images"].cache_views
    if student.recipe == "cifar100:conflicts":
        how, rules = method(asked["losses"]), asked["rules"]
        wanted = question(rules.names, rules.look_every, rules.time_ratio)
        trials = rule_trials(run, pair.student_of(how), plan, pair.teaching(how, teacher, views), wanted)
        longer = [name for name in trials if name not in wanted.names]
        name = longer[0] if student.name == "as long" else student.name
        return {name: trials[name]}
    how, (strength,) = method(student.name), asked["strengths"]
    teaching = replace(pair.teaching(how, teacher, views), strength=strength)
    return {student.name: [Trial(pair.student_of(how), plan, teaching, family(how))]}


def at_rates(rates: Sequence[float]) -> Iterator[Student]:
    """One that makes the teacher be trained, and at each rate two that nobody teaches."""
    yield Student("cifar100:compare", "kd", 0)
    for seed in SEEDS[:2]:
        yield from (Student("cifar100:compare", BASELINE, seed, lr) for lr in rates)


def train_all(asked: Sequence[Student], place: Place, workers: int) -> dict[str, str]:
    """Every student, by so many processes at once, until the time is over: then all stop, with what they have saved."""
    said: dict[str, str] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=one_thread) as pool:
        futures: dict[Future[str], Student] = {pool.submit(train_one, one, place): one for one in asked}
        before = signal.signal(signal.SIGALRM, partial(stop_all, pool))
        signal.setitimer(signal.ITIMER_REAL, max(place.deadline - time.time(), 0.1))
        for future in as_completed(futures):
            student = futures[future]
            rate = "" if student.lr is None else f" at a rate of {student.lr:g}"
            name = f"{student.recipe} {student.name}{rate}, seed {student.seed}"
            try:
                said[name] = future.result()
            except BaseException as error:  # a process that was told to stop takes the pool with it
                said[name] = f"not finished ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
            print(f"{name}: {said[name]}", flush=True)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return said


def one_thread() -> None:
    torch.set_num_threads(1)


def stop_all(pool: ProcessPoolExecutor, *_: object) -> None:
    for pid in list(pool._processes or {}):
        os.kill(pid, signal.SIGTERM)


def measure_all(place: Place, said: dict[str, str]) -> dict[str, int]:
    """The recipes' own commands, of which every student is trained: their exit codes."""
    codes = {}
    counts = Counter(student.recipe for student in students(place.preset) if student.seed == SEEDS[0])
    for seed in SEEDS:
        for recipe in ("cifar100:conflicts", *METHODS):
            mine = [text for name, text in said.items() if name.startswith(recipe) and name.endswith(f"seed {seed}")]
            if len(mine) == counts[recipe] and all(text.startswith(("trained", "diverged")) for text in mine):
                named = ["--methods", *METHODS[recipe]] if recipe in METHODS else []
                words = [recipe, "--preset", place.preset, *named, "--seed", str(seed), "--runs", str(place.root)]
                how = ["--device", place.device, *["--exact"] * place.exact, "--quiet"]
                codes[" ".join(words)] = command(["run", *words, *how])
    return codes


def measure_steps(device: str) -> dict[str, Any]:
    """Milliseconds of a step, medians, by what is trained and how; or why that could not be measured."""
    from step_on_device import subjects

    found: dict[str, Any] = {}
    for name, make in subjects(device).items():
        try:
            found[name] = clocked(make(), device)
        except Exception as error:
            found[name] = f"not measured ({type(error).__name__}: {' '.join(str(error).split())[:300]})"
        print(f"{name}: {found[name]}", flush=True)
    return found


def clocked(step: Callable[[], object], device: str) -> float:
    """The median of so many steps, each waited for, so that queued work counts where it is made."""
    from statistics import median

    from tutelage.measures.latency import wait

    for _ in range(WARM_UP):
        step()
    clocks = []
    for _ in range(ROUNDS):
        wait(torch.device(device))
        begun = time.perf_counter()
        step()
        wait(torch.device(device))
        clocks.append(1e3 * (time.perf_counter() - begun))
    return round(median(clocks), 3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where runs and figures go")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--preset", default="long")
    parser.add_argument("--exact", action="store_true", help="float32, as the command has it")
    parser.add_argument("--seconds", type=float, default=480.0, help="of training; measuring comes after it")
    parser.add_argument("--workers", type=int, default=15, help="students side by side")
    parser.add_argument("--first", type=int, help="so many students, those of most worth; all if not given")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.2, 0.4, 0.8], help="to choose from")
    parser.add_argument("--parts", nargs="+", default=["steps", "students"], choices=["steps", "rates", "students"])
    wanted = parser.parse_args()
    wanted.out.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {}
    if "steps" in wanted.parts:
        figures["milliseconds a step"] = measure_steps(wanted.device)
    place = Place(wanted.out / "runs", wanted.preset, wanted.device, wanted.exact, time.time() + wanted.seconds)
    if "rates" in wanted.parts:
        figures["rates"] = train_all(list(at_rates(wanted.rates)), place, wanted.workers)
    if "students" in wanted.parts:
        figures["students"] = train_all(list(students(place.preset))[: wanted.first], place, wanted.workers)
        figures["commands"] = measure_all(place, figures["students"])
    (wanted.out / "accelerator.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))
    return 0 if all(code == 0 for code in figures.get("commands", {}).values()) else 1


if __name__ == "__main__":
    sys.exit(main())
