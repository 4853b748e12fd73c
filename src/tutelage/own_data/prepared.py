"""The samples of each part as tensors of one size: what is broken left out by name, what is the same twice counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from tutelage.data.span_windows import Asked
from tutelage.machine import memory_limit
from tutelage.own_data.decode import channels_of, decode_into, decode_masks
from tutelage.own_data.decoded_file import Kept
from tutelage.own_data.geometry import Geometry, geometry
from tutelage.own_data.source import Encoded, Part, Samples, Source
from tutelage.own_data.split import chosen
from tutelage.own_data.store import SHARE, decoded_in_file, decoded_in_memory, decoded_key
from tutelage.own_data.survey import Header, surveyed
from tutelage.own_data.texts import cut_texts
from tutelage.own_data.tokenisation import Tokenisation
from tutelage.own_data.twins import twins
from tutelage.own_data.windows import cut_questions
from tutelage.plurals import counted, megabytes

NAMED = 5
"""How many broken pictures are named; the others are counted."""


@dataclass(frozen=True)
class How:
    """``size`` and ``channels`` as asked for (0: as they are), threads that decode, and where large sets are kept;
    of texts the file of the vocabulary that cuts them, and how many tokens are kept of one."""

    size: int = 0
    channels: int = 0
    strict: bool = False
    workers: int = 0
    home: Path | None = None
    vocabulary: Path | None = None
    longest: int = 128


@dataclass(frozen=True)
class Prepared:
    """One part: uint8 pictures (N, C, H, W), tokens or numbers (N, …), targets, names, and the sha-256 of mapped
    pictures."""

    inputs: Tensor
    targets: Tensor
    names: tuple[str, ...]
    checksum: str = ""


@dataclass(frozen=True)
class Ready:
    """All parts, how their pictures are kept (``None``: they are no pictures), what was done, in words, how their texts
    were cut (``None``: they are no texts), and what is asked about them (``None``: they are no questions)."""

    parts: Mapping[Part, Prepared]
    geometry: Geometry | None
    notes: tuple[str, ...]
    tokenisation: Tokenisation | None = None
    asked: Asked | None = None


def decoded_parts(source: Source, how: How) -> Ready:
    """Decode the pictures of all parts, cut their texts, or bring tensors to the size and channels asked for.

    Raises ``ValueError`` for broken pictures where ``how`` is strict, where none is left, and for masks that do not
    fit; ``OSError`` where a set that does not fit the memory does not fit the disk either.
    """
    if all(isinstance(samples.inputs, Tensor) for samples in source.parts.values()):
        return _of_tensors(source, how)
    if source.task == "spans":
        return _of_questions(source, how)
    if any(samples.texts for samples in source.parts.values()):
        return _of_texts(source, how)
    parts, headers, notes = _sound(source, how)
    sizes = [header.size for part in headers.values() for header in part]
    shape, words = geometry(sizes, how.size)
    channels, more = channels_of([header.mode for part in headers.values() for header in part])
    notes = [*notes, words, *([more] if more and not how.channels else [])]
    channels = how.channels or channels
    if turned := sum(header.orientation > 1 for part in headers.values() for header in part):
        notes.append(f"{counted(turned, 'picture', 'was', 'were')} turned upright, as their EXIF data say")
    kept, said = _decoded(source, parts, shape, channels, how)
    ready: dict[Part, Prepared] = {}
    digests: dict[Part, list[bytes]] = {}
    for part, found in kept.items():
        sound = [place for place, row in enumerate(found.rows) if not row.broken]
        reasons = {parts[part].names[n]: row.broken for n, row in enumerate(found.rows) if row.broken}
        said += _left_out(source, part, reasons, how.strict)
        samples = chosen(parts[part], sound)
        targets = samples.targets
        if not isinstance(targets, Tensor):
            targets = _masks(source, samples, targets, [headers[part][n].size for n in sound], shape, how)
        ready[part] = Prepared(found.pictures, targets, samples.names, found.checksum)
        digests[part] = [found.rows[n].digest for n in sound]
    _refuse_none_left(source, ready)
    said += twins({part: x.names for part, x in ready.items()}, digests)
    return Ready(ready, shape, (*notes, *said))


def _sound(source: Source, how: How) -> tuple[dict[Part, Samples], dict[Part, list[Header]], list[str]]:
    """The samples whose picture can be opened, with their headers."""
    parts: dict[Part, Samples] = {}
    headers: dict[Part, list[Header]] = {}
    notes: list[str] = []
    for part, samples in source.parts.items():
        if isinstance(samples.inputs, Tensor):
            raise ValueError(f"{source.name} has pictures in one part and numbers in its {part} part; bring one form.")
        found = surveyed(samples.encoded, how.workers)
        broken = {samples.names[n]: header.broken for n, header in enumerate(found) if header.broken}
        notes += _left_out(source, part, broken, how.strict)
        sound = [place for place, header in enumerate(found) if not header.broken]
        if not sound:
            name, reason = next(iter(broken.items()), ("a picture", "is not there"))
            raise ValueError(
                f"{_place(source, part, name)} {reason}, nor is any other of the {part} part; restore them."
            )
        parts[part] = chosen(samples, sound) if broken else samples
        headers[part] = [found[place] for place in sound]
    return parts, headers, notes


def _decoded(
    source: Source, parts: Mapping[Part, Samples], shape: Geometry, channels: int, how: How
) -> tuple[dict[Part, Kept], list[str]]:
    pixels = channels * shape.kept[0] * shape.kept[1]
    total = pixels * sum(map(len, parts.values()))
    fits = total <= SHARE * (memory_limit() or 2**40)
    notes = [f"decoded pictures take {megabytes(total)}" + (" of memory" if fits else f" in files of {how.home}")]
    if not fits and how.home is None:
        raise ValueError(
            f"{source.name} takes {megabytes(total)} once decoded, which the memory lacks; choose a smaller --size."
        )
    kept: dict[Part, Kept] = {}
    for part, samples in parts.items():
        inputs = samples.encoded
        fill = partial(decode_into, inputs=inputs, geometry=shape, workers=how.workers, digests=True)
        size = (len(inputs), channels, *shape.kept)
        if fits or how.home is None:
            kept[part] = decoded_in_memory(size, fill)
        else:
            path = how.home / f"decoded-{decoded_key(inputs, shape, channels)}.uint8"
            kept[part] = decoded_in_file(path, size, fill)
    return kept, notes + [found.note for found in kept.values() if found.note]


def _masks(
    source: Source, samples: Samples, masks: Encoded, sizes: Sequence[tuple[int, int]], shape: Geometry, how: How
) -> Tensor:
    out = torch.empty(len(masks), *shape.kept, dtype=torch.uint8)
    for place, row in enumerate(decode_masks(out, masks, sizes, shape, how.workers)):
        if row.broken:
            mask = masks[place]
            where = str(mask) if isinstance(mask, Path) else f"The mask of {samples.names[place]} of {source.name}"
            raise ValueError(
                f"{where} {row.broken.replace('is not a sound image', 'is no mask of its picture')}; mend it."
            )
    return out


def _left_out(source: Source, part: Part, broken: Mapping[str, str], strict: bool) -> list[str]:
    if not broken:
        return []
    named = [f"{_place(source, part, name)} {reason}" for name, reason in list(broken.items())[:NAMED]]
    if strict:
        raise ValueError(f"{named[0]}, one of {counted(len(broken), 'picture')}; restore them, or leave out --strict.")
    more = f"; and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
    left_out = counted(len(broken), "picture", "was", "were")
    return [f"in the {part} part {left_out} left out: {'; '.join(named)}{more}"]


def _place(source: Source, part: Part, name: str) -> str:
    """The path of a sample, or its name where it has none."""
    samples = source.parts[part]
    place = samples.names.index(name)
    picture = samples.inputs[place]
    return str(picture) if isinstance(picture, Path) else f"{source.name}, {name}"


def _refuse_none_left(source: Source, ready: Mapping[Part, Prepared], what: str = "picture") -> None:
    if source.task != "classification":
        return
    before = source.parts["train"].targets
    assert isinstance(before, Tensor)
    counts = [x.bincount(minlength=len(source.classes)) for x in (before, ready["train"].targets)]
    if gone := [name for name, was, left in zip(source.classes, *counts, strict=True) if was and not left]:
        raise ValueError(f"{source.name} has no sound training {what} of {gone[0]!r}; restore some, or remove it.")


def _of_texts(source: Source, how: How) -> Ready:
    cut = cut_texts(source, how.vocabulary, how.longest, how.strict)
    parts: dict[Part, Prepared] = {}
    for part, samples in cut.parts.items():
        targets = samples.targets
        assert isinstance(targets, Tensor)
        parts[part] = Prepared(cut.tokens[part], targets, samples.names)
    _refuse_none_left(source, parts, "text")
    return Ready(parts, None, cut.notes, cut.tokenisation)


def _of_questions(source: Source, how: How) -> Ready:
    cut = cut_questions(source, how.vocabulary, how.longest, how.strict)
    parts = {part: Prepared(x.inputs, x.targets, cut.names[part]) for part, x in cut.parts.items()}
    return Ready(parts, None, cut.notes, cut.tokenisation, cut.asked)


def _of_tensors(source: Source, how: How) -> Ready:
    parts: dict[Part, Prepared] = {}
    notes: list[str] = []
    shape: Geometry | None = None
    for part, samples in source.parts.items():
        x, y = samples.inputs, samples.targets
        assert isinstance(x, Tensor) and isinstance(y, Tensor)
        if x.ndim == 3 and how.channels:  # grey, of fractions that might be anything else
            x = x[:, None]
        if x.ndim == 4:
            x, y = _as_asked(x, y, how)
            size = (x.shape[2], x.shape[3])
            shape = Geometry(size, size)
        elif how.size or how.channels:
            notes.append("inputs are no pictures: --size and --channels say nothing about them")
        parts[part] = Prepared(x.contiguous(), y, samples.names)
    return Ready(parts, shape, tuple(dict.fromkeys(notes)))


def _as_asked(x: Tensor, y: Tensor, how: How) -> tuple[Tensor, Tensor]:
    """Pictures and masks (of three dimensions) in the size and channels that are asked for."""
    levels = x.dtype == torch.uint8
    if how.channels == 3 and x.shape[1] == 1:
        x = x.expand(-1, 3, -1, -1)
    if how.channels == 1 and x.shape[1] == 3:
        grey = (x.float() * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
        x = grey.round().to(torch.uint8) if levels else grey
    if how.size and x.shape[2:] != (how.size, how.size):
        size = (how.size, how.size)
        x = torch.cat([interpolate(part, size, mode="bilinear", antialias=True) for part in x.split(256)])
        if y.ndim == 3:
            y = interpolate(y[:, None], size, mode="nearest-exact")[:, 0]
    return x, y
