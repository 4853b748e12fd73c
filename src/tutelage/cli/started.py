"""When a command was asked for: as its process was started, where the system tells when that was."""

import os
import time
from contextvars import ContextVar
from pathlib import Path

_started: ContextVar[float] = ContextVar("started")
STAT = Path("/proc/self/stat")
LONGEST = 600.0
"""Seconds that a start may take; what seems to be longer is a clock that this system does not keep."""


def start_with_the_process() -> None:
    """What is asked for next was asked for when this process was started."""
    _started.set(time.perf_counter() - age_of_process())


def when_asked() -> float:
    """When that was, as ``perf_counter`` counts; now, if a command is called from Python."""
    return _started.get(time.perf_counter())


def age_of_process() -> float:
    """Seconds since this process was started, to a hundredth; 0 where the system does not tell: Linux does.

    ``starttime`` in proc(5): ticks of the clock that began with the machine.
    """
    try:
        ticks = int(STAT.read_text("utf-8", "replace").rpartition(")")[2].split()[19])  # a name may have spaces
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        return 0.0
    return age if 0 < age < LONGEST else 0.0
