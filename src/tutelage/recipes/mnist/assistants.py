"""Teacher assistants on MNIST: every way from a wide net down to a narrow one."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from tutelage.recipes.mnist.settings import DIGITS, DRAWN, QUICK_TEACHER, TAUGHT, TEACHER, Digits, Net, Units
from tutelage.study.bounds import Distinct, NotEmpty, Seed, Share, Temperature, refuse_nonsense
from tutelage.study.settings import TrainingSettings

if TYPE_CHECKING:
    from torch import nn

    from tutelage.run import Run
    from tutelage.stages.stage import Fit

PAPER = "Mirzadeh et al. 2020, arXiv:1902.03393"


def assistants(
    run: "Run",
    *,
    temperature: Temperature = 4.0,
    label: Share = 0.1,
    units: Annotated[tuple[Units, ...], NotEmpty(), Distinct()] = (600, 300, 100),
    teacher: Net = TEACHER,
    training: TrainingSettings = TAUGHT,
    digits: Digits = DIGITS,
    seed: Seed = 0,
) -> None:
    """Does an assistant help a narrow net to learn from a wide one? Every way through the widths in between.

    With n widths between them there are 2ⁿ ways; what several begin with is trained once. The best one is chosen on
    validation images. Each width is trained alone as well: the paper expects the assistant to be best whose errors
    alone are nearest to the mean of the teacher's and the student's.

    Args:
        temperature: softness of the targets, τ in the paper
        label: weight of the true labels, 1 − λ in the paper; the soft targets weigh the rest
        units: widths of the two hidden layers of the assistants and, last, of the student; from wide to narrow
        seed: of weights, order, views and dropout
    """
    from tutelage.recipes.assistants import claim_directions
    from tutelage.recipes.mnist import nets
    from tutelage.schemes.chain import Link
    from tutelage.schemes.paths import Path, taught_along_paths, trainings
    from tutelage.study.claims import cannot_decide
    from tutelage.study.experiments.assistants import Cast, alone, publish_ways, refuse_disorder
    from tutelage.study.experiments.choice import refuse_no_choice
    from tutelage.study.experiments.ways import ARROW
    from tutelage.tasks.classification import ERRORS

    refuse_nonsense(assistants, locals())
    refuse_no_choice(digits.validation, "--digits.validation")
    reason = cannot_decide(run, assistants, locals())
    refuse_disorder([(nets.wide(width), width) for width in (teacher.units, *units)], "--units", "units a layer")
    widths = {nets.wide(width): width for width in (teacher.units, *units)}
    data = nets.digits_of(run, digits)
    nets.refuse_too_large(data, teacher, *(Net(units=width, training=training) for width in units))
    plan = nets.plan_for(data, training, seed)
    builds = {name: nets.build_net(width) for name, width in widths.items()}
    names = list(builds)
    run.progress.note(trainings(names))

    def link(path: Path[str]) -> Link:
        def taught(network: "nn.Module") -> "Fit":
            return partial(nets.taught_by(network, temperature, label), plan=plan)

        return Link(ARROW.join(path), builds[path[-1]], taught, seed)

    large = nets.train_teacher(run, data, teacher, seed)
    single = alone(run, {name: builds[name] for name in names[1:]}, plan, seed)
    taught = {ARROW.join(path): one for path, one in taught_along_paths(run, large.last, names, link)}
    ways = publish_ways(run, data, Cast(names, large, single, taught), ERRORS, nets.INPUT)
    if not data.synthetic:
        claim_directions(run, ways, {}, reason, "published for CIFAR and ImageNet")


assistants_smoke = partial(
    assistants,
    units=(16, 8),
    teacher=replace(TEACHER, units=32, training=replace(TEACHER.training, epochs=1, batch_size=25)),
    training=replace(TAUGHT, epochs=1),
    digits=DRAWN,
)
assistants_quick = partial(assistants, units=(400, 200, 100), teacher=QUICK_TEACHER, training=replace(TAUGHT, epochs=8))
