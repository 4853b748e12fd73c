"""Generations of one network, on whatever data: born again, and as label refineries, with the papers' controls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from tutelage.keys import Build
from tutelage.methods.by_name import method
from tutelage.methods.check import check_methods
from tutelage.methods.pair import Method, student_for
from tutelage.methods.several import refuse_borrowing
from tutelage.methods.sums import members
from tutelage.recipes.generation_claims import REFINED, STATIC, TEACHER, accuracies, claim_born_again, claim_refinery
from tutelage.results import Metric, Network, Score
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching, pair_of
from tutelage.schemes.generations import of_generation
from tutelage.schemes.plan import Plan
from tutelage.schemes.static_labels import can_be_static, with_static_labels
from tutelage.stages.storage import Finished
from tutelage.study.comparison import BASELINE
from tutelage.study.evaluated import Evaluated, publish_networks
from tutelage.study.experiments.generations import (
    best_of,
    generations_of,
    losses_of,
    table_of_controls,
    table_of_generations,
    together,
)
from tutelage.study.sets import Sets
from tutelage.study.settings import Generations
from tutelage.study.trials import Trial, run_trial, run_trials

STRONGER = "stronger"
WORDS = {
    "ban_labels": "the teacher and the labels",
    "cwtm": "labels, heavier where the teacher is sure",
    "dkpp": "the teacher, its smaller answers given to other classes",
}
"""What the controls of the paper learn from."""


@dataclass(frozen=True, eq=False)
class Kind:
    """The network that the generations are of, what it is called, and how it learns what."""

    label: str
    build: Build
    plan: Plan
    data: Sets
    metric: Metric
    input: str
    layers: tuple[str, ...] = ()
    cache_views: int = 0

    def teaching(self, how: Method, teacher: nn.Module, label: str = "", layers: tuple[str, ...] = ()) -> Teaching:
        """``teacher``, by default one of this kind, teaching by ``how``; what is kept of it is what it said."""
        names, layers = (label or self.label, self.label), layers if label else self.layers
        return Teaching(how, teacher, names, 1.0, layers, self.layers, self.cache_views, kept=torch.float32)

    def refuse_unfit(self, methods: Mapping[str, Method]) -> None:
        """Raise ``ValueError`` for the first of ``methods`` that such a network cannot teach its own kind by."""
        model = self.build().to(self.data.train.inputs.device)
        for name, how in methods.items():
            check_methods(pair_of(model, self.teaching(how, model), self.plan), {name: how})

    def trial(self, k: int, teaching: Teaching | None = None) -> Trial:
        """As generation ``k`` is trained, but taught otherwise."""
        methods = () if teaching is None else members(teaching.method)
        build = student_for(methods, self.build, self.build, self.data.example.shape[-1])
        return Trial(build, of_generation(self.plan, k), teaching)


def refuse_own_kind(how: Method) -> None:
    """Raise ``ValueError`` for a method whose student is of a kind of its own: it is no generation of its teacher's."""
    refuse_borrowing(how, "is not of its kind: no generation of networks that are all alike")


def born_again_of(
    run: Run, kind: Kind, settings: Generations, controls: Mapping[str, Method], reason: str
) -> dict[str, Score]:
    """The teacher, its generations, and the controls in the place of the first one; alone and together.

    Returns the accuracies. ``reason`` says why the run cannot decide what holds for all of the paper's networks.
    """
    for how in controls.values():
        refuse_own_kind(how)
    teacher = run_trial(run, TEACHER, kind.trial(0)).finished
    teaching = kind.teaching(method("ban"), teacher.last)
    row = generations_of(run, kind.build, kind.plan, teaching, settings, teacher.last, "generation")
    trials = {name: [kind.trial(1, kind.teaching(how, teacher.last))] for name, how in controls.items()}
    outcome = run_trials(run, kind.data, trials)

    best, scores = best_of(row, kind.data), together(row, kind.data)
    cast = {TEACHER: Evaluated("teacher", f"{kind.label}, labels only", teacher), **_generations(kind, best, row)}
    for name, trained in outcome.students.items():
        cast[name] = Evaluated("other", f"{kind.label}, {WORDS.get(name, f'by {name}')}", trained.finished)
    losses = losses_of([teaching.method, *controls.values()], teacher.last, teaching, kind.plan)
    networks = publish_networks(run, kind.data, cast, losses)
    names, first = [one.name for one in row], row[0].name
    words = {TEACHER: "labels", first: "the teacher alone", **{name: WORDS.get(name, name) for name in controls}}
    run.publish(
        tables=[
            table_of_generations(networks, TEACHER, names, scores, kind.metric),
            table_of_controls("Controls", networks, words, [TEACHER], kind.metric),
        ],
        headline=_in_words(kind, networks, TEACHER, best, scores, {}),
    )
    run.deliver(best.last, classes=kind.data.test.classes, input=kind.input)
    found = accuracies(networks, scores)
    if not kind.data.synthetic:
        claim_born_again(run, found, names, reason)
    return found


def refinery_of(
    run: Run, kind: Kind, how: Method, settings: Generations, stronger: Finished, label: str, reason: str,
    layers: tuple[str, ...] = (),
) -> None:  # fmt: skip
    """The network on labels, generations that refine them, static labels in their place, and a stronger first refinery.

    ``reason`` says why the run cannot decide what was published for ImageNet.
    """
    baseline = run_trial(run, BASELINE, kind.trial(0)).finished
    teaching = kind.teaching(how, baseline.last)
    row = generations_of(run, kind.build, kind.plan, teaching, settings, baseline.last, "generation")
    refined = run_trial(run, REFINED, kind.trial(1, kind.teaching(how, stronger.last, label, layers))).finished

    best, scores = best_of(row, kind.data), together(row, kind.data)
    cast = _generations(kind, best, row)
    cast |= {BASELINE: Evaluated("baseline", f"{kind.label}, labels only; it teaches {row[0].name}", baseline)}
    cast |= {STRONGER: Evaluated("other", f"{label}, labels only; it teaches no generation", stronger)}
    cast |= {REFINED: Evaluated("student", f"{kind.label}, refined by {label}", refined)}
    if can_be_static(teaching, baseline.last, kind.plan):
        once = of_generation(kind.plan, 1)
        fit = partial(with_static_labels, plan=once, teaching=teaching)
        static = run.stage(STATIC, kind.build, fit, seed=once.lesson.seed)
        cast[STATIC] = Evaluated("other", f"{kind.label}, a label for each image", static)
    networks = publish_networks(run, kind.data, cast, losses_of([how], baseline.last, teaching, kind.plan))
    names, first = [one.name for one in row], row[0].name
    words = {
        BASELINE: "labels",
        STATIC: "the baseline's answer for each image",
        first: "the baseline's answer for each view",
        REFINED: f"the answer of {label} for each view",
        STRONGER: f"labels; it is a {label}",
    }
    run.publish(
        tables=[
            table_of_generations(networks, BASELINE, names, scores, kind.metric),
            table_of_controls("Sources of labels", networks, words, [BASELINE], kind.metric),
        ],
        headline=_in_words(
            kind, networks, BASELINE, best, (), {STATIC: "with static labels", REFINED: f"refined by {label}"}
        ),
    )
    run.deliver(best.last, classes=kind.data.test.classes, input=kind.input)
    if not kind.data.synthetic:
        claim_refinery(run, accuracies(networks, scores), names, reason)


def _generations(kind: Kind, best: Finished, row: Sequence[Finished]) -> dict[str, Evaluated]:
    """The best one first, of which a report speaks."""
    return {one.name: Evaluated("student", f"{kind.label}, taught by the one before", one) for one in (best, *row)}


def _in_words(
    kind: Kind,
    networks: Mapping[str, Network],
    start: str,
    best: Finished,
    scores: Sequence[Mapping[str, Score]],
    more: Mapping[str, str],
) -> str:
    """The metric, said once, and its values: on labels, of the best generation, together, and of ``more`` networks."""
    metric, unit = kind.metric, f" {kind.metric.unit}" if kind.metric.unit else ""

    def value(scores: Mapping[str, Score]) -> str:
        number = scores[metric.name].value
        return f"{number:.1f}{unit}" if unit else f"{number:g}"

    chosen = best.name if kind.data.validation is None else f"{best.name}, best on validation"
    parts = [f"on labels {value(networks[start].scores)}", f"{chosen}, {value(networks[best.name].scores)}"]
    parts += [f"its {len(scores) + 1} generations together {value(scores[-1])}"] if scores else []
    parts += [f"{what} {value(networks[name].scores)}" for name, what in more.items() if name in networks]
    return f"Test {metric.name} of {kind.label}: {'; '.join(parts)}."
