"""Networks whose weights are uncertain: linear and convolutional layers that have a posterior."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.lazy import LazyModuleMixin

from tutelage.compress.dropout_kl import Divergence, sparse
from tutelage.compress.posterior import OfChannels, OfGroups, OfWeights, Posterior, Product
from tutelage.compress.weights_read import leave_out, watch_
from tutelage.keys import Build
from tutelage.measures.cost import MULTIPLIES

Where: TypeAlias = Callable[[str], bool]
"""Which layers, by their names: ``lambda name: name != "head"``."""


def everywhere(_name: str) -> bool:
    return True


class VariationalLinear(nn.Linear):
    """A linear layer with a ``posterior``: random in train mode, in eval mode exactly its posterior's mean."""

    posterior: Posterior

    def forward(self, input: Tensor) -> Tensor:
        return _answer(self, input, F.linear)


class VariationalConv1d(nn.Conv1d):
    """A convolution with a ``posterior``, as ``VariationalLinear``."""

    posterior: Posterior

    def forward(self, input: Tensor) -> Tensor:
        return _answer(self, input, self._conv_forward)


class VariationalConv2d(nn.Conv2d):
    """A convolution with a ``posterior``, as ``VariationalLinear``."""

    posterior: Posterior

    def forward(self, input: Tensor) -> Tensor:
        return _answer(self, input, self._conv_forward)


class VariationalConv3d(nn.Conv3d):
    """A convolution with a ``posterior``, as ``VariationalLinear``."""

    posterior: Posterior

    def forward(self, input: Tensor) -> Tensor:
        return _answer(self, input, self._conv_forward)


Variational: TypeAlias = VariationalLinear | VariationalConv1d | VariationalConv2d | VariationalConv3d
BECOMES: dict[type[nn.Module], type[Variational]] = {
    nn.Linear: VariationalLinear,
    nn.Conv1d: VariationalConv1d,
    nn.Conv2d: VariationalConv2d,
    nn.Conv3d: VariationalConv3d,
}


def variational_(
    model: nn.Module, where: Where = everywhere, *, log_variance: float = -10.0, threshold: float = 3.0
) -> nn.Module:
    """``model``, its linear and convolutional layers now with q(w) = N(θ, σ²) of each weight, as ``OfWeights`` says.

    The layers stay the objects that they are, as torch's lazy modules do, with their names, their weights as means θ,
    and ``posterior.log_variance`` beside these: so a fresh network begins from scratch, and a trained one from what it
    has learnt. Published beginnings are −10, and −15 for trained networks of VGG's size. In train mode answers are
    random; in eval mode weights of log α ≥ ``threshold`` are 0 and nothing is.

    Raises ``ValueError`` for a layer with weights that is of no such type, or has a weight that is computed, another
    layer's, too, or not of real numbers, or none yet: all such layers are named, to be left out by ``where``; for no
    layer at all; and for what ``Posterior`` refuses. So does the first pass of the network, where code computes with
    the weights of a layer past its posterior: see ``weights_read``. Give the whole network, so that all of it is seen.

    >>> variational_(nn.Sequential(nn.Linear(4, 2)))
    Sequential(
      (0): VariationalLinear(
        in_features=4, out_features=2, bias=True
        (posterior): OfWeights(threshold=3)
      )
    )
    """

    def believed(layer: Any) -> Posterior:
        return OfWeights(layer.weight, log_variance, threshold)

    return _with_posteriors(model, where, believed)


def channelwise_(
    model: nn.Module, where: Where = everywhere, *, log_variance: float = -9.0, threshold: float = 0.0
) -> nn.Module:
    """As ``variational_``, with one random factor for each input channel of a layer: ``OfChannels``.

    Raises ``ValueError`` for a grouped convolution, too.
    """

    def believed(layer: Any) -> Posterior:
        return OfChannels(layer.weight, log_variance, threshold)

    return _with_posteriors(model, where, believed, groups=False)


def group_normal_jeffreys_(
    model: nn.Module, where: Where = everywhere, *, log_variance: float = -9.0, threshold: float = 0.0
) -> nn.Module:
    """As ``channelwise_``, with uncertain weights besides: ``OfGroups``."""

    def believed(layer: Any) -> Posterior:
        return OfGroups(layer.weight, log_variance, threshold, layer.bias)

    return _with_posteriors(model, where, believed, groups=False)


def variational(build: Build, make_: Callable[..., nn.Module] = variational_, **settings: Any) -> nn.Module:
    """``make_(build(), **settings)``: as a ``partial`` a build that a stage's key can name."""
    return make_(build(), **settings)


def take_(model: nn.Module, trained: nn.Module) -> nn.Module:
    """``model`` with the weights of ``trained``, a plain network of the same architecture; posteriors stay.

    Raises ``ValueError`` for another architecture.
    """
    state = trained.state_dict()
    own = {name: x.shape for name, x in model.state_dict().items() if ".posterior." not in f".{name}"}
    theirs = {name: x.shape for name, x in state.items()}
    if other := sorted(name for name in own.keys() | theirs.keys() if own.get(name) != theirs.get(name)):
        raise ValueError(
            f"A network begins with the weights of one of the same architecture; {other[0]!r} is in one of the two "
            f"alone, or of another size."
        )
    model.load_state_dict(state, strict=False)
    return model


def variational_layers(model: nn.Module) -> Iterator[tuple[str, Variational]]:
    """The layers of ``model`` with a posterior, by name."""
    for name, module in model.named_modules():
        if isinstance(module, Variational):
            yield name, module


def is_variational(module: nn.Module) -> bool:
    """Whether ``module`` is such a layer: what stays random for ``measures.monte_carlo``."""
    return isinstance(module, Variational)


def kl(model: nn.Module, divergence: Divergence = sparse) -> Tensor:
    """Σ KL(q ‖ p) over all layers of ``model`` with a posterior, in nats: a penalty.

    Beside a loss that is a *mean* over the batch it counts ``1/N``, N the training samples; without that it drowns the
    data. Raises ``ValueError`` for a network without such layers.
    """
    parts = [layer.posterior.divergence(layer.weight, layer.bias, divergence) for _, layer in variational_layers(model)]
    if not parts:
        raise ValueError(f"{type(model).__name__} has no variational layer; make some with variational_(model).")
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _answer(layer: Variational, x: Tensor, product: Product) -> Tensor:
    if layer.training:
        return layer.posterior.answer(x, layer.weight, layer.bias, product)
    return product(x, layer.posterior.mean(layer.weight), layer.bias)


def _with_posteriors(
    model: nn.Module, where: Where, believed: Callable[[Any], Posterior], *, groups: bool = True
) -> nn.Module:
    layers = {name: x for name, x in model.named_modules() if isinstance(x, MULTIPLIES)}
    chosen = {name: x for name, x in layers.items() if where(name)}
    if not chosen:
        names = ", ".join(map(repr, layers)) or "none"
        raise ValueError(
            f"{type(model).__name__} has no linear or convolutional layer that is chosen; its layers with weights: "
            f"{names}."
        )
    for name, layer in chosen.items():
        if isinstance(layer, LazyModuleMixin):
            kind = type(layer).__name__
            raise ValueError(f"Layer {name!r} ({kind}) gets its weights with the first batch: show it one first.")
    owners = Counter(id(p) for module in model.modules() for p in module.parameters(recurse=False))
    found = {name: _untreatable(name, x, groups, owners) for name, x in layers.items()}
    reasons = {name: reason for name, reason in found.items() if reason}
    for name in chosen:
        if name in reasons:
            left = leave_out(list(reasons)) if reasons.keys() < layers.keys() else "no layer of it can have one"
            raise ValueError(f"{reasons[name][0].upper()}{reasons[name][1:]}; {left}.")
    made = [(layer, believed(layer)) for layer in chosen.values()]
    for layer, posterior in made:
        layer.__class__ = BECOMES[type(layer)]
        layer.posterior = posterior
    return watch_(model)


def called(name: str) -> str:
    """A layer in words, by its name in a network; that of the network itself is empty."""
    return f"layer {name!r}" if name else "the network itself"


def _untreatable(name: str, layer: nn.Module, groups: bool, owners: Counter[int]) -> str:
    """Why ``layer`` cannot have a posterior; empty where it can."""
    kind, which = type(layer).__name__, called(name)
    if isinstance(layer, Variational):
        return f"{which} has a posterior already ({kind})"
    if type(layer) not in BECOMES:
        known = ", ".join(kind.__name__ for kind in BECOMES)
        return f"A posterior is of a layer of {known}, and {which} is of type {kind}"
    weight = layer._parameters.get("weight")
    if weight is None:
        return f"The weight of {which} ({kind}) is computed from others"
    if not weight.is_floating_point():
        return f"A posterior is of real numbers, and the weight of {which} ({kind}) is {weight.dtype}"
    if owners[id(weight)] > 1:
        return f"The weight of {which} ({kind}) is another layer's, too, and one weight has one posterior"
    if not groups and getattr(layer, "groups", 1) > 1:
        return f"{which} ({kind}) is in groups, none of which reads all channels"
    return ""
