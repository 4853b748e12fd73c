"""The weights of terms that a rule learned, as lines over epochs."""

from tutelage.report.curves import thinned
from tutelage.report.groups import Group
from tutelage.report.plots import Series, line_plot
from tutelage.report.tables import MARKS

POINTS = 24  # of a line: more marks would touch each other


def weight_plots(group: Group) -> list[tuple[str, str]]:
    """(stage, drawing) for every stage whose rule learned weights; means over seeds."""
    drawings = []
    for stage, every in group.statistics.items():
        learners: dict[str, list[tuple[str, dict[int, float]]]] = {}
        for (learner, about), line in every.items():
            if about.what == "weight" and len(about.about) == 1:
                learners.setdefault(learner, []).append((about.about[0], line))
        for learner, terms in learners.items():
            name = f"{stage}, {learner}" if len(learners) > 1 else stage
            drawings.append((name, _draw(f"Learned weights, {name}", terms)))
    return drawings


def _draw(title: str, terms: list[tuple[str, dict[int, float]]]) -> str:
    series = [
        Series(term, f"k{i % 5}", MARKS[i % 5], tuple((x, y, 0.0) for x, y in thinned(list(line.items()), POINTS)))
        for i, (term, line) in enumerate(terms)
    ]
    return line_plot(series, title, "epoch", "weight")
