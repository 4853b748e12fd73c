"""Learners that learn nothing: what an epoch did to each, and why it did nothing, in one sentence."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.optim import Optimizer

from tutelage import group
from tutelage.learner import LearnerState
from tutelage.objective import Clock

NOTHING = 1e-6
"""A loss that is no larger has been learnt: then weights may stay as they are."""
LOOKS = 1000
"""Moments of a training at most, at which a scheduled weight is looked up."""


class Idle:
    """The learners that have not moved yet. It costs a look at the weights before and after an epoch, until they have.

    A learner has learnt something if its weights have changed and some gradient was not 0: weight decay alone moves
    weights too. What a combine rule learns for itself does not count.
    """

    def __init__(self, states: Mapping[str, LearnerState], epochs: int) -> None:
        self.states, self.epochs = dict(states), epochs
        self.before: dict[str, Tensor] = {}

    def begin(self) -> None:
        """To be called where an epoch begins; one that is entered in the middle is not judged."""
        self.before = {name: fingerprint(state) for name, state in self.states.items()}

    def refuse(self, clock: Clock, batches: int) -> None:
        """At the end of an epoch of ``batches``: raises ``ValueError`` for a learner that will go on learning nothing.

        It may have had no turn, no loss to lower, or a weight or rate that is 0 now and not later. Of several
        processes, all raise where one does.
        """
        reasons: list[str] = []
        for name, before in self.before.items():
            state = self.states[name]
            moved = not torch.equal(before, fingerprint(state))
            if moved and state.pulled:
                del self.states[name]
            elif reason := _reason(state, moved, clock, self.epochs):
                reasons.append(
                    f"Learner {name!r} has learnt nothing in epoch {clock.epoch + 1} ({batches} batches): {reason}."
                )
        if self.before and group.highest(len(reasons)) != (0,):
            raise ValueError(*reasons[:1] or ["Another process has learnt nothing in this epoch; it says why."])
        self.before = {}


def fingerprint(state: LearnerState) -> Tensor:
    """Two numbers a parameter that change whenever it does; without those of the combine rule, unless it has all."""
    own = [p for name, p in state.parameters.items() if not name.startswith("combine.")]
    return torch.stack([_two_numbers(p.detach()) for p in own or state.parameters.values()])


def _two_numbers(p: Tensor) -> Tensor:
    p = torch.view_as_real(p) if p.is_complex() else p
    wide = torch.float32 if p.device.type == "mps" else torch.float64
    return torch.stack([p.sum(dtype=wide), torch.linalg.vector_norm(p, dtype=wide)]).cpu()


def _reason(state: LearnerState, moved: bool, clock: Clock, epochs: int) -> str | None:
    means = state.means()
    if not state.counts or (state.learns and means and all(abs(mean) <= NOTHING for mean in means.values())):
        return None
    unheard = [name for name in state.possible if name not in means]
    if (not means or not state.learns) and _weighed_later(state, clock, epochs, unheard):
        return None
    words = ", ".join(f"{name!r} {mean:.3g}" for name, mean in means.items())
    if not means:
        return f"the weights of its terms {state.possible} were 0, and stay 0; give one of them a weight above 0"
    if not state.learns:
        return (
            f"none of its losses ({words}) has a gradient; compute one of what the student returns, without detach(), "
            f"no_grad() or counting"
        )
    if not state.pulled:
        return (
            f"the gradients of its losses ({words}) are 0 or None for all of its {len(state.parameters)} parameters; "
            f"look for a factor of 0, a rounding, or units that are all dead, between its parameters and the losses"
        )
    return None if moved else _unmoved(state, clock, epochs)


def _unmoved(state: LearnerState, clock: Clock, epochs: int) -> str | None:
    rates = [float(each["lr"]) for each in state.optimizer.param_groups if "lr" in each]
    if rates and not any(rates):
        if _rises_later(state.optimizer, clock, epochs):
            return None
        return "its learning rate was 0, and stays 0; give its optimizer one above 0"
    held = {id(p) for each in state.optimizer.param_groups for p in each["params"]}
    left_out = [name for name, p in state.parameters.items() if p.grad is not None and id(p) not in held]
    if left_out:
        return (
            f"its gradients reach parameters that its optimizer was given and does not hold ({left_out[0]!r} first); "
            f"make the optimizer of all that the function is given, and choose with Learner(trains=…)"
        )
    return f"the steps of its optimizer change no weight (learning rate {max(rates, default=0.0):g}); make them larger"


def _weighed_later(state: LearnerState, clock: Clock, epochs: int, names: Iterable[str]) -> bool:
    terms, step = state.learner.objective.terms, clock.step / (clock.epoch + 1)
    left = range(clock.epoch + 1, epochs, max(1, (epochs - clock.epoch) // LOOKS))
    later = [Clock(epoch, round(epoch * step), epoch / epochs, epochs) for epoch in left]
    return any(terms[name].weight_at(then) != 0 for name in names for then in later)


def _rises_later(optimizer: Optimizer, clock: Clock, epochs: int) -> bool:
    """As ``scheduled`` says; a schedule of torch's own is in other hands, which get another epoch."""
    if factors := getattr(optimizer, "factors", ()):
        bases = [each["base_lr"] for each in optimizer.param_groups]
        left = range(clock.step, round(clock.step / (clock.epoch + 1) * epochs))
        return any(bases) and all(any(factor(step) for step in left) for factor in factors)
    return clock.epoch == 0 < epochs - 1 and any(each.get("initial_lr") for each in optimizer.param_groups)
