"""Image folders too large for the memory: files are listed once, and decoded by worker processes batch by batch.

How a picture is cropped follows from (seed, epoch, index) alone, whoever decodes it: batches are the same to the bit
with any number of workers, and in a training that goes on in the middle of an epoch. Decoding needs pillow, which comes
with the extra ``images``.
"""

import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256
from math import exp, log, sqrt
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from tutelage.data.batches import Batch, Batches
from tutelage.data.draws import checked_seed, draw, order, uniform
from tutelage.data.folder import listed, needed, stacked
from tutelage.data.views import Transform, as_float32, plain

MEAN = (0.485, 0.456, 0.406)
"""The mean of each channel of ImageNet's training images, of 1, to the digits that everybody uses."""
STD = (0.229, 0.224, 0.225)
"""The standard deviation of each channel of ImageNet's training images, likewise."""
TRIES = 10
"""How often ``random_crop`` draws a box before it takes the middle of a picture that is too long for any."""
ENDLESS = 2**31
"""As many views are drawn from for what is done to a batch of crops."""
_CROP = 12  # what a number is for; those before have their use

Keys: TypeAlias = tuple[int, int, int]
"""The seed, the epoch, and the number of the sample."""
Look: TypeAlias = Callable[[Tensor, Keys], Tensor]
"""An image (3, H, W) as decoded, uint8, and what to draw from -> a part of it that has the size of all others."""


@dataclass(frozen=True, eq=False)
class Files:
    """The images of a folder by their paths, as ``Labelled`` has those of a set in memory; nothing is decoded yet.

    ``targets`` are positions in ``classes``; a subset keeps ``index``, the number of each sample in the whole folder.
    """

    name: str
    folder: Path
    paths: tuple[str, ...]  # below the folder
    targets: Tensor
    index: Tensor
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, positions: Tensor) -> "Files":
        """The samples at ``positions`` (int64), or where ``positions`` (bool) holds, in that order."""
        paths = tuple(self.paths[place] for place in torch.arange(len(self))[positions].tolist())
        return replace(self, paths=paths, targets=self.targets[positions], index=self.index[positions])

    @cached_property
    def checksum(self) -> str:
        """The sha-256 over name, classes, targets, index, and path and size in bytes of each file, not its content."""
        digest = sha256(repr((self.name, self.classes, self.targets.tolist(), self.index.tolist())).encode())
        for path in self.paths:
            digest.update(f"{path}\0{(self.folder / path).stat().st_size}\0".encode())
        return digest.hexdigest()


def image_files(folder: Path, name: str) -> Files:
    """The images of ``folder/<class>/…``, however deep, called ``name``; classes and files in the order of their names.

    Hidden files and files of other kinds are passed over; whether a file is a sound image is seen when it is decoded.

    Raises ``FileNotFoundError`` for no folder, no class, or a class without an image.
    """
    files = listed(folder)
    paths = tuple(path for found in files.values() for path in found)
    counts = torch.tensor([len(found) for found in files.values()])
    targets = torch.arange(len(files)).repeat_interleave(counts)
    return Files(name, folder, paths, targets, torch.arange(len(paths)), tuple(files))


def cropped(
    files: Files,
    *,
    batch_size: int,
    size: int = 224,
    scale: tuple[float, float] = (0.08, 1.0),
    workers: int = 0,
    seed: int = 0,
    transform: Transform = plain,
) -> Batches:
    """Shuffled batches for training: of each image a random part (``random_crop``), ``size`` x ``size``, float32 0 … 1.

    A batch holds ``input, target, index``, on the CPU; the last one of an epoch may be short. An epoch entered at batch
    ``first`` decodes nothing that came before. ``workers`` processes decode ahead, started for each epoch in the way
    that ``multiprocessing`` starts processes; with 0, the images are decoded when they are asked for.

    ``transform`` is what is done to a batch of crops (uint8), each with a view number of its own below ``ENDLESS``:
    ``normalised(plain, MEAN, STD)``, ``normalised(randaugment, MEAN, STD)``. A crop can be any of too many for a
    teacher's answers to be kept: the batches have no ``view``, and a cache refuses them.

    Raises ``ValueError`` for counts and ranges that make no sense, ``ImportError`` with the install line without
    pillow; and, once asked, ``ValueError`` for a file that is no sound image, by its path, and ``OSError`` for one that
    cannot be read.
    """
    lowest, highest = scale
    if not 0 < lowest <= highest <= 1:
        raise ValueError(f"A crop has a share of the image from more than 0 to at most 1; scale is {scale}.")
    _refuse(files, batch_size, size, workers)
    seed = checked_seed(seed)
    look = partial(random_crop, size=size, scale=scale)

    def batches(epoch: int, first: int) -> Iterator[Batch]:
        places = order(seed, epoch, len(files))
        view = draw(seed, epoch, files.index[places], ENDLESS)
        return _streamed(files, places, view, look, (seed, epoch), transform, batch_size, first, workers)

    return batches


def centred(
    files: Files, *, batch_size: int, size: int = 224, resize: int = 256, workers: int = 0, transform: Transform = plain
) -> Batches:
    """All of ``files`` in their order, for measuring: of each image the middle (``centre_crop``), ``size`` x ``size``.

    Otherwise as ``cropped``; views are 0. To measure a network, with the normalisation that it was trained with::

        shown = centred(files, batch_size=100, workers=8, transform=normalised(plain, MEAN, STD))
        logits = predict_batches(model, shown(0, 0))  # from tutelage.measure.predict
        errors(logits, files.targets)                 # from tutelage.measure.errors

    Raises ``ValueError`` if the image is scaled to less than what is cut out of it, and as ``cropped`` does.
    """
    if resize < size:
        raise ValueError(f"An image scaled to {resize} pixels has no middle of {size}; resize must be at least size.")
    _refuse(files, batch_size, size, workers)
    look = partial(centre_crop, size=size, resize=resize)

    def batches(_epoch: int, first: int) -> Iterator[Batch]:
        places = torch.arange(len(files))
        return _streamed(files, places, torch.zeros_like(places), look, (0, 0), transform, batch_size, first, workers)

    return batches


def random_crop(
    image: Tensor,
    keys: Keys,
    size: int = 224,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Tensor:
    """A random part of an image (3, H, W) uint8, scaled to (3, ``size``, ``size``), mirrored every other time.

    Its share of the area is uniform in ``scale``, the logarithm of width / height uniform in that of ``ratio``, its
    place uniform; after ``TRIES`` boxes that do not fit, the largest middle part whose proportions are allowed.

    Szegedy et al., "Going deeper with convolutions", 2015, arXiv:1409.4842, §6; the tries and the fallback are
    torchvision's, and so is scaling by antialiased bilinear interpolation.
    """
    height, width = image.shape[1:]
    chances = uniform(*keys[:2], _CROP, keys[2], torch.arange(4 * TRIES + 1)).tolist()
    top, left, tall, wide = _box(height, width, chances, scale, ratio)
    part = _scaled(image[:, top : top + tall, left : left + wide], size, size)
    return part.flip(2) if chances[-1] < 0.5 else part


def centre_crop(image: Tensor, _keys: Keys = (0, 0, 0), size: int = 224, resize: int = 256) -> Tensor:
    """The middle (3, ``size``, ``size``) of an image (3, H, W) uint8 scaled so that its shorter side is ``resize``."""
    height, width = image.shape[1:]
    shorter = min(height, width)
    whole = _scaled(image, resize * height // shorter, resize * width // shorter)
    top, left = (round((side - size) / 2) for side in whole.shape[1:])
    return whole[:, top : top + size, left : left + size]


class _Task(NamedTuple):
    """A batch to be decoded: everything that a worker needs to know."""

    paths: list[Path]
    keys: list[Keys]


@dataclass(frozen=True)
class _Reader(Dataset[Tensor | Exception]):
    """Decodes batches; a worker process has a copy of it."""

    look: Look

    def __getitem__(self, task: _Task) -> Tensor | Exception:
        """The images (N, 3, size, size), or what went wrong: raised by a worker, it would come wrapped in its story."""
        try:
            looks = [self.look(_decoded(path), keys) for path, keys in zip(*task, strict=True)]
        except (OSError, ValueError, ImportError) as error:
            return error
        return torch.stack(looks)


def _streamed(
    files: Files,
    places: Tensor,
    view: Tensor,
    look: Look,
    when: tuple[int, int],
    transform: Transform,
    batch_size: int,
    first: int,
    workers: int,
) -> Iterator[Batch]:
    parts = [slice(start, start + batch_size) for start in range(first * batch_size, len(places), batch_size)]
    tasks = (_task(files, places[part], when) for part in parts)
    for part, images in zip(parts, _read(_Reader(look), tasks, workers), strict=True):
        if isinstance(images, Exception):
            raise images
        chosen = places[part]
        shown = as_float32(transform(images, view[part]))
        yield {"input": shown, "target": files.targets[chosen], "index": files.index[chosen]}


def _task(files: Files, places: Tensor, when: tuple[int, int]) -> _Task:
    paths = [files.folder / files.paths[place] for place in places.tolist()]
    return _Task(paths, [(*when, index) for index in files.index[places].tolist()])


def _read(reader: _Reader, tasks: Iterable[_Task], workers: int) -> Iterable[Tensor | Exception]:
    """What the reader makes of each task, in their order."""
    if not workers:
        return map(reader.__getitem__, tasks)
    return DataLoader(
        reader,
        batch_size=None,
        sampler=tasks,  # whatever it gives is handed to the reader
        num_workers=workers,
        collate_fn=_unchanged,
        worker_init_fn=_leave_signals_to_the_parent,
        generator=torch.Generator(),  # else it would draw from the global one, and a resumed run would go another way
    )


def _unchanged(images: Any) -> Any:
    return images


def _leave_signals_to_the_parent(_worker: int) -> None:
    """Ctrl-C reaches every process of a terminal, and a training wants to finish its step; what it forked must end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _decoded(path: Path) -> Tensor:
    return stacked([path.read_bytes()], lambda _: str(path))[0]


def _scaled(image: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(image[None], (height, width), mode="bilinear", antialias=True)[0]


def _box(
    height: int, width: int, chances: list[float], scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random part."""
    narrow, broad = log(ratio[0]), log(ratio[1])
    for area, proportions, down, across in zip(*(chances[n : 4 * TRIES : 4] for n in range(4)), strict=True):
        pixels = height * width * (scale[0] + (scale[1] - scale[0]) * area)
        quotient = exp(narrow + (broad - narrow) * proportions)
        tall, wide = round(sqrt(pixels / quotient)), round(sqrt(pixels * quotient))
        if 0 < tall <= height and 0 < wide <= width:
            return int(down * (height - tall + 1)), int(across * (width - wide + 1)), tall, wide
    tall, wide = min(height, round(width / ratio[0])), min(width, round(height * ratio[1]))
    return (height - tall) // 2, (width - wide) // 2, tall, wide


def _refuse(files: Files, batch_size: int, size: int, workers: int) -> None:
    needed("PIL.Image")
    if not len(files):
        raise ValueError(f"The set {files.name!r} is empty; there is nothing to make batches of.")
    if batch_size < 1 or size < 1 or workers < 0:
        raise ValueError(
            f"Batches and images have a size of at least 1, and there are 0 workers or more; "
            f"got batch_size={batch_size}, size={size}, workers={workers}."
        )
