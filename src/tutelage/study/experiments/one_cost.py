"""Students of one cost, each trained on labels and by soft targets: found, thinner alike everywhere, drawn, others."""

from collections.abc import Mapping
from dataclasses import dataclass

from tutelage.keys import Build
from tutelage.results import Metric, Network
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching
from tutelage.schemes.plan import Plan
from tutelage.stages.storage import Finished
from tutelage.study.comparison import BASELINE, Compared, publish_comparison
from tutelage.study.experiments.untrained import ranked_untrained
from tutelage.study.search import Found, in_short, tables_of
from tutelage.study.sets import Sets
from tutelage.study.trials import Trial, run_trial, run_trials

FOUND, UNIFORM, BY_CHANCE = "found", "uniform", "random "


@dataclass(frozen=True)
class Lineup:
    """Who is compared: a trained ``teacher`` by its title, and how students are built, by name, ``uniform`` among them.

    All learn as ``plan`` says; ``teaching`` is how the teacher teaches.
    """

    teacher: Finished
    title: str
    builds: Mapping[str, Build]
    plan: Plan
    teaching: Teaching
    metric: Metric


def distilled(name: str) -> str:
    """What the student of this architecture is called that learns from the teacher."""
    return f"{name}, distilled"


def compare_students(run: Run, data: Sets, lineup: Lineup, one: Found, input_words: str) -> dict[str, Network]:
    """Train all, measure them, publish table and headline, and return the networks by name.

    The baseline is the uniform student on labels alone; the report speaks of the found one, distilled.
    """
    plan, builds = lineup.plan, lineup.builds
    trials = {distilled(name): [Trial(x, plan, lineup.teaching, _family(name))] for name, x in builds.items()}
    trials |= {name: [Trial(x, plan, None, _family(name))] for name, x in builds.items() if name != UNIFORM}
    baseline = run_trial(run, BASELINE, Trial(builds[UNIFORM], plan, family=UNIFORM))
    outcome = run_trials(run, data, trials)
    labels = {"teacher": lineup.title, BASELINE: "uniform width, labels only"}
    teachers = {"teacher": lineup.teacher}
    compared = Compared(
        "Students of one cost", lineup.metric, teachers, baseline, outcome, labels, rival=distilled(FOUND)
    )
    networks = publish_comparison(run, data, compared, input_words)
    learnt = {name: networks[distilled(name)] for name in builds if distilled(name) in networks}
    ranked = ranked_untrained(run, builds, lineup.teacher.last, plan.lesson, learnt, lineup.metric)
    run.publish(headline=in_words(networks, one, lineup.metric), tables=[ranked, *tables_of(one)])
    return networks


def in_words(networks: Mapping[str, Network], one: Found, metric: Metric) -> str:
    """What was found and how good it is, beside uniform width, chance and the teacher."""
    scores = {
        name: network.scores[metric.name].value for name, network in networks.items() if metric.name in network.scores
    }
    unit = f" {metric.unit}" if metric.unit else ""

    def said(name: str) -> str:
        return f"{scores[name]:g}{unit}" if name in scores else "diverged"

    def both(name: str, alone: str) -> str:
        when = "" if distilled(name) in scores else "when "
        return f"{said(distilled(name))} {when}distilled, {said(alone)} on labels"

    chance = [value for name, value in scores.items() if name.startswith(BY_CHANCE) and name.endswith(distilled(""))]
    ends = sorted({min(chance), max(chance)}) if chance else []
    by_chance = f" By chance, distilled: {' to '.join(f'{x:g}' for x in ends)}{unit}." if ends else ""
    return (
        f"Test {metric.name} of a student with {in_short(one)}: {both(FOUND, FOUND)}. Uniform width: "
        f"{both(UNIFORM, BASELINE)}.{by_chance} The teacher: {said('teacher')}."
    )


def _family(name: str) -> str:
    """``random 1`` is one of those by chance; a network by its name is one of its own."""
    return name.partition(" ")[0] if name.startswith(BY_CHANCE) else name
