"""RESULTS.md: one line an experiment, from the question to the page that has all of it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from urllib.parse import quote

from tutelage.plurals import counted
from tutelage.printable import in_markdown
from tutelage.report.experiment import MADE, Experiment, legend, setting_name, training_seconds
from tutelage.report.groups import Group, NetworkOverSeeds
from tutelage.report.markdown import markdown_table
from tutelage.report.numbers import time_text, true_minus
from tutelage.report.rows import score_text, with_unit
from tutelage.report.story import run_headline
from tutelage.report.verdicts import SIGNS
from tutelage.results import Metric

PAGE = "README.md"  # of an experiment: what is shown where its folder is opened
COLUMNS = ("question", "answer, as measured", "claims", "seeds", "a run takes")
FEW = {"holds": "holds", "does not hold": "does not hold"}
MANY = {"holds": "hold", "does not hold": "do not hold"}


def index(experiments: Sequence[Experiment], notes: str = "") -> str:
    """The whole page as Markdown; ``notes`` were written by hand, and come last as they are."""
    table = markdown_table([(name, False) for name in COLUMNS], [_row(one) for one in experiments])
    starts = ["experiment", ":--", *map(_link, experiments)]
    linked = "\n".join(f"| {start} {line}" for start, line in zip(starts, table.splitlines(), strict=True))
    return "\n\n".join(["# Results", MADE, _totals(experiments), linked, *([notes] if notes else [])]) + "\n"


def _link(experiment: Experiment) -> str:
    """Its page, and the presets that were run."""
    presets = dict.fromkeys(group.runs[0].request.preset for group in experiment.settings)
    place = f"{quote(experiment.folder)}/{PAGE}"
    return f"[{in_markdown(experiment.recipe)}]({place}) {in_markdown(', '.join(presets))}"


def _row(experiment: Experiment) -> list[str]:
    group = most_seeds(experiment)
    settings = len(experiment.settings)
    several = f" ({setting_name(group)}, one of {settings} settings)" if settings > 1 else ""
    seeds = sorted({_seeds(one) for one in experiment.settings})
    return [
        experiment.question,
        answer(group) + several,
        by_verdict(_verdicts(experiment.settings)) + _made_up(experiment.settings),
        str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}",
        time_text(training_seconds(group).mean),
    ]


def most_seeds(experiment: Experiment) -> Group:
    """The setting that answers for the experiment: the first of those with the most seeds."""
    return max(experiment.settings, key=_seeds)


def _seeds(group: Group) -> int:
    return len(set(map(repr, group.seeds)))


def answer(group: Group) -> str:
    """What came out, in a line: a single run's own sentence; over seeds the student, or the best and the worst of many.

    The metric is the one that decides; baseline and teacher stand beside it. Students that fewer seeds have than others
    are left out: their means are not of the same seeds.
    """
    own, metric = group.runs[0].results.headline, group.metric
    if len(group.runs) == 1 and own:
        return true_minus(own)
    scored = [(x, score) for x in group.networks if x.first.role == "student" and (score := x.score(metric))]
    most = max((score.n for _, score in scored), default=0)
    ordered = sorted((pair for pair in scored if pair[1].n == most), key=lambda pair: -metric.gain(pair[1].mean, 0))
    if not ordered:
        return run_headline(group)
    ends = dict.fromkeys((0, len(ordered) - 1))
    told = " to ".join(f"{_scored(ordered[end][0], metric)} ({ordered[end][0].first.name})" for end in ends)
    who = f"{counted(len(ordered), 'student')}: " if len(ordered) > 1 else ""
    beside = [f"{role} {_scored(x, metric)}" for role in ("baseline", "teacher") if (x := group.role(role)) is not None]
    return "; ".join([f"{who}test {metric.name} {told}", *beside])


def _scored(network: NetworkOverSeeds, metric: Metric) -> str:
    return with_unit(score_text(network, metric), metric)


def by_verdict(verdicts: Iterable[str]) -> str:
    """``✓ 2 hold, ? 3 undecided``: how many claims came out how, in the order of ``SIGNS``.

    >>> by_verdict(["undecided", "holds", "undecided"])
    '✓ 1 holds, ? 2 undecided'
    """
    count = Counter(verdicts)
    each = [f"{sign} {count[w]} {(FEW if count[w] == 1 else MANY).get(w, w)}" for w, sign in SIGNS.items() if count[w]]
    return ", ".join(each) or "none"


def _verdicts(settings: Iterable[Group]) -> list[str]:
    return [verdict.word for group in settings for verdict in group.verdicts]


def _made_up(settings: Iterable[Group]) -> str:
    return " (synthetic samples)" if any(run.synthetic for group in settings for run in group.runs) else ""


def _totals(experiments: Sequence[Experiment]) -> str:
    settings = [group for one in experiments for group in one.settings]
    runs, verdicts = sum(len(group.runs) for group in settings), _verdicts(settings)
    counts = [counted(len(experiments), "experiment"), counted(runs, "run")]
    claims = f"{counted(len(verdicts), 'claim')}: {by_verdict(verdicts)}"
    return f"{', '.join([*counts, claims])}. {legend()} Numbers over several seeds are mean ± standard deviation."
