"""What class folders of photographs cost a picture, from the file to the batch: core-milliseconds beside a DataLoader.

Both decode, scale the shorter side, cut out a random part, mirror every other picture, make a tensor, normalise: ours
decodes once, at the smallest fraction of a JPEG's size that is enough, by threads, keeps uint8 and augments whole
batches; a torch DataLoader over pillow does it anew for every picture of every epoch, as torchvision's transforms do.
Photographs are drawn (many octaves of noise, as the spectra of photographs fall) and stored as JPEG of quality 90.

    python benchmarks/decoding.py [--rounds 12] [--pictures 400]

Time is that of all threads of the process (and, where it has some, of its workers). One round is a first epoch of each,
and a later one; memory is that of what is kept.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from measure import Rounds, conditions, interleaved, place, summary, write
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tutelage.data.augment import augmentation, shifted
from tutelage.data.labelled import Labelled, labelled
from tutelage.data.streamed import MEAN, STD
from tutelage.data.views import normalised, views
from tutelage.own_data.prepared import How, decoded_parts
from tutelage.own_data.read import read

SIZE, KEPT, BATCH, QUALITY = 224, 256, 32, 90
WIDTH, HEIGHT = 1024, 768
TARGETS = {"first epoch: ours / DataLoader": round(1 / 1.5, 4), "later epoch: ours / DataLoader": round(1 / 8, 4)}


def photograph(seed: int) -> Image.Image:
    """Noise of many octaves, each with 0.62 of the amplitude of the one before: roughly as in photographs."""
    random, total = np.random.default_rng(seed), np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for octave in range(2, 10):
        coarse = random.standard_normal((2**octave * 3 // 4, 2**octave, 3)).astype(np.float32) * 0.62 ** (octave - 2)
        layers = [Image.fromarray(coarse[..., c]).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC) for c in range(3)]
        total += np.stack([np.asarray(layer) for layer in layers], -1)
    return Image.fromarray((128 + 45 * total).clip(0, 255).astype(np.uint8))


def made(folder: Path, count: int) -> int:
    """``count`` photographs in two classes; the bytes that they take."""
    for n in range(count):
        file = folder / "ab"[n % 2] / f"{n:04}.jpg"
        file.parent.mkdir(exist_ok=True, parents=True)
        photograph(n % 40).save(file, quality=QUALITY)  # forty are drawn; each file is decoded by itself
    return sum(x.stat().st_size for x in folder.rglob("*.jpg"))


class Pictures(Dataset[tuple[Tensor, int]]):
    """A data set as people write it: pillow, the shorter side scaled, a random part, mirrored, a normalised tensor."""

    def __init__(self, folder: Path) -> None:
        self.files, self.random = sorted(folder.rglob("*.jpg")), Random(0)
        self.mean, self.std = (torch.tensor(x)[:, None, None] for x in (MEAN, STD))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        with Image.open(self.files[place]) as opened:
            picture = opened.convert("RGB")
        width, height = picture.size
        shorter = min(width, height)
        picture = picture.resize((KEPT * width // shorter, KEPT * height // shorter), Image.Resampling.BILINEAR)
        left, top = (self.random.randrange(side - SIZE + 1) for side in picture.size)
        picture = picture.crop((left, top, left + SIZE, top + SIZE))
        if self.random.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        x = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float().div(255)
        return x.sub(self.mean).div(self.std), place % 2


def decoded(folder: Path) -> Labelled:
    train = decoded_parts(read(folder), How(size=SIZE, workers=1)).parts["train"]
    return labelled("photographs", train.inputs, train.targets)


def epoch(data: Labelled, number: int = 0, *, colours: bool = False) -> None:
    """As the DataLoader's: parts and mirrors in endless views, normalised; ``colours`` are of light augmentation."""
    light = augmentation("light", (SIZE, SIZE), 3, views=2**20).pictures
    show = normalised(light if colours else partial(shifted, size=(SIZE, SIZE)), MEAN, STD)
    for _ in views(data, show, num_views=2**20, batch_size=BATCH)(number, 0):
        pass


def loaded(loader: DataLoader[Any]) -> None:
    for _ in loader:
        pass


def measured(folder: Path, rounds: int) -> tuple[Rounds, int]:
    kept = decoded(folder)
    loader: DataLoader[Any] = DataLoader(Pictures(folder), batch_size=BATCH, shuffle=True)
    subjects: dict[str, Callable[[], object]] = {
        "ours, first epoch": lambda: epoch(decoded(folder)),
        "ours, later epoch": partial(epoch, kept),
        "ours, later epoch again": partial(epoch, kept, 1),
        "ours, later epoch with colours": partial(epoch, kept, colours=True),
        "DataLoader": partial(loaded, loader),
    }
    return interleaved(subjects, rounds, len(kept), warm_up=1), kept.inputs.numel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--out", type=Path, default=place("decoding"), help="where the figures are written")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        stored = made(Path(folder), asked.pictures)
        taken, kept = measured(Path(folder), asked.rounds)
    figures = {
        "first epoch: ours / DataLoader": lambda ms: ms["ours, first epoch"] / ms["DataLoader"],
        "later epoch: ours / DataLoader": lambda ms: ms["ours, later epoch"] / ms["DataLoader"],
        "later epoch with colours: ours / DataLoader without": lambda ms: (
            ms["ours, later epoch with colours"] / ms["DataLoader"]
        ),
        "A/A: ours, later epoch again / later epoch": lambda ms: (
            ms["ours, later epoch again"] / ms["ours, later epoch"]
        ),
    }
    found = summary(taken, figures)
    result = {
        "benchmark": "decoding",
        "environment": conditions(threads=1),
        "load_average": [round(before, 2), round(os.getloadavg()[0], 2)],
        "note": f"milliseconds a picture; {asked.pictures} JPEGs of {WIDTH} x {HEIGHT}, quality {QUALITY}, seen at "
        f"{SIZE} of {KEPT} pixels; one thread each; cpu is the process's own time and decides",
        "rounds": asked.rounds,
        "bytes": {"stored a picture": stored // asked.pictures, "kept a picture": kept // asked.pictures},
        "targets": {
            name: {"limit": limit, "met": found["figures"][name]["cpu"]["median"] <= limit}
            for name, limit in TARGETS.items()
        },
        **found,
    }
    write(asked.out, result)
    for kind in ("milliseconds", "figures"):
        for name, row in found[kind].items():
            shown = "   ".join(f"{clock} {x['median']:.3f} [{x['q1']:.3f}, {x['q3']:.3f}]" for clock, x in row.items())
            print(f"{name:46} {shown}")
    print(json.dumps(result["targets"]), json.dumps(result["bytes"]))


if __name__ == "__main__":
    main()
