"""What mutual learning of two equal networks costs: a step of both against two steps of one that nobody teaches.

Float32, one thread: two resnet20 on 64 images of noise of CIFAR's size, and two nets of 800-800 on 100 of MNIST's. The
floor is a step of each network by a hand-written loop on the labels alone. Alternating, the network that moved first
has to be looked at once more: a forward pass of one, a sixth of the floor if a backward pass takes two. Before anything
is timed, ours must give the weights of the hand-written loops to the bit, in both turns.

    python benchmarks/mutual.py [--rounds 30]
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import cycle
from typing import Any

import torch
from measure import Figure, benchmark, interleaved, summary
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tutelage.data.batches import Batch
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.loop import Turns, alternating, simultaneous
from tutelage.losses.kd import soft_targets
from tutelage.models.mlp import mlp
from tutelage.models.resnet import resnet20
from tutelage.objective import Clock, Objective, Term
from tutelage.schemes.mutual import from_each

SGD = partial(torch.optim.SGD, lr=0.05, momentum=0.9)
LIMITS = {"simultaneous": 1.05, "alternating": 1.22}
KINDS: dict[str, tuple[Callable[[], nn.Module], int, tuple[int, ...], int, int]] = {
    "resnet20": (resnet20, 64, (3, 32, 32), 100, 1),
    "800-800": (partial(mlp, (784, 800, 800, 10)), 100, (1, 28, 28), 10, 4),
}
"""How a network is built, its batch, the shape of a sample, its classes, and steps in one call of a subject."""
FLOORS = ("two students' steps", "two students' steps, ours")
TARGETS = {f"{kind}: {turns} / {floor}": x for kind in KINDS for floor in FLOORS for turns, x in LIMITS.items()}
"""Against the hand-written loop, and against what ``train`` takes for the same networks alone."""


def batches(kind: str) -> list[Batch]:
    _, size, shape, classes, _ = KINDS[kind]
    g = torch.Generator().manual_seed(3)
    return [
        {"input": torch.randn(size, *shape, generator=g), "target": torch.randint(classes, (size,), generator=g)}
        for _ in range(4)
    ]


def pair(kind: str) -> dict[str, nn.Module]:
    torch.manual_seed(1)
    return {name: KINDS[kind][0]() for name in ("a", "b")}


def by_hand(kind: str, step: Callable[..., Tensor]) -> Iterator[Tensor]:
    """The loop that everybody writes, of two networks with an optimizer each."""
    networks, data = list(pair(kind).values()), cycle(batches(kind))
    optimizers = [SGD(network.parameters()) for network in networks]
    for network in networks:
        network.train()
    while True:
        for _ in range(KINDS[kind][4]):
            loss = step(next(data), networks, optimizers)
        yield loss.detach()


def alone(batch: Batch, networks: list[nn.Module], optimizers: list[torch.optim.Optimizer]) -> Tensor:
    """Two students' steps, on the labels."""
    for network, optimizer in zip(networks, optimizers, strict=True):
        optimizer.zero_grad()
        loss = cross_entropy(network(batch["input"]), batch["target"])
        loss.backward()
        optimizer.step()
    return loss


def at_once(batch: Batch, networks: list[nn.Module], optimizers: list[torch.optim.Optimizer]) -> Tensor:
    answers = [network(batch["input"]) for network in networks]
    for optimizer in optimizers:
        optimizer.zero_grad()
    for mine, other in zip(answers, reversed([x.detach() for x in answers]), strict=True):
        loss = _loss(mine, other, batch)
        loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    return loss


def in_turn(batch: Batch, networks: list[nn.Module], optimizers: list[torch.optim.Optimizer]) -> Tensor:
    """As the paper has it, without a pass too many: only who has moved answers anew."""
    first, second = (network(batch["input"]) for network in networks)
    optimizers[0].zero_grad()
    _loss(first, second.detach(), batch).backward()
    optimizers[0].step()
    with torch.no_grad():  # its BatchNorm's averages move once more than ours; no weight feels that
        anew = networks[0](batch["input"])
    optimizers[1].zero_grad()
    loss = _loss(second, anew, batch)
    loss.backward()
    optimizers[1].step()
    return loss


def _loss(mine: Tensor, other: Tensor, batch: Batch) -> Tensor:
    return cross_entropy(mine, batch["target"]) + soft_targets(mine, other, temperature=1.0)


def ours(kind: str, turns: Turns) -> Iterator[object]:
    return _ours(kind, pair(kind), turns)


def ours_alone(kind: str) -> Iterator[object]:
    """Two students' steps, each of a training of its own."""
    return zip(*(_trained(kind, {"student": Learner(x, _labels(), SGD)}) for x in pair(kind).values()), strict=True)


def _ours(kind: str, networks: Mapping[str, nn.Module], turns: Turns) -> Iterator[object]:
    peers = {"a": from_each(["b"]), "b": from_each(["a"])}
    learners = {me: Learner(network, _labels(peers=peers[me]), SGD) for me, network in networks.items()}
    return _trained(kind, learners, turns=turns)


def _trained(kind: str, learners: Mapping[str, Learner], **settings: Any) -> Iterator[object]:
    data, per = batches(kind), KINDS[kind][4]

    def endless(_epoch: int, _first: int) -> Iterator[Batch]:
        return cycle(data)

    def paused(clock: Clock) -> bool:
        return clock.step % per == 0

    return iter(train(learners, endless, 1, pause=paused, **settings))


def _labels(**terms: Term) -> Objective:
    return Objective(label=Term(cross_entropy, "student.output", "batch.target"), **terms)


def refuse_different_weights(kind: str) -> None:
    """A faster wrong step would prove nothing."""
    for turns, step in ((simultaneous, at_once), (alternating, in_turn)):
        networks, kept = pair(kind), dict[str, Any]()
        loop = _ours(kind, networks, turns)
        hand = by_hand(kind, partial(_keeping, step, kept))
        for _ in range(3):
            next(loop)
            next(hand)
        for mine, other in zip(networks.values(), kept["networks"], strict=True):
            if not all(map(torch.equal, mine.parameters(), other.parameters())):
                raise SystemExit(f"{kind}, {turns.__name__}: ours has other weights than the hand-written loop.")


def _keeping(step: Callable[..., Tensor], kept: dict[str, Any], batch: Batch, networks: Any, optimizers: Any) -> Tensor:
    kept["networks"] = networks
    return step(batch, networks, optimizers)


def measured(rounds: int) -> dict[str, Any]:
    for kind in KINDS:
        refuse_different_weights(kind)
    each = {kind: summary(interleaved(_subjects(kind), rounds, KINDS[kind][4]), _figures()) for kind in KINDS}
    return {
        part: {f"{kind}: {name}": x for kind, found in each.items() for name, x in found[part].items()}
        for part in ("milliseconds", "figures")
    }


def _subjects(kind: str) -> dict[str, Callable[[], object]]:
    loops: dict[str, Iterator[object]] = {
        "two students' steps": by_hand(kind, alone),
        "two students' steps again": by_hand(kind, alone),
        "two students' steps, ours": ours_alone(kind),
        "simultaneous": ours(kind, simultaneous),
        "simultaneous, by hand": by_hand(kind, at_once),
        "alternating": ours(kind, alternating),
        "alternating, by hand": by_hand(kind, in_turn),
    }
    return {name: partial(next, loop) for name, loop in loops.items()}


def _figures() -> dict[str, Figure]:
    floor = "two students' steps"
    return {
        f"A/A: {floor} again / {floor}": partial(_ratio, f"{floor} again", floor),
        f"{floor}, ours / {floor}": partial(_ratio, f"{floor}, ours", floor),
        **{f"{turns} / {floor}, ours": partial(_ratio, turns, f"{floor}, ours") for turns in LIMITS},
        **{
            f"{name} / {floor}": partial(_ratio, name, floor)
            for turns in LIMITS
            for name in (turns, f"{turns}, by hand")
        },
    }


def _ratio(one: str, other: str, ms: Mapping[str, float]) -> float:
    return ms[one] / ms[other]


if __name__ == "__main__":
    benchmark("mutual", __doc__ or "", measured, TARGETS)
