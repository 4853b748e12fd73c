"""WAV files as samples, by the standard library's ``wave``, which knows PCM alone; anything else is refused."""

import wave
from io import BytesIO

import torch
from torch import Tensor

from tutelage.data.contents import AGAIN, one_line

RATE = 8000
"""Samples a second: of a telephone, and of the recordings that are read here."""
LONGEST = 60 * RATE
"""Samples of a recording of one word: a minute."""


def read_wave(content: bytes, name: str, rate: int = RATE, longest: int = LONGEST) -> Tensor:
    """The samples (int16, of one channel) that a WAV file of 16-bit PCM holds; ``name`` is what messages call it.

    ``rate`` is in samples a second. A WAV file has no checksum: that a sample was changed is not found out here.

    Raises ``ValueError`` in one sentence for what is no WAV file, one whose header promises other than follows, for
    another rate, width or number of channels, for no samples, and for more than ``longest``.
    """
    try:
        with wave.open(BytesIO(content)) as file:
            channels, width, found, count = file.getparams()[:4]
            held = file.readframes(count)  # of which there may be fewer
    except Exception as error:  # damage may end anywhere in a decoder
        if str(error).startswith("unknown format"):
            raise ValueError(
                f"{name} is a WAV file in another form than plain PCM ({one_line(error)}); convert it to 16-bit PCM, "
                "or leave it out."
            ) from None
        ends = "its header is cut short" if isinstance(error, EOFError) else one_line(error)
        raise ValueError(f"{name} is not a sound WAV file of PCM ({ends}). {AGAIN}") from None
    _refuse_form(name, channels, width, found, rate)
    size = int.from_bytes(content[4:8], "little") + 8
    if len(held) != 2 * count or not size <= len(content) <= size + size % 2:
        raise ValueError(
            f"{name} has a header that lies: it promises {count} samples in a file of {size} bytes, and there are "
            f"{len(held) // 2} in {len(content)}. {AGAIN}"
        )
    _refuse_count(name, count, longest)
    return torch.frombuffer(bytearray(held), dtype=torch.uint8).view(-1, 2).int().mul(
        torch.tensor([1, 256], dtype=torch.int32)
    ).sum(1).to(torch.int16)  # fmt: skip


def _refuse_form(name: str, channels: int, width: int, found: int, rate: int) -> None:
    for what, there, wanted, cure in (
        ("samples a second", found, rate, "resample it"),
        ("bytes a sample", width, 2, "convert it to 16-bit PCM"),
        ("channels", channels, 1, "mix them into one"),
    ):
        if there != wanted:
            raise ValueError(f"{name} has {there} {what} where {wanted} {_is(wanted)} read; {cure}, or leave it out.")


def _refuse_count(name: str, count: int, longest: int) -> None:
    if not count:
        raise ValueError(f"{name} holds no samples; record it again, or leave it out.")
    if count > longest:
        raise ValueError(f"{name} has {count} samples, and at most {longest} are read; cut it, or leave it out.")


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
