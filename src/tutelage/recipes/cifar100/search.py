"""A student that is searched for within its teacher, on CIFAR-100, or CIFAR-10 with the images of that name."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from tutelage.recipes.cifar100.settings import BRIEF, IMAGES, SMALL, SMOKE, SUBSET, Images
from tutelage.study.bounds import Distinct, Seed, Within, refuse_nonsense
from tutelage.study.settings import NetworkSettings, SearchSettings, TeacherSettings, TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Gu & Tresp 2020, arXiv:2001.11612"
TRAINING = TrainingSettings(
    epochs=300, batch_size=128, lr=0.1, schedule="two-steps", optimizer="nesterov", weight_decay=1e-4
)
DENSE = ("layer*.conv1",)
"""What the dense layers read: 8,832 gates of DenseNet-BC(100, 12)."""
GATES = SearchSettings(
    budget="90M operations",
    layers=(*DENSE, "transition*.conv"),
    largest_of=DENSE,
    training=replace(TRAINING, schedule="constant"),
)
TEACHER = TeacherSettings(name="densenet_bc(100, 12)", training=TRAINING)
BY_HAND = ("densenet_bc(52, 12)", "densenet_bc(100, 6)", "resnet56", "mobilenet_v2(width=0.5)")
"""Shallower, thinner, and of other families."""
FREE = ("images.name", "images.cache_views", "teacher.seed")
"""What no claim depends on."""


def search(
    run: "Run",
    *,
    gates: SearchSettings = GATES,
    teacher: TeacherSettings = TEACHER,
    student: TrainingSettings = TRAINING,
    by_hand: Annotated[tuple[str, ...], Distinct()] = BY_HAND,
    by_chance: Annotated[int, Within(1, 99)] = 1,
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """Does a student that is searched for learn better than one made by hand?

    Gates on what the layers of a trained teacher read close until the network costs as little as wanted. What was
    found, a network that is thinner alike everywhere, and networks drawn by chance, none of which costs more, are each
    trained anew, on labels and by soft targets; so are networks by name.

    Args:
        student: how every student is trained
        by_hand: names of further students: resnet56, densenet_bc(52, 12), …
        by_chance: how many students of the cost are drawn
        seed: of the search, of weights, order and views
    """
    from tutelage.methods.response import kd
    from tutelage.models.seeded import restart_by_fan_out_
    from tutelage.recipes.cifar100.images import INPUT, pictures_of, plan_for
    from tutelage.recipes.search import claim_blocks, claim_directions
    from tutelage.study.claims import cannot_decide
    from tutelage.study.experiments.one_cost import Lineup, compare_students
    from tutelage.study.own.networks import PairOfNetworks, teacher_of
    from tutelage.study.search import builds_of, drops_of, find, of_its_cost
    from tutelage.tasks.classification import ACCURACY

    refuse_nonsense(search, locals())
    reason = cannot_decide(run, search, locals(), FREE, {"cpu": search_cpu})
    data = pictures_of(run, images)
    views = NetworkSettings(name=teacher.name, views=teacher.views, training=student)
    plan = plan_for(data, views, seed)
    pairs = {name: PairOfNetworks(teacher, replace(views, name=name), data) for name in (teacher.name, *by_hand)}
    for pair in pairs.values():
        pair.refuse_strangers(run, plan, {"kd": kd})
    whole = pairs[teacher.name]
    large = teacher_of(run, data, teacher, plan_for(data, teacher, teacher.seed))
    searching = plan_for(data, replace(views, training=gates.training), seed)
    one = find(run, "search", large.last, whole.build_teacher, searching, gates, (teacher.name, teacher.name))
    builds = builds_of(of_its_cost(one, large.last, by_chance, seed), whole.build_teacher, restart_by_fan_out_)
    builds |= {name: pairs[name].build_student for name in by_hand}
    lineup = Lineup(large, teacher.name, builds, plan, whole.teaching(kd, large.last, images.cache_views), ACCURACY)
    networks = compare_students(run, data, lineup, one, INPUT)
    if not data.synthetic:
        claim_directions(run, networks, ACCURACY, reason)
        claim_blocks(run, [*drops_of(one).values()], reason)


SMALLEST: dict[str, Any] = {
    "gates": replace(
        GATES, budget="60 %", strength=0.3, training=replace(BRIEF, epochs=20, lr=0.02, schedule="constant")
    ),
    "teacher": TeacherSettings(name="densenet_bc(10, 4)", views=2, training=replace(BRIEF, epochs=2, lr=0.1)),
    "student": replace(BRIEF, epochs=1, lr=0.05),
    "by_hand": ("resnet8",),
    "images": SMOKE["images"],
}
SMALL_BATCH = replace(SMALL, batch_size=64)
"""Of 10,000 pictures; twice the steps of ``SMALL`` in the same time."""
CPU: dict[str, Any] = {
    "gates": replace(
        GATES,
        budget="third of operations",
        strength=0.2,
        training=replace(SMALL_BATCH, epochs=15, lr=0.05, schedule="constant"),
    ),
    "teacher": TeacherSettings(name="densenet_bc(22, 12)", views=3, training=replace(SMALL_BATCH, epochs=12, lr=0.1)),
    "student": replace(SMALL_BATCH, epochs=10, lr=0.1),
    "by_hand": ("densenet_bc(10, 12)", "densenet_bc(22, 6)", "resnet8", "mobilenet_v2(width=0.5)"),
    "images": SUBSET,
}
search_smoke = partial(search, **SMALLEST)
search_cpu = partial(search, **CPU)
"""On 10,000 of the pictures; the search takes five minutes of a core at most, all of it about forty: docs/search.md."""
