"""Parts of a set: by class, by share, and the validation samples that no training sees."""

from collections.abc import Collection

import torch
from torch import Tensor

from tutelage.data.draws import checked_seed, hashed
from tutelage.data.labelled import Labelled

SUBSET_SEED = 20150309
"""Which samples a subset has: its own seed, so that runs with other seeds train on the same ones."""
HELD_OUT_SEED = 60000
"""Which samples are validation: the same for every run, so that a shared teacher never trained on them."""


def only(data: Labelled, classes: Collection[int]) -> Labelled:
    """The samples of ``classes``, which keep their numbers. Raises ``ValueError`` for a class that does not exist.

    >>> from tutelage.data.synthetic import digits
    >>> sorted(set(only(digits(50, seed=0), {7, 8}).targets.tolist()))
    [7, 8]
    """
    return data[_among(data, classes)]


def without(data: Labelled, classes: Collection[int]) -> Labelled:
    """The samples of all other classes; ``classes`` stay outputs of the network, nobody shows an example of them.

    Raises ``ValueError`` for a class that does not exist.
    """
    return data[~_among(data, classes)]


def share(data: Labelled, part: float, seed: int = SUBSET_SEED) -> Labelled:
    """The share ``part`` of ``data``, in (0, 1], rounded to whole samples (at least 1), each class with its own share.

    The smaller of two shares with one seed is contained in the larger. Raises ``ValueError`` for another ``part``.
    """
    if not 0 < part <= 1:
        raise ValueError(f"A share is more than 0 and at most 1; {part} is not.")
    return sample(data, max(1, round(part * len(data))), seed)


def sample(data: Labelled, count: int, seed: int = SUBSET_SEED) -> Labelled:
    """``count`` samples of ``data``, each class in proportion, in the order of ``data``; nested as in ``share``.

    Raises ``ValueError`` for fewer than 1 or more than there are.
    """
    return data[_first(data, count, seed)]


def held_out(train: Labelled, count: int = 5000, seed: int = HELD_OUT_SEED) -> tuple[Labelled, Labelled]:
    """``(rest, validation)``: ``count`` samples set apart for choices, each class in proportion.

    Raises ``ValueError`` unless ``count`` is at least 1 and leaves something to train on.
    """
    if count >= len(train):
        raise ValueError(f"{train.name!r} has {len(train)} samples; holding out {count} leaves none to train on.")
    chosen = _first(train, count, seed)
    return train[~chosen], train[chosen]


def _among(data: Labelled, classes: Collection[int]) -> Tensor:
    known = range(len(data.classes))
    if unknown := sorted(set(classes) - set(known)):
        raise ValueError(f"{data.name!r} has the classes 0 to {len(known) - 1}; there is no class {unknown[0]}.")
    return torch.isin(data.targets, torch.tensor(sorted(classes), dtype=torch.int64, device=data.targets.device))


def _first(data: Labelled, count: int, seed: int) -> Tensor:
    """Where the ``count`` samples are that come first when the classes take turns by their size (bool).

    Targets that are no classes, such as numbers to be predicted, are one class.

    Sample r (from 0) of a shuffled class of n has the rank (r + ½) / n: the smallest ranks are each class's share to
    within one sample, and more samples always contain fewer (Webster's method of apportionment).
    """
    if not 1 <= count <= len(data):
        raise ValueError(f"{data.name!r} has {len(data)} samples; between 1 and that many can be taken, not {count}.")
    chance = hashed(checked_seed(seed), data.index)
    rank = torch.empty(len(data), dtype=torch.float64, device=data.index.device)
    are_classes = data.targets.ndim == 1 and not data.targets.is_floating_point()
    labels = data.targets if are_classes else torch.zeros_like(data.index)
    for label in labels.unique():
        places = (labels == label).nonzero().flatten()
        shuffled = places[chance[places].argsort(stable=True)]
        rank[shuffled] = (torch.arange(len(places), dtype=torch.float64, device=rank.device) + 0.5) / len(places)
    chosen = torch.zeros(len(data), dtype=torch.bool, device=data.index.device)
    chosen[rank.argsort(stable=True)[:count]] = True
    return chosen
