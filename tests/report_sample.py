"""A run folder with made-up numbers that are plainly synthetic, for tests of the report alone."""

import base64
import json
import math
from collections.abc import Callable
from pathlib import Path

from tutelage.report.groups import group_runs
from tutelage.report.page import publish_page
from tutelage.report.read import read_run
from tutelage.report.story import story_of

ENVIRONMENT = {
    "tutelage": "0.1.0",
    "python": "3.11.2",
    "torch": "2.13.0",
    "numpy": "2.4.6",
    "platform": "Linux-synthetic",
    "processor": "synthetic processor",
    "cores": 2,
    "threads": 2,
    "memory_bytes": 8_000_000_000,
    "precision": "float32",
    "git_commit": "0123456789abcdef",
    "date": "2026-01-01T00:00:00+00:00",
}
METRICS = [{"name": "errors"}, {"name": "accuracy", "unit": "%", "better": "higher"}]
CLASSES = [str(digit) for digit in range(10)]
ERRORS = {"teacher": 80, "student": 100, "baseline": 150, "narrow student": 230, "linear": 760}


def wave(seed: int, step: int) -> float:
    """A number in [-1, 1] that looks random and is the same everywhere."""
    return math.sin(5.1 * (seed + 1) + 78.233 * step) * math.cos(step * 1.7 + 2.3 * seed)


def picture(k: int) -> str:
    """28 x 28 pixels of a ring, wider for larger ``k``."""
    rows = range(28)
    pixels = [round(255 * max(0.0, 1 - abs(math.hypot(x - 14, y - 14) - 4 - k % 8) / 2.2)) for y in rows for x in rows]
    return base64.b64encode(bytes(pixels)).decode()


def calibration(error: float, seed: int) -> dict:
    edges = [i / 15 for i in range(16)]
    confidence = [None if i < 3 else (i + 0.5) / 15 for i in range(15)]
    accuracy = [
        None if c is None else min(1.0, max(0.0, c - 12 * error + 0.04 * wave(seed, i)))
        for i, c in enumerate(confidence)
    ]
    share = [0.0 if c is None else 0.0025 * i for i, c in enumerate(confidence)]
    share[-1] = 1 - sum(share[:-1])
    return {"error": error, "edges": edges, "confidence": confidence, "accuracy": accuracy, "share": share}


def network(name: str, role: str, label: str, stage: str | None, size: int, ms: float, seed: int) -> dict:
    errors = ERRORS[name] + round(5 * wave(seed, size % 97))
    parts = {
        "best": {"epoch": 17, "scores": {"errors": errors + 2}},
        "validation": {"errors": round(errors * 0.52), "count": 5000},
        "agreement": 0.987 + 0.001 * wave(seed, 3) if role != "teacher" else None,
        "calibration": calibration(0.004 + 0.001 * abs(wave(seed, size % 31)), seed),
        "confusion": [[4, 9, 12], [9, 4, 8], [7, 2, 7], [3, 5, 6], [6, 0, 5], [8, 3, 4]],
    }
    if role in ("member", "other"):
        parts = dict.fromkeys(parts) | {"confusion": []}
    latency = {"1": (ms, 0.02 * ms), "64": (9 * ms, 0.3 * ms)}
    return {
        "name": name,
        "role": role,
        "label": label,
        "stage": stage,
        "count": 10000,
        "scores": scores(errors),
        **parts,
        "parameters": size,
        "macs": size - 2000,
        "bytes": 4 * size + 600,
        "latency_ms": {b: {"median": m, "q1": m - d, "q3": m + d} for b, (m, d) in latency.items()},
    }


def scores(errors: int, count: int = 10000) -> dict:
    low, high = max(0, errors - round(1.9 * math.sqrt(errors))), min(count, errors + round(2 * math.sqrt(errors)) + 2)
    accuracy = [100 * (1 - k / count) for k in (errors, high, low)]
    return {
        "errors": {"value": errors, "interval": [low, high]},
        "accuracy": {"value": accuracy[0], "interval": accuracy[1:]},
    }


def networks(seed: int) -> list[dict]:
    return [
        network("teacher", "teacher", "1200-1200, jittered, dropout", "teacher", 2395210, 0.41, seed),
        network("student", "student", "800-800, T = 20", "student", 1276810, 0.2, seed),
        network("baseline", "baseline", "800-800", "alone", 1276810, 0.2, seed),
        network("narrow student", "member", "300-300", None, 328810, 0.07, seed),
        network("linear", "other", "no hidden layer", None, 7850, 0.011, seed),
    ]


def claims(nets: list[dict]) -> list[dict]:
    """One that is plainly held, one that is not, one that nobody may judge, and one without an interval."""
    student, baseline = (nets[i]["scores"]["errors"] for i in (1, 2))
    source = "Hinton, Vinyals & Dean 2015, arXiv:1503.02531, section 3"
    bound = {"low": None, "high": None, "reason": "", "note": "", "unit": "test errors", "source": source}
    ratio = student["value"] / baseline["value"]
    return [
        bound | {"name": "nobody taught it", "published": 146, "measured": baseline["value"], "low": 100, "high": 200}
        | {"interval": baseline["interval"]},
        bound | {"name": "distilled student", "published": 74, "measured": student["value"], "high": 80}
        | {"interval": student["interval"], "note": "unjittered"},
        bound | {"name": "share of the gain kept", "published": 91.1, "measured": 71.42, "unit": "%", "low": 85}
        | {"reason": "60,000 images and 3,000 epochs would decide"},
        bound | {"name": "student ÷ baseline", "published": 0.507, "measured": ratio, "high": 0.85, "unit": "1"},
    ]  # fmt: skip


def log(seed: int, epochs: int) -> list[dict]:
    lines = []
    for stage in ("teacher", "alone", "student"):
        for epoch in range(1, epochs + 1):
            decay, noise = math.exp(-4 * epoch / epochs), 1 + 0.08 * wave(seed, epoch)
            losses = {"label": (0.003 + 0.4 * decay) * noise}
            weights = {"label": 1.0}
            if stage == "student":
                losses, weights = {"label": (0.05 + 0.3 * decay) * noise, "soft": (0.3 + 2 * decay) * noise}, {}
                weights = {"label": 0.1, "soft": 0.9}
            errors = round((50 if stage != "alone" else 80) * noise + 300 * decay)
            lines.append(
                {"stage": stage, "epoch": epoch, "step": 430 * epoch, "epochs": epochs, "seconds": 7.3 + 0.1 * noise}
                | {"losses": {"student": losses}, "weights": {"student": weights}, "best": epoch == epochs - 2}
                | {"validation": {"errors": errors, "count": 5000, "loss": errors / 900}}
            )
    return lines


def examples() -> list[dict]:
    kinds = ["teacher right, student wrong", "both wrong", "student right, teacher wrong"]
    found = []
    for k in range(14):
        right, wrong = [[k % 10, 0.91 - k / 100], [9 - k % 10, 0.06]], [[9 - k % 10, 0.7], [k % 10, 0.25]]
        teacher, student = [(right, wrong), (wrong, wrong), (wrong, right)][k % 3]
        found.append(
            {"kind": kinds[k % 3], "index": 120 + 37 * k, "target": k % 10, "shape": [28, 28], "pixels": picture(k)}
            | {"teacher": teacher, "student": student}
        )
    return found


def table(seed: int) -> dict:
    rows = [
        [units, temperature, round(1000 / units**0.35 + 40 * abs(math.log2(temperature) - 2) + 6 * wave(seed, units))]
        for units in (30, 300, 800)
        for temperature in (1, 2, 2.5, 4, 8, 20)
    ]
    return {
        "title": "Test errors by width and temperature",
        "columns": ["units", "T", "errors"],
        "rows": rows,
        "note": "One hidden layer; 20 epochs each.",
        "curve": {"x": "T", "y": "errors", "by": "units", "log_x": True},
    }


def make(folder: Path, seed: int = 0, *, epochs: int = 20, **flags: object) -> Path:
    """Writes a finished run of three stages into ``folder``; ``flags`` are its arguments beside the seed."""
    folder.mkdir(parents=True, exist_ok=True)
    nets, temperature = networks(seed), float(str(flags.get("temperature", 4)))
    shift = round(6 * abs(temperature - 4) + 4 * wave(seed, round(temperature)) * (temperature != 4))
    nets[1]["scores"] = scores(nets[1]["scores"]["errors"]["value"] + shift)
    teacher, student, baseline = (nets[i]["scores"]["errors"]["value"] for i in range(3))
    results = {
        "headline": f"The distilled 800-800 student makes {student} test errors; alone it makes {baseline}; "
        f"its teacher, 1.9 × larger, {teacher}.",
        "metrics": METRICS,
        "claims": claims(nets),
        "networks": nets,
        "classes": CLASSES,
        "examples": examples(),
        "tables": [table(seed)],
        "methods": ["tutelage.losses.kd:soft_targets"],
    }
    write(folder / "arguments.json", request(seed, flags))
    write(folder / "environment.json", ENVIRONMENT)
    write(folder / "stages.json", stages(seed, epochs, temperature))
    write(folder / "results.json", results)
    lines = (json.dumps(line) for line in log(seed, epochs))
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def make_older(folder: Path, seed: int = 0, **options: object) -> Path:
    """The run that ``make`` writes, as the version before metrics wrote it."""
    make(folder, seed, **options)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    del results["metrics"]
    for network in results["networks"]:
        score = network.pop("scores")["errors"]
        network |= {"errors": score["value"], "interval": score["interval"]}
        network["role"] = {"baseline": "alone", "other": "baseline"}.get(network["role"], network["role"])
        if network["best"]:
            network["best"] = {"epoch": network["best"]["epoch"], **network["best"]["scores"]}
        if network["validation"]:
            network["validation"]["loss"] = None
    for claim in results["claims"]:
        claim.pop("interval", None)
        claim["scale"] = claim.pop("reason") or None
    write(folder / "results.json", results)
    return folder


def request(seed: int, flags: dict) -> dict:
    defaults = {"seed": 0, "temperature": 4.0, "units": 800, "exact": False}
    arguments = defaults | {"seed": seed} | flags
    words = [f"--{flag} {value}" for flag, value in arguments.items() if value != defaults.get(flag)]
    command = " ".join(["tutelage run mnist:hinton --preset paper", *words])
    return {"recipe": "mnist:hinton", "preset": "paper", "command": command} | {
        "arguments": arguments,
        "defaults": defaults,
    }


def stages(seed: int, epochs: int, temperature: float) -> list[dict]:
    keys = {"teacher": "3fa9c1d204be", "alone": "77b0aa93c0d1", "student": f"c9d01f2e{temperature:04g}"}
    return [
        {"name": name, "key": f"{key}{seed}", "epochs": epochs, "seconds": 7.4 * epochs + 10 * i + seed}
        | {"best_epoch": max(epochs - 2, 1), "uses": ["teacher"] if name == "student" else []}
        for i, (name, key) in enumerate(keys.items())
    ]


def write(file: Path, value: object) -> None:
    file.write_text(json.dumps(value), encoding="utf-8")


def write_page(folder: Path | str) -> Path:
    """The page about the run in ``folder``, beside it."""
    groups = group_runs([read_run(folder)])
    return publish_page(groups, story_of(groups), folder)


def edited(folder: Path, edit: Callable[[dict], object], part: str = "results") -> Path:
    """The run in ``folder`` after ``edit`` changed one of its files."""
    value = json.loads((folder / f"{part}.json").read_text(encoding="utf-8"))
    edit(value)
    write(folder / f"{part}.json", value)
    return folder
