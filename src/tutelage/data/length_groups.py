"""Batches of texts of nearly one length: little of them is padding."""

import torch
from torch import Tensor

from tutelage.data.draws import checked_seed, hashed, order
from tutelage.data.views import parts

_GROUPS = 22  # what a number is for; those before have their use
SHORTEST, STEP, LONGEST = 3, 4, 512
"""Where the published groups begin, how wide they are, and where they end."""


def length_groups(lengths: Tensor) -> Tensor:
    """The group of each text by its number of tokens: how many of the bounds 3, 7, 11, …, 511 are not above it.

    Sanh et al., "DistilBERT", 2019, arXiv:1910.01108; huggingface/transformers-research-projects.

    >>> length_groups(torch.tensor([3, 4, 6, 7, 12, 511, 512])).tolist()
    [1, 1, 1, 2, 3, 128, 128]
    """
    return torch.bucketize(lengths, torch.arange(SHORTEST, LONGEST, STEP, device=lengths.device), right=True)


def grouped_batches(lengths: Tensor, batch_size: int, *, seed: int, epoch: int) -> list[Tensor]:
    """The places of texts in batches of one group each, shuffled anew in each epoch, batches too.

    What is left over of a group goes together with what is left of its neighbours. Draws are by counting. Raises
    ``ValueError`` for no texts, and for fewer than 1 in a batch.

    >>> lengths = torch.tensor([4, 5, 32, 33, 6])
    >>> sorted(sorted(lengths[x].tolist()) for x in grouped_batches(lengths, 2, seed=0, epoch=0))
    [[4, 5, 6], [32, 33]]
    """
    if not len(lengths) or batch_size < 1:
        raise ValueError(f"Batches have 1 text or more each; got {len(lengths)} texts and a size of {batch_size}.")
    checked_seed(seed)
    shuffled = order(seed, epoch, len(lengths))
    groups = length_groups(lengths.cpu())[shuffled]
    whole: list[Tensor] = []
    left: list[Tensor] = []
    for group in groups.unique().tolist():
        members = shuffled[groups == group]
        count = len(members) // batch_size * batch_size
        whole += members[:count].split(batch_size) if count else []
        left.append(members[count:])
    rest = torch.cat(left)
    if len(rest) == 1 and whole and batch_size > 1:  # a single text joins those that are most like it
        nearest = min(range(len(whole)), key=lambda place: abs(int(lengths[whole[place][0]] - lengths[rest[0]])))
        whole[nearest] = torch.cat([whole[nearest], rest])
    elif len(rest):
        whole += [rest[part] for part in parts(len(rest), batch_size)]
    turns = hashed(seed, epoch, _GROUPS, torch.arange(len(whole))).argsort(stable=True)
    return [whole[turn] for turn in turns.tolist()]
