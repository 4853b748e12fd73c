"""Which layers of the teacher a layer of the student may learn from: names, and nothing else."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Ranges: TypeAlias = Mapping[str, Sequence[str]]
"""Layer of the student -> the layers of the teacher that it looks at. Names are free; addresses are the usual ones."""


def every_layer(student: Sequence[str], teacher: Sequence[str]) -> dict[str, list[str]]:
    """Every layer of the student looks at every layer of the teacher.

    Raises ``ValueError`` for lists that are empty or name a layer twice.

    >>> every_layer(["student.layer3"], ["teacher.layer1", "teacher.layer2"])
    {'student.layer3': ['teacher.layer1', 'teacher.layer2']}
    """
    return refuse_odd({name: list(teacher) for name in _once(student)})


def window(student: Sequence[str], teacher: Sequence[str], reach: int = 1) -> dict[str, list[str]]:
    r"""Every layer of the student looks at the proportional layer of the teacher and at ``reach`` more on either side.

    Layers are listed from shallow to deep; the ``m``-th of ``M`` is in proportion to the ``m · N / M``-th of ``N``,
    rounded, so that the last one is in proportion to the last. At an end of the teacher a window is cut off. With
    ``reach=0`` it is a fixed mapping. Raises ``ValueError`` for a negative reach, and for lists that are empty or name
    a layer twice.

    >>> window(["s1", "s2"], ["t1", "t2", "t3", "t4", "t5", "t6"])
    {'s1': ['t2', 't3', 't4'], 's2': ['t5', 't6']}
    """
    if not reach >= 0:
        raise ValueError(f"A window reaches 0 or more layers to either side; got reach={reach}.")
    total = len(_once(student))
    ranges = {}
    for place, name in enumerate(student, start=1):
        middle = max(1, (2 * place * len(teacher) + total) // (2 * total))  # rounded half up, counted from 1
        ranges[name] = list(teacher[max(0, middle - 1 - reach) : middle + reach])
    return refuse_odd(ranges)


def addresses(ranges: Ranges) -> tuple[list[str], list[str]]:
    """The layers of the student and those of the teacher, each once, in the order in which a matching gets them.

    >>> addresses({"student.2": ["teacher.1", "teacher.2"], "student.3": ["teacher.2", "teacher.3"]})
    (['student.2', 'student.3'], ['teacher.1', 'teacher.2', 'teacher.3'])
    """
    return list(ranges), list(dict.fromkeys(name for names in ranges.values() for name in names))


def refuse_odd(ranges: Ranges) -> dict[str, list[str]]:
    """``ranges`` as they are. Raises ``ValueError`` if there are none, if one is empty, or if one has a layer twice."""
    if not ranges or not all(ranges.values()):
        raise ValueError(f"Every layer of the student looks at one layer of the teacher or more; got {dict(ranges)}.")
    return {name: _once(names) for name, names in ranges.items()}


def _once(names: Sequence[str]) -> list[str]:
    if isinstance(names, str) or len(set(names)) < len(names):
        raise ValueError(f"Layers are a list of different names; got {names!r}.")
    return list(names)
