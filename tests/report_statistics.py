"""Statistics of made-up gradients and attention for the runs of ``report_sample``."""

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import report_sample
from report_sample import wave

TERMS = ("label", "soft", "hint", "relation")
PARTS = ("layer1", "layer2", "layer3", "head", "backbone")
STUDENT = ("layer1", "layer2", "layer3")
TEACHER = ("layer1", "layer2", "layer3", "layer4")


def watched(seed: int, epoch: int, terms: Sequence[str] = TERMS, parts: Sequence[str] = PARTS, lean: float = 0) -> dict:
    """What ``Watched`` says of an epoch; ``hint`` is drowned and does not reach the head."""
    found = {}
    for i, (a, b) in enumerate(combinations(terms, 2)):
        for k, part in enumerate(("", *parts)):
            if part == "head" and "hint" in (a, b):
                continue
            cosine = round(max(-1.0, min(1.0, 0.5 - 0.22 * i - 0.02 * epoch + lean + 0.1 * wave(seed + k, i))), 4)
            name = f"{a} | {b}{part and f' @ {part}'}"
            found[f"combine.means/cosine {name}"] = cosine
            found[f"combine.means/negative {name}"] = round(max(0.0, min(1.0, 0.5 - cosine)), 4)
    for i, term in enumerate(terms):
        for part in ("", *parts):
            short = 0.0031 + 0.0001 * seed if term == "hint" else 1 / (i + 1)
            found[f"combine.means/relative {term}{part and f' @ {part}'}"] = short
        found[f"combine.means/norm {term}"] = 2.5 * i + 0.1
    return found


def attended(seed: int, epoch: int) -> dict:
    """Weights of attention that sum to one; the student's first layer looks at three layers."""
    found = {}
    for i, student in enumerate(STUDENT):
        layers = TEACHER[: 3 if i == 0 else 4]
        raw = [1 + 0.3 * epoch * (k == i + 1) + 0.2 * (1 + wave(seed, i + k)) for k in range(len(layers))]
        for teacher, weight in zip(layers, raw, strict=True):
            name = f"weight student.{student} | teacher.{teacher}"
            found[f"objective.layers.loss.means/{name}"] = weight / sum(raw)
    return found


def learned(seed: int, epoch: int) -> dict:
    return {f"combine.means/weight {term}": 1 + 0.1 * epoch * (i - 1) + 0.01 * seed for i, term in enumerate(TERMS)}


def make(folder: Path, seed: int = 0, *, rules: Sequence[str] = ("student",), epochs: int = 6, **flags: object) -> Path:
    """A run of ``report_sample`` whose stage ``student`` is one stage for each of ``rules``, all watched.

    A rule called ``attention`` has weights over layers, one called ``learned`` has learned weights.
    """
    report_sample.make(folder, seed, epochs=epochs, **flags)
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    log = [line for line in lines if line["stage"] != "student"]
    for place, rule in enumerate(rules):
        for line in (line for line in lines if line["stage"] == "student"):
            found = watched(seed, line["epoch"], lean=0.12 * place)
            found |= attended(seed, line["epoch"]) if rule == "attention" else {}
            found |= learned(seed, line["epoch"]) if rule == "learned" else {}
            log.append(line | {"stage": rule, "statistics": {"student": found}})
    (folder / "log.jsonl").write_text("\n".join(map(json.dumps, log)) + "\n")
    results = json.loads((folder / "results.json").read_text())
    results["networks"][1]["stage"] = rules[0]
    report_sample.write(folder / "results.json", results)
    return folder
