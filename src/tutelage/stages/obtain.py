"""How the networks of a stage are made: trained, derived from another stage's, or given by somebody."""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from torch import nn

from tutelage import group, results
from tutelage.checkpoint import load_weights
from tutelage.copies import copy_of
from tutelage.delivery import ORIGIN, Origin
from tutelage.keys import STAGE_KEY, Build, already_imported, described, key_of, maker
from tutelage.progress import Progress
from tutelage.stages.code import code_of
from tutelage.stages.locks import locked
from tutelage.stages.stage import JointFit, Stage
from tutelage.stages.storage import (
    ONLY,
    Finished,
    Record,
    cure,
    finished,
    is_finished,
    keep,
    lines,
    notes,
    refuse_another,
)
from tutelage.tensors import stated_sum
from tutelage.weights.foreign import load_foreign
from tutelage.weights.in_parts import weights_hash
from tutelage.weights.read import refuse_folder

LOCK = "lock"
LaidOut: TypeAlias = Callable[[nn.Module], nn.Module]
"""A network on the device, and in the memory layout, that it is to work in."""


@dataclass(frozen=True)
class Source:
    """What the key of a stage follows from, and who puts its networks into its folder.

    ``builds`` and ``origins`` are by the networks' names: how each is made here, and how anywhere, but for its
    weights. Of several ranks, all call ``make``.
    """

    name: str
    kind: Literal["trained", "given", "derived"]
    description: Mapping[str, Any]
    builds: Mapping[str, Build]
    origins: Mapping[str, Origin]
    make: Callable[[Path], None]

    @cached_property
    def key(self) -> str:
        return key_of(self.description)


def obtain(source: Source, stages: Path, progress: Progress, write: Callable[[Record], None]) -> dict[str, Finished]:
    """The networks of a stage, made if its folder in ``stages`` does not hold them; one process at a time."""
    name, folder = source.name, stages / source.key
    with _alone_in(folder, name, progress):
        there = group.decided(partial(is_finished, folder))
        if not there:
            _make(source, folder)
        refuse_another(folder, source.description)
        if not there and source.kind == "trained":
            progress.finished(name)
        else:
            for sentence in [f"loaded from {folder}"] * there + notes(folder):
                progress.note(f"{name}: {sentence}")
            for record in lines(folder, name):
                write(record)
        networks = finished(folder, name, source.builds)
    for peer, network in networks.items():
        for model in {network.last, network.best}:
            setattr(model, STAGE_KEY, network.key if model is network.last else f"{network.key}/best")
            setattr(model, ORIGIN, source.origins[peer])
    return networks


def summary(
    source: Source, networks: Sequence[Finished], earlier: Sequence[results.StageRecord]
) -> results.StageRecord:
    """The stage in one line; peers share its epochs and seconds, and have no best epoch in common."""
    text, first = json.dumps(source.description), networks[0]
    return results.StageRecord(
        name=source.name,
        key=source.key,
        epochs=len(first.records),
        seconds=round(first.seconds, 1),
        best_epoch=first.best_epoch if len(networks) == 1 else None,
        uses=tuple(stage.name for stage in earlier if f'"stage": "{stage.key}' in text),
        kind=source.kind,
    )


def trained(
    name: str,
    description: Mapping[str, Any],
    builds: Mapping[str, Build],
    fit: JointFit,
    seed: int,
    stage_in: Callable[[Path], Stage],
    laid_out: LaidOut,
) -> Source:
    """What ``fit`` trains of the networks that ``builds`` make in turn, both from ``torch.manual_seed(seed)``."""
    ready = {peer: partial(_laid_out, build, laid_out) for peer, build in builds.items()}

    def make(folder: Path) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            models = {peer: build() for peer, build in ready.items()}
            stage = stage_in(folder)
            fit(stage, models)
        if not any(stage.records.values()):
            raise ValueError(f"Stage {name!r} trained nothing: its fit has to call stage.train.")
        group.decided(partial(stage.finish, models, description))

    origins = {peer: Origin(described(build)) for peer, build in builds.items()}
    return Source(name, "trained", description, ready, origins, make)


def derived(
    name: str,
    function: Callable[..., nn.Module],
    of: Finished,
    version: int,
    stages: Path,
    laid_out: LaidOut,
    built_by: Build | None = None,
) -> Source:
    """What ``function`` makes of a copy of the last network of ``of``, in eval mode and from one seed.

    It is built again by the same function, or by ``built_by``, which makes such a network of nothing. Raises
    ``ValueError`` for a function that is not declared to return a network, for a network of unknown origin, and where
    ``built_by`` makes another architecture.
    """
    step, origin, weights = described(function), getattr(of.last, ORIGIN, None), stages / of.key / "last.safetensors"
    maker(step, already_imported)
    if not isinstance(origin, Origin):
        raise ValueError(f"{name!r} is derived from what a stage of a run made; {of.name!r} comes from elsewhere.")

    def build() -> nn.Module:
        source = load_weights(weights, copy_of(of.last), cure(stages / of.key.partition("/")[0])).eval()
        return laid_out(_seeded(partial(function, source)))

    description = {"derive": step, "of": {"stage": of.key}, "version": version, **code_of(function)}
    again, found = build, origin.then(step, weights)
    if built_by is not None:
        again, found = partial(_laid_out, partial(_seeded, built_by), laid_out), Origin(described(built_by))
        description |= {"build": found.build, **code_of(function, built_by)}

    def made() -> tuple[nn.Module, list[str]]:
        model = build()
        if built_by is not None and _sizes(model) != _sizes(again()):
            raise ValueError(f"What is made of {of.name!r} for {name!r} is no network such as its built_by makes.")
        return model, [f"derived from {of.name}"]

    make = partial(_keep, name, description, made)
    return Source(name, "derived", description, {ONLY: again}, {ONLY: found}, make)


def given(name: str, build: Build, weights: Path | None, laid_out: LaidOut) -> Source:
    """What ``build`` makes, with weights from elsewhere, or with those that it has.

    Raises ``FileNotFoundError`` where there is no such file, and ``ValueError`` for a folder.
    """
    if weights is not None:
        refuse_folder(weights)
        if not weights.is_file():
            raise FileNotFoundError(f"There is no file {weights} to take the weights of {name!r} from.")
    held = _state_hash(_seeded(build)) if weights is None else weights_hash(weights)
    description = {"build": described(build), "weights": held, **code_of(build)}
    ready = partial(_laid_out, partial(_seeded, build), laid_out)

    def filled() -> tuple[nn.Module, list[str]]:
        model = _seeded(build)
        return model, [] if weights is None else [*load_foreign(weights, model), *_unverified(weights)]

    make = partial(_keep, name, description, filled)
    return Source(name, "given", description, {ONLY: ready}, {ONLY: Origin(described(build))}, make)


def _keep(name: str, description: Any, made: Callable[[], tuple[nn.Module, list[str]]], folder: Path) -> None:
    """Put the network into its folder, with the sentences that whoever loads it is told."""

    def write() -> None:
        model, notes = made()
        keep(folder, {ONLY: model}, {}, {"name": name, "made": description, "records": [], "notes": notes})

    group.decided(write)


def _unverified(weights: Path) -> list[str]:
    """Archives of torch's have checksums of their own, as files of ours do; others are taken as they come."""
    if zipfile.is_zipfile(weights) or stated_sum(weights):
        return []
    return [f"{weights.name} has no checksum: it was not verified"]


def _make(source: Source, folder: Path) -> None:
    try:
        source.make(folder)
    except BaseException:
        if group.rank() == 0 and [x.name for x in folder.iterdir()] == [LOCK]:  # nothing was saved: leave nothing
            (folder / LOCK).unlink()
            folder.rmdir()
        raise


def _alone_in(folder: Path, name: str, progress: Progress) -> AbstractContextManager[None]:
    if group.rank() > 0:
        return nullcontext()
    return locked(folder / LOCK, lambda pid: progress.note(f"{name}: process {pid} is at it; waiting"))


def _laid_out(build: Build, laid_out: LaidOut) -> nn.Module:
    return laid_out(build())


def _state_hash(model: nn.Module) -> str:
    """The SHA-256 over the names, types, sizes and values of all that the network holds."""
    digest = sha256()
    for name, x in model.state_dict().items():
        digest.update(repr((name, str(x.dtype), list(x.shape))).encode())
        digest.update(x.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _sizes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: x.shape for name, x in model.state_dict().items()}


def _seeded(build: Build) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build()
