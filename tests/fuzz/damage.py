"""What may happen to a file: each function takes a generator of random numbers, and the same one damages alike."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

Damage = Callable[[bytes, Random], bytes]
EXTREMES = (0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
NUMBERS = ("<B", "<H", ">H", "<I", ">I", "<Q", ">Q")
STRANGERS: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7, 2**31, 2**63, 10**299, 0.5, -0.0, 1e308, -1e308, 5e-324),
    *(float("nan"), float("inf"), "", "x", "12", "nan", "\0", "\ud800", "\u2028", "é" * 300, "../..", "<b>&"),
    *([], {}, [[]], [None], {"": None}, {"a": 1}, [0] * 50, [[0, 0], [1]], {"dict": [[{"list": []}, 1]]}),
)


def flipped(content: bytes, random: Random) -> bytes:
    """One to eight bits, anywhere."""
    changed = bytearray(content)
    for _ in range(random.randint(1, 8) if changed else 0):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def overwritten(content: bytes, random: Random) -> bytes:
    """A run of zeros, of ones, or of noise in the place of what stood there."""
    start, length = _part(content, random)
    return content[:start] + _noise(length, random) + content[start + length :]


def cut(content: bytes, random: Random) -> bytes:
    """Only its beginning, or only its end."""
    place = random.randrange(len(content) + 1)
    return content[:place] if random.random() < 0.8 else content[place:]


def inserted(content: bytes, random: Random) -> bytes:
    place = random.randrange(len(content) + 1)
    return content[:place] + _noise(random.choice((1, 3, 64, 5000)), random) + content[place:]


def removed(content: bytes, random: Random) -> bytes:
    start, length = _part(content, random)
    return content[:start] + content[start + length :]


def repeated(content: bytes, random: Random) -> bytes:
    start, length = _part(content, random)
    return content[: start + length] + content[start:]


def swapped(content: bytes, random: Random) -> bytes:
    """Two blocks, each in the place of the other."""
    a, b, c, d = sorted(random.randrange(len(content) + 1) for _ in range(4))
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def exaggerated(content: bytes, random: Random) -> bytes:
    """The largest numbers, and other extremes, where lengths may stand: mostly near the beginning or the end."""
    number, kind = random.choice(EXTREMES), random.choice(NUMBERS)
    written = struct.pack(kind, number % 256 ** struct.calcsize(kind))
    near = random.choice((64, 512, len(content) or 1))
    place = min(random.randrange(near), len(content))
    place = len(content) - place if random.random() < 0.3 else place
    return content[:place] + written + content[place + len(written) :]


PLAIN: tuple[Damage, ...] = (flipped, flipped, overwritten, cut, inserted, removed, repeated, swapped, exaggerated)


def anyhow(content: bytes, random: Random) -> bytes:
    return random.choice(PLAIN)(content, random)


def rearranged(content: bytes, random: Random) -> bytes:
    """JSON that is still JSON, or nearly: a value of another kind, a key less or twice, lists without end."""
    value = json.loads(content)
    for _ in range(random.choice((1, 1, 1, 3))):
        places = list(_places(value))
        if not places:
            return json.dumps(random.choice(STRANGERS)).encode()
        outer, key = random.choice(places)
        act = random.randrange(6)
        if act == 0:
            del outer[key]
        elif act == 1:
            other, place = random.choice(places)
            outer[key] = deepcopy(other[place])
        elif act == 2 and isinstance(outer, list):
            outer[key:key] = [deepcopy(outer[key]) for _ in range(random.choice((1, 40)))]
        elif act == 3 and isinstance(outer[key], int | float) and not isinstance(outer[key], bool):
            outer[key] = random.choice((-outer[key], outer[key] * 10**9, 0.5, outer[key] // 1, str(outer[key])))
        else:
            outer[key] = deepcopy(random.choice(STRANGERS))
    written = json.dumps(value)
    if random.random() < 0.05:
        deep = random.choice((50, 150, 5000))
        written = written.replace("null", "[" * deep + "]" * deep, 1)
    if random.random() < 0.05:
        written = written.replace("1", "1" * random.choice((19, 200, 400, 5000)), 1)
    if random.random() < 0.05 and (start := written.find('"')) >= 0:
        key = written[start : written.index('"', start + 1) + 1]
        written = written.replace(key, f"{key}: 0, {key}", 1)
    return (b"\xef\xbb\xbf" if random.random() < 0.02 else b"") + written.encode()


def rearranged_line(content: bytes, random: Random) -> bytes:
    lines = content.splitlines()
    place = random.randrange(len(lines))
    return b"\n".join([*lines[:place], rearranged(lines[place], random), *lines[place + 1 :]])


def in_gzip(content: bytes, random: Random) -> bytes:
    """What is packed, damaged and packed again."""
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(anyhow(zlib.decompress(content, wbits=31), random)) + packer.flush()


def in_zip(content: bytes, random: Random) -> bytes:
    """One file of the archive, with a checksum that is right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = [(file, archive.read(file)) for file in archive.infolist()]
    chosen = random.randrange(len(files))
    chosen = (
        next((i for i, (file, _) in enumerate(files) if file.filename.endswith("data.pkl")), chosen)
        if random.random() < 0.7
        else chosen
    )
    act, packed = random.randrange(8), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED if act == 0 else zipfile.ZIP_STORED) as archive:
        for place, (file, inside) in enumerate(files):
            if act == 1 and place == chosen:
                continue
            archive.writestr(file.filename, anyhow(inside, random) if place == chosen and act > 1 else inside)
    return packed.getvalue()


def in_png(content: bytes, random: Random) -> bytes:
    """One chunk, with a checksum that is right; of pixels, what is packed."""
    chunks, place = [], 8
    while place < len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + size]))
        place += size + 12
    chosen = random.randrange(len(chunks))
    kind, inside = chunks[chosen]
    if kind == b"IDAT" and random.random() < 0.5:
        inside = zlib.compress(anyhow(zlib.decompress(inside), random))
    else:
        inside = anyhow(inside, random)
    chunks[chosen] = (kind, inside)
    if random.random() < 0.2:
        extra = random.choice((b"iTXt", b"zTXt", b"iCCP", b"eXIf", b"tRNS", b"PLTE", b"acTL", b"fcTL", b"fdAT"))
        chunks.insert(
            random.randrange(len(chunks)),
            (extra, random.choice((b"", b"a\0\0" + zlib.compress(bytes(10**6)), _noise(26, random)))),
        )
    written = (struct.pack(">I", len(x)) + kind + x + struct.pack(">I", zlib.crc32(kind + x)) for kind, x in chunks)
    return content[:8] + b"".join(written)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every value inside of ``value``: what holds it, and under which key or number."""
    found, waiting = [], [value]
    while waiting:
        outer = waiting.pop()
        keys = list(outer) if isinstance(outer, dict) else range(len(outer)) if isinstance(outer, list) else ()
        found += [(outer, key) for key in keys]
        waiting += [outer[key] for key in keys]
    return found


def _part(content: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(content) + 1)
    return start, min(random.choice((1, 2, 4, 16, 100, 1000)), len(content) - start)


def _noise(length: int, random: Random) -> bytes:
    return random.choice((bytes(length), b"\xff" * length, random.randbytes(length), b"\x80" * length))
