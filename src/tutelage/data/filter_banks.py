"""Sound as a network of frames sees it: log mel filter banks, and windows of them around each frame."""

import torch
from torch import Tensor
from torch.nn import functional as F

from tutelage.data.waves import RATE

WINDOW, HOP = 200, 80
"""Samples of a frame, and from one frame to the next: 25 ms and 10 ms at 8,000 samples a second."""
POINTS = 512
"""Of the Fourier transform: more than a window has, so that the narrowest filter sees several of them."""
FILTERS = 40
BEFORE, AFTER = 20, 5
"""Frames on each side of the one that is predicted, which so is the 21st of 26."""
FLOOR = 1e-8
"""The least energy that counts: about what rounding to 16 bits leaves of silence, with samples from −1 to 1."""


def mel(hertz: Tensor) -> Tensor:
    """The pitch in mel, ``2595 · log10(1 + f / 700)``: 1,000 Hz have 1,000 mel, to within 0.02.

    O'Shaughnessy, "Speech Communication: Human and Machine", 1987, p. 150; Young et al., "The HTK Book", §5.4.

    >>> mel(torch.tensor([700.0, 1000.0])).round(decimals=2).tolist()
    [781.1699829101562, 999.989990234375]
    """
    return 2595 * torch.log10(1 + hertz / 700)


def hertz(pitch: Tensor) -> Tensor:
    """The frequency in Hz of a ``pitch`` in mel: the inverse of ``mel``."""
    return 700 * (10 ** (pitch / 2595) - 1)


def mel_filters(count: int = FILTERS, points: int = POINTS, rate: int = RATE) -> Tensor:
    """Triangles over the frequencies of a Fourier transform (float64), ``count`` × ``points / 2 + 1``.

    Their centres lie at equal distances in mel from 0 to half the rate, the ends left out; each rises to 1 at its
    centre and is 0 from its neighbours' centres on, along straight lines in mel (Young et al., "The HTK Book", §5.4).
    Raises ``ValueError`` where a filter is so narrow that no frequency falls into it.
    """
    frequencies = mel(torch.arange(points // 2 + 1, dtype=torch.float64) * rate / points)
    step = mel(torch.tensor(rate / 2, dtype=torch.float64)) / (count + 1)
    centres = step * torch.arange(1, count + 1, dtype=torch.float64)
    filters = (1 - (frequencies - centres[:, None]).abs() / step).clamp_min(0)
    if empty := int((filters.sum(1) == 0).sum()):
        raise ValueError(f"{empty} of {count} filters see none of {points // 2 + 1} frequencies; take fewer filters.")
    return filters


def power_spectrum(samples: Tensor) -> Tensor:
    """``|X|²`` of each frame under a Hamming window (float64), frames × 257 frequencies from 0 to half the rate.

    Frame ``t`` is of the samples from ``80 · t`` on, ``1 + (N − 200) // 80`` frames in all: what is left at the end
    is dropped, and less than a window is one, filled up with zeros. Whole numbers of 16 bits become −1 to 1.
    """
    x = samples.double() / (2**15 if samples.dtype == torch.int16 else 1)
    x = F.pad(x, (0, max(0, WINDOW - len(x))))
    window = torch.hamming_window(WINDOW, periodic=False, dtype=torch.float64)
    around = (POINTS - WINDOW) // 2  # torch centres a window that is shorter than its transform
    count = 1 + (len(x) - WINDOW) // HOP
    x = F.pad(x[: (count - 1) * HOP + WINDOW], (around, POINTS - WINDOW - around))
    spectrum = torch.stft(
        x, POINTS, hop_length=HOP, win_length=WINDOW, window=window, center=False, return_complex=True
    )
    return spectrum.abs().square().T


def log_mel(samples: Tensor, count: int = FILTERS) -> Tensor:
    """The log of the energy in each of ``count`` mel filters (float64), frames × filters; no less than log ``FLOOR``.

    Davis & Mermelstein, "Comparison of parametric representations for monosyllabic word recognition", 1980, without
    its last step, the cosine transform.
    """
    return (power_spectrum(samples) @ mel_filters(count).T).clamp_min(FLOOR).log()


def centred(features: Tensor) -> Tensor:
    """``features`` (frames × filters) less their mean over the frames of this recording.

    It takes away what does not change in a recording: loudness, microphone, room, and a fixed pre-emphasis.
    """
    return features - features.mean(0)


def windows(features: Tensor, before: int = BEFORE, after: int = AFTER) -> Tensor:
    """Each frame with those around it, frames × (``before`` + 1 + ``after``) × filters, as a view without a copy.

    Beyond the ends of the recording its first and its last frame go on.

    >>> windows(torch.tensor([[1.0], [2.0], [3.0]]), before=2, after=1)[:, :, 0].tolist()
    [[1.0, 1.0, 1.0, 2.0], [1.0, 1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 3.0]]
    """
    ends = features[:1].expand(before, -1), features, features[-1:].expand(after, -1)
    return torch.cat(ends).unfold(0, before + 1 + after, 1).transpose(1, 2)
