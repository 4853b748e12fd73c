"""Ctrl-C, SIGTERM and SIGHUP as a request to stop after the current step."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from tutelage.stopped import Stopped


def stopping() -> list[int]:
    """The signals that ask to stop; that the terminal went away is one of them, unless ``nohup`` has it ignored."""
    hung_up = [] if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGINT, signal.SIGTERM, *hung_up]


def obey(number: int) -> NoReturn:
    """End as the signal ``number`` asks: ``KeyboardInterrupt`` for Ctrl-C, ``Stopped`` with 128 + it for others."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Stopped(128 + number)


@contextmanager
def stopping_gently() -> Iterator[list[int]]:
    """While it lasts, the first of these signals is only put into the list. The second is obeyed at once.

    One that comes after the last look at the list is obeyed at the end.
    """
    received: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if received:
            obey(number)
        received.append(number)

    try:
        before = {number: signal.signal(number, on_signal) for number in stopping()}
    except ValueError:  # only the main thread may: elsewhere nobody asks
        yield received
        return
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not set by Python
    if received:
        obey(received[0])
