"""Blocks in the place of others: each imitates the one that it replaces, then the whole network learns on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from tutelage.checkpoint import filled
from tutelage.combine.base import Combine
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.compress.changed import changed
from tutelage.keys import Build
from tutelage.losses.hint import mean_squares
from tutelage.objective import Objective, Term
from tutelage.run import Run
from tutelage.schemes.by_method import AnyTeaching
from tutelage.schemes.plan import Plan
from tutelage.schemes.probe import CURE
from tutelage.schemes.pruned import recovered
from tutelage.stages.stage import Stage
from tutelage.stages.storage import Finished
from tutelage.taps import find_layer
from tutelage.teachers.frozen import frozen


def imitated(
    stage: Stage,
    model: nn.Module,
    *,
    plan: Plan,
    start: nn.Module,
    original: nn.Module,
    blocks: Sequence[str],
    combine: Callable[[], Combine] = WeightedSum,
) -> None:
    r"""Fit each of ``blocks`` of ``model`` to that of the same name in ``original``: ``mean (b'(x_b) − b(x_b))²``.

    ``x_b`` is what the *original* network feeds its own block, so that no block has to make up for another's error; a
    block has the gradient of its own loss alone. ``model`` begins with the weights of ``start``, which has its
    architecture; all but the blocks stays as it is, to the bit, and so there is nothing to validate. A block may take
    several layers; what it takes and what it gives have the shapes that they have in ``original``. Losses differ in
    scale from block to block: an optimizer such as Adam does not mind.

    Raises ``ValueError`` for no block, for one that either network lacks, and for one that gives another shape.
    """
    filled(model, start.state_dict(), "The network to start from", CURE)
    if not blocks:
        raise ValueError("Blocks that imitate are given by their names; got none.")
    places = {f"block{number}": name for number, name in enumerate(blocks, start=1)}
    parts = nn.ModuleDict({place: find_layer(model, name) for place, name in places.items()})
    terms = {
        place: Term(Imitation(parts[place], name), f"teacher.{name}:input", f"teacher.{name}")
        for place, name in places.items()
    }
    learner = plan.learner(parts, Objective(**terms), {"teacher": frozen(original, plan.task.call)}, combine())
    stage.train({"student": learner}, plan.lesson.batches(plan.epochs), plan.epochs, model=model)


class Imitation(nn.Module):
    """A loss of what a block is given and what it is to answer: ``mean (block(given) − answer)²``."""

    def __init__(self, block: nn.Module, name: str) -> None:
        super().__init__()
        self.block, self.name = block, name

    def forward(self, given: Tensor, answer: Tensor) -> Tensor:
        own = self.block(given)
        if own.shape != answer.shape:
            raise ValueError(
                f"{self.name!r} answers {tuple(own.shape[1:])} where the original answers {tuple(answer.shape[1:])}; "
                f"a block keeps the shape of the one that it replaces."
            )
        return mean_squares(own, answer)


@dataclass(frozen=True, eq=False)
class Replaced:
    """A network with other blocks: as they ``imitate``, and ``finished``, once the whole has learnt on.

    ``build`` makes one of its architecture.
    """

    imitating: Finished
    finished: Finished
    build: Build


def replaced(
    run: Run,
    name: str,
    original: Finished,
    build: Build,
    change: Callable[[nn.Module], nn.Module],
    blocks: Sequence[str],
    *,
    imitating: Plan,
    plan: Plan,
    teaching: AnyTeaching | None = None,
) -> Replaced:
    """``original``, which ``build`` makes, with what ``change`` puts in the place of ``blocks``: three stages.

    ``name, changed`` is derived: ``change`` begins near the original. ``name, imitating`` is ``imitated`` by the plan
    of that name; ``name`` is the whole network, which learns on by ``plan``, from labels or by ``teaching``, batch
    norms measured anew. ``change`` is a partial of ``compress.low_rank.factorised``, ``compress.separable.separated``,
    ``compress.bottleneck.bottlenecked`` or of such a function of yours; what it does to a network must follow from that
    network's architecture and the arguments. Raises as ``change`` and ``imitated`` do.
    """
    begun = run.derive(f"{name}, changed", change, of=original)
    built = partial(changed, build, change=change)
    fit = partial(imitated, plan=imitating, start=begun.last, original=original.last, blocks=tuple(blocks))
    near = run.stage(f"{name}, imitating", built, fit, seed=imitating.lesson.seed)
    whole = partial(recovered, plan=plan, start=near.last, teaching=teaching)
    return Replaced(near, run.stage(name, built, whole, seed=plan.lesson.seed), built)
