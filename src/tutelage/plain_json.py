"""JSON of any origin as plain values, or the place and the reason why it is none."""

import json
import re
from pathlib import Path
from typing import Any

LARGEST = 100_000_000
"""Bytes of a file; as values, JSON takes up to twenty times as much."""
DEEPEST = 100
"""Lists and objects inside of each other: whoever walks through them needs a few calls for each."""
_DIGITS = 300  # of a whole number: still a float; states of random generators have 128 bits
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # of a character that takes two, which no file can hold alone


def read(path: Path | str) -> Any:
    """What a file of JSON says. Raises ``OSError`` where it cannot be read, else as ``parsed``."""
    if (size := Path(path).stat().st_size) > LARGEST:
        raise ValueError(f"at its end: it has {size} bytes, and at most {LARGEST} are read")
    return parsed(Path(path).read_bytes())


def parsed(content: str | bytes, line: int = 1) -> Any:
    """The values of a JSON text that begins at a file's ``line``; NaN and infinite numbers are let through.

    Raises ``ValueError`` with the place and the reason, to be put behind the file's name: bytes that are no UTF-8, a
    key that an object has twice, whole numbers of more than 300 digits, more than ``DEEPEST`` levels.

    >>> parsed('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> parsed('{"a": 1, "a": 2}', line=7)
    Traceback (most recent call last):
    ValueError: at line 7: the key 'a' stands there twice
    """
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content.removeprefix("\ufeff")
        value = json.loads(text, object_pairs_hook=_object, parse_int=_whole)
        if _HALF.search(text.encode()):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise ValueError(f"at line {line - 1 + error.lineno}, column {error.colno}: {error.msg}") from None
    except UnicodeDecodeError as error:
        assert isinstance(content, bytes)
        place = line + content.count(b"\n", 0, error.start)
        raise ValueError(f"at line {place}: the byte {content[error.start]:#04x} is no UTF-8 there") from None
    except UnicodeEncodeError:
        raise ValueError(f"at line {line}: a text has half of a character (\\ud800 to \\udfff)") from None
    except RecursionError:
        raise ValueError(_deep(line)) from None
    except ValueError as error:
        raise ValueError(f"at line {line}: {error}") from None
    _refuse_deep(value, line)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(x for x in names if names.count(x) > 1)[:60]!r} stands there twice")
    return found


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a whole number has {len(digits)} digits, and at most {_DIGITS} are read")
    return int(digits)


def _refuse_deep(value: Any, line: int) -> None:
    level = [value]
    for _ in range(DEEPEST + 1):
        inner = [list(x.values()) if isinstance(x, dict) else x for x in level if isinstance(x, dict | list)]
        level = [y for x in inner for y in x]
    if level:
        raise ValueError(_deep(line))


def _deep(line: int) -> str:
    return f"at line {line}: lists and objects are inside of each other more than {DEEPEST} deep"
