"""What a term's loss may be handed, in one sentence each: logits where it wants logits, classes where labels."""

from functools import partial
from inspect import signature
from typing import Any, get_type_hints

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tutelage.data.labelled import COUNTED, as_classes
from tutelage.losses.masked import Masked
from tutelage.objective import Scene, Term
from tutelage.outputs import kind_of
from tutelage.shapes import LabelLogits, Labels, LogitMap, Logits, MemberLogits

IGNORED = -100
"""The label that ``cross_entropy`` leaves out unless it is told another."""
MANY = 4
"""Rows of numbers that all sum to 1 by chance there are none of."""


def refuse_unfit(term: Term, scene: Scene) -> None:
    """Raises ``ValueError`` for probabilities where logits are wanted, for a single class, and for no labels."""
    dim, arguments = class_dim_of(term.loss), []
    for hint, address in shape_types(term):
        who, _, what = address.partition(".")
        if what in scene.get(who, {}):  # what is nowhere is refused as that
            arguments.append((hint, address, scene[who][what]))
    logits = [(address, x) for hint, address, x in arguments if hint in (Logits, MemberLogits)]
    for hint, address, x in arguments:
        if hint == MemberLogits and isinstance(x, Tensor) and x.ndim:
            for member in x:
                refuse_probabilities(address, member, dim)
        elif hint in (Logits, MemberLogits):
            refuse_probabilities(address, x, dim)
        elif hint == LogitMap:
            refuse_probabilities(address, x, 1)
        elif hint == LabelLogits:
            refuse_sigmoids(address, x)
    for hint, address, x in arguments:
        if hint == Labels and logits:
            _refuse_no_labels(term.loss, address, x, logits[0][1], dim)


def shape_types(term: Term) -> list[tuple[Any, str]]:
    """The shape that an argument of the term's loss promises, and the address it is fed from.

    A list of addresses is looked at where it stands for stacked logits: each is then one member's.
    """
    loss, addresses = term.loss, term.addresses
    if isinstance(loss, Masked):  # which takes one argument more than its loss does
        loss, addresses = loss.loss, addresses[:-1]
    call = loss.forward if isinstance(loss, nn.Module) else loss
    function: Any = call
    while isinstance(function, partial):
        function = function.func
    try:
        fed = signature(call).bind_partial(*addresses).arguments
        hints = get_type_hints(function, include_extras=True)
    except (TypeError, ValueError, NameError):
        return []
    if _is_cross_entropy(loss):
        hints = {"input": Logits, "target": Labels}
    given = [(hints[name], x) for name, x in fed.items() if name in hints]
    single = [(hint, x) for hint, x in given if isinstance(x, str)]
    return single + [(Logits, one) for hint, x in given if hint == MemberLogits and not isinstance(x, str) for one in x]


def _is_cross_entropy(loss: Any) -> bool:
    while isinstance(loss, partial | Masked):
        loss = loss.func if isinstance(loss, partial) else loss.loss
    return loss is cross_entropy or isinstance(loss, nn.CrossEntropyLoss)


def class_dim_of(loss: Any) -> int | None:
    """The dimension of the classes that a loss was told, as cross entropy always is; nothing if it was not."""
    if isinstance(loss, Masked):  # of rows, whatever stood before the classes
        return -1
    if _is_cross_entropy(loss):
        return 1
    while isinstance(loss, partial):
        if "dim" in loss.keywords:
            return int(loss.keywords["dim"])
        loss = loss.func
    return None


def refuse_probabilities(address: str, x: Any, dim: int | None) -> None:
    """Raise ``ValueError`` if every row of ``x`` along ``dim`` (1 of four, else the last) is 0 to 1 and sums to 1.

    Also as ``refuse_sigmoids`` does.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim < 2:
        return
    dim = dim if dim is not None else 1 if x.ndim == 4 else -1
    rows = x.detach().double().movedim(dim, -1).flatten(0, -2)
    # Half precision and stored answers are rough; a few rows must be as exact as their type is to be no accident.
    rough = 5e-3 if len(rows) >= MANY else max(1e-5, torch.finfo(x.dtype).eps / 2)
    if (
        len(rows)
        and rows.shape[1] > 1
        and bool(((rows >= 0) & (rows <= 1)).all() and ((rows.sum(1) - 1).abs() <= rough).all())
    ):
        raise ValueError(
            f"{address!r} are probabilities (from 0 to 1, and 1 together), where logits are wanted: a softmax of a "
            f"softmax is nearly uniform; leave out the network's last softmax, or take the log of what it returns."
        )
    refuse_sigmoids(address, x)


def refuse_sigmoids(address: str, x: Any) -> None:
    """Raise ``ValueError`` if ``x`` lies from 0 to 1 and reaches close to both, as a trained network's sigmoids do."""
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.numel() < 4 * MANY:
        return
    least, most = x.detach().aminmax()
    if 0 <= least <= 0.1 and 0.9 <= most <= 1:  # logits of one that is not trained yet may all be small and positive
        raise ValueError(
            f"{address!r} are probabilities (all from 0 to 1), where logits are wanted; leave out the network's last "
            f"sigmoid, or take torch.logit of what it returns."
        )


def _refuse_no_labels(loss: Any, address: str, target: Any, logits: Any, dim: int | None) -> None:
    if not isinstance(logits, Tensor) or not logits.ndim:
        return
    plain = _is_cross_entropy(loss)
    if (
        plain and isinstance(target, Tensor) and target.is_floating_point() and target.shape == logits.shape
    ):  # probabilities of the classes
        return
    dim = -1 if dim is None or logits.ndim < 2 else dim
    classes, wanted = logits.shape[dim], logits.select(dim, 0).shape
    if plain and classes < 2:
        raise ValueError(f"Cross entropy wants two classes or more; got logits {list(logits.shape)} for {address!r}.")
    if not isinstance(target, Tensor):
        raise ValueError(
            f"{address!r} must be an int64 tensor {list(wanted)}, as torch.tensor makes; got {kind_of(target)}."
        )
    types = (torch.int64, torch.uint8) if plain else (torch.int64,)
    if target.dtype not in types or target.shape != wanted:
        cure = as_classes(target).replace("targets", "target") if len(wanted) == 1 else ""
        raise ValueError(f"{address!r} must be int64 {list(wanted)}, not {target.dtype} {list(target.shape)}{cure}.")
    unknown = target[((target < 0) | (target >= classes)) & (target != _ignored(loss))]
    if len(unknown):
        counted = f" ({COUNTED})" if int(target.min()) > 0 else ""
        raise ValueError(
            f"{address!r} must be 0 to {classes - 1}, one for each class; {unknown[0].item()} is among them{counted}."
        )


def _ignored(loss: Any) -> int:
    while isinstance(loss, partial):
        if "ignore_index" in loss.keywords:
            return int(loss.keywords["ignore_index"])
        loss = loss.func
    if isinstance(loss, Masked):
        return IGNORED if loss.ignore_index is None else loss.ignore_index
    return int(getattr(loss, "ignore_index", IGNORED))
