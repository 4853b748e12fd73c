"""How near a found student comes to a budget of milliseconds, of a ResNet and of an MLP.

Each is searched for 70, 50 and 30 % of the milliseconds that it takes on this machine. Then the plain network that is
left and the whole one answer in turns, ten times 100 times each, and the median of the quotients of their medians is
held against that share: a budget of milliseconds is one of the whole network's time as the search measured it. The
ResNet is wide: of a narrow one most of the time goes into what no gate takes away, and budgets below that are refused,
which is a row, too.

    python benchmarks/latency_budget.py --cpu [--network resnet8x4 --share 0.5]

prints a row a budget. With --cpu the process's own time is the clock, for a machine that does other work as well.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

SHARES = (0.7, 0.5, 0.3)
STEPS, ROUNDS = 10, 8


def rows(name: str, build: Any, data: Any, batch_size: int, shares: Sequence[float]) -> None:
    """One line for each budget of what ``build`` makes."""
    from tutelage.compress.structure.channels import channels_of
    from tutelage.data.lesson import Lesson
    from tutelage.measures.latency import latency
    from tutelage.optimizers.usual import nesterov
    from tutelage.run import Run
    from tutelage.schemes.plan import Plan
    from tutelage.schemes.supervised import supervised
    from tutelage.study.budget import Pace
    from tutelage.study.own.sought import plan_of, rate_of
    from tutelage.study.search import find
    from tutelage.study.settings import SearchSettings
    from tutelage.tasks.classification import CLASSIFICATION

    lesson = Lesson(data, batch_size=batch_size)
    with TemporaryDirectory() as folder, Run("benchmarks:latency", root=folder, device="cpu") as run:
        learning = Plan(lesson, partial(nesterov, lr=0.05), 2)
        teacher = run.stage("teacher", build, partial(supervised, plan=learning))
        example = channels_of(teacher.last, lesson.example).example(1)

        def clocked(networks: dict[str, Any]) -> dict[str, float]:
            return {x: c["1"]["median"] for x, c in latency(networks, example, batch_sizes=(1,), rounds=100).items()}

        def quotient(found: Any) -> float:
            clocks = (clocked({"whole": teacher.last, "found": found}) for _ in range(10))
            return median(clock["found"] / clock["whole"] for clock in clocks)

        whole = clocked({"whole": teacher.last})["whole"]
        for share in shares:
            plan = plan_of(lesson, CLASSIFICATION, Pace(STEPS, 0.0, 0.0), ROUNDS)
            strength = 0.1 / (rate_of(lesson.batch_size) * 0.3 * STEPS * ROUNDS)
            settings = replace(SearchSettings(), budget=f"{100 * share:g} % of the ms", strength=strength)
            try:
                found = find(run, f"search {share}", teacher.last, build, plan, settings, (name, name))
            except ValueError as refused:  # what is asked for is less than gates leave
                print(
                    "|", " | ".join([name, f"{whole:.3f}", f"{100 * share:g} %", str(refused), "", ""]), "|", flush=True
                )
                continue
            spent = quotient(found.removed.last)
            cells = f"{whole:.3f}", f"{100 * share:g} %", f"{100 * spent:.1f} %", f"{100 * spent / share:.0f} %"
            print("|", " | ".join([name, *cells, str(found.epochs)]), "|", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", action="store_true", help="count the process's own time")
    parser.add_argument("--network", nargs="+", choices=["mlp", "resnet8", "resnet8x4"], default=["mlp", "resnet8x4"])
    parser.add_argument("--share", nargs="+", type=float, default=SHARES, help="of the whole network's time")
    asked = parser.parse_args()

    import torch

    from tutelage.compress import spending
    from tutelage.data.synthetic import digits, photographs
    from tutelage.measures import latency
    from tutelage.models.mlp import mlp
    from tutelage.models.named import named

    torch.set_num_threads(1)
    if asked.cpu:
        latency.perf_counter = spending.perf_counter = time.process_time  # type: ignore[attr-defined]
    print("| network | whole, ms | budget | found | of the budget | rounds |")
    print("|---|---|---|---|---|---|")
    for name in asked.network:
        if name == "mlp":
            rows("mlp 784-1200-1200-10", partial(mlp, (784, 1200, 1200, 10)), digits(640, seed=0), 32, asked.share)
        else:
            rows(name, named(name, 100), photographs(160)[0], 16, asked.share)


if __name__ == "__main__":
    main()
