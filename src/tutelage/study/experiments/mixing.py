"""Tools of compression alone, in pairs and all together: rows of stages, of which those that begin alike share some."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TypeAlias

from torch import nn

from tutelage.compress.architecture import fresh
from tutelage.compress.budget import budget
from tutelage.compress.fake_quantised import fake_quantised
from tutelage.compress.low_rank import factorisable, factorised, ranks_by_budget
from tutelage.compress.separable import separable, separated
from tutelage.compress.shared import shared, unshared
from tutelage.keys import Build
from tutelage.measures.cost import parameters
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching, by_method
from tutelage.schemes.imitated import replaced
from tutelage.schemes.plan import Plan
from tutelage.schemes.pruned import Thinning, narrowed, thinned
from tutelage.schemes.quantisation_aware import quantisation_aware
from tutelage.schemes.shared import with_shared_weights
from tutelage.schemes.supervised import supervised
from tutelage.stages.storage import Finished
from tutelage.study.experiments.mix_settings import TOOLS, MixSettings

Arm: TypeAlias = tuple[str, ...]
"""Tools in their order."""
Change: TypeAlias = Callable[[nn.Module], nn.Module]


@dataclass(frozen=True, eq=False)
class Made:
    """A network, and what builds one of its architecture."""

    finished: Finished
    build: Build


@dataclass(frozen=True)
class Plans:
    """How a student ``learns``, changed layers ``imitate``, a network ``recovers``, and one that rounds learns on."""

    learns: Plan
    imitates: Plan
    recovers: Plan
    rounds: Plan


@dataclass(frozen=True, eq=False)
class Mixture:
    """What all arms have in common. ``student`` builds what is distilled into; ``teaching`` is by the original."""

    run: Run
    original: Made
    student: Build
    plans: Plans
    teaching: Teaching
    settings: MixSettings

    def of(self, arm: Arm) -> Teaching | None:
        """Who teaches: nobody where no distillation is in the ``arm``, which then learns from labels."""
        return self.teaching if "distilled" in arm else None


def arms_of(tools: Sequence[str]) -> list[Arm]:
    """Each tool alone, every pair, and all of them, each in the order in which tools are applied.

    Of ``RIVALS`` none is in an arm with another one, so that with these there are several arms of all that go together.

    >>> arms_of(["int8", "distilled", "pruned"])[3:]
    [('distilled', 'pruned'), ('distilled', 'int8'), ('pruned', 'int8'), ('distilled', 'pruned', 'int8')]
    """
    ordered = [tool for tool in TOOLS if tool in tools]
    mixtures = [arm for size in range(1, len(ordered) + 1) for arm in combinations(ordered, size)]
    possible = [arm for arm in mixtures if len(RIVALS.intersection(arm)) < 2]
    most = max(map(len, possible))
    return [arm for arm in possible if len(arm) in (1, 2, most)]


def name_of(arm: Arm) -> str:
    return " + ".join(arm)


def mixed(mixture: Mixture) -> dict[Arm, Made]:
    """The network of every arm. What several arms begin with is trained once."""
    known: dict[Arm, Made] = {(): mixture.original}
    arms = arms_of(mixture.settings.tools)
    for arm in arms:
        for length in range(1, len(arm) + 1):
            if (part := arm[:length]) not in known:
                known[part] = STEPS[part[-1]](mixture, part, known[part[:-1]])
    return {arm: known[arm] for arm in arms}


def distilled(mixture: Mixture, arm: Arm, _before: Made) -> Made:
    """A smaller student learns from labels and from the original."""
    fit = partial(by_method, plan=mixture.plans.learns, teaching=mixture.teaching)
    return Made(_stage(mixture, name_of(arm), mixture.student, fit, mixture.plans.learns), mixture.student)


def with_other_layers(mixture: Mixture, arm: Arm, before: Made) -> Made:
    """Cheaper layers imitate those that they replace; then the whole learns on."""
    change, blocks = REPLACEMENTS[mixture.settings.blocks](before.finished.last, mixture.settings.rank)
    plans, teaching = mixture.plans, mixture.of(arm)
    named = (name_of(arm), before.finished, before.build, change, blocks)
    made = replaced(mixture.run, *named, imitating=plans.imitates, plan=plans.recovers, teaching=teaching)
    return Made(made.finished, made.build)


def pruned(mixture: Mixture, arm: Arm, before: Made) -> Made:
    """A few channels go, the rest learns on, and again."""
    *_, last = narrowed(
        mixture.run,
        name_of(arm),
        before.finished,
        before.build,
        plan=mixture.plans.recovers,
        budget=budget(mixture.settings.pruned_to),
        teaching=mixture.of(arm),
        multiple=mixture.settings.multiple,
        most=MOST,
    )
    return Made(last.recovered, partial(fresh, before.build, architecture=last.architecture))


def with_zeros(mixture: Mixture, arm: Arm, before: Made) -> Made:
    """The smallest weights become 0 little by little, while the others learn on."""
    plan, thinning = mixture.plans.recovers, Thinning(mixture.settings.zeros)
    fit = partial(thinned, plan=plan, start=before.finished.last, thinning=thinning, teaching=mixture.of(arm))
    return Made(_stage(mixture, name_of(arm), before.build, fit, plan), before.build)


def of_few_values(mixture: Mixture, arm: Arm, before: Made) -> Made:
    """Weights of a layer share a few values, which learn on; then they are plain weights again."""
    plan = mixture.plans.rounds
    build = partial(shared, before.build, bits={"*": mixture.settings.code_bits})
    fit = partial(with_shared_weights, plan=plan, start=before.finished.last, teaching=mixture.of(arm))
    few = _stage(mixture, f"{name_of(arm)}, values", build, fit, plan)
    return Made(mixture.run.derive(name_of(arm), unshared, of=few), before.build)


def rounded(mixture: Mixture, arm: Arm, before: Made) -> Made:
    """It learns on with the rounding of int8, and for as long again with ranges and statistics as they are."""
    plan, teaching = mixture.plans.rounds, mixture.of(arm)
    build = partial(fake_quantised, before.build, sample=tuple(plan.lesson.example.shape[1:]))
    fit = partial(quantisation_aware, plan=plan, teaching=teaching)
    moving = _stage(
        mixture, f"{name_of(arm)}, ranges", build, partial(fit, start=before.finished.last), plan, version=2
    )
    frozen = partial(fit, start=moving.last, frozen=True)
    return Made(_stage(mixture, name_of(arm), build, frozen, plan, version=2), build)


def whole(run: Run, build: Build, plan: Plan, seed: int) -> Made:
    """The network that all arms begin with, from labels."""
    return Made(run.stage("original", build, partial(supervised, plan=plan), seed=seed), build)


def of_low_rank(network: nn.Module, share: float) -> tuple[Change, list[str]]:
    """Layers but the first and the last as products of two, which keep what energy that ``share`` of parameters can."""
    names = list(factorisable(network))
    ranks = ranks_by_budget(network, int(share * parameters(network)), whole=(*names[:1], *names[-1:]))
    return partial(factorised, ranks=ranks), list(ranks)


def depthwise_separable(network: nn.Module, _share: float) -> tuple[Change, list[str]]:
    """All convolutions that mix channels and places, but for the first one, which reads colours."""
    layers = list(separable(network))[1:]
    return partial(separated, layers=layers), layers


RIVALS = {"shared", "int8"}
"""Each says which values weights have."""
PACKED = {"thinned", "shared"}
"""What makes nothing but a packed file smaller."""
MOST = 0.5
"""Of the count, what pruning takes at once."""
REPLACEMENTS = {"low rank": of_low_rank, "depthwise-separable": depthwise_separable}
STEPS: Mapping[str, Callable[[Mixture, Arm, Made], Made]] = {
    "distilled": distilled,
    "replaced": with_other_layers,
    "pruned": pruned,
    "thinned": with_zeros,
    "shared": of_few_values,
    "int8": rounded,
}


def _stage(
    mixture: Mixture, name: str, build: Build, fit: Callable[..., None], plan: Plan, *, version: int = 1
) -> Finished:
    return mixture.run.stage(name, build, fit, seed=plan.lesson.seed, version=version)
