"""Weights of any origin into a model: all of them, or none and a list of what does not fit."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from tutelage.plurals import counted
from tutelage.weights.names import COUNTER, Name, Sides, match
from tutelage.weights.nested import named_tensors
from tutelage.weights.read import read
from tutelage.weights.words import account, misfits, plain_words, quoted, several


def load_foreign(path: Path | str, model: nn.Module) -> list[str]:
    """Sentences that say what was done to put the weights in ``path`` into ``model``, which is changed in place.

    Takes safetensors and what ``torch.save`` wrote, of any age, and runs no code in it. Wrappers and prefixes are found
    by which names fit: ``{"model": …, "epoch": 3}``, ``module.layer1.0.weight``. Where several sets of weights fit,
    weights are taken before averages of them and usual keys before others, the sentences say what was not taken, and
    where neither decides the file is refused. Values are converted to the model's types; those of the same type arrive
    bit for bit.

    Raises ``ValueError``, and leaves the model as it was, where weights are missing, too many or of another shape: ten
    of each are listed; also where a value is no finite number, for a file that is damaged, of another kind, or a pickle
    of more than weights. Raises ``FileNotFoundError`` where there is none.
    """
    path, kind = Path(path), type(model).__name__
    content = read(path)
    own = own_tensors(model)
    stored, depths = named_tensors(content)
    if not stored:
        raise ValueError(f"{path} holds no tensors by name; save the network's state_dict() in it.")
    ties = ties_of(own)
    found = match(Sides(shapes_of(own), shapes_of(stored), depths, ties))
    if not found.complete:
        raise ValueError(
            f"{path} holds the weights of another architecture than this {kind}, and nothing was loaded:\n"
            f"{misfits(found, own, stored)}."
        )
    if found.rivals:
        places = quoted([found.prefix, *found.rivals])
        raise ValueError(f"{path} holds weights of a {kind} more than once, under {places}; keep those that you mean.")
    values = _values({**found.pairs, **_tied(found.pairs, ties)}, own, stored, f"{path} does not suit this {kind}")
    if apart := [(x, y) for x, others in ties.items() for y in others if not _same(values.get(x), values.get(y))]:
        raise ValueError(f"{path} holds different values for {quoted(apart[0])}, which are one tensor in this {kind}.")
    _refuse_not_finite(path, values, own)
    reset = [x for x in own if x[-1] == COUNTER and x not in values]
    values |= {x: torch.zeros_like(own[x]) for x in reset}
    model.load_state_dict({**model.state_dict(), **{".".join(x): value for x, value in values.items()}})
    untracked = f"{COUNTER} is missing for {counted(len(reset), 'layer')}: set to 0"
    return [*account(found, content, own, stored, depths), *([untracked] if reset else [])]


def _values(
    pairs: Mapping[Name, Name], own: Mapping[Name, Tensor], stored: Mapping[Name, Tensor], refusal: str
) -> dict[Name, Tensor]:
    values = {x: _converted(stored[y], own[x]) for x, y in pairs.items()}
    if lost := [x for x, value in values.items() if value is None and x[-1] != COUNTER]:
        types = (f"{'.'.join(x)!r} is {_type(stored[pairs[x]])} there and {_type(own[x])} here" for x in lost)
        raise ValueError(f"{refusal}: {several(types)}, which cannot be converted without loss; nothing was loaded.")
    return {x: value for x, value in values.items() if value is not None}


def _refuse_not_finite(path: Path, values: Mapping[Name, Tensor], own: Mapping[Name, Tensor]) -> None:
    """But for those that the model has there itself: masks are −inf by design."""
    counts = {x: _not_finite(value, own[x]) for x, value in values.items() if value.is_floating_point()}
    if broken := {x: count for x, count in counts.items() if count}:
        words = (f"{'.'.join(x)!r} ({count} of {values[x].numel()})" for x, count in broken.items())
        raise ValueError(
            f"{path} holds values that are NaN or infinite, in {several(words)}: the training that wrote it diverged, "
            f"or the file is damaged; nothing was loaded. Take an earlier checkpoint."
        )


def _not_finite(value: Tensor, own: Tensor) -> int:
    x, y = value.to(torch.float64), own.to(value.device, torch.float64)
    return int((~torch.isfinite(x) & (x != y)).sum())


def _tied(pairs: Mapping[Name, Name], ties: Mapping[Name, list[Name]]) -> dict[Name, Name]:
    return {x: pairs[y] for x, others in ties.items() if x not in pairs for y in others if y in pairs}


def own_tensors(model: nn.Module) -> dict[Name, Tensor]:
    """The model's parameters and buffers by name. Raises ``ValueError`` where they hold no values yet."""
    own = {tuple(name.split(".")): x for name, x in model.state_dict().items() if isinstance(x, Tensor)}
    if lazy := [x for x, value in own.items() if isinstance(value, UninitializedParameter | UninitializedBuffer)]:
        raise ValueError(f"Weights have no shape before a first batch: {quoted(lazy)}; pass one through the model.")
    if empty := [x for x, value in own.items() if value.is_meta]:
        raise ValueError(f"Weights on meta hold no values: {quoted(empty)}; build the model on a device.")
    return own


def shapes_of(tensors: Mapping[Name, Tensor]) -> dict[Name, tuple[int, ...]]:
    """The shape of each."""
    return {name: tuple(x.shape) for name, x in tensors.items()}


def ties_of(own: Mapping[Name, Tensor]) -> dict[Name, list[Name]]:
    """For each name those that are the same tensor."""
    places = defaultdict(list)
    for name, x in own.items():
        if x.numel():
            places[x.device, x.data_ptr(), x.dtype, x.shape, x.stride()].append(name)
    return {x: [y for y in names if y != x] for names in places.values() if len(names) > 1 for x in names}


def _converted(x: Tensor, like: Tensor) -> Tensor | None:
    """``x`` in the type of ``like``; none where that loses more than digits, or there are no plain values."""
    if x.is_meta or x.is_quantized or x.layout != torch.strided:
        return None
    if x.dtype == like.dtype:
        return x.detach().reshape(like.shape)
    if x.is_complex() or like.is_complex() or (like.is_floating_point() and not x.is_floating_point()):
        return None
    y = x.detach().to(like.dtype)
    if like.is_floating_point():
        kept = torch.equal(torch.isfinite(x.double()), torch.isfinite(y.double()))
    else:
        kept = torch.equal(y.double(), x.double())
    return y.reshape(like.shape) if kept else None


def _same(x: Tensor | None, y: Tensor | None) -> bool:
    return x is y or (x is not None and y is not None and torch.equal(x, y))


def _type(x: Tensor) -> str:
    return (
        "without data" if x.is_meta else plain_words(x.dtype) + ("" if x.layout == torch.strided else f" in {x.layout}")
    )
