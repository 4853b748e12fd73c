"""What comes of mixed tools: every arm delivered as a file that is asked and timed, a row each, and a headline."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from tutelage.compress.footprint import footprint
from tutelage.deployment.about import About
from tutelage.deployment.deploy import MODEL, strangers
from tutelage.deployment.onnx import converted
from tutelage.files import atomically
from tutelage.renewal import QUANTISED
from tutelage.results import Metric, Network, Table
from tutelage.run import Run
from tutelage.study.evaluated import Evaluated, publish_networks
from tutelage.study.experiments.deep_compression import bytes_of
from tutelage.study.experiments.mixing import PACKED, Arm, Made, Mixture, name_of
from tutelage.study.planning.handover import samples_of
from tutelage.study.planning.side_by_side import module_of
from tutelage.study.planning.tools import cost_in_words, figure_in_words, times
from tutelage.study.sets import Sets

METHODS = (
    "tutelage.losses.kd:soft_targets",
    "tutelage.schemes.imitated:imitated",
    "tutelage.schemes.pruned:recovered",
    "tutelage.compress.fake_quantised:fake_quantised",
)
ORIGINAL, TOGETHER = "original", "all together"
WHOLE: Arm = ()


@dataclass(frozen=True, eq=False)
class Mixed:
    """The arms that were measured, the ``whole`` network as ``WHOLE`` among them, and the metric that decides."""

    networks: Mapping[Arm, Network]
    metric: Metric

    @property
    def whole(self) -> Network:
        return self.networks[WHOLE]

    @property
    def all_tools(self) -> Arm:
        return max(self.networks, key=len)

    @property
    def alone(self) -> Arm:
        """The tool that alone makes the smallest file."""
        return min((arm for arm in self.networks if len(arm) == 1), key=self.bytes)

    def bytes(self, arm: Arm) -> int:
        size = self.networks[arm].bytes
        assert size is not None
        return size

    def value(self, arm: Arm) -> float:
        return self.networks[arm].scores[self.metric.name].value

    def lost(self, arm: Arm) -> float:
        """In units of the metric, by how much it is worse than the whole network."""
        return round(self.metric.gain(self.value(WHOLE), over=self.value(arm)), 4)


def publish_mixed(
    run: Run, data: Sets, title: str, mixture: Mixture, made: Mapping[Arm, Made], metric: Metric, input_words: str
) -> Mixed:
    """Measure every arm's file, publish networks, table and headline, and deliver what all tools together made.

    ``title`` is the original's network. Without the extra ``onnx`` the networks themselves are measured, in PyTorch.
    """
    about = About(classes=data.train.classes, name=title)
    arms = {WHOLE: mixture.original, **made}
    leader = max(made, key=len)
    names = {arm: TOGETHER if arm == leader else name_of(arm) or ORIGINAL for arm in arms}
    contents = files_of(run, data, about, {names[arm]: one.finished.last for arm, one in arms.items()})
    files = {name: module_of(content, name) for name, content in contents.items()}
    people = {}
    for arm in dict.fromkeys([WHOLE, leader, *arms]):
        role = "teacher" if arm == WHOLE else "student" if arm == leader else "other"
        label = f"{title}, as it was" if arm == WHOLE else f"{title}: {name_of(arm)}"
        one = arms[arm]
        stored = bytes_of(one.finished.last, one.build) if is_packed(arm) else None
        people[names[arm]] = Evaluated(role, label, one.finished, file=files.get(names[arm]), stored=stored)  # type: ignore[arg-type]
    measured = publish_networks(run, data, people, METHODS)
    mixed = Mixed({arm: measured[name] for arm, name in names.items()}, metric)
    run.publish(tables=[arms_table(mixed, arms, bool(files))], headline=headline(mixed, title))
    run.deliver(made[leader].finished.last, classes=data.test.classes, input=input_words)
    if TOGETHER in contents:
        keep(run, QUANTISED[0] if "int8" in leader else MODEL, contents[TOGETHER])
    return mixed


def is_packed(arm: Arm) -> bool:
    """Whether what its last tools gain is there in a packed file alone; one of int8 is an ONNX file, zeros or not."""
    return bool(PACKED.intersection(arm)) and "int8" not in arm


def keep(run: Run, name: str, content: bytes) -> None:
    """Put the file that was measured beside the delivered network, unless one of the user's has its name: a note."""
    if not run.leads:
        return
    if strangers(run.place, [name]):
        run.progress.note(f"student: {name} was not written, for a file of that name is not tutelage's")
        return
    with atomically(run.place / name) as temporary:
        temporary.write_bytes(content)


def files_of(run: Run, data: Sets, about: About, networks: Mapping[str, nn.Module]) -> dict[str, bytes]:
    """Each network as the bytes of an ONNX file; none, and a note, where what writes and runs them is not installed."""
    samples, files = samples_of(data), {}
    try:
        for name, network in networks.items():
            made = converted(network, samples, Path(f"{name}.onnx"), about, takes=None, probabilities=False)
            module_of(made.content, name)  # that runs it may be what is not installed
            files[name] = made.content
    except ImportError as lack:
        run.progress.note(f"the networks are measured in PyTorch: {lack}")
        return {}
    return files


def arms_table(mixed: Mixed, made: Mapping[Arm, Made], in_files: bool) -> Table:
    """Each tool alone, every pair and all together, a row an arm: how good, how large by every count, and how fast."""
    rows = []
    for arm, one in mixed.networks.items():
        weights = footprint(made[arm].finished.last).nonzero
        clocks = {size: x.median for size, x in (one.latency_ms or {}).items()}
        rows.append((
            one.name, *(round(score.value, 2) for score in one.scores.values()), one.parameters,
            weights, one.macs, one.bytes, round(mixed.bytes(WHOLE) / mixed.bytes(arm), 2),
            *(None if size not in clocks else round(clocks[size], 4) for size in ("1", "64")),
        ))  # fmt: skip
    where = "of each network's ONNX file, in ONNX Runtime" if in_files else "of each network, in PyTorch"
    packed = (
        " Where weights are thinned or shared, bytes are those of a packed file that gives the network back, to the "
        "bit; nothing computes with it as it is, and milliseconds are of the network with all its weights."
        if any(map(is_packed, mixed.networks))
        else ""
    )
    return Table(
        title="Arms of the mixture",
        columns=("arm", *mixed.whole.scores, "parameters", "weights that are not 0", "MACs", "bytes",
                 "× smaller file", "ms, batch 1", "ms, batch 64"),
        rows=tuple(rows),
        note=f"All together: {name_of(mixed.all_tools)}. Answers, bytes and milliseconds are {where}; parameters and "
        "MACs are counted on the network. What has a distillation in it learns from the original's soft targets beside "
        f"labels, the others from labels alone.{packed}",
    )  # fmt: skip


def headline(mixed: Mixed, title: str) -> str:
    """How small all tools together make the file, what that costs, and how small the best one alone makes it."""
    own, alone = mixed.all_tools, mixed.alone

    def told(arm: Arm) -> str:
        return f"{cost_in_words(mixed.bytes(arm), 'bytes')}, {figure_in_words(mixed.value(arm), mixed.metric)}"

    size = times(mixed.bytes(own), mixed.bytes(WHOLE), "bytes")
    said = f"{title}, {name_of(own)}: {told(own)}, {size} than it was ({told(WHOLE)})."
    return said if own == alone else f"{said} The smallest by one tool alone, {name_of(alone)}: {told(alone)}."
