"""What a stage that is over keeps on disk: its networks, what they were made of, and their lines of the log."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor, nn

from tutelage.checkpoint import load_state, load_weights, read_json, save_state, save_weights, write_json
from tutelage.keys import Build

Record: TypeAlias = dict[str, Any]
"""One line of ``log.jsonl``."""
ONLY = ""
"""The name of a network that has no peers: its files lie in the stage's folder itself."""


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
    for peer, model in models.items():
        (folder / peer).mkdir(exist_ok=True)
        save_weights(folder / peer / "last.safetensors", model)
        if peer in best:
            state = {"epoch": best[peer].epoch, "weights": best[peer].weights}
            save_state(folder / peer / "best.safetensors", state)
    write_json(folder / "stage.json", content)
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)


def is_finished(folder: Path) -> bool:
    """Whether a stage is over; the checkpoint of a process that was killed in its very last moment is removed."""
    if not (folder / "stage.json").exists():
        return False
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)
    return True


def finished(folder: Path, name: str, builds: Mapping[str, Build]) -> dict[str, Finished]:
    """The networks in ``folder``, by the names of their peers; under the ``name`` that this run gives the stage."""
    records = _records(folder, name)
    return {
        peer: _finished(folder / peer, f"{folder.name}/{peer}" if peer else folder.name, full_name(name, peer),
                        records[peer], build)
        for peer, build in builds.items()
    }  # fmt: skip


def lines(folder: Path, name: str) -> list[Record]:
    """What a finished stage says in the log of a run that calls it ``name``."""
    return interleaved(_records(folder, name))


def notes(folder: Path) -> list[str]:
    """Sentences about how a finished stage was made."""
    sentences: list[str] = read_json(folder / "stage.json").get("notes", [])
    return sentences


def full_name(stage: str, peer: str) -> str:
    """What the log calls a network of a stage.

    >>> full_name("student", ONLY), full_name("mutual", "a")
    ('student', 'mutual: a')
    """
    return f"{stage}: {peer}" if peer else stage


def interleaved(records: Mapping[str, list[Record]]) -> list[Record]:
    """The lines of all peers, epoch by epoch."""
    return [line for epoch in zip(*records.values(), strict=True) for line in epoch]


def _records(folder: Path, name: str) -> dict[str, list[Record]]:
    kept = read_json(folder / "stage.json")["records"]
    by_peer: dict[str, list[Record]] = kept if isinstance(kept, dict) else {ONLY: kept}
    return {
        peer: [{**record, "stage": full_name(name, peer)} for record in records] for peer, records in by_peer.items()
    }


def _finished(folder: Path, key: str, name: str, records: list[Record], build: Build) -> Finished:
    last = load_weights(folder / "last.safetensors", build())
    best, best_epoch = last, None
    if (folder / "best.safetensors").exists():
        kept = load_state(folder / "best.safetensors")
        best, best_epoch = build(), int(kept["epoch"])
        best.load_state_dict(kept["weights"])
    return Finished(name, key, last, best, records, best_epoch)
