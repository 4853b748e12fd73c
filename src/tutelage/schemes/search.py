"""Search for a student within a teacher: gates close while it still says the same, until it is as small as wanted.

Gu & Tresp, "Search for Better Students to Learn Distilled Knowledge", 2020, arXiv:2001.11612.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor, nn
from torch.optim import Optimizer

from tutelage.compress.budget import Budget, in_words
from tutelage.compress.fitting import fitting, settle_
from tutelage.compress.gates import InputGates, closed, fill_, fold_gates_, gates_of, layer_of
from tutelage.compress.scaled import Scaling, by_cost
from tutelage.compress.spending import MEASURES
from tutelage.compress.structure.alive import alive
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.costs import saved
from tutelage.compress.structure.graph import Closed
from tutelage.compress.structure.smallest import is_fed, smallest
from tutelage.copies import copy_of
from tutelage.data.lesson import Lesson
from tutelage.losses.held import GU_AND_TRESP
from tutelage.optimizers.accelerated_proximal import Momentum, accelerated_proximal, lasting, sparse, steady
from tutelage.optimizers.factory import Factory, Named
from tutelage.schemes.answers import Conditions, kept_for
from tutelage.schemes.by_method import AnyTeaching, prepared
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Metrics, Stage

CITATIONS = {"search": GU_AND_TRESP}
STUDENT = "student."
"""What the names of a student's parameters begin with for its optimizer."""
OPEN = "open gates"
"""What the log calls the number of gates that are not closed after an epoch."""
LIMIT = "budget"
"""What it calls the most that may be spent: a share of milliseconds is measured anew by each process."""


@dataclass(frozen=True)
class Penalty:
    """``strength · Σ α|g|``, minimised by accelerated proximal steps with this ``momentum``; ``scaling`` sets α.

    Raises ``ValueError`` for a strength that is not above 0.
    """

    strength: float = 1e-3
    scaling: Scaling = by_cost
    momentum: Momentum = steady

    def __post_init__(self) -> None:
        if not self.strength > 0:
            raise ValueError(f"A penalty of gates has a strength above 0, or none ever closes; got {self.strength}.")

    def optimizer(self, factory: Factory, model: nn.Module) -> Factory:
        """``factory`` for all of a learner but the gates of its student ``model``, which take proximal steps."""
        scales = {f"{STUDENT}{name}": gates.scale for name, gates in gates_of(model).items()}
        return accelerated_proximal(
            factory, self.strength, scales.__contains__, scales.__getitem__, momentum=self.momentum
        )


PENALTY = Penalty()


def search(
    stage: Stage,
    model: nn.Module,
    *,
    plan: Plan,
    teaching: AnyTeaching,
    budget: Budget,
    penalty: Penalty = PENALTY,
    start: nn.Module | None = None,
) -> None:
    """Fit what ``teaching`` asks of ``model``, plus the penalty of its gates, until it costs no more than ``budget``.

    ``model`` has gates (``compress.gates.gated``) and is filled with the weights of ``start``, a network of the same
    architecture without them: the teacher, as a rule. Without it, it begins as it was built. Weights are trained as
    ``plan`` says, gates at the same rate by accelerated proximal steps; closed ones may open again. ``methods.search``
    has what the paper minimises beside the penalty, and any method may stand there.

    After each epoch it is counted, or measured in ms, what would be left without all that is closed and what that
    takes with it: 0 where so much is closed that the answer depends on nothing. The first epoch that ends within the
    budget is the last, or else the last of ``plan``. Then ``compress.fitting`` picks as many gates as the budget holds:
    those that closed last open again where an epoch closed more than it had to, a whole layer that must not go among
    them, and the smallest close where no epoch ended within the budget. The others are the iterates of the proximal
    steps. ``compress.gates.closed`` reads what to take away.

    Raises ``ValueError`` for a model without gates, or with some in half precision, for a budget that is not below the
    cost of the whole network or that its gates cannot reach.
    """
    if not gates_of(model):
        raise ValueError(f"{type(model).__name__} has no gates to search with: build it by compress.gates.gated.")
    if half := next((x.gate.dtype for x in gates_of(model).values() if x.gate.dtype.itemsize < 4), None):
        raise ValueError(
            f"The gates of {type(model).__name__} are in {str(half)[6:]}, which knows no steps as small as theirs: "
            "cast the network before it gets gates, which stay in float32."
        )
    if start is not None:
        fill_(model, start)
    ledger = Ledger(model, budget, plan.lesson)
    penalty.scaling(model, saved(ledger.channels, ledger.measure.price))
    conditions = Conditions(stage.shared, stage.precision, stage.exact)
    objective, teachers = prepared(model, teaching, plan, conditions, kept_for(stage))
    moving: list[Optimizer] = []  # known once the training has begun
    optimizer = partial(_noted, factory=penalty.optimizer(plan.optimizer, model), made=moving)
    learner = replace(plan, optimizer=optimizer).learner(model, objective, teachers, teaching.combine())

    def figures() -> Metrics:
        rest = plan.validation(model)
        return {**ledger.figures(iterates(moving)), **(rest() if rest else {})}

    batches = plan.lesson.batches()
    stage.train(
        {"student": learner}, batches, plan.epochs, model=model, validate=figures, until=ledger.is_within_budget
    )
    settle_(model, iterates(moving), ledger.fitting(iterates(moving), lasted(moving)))


class Ledger:
    """What ``model`` costs as its gates close, in the unit of its ``budget``, and the ``limit`` of that.

    Raises ``ValueError`` for a budget that is not below the cost of the whole network, or that gates cannot reach, and
    for a network that runs other layers than it did when it got its gates.
    """

    def __init__(self, model: nn.Module, budget: Budget, lesson: Lesson) -> None:
        self.model, self.unit = model, budget.unit
        plain = fold_gates_(copy_of(model))
        self.channels = channels_of(plain, lesson.example)
        self._refuse_values()
        self.measure = MEASURES[budget.unit](plain, self.channels)
        whole = self.measure.cost(Closed())
        self.limit = budget.limit(whole)
        if self.limit >= whole:
            raise ValueError(
                f"A search ends below what the whole network costs, {in_words(whole, self.unit)}; the budget is "
                f"{budget}: name less."
            )
        self.whole, self.least = whole, self._least()
        cheapest = self.measure.cost(self.least)
        if self.limit < cheapest:
            raise ValueError(
                f"The budget of {in_words(self.limit, self.unit)} cannot be reached by gates on {self._gated()}; the "
                f"least that is left is {in_words(cheapest, self.unit)}."
            )

    def figures(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        """The cost, the budget, and the number of open gates at ``values``: a cost of 0 where no answer is left."""
        shut = closed(self.model, values)
        cost = float(self.measure.cost(shut)) if is_fed(alive(self.channels, shut)) else 0.0
        gates = gates_of(self.model)
        still = sum(int((values.get(name, x.gate) != 0).sum()) for name, x in gates.items())
        return {self.unit: cost, LIMIT: self.limit, OPEN: still}

    def is_within_budget(self, figures: Metrics) -> bool:
        return figures[self.unit] <= figures[LIMIT]

    def fitting(self, values: Mapping[str, Tensor], lasted: Mapping[str, Tensor]) -> Closed:
        """What to close at the end: see ``compress.fitting``."""
        return fitting(self.model, self.channels, values, lasted, self.measure, self.limit, self.least)

    def _least(self) -> Closed:
        gates = gates_of(self.model)
        readers, branches = (
            [layer_of(name) for name, x in gates.items() if isinstance(x, InputGates) is on_inputs]
            for on_inputs in (True, False)
        )
        return smallest(self.channels, readers, branches)

    def _refuse_values(self) -> None:
        """Raise ``ValueError`` where other layers run than did when the network got its gates, with other weights."""
        if idle := [name for name in map(layer_of, gates_of(self.model)) if name not in self.channels.layers]:
            raise ValueError(
                f"{type(self.model).__name__} runs {idle[0]!r} for some values alone, so it is not known what gates "
                "leave of it; take the decision out of its forward, or choose a student of another kind."
            )

    def _gated(self) -> str:
        layers = [*dict.fromkeys(layer_of(name) for name in gates_of(self.model))]
        return ", ".join(layers[:3]) + (f" and {len(layers) - 3} more" if len(layers) > 3 else "")


def iterates(moving: Sequence[Optimizer]) -> dict[str, Tensor]:
    """The sparse iterates of a student's gates, by their names in the student."""
    return _of_student(sparse, moving)


def lasted(moving: Sequence[Optimizer]) -> dict[str, Tensor]:
    """In how many steps they were above 0."""
    return _of_student(lasting, moving)


def _of_student(read: Callable[[Optimizer], dict[str, Tensor]], moving: Sequence[Optimizer]) -> dict[str, Tensor]:
    return {name.removeprefix(STUDENT): value for optimizer in moving for name, value in read(optimizer).items()}


def _noted(named: Named, *, factory: Factory, made: list[Optimizer]) -> Optimizer:
    optimizer = factory(named)
    made.append(optimizer)
    return optimizer
