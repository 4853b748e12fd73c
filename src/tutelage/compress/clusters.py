"""Values near each other become one: k-means in one dimension, from the least to the largest value."""

from math import log2

import torch
from torch import Tensor

CITATIONS = {
    "kmeans": """@inproceedings{han2016deep,
  title = {Deep Compression: Compressing Deep Neural Networks with Pruning, Trained Quantization and Huffman Coding},
  author = {Han, Song and Mao, Huizi and Dally, William J.},
  booktitle = {International Conference on Learning Representations (ICLR)},
  year = {2016}
}"""
}
STEPS = 100
"""Rounds of k-means, at most."""


@torch.no_grad()
def kmeans(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Centroids (count,), rising, and the number (n,) of the nearest for each of ``values`` (n,).

    They begin at equal distances from the least to the largest value, which keeps the few large ones apart; one that no
    value is nearest to stays where it is. No more different values than centroids are kept exactly. On the CPU, in
    float64; of two equally near ones the smaller counts. Raises ``ValueError`` for no value and for no centroid.

    Han, Mao & Dally, "Deep Compression", ICLR 2016, arXiv:1510.00149, §3.1 and 3.2.

    >>> kmeans(torch.tensor([0.0, 1.0, 9.0]), 2)
    (tensor([0.5000, 9.0000]), tensor([0, 0, 1]))
    """
    if count < 1 or not len(values):
        raise ValueError(f"Values are shared by one centroid or more; got {len(values)} values for {count}.")
    found = values.detach().cpu().double()
    different = found.unique()
    if len(different) <= count:
        centroids = torch.cat([different, different[-1:].expand(count - len(different))])
        return centroids.to(values), torch.searchsorted(different, found).to(values.device)
    centroids = torch.linspace(float(different[0]), float(different[-1]), count, dtype=torch.float64, device="cpu")
    for _ in range(STEPS):
        nearest = _nearest(found, centroids)
        sums = torch.zeros_like(centroids).index_add_(0, nearest, found)
        members = torch.bincount(nearest, minlength=count)
        moved = torch.where(members > 0, sums / members.clamp_min(1), centroids)
        if torch.equal(moved, centroids):
            break
        centroids = moved
    return centroids.to(values), _nearest(found, centroids).to(values.device)


def rate(weights: int, bits: int, clusters: int) -> float:
    """``n b / (n log₂ k + k b)``: how many times less ``n`` weights of ``b`` bits take that share ``k`` values.

    >>> rate(16, 32, 4)
    3.2
    """
    return weights * bits / (weights * log2(clusters) + clusters * bits)


@torch.no_grad()
def clustered(weight: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Codes of the shape of ``weight``, 0 for what is 0 and from 1 for the others, and the codebook (count,)."""
    there = weight != 0
    codes = torch.zeros(weight.shape, dtype=torch.int32, device=weight.device)
    if not bool(there.any()):
        return codes, weight.new_zeros(count)
    centroids, nearest = kmeans(weight[there], count)
    codes[there] = nearest.to(torch.int32) + 1
    return codes, centroids


def _nearest(values: Tensor, centroids: Tensor) -> Tensor:
    return torch.bucketize(values, (centroids[1:] + centroids[:-1]) / 2)
