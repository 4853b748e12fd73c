"""How a group got there and what its networks learned: curves, calibration, confusions and examples."""

from collections.abc import Sequence
from typing import Any

from tutelage.report import conflicts, curves, heatmaps, plots, png, weights
from tutelage.report.groups import Group
from tutelage.report.numbers import exact, significant
from tutelage.report.read import FinishedRun
from tutelage.results import Example

OPEN_STAGES = 6  # learning curves that are shown at once, the others on request


def learning_of(group: Group) -> dict[str, Any]:
    """A group's learning curves and what its networks learned, ready to be printed."""
    first, results = group.runs[0], group.runs[0].results
    roles = {network.stage: network.role for network in results.networks}
    columns = [
        (name, curves.stage_curves(group, name, roles.get(name, "other"))) for name in curves.logged_stages(group)
    ]
    known = [n for n in group.networks if n.calibration and n.first.role in ("teacher", "student", "baseline")]
    calibrated = [
        (
            n.first.name,
            n.first.role,
            significant(100 * c.error, 2),
            plots.reliability_plot(c, n.first.name, n.first.role),
        )
        for n in known[:6]
        if (c := n.calibration)
    ]
    return {
        "name": group.name,
        "seeds": len(group.runs),
        "first_seed": first.seed,
        "stages": columns[:OPEN_STAGES],
        "more_stages": columns[OPEN_STAGES:],
        "weights": weights.weight_plots(group),
        "overview": heatmaps.overview_map(conflicts.conflicts_of(group)),
        "conflicts": heatmaps.conflict_heatmaps(group),
        "attention": heatmaps.attention_heatmaps(group),
        "reliability": calibrated,
        "confusion": _confusion(group),
        "examples": _examples(first),
    }


def _confusion(group: Group) -> list[tuple[str, str, str, str, float]]:
    main, classes = group.main, group.runs[0].results.classes
    worst = main.confusion()[:8] if main is not None else []
    most = worst[0][2] if worst else 1
    return [
        (_class(classes, a), _class(classes, b), exact(n), main.first.name if main else "", n / most)
        for a, b, n in worst
    ]


def _examples(run: FinishedRun) -> list[tuple[str, list[dict[str, Any]]]]:
    kinds: dict[str, list[dict[str, Any]]] = {}
    for example in run.results.examples:
        kinds.setdefault(example.kind, []).append(_example(example, run.results.classes))
    return list(kinds.items())


def _example(example: Example, classes: Sequence[str]) -> dict[str, Any]:
    answers = {"teacher": example.teacher, "student": example.student}
    says = {who: [(_class(classes, c), f"{100 * p:.0f} %") for c, p in answer] for who, answer in answers.items()}
    picture = png.png_address(example.pixels, example.shape)
    return {"image": picture, "target": _class(classes, example.target), "index": example.index, **says}


def _class(classes: Sequence[str], number: int) -> str:
    return classes[number] if 0 <= number < len(classes) else str(number)
