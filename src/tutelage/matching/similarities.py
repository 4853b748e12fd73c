"""Similarity of layers, sample by sample: a description of each, a comparison, and the weights that follow."""

from collections.abc import Callable
from typing import Annotated, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from tutelage.limits import refuse_no_temperature
from tutelage.losses.similarity_preserving import directions, gram_matrix, near_one
from tutelage.shapes import ACROSS

Description: TypeAlias = Callable[[Tensor], Tensor]
"""A layer (N, C, …) -> a vector a sample, (N, D)."""
Similarity: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Vectors of a student's layer (N, D) and of k of the teacher's (N, k, D) -> their similarities, (N, k)."""
Weigh: TypeAlias = Callable[[Tensor], Tensor]
"""Similarities (N, k) -> weights that sum to one over the layers: (N, k), or (1, k), the same for every sample."""
Relations: TypeAlias = Annotated[Tensor, "N D", ACROSS]
"""What depends on the other samples of the batch: a term that uses it says ``across=True``."""


# ---- descriptions of a layer


def pooled(features: Tensor) -> Tensor:
    """The mean over the places of a map, or over tokens: a number a channel. A vector is left as it is.

    >>> pooled(torch.ones(5, 2, 8, 8)).shape, pooled(torch.ones(5, 7, 2)).shape
    (torch.Size([5, 2]), torch.Size([5, 2]))
    """
    return features.mean((2, 3)) if features.ndim == 4 else features.mean(1) if features.ndim == 3 else features


def all_features(features: Tensor) -> Tensor:
    """All features of a sample, place by place."""
    return features.flatten(1)


def relations(features: Tensor) -> Relations:
    """Each sample's inner products with all samples of the batch, as a vector of length 1.

    Unlike features they mean the same in every layer of every network. They change with the batch: terms that use them
    say ``across=True``, and ``QueryKey``, which has weights for a fixed number of features, cannot compare them.
    """
    return directions(gram_matrix(near_one(features.flatten(1))))


# ---- comparisons


def inner_product(student: Tensor, teachers: Tensor) -> Tensor:
    """Inner products, ``t_i · s``: a layer of larger activations weighs more.

    >>> inner_product(torch.tensor([[1.0, 1.0]]), torch.tensor([[[1.0, 2.0], [3.0, -1.0]]]))
    tensor([[3., 2.]])
    """
    return (student.unsqueeze(1) * teachers).sum(2)


def scaled_dot(student: Tensor, teachers: Tensor) -> Tensor:
    """Inner products over the root of the number of features, ``t_i · s / √D``.

    Vaswani et al., "Attention Is All You Need", NeurIPS 2017, arXiv:1706.03762, eq. 1.
    """
    return inner_product(student, teachers) / float(student.shape[1] ** 0.5)


def cosine_similarity(student: Tensor, teachers: Tensor, temperature: float = 1.0) -> Tensor:
    """Cosines over a temperature, ``cos(t_i, s) / τ``, blind to the size of activations; 0 where one of them is.

    With τ = 1 no layer can weigh more than e² = 7.4 times another; with ``partial(cosine_similarity,
    temperature=0.1)``, e²⁰ times. Raises ``ValueError`` for a temperature outside 1e-18 … 1e18.

    >>> cosine_similarity(torch.tensor([[1.0, 0.0]]), torch.tensor([[[5.0, 0.0], [0.0, 1.0]]]), temperature=0.5)
    tensor([[2., 0.]])
    """
    refuse_no_temperature(temperature)
    return inner_product(*(directions(near_one(x, -1)) for x in (student, teachers))) / temperature


def negative_squares(student: Tensor, teachers: Tensor) -> Tensor:
    """Negative squared distances, ``−‖t_i − s‖²``: almost all weight goes to the nearest layer once they are large.

    >>> negative_squares(torch.tensor([[1.0, 1.0]]), torch.tensor([[[1.0, 2.0], [3.0, -1.0]]]))
    tensor([[-1., -8.]])
    """
    return -(teachers - student.unsqueeze(1)).square().sum(2)


def single_place(_student: Tensor, teachers: Tensor, place: int) -> Tensor:
    """All weight to the layer at ``place`` in the range: a fixed mapping, at the size at which all are compared.

    Places are those of a list: −1 is the last. Raises ``IndexError`` for one outside the range.

    >>> per_sample(single_place(torch.ones(1, 2), torch.ones(1, 3, 2), place=1))
    tensor([[0., 1., 0.]])
    """
    similarities = torch.full_like(teachers[:, :, 0], -torch.inf)
    similarities[:, place] = 0
    return similarities


class QueryKey(nn.Module):
    """``(K t_i) · (Q s) / √width``, with a query and a key that train with the student.

    Initialised when it first sees vectors. All layers of the teacher share a key, so that the order in which they
    are listed means nothing. Raises ``ValueError`` for a width below 1, and for vectors of another length than
    its first ones.

    >>> with torch.no_grad():
    ...     QueryKey(width=8)(torch.randn(5, 3), torch.randn(5, 2, 3)).shape
    torch.Size([5, 2])
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        if not width >= 1:
            raise ValueError(f"Queries and keys have one number or more; got width={width}.")
        self.query = nn.LazyLinear(width, bias=False)
        self.key = nn.LazyLinear(width, bias=False)

    def forward(self, student: Tensor, teachers: Tensor) -> Tensor:
        lazy = isinstance(self.query.weight, UninitializedParameter)
        if not lazy and student.shape[1] != self.query.in_features:
            raise ValueError(
                f"This query is for vectors of {self.query.in_features} numbers; got {student.shape[1]}. Vectors "
                "that change with the batch need another similarity."
            )
        with torch.autocast(student.device.type, enabled=False):
            return scaled_dot(self.query(student), self.key(teachers))


class Detached(nn.Module):
    """``similarity``, through which no gradient reaches the student: it cannot change its features to move the weights.

    Weights that the similarity learns still train.

    >>> student = torch.ones(1, 2, requires_grad=True)
    >>> Detached(inner_product)(student, torch.ones(1, 3, 2)).requires_grad
    False
    """

    def __init__(self, similarity: Similarity) -> None:
        super().__init__()
        self.similarity = similarity

    def forward(self, student: Tensor, teachers: Tensor) -> Tensor:
        return self.similarity(student.detach(), teachers.detach())


# ---- weights


def per_sample(similarities: Tensor) -> Tensor:
    """The softmax over layers, for every sample its own: (N, k).

    >>> per_sample(torch.tensor([[0.0, 0.0], [9.0, -9.0]]))
    tensor([[5.0000e-01, 5.0000e-01],
            [1.0000e+00, 1.5230e-08]])
    """
    return similarities.softmax(1)


def per_layer(similarities: Tensor) -> Relations:
    """The softmax over layers of the batch's mean similarities, the same for every sample: (1, k)."""
    return similarities.mean(0, keepdim=True).softmax(1)
