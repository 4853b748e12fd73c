"""Networks with many zeros as small files: of each tensor the smallest of all its values, CSR, and a bit mask."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from tutelage.checkpoint import filled, uncompiled, write_tensors
from tutelage.tensors import RESTORE, read_tensors
from tutelage.weights.codebook import from_codes
from tutelage.weights.signs import from_signs

FORMS = {"csr": ("values", "columns", "rows"), "mask": ("values", "mask"), "codes": ("codebook", "packed"),
         "signs": ("scales", "signs")}  # fmt: skip
"""What each form stores of a tensor, under ``<name>|<part>``."""
Smallest: TypeAlias = Callable[[Tensor], tuple[str, dict[str, Tensor]]]
"""A tensor -> the form that it is stored in, "" for all its values, and the parts."""
NARROW = 2**15  # columns up to here fit 16 bits
ENTRY = 80
"""Bytes that a further tensor takes in the header of a file, about."""


def save_sparse(path: Path | str, model: nn.Module) -> str:
    """The checksum of the safetensors file that now holds parameters and buffers of ``model``, each as small as it can.

    ``load_sparse`` gives the same bits back, but that a zero loses its sign. A tensor (rows, …) with n values of b
    bytes that are not 0 takes ``n b + 2 n + 4 (rows + 1)`` bytes as CSR, ``n b + size / 8`` with a bit mask, or
    ``size b``: the least counts. Rows of more than 32,768 values take 4 bytes a column.
    """
    return write_tensors(path, *encoded(uncompiled(model.state_dict())))


def load_sparse(path: Path | str, model: nn.Module, cure: str = RESTORE, expected: str = "") -> nn.Module:
    """``model``, a plain network of the same architecture, with what ``save_sparse`` or ``save_packed`` wrote.

    Its shapes are the model's own, so that no file makes this take more memory than the model does.
    Raises ``ValueError`` for a file that is damaged, of another architecture, or not of this kind, and
    ``FileNotFoundError`` for none.
    """
    tensors, about = read_tensors(path, cure, expected)
    if "sparse" not in about:
        raise ValueError(f"{path} is none of what save_sparse writes: read it with load_weights.")
    return _filled(model, tensors, about, path, cure)


def load_any(path: Path | str, model: nn.Module, cure: str = RESTORE, expected: str = "") -> nn.Module:
    """``model`` with what any of ``save_weights``, ``save_sparse`` and ``save_packed`` wrote.

    Raises as ``load_weights`` and ``load_sparse`` do.
    """
    tensors, about = read_tensors(path, cure, expected)
    plain = "sparse" not in about
    return filled(model, tensors, path, cure) if plain else _filled(model, tensors, about, path, cure)


def _filled(model: nn.Module, tensors: Mapping[str, Tensor], about: Any, path: Path | str, cure: str) -> nn.Module:
    try:
        state = decoded(tensors, about, uncompiled(model.state_dict()))
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, IndexError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{path} does not hold the sparse weights of this {type(model).__name__} ({reason}): {cure}."
        ) from None
    return filled(model, state, path, cure)


def smallest(x: Tensor) -> tuple[str, dict[str, Tensor]]:
    """Of all values, CSR and a bit mask the form of ``x``, on the CPU, that takes the fewest bytes, and its parts."""
    if not x.numel():
        return "", {"": x}
    rows = x.flatten(1) if x.ndim > 1 else x.view(1, -1)
    there = rows != 0
    count, width = int(there.sum()), 2 if rows.shape[1] <= NARROW else 4
    sizes = {
        "": x.numel() * x.element_size(),
        "csr": count * (x.element_size() + width) + 4 * (len(rows) + 1) + 2 * ENTRY,
        "mask": count * x.element_size() + -(-x.numel() // 8) + ENTRY,
    }
    form = min(sizes, key=lambda form: sizes[form])
    if form == "":
        return "", {"": x}
    values = rows[there]
    if form == "mask":
        return form, {"values": values, "mask": _packed(there.flatten())}
    columns = there.nonzero()[:, 1].to(torch.int16 if width == 2 else torch.int32)
    pointers = torch.cat([torch.zeros(1, dtype=torch.int64), there.sum(1).cumsum(0)])
    return form, {"values": values, "columns": columns, "rows": pointers.to(torch.int32)}


def encoded(state: Mapping[str, Tensor], choose: Smallest = smallest) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file for ``state``, and what else it says: the form of each that is not stored as it is."""
    tensors: dict[str, Tensor] = {}
    forms: dict[str, str] = {}
    first: dict[tuple[Any, ...], str] = {}
    same: dict[str, str] = {}
    for name, x in state.items():
        x = x.detach().cpu().contiguous()
        place = (x.data_ptr(), x.dtype, x.shape) if x.numel() else (name,)
        if (own := first.setdefault(place, name)) != name:
            same[name] = own
            continue
        form, parts = choose(x)
        if form:
            forms[name] = form
        tensors |= {f"{name}|{part}" if form else name: values for part, values in parts.items()}
    return tensors, {"sparse": forms, "same": same}


def decoded(tensors: Mapping[str, Tensor], about: Mapping[str, Any], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state that was ``encoded``, in the shapes and types of ``like``. Raises ``ValueError`` for any other."""
    forms, same, used = about["sparse"], about["same"], set()
    state: dict[str, Tensor] = {}
    for name, own in like.items():
        stored = same.get(name, name)
        if (form := forms.get(stored)) is None:
            used.add(stored)
            state[name] = tensors[stored]
            continue
        parts = {part: tensors[f"{stored}|{part}"] for part in FORMS[form]}
        used |= {f"{stored}|{part}" for part in parts}
        state[name] = READERS[form](own, **parts)
    if strange := sorted(tensors.keys() - used):
        raise ValueError(f"{strange[0]!r} is not of this network")
    return state


def _from_csr(like: Tensor, values: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    count = like.shape[0] if like.ndim > 1 else 1
    width = like.numel() // max(count, 1)
    counts, columns = rows.long().diff(), columns.long()
    _refuse_other(like, values)
    if not (
        rows.shape == (count + 1,)
        and columns.shape == values.shape
        and int(rows[0]) == 0
        and int(rows[-1]) == len(values)
        and bool((counts >= 0).all())
        and (not len(columns) or (int(columns.min()) >= 0 and int(columns.max()) < width))
    ):
        raise ValueError("the indices of its values lead out of it")
    places = torch.repeat_interleave(torch.arange(count) * width, counts) + columns
    if len(places) > 1 and not bool((places.diff() > 0).all()):
        raise ValueError("the indices of its values are not in order")
    flat = torch.zeros(like.numel(), dtype=like.dtype)
    flat[places] = values
    return flat.view(like.shape)


def _from_mask(like: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    _refuse_other(like, values)
    if mask.dtype != torch.uint8 or mask.shape != (-(-like.numel() // 8),):
        raise ValueError("its mask is of another size")
    bits = (mask[:, None] >> torch.arange(8, dtype=torch.uint8)) & 1
    there = bits.flatten().bool()
    if int(there.sum()) != len(values) or bool(there[like.numel() :].any()):
        raise ValueError("its mask is not that of its values")
    flat = torch.zeros(like.numel(), dtype=like.dtype)
    flat[there[: like.numel()]] = values
    return flat.view(like.shape)


def _refuse_other(like: Tensor, values: Tensor) -> None:
    if values.ndim != 1 or values.dtype != like.dtype:
        raise ValueError("its values are of another type")


def _packed(there: Tensor) -> Tensor:
    bits = torch.zeros(-(-len(there) // 8) * 8, dtype=torch.uint8)
    bits[: len(there)] = there
    return (bits.view(-1, 8) << torch.arange(8, dtype=torch.uint8)).sum(1, dtype=torch.uint8)


READERS: dict[str, Callable[..., Tensor]] = {"csr": _from_csr, "mask": _from_mask, "codes": from_codes,
                                         "signs": from_signs}  # fmt: skip
