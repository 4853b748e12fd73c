"""What the pages of a parquet file say that they unpack to, read before any of it is unpacked.

A footer may say anything, and a page of a few bytes may hold gigabytes: zeros that are packed, a run of one value, one
row that is a list of a thousand million. So page after page is asked, as the reader will find them, by the compact
protocol of Thrift: github.com/apache/parquet-format, ``src/main/thrift/parquet.thrift``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

MAGIC = b"PAR1"
LONGEST = 2**26
"""Bytes of a footer; and of a page's header, which is some dozens."""
DEEPEST = 16
MOST = 2**20
"""Values of a footer, or of a page's header: as many as 40,000 pieces of columns have. Each takes a byte of the file or
less, and a hundred of the memory; so much text as fits the footer is one value."""
VALUE = 8
"""Bytes that a value takes at least, by what is counted here: of nulls and runs there are any number in none."""
DICTIONARY = 7
HEADERS = (5, DICTIONARY, 8)
"""Where a page's header has that of its kind, whose first field is how many values it holds."""
Struct = dict[int, Any]


@dataclass(frozen=True)
class Unpacked:
    """``total`` bytes of all pages, and of the dictionaries of one row group, of which one value may be each row's."""

    total: int = 0
    dictionaries: int = 0


def unpacked(path: Path) -> Unpacked:
    """What the file unpacks to. Raises ``ValueError``, ``EOFError`` and the like for one that is no sound file."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        footer = _footer(file, size)
        total, largest = 0, 0
        for group in footer.get(4, []):
            held = 0
            for column in group[1]:
                for page in _pages(file, size, column[3]):
                    values = max(int(page.get(kind, {}).get(1, 0)) for kind in HEADERS)
                    taken = int(page[2])
                    if taken < 0 or values < 0:
                        raise ValueError("a page has less than no bytes")
                    total += max(taken, VALUE * values)
                    held += taken if DICTIONARY in page else 0
            largest = max(largest, held)
    return Unpacked(total, largest)


def _footer(file: BinaryIO, size: int) -> Struct:
    if size < 12:
        raise ValueError("it is cut short")
    file.seek(size - 8)
    length, magic = int.from_bytes(file.read(4), "little"), file.read(4)
    if magic != MAGIC or not 0 < length <= min(size - 12, LONGEST):
        raise ValueError("it has no footer that can be read")
    file.seek(size - 8 - length)
    return _structured(BytesIO(file.read(length)))


def _structured(file: BinaryIO) -> Struct:
    """The structure that begins here. Raises ``ValueError`` for one of more values than ``MOST``."""
    return _struct(file, 0, iter(range(MOST)))


def _pages(file: BinaryIO, size: int, about: Struct) -> Iterator[Struct]:
    """The headers of a column's pages, which lie one after the other."""
    starts = [int(about[place]) for place in (9, 11) if int(about.get(place, 0)) > 0]
    place, end = min(starts), min(starts) + int(about[7])
    if not 0 <= place <= end <= size:
        raise ValueError("a column lies outside of it")
    while place < end:
        file.seek(place)
        page = _structured(file)
        length = int(page[3])
        if length < 0 or file.tell() + length > size:
            raise ValueError("a page is longer than the file")
        yield page
        place = file.tell() + length


def _struct(file: BinaryIO, depth: int, left: Iterator[int]) -> Struct:
    if depth > DEEPEST:
        raise ValueError("it is nested too deep")
    fields: Struct = {}
    last = 0
    while kind := _byte(file):
        last = last + (kind >> 4) if kind >> 4 else _signed(file)
        fields[last] = _value(file, kind & 15, depth + 1, left)
    return fields


def _value(file: BinaryIO, kind: int, depth: int, left: Iterator[int], *, inside: bool = False) -> Any:
    """``kind`` is as the protocol numbers types; ``inside`` a list a truth value is a byte; so many are ``left``."""
    if next(left, None) is None:
        raise ValueError(f"it describes more than {MOST:,} values")
    match kind:
        case 1 | 2:
            return _byte(file) == 1 if inside else kind == 1
        case 3:
            return _byte(file)
        case 4 | 5 | 6:
            return _signed(file)
        case 7:
            return _bytes(file, 8)
        case 8:
            return _bytes(file, _number(file))
        case 9 | 10:
            head = _byte(file)
            count = head >> 4 if head >> 4 < 15 else _number(file)
            if count > LONGEST:
                raise ValueError("it has a list that is too long")
            return [_value(file, head & 15, depth, left, inside=True) for _ in range(count)]
        case 11:
            count = _number(file)
            kinds = _byte(file) if count else 0
            if count > LONGEST:
                raise ValueError("it has a map that is too long")
            return [
                tuple(_value(file, x, depth, left, inside=True) for x in (kinds >> 4, kinds & 15)) for _ in range(count)
            ]
        case 12:
            return _struct(file, depth, left)
    raise ValueError(f"it has a value of the type {kind}")


def _byte(file: BinaryIO) -> int:
    return _bytes(file, 1)[0]


def _bytes(file: BinaryIO, count: int) -> bytes:
    if count > LONGEST or len(found := file.read(count)) < count:
        raise EOFError("it is cut short")
    return found


def _number(file: BinaryIO) -> int:
    """A variable-length number."""
    number = 0
    for shift in range(0, 70, 7):
        byte = _byte(file)
        number |= (byte & 127) << shift
        if byte < 128:
            return number
    raise ValueError("it has a number that is too long")


def _signed(file: BinaryIO) -> int:
    number = _number(file)
    return (number >> 1) ^ -(number & 1)
