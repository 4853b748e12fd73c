"""Image folders too large for the memory: files are listed once, and decoded by worker processes batch by batch.

How a picture is cropped follows from (seed, epoch, index) alone, whoever decodes it: batches are the same to the bit
with any number of workers, and in a training that goes on in the middle of an epoch. Decoding needs pillow, which comes
with the extra ``images``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from tutelage.data.batches import Batch, Batches
from tutelage.data.crops import Crop, centre_crop, random_crop
from tutelage.data.decoding import Decoder, Job, decoded_batches
from tutelage.data.draws import checked_seed, draw, order
from tutelage.data.image_files import Files
from tutelage.data.pictures import needed
from tutelage.data.transforms import Transform, as_float32
from tutelage.data.views import plain

MEAN = (0.485, 0.456, 0.406)
"""The mean of each channel of ImageNet's training images, of 1, to the digits that everybody uses."""
STD = (0.229, 0.224, 0.225)
"""The standard deviation of each channel of ImageNet's training images, likewise."""
ENDLESS = 2**31
"""As many views are drawn from for what is done to a batch of crops."""


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
    that ``multiprocessing`` starts processes; with 0, the images are decoded as the batches are taken.

    ``transform`` is what is done to a batch of crops (uint8), each with a view number of its own below ``ENDLESS``:
    ``normalised(plain, MEAN, STD)``, ``normalised(randaugment, MEAN, STD)``. A crop can be any of too many for a
    teacher's answers to be kept: the batches have no ``view``, and a cache refuses them.

    Raises ``ValueError`` for counts and ranges that make no sense, ``ImportError`` with the install line without
    pillow; and, when a batch is taken, ``ValueError`` for a file that is no sound image, by its path, and ``OSError``
    for one that cannot be read.
    """
    lowest, highest = scale
    if not 0 < lowest <= highest <= 1:
        raise ValueError(f"A crop has a share of the image from more than 0 to at most 1; scale is {scale}.")
    _refuse(files, batch_size, size, workers)
    seed = checked_seed(seed)
    stream = _Stream(files, partial(random_crop, size=size, scale=scale), transform, batch_size, workers)

    def batches(epoch: int, first: int) -> Iterator[Batch]:
        places = order(seed, epoch, len(files))
        view = draw(seed, epoch, files.index[places], ENDLESS)
        return stream.batches(places, view, (seed, epoch), first)

    return batches


def centred(
    files: Files, *, batch_size: int, size: int = 224, resize: int = 256, workers: int = 0, transform: Transform = plain
) -> Batches:
    """All of ``files`` in their order, for measuring: of each image the middle (``centre_crop``), ``size`` x ``size``.

    Otherwise as ``cropped``; views are 0. To measure a network, with the normalisation that it was trained with::

        source = centred(files, batch_size=100, workers=8, transform=normalised(plain, MEAN, STD))
        logits = predict_batches(model, source(0, 0))  # from tutelage.measures.predict
        errors(logits, files.targets)                  # from tutelage.measures.errors

    Raises ``ValueError`` if the image is scaled to less than what is cut out of it, and as ``cropped`` does.
    """
    if resize < size:
        raise ValueError(f"An image scaled to {resize} pixels has no middle of {size}; resize must be at least size.")
    _refuse(files, batch_size, size, workers)
    stream = _Stream(files, partial(centre_crop, size=size, resize=resize), transform, batch_size, workers)

    def batches(_epoch: int, first: int) -> Iterator[Batch]:
        places = torch.arange(len(files))
        return stream.batches(places, torch.zeros_like(places), (0, 0), first)

    return batches


@dataclass(frozen=True)
class _Stream:
    """Whose images are decoded, what is cut out of each, and what is done to a batch of crops."""

    files: Files
    crop: Crop
    transform: Transform
    batch_size: int
    workers: int

    def batches(self, places: Tensor, view: Tensor, when: tuple[int, int], first: int) -> Iterator[Batch]:
        """The samples at ``places`` from batch ``first`` on; crops follow from ``when``, the seed and the epoch."""
        starts = range(first * self.batch_size, len(places), self.batch_size)
        parts = [slice(start, start + self.batch_size) for start in starts]
        jobs = (_job(self.files, places[part], when) for part in parts)
        for part, images in zip(parts, decoded_batches(jobs, Decoder(self.crop), self.workers), strict=True):
            if isinstance(images, Exception):
                raise images
            chosen = places[part]
            inputs = as_float32(self.transform(images, view[part]))
            yield {"input": inputs, "target": self.files.targets[chosen], "index": self.files.index[chosen]}


def _job(files: Files, places: Tensor, when: tuple[int, int]) -> Job:
    paths = [files.folder / files.paths[place] for place in places.tolist()]
    return Job(paths, [(*when, index) for index in files.index[places].tolist()])


def _refuse(files: Files, batch_size: int, size: int, workers: int) -> None:
    needed("PIL.Image")
    if not len(files):
        raise ValueError(f"The set {files.name!r} is empty; there is nothing to make batches of.")
    if batch_size < 1 or size < 1 or workers < 0:
        raise ValueError(
            f"Batches and images have a size of at least 1, and there are 0 workers or more; "
            f"got batch_size={batch_size}, size={size}, workers={workers}."
        )
