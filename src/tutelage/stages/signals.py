"""Ctrl-C and SIGTERM as a request to stop after the current step."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


def obey(number: int) -> NoReturn:
    """End as the signal ``number`` asks: ``SystemExit`` with 143 for SIGTERM, ``KeyboardInterrupt`` for Ctrl-C."""
    if number == signal.SIGTERM:
        raise SystemExit(128 + signal.SIGTERM)
    raise KeyboardInterrupt


@contextmanager
def stopping_gently() -> Iterator[list[int]]:
    """While it lasts, the first Ctrl-C or SIGTERM is only put into the list. The second is obeyed at once.

    One that comes after the last look at the list is obeyed at the end.
    """
    received: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if received:
            obey(number)
        received.append(number)

    try:
        before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
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
