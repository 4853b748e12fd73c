"""A student that is searched for within its teacher, on MNIST: a net of linear layers, or LeNet."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from tutelage.recipes.mnist.settings import DIGITS, DRAWN, PLAIN, TAUGHT, Digits
from tutelage.study.bounds import Seed, Within, refuse_nonsense
from tutelage.study.settings import SearchSettings, TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Gu & Tresp 2020, arXiv:2001.11612"
TEACHER = replace(PLAIN, lr=0.05, weight_decay=1e-4)
GATES = SearchSettings(
    strength=0.03, training=replace(PLAIN, epochs=30, lr=0.01, schedule="constant", weight_decay=1e-4)
)
"""A quarter of LeNet's multiplications took 27, 10 and 5 epochs at strengths of 0.02, 0.03 and 0.05; at 0.015 or less
gates open again as often as they close, at some two fifths."""


def search(
    run: "Run",
    *,
    network: Literal["mlp", "lenet"] = "lenet",
    gates: SearchSettings = GATES,
    teacher: TrainingSettings = TEACHER,
    student: TrainingSettings = TAUGHT,
    by_chance: Annotated[int, Within(1, 99)] = 3,
    digits: Digits = DIGITS,
    seed: Seed = 0,
) -> None:
    """Is a searched student better than one made by hand, at the same cost?

    Gates close within a trained teacher until what is left costs as little as wanted. What was found, a net that is
    thinner alike everywhere, and nets drawn by chance, none of which costs more, are each trained anew: on labels, and
    by soft targets.

    Args:
        network: LeNet-5, or a net of 784-300-100-10 units
        by_chance: how many students are drawn
        seed: of weights, order and draws
    """
    from tutelage.methods.response import kd
    from tutelage.models.seeded import restart_
    from tutelage.recipes.mnist import nets
    from tutelage.recipes.search import claim_directions
    from tutelage.schemes.by_method import Teaching
    from tutelage.schemes.supervised import supervised
    from tutelage.study import memory
    from tutelage.study.claims import cannot_decide
    from tutelage.study.experiments.one_cost import Lineup, compare_students
    from tutelage.study.search import builds_of, find, of_its_cost
    from tutelage.tasks.classification import ERRORS

    refuse_nonsense(search, locals())
    reason = cannot_decide(run, search, locals(), free=("network",))
    build = nets.SEARCHED[network]
    data = nets.digits_of(run, digits)
    memory.refuse_too_large(network, build, data, teacher.batch_size)
    large = run.stage("teacher", build, partial(supervised, plan=nets.plan_for(data, teacher, seed)), seed=seed)
    one = find(run, "search", large.last, build, nets.plan_for(data, gates.training, seed), gates, (network, network))
    builds = builds_of(of_its_cost(one, large.last, by_chance, seed), build, restart_)
    teaching = Teaching(kd, large.last, (network, network))
    lineup = Lineup(large, network, builds, nets.plan_for(data, student, seed), teaching, ERRORS)
    networks = compare_students(run, data, lineup, one, nets.INPUT)
    if not data.synthetic:
        claim_directions(run, networks, ERRORS, reason, "shown for CIFAR")


search_smoke = partial(
    search,
    network="mlp",
    gates=replace(GATES, strength=0.1, training=replace(GATES.training, epochs=20, batch_size=25)),
    teacher=replace(TEACHER, epochs=4, batch_size=25),
    student=replace(TAUGHT, epochs=1, batch_size=25),
    by_chance=1,
    digits=DRAWN,
)
search_quick = partial(
    search,
    gates=replace(GATES, strength=0.05, training=replace(GATES.training, epochs=20)),
    teacher=replace(TEACHER, epochs=5),
    student=replace(TAUGHT, epochs=5),
    by_chance=1,
    digits=replace(DIGITS, train=20_000),
)
