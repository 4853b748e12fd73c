"""What a training refuses before its first step, in one sentence each: nothing here costs a step anything."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import combinations
from operator import index
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy
from torch.utils.data import BatchSampler, DataLoader

from tutelage.arguments import refuse_unfit
from tutelage.data.batches import Batch, named_batch
from tutelage.learner import Learner, LearnerState
from tutelage.objective import Scene
from tutelage.outputs import in_words, kind_of
from tutelage.teachers.frozen import networks_of


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


def refuse_shared_students(learners: Mapping[str, Learner]) -> None:
    for me, other in combinations(learners, 2):
        if learners[me].student is learners[other].student:
            raise ValueError(
                f"Learners {me!r} and {other!r} are one network, which both would move and which would see itself as "
                f"its peer; give each a network of its own, or one learner the terms of both."
            )


def refuse_own_teacher(state: LearnerState) -> None:
    """A teacher that learns along: what it says is what the student says already, or is changed by it unseen."""
    shared = (
        ("parameters that this learner trains", _spans(state.parameters.values()), nn.Module.named_parameters),
        ("buffers that this learner's BatchNorms move", _spans(_moving_buffers(state)), nn.Module.named_buffers),
    )
    for who, teacher in state.learner.teachers.items():
        if who not in {who for who, _ in state.reads(state.possible)}:
            continue
        for what, taken, named in shared:
            if own := [name for net in networks_of(teacher) for name, x in named(net) if _meets(x, taken)]:
                raise ValueError(
                    f"Teacher {who!r} of learner {state.name!r} has {len(own)} {what} ({own[0]!r} first), so it would "
                    f"say what the student says; give it a network of its own, such as copy.deepcopy(student), or "
                    f"requires_grad_(False) to what they share."
                )


def _moving_buffers(state: LearnerState) -> Iterator[Tensor]:
    """What the student's batch norms measure on their way: of those that will be in train mode."""
    trained = set(map(id, state.parameters.values()))
    for module in state.learner.student.modules():
        own = [id(p) in trained for p in module.parameters()]
        if isinstance(module, _NormBase) and module.track_running_stats and (any(own) or not own):
            yield from module.buffers()


def _span(x: Tensor) -> tuple[int, int, int] | None:
    """The storage that ``x`` lies in, its first byte and the one after its last; None where it has no memory."""
    try:
        storage = 0 if is_lazy(x) or not x.numel() else x.untyped_storage().data_ptr()
    except (NotImplementedError, RuntimeError):  # a sparse tensor, or one that wraps others
        return None
    if not storage:
        return None
    last = sum((size - 1) * stride for size, stride in zip(x.shape, x.stride(), strict=True))
    return storage, x.data_ptr(), x.data_ptr() + (last + 1) * x.element_size()


def _spans(tensors: Iterable[Tensor]) -> dict[int, list[tuple[int, int]]]:
    spans: dict[int, list[tuple[int, int]]] = {}
    for span in map(_span, tensors):
        if span is not None:
            spans.setdefault(span[0], []).append(span[1:])
    return spans


def _meets(x: Tensor, taken: Mapping[int, list[tuple[int, int]]]) -> bool:
    span = _span(x)
    return span is not None and any(span[1] < end and start < span[2] for start, end in taken.get(span[0], []))


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
            if not isinstance(loss, Tensor) or loss.numel() != 1:
                kind = f"a tensor {tuple(loss.shape)}" if isinstance(loss, Tensor) else kind_of(loss)
                raise ValueError(f"A loss is one number, a scalar tensor; got {kind}: take its mean.")


def refuse_unfit_terms(state: LearnerState, scene: Scene) -> None:
    """Raises ``ValueError``, by the term's name, for what no term of this step can be evaluated on."""
    for name in state.active:
        with named_in_errors(f"Term {name!r} of learner {state.name!r}"):
            refuse_unfit(state.learner.objective.terms[name], scene)


def among_several() -> bool:
    """Whether there are other processes, which would not wait for what this one tries alone."""
    return dist.is_available() and dist.is_initialized()


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
