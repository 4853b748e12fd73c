"""Where the time of a run goes: seconds by the part of the work that is under way. Nobody counts unless asked to."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Literal, TypeAlias, TypeVar, get_args

Part: TypeAlias = Literal[
    "start", "data", "plan", "training steps", "validation", "checkpoints", "measures", "files", "report", "other"
]
PARTS: tuple[Part, ...] = get_args(Part)
"""In a run's order: ``files`` are those of a student that is handed over, ``other`` is whatever has no name."""
Batch = TypeVar("Batch")


class Profile:
    """Seconds by part since ``begun``, with those ``before``; each counts once, for the innermost part.

    On an accelerator work is queued, and whoever waits for it bears its time. ``keep`` gets the seconds so far whenever
    a checkpoint was written, so that they are as old as what a run goes on from.
    """

    def __init__(
        self,
        begun: float,
        before: Mapping[str, float] | None = None,
        *,
        keep: Callable[[dict[str, float]], None] = lambda _seconds: None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._seconds: dict[str, float] = defaultdict(float, before or {})
        self._keep, self._clock, self._since = keep, clock, begun
        self._parts: list[Part] = ["start"]  # the innermost, last, is under way

    @property
    def seconds(self) -> dict[str, float]:
        """By part, in the order of a run, without those that took none."""
        self._count()
        return {part: seconds for part in PARTS if (seconds := self._seconds.get(part, 0.0)) > 0}

    def started(self) -> None:
        """All is there that a run begins with."""
        self._count()
        self._parts[0] = "other"

    @property
    def has_started(self) -> bool:
        return self._parts[0] != "start"

    def enter(self, part: Part) -> None:
        self._count()
        self._parts.append(part)

    def leave(self) -> None:
        self._count()
        if self._parts.pop() == "checkpoints":
            self._keep(self.seconds)

    def _count(self) -> None:
        now = self._clock()
        self._seconds[self._parts[-1]] += now - self._since
        self._since = now


_profile: ContextVar[Profile | None] = ContextVar("profile", default=None)


@contextmanager
def profiled(profile: Profile) -> Iterator[None]:
    """While it lasts, ``profile`` counts."""
    token = _profile.set(profile)
    try:
        yield
    finally:
        _profile.reset(token)


@contextmanager
def clocked(name: Part) -> Iterator[None]:
    """What happens inside is ``name``; also ``@clocked("data")`` above a function."""
    profile = _profile.get()
    if profile is None:
        yield
        return
    profile.enter(name)
    try:
        yield
    finally:
        profile.leave()


def counted(batches: Callable[[int, int], Iterable[Batch]]) -> Callable[[int, int], Iterable[Batch]]:
    """``batches(epoch, first)``, the time that they take being ``data``; the very function where nobody counts."""
    profile = _profile.get()
    return batches if profile is None else lambda epoch, first: _counted(profile, iter(batches(epoch, first)))


def _counted(profile: Profile, stream: Iterator[Batch]) -> Iterator[Batch]:
    while True:
        profile.enter("data")
        try:
            batch = next(stream, None)
        finally:
            profile.leave()
        if batch is None:
            return
        yield batch
