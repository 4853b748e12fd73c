"""What a stage that is over keeps on disk: its networks, what they were made of, and their lines of the log."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor, nn

from tutelage.checkpoint import filled, json_bytes, load_state, load_weights, save_state, save_weights, seal, write_json
from tutelage.checksums import listed, read_listed_json, refuse_missing
from tutelage.files import is_file, made_folder, remove_leftovers
from tutelage.keys import Build

Record: TypeAlias = dict[str, Any]
"""One line of ``log.jsonl``."""
ONLY = ""
"""The name of a network that has no peers: its files lie in the stage's folder itself."""
STAGE, LAST, BEST, CHECKPOINT = "stage.json", "last.safetensors", "best.safetensors", "checkpoint.safetensors"


@dataclass(frozen=True)
class Finished:
    """A network of a stage: as it was after the last epoch and, where there was a validation, after the best one.

    One that was given or derived has no epochs: no records, no best epoch, and ``best`` is ``last``.
    """

    name: str
    key: str
    last: nn.Module
    best: nn.Module
    records: list[Record]
    best_epoch: int | None

    @property
    def seconds(self) -> float:
        """Clock time of all its epochs, validation and peers included."""
        return float(sum(record["seconds"] for record in self.records))


@dataclass
class BestSoFar:
    """The best epoch so far: its number from 1, the figure that decided, and the weights after it."""

    epoch: int
    figure: float
    weights: dict[str, Tensor]


def keep(
    folder: Path, models: Mapping[str, nn.Module], best: Mapping[str, BestSoFar], content: Mapping[str, Any]
) -> None:
    """Write it all, ``stage.json`` last; from now on the stage is loaded, not trained, and no checkpoint is needed."""
    weights = {}
    for peer, model in models.items():
        place = made_folder(folder / peer) if peer else folder
        weights[_in(peer, LAST)] = save_weights(place / LAST, model)
        if peer in best:
            state = {"epoch": best[peer].epoch, "weights": best[peer].weights}
            weights[_in(peer, BEST)] = save_state(place / BEST, state)
    content = {**content, "weights": weights}
    files = {name: folder / name for name in weights}
    seal(folder, {**files, STAGE: json_bytes(content)})  # before the stage is over: no stage ever lacks its checksums
    write_json(folder / STAGE, content)
    (folder / CHECKPOINT).unlink(missing_ok=True)


def is_finished(folder: Path) -> bool:
    """Whether a stage is over; what processes that were killed left half-written, or in their last moment, is removed.

    Only for whoever holds the stage's lock. Raises ``ValueError`` where something else lies where its files belong.
    """
    remove_leftovers(folder)
    ended, saved = is_file(folder / STAGE, cure(folder)), is_file(folder / CHECKPOINT, cure_of_checkpoint(folder))
    if ended and saved:
        (folder / CHECKPOINT).unlink()
    return ended


def finished(folder: Path, name: str, builds: Mapping[str, Build]) -> dict[str, Finished]:
    """The networks in ``folder``, by the names of their peers; under the ``name`` that this run gives the stage.

    Raises ``ValueError`` where a file is damaged or gone, or belongs to another stage.
    """
    content = _content(folder)
    records = _records(content, name)
    if records.keys() != builds.keys():
        raise ValueError(f"{folder / STAGE} is of {sorted(records)}, not of {sorted(builds)}: {cure(folder)}.")
    return {peer: _finished(folder, peer, name, records[peer], content["weights"], build)
            for peer, build in builds.items()}  # fmt: skip


def refuse_another(folder: Path, description: Any) -> None:
    """Raises ``ValueError`` where the stage in ``folder`` was not made as ``description`` says."""
    there, here = (json.dumps(made, sort_keys=True) for made in (_content(folder)["made"], description))
    if there != here:
        raise ValueError(f"{folder / STAGE} is of another stage than its folder: {cure(folder)}.")


def files_of(folder: Path) -> list[str]:
    """The files of weights that the finished stage in ``folder`` speaks of. Raises ``ValueError`` as ``finished``."""
    peers = _by_peer(_content(folder)["records"])
    last = [_in(peer, LAST) for peer in peers]
    return last + [_in(peer, BEST) for peer, records in peers.items() if _best_epoch(records) is not None]


def lines(folder: Path, name: str) -> list[Record]:
    """What a finished stage says in the log of a run that calls it ``name``."""
    return interleaved(_records(_content(folder), name))


def notes(folder: Path) -> list[str]:
    """Sentences about how a finished stage was made, and whether it could be verified."""
    sentences: list[str] = _content(folder)["notes"]
    unverified = f"{folder} has no checksums: it was not verified"
    return sentences if listed(folder) else [*sentences, unverified]


def cure(folder: Path) -> str:
    """What helps where a finished stage is damaged, whoever made it."""
    return f"remove {folder}, and the same command makes it anew, to the same bits"


def cure_of_checkpoint(folder: Path) -> str:
    """What helps where the checkpoint of a stage that is not over is damaged."""
    return f"remove it, and the same command trains {folder} from the start"


def full_name(stage: str, peer: str) -> str:
    """What the log calls a network of a stage.

    >>> full_name("student", ONLY), full_name("mutual", "a")
    ('student', 'mutual: a')
    """
    return f"{stage}: {peer}" if peer else stage


def interleaved(records: Mapping[str, list[Record]]) -> list[Record]:
    """The lines of all peers, epoch by epoch."""
    return [line for epoch in zip(*records.values(), strict=True) for line in epoch]


def _content(folder: Path) -> dict[str, Any]:
    """What ``stage.json`` says, in today's form. Raises ``ValueError`` where a file of the stage is not what it was."""
    sums = listed(folder)
    refuse_missing(folder, sums, cure(folder))
    content = read_listed_json(folder / STAGE, sums, cure(folder))
    content = {"notes": [], "weights": {}, "made": None, **content} if isinstance(content, dict) else {"notes": None}
    peers = _by_peer(content.get("records"))
    if not (
        _are_texts(content["notes"])
        and isinstance(weights := content["weights"], dict)
        and _are_texts(list(weights.values()))
        and all(isinstance(records, list) and all(map(_is_record, records)) for records in peers.values())
        and len({len(records) for records in peers.values()}) == 1
    ):
        raise ValueError(f"{folder / STAGE} does not describe a stage: {cure(folder)}.")
    return content


def _by_peer(records: Any) -> dict[str, Any]:
    return records if isinstance(records, dict) else {ONLY: records}


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_record(record: Any) -> bool:
    if not isinstance(record, dict):
        return False
    epoch, seconds = record.get("epoch"), record.get("seconds")
    return type(epoch) is int and isinstance(seconds, int | float) and isfinite(seconds)


def _records(content: Mapping[str, Any], name: str) -> dict[str, list[Record]]:
    return {
        peer: [{**record, "stage": full_name(name, peer)} for record in records]
        for peer, records in _by_peer(content["records"]).items()
    }


def _finished(
    folder: Path, peer: str, stage: str, records: list[Record], weights: Mapping[str, str], build: Build
) -> Finished:
    name, key = full_name(stage, peer), f"{folder.name}/{peer}" if peer else folder.name
    remedy = cure(folder)
    last = load_weights(folder / peer / LAST, build(), remedy, weights.get(_in(peer, LAST), ""))
    best_epoch = _best_epoch(records)
    path = folder / peer / BEST
    if is_file(path, remedy) != (best_epoch is not None):
        problem = "is missing" if best_epoch else "is of another stage, since this one has no best epoch"
        raise ValueError(f"{path} {problem}: {remedy}.")
    best = last
    if best_epoch is not None:
        kept = load_state(path, remedy, weights.get(_in(peer, BEST), ""))
        if not isinstance(kept, dict) or kept.get("epoch") != best_epoch:
            raise ValueError(f"{path} is not that of epoch {best_epoch}, the best one: {remedy}.")
        best = filled(build(), kept.get("weights"), path, remedy)
    return Finished(name, key, last, best, records, best_epoch)


def _best_epoch(records: Sequence[Record]) -> int | None:
    return max((record["epoch"] for record in records if record.get("best") is True), default=None)


def _in(peer: str, name: str) -> str:
    """The path of a peer's file in the stage's folder."""
    return f"{peer}/{name}" if peer else name
