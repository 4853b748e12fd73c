"""What is in the files of a run folder, as types."""

from dataclasses import dataclass, field
from typing import Any

ROLES = ("teacher", "student", "alone", "member", "baseline")


@dataclass(frozen=True)
class Claim:
    """A published figure and what this run got; it holds where ``low <= measured <= high`` (``None``: open).

    What is ``paired`` is a difference between two trainings of one seed: it takes several seeds to decide.
    """

    name: str
    published: float
    measured: float
    unit: str
    source: str
    low: float | None = None
    high: float | None = None
    scale: str | None = None
    note: str = ""
    paired: bool = False


@dataclass(frozen=True)
class Latency:
    """Milliseconds a batch: the median and the quartiles of repeated measurements."""

    median: float
    q1: float
    q3: float


@dataclass(frozen=True)
class Calibration:
    """Confidence against accuracy, per bin (``None``: an empty bin), and the expected calibration error in [0, 1]."""

    error: float
    edges: tuple[float, ...]
    confidence: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]
    share: tuple[float, ...]


@dataclass(frozen=True)
class Best:
    """Test errors of the epoch that was best on validation."""

    epoch: int
    errors: float


@dataclass(frozen=True)
class Validation:
    """Errors among ``count`` images that were kept from training."""

    errors: float
    count: int
    loss: float | None = None


@dataclass(frozen=True)
class Network:
    """One measured network; its role is teacher, student, alone, member or baseline."""

    name: str
    role: str
    label: str
    count: int
    errors: float
    interval: tuple[float, float]
    stage: str | None = None
    best: Best | None = None
    validation: Validation | None = None
    agreement: float | None = None
    calibration: Calibration | None = None
    parameters: int | None = None
    macs: int | None = None
    bytes: int | None = None
    latency_ms: dict[str, Latency] | None = None
    confusion: tuple[tuple[int, int, float], ...] = ()

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(
                f"A network's role is one of {', '.join(ROLES)}, but that of {self.name!r} is {self.role!r}."
            )


@dataclass(frozen=True)
class Example:
    """One picture and the two most probable classes that teacher and student gave it."""

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
    """A table of the recipe's own, and how to draw it.

    Numbers in ``paired`` columns are differences between two trainings of one seed.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""
    curve: Curve | None = None
    paired: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """A trained stage: its key, its epochs, the seconds it took, and the stages that it builds on."""

    name: str
    key: str
    epochs: int
    seconds: float = 0.0
    best_epoch: int | None = None
    uses: tuple[str, ...] = ()
    peak_bytes: int | None = None


@dataclass(frozen=True)
class Epoch:
    """One line of the log: mean raw losses by learner and term, and the validation that followed.

    ``statistics`` has what a learner's modules measured on their way: learner -> name -> mean over the epoch.
    """

    stage: str
    epoch: int
    losses: dict[str, dict[str, float]]
    step: int = 0
    epochs: int = 0
    seconds: float = 0.0
    weights: dict[str, dict[str, float]] = field(default_factory=dict)
    validation: Validation | None = None
    best: bool = False
    statistics: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Arguments:
    """What was asked for: the recipe, its preset, the command and every flag beside its default."""

    recipe: str
    preset: str
    command: str
    arguments: dict[str, Any]
    defaults: dict[str, Any]


@dataclass(frozen=True)
class Results:
    """What the recipe measured, claimed and showed."""

    headline: str = ""
    claims: tuple[Claim, ...] = ()
    networks: tuple[Network, ...] = ()
    classes: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    tables: tuple[Table, ...] = ()
    methods: tuple[str, ...] = ()
    data: dict[str, str] = field(default_factory=dict)  # name of a data set -> its checksum
