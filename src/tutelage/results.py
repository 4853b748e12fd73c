"""What a run leaves as JSON, as types: runs write them, reports read them. No torch here."""

from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

Role: TypeAlias = Literal["teacher", "student", "baseline", "member", "other"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Who a network is in the report's story; the baseline is the student that nobody teaches."""
Interval: TypeAlias = tuple[float, float]
DROWNED = 0.01
"""A loss is drowned where its gradient is shorter than this share of the longest one."""
AMOUNT = {"within": (0.0, inf)}
"""Of a field: its numbers are at least 0."""
SHARE = {"within": (0.0, 1.0)}
"""Of a field: its numbers lie between 0 and 1."""


@dataclass(frozen=True)
class Metric:
    """What is measured of a network's answers, its unit (empty: a count or a pure number), and which way is better."""

    name: str
    unit: str = ""
    better: Literal["lower", "higher"] = "lower"

    def gain(self, value: float, over: float) -> float:
        """By how much ``value`` is better than ``over``; negative where it is worse.

        >>> Metric("errors").gain(80, over=100), Metric("F1", better="higher").gain(0.7, over=0.8) < 0
        (20, True)
        """
        return over - value if self.better == "lower" else value - over


@dataclass(frozen=True)
class Score:
    """A metric's value on the test set, and the interval (95 %) that the choice of its samples leaves, where known."""

    value: float
    interval: Interval | None = None


@dataclass(frozen=True)
class Claim:
    """A published figure and what this run measured; it holds where ``low <= measured <= high`` (``None``: open).

    ``reason`` says why this run cannot decide it: another preset, data set or pair of networks than it is about; then
    neither a hit nor a miss counts. Over ``seeds`` or more, the mean's interval decides; with fewer, ``interval`` does,
    which is what the choice of the test samples leaves of ``measured``. What is ``paired`` is a difference between two
    trainings of one seed.
    """

    name: str
    published: float
    measured: float
    unit: str
    source: str
    low: float | None = None
    high: float | None = None
    note: str = ""
    reason: str = ""
    interval: Interval | None = None
    seeds: int = 2
    paired: bool = False

    def __post_init__(self) -> None:
        if (self.low is None and self.high is None) or not isfinite(self.measured):
            raise ValueError(f"Claim {self.name!r} could not be judged: give low, high or both, and a finite figure.")


@dataclass(frozen=True)
class Latency:
    """Milliseconds a batch: the median and the quartiles of repeated measurements, and the threads it could use."""

    median: float = field(metadata=AMOUNT)
    q1: float = field(metadata=AMOUNT)
    q3: float = field(metadata=AMOUNT)
    threads: int | None = field(default=None, metadata=AMOUNT)


@dataclass(frozen=True)
class Calibration:
    """Confidence against accuracy a bin (``None``: an empty one), and the expected calibration error in [0, 1]."""

    error: float = field(metadata=SHARE)
    edges: tuple[float, ...] = field(metadata=SHARE)
    confidence: tuple[float | None, ...] = field(metadata=SHARE)
    accuracy: tuple[float | None, ...] = field(metadata=SHARE)
    share: tuple[float, ...] = field(metadata=SHARE)


@dataclass(frozen=True)
class Best:
    """The epoch that was best on validation, and its scores on the test set: name of a metric -> value."""

    epoch: int = field(metadata=AMOUNT)
    scores: dict[str, float]


@dataclass(frozen=True)
class Network:
    """One network, measured on ``count`` test samples: name of a metric -> score.

    ``validation`` has its metrics after the last epoch and their ``count``. ``notes`` say what could not be measured.
    """

    name: str
    role: Role
    label: str
    count: int = field(metadata=AMOUNT)
    scores: dict[str, Score]
    stage: str | None = None
    best: Best | None = None
    validation: dict[str, float] | None = None
    agreement: float | None = field(default=None, metadata=SHARE)
    calibration: Calibration | None = None
    confusion: tuple[tuple[int, int, float], ...] = ()
    parameters: int | None = field(default=None, metadata=AMOUNT)
    macs: int | None = field(default=None, metadata=AMOUNT)
    bytes: int | None = field(default=None, metadata=AMOUNT)
    latency_ms: dict[str, Latency] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"A network's role is one of {', '.join(ROLES)}; that of {self.name!r} is {self.role!r}.")
        if strange := [metric for metric, score in self.scores.items() if not isfinite(score.value)]:
            raise ValueError(f"Scores are finite numbers; {strange} of {self.name!r} are not: leave them out.")


@dataclass(frozen=True)
class Example:
    """One picture (uint8, base64) and the two most probable classes that teacher and student gave it."""

    kind: str
    index: int
    target: int
    shape: tuple[int, ...]
    pixels: str
    teacher: tuple[tuple[int, float], ...]
    student: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Curve:
    """How to draw a table: one line of ``y`` over ``x`` for each value of ``by``."""

    x: str
    y: str
    by: str | None = None
    log_x: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the recipe's own, and how to draw it; ``paired`` columns are differences of trainings of one seed.

    Of one that is ``shaded`` all cells but the first of each row are shares from 0 to 100, drawn as a map.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""
    curve: Curve | None = None
    paired: tuple[str, ...] = ()
    shaded: bool = False


@dataclass(frozen=True)
class StageRecord:
    """A stage of a run: its key, its epochs, their seconds, and the stages it builds on; nothing trained, no epoch."""

    name: str
    key: str
    epochs: int = field(metadata=AMOUNT)
    seconds: float = field(default=0.0, metadata=AMOUNT)
    best_epoch: int | None = field(default=None, metadata=AMOUNT)
    uses: tuple[str, ...] = ()
    peak_bytes: int | None = field(default=None, metadata=AMOUNT)
    kind: Literal["trained", "given", "derived"] = "trained"


@dataclass(frozen=True)
class EpochRecord:
    """A line of ``log.jsonl``: mean raw losses by learner and term, and the validation that followed, by metric.

    ``statistics`` has what a learner's modules measured on their way: learner -> name -> mean over the epoch.
    """

    stage: str
    epoch: int = field(metadata=AMOUNT)
    losses: dict[str, dict[str, float]]
    step: int = field(default=0, metadata=AMOUNT)
    epochs: int = field(default=0, metadata=AMOUNT)
    seconds: float = field(default=0.0, metadata=AMOUNT)
    weights: dict[str, dict[str, float]] = field(default_factory=dict)
    validation: dict[str, float] | None = None
    best: bool = False
    statistics: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Arguments:
    """What was asked for: recipe, preset, command, and every flag by its dotted name beside its default."""

    recipe: str
    preset: str
    command: str
    arguments: dict[str, Any]
    defaults: dict[str, Any]


@dataclass(frozen=True)
class Results:
    """What the recipe measured, claimed and showed. The first of ``metrics`` is the one that decides."""

    headline: str = ""
    metrics: tuple[Metric, ...] = ()
    claims: tuple[Claim, ...] = ()
    networks: tuple[Network, ...] = ()
    classes: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    tables: tuple[Table, ...] = ()
    methods: tuple[str, ...] = ()
    data: dict[str, str] = field(default_factory=dict)  # name of a data set -> its checksum


class Statistic(NamedTuple):
    """What one number under ``EpochRecord.statistics`` is about.

    ``cosine`` and ``negative`` are of two terms, ``norm`` and ``relative`` of one; ``weight`` of a term, or of a layer
    of student and teacher. ``part`` is of the network, empty for all that terms share; ``path`` of the module.
    """

    what: str
    about: tuple[str, ...]
    part: str = ""
    path: str = ""


KINDS = {"cosine": (2,), "negative": (2,), "norm": (1,), "relative": (1,), "weight": (1, 2)}  # how many each is about


def statistic(name: str) -> Statistic | None:
    """What the statistic of that name is about; nothing if it is of a kind that no report knows.

    >>> statistic("combine.means/cosine label | soft @ head")
    Statistic(what='cosine', about=('label', 'soft'), part='head', path='combine.means')
    >>> statistic("objective.layers.loss.means/weight student.layer2 | teacher.layer1").about
    ('student.layer2', 'teacher.layer1')
    """
    path, _, short = name.rpartition("/")
    what, _, rest = short.partition(" ")
    about, _, part = (rest, "", "") if what == "weight" else rest.partition(" @ ")
    found = Statistic(what, tuple(about.split(" | ")), part, path)
    return found if rest and len(found.about) in KINDS.get(what, ()) else None
