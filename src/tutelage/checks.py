"""What a training refuses before its first step, in one sentence each: nothing here costs a step anything."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from operator import index
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader

from tutelage.arguments import refuse_unfit
from tutelage.data.batches import Batch, named_batch
from tutelage.learner import Learner, LearnerState
from tutelage.objective import Scene
from tutelage.outputs import in_words, kind_of
from tutelage.ranks import among_several


@contextmanager
def named_in_errors(who: str) -> Iterator[None]:
    """A ``ValueError`` raised inside says whose it is."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{who}: {error}") from error


def refuse_no_learners(learners: Mapping[str, Learner]) -> None:
    if isinstance(learners, Learner):
        raise ValueError('train takes learners by name, and a single one too: train({"student": learner}, …).')
    if not isinstance(learners, Mapping) or not all(isinstance(x, Learner) for x in learners.values()):
        raise ValueError(f'train takes learners by name, such as {{"student": Learner(…)}}; got {kind_of(learners)}.')


def refuse_too_few(**counts: Any) -> None:
    for what, count in counts.items():
        try:
            whole = int(count) if isinstance(count, float) and count.is_integer() else index(count)
        except TypeError:
            whole = 0
        if whole < 1:
            raise ValueError(f"A training needs 1 or more {what}, a whole number; got {count!r}.")


def refuse_empty(sizes: Sequence[int], epoch: int, batch: int) -> None:
    if 0 in sizes:
        at = batch + sizes.index(0) + 1
        raise ValueError(f"Batch {at} of epoch {epoch + 1} is empty; every batch needs a sample or more.")


def refuse_used_up(epoch: int, batches: int) -> None:
    if not batches:
        raise ValueError(
            f"Epoch {epoch + 1} has no batch: what gives them is used up; give a list, a loader, or a function (epoch, "
            f"first) -> batches that begins anew in every epoch."
        )


def refuse_ambiguous(learners: Mapping[str, Learner]) -> None:
    for name, learner in learners.items():
        peers = [peer for peer in learners if peer != "student" or len(learners) > 1]
        stage = ["batch", "student", *learner.teachers, *peers]
        if twice := sorted({who for who in stage if stage.count(who) > 1}):
            raise ValueError(f"On the stage of learner {name!r}, {twice} would mean two things; choose other names.")


def refuse_halves(learners: Mapping[str, Learner], accumulate: int) -> None:
    across = [f"{me}: {name}" for me, x in learners.items() for name, term in x.objective.terms.items() if term.across]
    if across and accumulate > 1:
        raise ValueError(f"Terms {across} look across the batch, which accumulation cuts into {accumulate} pieces.")


def refuse_shared_rules(learners: Mapping[str, Learner]) -> None:
    if len({id(learner.combine) for learner in learners.values()}) < len(learners):
        raise ValueError(f"Learners {sorted(learners)} share one Combine, which would mix their gradients; one each.")


def refuse_precision(precision: torch.dtype) -> None:
    if precision not in (torch.float32, torch.bfloat16):
        raise ValueError(f"precision is torch.float32 (no autocast) or torch.bfloat16; got {precision}.")


def versions_of(batch: Batch) -> dict[str, int]:
    """How often each tensor of ``batch`` was written to, where that is counted."""
    return {name: x._version for name, x in batch.items() if isinstance(x, Tensor) and not x.is_inference()}


def refuse_overwritten(batch: Batch, before: Mapping[str, int], who: str) -> None:
    """Raise ``ValueError`` where ``who`` has written to a tensor of ``batch`` since its versions were ``before``."""
    if written := [name for name, version in versions_of(batch).items() if version != before.get(name, version)]:
        raise ValueError(
            f"{who} overwrites 'batch.{written[0]}' as it runs, which others and later epochs see then; begin with "
            f"x = x.clone(), or leave out inplace=True."
        )


def refuse_no_activations(answer: Any) -> None:
    if not isinstance(answer, Mapping):
        raise ValueError(f"A teacher answers with a mapping such as {{'output': logits}}; got {in_words(answer)}.")


def try_terms(state: LearnerState, scene: Scene) -> None:
    """Evaluates every term that may ever count.

    Raises ``ValueError``, by the term's name, for probabilities where it wants logits, for a single class, for labels
    that are no classes, and for what is not one number.
    """
    objective = state.learner.objective
    for name in state.possible:
        with named_in_errors(f"Term {name!r} of learner {state.name!r}"):
            refuse_unfit(objective.terms[name], scene)
            loss = objective(scene, [name])[name]
            if not isinstance(loss, Tensor) or loss.numel() != 1 or loss.is_complex():
                kind = f"a tensor {tuple(loss.shape)} of {loss.dtype}" if isinstance(loss, Tensor) else kind_of(loss)
                raise ValueError(f"A loss is one number, a scalar tensor; got {kind}: take its mean.")


def cause_of_not_finite(state: LearnerState, term: str, scene: Scene) -> str:
    """What a loss that was not finite had been given that was not either, in words: samples and teachers first."""
    objective = state.learner.objective
    reads = objective.reads([term]) if term in objective.terms else set()
    for who, what in sorted({("batch", "input"), *reads}, key=lambda read: (read[0] == "student", read)):
        x = scene.get(who, {}).get(what)
        if isinstance(x, Tensor) and x.is_floating_point() and not bool(x.isfinite().all()):
            return f", for '{who}.{what}' is not"
    return ""


def refuse_unfit_terms(state: LearnerState, scene: Scene) -> None:
    """Raises ``ValueError``, by the term's name, for what no term of this step can be evaluated on."""
    for name in state.active:
        with named_in_errors(f"Term {name!r} of learner {state.name!r}"):
            refuse_unfit(state.learner.objective.terms[name], scene)


def single_sample(source: Any, size: Callable[[Batch], int], first: Batch) -> Batch | None:
    """A batch of one sample as an epoch of ``source`` holds it, where that can be told from a list or a loader.

    Not among several processes: one that tries such a batch would wait for the others, who have none.
    """
    if among_several():
        return None
    with suppress(ValueError):
        if isinstance(source, list | tuple):
            return next((batch for batch in map(named_batch, source) if size(batch) == 1), None)
        if (count := size(first)) == 1:
            return first
        if isinstance(source, DataLoader) and _remainder(source) == 1:
            return {name: _first_of(x, count) for name, x in first.items()}
    return None


def _remainder(loader: "DataLoader[Any]") -> int:
    drawn = loader.batch_sampler
    if isinstance(drawn, list | tuple):
        return min(map(len, drawn), default=0)
    if type(drawn) is not BatchSampler or drawn.drop_last:  # what a sampler of one's own does nobody knows
        return 0
    try:
        return len(drawn.sampler) % drawn.batch_size  # type: ignore[arg-type]
    except TypeError:  # a stream has no length
        return 0


def _first_of(x: Any, count: int) -> Any:
    """The first of ``count`` samples. Raises ``ValueError`` where it cannot be told which part of ``x`` that is."""
    if isinstance(x, Tensor) and x.ndim and len(x) == count:
        return x[:1]
    if isinstance(x, Mapping):
        return {name: _first_of(part, count) for name, part in x.items()}
    if type(x) in (list, tuple):
        parts = None
        with suppress(ValueError):
            parts = type(x)(_first_of(part, count) for part in x)
        if (parts is None) != (len(x) != count):  # samples side by side, or parts that hold them: not both
            return x[:1] if parts is None else parts
    raise ValueError("A batch does not show its samples.")


@contextmanager
def of_a_single_sample() -> Iterator[None]:
    """Whatever is raised inside comes of a batch of one."""
    try:
        yield
    except Exception as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".:") or type(error).__name__
        raise ValueError(
            f"An epoch has a batch of a single sample, from which nothing can be learnt here ({reason}); leave it out, "
            f"as DataLoader(…, drop_last=True) does, or choose another batch size."
        ) from error
