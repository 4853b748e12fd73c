"""What a recipe works on, who appears in its report, and the flags that make no sense."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from tutelage.data.labelled import Labelled
from tutelage.data.split import held_out
from tutelage.data.views import Transform, plain
from tutelage.measure.errors import errors
from tutelage.measure.portrait import Role, Sitter, portrait
from tutelage.measure.predict import predict
from tutelage.run import Run
from tutelage.stages import Finished


@dataclass(frozen=True)
class Sets:
    """What is trained on, what choices are made on, and what is read once, at the end; and how the last two look."""

    train: Labelled
    validation: Labelled | None
    test: Labelled
    test_transform: Transform = plain


def sets(run: Run, train: Labelled, test: Labelled, validation: int, test_transform: Transform = plain) -> Sets:
    """``train`` with ``validation`` of its samples set apart (0: none, and no best epoch), on the run's device.

    A small set gives up a quarter at most. Raises ``ValueError`` for a negative number.
    """
    if validation < 0:
        raise ValueError(f"--validation is a number of training images, 0 or more; got {validation}.")
    train, test = train.to(run.device), test.to(run.device)
    if validation == 0:
        return Sets(train, None, test, test_transform)
    rest, held = held_out(train, min(validation, len(train) // 4))
    return Sets(rest, held, test, test_transform)


def drawn(shown: Sets) -> bool:
    """Whether the pictures are drawn ones, which say nothing about what was published."""
    return shown.train.name.startswith("synthetic")


def accuracies(seen: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Test accuracy, in %, of every network that ``publish`` measured."""
    return {name: round(100 * (1 - network["errors"] / network["count"]), 2) for name, network in seen.items()}


def validated(made: Finished) -> float:
    """Errors on the validation images after the last epoch; 0 where there are none."""
    return float(made.records[-1].get("validation", {}).get("errors", 0))


def refuse_nonsense(*, temperatures: Sequence[float] = (), label: float = 0.0, **positive: float) -> None:
    """Raise ``ValueError`` for a flag that makes no sense, before hours are spent on the stages ahead of its use."""
    for temperature in temperatures:
        if not 0 < temperature < inf:
            raise ValueError(f"A temperature is greater than 0; got {temperature:g}.")
    if not 0 <= label <= 1:
        raise ValueError(f"--label is the share of the true labels in the loss, from 0 to 1; got {label:g}.")
    for name, value in positive.items():
        if not 0 < value < inf:
            raise ValueError(f"--{name.replace('_', '-')} is more than 0; got {value:g}.")


@dataclass(frozen=True)
class Portrayed:
    """A network of the report: who it is in the story, in a few words, and the stage that trained it."""

    role: Role
    label: str
    made: Finished


def publish(run: Run, shown: Sets, cast: Mapping[str, Portrayed], methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Measure every network on the test set, put it all into the results, and return what was found of each."""
    seen = portrait(
        {name: _sitter(who, shown) for name, who in cast.items()}, shown.test, transform=shown.test_transform
    )
    for network in seen["networks"]:
        made = cast[network["name"]].made
        if made.best_epoch == len(made.records):  # the best epoch is the last one: nobody needs to be asked again
            network["best"] = {"epoch": made.best_epoch, "errors": network["errors"]}
    data = {
        f"{x.name}, {len(x)} samples": x.checksum for x in (shown.train, shown.validation, shown.test) if x is not None
    }
    run.publish(**seen, classes=shown.test.classes, methods=list(methods), data=data)
    return {network["name"]: network for network in seen["networks"]}


def _sitter(who: Portrayed, shown: Sets) -> Sitter:
    best, kept = None, None
    if who.made.best_epoch is not None:
        last = who.made.records[-1]["validation"]
        if who.made.best_epoch < len(who.made.records):
            answers = predict(who.made.best, shown.test, transform=shown.test_transform)
            best = {"epoch": who.made.best_epoch, "errors": errors(answers, shown.test.targets)}
        kept = {"errors": last["errors"], "count": last["count"]}
    return Sitter(who.made.last, who.role, who.label, who.made.name, best, kept)
