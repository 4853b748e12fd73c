"""How a group got there and what its networks learned: curves, calibration, confusions and examples."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from tutelage.report import conflicts, curves, heatmaps, overlay, png, weights
from tutelage.report.calibration import reliability_plot, sure_bins
from tutelage.report.groups import Group
from tutelage.report.numbers import exact, significant
from tutelage.report.read import FinishedRun
from tutelage.results import Example

OPEN_STAGES = 4  # losses of stages that are shown at once, the others on request
CALIBRATED = ("teacher", "student", "baseline")
PANELS = 4  # networks whose calibration is drawn


def learning_of(group: Group, room: int) -> dict[str, Any]:
    """A group's learning curves and what its networks learned, ready to be printed; pictures take ``room`` bytes."""
    first, results = group.runs[0], group.runs[0].results
    roles = {network.first.stage: network.first.role for network in reversed(group.networks)}
    shown, examples = overlay.overlays(group), _examples(first, room)
    columns = [
        (name, drawing)
        for name in curves.logged_stages(group)
        if (drawing := curves.stage_curves(group, name, roles.get(name, "other"), validation=not shown))
    ]
    return {
        "name": group.name,
        "seeds": len(group.runs),
        "first_seed": first.seed,
        "overlays": shown,
        "stages": columns[:OPEN_STAGES],
        "more_stages": columns[OPEN_STAGES:],
        "weights": weights.weight_plots(group),
        "overview": heatmaps.overview_map(conflicts.conflicts_of(group)),
        "conflicts": heatmaps.conflict_heatmaps(group),
        "attention": heatmaps.attention_heatmaps(group),
        "reliability": _reliability(group),
        "confusion": _confusion(group),
        "examples": list(examples.items()),
        "left_out": len(results.examples) - sum(map(len, examples.values())),
    }


def _reliability(group: Group) -> Sequence[tuple[str, str, str, str]]:
    """(name, role, error in %, drawing) of the first networks of which enough is known."""
    known = [(n.first, c) for n in group.networks if (c := n.calibration) and n.first.role in CALIBRATED]
    some = [(network, calibration, sure_bins(calibration, network.count)) for network, calibration in known]
    return [
        (n.name, n.role, significant(100 * calibration.error, 2), reliability_plot(bins, n.name, n.role))
        for n, calibration, bins in some
        if bins
    ][:PANELS]


def _confusion(group: Group) -> list[tuple[str, str, str, str, float]]:
    main, classes = group.main, group.runs[0].results.classes
    worst = main.confusion()[:8] if main is not None else []
    most = worst[0][2] if worst else 1
    return [
        (_class(classes, a), _class(classes, b), exact(n), main.first.name if main else "", n / most)
        for a, b, n in worst
    ]


def _examples(run: FinishedRun, room: int) -> dict[str, list[dict[str, Any]]]:
    """The examples of each kind, as many of the first as their pictures have room."""
    kinds: dict[str, list[Example]] = {}
    for example in run.results.examples:
        kinds.setdefault(example.kind, []).append(example)
    shown: dict[str, list[dict[str, Any]]] = {}
    for row in zip_longest(*kinds.values()):
        for example in (example for example in row if example is not None):
            found = _example(example, run.results.classes)
            room -= len(found["image"])
            if room < 0:
                return {kind: shown[kind] for kind in kinds if kind in shown}
            shown.setdefault(example.kind, []).append(found)
    return shown


def _example(example: Example, classes: Sequence[str]) -> dict[str, Any]:
    answers = {"teacher": example.teacher, "student": example.student}
    says = {who: [(_class(classes, c), f"{100 * p:.0f} %") for c, p in answer] for who, answer in answers.items()}
    picture = png.png_address(example.pixels, example.shape)
    return {"image": picture, "target": _class(classes, example.target), "index": example.index, **says}


def _class(classes: Sequence[str], number: int) -> str:
    return classes[number] if 0 <= number < len(classes) else str(number)
