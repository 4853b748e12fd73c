"""Deep Compression of LeNet-300-100 and LeNet-5: pruned, retrained, weights shared, coded."""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from tutelage.recipes.mnist.settings import DIGITS, DRAWN, PLAIN, Digits
from tutelage.study.bounds import (
    Above,
    AtMost,
    Count,
    Distinct,
    NotEmpty,
    Seed,
    Temperature,
    Within,
    refuse_nonsense,
)
from tutelage.study.settings import TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Han, Mao & Dally 2016, arXiv:1510.00149"

Way: TypeAlias = Literal["labels", "soft targets"]


@dataclass(frozen=True, kw_only=True)
class Codes:
    """What stays of each layer, in how many bits, and how weights go."""

    kept: Annotated[tuple[Annotated[float, Above(0), AtMost(1)], ...], NotEmpty()] = (0.08, 0.09, 0.26)
    """shares of the weights that stay, layer by layer"""
    bits: Annotated[tuple[Annotated[int, Within(1, 8)], ...], NotEmpty()] = (6, 6, 6)
    """bits of a weight's value, layer by layer: 2 to the power of it less 1 values, and 0"""
    rise: Annotated[float, Above(0), AtMost(1)] = 0.5
    """part of the retraining over which more and more weights go"""
    every: Count = 20
    """steps from one time that weights go to the next"""
    temperature: Temperature = 4.0
    """softness of the dense network's targets"""


CODES = Codes()
LENET5_CODES = Codes(kept=(0.66, 0.12, 0.08, 0.19), bits=(8, 8, 5, 5))
DENSE = replace(PLAIN, epochs=30, lr=0.05, weight_decay=1e-4)
PRUNING = replace(PLAIN, epochs=60, lr=0.05, weight_decay=1e-5)
SHARING = replace(PLAIN, epochs=15, lr=3e-4, optimizer="adam")


def compression(
    run: "Run",
    *,
    network: Literal["lenet-300-100", "lenet-5"] = "lenet-300-100",
    ways: Annotated[tuple[Way, ...], NotEmpty(), Distinct()] = ("labels", "soft targets"),
    codes: Codes = CODES,
    dense: TrainingSettings = DENSE,
    pruning: TrainingSettings = PRUNING,
    sharing: TrainingSettings = SHARING,
    digits: Digits = DIGITS,
    seed: Seed = 0,
) -> None:
    """How small can the file of a trained network be at no more errors?

    A dense network loses most of its weights while it learns on, by labels or by its own soft targets; what is left
    shares a few values, which learn on too; values and places are Huffman coded. Beside it the network that was pruned
    and not retrained.

    Args:
        network: LeNet-300-100, or LeNet-5 (the preset lenet5)
        ways: what the pruned network learns from: labels, or soft targets of the dense network beside them
        codes: what stays of each layer, in how many bits
        dense: how the dense network is trained
        pruning: how it learns on while weights go
        sharing: how it learns on once weights share their values
        seed: of weights, order and views
    """
    from tutelage.checkpoint import bytes_of_weights
    from tutelage.methods.response import softened
    from tutelage.recipes.mnist import compression_claims, nets
    from tutelage.recipes.mnist.sparse_nets import build_student
    from tutelage.schemes.by_method import Teaching
    from tutelage.schemes.supervised import supervised
    from tutelage.study import memory
    from tutelage.study.claims import cannot_decide
    from tutelage.study.evaluated import Evaluated, publish_networks
    from tutelage.study.experiments import deep_compression

    refuse_nonsense(compression, locals())
    reason = cannot_decide(run, compression, locals(), free=("ways",), deciding={"lenet5": compression_lenet5})
    build = build_student(network)
    kept, bits = compression_claims.by_layer(build(), codes.kept, codes.bits)
    data = nets.digits_of(run, digits)
    memory.refuse_too_large(network, build, data, dense.batch_size)
    whole = run.stage("dense", build, partial(supervised, plan=nets.plan_for(data, dense, seed)), seed=seed)
    steps = deep_compression.Steps(
        kept, bits, nets.plan_for(data, pruning, seed), nets.plan_for(data, sharing, seed), codes.rise, codes.every
    )
    method = partial(softened, temperature=codes.temperature, label=0.5, soft=0.5)
    teachings = {"labels": None, "soft targets": Teaching(method, whole.last, (network, network))}
    found = {way: deep_compression.compressed(run, way, whole, build, steps, teachings[way]) for way in ways}

    leader = f"{ways[-1]}: shared"
    networks = {"dense": Evaluated("teacher", f"{network}, dense", whole)}
    networks[leader] = Evaluated("student", f"pruned, shared, {ways[-1]}", found[ways[-1]].shared)
    for way, one in found.items():
        networks.setdefault(f"{way}: shared", Evaluated("baseline", f"pruned, shared, {way}", one.shared))
        networks[f"{way}: pruned"] = Evaluated("other", f"pruned, {way}", one.pruned)
    unlearnt = compression_claims.untrained(run, whole, steps)
    networks[compression_claims.UNTRAINED] = Evaluated("other", "pruned, not retrained", unlearnt)
    measured = publish_networks(run, data, networks, compression_claims.METHODS)
    errors, full = nets.errors_of(measured), bytes_of_weights(whole.last)
    sizes = {name: deep_compression.size_of(one.finished.last, build) for name, one in networks.items()}
    tables = [deep_compression.layers_table(way, one.shared.last) for way, one in found.items()]
    run.publish(
        tables=[deep_compression.sizes_table(sizes, errors, full), *tables],
        headline=compression_claims.headline(network, sizes[leader], full, errors[leader], errors["dense"]),
    )
    run.deliver(networks[leader].finished.last, classes=data.test.classes, input=nets.INPUT)
    for way in () if data.synthetic else ways:
        compression_claims.claim_published(run, network, way, sizes[f"{way}: shared"], full, measured, reason)


compression_smoke = partial(
    compression,
    dense=replace(DENSE, epochs=4, batch_size=25),
    pruning=replace(PRUNING, epochs=4, batch_size=25),
    sharing=replace(SHARING, epochs=1, batch_size=25),
    digits=DRAWN,
)
compression_quick = partial(
    compression,
    dense=replace(DENSE, epochs=8),
    pruning=replace(PRUNING, epochs=12),
    sharing=replace(SHARING, epochs=3),
    digits=replace(DIGITS, train=20_000),
)
compression_lenet5 = partial(compression, network="lenet-5", codes=LENET5_CODES)
