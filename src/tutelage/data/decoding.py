"""Image files, decoded and cropped batch by batch, in this process or ahead of it in others."""

import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tutelage.data.contents import content_of
from tutelage.data.crops import Crop, Keys
from tutelage.data.pictures import HEAVIEST, decoded_images
from tutelage.data.walk import spelled_out


class Job(NamedTuple):
    """A batch to be decoded: everything that a worker needs to know."""

    paths: list[Path]
    keys: list[Keys]


@dataclass(frozen=True)
class Decoder(Dataset[Tensor | Exception]):
    """Decodes batches; a worker process has a copy of it."""

    crop: Crop

    def __getitem__(self, job: Job) -> Tensor | Exception:
        """The images (N, 3, size, size), or what went wrong: raised by a worker, it would come wrapped in its story."""
        try:
            crops = [self.crop(decoded(path), keys) for path, keys in zip(*job, strict=True)]
        except (OSError, ValueError, ImportError) as error:
            return error
        return torch.stack(crops)


def decoded_batches(jobs: Iterable[Job], decoder: Decoder, workers: int) -> Iterable[Tensor | Exception]:
    """What ``decoder`` makes of each job, in their order, ahead in ``workers`` processes if there are some."""
    if not workers:
        return map(decoder.__getitem__, jobs)
    return DataLoader(
        decoder,
        batch_size=None,
        sampler=jobs,  # whatever it gives is handed to the decoder
        num_workers=workers,
        collate_fn=_unchanged,
        worker_init_fn=_leave_signals_to_the_parent,
        generator=torch.Generator(),  # else it would draw from the global one, and a resumed run would go another way
    )


def decoded(path: Path) -> Tensor:
    """The image (3, H, W) uint8 of a file. Raises ``ValueError`` with its path if it is no sound image."""
    return decoded_images([content_of(path, HEAVIEST)], lambda _: spelled_out(path))[0]


def _unchanged(images: Any) -> Any:
    return images


def _leave_signals_to_the_parent(_worker: int) -> None:
    """Ctrl-C reaches every process of a terminal, and a training wants to finish its step; what it forked must end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
