"""What Deep Compression published of the two LeNets, and how ours is told beside it."""

from collections.abc import Mapping, Sequence

from torch import nn

from tutelage.compress.masks import pruned, weights_of
from tutelage.results import Claim, Network
from tutelage.run import Run
from tutelage.stages.storage import Finished
from tutelage.study.experiments.deep_compression import Size, Steps

METHODS = (
    "tutelage.losses.kd:soft_targets",
    "tutelage.optimizers.magnitude:magnitude_pruned",
    "tutelage.compress.clusters:kmeans",
)
UNTRAINED = "not retrained"
SOURCE = "Han, Mao & Dally 2016, arXiv:1510.00149, table 1"
PRUNING = "Han, Pool, Tran & Dally 2015, arXiv:1506.02626"
PUBLISHED = {"lenet-300-100": (1.64, 1.58, 40), "lenet-5": (0.80, 0.74, 39)}
"""Test error in % of the dense and of the compressed network, and how many times smaller it is."""
FEWER = 12
"""Times fewer weights of both, by pruning alone."""


def by_layer(model: nn.Module, kept: Sequence[float], bits: Sequence[int]) -> tuple[dict[str, float], dict[str, int]]:
    """Both by the names of layers. Raises ``ValueError`` unless there is one for each."""
    names = [name.removesuffix(".weight") for name in weights_of(model)]
    if not len(names) == len(kept) == len(bits):
        raise ValueError(
            f"--codes.kept and --codes.bits take one value for each of {', '.join(names)}; got {len(kept)} and "
            f"{len(bits)}."
        )
    return dict(zip(names, kept, strict=True)), dict(zip(names, bits, strict=True))


def untrained(run: Run, dense: Finished, steps: Steps) -> Finished:
    """The dense network with as many zeros as the others have in the end, and nothing learnt since."""
    return run.derive(UNTRAINED, pruned, of=dense, shares=steps.shares(dense.last))


def headline(network: str, own: Size, whole: int, errors: float, dense: float) -> str:
    """How much smaller the file is, at how many errors."""
    return (
        f"A file of {own.file_bytes / 1000:.1f} kB holds the compressed {network}, {whole / own.file_bytes:.3g} times "
        f"less than dense; it makes {errors} test errors, dense {dense}."
    )


def claim_published(
    run: Run, network: str, way: str, own: Size, whole: int, measured: Mapping[str, Network], reason: str
) -> None:
    """Times smaller by the real file, times fewer weights, and that this costs nothing, of what learnt by ``way``."""
    before, after, times = PUBLISHED[network]
    count = measured["dense"].count
    score = measured[f"{way}: shared"].scores["errors"]
    error = 100 * score.value / count
    interval = score.interval and (100 * score.interval[0] / count, 100 * score.interval[1] / count)
    lost = error - 100 * measured["dense"].scores["errors"].value / count
    run.claim(Claim(f"compressed, by {way}: times smaller file", times, round(whole / own.file_bytes, 2), "times",
                    SOURCE, low=0.9 * times, reason=reason, note="ours holds biases, names and a checksum; what the "
                    "paper's holds is not known"))  # fmt: skip
    run.claim(Claim(f"compressed, by {way}: fewer weights", FEWER, own.fewer, "times", PRUNING, low=0.9 * FEWER,
                    reason=reason))  # fmt: skip
    run.claim(Claim(f"compressed, by {way}: test error", after, round(error, 3), "%", SOURCE, high=after + 0.3,
                    reason=reason, interval=interval))  # fmt: skip
    run.claim(Claim(f"compressed, by {way}: error above dense", round(after - before, 2), round(lost, 3), "points",
                    SOURCE, high=0.1, reason=reason, paired=True))  # fmt: skip
