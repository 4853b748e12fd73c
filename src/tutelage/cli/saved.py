"""The arguments that a file holds, somebody's perhaps: they become words of a command, and nothing else."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tutelage import plain_json
from tutelage.cli.failures import Usage, did_you_mean
from tutelage.cli.flag import Flag
from tutelage.printable import printable
from tutelage.trust import STANDARD


@dataclass(frozen=True)
class Saved:
    """What a file says: flags by their dotted names, and a preset if it names one."""

    source: str
    arguments: Mapping[str, Any]
    preset: str = ""

    def words(self, flags: Sequence[Flag]) -> list[str]:
        """The arguments as one would type them. ``Usage`` for what is none of ``flags``, and for values of no flag."""
        return [word for name, x in self.arguments.items() for word in self._flag(name, x, flags).words(x)]

    def _flag(self, name: str, value: Any, flags: Sequence[Flag]) -> Flag:
        known = {flag.name: flag for flag in flags}
        says = f"--from {self.source} sets {name!r}"
        if below := [x for x in known if x.startswith(f"{name}.")]:
            inner = [f"{name}.{field}" for field in value] if isinstance(value, dict) else []
            example = next((x for x in inner if x in below), below[0])
            raise Usage(f"{says}; its names are dotted, not nested: {{{json.dumps(example)}: …}}.")
        if name not in known:
            raise Usage(f"{says}, which is no flag here{did_you_mean(name, known) or '.'}")
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, list | dict):
                raise Usage(f"{says} to {json.dumps(value)[:60]}; a flag takes a text or a number, or a list of these.")
            if isinstance(part, str) and part != printable(part):
                raise Usage(f"{says} to {part!r}, in which there are characters that nobody could type.")
            if isinstance(value, list) and re.match(r"-(?![\d.])", str(part)):
                raise Usage(f"{says} to a list with {part!r}; what begins with - is another flag, not a value.")
        return known[name]


def saved(source: str, recipe: str) -> Saved:
    """What is in the file: a run's ``arguments.json``, or flags alone.

    Raises ``Usage`` for anything else and for another recipe's, ``OSError`` for a file that cannot be read.
    """
    try:
        content = plain_json.read(source)
    except OSError as lost:
        raise type(lost)(f"--from {source} cannot be read: {(lost.strerror or str(lost)).lower()}.") from None
    except ValueError as broken:
        raise Usage(f"--from {source} is not JSON {broken}.") from None
    if not isinstance(content, dict):
        raise Usage(f"--from {source} should hold {{flag: value, …}}, but holds a {type(content).__name__}.")
    if not isinstance(content.get("arguments"), dict):
        return Saved(source, content)
    if content.get("recipe", recipe) != recipe:
        raise Usage(f"--from {source} holds the arguments of {content['recipe']}, not of {recipe}.")
    preset = content.get("preset") or ""
    if not isinstance(preset, str):
        raise Usage(f"--from {source} names the preset {json.dumps(preset)[:60]}; a preset is a word.")
    return Saved(source, content["arguments"], preset)


def packages_in(*values: Any) -> Iterator[str]:
    """The packages, not of Python's own library, that dotted names in texts lead to.

    >>> list(packages_in(("0.5*my_lab.methods:mine + at", "zoo.net(width=3)"), "os.system", 4.0))
    ['my_lab', 'zoo']
    """
    for value in values:
        if isinstance(value, list | tuple):
            yield from packages_in(*value)
        for part in re.split(r"[+*]", value.partition("(")[0]) if isinstance(value, str) else ():
            dotted = re.match(r"\s*([^\W\d]\w*)[.:]\w", part)
            if dotted and dotted[1] not in STANDARD:
                yield dotted[1]
