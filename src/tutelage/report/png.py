"""Pictures as PNG data addresses, written with zlib alone."""

import base64
import struct
import zlib
from collections.abc import Sequence


def png_address(pixels: str, shape: Sequence[int]) -> str:
    """A ``data:image/png`` address of base64 uint8 pixels, row by row; ``shape`` is (H, W), or (H, W, 3) for colour.

    Raises ``ValueError`` where shape and pixels do not fit.
    """
    data, channels = base64.b64decode(pixels), 1 if len(shape) == 2 else shape[-1]
    if len(shape) not in (2, 3) or channels not in (1, 3) or len(data) != shape[0] * shape[1] * channels:
        raise ValueError(f"A picture of shape {tuple(shape)} needs (H, W) or (H, W, 3) bytes, but has {len(data)}.")
    row = shape[1] * channels
    lines = b"".join(b"\0" + data[i * row : (i + 1) * row] for i in range(shape[0]))
    header = struct.pack(">2I5B", shape[1], shape[0], 8, 0 if channels == 1 else 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b"")
    png = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
