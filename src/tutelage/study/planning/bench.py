"""Where files of a network and of narrower ones are made, asked about the same samples, and timed beside each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tutelage.compress.budget import Budget
from tutelage.compress.ranked import Across, least_important, least_left
from tutelage.compress.spending import MEASURES
from tutelage.compress.structure.graph import Channels, Closed
from tutelage.compress.structure.removal import without
from tutelage.compress.target import COUNTED
from tutelage.data.labelled import Labelled
from tutelage.data.split import sample
from tutelage.deployment.about import About
from tutelage.deployment.onnx import Converted, converted
from tutelage.measures.latency import latency
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.schemes.probe import measure_statistics
from tutelage.study.diagnosis.answered import judged
from tutelage.study.own.participants import DistillationSettings, Participants
from tutelage.study.planning.handover import about_of, samples_of
from tutelage.study.planning.quantised import content_of
from tutelage.study.planning.short_trials import OPTIMIZERS
from tutelage.study.planning.side_by_side import module_of, show_for
from tutelage.study.planning.tools import FLOAT32, INT8, Choice, Tried, choices
from tutelage.tasks.judged import Judged

LOOKED_AT, FED = 2000, 1024
"""Validation samples by which a loss is told, and training samples that batch norms and gradients are shown."""
BATCH, ROUNDS = 64, 30
"""Samples of a batch, and passes of a clock."""
MULTIPLES = {"ms": 4}
"""Channels that go at once where the clock decides: kernels work in groups of so many."""


@dataclass(frozen=True)
class Bench:
    """Where files of a network and of narrower ones are made, asked and timed, all on the same samples."""

    run: Run
    participants: Participants
    wanted: Budget
    may_lose: float

    @property
    def allowed(self) -> float:
        """Points that may be lost; what one sample weighs always may."""
        return max(self.may_lose, 100 / len(self.looked_at))

    def choices(self, rows: Sequence[Tried]) -> list[Choice]:
        """The tools that will do, the best first."""
        return choices(rows, self.wanted, self.participants.data.task.told, self.allowed)

    @property
    def unit(self) -> str:
        """What is counted of what goes."""
        return COUNTED.get(self.wanted.unit, self.wanted.unit)

    @cached_property
    def looked_at(self) -> Labelled:
        validation = self.participants.data.validation
        if validation is None:
            raise ValueError(
                "What a tool costs is seen on validation samples, and there are none; leave --validation above 0."
            )
        return sample(validation, min(LOOKED_AT, len(validation)))

    @cached_property
    def plan(self) -> Plan:
        """What batch norms and gradients are shown: samples as inference sees them."""
        participants = self.participants
        lesson = participants.alone(BATCH, DistillationSettings(augment="none"))
        few = sample(lesson.train, min(FED, len(lesson.train)))
        size = min(BATCH, len(few))
        lesson = replace(lesson, train=few, batch_size=size)
        return Plan(lesson, OPTIMIZERS["nesterov"](lr=1.0), 1, task=participants.data.task)

    @cached_property
    def whole(self) -> tuple[Converted, nn.Module]:
        """The float32 file of the network as it is."""
        made = self.converted(self.participants.teacher.last)
        return made, module_of(made.content, "the whole network")

    @cached_property
    def milliseconds(self) -> float:
        """Of an answer of that file to one sample."""
        made, module = self.whole
        return latency({"whole": module}, made.inputs, batch_sizes=(1,), rounds=ROUNDS)["whole"]["1"]["median"]

    def converted(self, network: nn.Module) -> Converted:
        samples = samples_of(self.participants.data)
        return converted(network, samples, Path("student.onnx"), self.about, takes=None, probabilities=False)

    @property
    def about(self) -> About:
        return about_of(self.participants)

    def judged(self, network: nn.Module) -> float:
        """The told metric of the network on the validation samples that are looked at."""
        data = self.participants.data
        return self._told(judged(data.task, network, self.looked_at, data.test_transform))

    def files(self, network: nn.Module, share: float, count: float) -> list[Tried]:
        """The files of ``network`` in every precision that it has, measured."""
        data, made = self.participants.data, self.converted(network)
        contents = {FLOAT32: made.content}
        try:
            contents[INT8], _ = content_of(made, data, self.about)
        except ValueError as lack:  # of one that has nothing to quantise, or whose samples show no range
            self.run.progress.note(f"int8: {lack}")
        modules = {name: module_of(content, name) for name, content in contents.items()}
        whole, reference = self.whole
        clocks = latency({"whole": reference, **modules}, whole.inputs, batch_sizes=(1,), rounds=ROUNDS)
        show = show_for(made.takes, data)
        return [
            Tried(
                share,
                name,
                self._told(judged(data.task, module, self.looked_at, show)),
                len(contents[name]),
                self._scaled(clocks, name),
                count,
            )
            for name, module in modules.items()
        ]

    def cut(self, channels: Channels, scores: torch.Tensor, across: Across, share: float) -> tuple[nn.Module, float]:
        """The network with ``share`` of its count left at most, or the least that can be; norms measured again.

        And the share that is left.
        """
        count = MEASURES[self.unit](self.participants.teacher.last, channels).cost
        multiple = MULTIPLES.get(self.wanted.unit, 1)
        limit = max(share * count(Closed()), least_left(channels, count, multiple=multiple))
        shut = least_important(channels, scores, count, limit, across=across, multiple=multiple)
        return self.without(channels, shut)

    def without(self, channels: Channels, shut: Closed) -> tuple[nn.Module, float]:
        """The network without what is ``shut``, its norms measured again, and the share of the count that is left."""
        network = self.participants.teacher.last
        count = MEASURES[self.unit](network, channels).cost
        smaller = without(network, channels, shut)
        measure_statistics(smaller, self.plan)
        return smaller, count(shut) / count(Closed())

    def _told(self, found: Judged) -> float:
        return found.scores[self.participants.data.task.told.name].value

    def _scaled(self, clocks: Mapping[str, Mapping[str, Any]], name: str) -> float:
        """Milliseconds in the first clock's: what else the machine does then hits both alike."""
        own, its = clocks[name]["1"], clocks["whole"]["1"]
        return float(self.milliseconds * own["q1"] / its["q1"])
