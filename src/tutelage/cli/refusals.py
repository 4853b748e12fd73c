"""What tyro says of words that make no sense, as one sentence of ours."""

import re
from collections.abc import Sequence

from tutelage.cli.flag import Flag

CHOICE = re.compile(r"Invalid choice '(.*)' for argument '(--\S+)'\. Expected one of \((.*?),?\)\.")


def refusal(box: str, words: Sequence[str], flags: Sequence[Flag]) -> str:
    """The message out of the frame that tyro draws around it; ``flags`` says what the values of a flag are.

    >>> refusal("Invalid choice 'x' for argument '--kind'. Expected one of ('soft', 'hard').", [], [])
    "--kind must be one of soft, hard; got 'x'."
    """
    said = _message(box)
    said = said[:1].upper() + said[1:].rstrip(".") + "."
    if choice := CHOICE.fullmatch(said):
        known = choice[3].replace("'", "")
        wrong = [value for value in values_of(choice[2], words) if value not in known.split(", ")]
        return f"{choice[2]} must be one of {known}; got {next(iter(wrong), choice[1])!r}."  # tyro breaks long ones
    if said.startswith("Unrecognized options"):
        return _too_many(words, flags) or said
    spelled = re.match(r"Error parsing (--[^\s:]+)", said)
    flag = next((flag for flag in flags if spelled and flag.spelled == spelled[1]), None)
    return (flag and _no_number(flag, words)) or said.replace("Expected 1 values.", "Expected 1 value.")


def _message(box: str) -> str:
    """What stands between the title and the next rule; in plain ASCII the title has a line of its own."""
    parts: list[list[str]] = [[]]
    for line in box.splitlines():
        words = line.strip("│ ")
        if re.match(r"[╭╰]|[─-]{4,}$", words):
            parts.append([])
        elif words:
            parts[-1].append(words)
    found = [" ".join(part) for part in parts if part]
    return found[1] if "│" not in box and len(found) > 1 else " ".join(found[:1])


def _no_number(flag: Flag, words: Sequence[str]) -> str:
    """That a value is no number where the flag takes numbers; nothing if it is something else that is wrong."""
    numbers = [kind for kind in flag.kinds if kind in (int, float)]
    wrong = [value for value in values_of(flag.spelled, words) if not any(_is(kind, value) for kind in numbers)]
    if not numbers or not wrong:
        return ""
    noun = "number" if float in numbers else "whole number"
    return f"{flag.spelled} takes {f'{noun}s' if flag.takes_several else f'a {noun}'}; got {wrong[0]!r}."


def _too_many(words: Sequence[str], flags: Sequence[Flag]) -> str:
    """Which flag was given more values than it takes, or the word before all flags that is none."""
    for flag in flags:
        for spelled in flag.spellings:
            values = values_of(spelled, words)
            if bool in flag.kinds and values:
                return f"{spelled} takes no value; got {values[0]!r}."
            if not flag.takes_several and len(values) > sum(_names(word, spelled) for word in words):
                return f"{spelled} takes one value; got {' and '.join(map(repr, values))}."
    stray = next((word for word in words if not word.startswith("--")), "")
    return f"Flags begin with two dashes; got {stray!r}." if stray else ""


def _names(word: str, spelled: str) -> bool:
    return word.partition("=")[0].replace("_", "-") == spelled


def _is(kind: type[int] | type[float], value: str) -> bool:
    try:
        kind(value)
    except ValueError:
        return False
    return True


def values_of(spelled: str, words: Sequence[str]) -> list[str]:
    """All words that were given to a flag."""
    values: list[str] = []
    mine = False
    for word in words:
        if word.startswith("--"):
            name, sign, value = word.partition("=")
            mine = _names(name, spelled)
            values += [value] if mine and sign else []
        elif mine:
            values.append(word)
    return values
