"""What batches cost in a training whose views come again: made anew at first, then read from memory."""

from collections.abc import Iterable
from itertools import islice
from math import inf
from time import perf_counter

from tutelage.data.batches import Batch
from tutelage.data.lesson import Lesson
from tutelage.study.budget import MOST


def saved_by_keeping(lesson: Lesson, batches: int, end: float) -> float:
    """Seconds a batch that a training saves in which each view comes again, once it has been made.

    Seen with so many batches, fewer of them where ``end`` comes first; 0 where nothing is kept.
    """
    if not lesson.kept_bytes(MOST):
        return 0.0
    anew, kept = lesson.batches(), lesson.batches(MOST)
    seconds, count = _seconds_a_batch(islice(anew(0, 0), batches), end)
    _seconds_a_batch(islice(kept(0, 0), count))
    return max(seconds - _seconds_a_batch(islice(kept(0, 0), count))[0], 0.0)


def _seconds_a_batch(batches: Iterable[Batch], end: float = inf) -> tuple[float, int]:
    """Seconds a batch, and how many there were before the ``end``: one at least."""
    begun = now = perf_counter()
    count = 0
    for _ in batches:
        count, now = count + 1, perf_counter()
        if now > end:
            break
    return (now - begun) / count, count
