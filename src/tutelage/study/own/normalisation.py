"""By what pictures are normalised: what was asked for, what those of the training show, or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from tutelage.own_data.geometry import Geometry
from tutelage.own_data.prepared import Prepared
from tutelage.own_data.preprocessing import Preprocessing
from tutelage.own_data.source import Part
from tutelage.plurals import counted
from tutelage.study.own.settings import DataSettings

TOGETHER = 256
"""Pictures whose means are taken at once."""
Moments: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
"""A mean and a deviation of each channel; nothing where there are no pictures."""


@dataclass(frozen=True)
class Seen:
    """How a picture becomes what a network sees; less what and over what it is then, from 0 to 1; and in ``words`` what
    was done to numbers that are no pictures."""

    preprocessing: Preprocessing | None = None
    normalisation: Moments = ((), ())
    words: str = ""


def seen_as(
    settings: DataSettings, shape: Geometry | None, parts: Mapping[Part, Prepared], notes: list[str]
) -> tuple[Seen, Mapping[Part, Prepared]]:
    """What a network sees of the parts, and these.

    Numbers that are no grey levels are what a network sees already, and no file of a picture becomes that. They are
    normalised here where that is asked for: those from 0 to 255 as if they were from 0 to 1, as a mean and a deviation
    are said. Raises ``ValueError`` for means and deviations of another number than channels.
    """
    train = parts["train"].inputs
    if shape is None or (train.dtype != torch.uint8 and train.shape[1] not in (1, 3)):
        if train.is_floating_point():
            idle = ", whatever --mean and --std say" if settings.mean or settings.std else ""
            notes.append(f"numbers stay as they are: nothing is scaled or normalised{idle}")
        return Seen(), parts
    channels = train.shape[1]
    if channels not in (1, 3):
        raise ValueError(f"Pictures have 1 or 3 channels; these have {channels}: keep 3 of them, or one.")
    for flag, values in (("--mean", settings.mean), ("--std", settings.std)):
        if values and len(values) != channels:
            raise ValueError(f"{flag} takes {counted(channels, 'number')}, one for each channel; got {len(values)}.")
    if train.dtype == torch.uint8:
        mean, std = _moments(settings, train, notes)
        return Seen(Preprocessing(channels, shape.size, shape.resize, mean, std), (mean, std)), parts
    white = _white([part.inputs for part in parts.values()])
    if not (settings.mean or settings.std):
        notes.append("numbers stay as they are: nothing is scaled or normalised (--mean, --std)")
        return Seen(normalisation=((0.0,) * channels, (1 / white,) * channels)), parts
    if white > 1:
        notes.append(f"numbers from 0 to {white} were divided by that before they were normalised")
        parts = {name: replace(part, inputs=part.inputs / white) for name, part in parts.items()}
    mean, std = _moments(settings, parts["train"].inputs, notes)
    m, s = (torch.tensor(x)[:, None, None] for x in (mean, std))
    less, over = (", ".join(f"{x:g}" for x in numbers) for numbers in (mean, std))
    words = f"the numbers of the data{f' / {white}' * (white > 1)} less {less}, over {over}, by channel"
    seen = {name: replace(part, inputs=(part.inputs - m) / s) for name, part in parts.items()}
    return Seen(None, (mean, std), words), seen


def _white(parts: list[Tensor]) -> int:
    """What white is among fractions: 255 where none is below 0 or above that, and some are near to it."""
    low, high = min(float(x.min()) for x in parts), max(float(x.max()) for x in parts)
    return 255 if low >= 0 and 127 < high <= 255 else 1


def _moments(settings: DataSettings, train: Tensor, notes: list[str]) -> Moments:
    mean, std = settings.mean, settings.std
    if mean and std:
        return mean, std
    own_mean, own_std = moments(train)
    mean, std = mean or own_mean, std or own_std
    alone = "the means" if settings.std else "deviations"
    what = alone if settings.mean or settings.std else "means and deviations"
    shown = " / ".join(", ".join(f"{x:.4f}" for x in values) for values in (mean, std))
    notes.append(f"{what} of the training pictures were measured: {shown} (--mean, --std)")
    return mean, std


def moments(pictures: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel of pictures (N, C, H, W), of 1 where they are grey levels, to four digits.

    Of pictures that are all alike the deviation is 1.
    """
    white = 255 if pictures.dtype == torch.uint8 else 1
    total = torch.zeros(2, pictures.shape[1], dtype=torch.float64)
    for part in pictures.split(TOGETHER):
        levels = part.double().div_(white)
        total += torch.stack([levels.sum((0, 2, 3)), levels.square().sum((0, 2, 3))])
    mean, square = total / (pictures.numel() // pictures.shape[1])
    std = (square - mean.square()).clamp_min(0).sqrt()
    std = torch.where(std < 1e-3, 1.0, std)
    return tuple(round(x, 4) for x in mean.tolist()), tuple(round(x, 4) for x in std.tolist())
