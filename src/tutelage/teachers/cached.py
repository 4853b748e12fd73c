"""A teacher that answers once about each view of each sample; from then on its answers are read."""

from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from tutelage.objective import Scene
from tutelage.taps import Activations
from tutelage.teachers.cache_layout import AnswerTable, CacheLayout
from tutelage.teachers.ensemble import stacked
from tutelage.teachers.forms import Form, dense
from tutelage.teachers.frozen import Teacher, asking, networks_of, refuse_no_teacher
from tutelage.teachers.stores import ByPrecision, Place, Store, in_memory

Choose: TypeAlias = Callable[[Tensor], Tensor]
"""Which rows of a batch to ask the live teacher about, given which of them are unseen (bool (N,) -> int64)."""
FEWEST = 32
"""Rows that ``only_unseen`` asks about at least: matrix products of a few rows go another way, with other last bits."""


def whole_batch(unseen: Tensor) -> Tensor:
    """All rows, so that the teacher sees the very batch it would have seen live."""
    return torch.arange(len(unseen), device=unseen.device)


def only_unseen(unseen: Tensor) -> Tensor:
    """The unseen rows, filled up to ``FEWEST`` with seen ones.

    Cheaper than ``whole_batch`` where views are drawn at random and most of a batch is known. The last bits may then
    depend on the other rows of the batch.
    """
    count = max(int(unseen.sum()), min(FEWEST, len(unseen)))
    return (~unseen).sort(stable=True).indices[:count].sort().values


def cached(
    teacher: Teacher | None,
    *,
    samples: int,
    views: int,
    form: Form = dense(),  # noqa: B008  (it has no state)
    place: Place = in_memory,
    choose: Choose = whole_batch,
) -> Teacher:
    """The first answer of ``teacher`` about ``batch.index`` in ``batch.view``, stored: computed once, then only read.

    Index numbers are 0 … ``samples`` - 1 and views 0 … ``views`` - 1; the answer for one view is never given for
    another. ``cached(None, …)`` has nobody to ask and refuses what is not stored. Any activation is kept that has a row
    for each sample; its room is taken at the first answer. An ``ensemble`` stacks, so cache its members and not itself.
    Answers are float32, on the batch's device. A cache in a folder also remembers how the network was called, by
    ``frozen``'s ``call`` and ``read``; and answers under autocast are kept apart from those without it.

    With ``dense()`` they are the live teacher's to the bit, as far as its answer about a row does not depend on the
    other rows of the batch or on their number. That is up to the processor and the threads: true of any company, and
    of all sizes from 8 rows on, for the fully connected and convolutional networks that were tried; not of 1 to 7 rows.

    Raises ``ValueError`` for counts below 1, an ensemble, a batch that does not say which samples and views it holds
    or names one that does not exist, an unknown answer with nobody to ask, and an activation that has no row for each
    sample or changes its shape.
    """
    if samples < 1 or views < 1:
        raise ValueError(f"A cache is for at least 1 sample in 1 view; got samples={samples}, views={views}.")
    if teacher is not None:
        refuse_no_teacher("What is cached", teacher)
    _refuse_ensemble(teacher)
    layout = CacheLayout(samples, views, form, None if teacher is None else getattr(teacher, "manner", ""))
    store = ByPrecision(place(layout), silent=teacher is None)

    def answer(scene: Scene, wanted: frozenset[str]) -> Activations:
        places = _places(layout, scene)
        if lacking := [what for what in sorted(wanted) if not _has(store.find(what), places)]:
            _learn(store, form, teacher, choose, scene, lacking, places)
        return {what: _answer(store, form, what, places).to(places.device) for what in wanted}

    return asking(answer, networks_of(teacher), layout.manner or "")


def weights_hash(model: nn.Module) -> str:
    """The sha-256 over names, types, shapes and values of all parameters and buffers: who a teacher is.

    >>> weights_hash(nn.Linear(2, 2)) == weights_hash(nn.Linear(2, 2))
    False
    """
    digest = sha256()
    for name, x in sorted(model.state_dict().items()):
        digest.update(f"{name} {x.dtype} {list(x.shape)}".encode())
        digest.update(x.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _places(layout: CacheLayout, scene: Scene) -> Tensor:
    """The row of each sample in its view: ``index · views + view``."""
    batch = scene["batch"]
    if missing := sorted({"index", "view"} - batch.keys()):
        raise ValueError(f"A cache needs to know which view of which sample it sees; the batch lacks {missing}.")
    index: Tensor = batch["index"]
    view: Tensor = batch["view"]
    if index.device.type == "cpu":
        _refuse_beyond(layout, index, view)
        return index * layout.views + view
    # An accelerator would have to be waited for: there the gather itself refuses a row that does not exist.
    right = (index >= 0) & (index < layout.samples) & (view >= 0) & (view < layout.views)
    return torch.where(right, index * layout.views + view, layout.rows)


def _refuse_beyond(layout: CacheLayout, index: Tensor, view: Tensor) -> None:
    for what, numbers, count in (("sample", index, layout.samples), ("view", view, layout.views)):
        lowest, highest = (int(x) for x in numbers.aminmax())
        if lowest < 0 or highest >= count:
            raise ValueError(
                f"The cache has room for samples 0 to {layout.samples - 1} in views 0 to {layout.views - 1}; "
                f"the batch holds {what} {lowest if lowest < 0 else highest}."
            )


def _has(table: AnswerTable | None, places: Tensor) -> bool:
    return table is not None and (not table.missing or bool(_seen(table, places).all()))


def _seen(table: AnswerTable, places: Tensor) -> Tensor:
    return table.seen(places.to(table.known.device))


def _answer(store: Store, form: Form, what: str, places: Tensor) -> Tensor:
    table = store.find(what)
    assert table is not None
    places = places.to(table.known.device)
    return form.decode({name: part.index_select(0, places) for name, part in table.parts.items()}, table.row)


@torch.no_grad()
def _learn(
    store: Store,
    form: Form,
    teacher: Teacher | None,
    choose: Choose,
    scene: Scene,
    lacking: list[str],
    places: Tensor,
) -> None:
    """Ask about what is lacking and keep it; what is known already stays as it was."""
    unseen = torch.zeros(len(places), dtype=torch.bool, device=places.device)
    for what in lacking:
        table = store.find(what)
        unseen |= True if table is None else ~_seen(table, places).to(unseen.device)
    if teacher is None:
        _refuse_unknown(scene, lacking, unseen)
        return
    rows = choose(unseen)
    batch = {name: _rows(x, rows, len(places)) for name, x in scene["batch"].items()}
    activations = teacher({**scene, "batch": batch}, frozenset(lacking))
    with store.writing():
        for what in lacking:
            _keep(store, form, what, activations.get(what), places[rows])


def _rows(x: Any, rows: Tensor, count: int) -> Any:
    """Those of ``x`` that are asked about, in tensors and lists of a row for each sample; anything else as it is."""
    if isinstance(x, Tensor):
        return x[rows] if x.ndim and len(x) == count else x
    if isinstance(x, Mapping):
        return {name: _rows(part, rows, count) for name, part in x.items()}
    if isinstance(x, list) and len(x) == count:
        return [x[row] for row in rows.tolist()]
    return [_rows(part, rows, count) for part in x] if isinstance(x, list) else x


def _keep(store: Store, form: Form, what: str, answer: Tensor | None, places: Tensor) -> None:
    if answer is None or not answer.is_floating_point() or answer.ndim < 1 or len(answer) != len(places):
        kind = "nothing" if answer is None else f"{answer.dtype} {list(answer.shape)}"
        raise ValueError(
            f"A cache keeps one row of real numbers for each of the {len(places)} samples in question; "
            f"the teacher showed {kind} at {what!r}."
        )
    row = tuple(answer.shape[1:])
    table = store.find(what) or store.create(what, row)
    if table.row != row:
        raise ValueError(
            f"The rows of {what!r} are {list(table.row)} in this cache; now the teacher shows {list(row)}."
        )
    places = places.to(table.known.device)
    new = ~table.seen(places)
    table.put(places[new], form.encode(answer[new.to(answer.device)]))


def _refuse_unknown(scene: Scene, lacking: list[str], unseen: Tensor) -> None:
    index, view = (int(scene["batch"][name][unseen][0]) for name in ("index", "view"))
    raise ValueError(
        f"The cache lacks {lacking} for {int(unseen.sum())} of {len(unseen)} samples, such as sample {index} in view "
        f"{view}, and has no teacher to ask; give cached() the live teacher, or fill the cache with it first."
    )


def _refuse_ensemble(teacher: Teacher | None) -> None:
    if isinstance(teacher, partial) and teacher.func is stacked:
        raise ValueError("An ensemble's answers are stacked; cache each member: ensemble([cached(…), cached(…)]).")
