"""What it costs to show a batch in random views: one gather for the whole batch against a loop over PIL images.

MNIST in its two-pixel jitters; images of CIFAR's size cropped from a margin of four pixels, mirrored and normalised, as
all students of CIFAR-100 see them. Gather and loop make the same float32 batch to the bit, or nothing is timed.

    python benchmarks/augmentation.py [--rounds 40]
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from measure import Figure, benchmark, interleaved, summary
from PIL import Image, ImageOps
from torch import Tensor

from tutelage.data.cifar import MEAN, STD
from tutelage.data.transforms import Transform, as_float32
from tutelage.data.views import CROP_FLIPS, JITTERS, crop_flip, jitter, normalised

BATCH, PER = 128, 20
CENTRE, WIDTH = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
SETS: Mapping[str, tuple[Transform, int, int, int]] = {
    "jitter, 1 × 28 × 28": (jitter, JITTERS, 1, 28),
    "crop, flip, normalise, 3 × 32 × 32": (normalised(crop_flip, MEAN, STD), CROP_FLIPS, 3, 32),
}
"""What is measured -> the transform of a batch, the number of its views, the images' channels and side."""
TARGETS = {f"{name}: one gather / PIL loop": round(1 / 15, 4) for name in SETS}


def gather(transform: Transform, images: Tensor, view: Tensor) -> Tensor:
    return as_float32(transform(images, view))


def pil_loop(transform: Transform, images: Tensor, view: Tensor) -> Tensor:
    """As torchvision does it sample by sample: to an image, padded, cropped, perhaps mirrored, to a tensor; stacked."""
    mirrored = transform is not jitter
    reach = 4 if mirrored else 2
    pictures = []
    for image, number in zip(images, view.tolist(), strict=True):
        row, column = divmod(number // 2 if mirrored else number, 2 * reach + 1)
        side = image.shape[-1]
        whole = Image.fromarray(image[0].numpy() if len(image) == 1 else image.permute(1, 2, 0).numpy())
        moved = ImageOps.expand(whole, reach).crop((column, row, column + side, row + side))
        if mirrored and number % 2:
            moved = ImageOps.mirror(moved)
        pixels = torch.from_numpy(np.array(moved)).view(side, side, -1)
        x = pixels.permute(2, 0, 1).contiguous().float().div(255)
        pictures.append(x.sub_(CENTRE).div_(WIDTH) if mirrored else x)
    return torch.stack(pictures)


def times(count: int, work: Callable[[], object]) -> None:
    for _ in range(count):
        work()


def ratio(over: str, under: str) -> Figure:
    return lambda ms: ms[over] / ms[under]


def measured(rounds: int) -> dict[str, Any]:
    subjects: dict[str, Callable[[], object]] = {}
    figures: dict[str, Figure] = {}
    generator = torch.Generator().manual_seed(0)
    for name, (show, views, channels, side) in SETS.items():
        images = torch.randint(256, (BATCH, channels, side, side), dtype=torch.uint8, generator=generator)
        view = torch.randint(views, (BATCH,), generator=generator)
        if not torch.allclose(gather(show, images, view), pil_loop(show, images, view), rtol=0, atol=1e-6):
            raise SystemExit("The two do not show the same batch; a faster wrong one would prove nothing.")
        for who, work in (("one gather", gather), ("one gather again", gather), ("PIL loop", pil_loop)):
            subjects[f"{name}: {who}"] = partial(times, PER, partial(work, show, images, view))
        figures[f"{name}: one gather / PIL loop"] = ratio(f"{name}: one gather", f"{name}: PIL loop")
        figures[f"{name}: PIL loop / one gather"] = ratio(f"{name}: PIL loop", f"{name}: one gather")
        figures[f"{name}: A/A, one gather again / one gather"] = ratio(
            f"{name}: one gather again", f"{name}: one gather"
        )
    return summary(interleaved(subjects, rounds, PER), figures)


if __name__ == "__main__":
    benchmark("augmentation", __doc__ or "", measured, TARGETS)
