"""Several searches within one teacher that differ in one thing, and the student of each, on labels and distilled."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import correlation

from tutelage.compress.budget import in_words
from tutelage.keys import Build
from tutelage.results import Curve, Metric, Network, Table
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.study.comparison import BASELINE, Compared, publish_comparison
from tutelage.study.connections import PARTS_NOTE
from tutelage.study.experiments.one_cost import Lineup, distilled
from tutelage.study.search import Found, Start, builds_of, drops_of, find
from tutelage.study.sets import Sets
from tutelage.study.settings import SearchSettings
from tutelage.study.trials import Trial, run_trial, run_trials


@dataclass(frozen=True)
class Searched:
    """What each of several searches came to, by its name, and the networks that learnt: ``distilled(name)``, too."""

    found: Mapping[str, Found]
    networks: Mapping[str, Network]
    metric: Metric

    def value(self, name: str) -> float | None:
        """The metric of that student on the test set; nothing where it was no number."""
        score = self.networks[name].scores.get(self.metric.name) if name in self.networks else None
        return None if score is None else score.value

    def told(self, name: str) -> str:
        """The same in words."""
        value = self.value(name)
        return "no figure" if value is None else f"{value:g} {self.metric.unit}".rstrip()


def searched(
    run: Run,
    data: Sets,
    lineup: Lineup,
    searches: Mapping[str, tuple[SearchSettings, Plan]],
    build: Build,
    start: Start,
    input_words: str,
) -> Searched:
    """Search as each of ``searches`` says within the teacher of ``lineup``, which ``build`` makes; train what is found.

    The baseline is the first search's student on labels alone. All are published, with a table of what they learnt.
    """
    found = {name: find(run, f"search {name}", lineup.teacher.last, build, plan, settings, (lineup.title,) * 2)
             for name, (settings, plan) in searches.items()}  # fmt: skip
    builds = builds_of({name: one.architecture for name, one in found.items()}, build, start)
    first, *others = builds
    plan = lineup.plan
    trials = {distilled(name): [Trial(x, plan, lineup.teaching, name)] for name, x in builds.items()}
    trials |= {name: [Trial(builds[name], plan, None, name)] for name in others}
    baseline = run_trial(run, BASELINE, Trial(builds[first], plan, family=first))
    outcome = run_trials(run, data, trials)
    labels = {"teacher": lineup.title, BASELINE: f"{first}, labels only"}
    compared = Compared(
        "Students of several searches", lineup.metric, {"teacher": lineup.teacher}, baseline, outcome, labels
    )
    networks = publish_comparison(run, data, compared, input_words)
    return Searched(found, {**networks, first: networks[BASELINE]}, lineup.metric)


def errors_by(
    students: Searched, by: str, of: Callable[[str], float | str], *, is_number: bool = False, log_x: bool = False
) -> Table:
    """A row a search: what differs, the epochs it took, what it cost, and the metric of its student in both ways.

    Where what differs ``is_number`` it is drawn as well.
    """
    metric = students.metric.name
    rows = [
        (of(name), one.epochs, round(one.cost, 3), students.value(name), students.value(distilled(name)))
        for name, one in students.found.items()
    ]
    first = next(iter(students.found.values()))
    return Table(
        title=f"Students by {by}",
        columns=(by, "epochs to the budget", first.unit, f"{metric}, labels", f"{metric}, distilled"),
        rows=tuple(rows),
        note=f"Test {metric} of what each search found within {in_words(first.limit, first.unit)}, trained anew."
        f"{_unreached(students)}",
        curve=Curve(by, f"{metric}, distilled", log_x=log_x) if is_number else None,
    )


def parts_by(students: Searched, by: str) -> list[Table]:
    """What each search left of the blocks of its teacher: a row a search, or no table where it has no such parts."""
    rows = {name: drops_of(one) for name, one in students.found.items()}
    parts = next(iter(rows.values()))
    if len(parts) < 2:
        return []
    return [
        Table(
            title=f"Drop ratios of blocks by {by}",
            columns=(by, *(f"from {name} on" for name in parts)),
            rows=tuple((name, *(round(100 * share, 1) for share in row.values())) for name, row in rows.items()),
            note=PARTS_NOTE,
            shaded=True,
        )
    ]


def unreached(students: Searched) -> list[str]:
    """The searches of which no epoch ended within the budget."""
    return [name for name, one in students.found.items() if not one.reached]


def pearson(xs: list[float], ys: list[float]) -> float | None:
    """The correlation of both; nothing for fewer than three, or where either does not vary.

    >>> pearson([0.0, 1.0, 2.0], [3.0, 5.0, 7.0]), pearson([0.0, 1.0], [3.0, 5.0])
    (1.0, None)
    """
    if len(xs) < 3 or len({*xs}) < 2 or len({*ys}) < 2:
        return None
    return correlation(xs, ys)


def _unreached(students: Searched) -> str:
    late = unreached(students)
    if not late:
        return ""
    return f" Of {', '.join(late)} no epoch ended within it: the smallest gates were closed after the last."
