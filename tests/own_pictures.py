"""Small sets of pictures in every form that people have, made anew for each test."""

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"ant": (200, 30, 30), "bee": (30, 200, 30), "cat": (30, 30, 200), "dog": (180, 180, 20)}


def picture(
    seed: int, width: int = 12, height: int = 10, colour: tuple[int, int, int] = (128, 128, 128)
) -> Image.Image:
    """A colour with noise, so that no two pictures are the same."""
    noise = np.random.default_rng(seed).integers(-30, 31, (height, width, 3))
    return Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8))


def class_folders(root: Path, classes=("ant", "bee"), each: int = 6, part: str = "", **more) -> Path:
    """``root/<part>/<class>/n.png``."""
    for number, name in enumerate(classes):
        home = root / part / name
        home.mkdir(parents=True, exist_ok=True)
        for n in range(each):
            seed = 1000 * number + n + sum(map(ord, part))
            colour = COLOURS.get(name, (40 * number % 256, 90, 120))
            picture(seed, colour=colour, **more).save(home / f"{n}.png")
    return root
