"""MNIST's digits for an experiment, and its nets: a regularised teacher, a baseline, and students of soft targets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import sqrt

from torch import nn
from torch.optim import Optimizer

from tutelage.data import mnist, synthetic
from tutelage.data.lesson import Lesson
from tutelage.data.views import JITTERS, jitter
from tutelage.keys import Build
from tutelage.losses.kd import Average
from tutelage.methods.pair import Method
from tutelage.models.lenet import lenet5
from tutelage.models.mlp import mlp
from tutelage.optimizers.factory import Factory, Named
from tutelage.optimizers.max_norm import max_norm
from tutelage.profiling import clocked
from tutelage.recipes.generations import Kind
from tutelage.recipes.mnist.settings import Digits, Net
from tutelage.results import Network
from tutelage.run import Run
from tutelage.schemes.distill import distilled, distilled_from_many
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.stages.storage import Finished
from tutelage.study import memory
from tutelage.study.evaluated import Evaluated, publish_networks
from tutelage.study.sets import Sets, parted
from tutelage.study.settings import TrainingSettings
from tutelage.study.training import plan_of
from tutelage.tasks.classification import ERRORS

SEARCHED: dict[str, Build] = {"mlp": partial(mlp, (784, 300, 100, 10)), "lenet": lenet5}
"""What students are searched for in."""
INPUT = "float32 (N, 1, 28, 28), grey levels 0 to 1"


@clocked("data")
def digits_of(run: Run, digits: Digits) -> Sets:
    """The digits, with some of the training images set apart."""
    train, test = mnist.mnist(run.data) if digits.name == "mnist" else synthetic.digit_sets()
    return parted(run, train, test, digits.validation, digits.train)


def build_net(units: int, dropout: float = 0.0) -> Build:
    """Two hidden layers of ``units`` each."""
    widths = (784, units, units, 10)
    return partial(mlp, widths, dropout=dropout) if dropout else partial(mlp, widths)


def refuse_too_large(data: Sets, *nets: Net) -> None:
    """Raise ``ValueError``, before hours are spent, for nets that do not fit the memory."""
    for net in nets:
        memory.refuse_too_large(
            f"A net of {wide(net.units)} units", build_net(net.units), data, net.training.batch_size
        )


def plan_for(data: Sets, training: TrainingSettings, seed: int, *, jittered: bool = False) -> Plan:
    """How a net learns: from images as they are, or moved by up to two pixels."""
    views = {"transform": jitter, "num_views": JITTERS} if jittered else {}
    lesson = Lesson(data.train, data.validation, batch_size=training.batch_size, seed=seed, **views)  # type: ignore[arg-type]
    return plan_of(lesson, training, data.task)


def hidden(name: str) -> bool:
    """The incoming weights of the hidden units, which a max-norm binds."""
    return ".hidden" in name and name.endswith(".weight")


def bounded(named: Named, *, factory: Factory, squared_norm: float) -> Optimizer:
    """An optimizer under which the squared incoming weights of a hidden unit add up to ``squared_norm`` at most."""
    return max_norm(factory, sqrt(squared_norm), hidden)(named)


def train_teacher(run: Run, data: Sets, net: Net, seed: int, name: str = "teacher") -> Finished:
    """Two hidden layers with dropout 0.5 and max-norm 15, trained on images that move by up to two pixels."""
    return train_large(run, net, plan_of_teacher(data, net, seed), seed, name)


def plan_of_teacher(data: Sets, net: Net, seed: int) -> Plan:
    """How a teacher learns: on images that move, with max-norm 15."""
    plan = plan_for(data, net.training, seed, jittered=True)
    return replace(plan, optimizer=partial(bounded, factory=plan.optimizer, squared_norm=15.0))


def train_large(run: Run, net: Net, plan: Plan, seed: int, name: str) -> Finished:
    """Two hidden layers with dropout 0.5, trained on labels as ``plan`` says."""
    return run.stage(name, build_net(net.units, dropout=0.5), partial(supervised, plan=plan), seed=seed)


def train_alone(run: Run, data: Sets, net: Net, seed: int, name: str) -> Finished:
    """Two hidden layers on labels alone, with no regularisation at all."""
    return run.stage(
        name, build_net(net.units), partial(supervised, plan=plan_for(data, net.training, seed)), seed=seed
    )


def train_student(run: Run, data: Sets, net: Net, seed: int, name: str, taught: Callable[..., None]) -> Finished:
    """Two hidden layers on images as they are, ``taught(stage, model, plan=…)``."""
    fit = partial(taught, plan=plan_for(data, net.training, seed))
    return run.stage(name, build_net(net.units), fit, seed=seed)


def taught_by(teacher: nn.Module, temperature: float, label: float) -> Callable[..., None]:
    """Soft targets of one teacher, beside labels of weight ``label``."""
    return partial(distilled, teacher=teacher, temperature=temperature, label=label, soft=1 - label)


def taught_by_many(
    teachers: Sequence[nn.Module], average: Average, temperature: float, label: float
) -> Callable[..., None]:
    """Soft targets of many teachers, averaged, beside labels of weight ``label``."""
    return partial(distilled_from_many, teachers=list(teachers), average=average, temperature=temperature,
                   label=label, soft=1 - label)  # fmt: skip


def publish_nets(run: Run, data: Sets, networks: Mapping[str, Evaluated], loss: str) -> dict[str, Network]:
    """Measure all nets, whose students learnt by ``loss`` of ``losses.kd``, and put them into the run's results."""
    return publish_networks(run, data, networks, [f"tutelage.losses.kd:{loss}"])


def errors_of(networks: Mapping[str, Network]) -> dict[str, int]:
    """The test errors of each, after the last epoch."""
    return {name: int(network.scores["errors"].value) for name, network in networks.items()}


def wide(units: int) -> str:
    """How a net of two hidden layers is called."""
    return f"{units}-{units}"


def kind_of(data: Sets, net: Net, seed: int, methods: Mapping[str, Method]) -> Kind:
    """The net whose generations learn from moving images. Raises ``ValueError`` for ``methods`` it cannot learn by."""
    build, plan = build_net(net.units), plan_for(data, net.training, seed, jittered=True)
    kind = Kind(wide(net.units), build, plan, data, ERRORS, INPUT)
    kind.refuse_unfit(methods)
    return kind
