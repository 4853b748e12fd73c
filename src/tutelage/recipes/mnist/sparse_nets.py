"""The networks of the Variational Student on MNIST, and what was published of them."""

from collections.abc import Mapping
from functools import partial

from torch import nn

from tutelage.compress.footprint import Footprint, factors, footprint
from tutelage.keys import Build
from tutelage.models.lenet import lenet5
from tutelage.models.mlp import mlp
from tutelage.recipes.mnist import nets
from tutelage.recipes.mnist.settings import Net
from tutelage.results import Claim, Network
from tutelage.run import Run
from tutelage.schemes.supervised import supervised
from tutelage.stages.storage import Finished
from tutelage.study import memory
from tutelage.study.sets import Sets

LENET5 = "lenet-5"
PUBLISHED = {"lenet-300-100": (1.92, 68, 64), LENET5: (0.75, 280, 213)}
"""Error in % and how many times fewer weights of sparse variational dropout, and the Variational Student's memory."""
DROPOUT = "Molchanov, Ashukha & Vetrov 2017, arXiv:1701.05369, their code's table"
STUDENT = "Hegde, Prasad, Hebbalaguppe & Kumar 2020, arXiv:1910.12061, abstract"


def build_student(network: str) -> Build:
    """LeNet-300-100 or LeNet-5, as they are pruned everywhere."""
    return lenet5 if network == LENET5 else partial(mlp, (784, 300, 100, 10))


def train_teacher(run: Run, data: Sets, network: str, net: Net, seed: int) -> Finished:
    """A wide net of two hidden layers with dropout, or a LeNet-5 of so many hidden units; both see images that move.

    Raises ``ValueError`` for one that does not fit the memory.
    """
    if network != LENET5:
        nets.refuse_too_large(data, net)
        return nets.train_teacher(run, data, net, seed)
    first, second = max(net.units // 25, 1), max(net.units // 10, 1)
    build = partial(lenet5, first=first, second=second, units=net.units)
    memory.refuse_too_large(f"A LeNet-5 of {net.units} hidden units", build, data, net.training.batch_size)
    plan = nets.plan_for(data, net.training, seed, jittered=True)
    return run.stage("teacher", build, partial(supervised, plan=plan), seed=seed)


def claim_sparse(
    run: Run,
    network: str,
    found: Mapping[str, Footprint],
    measured: Mapping[str, Network],
    teacher: nn.Module,
    reason: str,
) -> None:
    """The rows of sparse variational dropout, and the memory of the Variational Student, as far as these are known."""
    error, fewer, less = PUBLISHED[network]
    if "svd" in found:
        score = measured["svd"].scores["errors"]
        count = measured["svd"].count
        interval = score.interval and (100 * score.interval[0] / count, 100 * score.interval[1] / count)
        run.claim(Claim("sparse variational dropout on labels: test error", error, round(100 * score.value / count, 3),
                        "%", DROPOUT, high=error + 0.3, reason=reason, interval=interval))  # fmt: skip
        times = round(found["svd"].count_ratio, 1)
        run.claim(Claim("sparse variational dropout on labels: fewer weights", fewer, times, "times", DROPOUT,
                        low=0.8 * fewer, reason=reason))  # fmt: skip
    if "kd+svd" in found:
        total = factors(footprint(teacher), found["kd+svd"]).total
        run.claim(Claim("the Variational Student: less memory than its teacher", less, round(total, 1), "times",
                        STUDENT, low=less, reason=reason, note="the paper's teacher and accounting are not known; ours "
                        "counts 32 bits a teacher's weight against compressed sparse rows"))  # fmt: skip
