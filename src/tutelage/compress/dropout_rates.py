"""Less dropout for a network that was pruned: what is left of it can overfit less."""

from collections.abc import Mapping
from functools import partial
from math import sqrt

from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from tutelage.compress.footprint import KINDS
from tutelage.keys import Build
from tutelage.models.dropout import FastDropout
from tutelage.modes import evaluating

DROPOUTS = (_DropoutNd, FastDropout)


def retraining_rates(network: nn.Module, before: nn.Module, example: Tensor) -> dict[str, float]:
    r"""By name of each dropout, its rate for the retraining of ``network``, which ``before`` was pruned to.

    ``D_r = D_o \sqrt{C_r / C_o}`` with ``C`` the weights, in ``network`` those that are not 0, of the layer that ran
    last before the dropout: dropout takes units, and a layer between ``N`` and ``N'`` units has ``N N'`` weights, so
    that a network with ``C_r`` weights is one with ``\sqrt{C_r / C_o}`` of the units. Before the first layer rates
    stay. ``example`` (a sample or more) is run once. Raises ``ValueError`` for networks of other layers.

    Han, Pool, Tran & Dally, "Learning both Weights and Connections for Efficient Neural Networks", NeurIPS 2015,
    arXiv:1506.02626, §3.2; the formula is quoted from memory and follows from the sentence above.

    >>> import torch
    >>> net = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5))
    >>> pruned = nn.Sequential(nn.Linear(8, 4), nn.Dropout(0.5))
    >>> {name: round(rate, 4) for name, rate in retraining_rates(pruned, net, torch.zeros(1, 8)).items()}
    {'1': 0.3536}
    """
    own = dict(network.named_modules())
    rates: dict[str, float] = {}
    for name, layer in _ran_before(before, example).items():
        rates[name] = float(before.get_submodule(name).p)  # type: ignore[arg-type]
        if layer:
            if layer not in own:
                raise ValueError(f"The network was not pruned from the other one: it has no layer {layer!r}.")
            left, whole = (x.get_submodule(layer).get_parameter("weight") for x in (network, before))
            rates[name] *= sqrt(int(left.count_nonzero()) / whole.numel())
    return rates


def with_rates(build: Build, *, rates: Mapping[str, float]) -> nn.Module:
    """What ``build`` makes, its dropouts with these rates: a partial of this builds the network of a retraining.

    Raises ``ValueError`` for a name that is none of a dropout.
    """
    network = build()
    for name, rate in rates.items():
        module = dict(network.named_modules()).get(name)
        if not isinstance(module, DROPOUTS):
            raise ValueError(f"{type(network).__name__} has no dropout {name!r} whose rate could be set.")
        module.p = rate
    return network


def _ran_before(network: nn.Module, example: Tensor) -> dict[str, str]:
    """By name of each dropout, the layer that ran last before it first ran; "" where there was none."""
    found: dict[str, str] = {}
    latest = ""

    def ran(name: str, module: nn.Module, *_: object) -> None:
        nonlocal latest
        if isinstance(module, KINDS):
            latest = name
        else:
            found.setdefault(name, latest)

    watched = [(name, x) for name, x in network.named_modules() if isinstance(x, (*KINDS, *DROPOUTS))]
    handles = [x.register_forward_hook(partial(ran, name)) for name, x in watched]
    try:
        with evaluating(network):
            network(example)
    finally:
        for handle in handles:
            handle.remove()
    return found
