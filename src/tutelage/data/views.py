"""Views by counting: what a sample looks like follows from (seed, epoch, index), not from a global generator.

So a resumed run sees the same pictures as an uninterrupted one, two students with one seed see the same, and a
teacher's answers can be kept per view.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from tutelage.data.batches import Batch, Batches
from tutelage.data.draws import checked_seed, hashed, order
from tutelage.data.draws import draw as draw  # offered here too: they are what views are chosen by
from tutelage.data.draws import in_turn as in_turn
from tutelage.data.labelled import Labelled
from tutelage.data.transforms import Show, Transform, shown
from tutelage.data.windows import mirrored_where, windows

Choose: TypeAlias = Callable[[int, int, Tensor, int], Tensor]
"""``choose(seed, epoch, index, num_views)``: the view of each sample in an epoch."""

JITTERS = 25
"""The number of views of ``jitter`` at its reach of 2."""
CROP_FLIPS = 162
"""The number of views of ``crop_flip`` at its margin of 4."""


def views(
    data: Labelled, transform: Show, *, num_views: int, batch_size: int, seed: int = 0, choose: Choose = draw
) -> Batches:
    """Shuffled batches of ``data``, each sample in a view of its own; grey levels 0 … 255 as float32 0 … 1.

    A batch holds ``input, target, index, view`` where the set lies, and the set's other inputs by their names, all of a
    sample in the same view; no ``target`` if the set has none. The last one of an epoch may be short; a single
    sample, of which a BatchNorm can make nothing, joins the batch before it. The order follows from (seed, epoch), a
    view from (seed, epoch, index) alone: whoever enters an epoch at batch ``first`` sees its rest to the bit, and a
    subset shows each sample in the view that the whole set would. With ``choose=in_turn`` each sample meets all views
    equally often.

    Raises ``ValueError`` for an empty set, fewer than 1 view or sample a batch, and a negative seed; when a batch is
    taken, for transforms that do not fit the inputs, and inputs that end up with fewer samples than there are.

    >>> from tutelage.data.synthetic import digits
    >>> source = views(digits(20, seed=0), jitter, num_views=JITTERS, batch_size=8, seed=1)
    >>> [tuple(batch["input"].shape) for batch in source(0, 1)]
    [(8, 1, 28, 28), (4, 1, 28, 28)]
    """
    _refuse_nothing(data, batch_size)
    if num_views < 1:
        raise ValueError(f"A sample has at least 1 view; num_views is {num_views}.")
    seed = checked_seed(seed)

    def batches(epoch: int, first: int) -> Iterator[Batch]:
        places = order(seed, epoch, len(data)).to(data.index.device)
        index = data.index[places]
        return _batches(data, places, index, choose(seed, epoch, index, num_views), transform, batch_size, first)

    return batches


def parts(count: int, batch_size: int) -> list[slice]:
    """The batches of an epoch. A remainder of one sample joins the one before it, unless all batches are of one."""
    starts = list(range(0, count, batch_size))
    if len(starts) > 1 and batch_size > 1 and count % batch_size == 1:
        del starts[-1]
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], count], strict=True)]


def plain(images: Tensor, _view: Tensor) -> Tensor:
    """The images as they are: the one view of a set without augmentation (``num_views=1``)."""
    return images


def in_order(data: Labelled, *, batch_size: int, transform: Show = plain) -> Batches:
    """All of ``data`` in its own order and in view 0, as ``views`` gives batches: for measuring.

    Raises ``ValueError`` for an empty set and for fewer than 1 sample a batch.
    """
    _refuse_nothing(data, batch_size)

    def batches(_epoch: int, first: int) -> Iterator[Batch]:
        places = torch.arange(len(data), device=data.index.device)
        return _batches(data, places, data.index, torch.zeros_like(places), transform, batch_size, first)

    return batches


def jitter(images: Tensor, view: Tensor, reach: int = 2) -> Tensor:
    """Images (N, C, H, W) moved by up to ``reach`` pixels each way, with zeros where nothing is: ``(2 · reach + 1)²``.

    In view ``v`` the window begins ``v // (2 · reach + 1) - reach`` rows and ``v % (2 · reach + 1) - reach`` columns
    off; the middle view (12 of 25) is the image itself. Raises ``ValueError`` for a view beyond the last.

    Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531, §3.
    """
    _refuse_beyond(view, (2 * reach + 1) ** 2)
    row, column = view // (2 * reach + 1), view % (2 * reach + 1)
    which = torch.arange(len(images), device=images.device)
    return windows(F.pad(images.contiguous(), [reach] * 4), which, row, column, images.shape[2:])


def crop_flip(images: Tensor, view: Tensor, margin: int = 4) -> Tensor:
    """Images (N, C, H, W) moved by up to ``margin`` pixels and perhaps mirrored: ``2 · (2 · margin + 1)²`` views.

    In view ``v`` the window lies as in view ``v // 2`` of ``jitter``; odd views are mirrored. Raises ``ValueError``
    for a view beyond the last.
    """
    side = 2 * margin + 1
    _refuse_beyond(view, 2 * side**2)
    row, column = view // 2 // side, view // 2 % side
    which = torch.arange(len(images), device=images.device)
    odd = view.to(images.device) % 2 == 1
    cropped = windows(F.pad(images.contiguous(), [margin] * 4), which, row, column, images.shape[2:])
    return mirrored_where(odd, cropped)


def normalised(transform: Transform, mean: tuple[float, ...], deviation: tuple[float, ...]) -> Transform:
    """``transform`` as float32, less ``mean`` and divided by ``deviation``, each a number a channel (of 0 … 1).

    >>> grey = normalised(plain, (0.5,), (0.25,))
    >>> grey(torch.tensor([[[[255]]]], dtype=torch.uint8), torch.tensor([0])).item()
    2.0
    """

    return partial(_normalised, transform=transform, mean=mean, deviation=deviation)


def around_normalising(transform: Transform) -> tuple[Transform, Transform]:
    """What ``transform`` does before it normalises, and what from there on; ``plain`` if it never does.

    >>> before, after = around_normalising(normalised(jitter, (0.5,), (0.25,)))
    >>> before is jitter, after(torch.tensor([[[[255]]]], dtype=torch.uint8), torch.tensor([0])).item()
    (True, 2.0)
    """
    if isinstance(transform, partial) and transform.func is _normalised:
        return transform.keywords["transform"], partial(transform, transform=plain)
    return transform, plain


def some_of(transform: Transform, numbers: tuple[int, ...]) -> Transform:
    """``transform``, but of its views only ``numbers``: view ``v`` of the new one is ``numbers[v]`` of the old.

    With fewer views there are fewer answers of a teacher to remember, and a short training repeats none anyway.

    >>> two = some_of(crop_flip, (80, 81))  # as it is, and mirrored
    >>> two(torch.arange(3).view(1, 1, 1, 3), torch.tensor([1])).flatten().tolist()
    [2, 1, 0]
    """
    if not numbers or min(numbers) < 0:
        raise ValueError(f"Views are called 0 and up, and one is needed at least; got {list(numbers)}.")
    return partial(_some_of, transform=transform, numbers=numbers)


def spread(count: int, num_views: int) -> tuple[int, ...]:
    """``count`` of ``num_views`` views that look as if drawn at random, the same ones for everybody.

    The first of more are those of fewer. Raises ``ValueError`` unless there are that many.

    >>> spread(4, CROP_FLIPS)
    (134, 68, 135, 112)
    """
    if not 1 <= count <= num_views:
        raise ValueError(f"Of {num_views} views, 1 to {num_views} can be chosen; got {count}.")
    return tuple(hashed(num_views, torch.arange(num_views)).argsort(stable=True)[:count].tolist())


def split(transform: Transform, **parts: tuple[int, ...]) -> Show:
    """Inputs of the channels that ``parts`` names, of pictures (N, C, H, W) as ``transform`` shows them.

    >>> apart = split(plain, input=(1, 2), luminance=(0,))
    >>> {name: tuple(x.shape) for name, x in apart(torch.zeros(5, 3, 4, 4), torch.zeros(5)).items()}
    {'input': (5, 2, 4, 4), 'luminance': (5, 1, 4, 4)}
    """
    return partial(_split, transform=transform, parts=parts)


def _normalised(
    images: Tensor, view: Tensor, transform: Transform, mean: tuple[float, ...], deviation: tuple[float, ...]
) -> Tensor:
    pictures = transform(images, view)
    x, white = pictures.float(), 255 if pictures.dtype == torch.uint8 else 1
    scale, shift = _scale_and_shift(tuple(mean), tuple(deviation), white, x.device)
    return (x * scale if x is pictures else x.mul_(scale)).add_(shift)  # not into the images themselves


@lru_cache(maxsize=16)
def _scale_and_shift(
    mean: tuple[float, ...], deviation: tuple[float, ...], white: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    scale = [1 / (white * width) for width in deviation]
    shift = [-centre / width for centre, width in zip(mean, deviation, strict=True)]
    with torch.inference_mode(False):
        as_channels = partial(torch.tensor, dtype=torch.float32, device=device)
        return as_channels(scale)[:, None, None], as_channels(shift)[:, None, None]


def _some_of(images: Tensor, view: Tensor, transform: Transform, numbers: tuple[int, ...]) -> Tensor:
    _refuse_beyond(view, len(numbers))
    return transform(images, torch.tensor(numbers, device=view.device)[view])


def _split(
    images: Tensor, view: Tensor, transform: Transform, parts: Mapping[str, tuple[int, ...]]
) -> dict[str, Tensor]:
    pictures = transform(images, view)
    return {name: pictures[:, list(channels)] for name, channels in parts.items()}


def _batches(
    data: Labelled, places: Tensor, index: Tensor, view: Tensor, transform: Show, batch_size: int, first: int
) -> Iterator[Batch]:
    known = {"target": data.targets[places]} if data.has_targets else {}
    known |= {"index": index, "view": view}
    kept = {"input": data.inputs, **data.others}
    if isinstance(transform, Mapping) and "target" in transform:
        kept["target"] = data.targets
    counts = [part.stop - part.start for part in parts(len(places), batch_size)]
    cut = zip(*(x.split(counts)[first:] for x in (places, view, *known.values())), strict=True)
    for rows, seen_in, *others in cut:
        inputs = shown({name: x.index_select(0, rows) for name, x in kept.items()}, seen_in, transform)
        yield {**inputs, **{name: x for name, x in zip(known, others, strict=True) if name not in inputs}}


def _refuse_nothing(data: Labelled, batch_size: int) -> None:
    if not len(data):
        raise ValueError(f"The set {data.name!r} is empty; there is nothing to make batches of.")
    if batch_size < 1:
        raise ValueError(f"A batch holds at least 1 sample; batch_size is {batch_size}.")


def _refuse_beyond(view: Tensor, num_views: int) -> None:
    if view.device.type != "cpu":
        return  # looking at a number would make the host wait for the accelerator
    if len(view) and not 0 <= int(view.min()) <= int(view.max()) < num_views:
        raise ValueError(f"There are {num_views} views, 0 to {num_views - 1}; got view {int(view.max())}.")
