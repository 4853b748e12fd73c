"""What a process does to itself before a command begins, so that trouble comes at a given moment.

What one of them returns is called when the command has ended.
"""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from drills import boundaries

CAP_DAC_OVERRIDE, CAPABILITY_VERSION_3 = 1, 0x20080522  # of linux/capability.h


def saves_often() -> None:
    """A checkpoint after every tenth step or so, whatever the clock says: each time at the same steps."""
    from tutelage.run import Run

    class Due:
        """What the seconds since the last checkpoint are compared with, twice where one is due."""

        asked = 0

        def __lt__(self, _seconds: float) -> bool:
            self.asked += 1
            return self.asked % 10 < 2

    Run.save_every = Due()


def slow(pause: float) -> None:
    """Every batch comes so many seconds later, so that there is time for trouble."""
    import killed_recipe

    killed_recipe.PAUSE = pause


def dies_at(number: int, below: str) -> None:
    """SIGKILL at the boundary of that number between two writes below a folder."""
    boundaries.watch(below, number, _die)


def stops_at(number: int, below: str, signal_number: int) -> None:
    """A signal at that boundary."""
    boundaries.watch(below, number, lambda: os.kill(os.getpid(), signal_number))


def counts(below: str, into: str) -> Callable[[], None]:
    """The number of boundaries that a whole run has is written ``into`` a file."""
    passed = boundaries.watch(below, -1, _die)
    return lambda: _write(into, str(passed()))


def short_of_memory(megabytes: int) -> None:
    """So much address space in all."""
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))


def short_of_more_memory(kilobytes: int) -> None:
    """So much address space beyond what the process has by now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    limit = now + (kilobytes << 10)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def short_files(num_bytes: int) -> Callable[[], None]:
    """No file may be longer, but for output: a write beyond that fails as on a full disk."""
    speakers = [subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=number) for number in (1, 2)]
    for number, speaker in enumerate(speakers, start=1):
        assert speaker.stdin is not None
        os.dup2(speaker.stdin.fileno(), number)
        speaker.stdin.close()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, num_bytes))

    def heard() -> None:
        for number, (stream, speaker) in enumerate(zip((sys.stdout, sys.stderr), speakers, strict=True), start=1):
            stream.flush()
            os.close(number)
            speaker.wait()

    return heard


def shifted_clocks(before: float, after: float, readings: int) -> None:
    """Clocks are off by ``before`` seconds and, after so many readings, by ``after``."""
    left = [readings]

    def shifted(clock, unit):
        def read():
            left[0] -= 1
            return clock() + type(clock())((before if left[0] > 0 else after) * unit)

        return read

    for name, unit in (("time", 1), ("time_ns", 10**9), ("monotonic", 1), ("monotonic_ns", 10**9), ("perf_counter", 1)):
        setattr(time, name, shifted(getattr(time, name), unit))


def closed(*descriptors: int) -> None:
    """As after ``>&-``."""
    for descriptor in descriptors:
        os.close(descriptor)
    if 1 in descriptors:
        sys.stdout = None  # as the interpreter would have found it
    if 2 in descriptors:
        sys.stderr = None


def output_to(path: str, *descriptors: int) -> None:
    """Standard output, or what ``descriptors`` say, goes there."""
    for descriptor in descriptors or (1,):
        os.dup2(os.open(path, os.O_WRONLY), descriptor)


def broken_pipe(*descriptors: int) -> None:
    """Standard output, or what ``descriptors`` say, is a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    for descriptor in descriptors or (1,):
        os.dup2(writer, descriptor)


def bound_by_permissions() -> None:
    """Permissions bind even root: it lays down the capability to override them."""
    libc, header = ctypes.CDLL(None, use_errno=True), (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # twice 32 bits: effective, permitted, inheritable
    if libc.capget(header, sets) == 0:
        sets[0] &= ~(1 << CAP_DAC_OVERRIDE)
        sets[1] &= ~(1 << CAP_DAC_OVERRIDE)
        libc.capset(header, sets)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
