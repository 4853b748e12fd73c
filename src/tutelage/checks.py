"""What a training refuses before its first step, in one sentence each: nothing here costs a step anything."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from inspect import signature
from typing import Any, get_type_hints

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from tutelage.data.batches import Batch, named_batch
from tutelage.learner import Learner, LearnerState
from tutelage.objective import Scene, Term
from tutelage.outputs import in_words, kind_of
from tutelage.shapes import Labels, Logits, MemberLogits
from tutelage.teachers.frozen import networks_of

IGNORED = -100
"""The label that ``cross_entropy`` leaves out unless it is told another."""
MANY = 4
"""Rows of numbers that all sum to 1 by chance there are none of."""


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


def refuse_too_few(**counts: int) -> None:
    for what, count in counts.items():
        if not count >= 1:
            raise ValueError(f"A training needs 1 or more {what}; got {count}.")


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


def refuse_own_teacher(state: LearnerState) -> None:
    """A teacher that learns along: what it says is what the student says already."""
    trained = {p.data_ptr() for p in state.parameters.values()} - {0}
    for who, teacher in state.learner.teachers.items():
        if who not in {who for who, _ in state.reads(state.possible)}:
            continue
        own = [name for net in networks_of(teacher) for name, p in net.named_parameters() if p.data_ptr() in trained]
        if own:
            raise ValueError(
                f"Teacher {who!r} of learner {state.name!r} has {len(own)} parameters that this learner trains "
                f"({own[0]!r} first), so it would say what the student says; give it a network of its own, such as "
                f"copy.deepcopy(student), or requires_grad_(False) to what they share."
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
            _refuse_unfit_arguments(objective.terms[name], scene)
            loss = objective(scene, [name])[name]
            if not isinstance(loss, Tensor) or loss.numel() != 1:
                kind = f"a tensor {tuple(loss.shape)}" if isinstance(loss, Tensor) else kind_of(loss)
                raise ValueError(f"A loss is one number, a scalar tensor; got {kind}: take its mean.")


def _refuse_unfit_arguments(term: Term, scene: Scene) -> None:
    dim, arguments = _dim(term.loss), []
    for hint, address in _hinted(term).values():
        who, _, what = address.partition(".")
        arguments.append((hint, address, scene.get(who, {}).get(what)))
    logits = [(address, x) for hint, address, x in arguments if hint in (Logits, MemberLogits)]
    for address, x in logits:
        refuse_probabilities(address, x, dim)
    for hint, address, x in arguments:
        if hint == Labels and logits:
            _refuse_no_labels(term.loss, address, x, logits[0][1], dim)


def single_sample(source: Any, size: Callable[[Batch], int], first: Batch) -> Batch | None:
    """A batch of one sample as an epoch of ``source`` holds it, where that can be told from a list or a loader.

    Not among several processes: one that tries such a batch would wait for the others, who have none.
    """
    if dist.is_available() and dist.is_initialized():
        return None
    with suppress(ValueError):
        if isinstance(source, list | tuple):
            return next((batch for batch in map(named_batch, source) if size(batch) == 1), None)
        if (count := size(first)) == 1:
            return first
        plain = all(isinstance(x, Tensor) and x.ndim and len(x) == count for x in first.values())
        if plain and isinstance(source, DataLoader) and _remainder(source) == 1:
            return {name: x[:1] for name, x in first.items()}
    return None


def _remainder(loader: "DataLoader[Any]") -> int:
    try:
        return 0 if loader.drop_last or not loader.batch_size else len(loader.sampler) % loader.batch_size  # type: ignore[arg-type]
    except TypeError:  # a stream has no length
        return 0


def _hinted(term: Term) -> dict[str, tuple[Any, str]]:
    """Of each argument of the term's loss that is fed from one address: the shape it promises, and the address."""
    call = term.loss.forward if isinstance(term.loss, nn.Module) else term.loss
    function: Any = call
    while isinstance(function, partial):
        function = function.func
    try:
        fed = signature(call).bind_partial(*term.addresses).arguments
        hints = get_type_hints(function, include_extras=True)
    except (TypeError, ValueError, NameError):
        return {}
    if _is_cross_entropy(term.loss):
        hints = {"input": Logits, "target": Labels}
    return {name: (hints[name], x) for name, x in fed.items() if isinstance(x, str) and name in hints}


def _is_cross_entropy(loss: Any) -> bool:
    while isinstance(loss, partial):
        loss = loss.func
    return loss is cross_entropy or isinstance(loss, nn.CrossEntropyLoss)


def _dim(loss: Any) -> int | None:
    if _is_cross_entropy(loss):
        return 1
    while isinstance(loss, partial):
        if "dim" in loss.keywords:
            return int(loss.keywords["dim"])
        loss = loss.func
    return None


def refuse_probabilities(address: str, x: Any, dim: int | None) -> None:
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim < 2:
        return
    dim = dim if dim is not None else 1 if x.ndim == 4 else -1
    rows = x.detach().double().movedim(dim, -1).flatten(0, -2)
    # Half precision and stored answers are rough; a few rows must be exact to be no accident.
    rough = 5e-3 if len(rows) >= MANY else 1e-5
    if rows.shape[1] > 1 and bool(((rows >= 0) & (rows <= 1)).all() and ((rows.sum(1) - 1).abs() <= rough).all()):
        raise ValueError(
            f"{address!r} are probabilities (from 0 to 1, and 1 together), where logits are wanted: a softmax of a "
            f"softmax is nearly uniform; leave out the network's last softmax, or take the log of what it returns."
        )


def _refuse_no_labels(loss: Any, address: str, target: Any, logits: Any, dim: int | None) -> None:
    if not isinstance(target, Tensor) or not isinstance(logits, Tensor):
        return
    plain = _is_cross_entropy(loss)
    if plain and target.is_floating_point() and target.shape == logits.shape:  # probabilities of the classes
        return
    dim = -1 if dim is None or logits.ndim < 2 else dim
    classes, wanted = logits.shape[dim], logits.select(dim, 0).shape
    if plain and classes < 2:
        raise ValueError(f"Cross entropy wants two classes or more; got logits {list(logits.shape)} for {address!r}.")
    types = (torch.int64, torch.uint8) if plain else (torch.int64,)
    if target.dtype not in types or target.shape != wanted:
        raise ValueError(f"{address!r} must be int64 {list(wanted)}, not {target.dtype} {list(target.shape)}.")
    unknown = target[((target < 0) | (target >= classes)) & (target != _ignored(loss))]
    if len(unknown):
        counted = " (they are counted from 0)" if int(target.min()) > 0 else ""
        raise ValueError(
            f"{address!r} must be 0 to {classes - 1}, one for each class; {unknown[0].item()} is among them{counted}."
        )


def _ignored(loss: Any) -> int:
    while isinstance(loss, partial):
        if "ignore_index" in loss.keywords:
            return int(loss.keywords["ignore_index"])
        loss = loss.func
    return int(getattr(loss, "ignore_index", IGNORED))


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
