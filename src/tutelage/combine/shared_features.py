"""The cheap way to see conflicts: at a feature that the losses share, not at every weight."""

import warnings

import torch
from torch import Tensor

from tutelage.combine.base import Combine, Parameters, Weighting
from tutelage.combine.seeded import seeded
from tutelage.combine.state import State, kept, restore
from tutelage.combine.target import refuse_unnamed
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.objective import Losses, Scene
from tutelage.ranks import average_over_ranks
from tutelage.shapes import at_least_float32

CITATIONS = {
    "AtFeatures": r"""@inproceedings{sener2018multi,
  title     = {Multi-Task Learning as Multi-Objective Optimization},
  author    = {Sener, Ozan and Koltun, Vladlen},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {31},
  year      = {2018},
  url       = {https://arxiv.org/abs/1810.04650}
}""",
}


class AtFeatures(Combine):
    """Weights from the losses' gradients at one or several features, then a single backward pass of the weighted sum.

    ``weighting`` is a function of the Gramian (losses, losses) of these gradients: ``partial(weights, by=symmetric)``,
    or a torchjd ``Weighting`` such as ``MGDAWeighting()``. ``features`` are addresses of the scene, such as
    ``"student.layer3"``; best is the one through which all losses pass and above which little is computed. With several
    the gradients at them are put one after the other, and a feature below another counts what flows through that, too.

    An approximation of ``ResolveConflicts``, for about the price of the plain sum. Below the feature, a gradient of the
    weights is that of the feature times one matrix, the same for all losses, which may turn and stretch, so cosines at
    the feature are not those at the weights, and promises such as "no loss rises" hold for the feature only. Above it,
    each loss has its weight, too. A loss that does not reach the features is not compared and keeps its plain weight,
    1; a warning names it, once. Under accumulation every micro-batch has weights of its own; over several ranks the
    weights are those of the whole batch.

    ``target`` comes first in the Gramian (``combine.target``); where it does not reach the features, all weights are 1.
    Raises ``ValueError`` for no feature, for a rule of ``combine.target`` without a ``target``, for an address that
    does not read ``who.what``, that nobody answers or that carries no gradient, for a student under ``torch.compile``,
    whose layers no loss reaches, and in a step in which ``target`` has no loss.

    Sener & Koltun, "Multi-task learning as multi-objective optimization", 2018, arXiv:1810.04650, §3.3 (MGDA-UB, with
    MGDA as the weighting), where this is an upper bound of the exact problem.
    """

    step: Tensor

    def __init__(self, weighting: Weighting, *features: str, target: str | None = None, seed: int = 0) -> None:
        super().__init__()
        self.features = [_split(feature) for feature in features]
        if not features:
            raise ValueError("Weights at shared features need the address of one, such as 'student.layer3'.")
        refuse_unnamed(target, weighting)
        self.target, self.seed = target, seed
        self.register_buffer("step", torch.zeros((), dtype=torch.long))
        self._weighting = [weighting]  # in a list, no submodule: see combine.state
        self._sum = WeightedSum()
        self._apart: set[str] = set()  # losses that a warning has named

    def reads(self) -> set[tuple[str, str]]:
        return set(self.features)

    def names(self) -> set[str]:
        return {self.target} if self.target is not None else set()

    def add(self, losses: Losses, scene: Scene, parameters: Parameters) -> None:
        weights = self._weights(losses, [_feature(scene, who, what) for who, what in self.features])
        weighted = {name: weights[name] * loss if name in weights else loss for name, loss in losses.items()}
        self._sum.add(weighted, scene, parameters)

    def settle(self, parameters: Parameters) -> None:
        self._sum.settle(parameters)
        self.step += 1

    def get_extra_state(self) -> State:
        return kept(self._weighting[0])

    def set_extra_state(self, state: State) -> None:
        restore(self._weighting[0], state, self.step.device)

    def _weights(self, losses: Losses, features: list[Tensor]) -> dict[str, Tensor]:
        if self.target is not None and self.target not in losses:
            raise ValueError(f"The target is the loss {self.target!r}, but this step has {sorted(losses)}.")
        first = [] if self.target is None else [self.target]
        rows = {}
        for name in [*first, *(name for name in losses if name not in first)]:
            row = torch.autograd.grad(losses[name], features, allow_unused=True, retain_graph=True)
            if any(gradient is not None for gradient in row):
                rows[name] = torch.cat([_flat(g, x) for g, x in zip(row, features, strict=True)])
        if apart := [name for name in losses if name not in rows]:
            if any("CompiledFunction" in type(feature.grad_fn).__name__ for feature in features):
                raise ValueError(
                    f"{apart[0]} does not reach {self._where()}: the layers of a compiled student are not on the way "
                    "to its output. Train it without torch.compile, or by ResolveConflicts."
                )
            self._say_apart(apart)
        if len(rows) < 2 or not rows.keys() >= set(first):
            return {}
        matrix = torch.stack(list(rows.values()))
        gramian = matrix @ matrix.mT
        average_over_ranks([gramian])
        if not 0 < float(gramian.trace()) < float("inf"):
            return {}
        with seeded(self.seed + int(self.step), gramian.device):
            weights = self._weighting[0](gramian).to(gramian)
        return dict(zip(rows, weights, strict=True))

    def _say_apart(self, apart: list[str]) -> None:
        if new := [name for name in apart if name not in self._apart]:
            self._apart.update(new)
            warnings.warn(
                f"Not compared with the other losses: {' and '.join(new)}, which {self._where()} is not on the way to. "
                "The weight stays 1; name a layer that all losses pass through.",
                stacklevel=4,
            )

    def _where(self) -> str:
        return " or ".join(f"'{who}.{what}'" for who, what in self.features)


def _flat(gradient: Tensor | None, feature: Tensor) -> Tensor:
    return at_least_float32(torch.zeros_like(feature) if gradient is None else gradient).flatten()


def _split(address: str) -> tuple[str, str]:
    who, _, what = address.partition(".")
    if not (who and what):
        raise ValueError(f"The address of a feature reads 'who.what', such as 'student.layer3'; got {address!r}.")
    return who, what


def _feature(scene: Scene, who: str, what: str) -> Tensor:
    feature: Tensor | None = scene.get(who, {}).get(what)
    if feature is None:
        raise ValueError(f"Nothing at '{who}.{what}' in this step, where the gradients of the losses should meet.")
    if not feature.requires_grad:
        raise ValueError(f"'{who}.{what}' carries no gradient; name a layer of the student that learns.")
    return feature
