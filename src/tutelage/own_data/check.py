"""What lies somewhere, before hours are spent on it: every picture is decoded once, every text read; nothing is
written."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from tutelage.own_data.check_texts import looked_through
from tutelage.own_data.decode import Decoded, channels_of, decode_into, decode_masks
from tutelage.own_data.geometry import Geometry, geometry
from tutelage.own_data.prepared import How
from tutelage.own_data.read import read
from tutelage.own_data.source import Encoded, Part, Samples, Source
from tutelage.own_data.survey import Header, surveyed
from tutelage.own_data.twins import pairs
from tutelage.own_data.wanted import Wanted
from tutelage.plurals import counted

LOOKED = 64
"""Pixels a side that pictures are decoded to: enough to see that all of them can be, and which are the same."""
TOGETHER = 1024
"""Pictures that are decoded at once."""
MASK = "has a mask that"
UNEVEN = 10.0
"""How many times as many samples the largest class has as the smallest, from which on it is said."""


@dataclass(frozen=True)
class Looked:
    """One part: how many samples, of each class, heights and widths, modes, how many lie on their side, what is broken.

    ``sizes`` are the least, the median and the greatest height and width, or number of words.
    """

    count: int
    classes: Mapping[str, int]
    sizes: Mapping[str, tuple[int, int, int]]
    modes: Mapping[str, int]
    turned: int
    broken: Mapping[str, str]


@dataclass(frozen=True)
class Findings:
    """What was found, in sentences where it is no number."""

    name: str
    task: str
    classes: tuple[str, ...]
    parts: Mapping[str, Looked]
    notes: tuple[str, ...]
    """what a run would assume, and what it would leave out"""
    warnings: tuple[str, ...]
    """what a person should know"""
    errors: tuple[str, ...]
    """what makes training impossible"""

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return asdict(self)


def look(where: str | Path, wanted: Wanted | None = None, how: How | None = None) -> Findings:
    """What there is at ``where`` (as ``read`` takes it), each picture decoded, each text read, and what a run would do.

    Raises as ``read`` does, for what cannot be read at all.
    """
    source, how = read(where, wanted), how or How()
    what = "text" if source.parts["train"].texts else "picture"
    sizes: list[tuple[int, int]] = []
    modes: list[str] = []
    parts: dict[Part, Looked] = {}
    digests: dict[Part, list[bytes]] = {}
    names: dict[Part, list[str]] = {}
    for part, samples in source.parts.items():
        headers, decoded = _decoded(samples, how.workers)
        parts[part] = _looked(source, samples, headers, decoded)
        sound = [place for place, row in enumerate(decoded) if not row.broken]
        sizes += [headers[place].size for place in sound]
        modes += [headers[place].mode for place in sound]
        digests[part] = [decoded[place].digest for place in sound]
        names[part] = [samples.names[place] for place in sound]
    warnings = [*_of_parts(parts, what), *_of_twins(names, digests, source, what), *_of_classes(parts)]
    errors = [
        f"the {part} part has no sound {what}" for part, x in parts.items() if x.count and len(x.broken) == x.count
    ]
    errors += _empty_classes(source, parts, what)
    wrong = [f"{name} {why}" for x in parts.values() for name, why in x.broken.items() if why.startswith(MASK)]
    errors += [f"{counted(len(wrong), 'mask')} cannot be learnt from, the first: {wrong[0]}; mend it"] if wrong else []
    notes = list(source.notes)
    if sizes and what == "picture" and not isinstance(source.parts["train"].inputs, Tensor):
        notes += filter(None, (geometry(sizes, how.size)[1], channels_of(modes)[1]))
    named: Mapping[str, Looked] = {str(part): x for part, x in parts.items()}
    return Findings(source.name, source.task, source.classes, named, tuple(notes), tuple(warnings), tuple(errors))


def _decoded(samples: Samples, workers: int) -> tuple[list[Header], list[Decoded]]:
    """The headers of pictures and what became of each; of numbers and texts, their sizes and digests of their own."""
    if samples.texts:
        counts, looked = looked_through(samples.texts)
        return [Header((count, 0)) for count in counts], looked
    if isinstance(samples.inputs, Tensor):
        x = samples.inputs
        size = (x.shape[2], x.shape[3]) if x.ndim == 4 else (0, 0)
        mode = {1: "L", 3: "RGB"}.get(x.shape[1], str(x.dtype).removeprefix("torch.")) if x.ndim == 4 else "numbers"
        bits = [row.contiguous().flatten().view(torch.uint8).numpy().tobytes() for row in x]
        return [Header(size, mode)] * len(x), [Decoded(sha256(row).digest()[:16]) for row in bits]
    headers = surveyed(samples.encoded, workers)
    rows: list[Decoded] = []
    shape = Geometry((LOOKED, LOOKED), (LOOKED, LOOKED), LOOKED)
    for start in range(0, len(samples), TOGETHER):
        inputs = samples.encoded[start : start + TOGETHER]
        out = torch.empty(len(inputs), 3, LOOKED, LOOKED, dtype=torch.uint8)
        found = decode_into(out, inputs, shape, workers, digests=True)
        if not isinstance(samples.targets, Tensor):
            masks = samples.targets[start : start + TOGETHER]
            found = _with_masks(found, masks, headers[start : start + TOGETHER], shape, workers)
        rows += found
    return headers, rows


def _with_masks(
    found: Sequence[Decoded], masks: Encoded, headers: Sequence[Header], shape: Geometry, workers: int
) -> list[Decoded]:
    out = torch.empty(len(masks), *shape.kept, dtype=torch.uint8)
    rows = decode_masks(out, masks, [header.size for header in headers], shape, workers)
    return [
        x
        if x.broken or not row.broken
        else Decoded(broken=f"{MASK} {row.broken.replace('is not a sound image', 'does not fit it')}")
        for x, row in zip(found, rows, strict=True)
    ]


def _looked(source: Source, samples: Samples, headers: Sequence[Header], decoded: Sequence[Decoded]) -> Looked:
    sound = [header for header, row in zip(headers, decoded, strict=True) if not row.broken]
    sizes: dict[str, tuple[int, int, int]] = {}
    if sound and sound[0].size != (0, 0):
        for axis, name in enumerate(("words",) if samples.texts else ("height", "width")):
            lengths = [header.size[axis] for header in sound]
            sizes[name] = (min(lengths), int(median(lengths)), max(lengths))
    broken = {name: row.broken for name, row in zip(samples.names, decoded, strict=True) if row.broken}
    return Looked(
        len(samples),
        _counts(source, samples),
        sizes,
        dict(sorted(Counter(header.mode for header in sound if header.mode).items())),
        sum(header.orientation > 1 for header in sound),
        broken,
    )


def _counts(source: Source, samples: Samples) -> dict[str, int]:
    targets = samples.targets
    if not isinstance(targets, Tensor) or 0 in targets.shape:
        return {}
    if source.task == "classification":
        counts = targets.bincount(minlength=len(source.classes)).tolist()
    elif source.task == "multi-label":
        counts = targets.sum(0).long().tolist()
    else:
        return {}
    return dict(zip(source.classes, counts, strict=True))


def _of_parts(parts: Mapping[Part, Looked], what: str) -> list[str]:
    said = []
    for part, looked in parts.items():
        if looked.broken:
            shown = "; ".join(f"{name} {reason}" for name, reason in list(looked.broken.items())[:5])
            said.append(f"in the {part} part {counted(len(looked.broken), what, 'is', 'are')} broken: {shown}")
        if looked.turned:
            turned = counted(looked.turned, "picture", "lies on its side", "lie on their side")
            said.append(f"in the {part} part {turned}; a run turns what lies so upright")
        if len(looked.modes) > 1:
            modes = ", ".join(f"{count} {mode}" for mode, count in looked.modes.items())
            said.append(f"pictures of the {part} part have several modes: {modes}")
    return said


def _of_twins(
    names: Mapping[Part, Sequence[str]], digests: Mapping[Part, Sequence[bytes]], source: Source, what: str
) -> list[str]:
    """Pictures that look the same at ``LOOKED`` pixels, or texts that say the same, twice in a part or in two; with
    which classes."""
    labels = {
        part: dict(zip(samples.names, samples.targets.tolist(), strict=True))
        for part, samples in source.parts.items()
        if source.task == "classification" and isinstance(samples.targets, Tensor) and samples.targets.ndim == 1
    }
    said = []
    for (one, other), both in pairs(names, digests).items():
        shown = ", ".join(f"{a} = {b}" for a, b in both[:3]) + (" …" if len(both) > 3 else "")
        where = f"there twice in the {one} part" if one == other else f"in the {one} and the {other} part"
        said.append(f"the same {what} is {where}, {counted(len(both), 'time')}: {shown}")
        if one in labels and other in labels:
            unlike = [(a, b) for a, b in both if labels[other][a] != labels[one][b]]
            if unlike:
                said.append(f"{len(unlike)} of them have two labels: {' = '.join(unlike[0])}")
    return said


def _of_classes(parts: Mapping[Part, Looked]) -> list[str]:
    counts = parts["train"].classes
    if not counts:
        return []
    said = []
    if alone := [name for name, count in counts.items() if count == 1]:
        have = "class has" if len(alone) == 1 else "classes have"
        said.append(f"{len(alone)} {have} one training sample: {', '.join(alone[:10])}")
    few, many = min(counts, key=lambda name: counts[name]), max(counts, key=lambda name: counts[name])
    if counts[few] and counts[many] / counts[few] >= UNEVEN:
        said.append(f"classes are uneven: {counted(counts[many], 'training sample')} of {many}, {counts[few]} of {few}")
    return said


def _empty_classes(source: Source, parts: Mapping[Part, Looked], what: str) -> list[str]:
    if source.task != "classification":
        return []
    broken = parts["train"].broken
    train = source.parts["train"]
    assert isinstance(train.targets, Tensor)
    left = {target for name, target in zip(train.names, train.targets.tolist(), strict=True) if name not in broken}
    wanted = {*train.targets.tolist()}
    return [f"no training {what} of {source.classes[k]} is sound" for k in sorted(wanted - left)]
