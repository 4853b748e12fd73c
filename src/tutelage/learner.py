"""A student, what it must get right, who teaches it; and what it does in a step once it is on stage."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from tutelage.combine.base import Combine
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.objective import Clock, Losses, Objective, Scene, Term
from tutelage.optimizers.factory import Factory
from tutelage.outputs import kind_of
from tutelage.parts import made, refuse_no_factory, refuse_no_functions
from tutelage.shapes import at_least_float32
from tutelage.taps import Read, Tapped
from tutelage.teachers.frozen import Call, Teacher, on_input, refuse_no_teacher


def everything(_name: str) -> bool:
    return True


@dataclass
class Learner:
    """A student and all that makes it learn. ``trains`` gets the optimizer's names, such as ``student.fc.weight``.

    What does not train leaves the optimizer, and a module below which nothing trains stays in eval mode, statistics
    and all. Where ``trains`` chooses a part of a module, what has no parameters in it (dropout) is in the mode of the
    layer that was registered before it: behind a body that is left as it is nothing is dropped, and behind a layer that
    is fitted all is as ever. ``call`` says how the student is called, ``read`` how a tensor is got from a layer that
    returns none.

    Raises ``ValueError`` for what is none of these: an optimizer in the place of its factory, a network in that of a
    teacher.
    """

    student: nn.Module
    objective: Objective
    optimizer: Factory
    combine: Combine = field(default_factory=WeightedSum)
    teachers: Mapping[str, Teacher] = field(default_factory=dict)
    call: Call = on_input
    trains: Callable[[str], bool] = everything
    read: Mapping[str, Read] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kinds = {"student": nn.Module, "objective": Objective, "combine": Combine, "teachers": Mapping, "read": Mapping}
        for what, kind in kinds.items():
            if not isinstance(part := getattr(self, what), kind):
                raise ValueError(f"A learner's {what} must be of the type {kind.__name__}; got {kind_of(part)}.")
        refuse_no_factory(self.optimizer)
        refuse_no_functions(self.call, self.trains, self.read)
        for who, teacher in self.teachers.items():
            refuse_no_teacher(f"Teacher {who!r}", teacher)


Reads: TypeAlias = Mapping[str, frozenset[str]]
"""Who -> what is looked at of them."""


class Spoilt(NamedTuple):
    """The first thing that was not finite: a term's name or ``gradient``, and the step it happened in."""

    what: str
    step: int


def _times(weight: float, loss: Any) -> Any:
    return loss if weight == 1 else weight * loss  # a product would be one more node to go back through


class LearnerState:
    """A learner at work: its taps, optimizer, running means, and the first loss that was not finite."""

    tapped: Tapped
    forward: nn.Module
    parameters: dict[str, nn.Parameter]
    optimizer: torch.optim.Optimizer

    def __init__(self, name: str, learner: Learner) -> None:
        self.name = name
        self.learner = learner
        self.owned = nn.ModuleDict(
            {"student": learner.student, "objective": learner.objective, "combine": learner.combine}
        )
        terms = learner.objective.terms
        self.possible = [name for name, term in terms.items() if callable(term.weight) or term.weight != 0]
        if not self.possible:
            raise ValueError(f"Learner {name!r} has nothing to learn: no term of its objective has a weight above 0.")
        if unknown := sorted(learner.combine.names() - terms.keys()):
            raise ValueError(f"The rule of learner {name!r} names losses {unknown}; its objective has {sorted(terms)}.")
        self.active = tuple(self.possible)
        self.weights: dict[str, float] = {}
        self.sums: dict[str, Tensor | float] = {}
        self.counts: dict[str, int] = {}
        self.device = next((p.device for p in learner.student.parameters()), torch.device("cpu"))
        self._on_cpu = self.device.type == "cpu"  # where to look at a number makes nobody wait
        for part in (learner.objective, learner.combine):  # projectors and memories learn where the student does
            part.to(self.device)
        self._watched = [*terms, "gradient"]
        self._reads: dict[tuple[str, ...], Reads] = {}  # asked several times a step, always the same
        self.learns = False  # until a loss has had a gradient
        self.pulled = False  # until one was not 0
        self.repeats = True  # until a second pass over a batch shows, or would show, something else
        self.repeated: set[bool] = set()  # whether a second pass was tried, beside one with and one without gradient
        self._spoilt: Spoilt | None = None
        self._bad = torch.full((), -1, device=self.device)  # on an accelerator: step and place of the first, or -1

    def tap(self, addresses: frozenset[str]) -> None:
        self.tapped = Tapped(self.learner.student, addresses, self.learner.read)

    def build_optimizer(self) -> None:
        named = self.owned.named_parameters()
        self.parameters = {name: p for name, p in named if p.requires_grad and self.learner.trains(name)}
        if shapeless := [name for name, p in self.parameters.items() if isinstance(p, UninitializedParameter)]:
            raise ValueError(f"{shapeless} never got a shape: nothing reads them; give sizes, or drop their term.")
        if not self.parameters:
            raise ValueError(f"Nothing of learner {self.name!r} trains: no parameter needs a gradient and is chosen.")
        self.optimizer = made(self.learner.optimizer, self.parameters, self.name)

    def train_mode(self) -> None:
        """Train mode where something trains; where nothing does, eval mode, so that no BatchNorm buffer moves."""
        for name, p in self.owned.named_parameters():
            p.requires_grad_(name in self.parameters)
        self.owned.train()
        for module in self.owned.modules():
            trainable = [p.requires_grad for p in module.parameters()]
            if trainable and not any(trainable):
                module.eval()
        self._still_what_follows_what_is_left_out()

    def _still_what_follows_what_is_left_out(self) -> None:
        """Of a module of which a part is chosen: its children without parameters do as the child before them does."""
        chosen = {p for name, p in self.owned.named_parameters() if self.learner.trains(name)}
        student = self.learner.student
        if chosen.issuperset(student.parameters()):
            return
        for module in student.modules():
            own = set(module.parameters())
            if own <= chosen or not own & chosen:
                continue
            children = [(child, set(child.parameters())) for child in module.children()]
            works = next((bool(held & chosen) for _, held in children if held), True)
            for child, held in children:
                works = bool(held & chosen) if held else works
                if not held:
                    child.train(works)

    def reads(self, terms: Sequence[str]) -> Reads:
        """What has to be shown where these terms count, by who shows it."""
        if (found := self._reads.get(key := tuple(terms))) is None:
            pairs = self.learner.objective.reads(terms) | self.learner.combine.reads() if terms else set()
            found = {who: frozenset(what for one, what in pairs if one == who) for who, _ in pairs}
            self._reads[key] = found
        return found

    def begin(self, clock: Clock) -> None:
        self.weights = self.learner.objective.weights(clock)
        self.active = tuple([name for name, weight in self.weights.items() if weight != 0])
        self.optimizer.zero_grad()

    @property
    def counting(self) -> dict[str, Term]:
        """The terms of this step."""
        terms = self.learner.objective.terms
        return {name: terms[name] for name in self.active}

    def losses(self, scene: Scene) -> Losses:
        losses: Losses = self.learner.objective(scene, self.active)
        return losses

    def add(self, losses: Losses, scene: Scene, shares: Mapping[str, float], step: int) -> None:
        for name, loss in losses.items():
            # A running sum in bfloat16 would soon stand still.
            value = loss.item() if self._on_cpu else at_least_float32(loss.detach())
            self._watch(name, value, step)
            self.sums[name] = self.sums.get(name, 0.0) + _times(shares[name], value)
        weighted = {n: _times(self.weights[n] * shares[n], loss) for n, loss in losses.items() if loss.requires_grad}
        if weighted:
            self.learns = True
            self.learner.combine.add(weighted, scene, self.parameters)
        elif not self.learns:
            self._refuse_idle(losses)

    def _refuse_idle(self, losses: Losses) -> None:
        """A loss of 0 may have nothing to say in this batch, and a term of weight 0 may come later."""
        if losses.keys() == set(self.possible) and any(bool(loss.detach() != 0) for loss in losses.values()):
            raise ValueError(
                f"No loss of learner {self.name!r} has a gradient ({sorted(losses)}), so that nothing would train; a "
                f"loss is computed of what the student returns, without detach(), no_grad() or counting."
            )

    def settle(self, step: int) -> None:
        """The whole gradient of this step, looked at."""
        self.learner.combine.settle(self.parameters)
        gradients = [gradient for p in self.parameters.values() if (gradient := p.grad) is not None]
        if gradients:
            # Where a part is not finite, the sum is not; and it costs half of a norm.
            sums = [gradient.sum(dtype=torch.float32) for gradient in gradients]
            # On a CPU as numbers: to stack them would be two more kernels.
            self._watch("gradient", sum([x.item() for x in sums]) if self._on_cpu else torch.stack(sums).sum(), step)
            self.pulled = self.pulled or any(bool(gradient.any()) for gradient in gradients)
        counts = self.counts
        for name, weight in self.weights.items():
            counts[name] = counts.get(name, 0) + (weight != 0)

    def move(self) -> None:
        """The optimizer's step, unless anything has not been finite: then the weights stay as they were before it."""
        if not self._on_cpu:
            self._step_unless_bad()
        elif self._spoilt is None:
            self.optimizer.step()

    def _watch(self, what: str, value: Tensor | float, step: int) -> None:
        if not isinstance(value, Tensor):
            if self._spoilt is None and not isfinite(value):
                self._spoilt = Spoilt(what, step)
        else:  # looking would make the host wait: leave a mark on the device
            code = step * len(self._watched) + self._watched.index(what)
            self._bad = torch.where((self._bad < 0) & ~value.isfinite(), code, self._bad)

    @torch.no_grad()
    def _step_unless_bad(self) -> None:
        """Decided on the device, without waiting: fused optimizers skip by themselves, others are taken back."""
        wrapped = self.optimizer._optimizer_step_post_hooks  # they change weights after the step, whatever it was
        if getattr(self.optimizer, "_step_supports_amp_scaling", False) and not wrapped:
            self.optimizer.found_inf = (self._bad >= 0).float()  # type: ignore[attr-defined]
            self.optimizer.grad_scale = None  # type: ignore[attr-defined]
            self.optimizer.step()
            return
        before = {p: p.clone() for p in self.parameters.values() if p.grad is not None}
        self.optimizer.step()
        for p, old in before.items():
            p.copy_(torch.where(self._bad < 0, p, old))

    @property
    def spoilt(self) -> Spoilt | None:
        """The first thing that was not finite, if any. On an accelerator this is where the host waits."""
        if not self._on_cpu and (code := int(self._bad)) >= 0:
            step, place = divmod(code, len(self._watched))
            return Spoilt(self._watched[place], step)
        return self._spoilt

    def means(self) -> dict[str, float]:
        return {name: float(total) / self.counts[name] for name, total in self.sums.items()}

    def forget_means(self) -> None:
        self.sums, self.counts = {}, {}

    def state_dict(self) -> dict[str, Any]:
        return {
            "owned": self.owned.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "means": {"sums": self.sums, "counts": self.counts, "weights": self.weights},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.learns = True  # or it was refused before it had a state
        self.owned.load_state_dict(state["owned"])
        self.optimizer.load_state_dict(state["optimizer"])
        for p, kept in self.optimizer.state.items():
            for what, x in kept.items():
                if isinstance(x, Tensor) and x.shape == p.shape:  # in the weight's own layout: fused optimizers want it
                    kept[what] = torch.empty_like(p, dtype=x.dtype).copy_(x)
        self.sums, self.counts, self.weights = (dict(state["means"][x]) for x in ("sums", "counts", "weights"))
