"""How a training goes round: the settings of its loop, and what it puts back after a look."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from tutelage.combine.seeded import seeded
from tutelage.data.batches import Batch, num_samples
from tutelage.group import rank
from tutelage.objective import Clock, Term
from tutelage.ranks import mean_over_ranks
from tutelage.statistics import RunningMeans

Turns: TypeAlias = Callable[[Sequence[str]], list[list[str]]]
"""The learners' names -> who moves together, one group after the other."""


def simultaneous(learners: Sequence[str]) -> list[list[str]]:
    """All look, then all step."""
    return [list(learners)]


def alternating(learners: Sequence[str]) -> list[list[str]]:
    """One steps after the other, and each sees its peers as they are by then.

    Of K networks, K − 1 are passed through once more in a step: those that have moved and are looked at again. What the
    others showed is kept until they move, in as much memory as ``simultaneous`` takes; not where steps accumulate.
    """
    return [[name] for name in learners]


def never(_clock: Clock) -> bool:
    return False


def as_it_is(network: nn.Module) -> nn.Module:
    return network


class Epoch(NamedTuple):
    """What ``Training`` yields. ``losses`` are raw means over the epoch so far, ``weights`` those of the last step.

    ``statistics`` are the running means that a learner's modules kept over a finished epoch, by their path.
    """

    number: int
    losses: dict[str, dict[str, float]]  # learner -> term -> mean
    weights: dict[str, dict[str, float]]
    finished: bool = True
    statistics: Mapping[str, Mapping[str, float]] = MappingProxyType({})


@dataclass(frozen=True)
class Loop:
    """What ``train`` is told beside learners, batches and epochs."""

    turns: Turns = simultaneous
    accumulate: int = 1
    size: Callable[[Batch], int] = num_samples
    pause: Callable[[Clock], bool] = never
    prepare: Callable[[nn.Module], nn.Module] = as_it_is
    precision: torch.dtype = torch.float32

    def autocast(self, device: str) -> AbstractContextManager[None]:
        return nullcontext() if self.precision == torch.float32 else torch.autocast(device, self.precision)


def shares(
    terms: Mapping[str, Term], group: Sequence[Batch], sizes: Sequence[int], device: torch.device
) -> list[dict[str, float]]:
    """Of each batch of a step, what each term's mean over it counts in its mean over all of them.

    By its share of the ``sizes``; or of what the loss is a mean over, such as valid tokens, those of all ranks
    together.
    """
    found = {name: [size / sum(sizes) for size in sizes] for name in terms}
    for name, term in terms.items():
        counts = [] if term.across else [term.counted(batch) for batch in group]
        known = [count for count in counts if count is not None]
        if known and (total := mean_over_ranks(sum(known), device)):
            found[name] = [count / total for count in known]
    return [{name: parts[at] for name, parts in found.items()} for at in range(len(group))]


def generators() -> dict[str, Tensor]:
    """The states of the CPU's random numbers, and of this process's accelerator if it has woken one."""
    cuda = {"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_initialized() else {}
    return {"cpu": torch.get_rng_state(), **cuda}


def generators_of_rank(device: torch.device) -> dict[str, Tensor]:
    """States of its own for one of several processes: of a number that all draw alike, and of its rank.

    Dropout and noise differ between the samples of different ranks, as they do between those of one.
    """
    with seeded(int(torch.randint(2**62, ())) + rank(), device):
        return generators()


def restore_generators(states: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"])


@contextmanager
def leaving_no_trace(model: nn.Module) -> Iterator[None]:
    """Without gradient, and with the buffers at the end that there were before."""
    kept = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with torch.no_grad():
            yield
    finally:
        for buffer, before in kept:
            buffer.copy_(before)


@contextmanager
def without_trace(model: nn.Module) -> Iterator[None]:
    """``leaving_no_trace``, and unmeasured: buffers that were replaced and running means are put back as well."""
    put_back = as_it_was(model)
    try:
        with torch.no_grad():
            yield
    finally:
        put_back()


def as_it_was(model: nn.Module) -> Callable[[], None]:
    """What puts back the buffers and running means that ``model`` has now."""
    modules = list(model.modules())
    buffers = [(m._buffers, name, x) for m in modules if m._buffers for name, x in m._buffers.items()]
    values = [(x, x.clone()) for _, _, x in buffers if x is not None]
    means = [(module, module.get_extra_state()) for module in modules if isinstance(module, RunningMeans)]

    def put_back() -> None:
        for names, name, buffer in buffers:
            names[name] = buffer
        for buffer, before in values:
            buffer.copy_(before)
        for module, state in means:
            module.set_extra_state(state)

    return put_back
