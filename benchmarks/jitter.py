"""What it costs to show a batch of MNIST in its two-pixel jitters: one gather against a loop over PIL images.

Both make the same float32 batch (checked first). Rounds are interleaved, so that a busy machine slows both alike; what
counts is the ratio within a round. The A/A row is the gather against itself: how far 1 can be off here.

    python benchmarks/jitter.py [--rounds 40] [--batch-size 128] [--threads 1]
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import quantiles
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tutelage.data import mnist
from tutelage.data.views import JITTERS, as_float32, jitter

Subject = Callable[[Tensor, Tensor], Tensor]


def gather(images: Tensor, view: Tensor) -> Tensor:
    return as_float32(jitter(images, view))


def pil_loop(images: Tensor, view: Tensor) -> Tensor:
    """As a data set class does it sample by sample: to an image, moved, to an array, stacked."""
    shown = []
    for image, number in zip(images, view.tolist(), strict=True):
        row, column = divmod(number, 5)
        left, top = column - 2, row - 2
        moved = Image.fromarray(image[0].numpy()).crop((left, top, left + 28, top + 28))  # zeros beyond the border
        shown.append(torch.from_numpy(np.asarray(moved, dtype=np.float32) / 255)[None])
    return torch.stack(shown)


def milliseconds(subject: Subject, images: Tensor, view: Tensor, repeats: int) -> float:
    """The mean time of a call."""
    begin = time.perf_counter()
    for _ in range(repeats):
        subject(images, view)
    return (time.perf_counter() - begin) / repeats * 1e3


def spread(values: list[float]) -> dict[str, float]:
    q1, median, q3 = (round(x, 4) for x in quantiles(values, n=4))
    return {"median": median, "q1": q1, "q3": q3}


def measured(rounds: int, batch_size: int) -> dict[str, Any]:
    train, _ = mnist.load()
    generator = torch.Generator().manual_seed(0)
    subjects: dict[str, tuple[Subject, int]] = {
        "one gather": (gather, 20),
        "PIL loop": (pil_loop, 1),
        "one gather again": (gather, 20),
    }
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds + 1):
        images = train.inputs[torch.randint(len(train), (batch_size,), generator=generator)]
        view = torch.randint(JITTERS, (batch_size,), generator=generator)
        if not torch.equal(gather(images, view), pil_loop(images, view)):
            raise SystemExit("The two do not show the same batch; a faster wrong one would prove nothing.")
        for name, (subject, repeats) in subjects.items():
            times[name].append(milliseconds(subject, images, view, repeats))
    times = {name: values[1:] for name, values in times.items()}  # the first round warms up
    ratios = {
        f"{name} / one gather": spread([a / b for a, b in zip(times[name], times["one gather"], strict=True)])
        for name in ("PIL loop", "one gather again")
    }
    return {"milliseconds": {name: spread(values) for name, values in times.items()}, "ratios": ratios}


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description="Batched jitter against a PIL loop.")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "jitter.json")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    result = {
        "benchmark": "jitter",
        "date": date.today().isoformat(),
        "hardware": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "threads": asked.threads,
            "load_average": round(os.getloadavg()[0], 2),
        },
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "batch_size": asked.batch_size,
        "rounds": asked.rounds,
        "target": {"PIL loop / one gather": ">= 15"},
        **measured(asked.rounds, asked.batch_size),
    }
    rows = [(f"{name}, ms a batch", row) for name, row in result["milliseconds"].items()]
    for name, row in [*rows, *result["ratios"].items()]:
        print(f"{name:32} {row['median']:8.3f}   [{row['q1']:.3f}, {row['q3']:.3f}]")
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
