"""What is said of tools of compression that are mixed, whatever the network: small together, at no more errors."""

from tutelage.results import Claim
from tutelage.run import Run
from tutelage.study.experiments.mixed_tables import Mixed

PAPER = "Han, Mao & Dally 2016, arXiv:1510.00149"
SHARE, ALONE = 3.0, 8.0
"""Per cent of the file at which pruning and quantisation together lose nothing, and below which either alone does."""


def claim_mixed(run: Run, mixed: Mixed, reason: str) -> None:
    """That all tools together reach what none does alone, and that this costs next to nothing.

    Published of AlexNet, by pruning and shared weights. That narrower students and other layers add to it is the idea
    of a lecture (Hung-yi Lee's, on network compression), which gives no figures.
    """
    own, alone = mixed.all_tools, mixed.alone
    note = "published of AlexNet, by pruning and shared weights, on ImageNet"
    share = 100 * mixed.bytes(own) / mixed.bytes(())
    points = mixed.lost(own) * (1 if mixed.metric.unit == "%" else 100 / mixed.whole.count)
    run.claim(Claim("all together: file", SHARE, round(share, 2), "% of the original's", PAPER, high=ALONE,
                    reason=reason, note=note))  # fmt: skip
    run.claim(Claim("all together: smaller than by any tool alone", round(ALONE / SHARE, 2),
                    round(mixed.bytes(alone) / mixed.bytes(own), 2), "times", PAPER, low=1.01, reason=reason,
                    note=f"{note}; only the direction counts"))  # fmt: skip
    run.claim(Claim("all together: error above the original's", 0.0, round(points, 3), "points", PAPER, high=1.0,
                    reason=reason, note=f"{note}; the point that may be lost is ours", paired=True))  # fmt: skip
