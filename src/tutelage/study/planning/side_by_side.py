"""A network and the files that were made of it, asked about the same samples and timed in turn."""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from tutelage.checkpoint import bytes_of_weights
from tutelage.data.augment import middle
from tutelage.data.transforms import Show
from tutelage.deployment.about import About, Input
from tutelage.deployment.network import as_seen, plain_copy
from tutelage.deployment.onnx import Converted
from tutelage.deployment.verdict import FILE, FLOAT32, TORCH
from tutelage.foreign.kept_file import bytes_as_tensor
from tutelage.foreign.log_answers import End, LogAnswers
from tutelage.foreign.onnx_file import OnnxNetwork
from tutelage.measures.agreement import agreement
from tutelage.measures.latency import latency
from tutelage.results import Latency, Network
from tutelage.study.diagnosis.answered import are_classes, judged
from tutelage.study.planning.handover import samples_of
from tutelage.study.sets import Sets


def judged_together(
    model: nn.Module, float32: Converted, content: bytes, sets: Sets, probabilities: bool
) -> dict[str, Network]:
    """The file, the float32 file and the network on the test samples, with how often each answers as the network."""
    end: End = "" if not probabilities else "softmax" if sets.task.name == "classification" else "sigmoid"
    files = {FILE: content, FLOAT32: float32.content}
    modules: dict[str, nn.Module] = {name: LogAnswers(module_of(x, name), end) for name, x in files.items()}
    shows = dict.fromkeys(files, show_for(float32.takes, sets))
    plain = plain_copy(model)
    found = {
        name: judged(sets.task, network, sets.test, shows.get(name, sets.test_transform))
        for name, network in {**modules, TORCH: plain}.items()
    }
    sizes = {FILE: len(content), FLOAT32: len(float32.content), TORCH: bytes_of_weights(plain)}
    own = found[TORCH].answers
    told = own is not None and are_classes(own, sets.test)
    return {
        name: Network(
            name,
            "student" if name == FILE else "other",
            "",
            len(sets.test),
            one.scores,
            agreement=agreement(one.answers, own) if told and one.answers is not None and own is not None else None,
            bytes=sizes[name],
        )
        for name, one in found.items()
    }


def timed_together(
    networks: dict[str, Network], model: nn.Module, float32: Converted, content: bytes, sets: Sets, about: About
) -> dict[str, Network]:
    """The same with milliseconds, by the size of a batch, of all three in turn."""
    seen = samples_of(sets)
    modules = {FILE: module_of(content, FILE), FLOAT32: module_of(float32.content, FLOAT32), TORCH: plain_copy(model)}
    pictures = about.preprocessing
    examples = {**dict.fromkeys(modules, float32.inputs), TORCH: as_seen(seen, pictures) if pictures else seen}
    clocks = latency(modules, examples)
    return {
        name: replace(one, latency_ms={size: Latency(**x) for size, x in clocks[name].items()})
        for name, one in networks.items()
    }


def module_of(content: bytes, name: str) -> nn.Module:
    return OnnxNetwork(bytes_as_tensor(content), name)


def show_for(takes: Input, sets: Sets) -> Show:
    """Samples as the file takes them."""
    if takes == "normalised" or sets.preprocessing is None:
        return sets.test_transform
    return partial(_levels if takes == "pixels" else middle, size=sets.preprocessing.size)


def _levels(pictures: Tensor, view: Tensor, size: tuple[int, int]) -> Tensor:
    """From 0 to 255, as floats: bytes are taken for shares of 255."""
    return middle(pictures, view, size).to(torch.float32)
