"""``tutelage check``: what lies somewhere, before hours are spent on it."""

import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from tutelage.cli.common import Switch
from tutelage.cli.failures import DONE, FILES, Usage
from tutelage.cli.flag import Flag
from tutelage.cli.flags import flags_of_settings, refuse_unknown, typed
from tutelage.plurals import counted
from tutelage.printable import printable, printable_in
from tutelage.study.bounds import refuse_fields
from tutelage.study.own.settings import DataSettings

if TYPE_CHECKING:
    from tutelage.own_data.check import Findings


CALLED = {"regression": ("number", "numbers"), "multi-label": ("label", "labels")}
"""What a sample has of a task, one or several, where it is no class."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Where the data lie, and how they are understood."""

    where: Annotated[
        Positional[tuple[str, ...]],
        arg(metavar="WHERE", help_behavior_hint="", help="A folder, a table, arrays, or a function: my_lab.data:make."),
    ] = ()
    json: Annotated[Switch, arg(help_behavior_hint="", help="Print what was found as JSON.")] = False
    data: OmitArgPrefixes[DataSettings] = field(default_factory=DataSettings)


def check_flags() -> list[Flag]:
    """Its flags, those of the data included."""
    return [Flag("json", Switch, False, ""), *flags_of_settings(DataSettings)]


def check(words: Sequence[str]) -> int:
    """Look at data before hours are spent on them: every picture is opened and decoded, nothing is written.

    Counts by part and class, sizes, modes, pictures that lie on their side, broken ones, the same picture twice or in
    two parts, uneven classes, and what a run would assume. The exit code is 3 if something makes training impossible,
    or, with --strict, if a picture is broken.
    """
    refuse_unknown(words, check_flags(), "tutelage check")
    asked = typed(Asked, words, prog="tutelage check", description=inspect.getdoc(check) or "", flags=check_flags())
    if len(asked.where) != 1:
        raise Usage("which data? tutelage check WHERE, such as photos/, labels.csv or my_lab.data:make.")
    refuse_fields(asked.data)
    from tutelage.own_data.check import look
    from tutelage.study.own.sets import how_of, wanted_of

    found = look(asked.where[0], wanted_of(asked.data), how_of(asked.data))
    print(json.dumps(printable_in(found.as_json()), indent=1) if asked.json else printable(said(found)))
    broken = any(part.broken for part in found.parts.values())
    return FILES if found.errors or (broken and asked.data.strict) else DONE


def said(found: "Findings") -> str:
    """What was found, for people: a line a part, then sentences."""
    count, (one, several) = len(found.classes), CALLED.get(found.task, ("class", "classes"))
    lines = [f"{found.name}: {found.task}" + (f", {count} {one if count == 1 else several}" if count else "")]
    for name, part in found.parts.items():
        sizes = ", ".join(_lengths(axis, *of) for axis, of in part.sizes.items())
        modes = ", ".join(f"{count} {mode}" for mode, count in part.modes.items())
        lines.append("  " + "; ".join(x for x in (f"{name:<10} {counted(part.count, 'sample')}", sizes, modes) if x))
        counts = [f"{label} {count}" for label, count in sorted(part.classes.items(), key=lambda x: (-x[1], x[0]))]
        shown = [*counts[:6], "…", *counts[-5:]] if len(counts) > 12 else counts
        lines += [f"             {', '.join(shown)}"] if shown else []
    for title, sentences in (("note", found.notes), ("warning", found.warnings), ("error", found.errors)):
        lines += [f"{title}: {' '.join(sentence.split())}" for sentence in sentences]
    lines.append(f"{counted(len(found.errors), 'error')}, {counted(len(found.warnings), 'warning')}")
    return "\n".join(line.replace("\n", " ") for line in lines)  # names of classes and files may have several


def _lengths(axis: str, low: int, median: int, high: int) -> str:
    return f"{axis} {low}" if low == high else f"{axis} {low} to {high} (median {median})"
