"""Reliability: accuracy over confidence, drawn through those bins alone that hold enough samples to say something."""

from collections.abc import Sequence
from dataclasses import dataclass

from tutelage.measures.wilson import wilson
from tutelage.plurals import counted
from tutelage.report.svg import Axis, bottom_axis, left_axis, mark, svg_drawing, svg_line, svg_path, svg_text
from tutelage.results import Calibration, Interval

ENOUGH = 20  # samples of a bin: with fewer, the interval is as long as half of the axis
SIDE = 240


@dataclass(frozen=True)
class Bin:
    """Samples of about the same confidence: how many of them are right, and the interval (95 %) of that share."""

    confidence: float
    accuracy: float
    interval: Interval
    count: int


def sure_bins(calibration: Calibration, count: int) -> list[Bin]:
    """The bins that hold ``ENOUGH`` of the ``count`` test samples, each with Wilson's interval of its accuracy."""
    bins = zip(calibration.confidence, calibration.accuracy, calibration.share, strict=True)
    return [
        _bin(confidence, accuracy, samples)
        for confidence, accuracy, share in bins
        if confidence is not None and accuracy is not None and (samples := round(share * count)) >= ENOUGH
    ]


def _bin(confidence: float, accuracy: float, samples: int) -> Bin:
    right = min(max(round(accuracy * samples), 0), samples)
    low, high = wilson(samples - right, samples)
    return Bin(confidence, accuracy, (1 - high / samples, 1 - low / samples), samples)


def reliability_plot(bins: Sequence[Bin], name: str, role: str) -> str:
    """Accuracy over confidence with an interval a bin; the diagonal is perfect calibration."""
    x, y = Axis(0, 1, 40, SIDE - 10), Axis(0, 1, SIDE - 44, 26)
    parts = [
        svg_text(4, 13, "accuracy", "at"),
        left_axis(y, x, 4),
        bottom_axis(x, y.start, "confidence", 4),
        svg_line((x.at(0), y.at(0)), (x.at(1), y.at(1)), "ideal"),
        *(svg_line((x.at(b.confidence), y.at(b.interval[0])), (x.at(b.confidence), y.at(b.interval[1])), f"bar {role}")
          for b in bins),
    ]  # fmt: skip
    points = [(x.at(one.confidence), y.at(one.accuracy)) for one in bins]
    parts.append(svg_path(points, f"curve {role}") if len(points) > 1 else "")
    for (a, b), one in zip(points, bins, strict=True):
        tip = f"confidence {one.confidence:.2f}: {100 * one.accuracy:.0f} % of {counted(one.count, 'sample')} right"
        parts.append(mark(a, b, "dot", role, tip))
    return svg_drawing(f"Reliability of {name}: accuracy over confidence", SIDE, SIDE, parts)
