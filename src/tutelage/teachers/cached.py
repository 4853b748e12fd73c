"""A teacher that is asked once about each view of each sample."""

from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from tutelage.objective import Scene
from tutelage.taps import Activations
from tutelage.teachers.ensemble import stacked
from tutelage.teachers.forms import Form, dense
from tutelage.teachers.frozen import Teacher, asking, networks_of, refuse_no_teacher
from tutelage.teachers.stores import Place, Plan, Shelf, Store, in_memory

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
    depend on who else is asked about.
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
    """What ``teacher`` showed when it first met ``batch.index`` in ``batch.view``; from then on it is not asked again.

    Index numbers are 0 … ``samples`` - 1 and views 0 … ``views`` - 1; the answer for one view is never given for
    another. ``cached(None, …)`` has nobody to ask and refuses what is not stored. Any activation is kept that has a row
    for each sample; its room is taken at the first answer. An ``ensemble`` stacks, so cache its members and not itself.
    Answers are float32, on the batch's device.

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
    plan = Plan(samples, views, form)
    store = place(plan)

    def answer(scene: Scene, wanted: frozenset[str]) -> Activations:
        places = _places(plan, scene)
        if lacking := [what for what in sorted(wanted) if not _has(store.find(what), places)]:
            _learn(store, form, teacher, choose, scene, lacking, places)
        return {what: _answer(store, form, what, places).to(places.device) for what in wanted}

    return asking(answer, networks_of(teacher))


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


def _places(plan: Plan, scene: Scene) -> Tensor:
    """The row of each sample in its view: ``index · views + view``."""
    batch = scene["batch"]
    if missing := sorted({"index", "view"} - batch.keys()):
        raise ValueError(f"A cache needs to know which view of which sample it sees; the batch lacks {missing}.")
    index: Tensor = batch["index"]
    view: Tensor = batch["view"]
    if index.device.type == "cpu":
        _refuse_beyond(plan, index, view)
        return index * plan.views + view
    # An accelerator would have to be waited for: there the gather itself refuses a row that does not exist.
    right = (index >= 0) & (index < plan.samples) & (view >= 0) & (view < plan.views)
    return torch.where(right, index * plan.views + view, plan.rows)


def _refuse_beyond(plan: Plan, index: Tensor, view: Tensor) -> None:
    for what, numbers, count in (("sample", index, plan.samples), ("view", view, plan.views)):
        lowest, highest = (int(x) for x in numbers.aminmax())
        if lowest < 0 or highest >= count:
            raise ValueError(
                f"The cache has room for samples 0 to {plan.samples - 1} in views 0 to {plan.views - 1}; "
                f"the batch holds {what} {lowest if lowest < 0 else highest}."
            )


def _has(shelf: Shelf | None, places: Tensor) -> bool:
    return shelf is not None and (not shelf.missing or bool(_seen(shelf, places).all()))


def _seen(shelf: Shelf, places: Tensor) -> Tensor:
    return shelf.known.index_select(0, places.to(shelf.known.device))


def _answer(store: Store, form: Form, what: str, places: Tensor) -> Tensor:
    shelf = store.find(what)
    assert shelf is not None
    places = places.to(shelf.known.device)
    return form.decode({name: part.index_select(0, places) for name, part in shelf.parts.items()}, shelf.row)


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
    """Ask about what is lacking and keep it; what is known already stays as it was first shown."""
    unseen = torch.zeros(len(places), dtype=torch.bool, device=places.device)
    for what in lacking:
        shelf = store.find(what)
        unseen |= True if shelf is None else ~_seen(shelf, places).to(unseen.device)
    if teacher is None:
        _refuse_unknown(scene, lacking, unseen)
        return
    asked = choose(unseen)
    batch = {name: _rows(x, asked, len(places)) for name, x in scene["batch"].items()}
    shown = teacher({**scene, "batch": batch}, frozenset(lacking))
    with store.writing():
        for what in lacking:
            _keep(store, form, what, shown.get(what), places[asked])


def _rows(x: Any, asked: Tensor, count: int) -> Any:
    """Those of ``x`` that are asked about, in tensors and lists of a row for each sample; anything else as it is."""
    if isinstance(x, Tensor):
        return x[asked] if x.ndim and len(x) == count else x
    if isinstance(x, Mapping):
        return {name: _rows(part, asked, count) for name, part in x.items()}
    if isinstance(x, list) and len(x) == count:
        return [x[row] for row in asked.tolist()]
    return [_rows(part, asked, count) for part in x] if isinstance(x, list) else x


def _keep(store: Store, form: Form, what: str, shown: Tensor | None, places: Tensor) -> None:
    if shown is None or not shown.is_floating_point() or shown.ndim < 1 or len(shown) != len(places):
        found = "nothing" if shown is None else f"{shown.dtype} {list(shown.shape)}"
        raise ValueError(
            f"A cache keeps one row of real numbers for each of the {len(places)} samples asked about; "
            f"the teacher showed {found} at {what!r}."
        )
    row = tuple(shown.shape[1:])
    shelf = store.find(what) or store.make(what, row)
    if shelf.row != row:
        raise ValueError(
            f"The rows of {what!r} are {list(shelf.row)} in this cache; now the teacher shows {list(row)}."
        )
    places = places.to(shelf.known.device)
    new = ~shelf.known.index_select(0, places)
    shelf.put(places[new], form.encode(shown[new.to(shown.device)]))


def _refuse_unknown(scene: Scene, lacking: list[str], unseen: Tensor) -> None:
    index, view = (int(scene["batch"][name][unseen][0]) for name in ("index", "view"))
    raise ValueError(
        f"The cache lacks {lacking} for {int(unseen.sum())} of {len(unseen)} samples, such as sample {index} in view "
        f"{view}, and has no teacher to ask; give cached() the live teacher, or fill the cache with it first."
    )


def _refuse_ensemble(teacher: Teacher | None) -> None:
    if isinstance(teacher, partial) and teacher.func is stacked:
        raise ValueError("An ensemble's answers are stacked; cache each member: ensemble([cached(…), cached(…)]).")
