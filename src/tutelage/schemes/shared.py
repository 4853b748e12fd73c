"""Weights that share a few values learn on: each value by the gradients of all that have it."""

from torch import nn

from tutelage.compress.shared import cluster_
from tutelage.schemes.by_method import AnyTeaching
from tutelage.schemes.penalised import penalised
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Stage


def with_shared_weights(
    stage: Stage, model: nn.Module, *, plan: Plan, start: nn.Module, teaching: AnyTeaching | None = None
) -> None:
    """Fit what ``teaching`` says, or the labels, by the values that weights share; which they share stays.

    ``model`` is built by ``compress.shared.shared`` and begins with the weights of ``start``, clustered by k-means;
    what is 0 stays 0. Biases and norms learn as usual. ``compress.shared.unshared`` makes it plain.

    Han, Mao & Dally, "Deep Compression: Compressing Deep Neural Networks with Pruning, Trained Quantization and
    Huffman Coding", ICLR 2016, arXiv:1510.00149, §3.3.
    """
    cluster_(model, start)
    penalised(stage, model, plan=plan, penalties={}, teaching=teaching)
