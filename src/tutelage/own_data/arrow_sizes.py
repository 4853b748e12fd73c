"""What columns of arrow take as plain values, and whether a file of them is packed: known before it is done."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tutelage.data.pictures import needed

OBJECT = 48
"""Bytes that Python takes for a value, beside what it holds."""
BATCH, DICTIONARY = 3, 2
"""Kinds of messages, as the format numbers them."""


class StrangeColumnError(ValueError):
    """A column is of a kind that tables do not have, which is what this is called by."""


def plain_bytes(column: Any) -> int:
    """Bytes that ``plain(column)`` takes at most: of nulls and runs there are any number in no bytes at all.

    Raises ``StrangeColumnError`` for columns of other kinds than tables have.
    """
    if _is_dictionary(column):
        return OBJECT * len(column) + plain_bytes(_used(column)[1])
    return int(column.nbytes) + OBJECT * _values(column)


def plain(column: Any) -> list[Any]:
    """The values as Python has them; those of a dictionary once, however often they are there."""
    if not _is_dictionary(column):
        return list(column.to_pylist())
    places, values = _used(column)
    known = dict(zip(places.to_pylist(), values.to_pylist(), strict=True))
    return [known.get(place) for place in column.indices.to_pylist()]


def _is_dictionary(column: Any) -> bool:
    return bool(needed("pyarrow").types.is_dictionary(column.type))


def _used(column: Any) -> tuple[Any, Any]:
    """The places of a dictionary that its column names, and what stands there."""
    places = column.indices.unique().drop_null()
    return places, column.dictionary.take(places)


def _values(column: Any) -> int:
    """How many, those within lists counted."""
    arrow = needed("pyarrow")
    kind = column.type
    if isinstance(column, arrow.ExtensionArray):
        return _values(column.storage)
    if arrow.types.is_struct(kind):
        return len(column) + sum(_values(column.field(n)) for n in range(kind.num_fields))
    if arrow.types.is_list(kind) or arrow.types.is_large_list(kind) or arrow.types.is_fixed_size_list(kind):
        return len(column) + _values(column.flatten())
    if arrow.types.is_nested(kind) or _is_dictionary(column):
        raise StrangeColumnError(str(kind))
    return len(column)


def is_packed(path: Path) -> bool:
    """Whether batches of a stream of arrow are packed: ``datasets`` packs none, and a few bytes may hold any number."""
    arrow, ipc = needed("pyarrow"), needed("pyarrow.ipc")
    with arrow.memory_map(str(path)) as mapped:
        return any(_is_packed(bytes(message.metadata)) for message in _messages(ipc.MessageReader.open_stream(mapped)))


def _messages(reader: Any) -> Iterator[Any]:
    while True:
        try:
            yield reader.read_next_message()
        except StopIteration:
            return


def _is_packed(message: bytes) -> bool:
    """Of a ``Message`` of arrow's ``format/Message.fbs``: a table of FlatBuffers, each field of it at an offset."""
    root = struct.unpack_from("<I", message)[0]
    kind = _field(message, root, 1)
    header = _field(message, root, 2)
    if kind is None or header is None:
        return False
    batch = header + struct.unpack_from("<I", message, header)[0]
    what = message[kind]
    if what == DICTIONARY:
        place = _field(message, batch, 1)
        if place is None:
            return False
        batch, what = place + struct.unpack_from("<I", message, place)[0], BATCH
    return what == BATCH and _field(message, batch, 3) is not None


def _field(message: bytes, table: int, number: int) -> int | None:
    """Where a field of a table lies; nothing where it is left out."""
    fields = table - struct.unpack_from("<i", message, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", message, fields)[0]:
        return None
    offset = struct.unpack_from("<H", message, fields + 4 + 2 * number)[0]
    return table + offset if offset else None
