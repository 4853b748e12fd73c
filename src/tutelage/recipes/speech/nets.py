"""The recordings for an experiment, and acoustic models: alone, or taught by many."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from torch import Tensor, nn

from tutelage.data.filter_banks import AFTER, BEFORE, FILTERS
from tutelage.data.labelled import Labelled
from tutelage.data.lesson import Lesson
from tutelage.data.recordings import fsdd
from tutelage.data.synthetic_speech import hummed
from tutelage.keys import Build
from tutelage.losses.kd import arithmetic
from tutelage.models.mlp import he_mlp
from tutelage.recipes.speech.settings import Net, Speech
from tutelage.results import Network
from tutelage.run import Run
from tutelage.schemes.distill import distilled_from_many
from tutelage.schemes.supervised import supervised as supervised  # how nets are trained alone: offered here
from tutelage.stages.storage import Finished
from tutelage.study import memory
from tutelage.study.evaluated import Evaluated, publish_networks
from tutelage.study.experiments.speech import Corpus, corpus
from tutelage.study.sets import Sets
from tutelage.study.training import plan_of
from tutelage.tasks import frames
from tutelage.tasks.frames import FRAMES

INPUT = f"float32 (N, {BEFORE + 1 + AFTER}, {FILTERS}), log mel energies less the recording's mean, over the deviation"


def speech_of(run: Run, speech: Speech) -> Corpus:
    """The frames of the recordings, with the speakers set apart."""
    name, recordings = ("fsdd", fsdd(run.data)) if speech.name == "fsdd" else ("synthetic", hummed(8))
    return corpus(name, recordings, test=speech.test, validation=speech.validation, states=speech.states,
                  rounds=speech.rounds, device=run.device)  # fmt: skip


def build_net(net: Net, data: Sets) -> Build:
    """From 26 frames of 40 filters, through the hidden layers, to the states."""
    inputs = (BEFORE + 1 + AFTER) * FILTERS
    return partial(he_mlp, (inputs, *[net.units] * net.layers, len(data.train.classes)))


def refuse_too_large(data: Sets, *some: Net) -> None:
    """Raise ``ValueError``, before hours are spent, for nets that do not fit the memory."""
    for net in some:
        memory.refuse_too_large(f"A net of {deep(net)} units", build_net(net, data), data, net.training.batch_size)


def train(run: Run, data: Sets, net: Net, seed: int, name: str, taught: Callable[..., None] = supervised) -> Finished:
    """The net, ``taught(stage, model, plan=…)`` by labels alone or by somebody, on the frames to train on."""
    lesson = Lesson(data.train, data.validation, batch_size=net.training.batch_size, seed=seed)
    fit = partial(taught, plan=plan_of(lesson, net.training, data.task))
    return run.stage(name, build_net(net, data), fit, seed=seed)


def taught_by(teachers: Sequence[nn.Module], temperature: float, label: float) -> Callable[..., None]:
    """Soft targets, the arithmetic mean of the teachers' tempered probabilities, beside labels of weight ``label``."""
    return partial(distilled_from_many, teachers=list(teachers), average=arithmetic, temperature=temperature,
                   label=label, soft=1 - label)  # fmt: skip


def publish_nets(run: Run, data: Sets, networks: Mapping[str, Evaluated]) -> dict[str, Network]:
    """Measure all nets and put them into the run's results."""
    return publish_networks(run, data, networks, ["tutelage.losses.kd:averaged_targets"])


def accuracy(model: nn.Module, data: Sets, of: Labelled) -> float:
    """The frame accuracy (%) of a net on some of the frames."""
    return data.task.score(data.task.predict(model, of), of)[FRAMES.name].value


def chance_of_gain(better: Tensor, model: nn.Module, heard: Corpus) -> float:
    """How much (points) the choice of the test's recordings may make of the gain of those answers over a net's."""
    data = heard.sets
    return frames.chance_of_gain(better, data.task.predict(model, data.test), data.test, spoken=heard.spoken)


def deep(net: Net) -> str:
    """How a net is called: layers × units."""
    return f"{net.layers} × {net.units}"
