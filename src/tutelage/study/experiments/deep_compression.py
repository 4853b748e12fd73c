"""Deep Compression: a dense network pruned with retraining, its weights shared, and all of it coded in a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from tutelage.compress.footprint import footprint
from tutelage.compress.masks import in_shares, weights_of
from tutelage.compress.packed_bits import packed_bits
from tutelage.compress.shared import shared, unshared
from tutelage.keys import Build
from tutelage.results import Table
from tutelage.run import Run
from tutelage.schemes.by_method import AnyTeaching
from tutelage.schemes.plan import Plan
from tutelage.schemes.pruned import Thinning, thinned
from tutelage.schemes.shared import with_shared_weights
from tutelage.stages.storage import Finished
from tutelage.weights.packed_file import save_packed
from tutelage.weights.sparse_file import load_sparse


@dataclass(frozen=True, eq=False)
class Steps:
    """How a network is compressed: what is ``kept`` of each layer, and by which plans it learns on.

    ``pruning`` is while weights go, over the part ``rise`` of all steps, once in ``every``; ``sharing`` is once they
    share values, of so many ``bits`` by layer.
    """

    kept: Mapping[str, float]
    bits: Mapping[str, int]
    pruning: Plan
    sharing: Plan
    rise: float
    every: int

    def shares(self, model: nn.Module) -> dict[str, float]:
        """How much of each weight becomes 0, by its name."""
        return {name: 1 - self.kept[name.removesuffix(".weight")] for name in weights_of(model)}

    def thinning(self, model: nn.Module) -> Thinning:
        shares, weights = self.shares(model), weights_of(model)
        gone = sum(shares[name] * w.numel() for name, w in weights.items())
        share = gone / sum(w.numel() for w in weights.values())
        return Thinning(share, partial(in_shares, shares=shares), self.rise, self.every)


@dataclass(frozen=True, eq=False)
class Compressed:
    """A network that was pruned and retrained, and the same with shared weights, both plain."""

    pruned: Finished
    shared: Finished


def compressed(
    run: Run, name: str, dense: Finished, build: Build, steps: Steps, teaching: AnyTeaching | None
) -> Compressed:
    """What ``dense`` becomes, retrained on labels or as ``teaching`` says: stages that begin with ``name``."""
    seed = steps.pruning.lesson.seed
    fit = partial(thinned, plan=steps.pruning, start=dense.last, thinning=steps.thinning(dense.last), teaching=teaching)
    pruned = run.stage(f"{name}: pruned", build, fit, seed=seed)
    learn = partial(with_shared_weights, plan=steps.sharing, start=pruned.last, teaching=teaching)
    few = run.stage(f"{name}: shared", partial(shared, build, bits=steps.bits), learn, seed=seed)
    return Compressed(pruned, run.derive(f"{name}: shared, plain", unshared, of=few))


@dataclass(frozen=True)
class Size:
    """What a network takes: weights, how many are not 0, bits of these in three ways, and bytes of its file.

    ``fixed_bits`` and ``huffman_bits`` are of codes, where weights share values; ``csr_bits`` where some are 0.
    """

    weights: int
    nonzero: int
    csr_bits: int | None
    fixed_bits: int | None
    huffman_bits: int | None
    file_bytes: int

    @property
    def fewer(self) -> float:
        """How many times fewer weights are not 0 than there are."""
        return round(self.weights / self.nonzero, 2)


def size_of(model: nn.Module, build: Build) -> Size:
    """What ``model``, which ``build`` makes, takes with every zero and every shared value made use of."""
    own, layers = footprint(model), packed_bits(model)
    coded = list(layers.values()) if len(layers) == len(own.layers) else []
    return Size(
        own.weights,
        own.nonzero,
        own.csr_bits if own.nonzero < own.weights else None,
        sum(x.bits for x in coded) or None,
        sum(x.huffman_bits for x in coded) or None,
        bytes_of(model, build),
    )


def bytes_of(model: nn.Module, build: Build) -> int:
    """How long the file is that ``save_packed`` writes, once it was read back and gave ``model``, to the bit."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "packed"
        save_packed(path, model)
        again, own = load_sparse(path, build()).state_dict(), model.state_dict()
        assert all(torch.equal(again[name], x.cpu()) for name, x in own.items()), "the file gives another network back"
        return path.stat().st_size


def sizes_table(sizes: Mapping[str, Size], errors: Mapping[str, float], whole: int) -> Table:
    """What each network takes, beside the ``whole`` bytes of the dense one."""
    rows = [
        (name, errors[name], x.nonzero, x.fewer, x.csr_bits, x.fixed_bits, x.huffman_bits, x.file_bytes,
         round(whole / x.file_bytes, 2))
        for name, x in sizes.items()
    ]  # fmt: skip
    return Table(
        title="Sizes after each step",
        columns=("network", "errors", "weights that are not 0", "× fewer weights", "bits as CSR",
                 "bits as codes of one length", "bits as Huffman codes", "bytes of the file", "× smaller file"),
        rows=tuple(rows),
        note=f"Bits are those of weights, codebooks included. A file has biases in 32 bits, names and a checksum, too; "
        f"the usual one of the dense network has {whole:,} bytes. Each was read back and gave the same network.",
    )  # fmt: skip


def layers_table(name: str, network: nn.Module) -> Table:
    """Layer by layer what the codes of a network take, an entry on average."""
    rows = [
        (
            layer.removesuffix(".weight"), x.weights, round(100 * x.nonzero / x.weights, 2), x.values, x.value_bits,
            round(x.huffman_value_bits, 2), x.place_bits, round(x.huffman_place_bits, 2),
            round(100 * x.bits / (32 * x.weights), 2), round(100 * x.huffman_bits / (32 * x.weights), 2),
        )
        for layer, x in packed_bits(network).items()
    ]  # fmt: skip
    return Table(
        title=f"Codes by layer: {name}",
        columns=("layer", "weights", "% not 0", "values", "bits a value", "by Huffman", "bits a place", "by Huffman ",
                 "% of dense bits", "% by Huffman"),
        rows=tuple(rows),
        note="Of an entry: a weight that is not 0, or a zero that fills a distance too long for its code.",
    )  # fmt: skip
