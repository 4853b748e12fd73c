"""Views that come again: in a training of many epochs each is made once, then read from memory."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

from tutelage import group
from tutelage.data.labelled import Labelled
from tutelage.data.transforms import Show, Transform
from tutelage.data.views import around_normalising
from tutelage.machine import free_memory

SHARE = 0.25
"""Of the memory that is free, what the views of a set may take."""
OURS = "tutelage."


def with_kept_views(data: Labelled, transform: Show, num_views: int) -> tuple[Labelled, Show]:
    """What ``views`` makes the same batches of, to the bit, and makes each view of a picture only once.

    Kept are pictures (uint8) before they are normalised, each in its place, which takes memory as it is filled. Where
    ``bytes_of_views`` finds no room, ``data`` and ``transform`` come back as they are.
    """
    if not bytes_of_views(data, transform, num_views):
        return data, transform
    show = _of_pictures(transform)
    assert show is not None
    kept = _KeptViews(data.inputs, show, num_views)
    places = replace(data, inputs=torch.arange(len(data)), sum_of_inputs="")
    return places, {**transform, "input": kept} if isinstance(transform, Mapping) else kept


def bytes_of_views(data: Labelled, transform: Show, num_views: int) -> int:
    """What the views of the pictures of ``data`` take, where they can be kept; else 0.

    They cannot where inputs are not uint8 as they are shown, or several, or lie elsewhere than on the CPU; where more
    than ``SHARE`` of the memory that is free would be taken; nor where a function is not of this package, since others
    may show a view otherwise every time.
    """
    show = _of_pictures(transform)
    if show is None or not len(data) or data.others or data.index.device.type != "cpu":
        return 0
    picture = _first_picture(data.inputs, around_normalising(show)[0])
    if not isinstance(picture, Tensor) or picture.dtype != torch.uint8 or len(picture) != 1 or not picture.nbytes:
        return 0
    size = len(data) * num_views * (picture.nbytes + 1)
    return size if size <= SHARE * free_memory() / group.size() else 0


class _KeptViews:
    """A transform of places: what ``show`` makes of the ``inputs`` there, by way of the pictures that are kept."""

    def __init__(self, inputs: Tensor, show: Transform, num_views: int) -> None:
        self.inputs, self.num_views = inputs, num_views
        self.before, self.after = around_normalising(show)
        picture = _first_picture(inputs, self.before)[0]
        self.missing = len(inputs) * num_views
        self.is_kept = np.zeros(self.missing, dtype=bool)
        self.rows = np.empty(self.missing, dtype=f"V{picture.nbytes}")  # numpy copies a row at once
        self.pictures = torch.from_numpy(self.rows.view(np.uint8).reshape(-1, *picture.shape))

    def __call__(self, places: Tensor, view: Tensor) -> Tensor:
        rows = torch.add(view, places, alpha=self.num_views)
        if self.missing and len(new := np.flatnonzero(~self.is_kept[rows.numpy()])):
            self._keep(torch.from_numpy(new), places, view, rows)
        return self.after(self.pictures.index_select(0, rows), view)

    def _keep(self, new: Tensor, places: Tensor, view: Tensor, rows: Tensor) -> None:
        shown = self.before(self.inputs.index_select(0, places[new]), view[new]).contiguous()
        into = rows[new].numpy()
        self.rows[into] = shown.numpy().reshape(-1).view(self.rows.dtype)
        self.is_kept[into] = True
        self.missing -= len(into)


def _of_pictures(transform: Show) -> Transform | None:
    """How the input of a batch is shown, if always the same in a view."""
    show = transform.get("input") if isinstance(transform, Mapping) else transform
    return show if _is_ours(show) else None


def _first_picture(inputs: Tensor, transform: Transform) -> Tensor:
    return transform(inputs[:1], torch.zeros(1, dtype=torch.int64))


def _is_ours(thing: Any) -> TypeGuard[Transform]:
    """Whether a function is of this package, with all that it was given: such show a view always the same."""
    if isinstance(thing, partial):
        return all(_is_ours(x) for x in (thing.func, *thing.args, *thing.keywords.values()) if callable(x))
    return str(getattr(thing, "__module__", None)).startswith(OURS)
