"""Three to five numbers in large type, each with its change against the teacher and the student alone."""

from dataclasses import dataclass

from tutelage.report.numbers import plain, rounded, scaled, size, times
from tutelage.report.rows import half, rank_of, share, signed
from tutelage.report.seeds import Group, Measured

MOST = 4  # students: of more no single one is the result


@dataclass(frozen=True)
class Figure:
    """One number in large type, with what it means and its change; ``clock`` if it was read from a clock."""

    title: str
    value: str
    detail: tuple[str, ...] = ()
    clock: bool = False


def figures(group: Group) -> tuple[Figure, ...]:
    """Three to five numbers in large type, about the first student; none where a run compares many students."""
    main, alone, teacher = group.main, group.role("alone"), group.role("teacher")
    students = [network.first.name for network in group.networks if network.first.role == "student"]
    if main is None or len(students) > MOST:
        return ()
    alone, teacher = (None if other is main else other for other in (alone, teacher))
    title = f"Test errors, {main.first.name}" if len(students) > 1 else "Test errors"
    found = [Figure(title, str(main.errors), _error_detail(main, alone, teacher))]
    kept = gain_kept(main, alone, teacher)
    if kept is not None and alone is not None and teacher is not None:
        gain = rounded(alone.errors.mean - teacher.errors.mean, max(half(alone), half(teacher)))
        words = (f"of {gain} errors between alone and teacher",)
        found.append(Figure("Teacher’s gain kept", f"{signed(100 * kept, 1).removeprefix('+')} %", words))
    if main.first.parameters is not None:
        found.append(Figure("Parameters", scaled(main.first.parameters), _size_detail(main, alone, teacher)))
    batches = sorted(main.first.latency_ms or {}, key=rank_of)
    found += [_latency(main, alone, teacher, batch) for batch in batches[:1]]
    agreement = main.over(lambda network: network.agreement)
    if agreement is not None:
        words = ("of the answers are the teacher’s",)
        found.append(Figure("Agreement", f"{share(agreement, main.first.count)} %", words))
    return tuple(found)


def gain_kept(main: Measured, alone: Measured | None, teacher: Measured | None) -> float | None:
    """Share of the teacher's lead over the student alone that the student has: 1 is all, 0 none, less than 0 harm.

    ``None`` where there is no lead to speak of: it must exceed what chance makes of either of the two.
    """
    lead = alone.errors.mean - teacher.errors.mean if alone is not None and teacher is not None else 0
    if alone is None or teacher is None or lead <= max(half(alone), half(teacher)):
        return None
    return (alone.errors.mean - main.errors.mean) / lead


def _error_detail(main: Measured, alone: Measured | None, teacher: Measured | None) -> tuple[str, ...]:
    low, high = (rounded(bound, half(main)) for bound in main.interval)
    sure = f"over {main.errors.n} seeds" if main.errors.n > 1 else f"95 % interval {low} to {high}"
    others = ((alone, "against the student alone"), (teacher, "against the teacher"))
    changes = [(main.errors.mean - other.errors.mean, words) for other, words in others if other is not None]
    change = [f"{signed(change, half(main))} {words}" for change, words in changes]
    return (f"of {plain(main.first.count)}", sure, *change)


def _size_detail(main: Measured, alone: Measured | None, teacher: Measured | None) -> tuple[str, ...]:
    found = [f"{size(main.first.bytes)} on disk"] if main.first.bytes is not None else []
    larger = ratio(teacher, main) if teacher is not None else None
    if larger is not None:
        found.append(_than(larger, "smaller", "larger", "as large", "the teacher"))
    larger = ratio(alone, main) if alone is not None else None
    if larger is not None:
        found.append(_than(larger, "smaller", "larger", "as large", "the student alone"))
    return tuple(found)


def _latency(main: Measured, alone: Measured | None, teacher: Measured | None, batch: str) -> Figure:
    mine = main.latency(batch)
    assert mine is not None
    found = [f"quartiles {rounded(mine.q1, mine.q3 - mine.q1)} to {rounded(mine.q3, mine.q3 - mine.q1)}"]
    for other, words in ((teacher, "the teacher"), (alone, "the student alone")):
        theirs = other.latency(batch) if other is not None else None
        if theirs is not None and mine.median > 0:
            found.append(_than(theirs.median / mine.median, "faster", "slower", "as fast", words))
    return Figure(f"Latency, batch {batch}", f"{rounded(mine.median, mine.q3 - mine.q1)} ms", tuple(found), clock=True)


def _than(ratio: float, less: str, more: str, same: str, whom: str) -> str:
    if 0.97 < ratio < 1.03:
        return f"{same} as {whom}"
    return f"{times(ratio)} {less} than {whom}" if ratio > 1 else f"{times(1 / ratio)} {more} than {whom}"


def ratio(large: Measured, small: Measured) -> float | None:
    if not large.first.parameters or not small.first.parameters:
        return None
    return large.first.parameters / small.first.parameters
