"""Everything that a report says about a run's networks, measured on one test set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypedDict

from torch import Tensor, nn

from tutelage.data.labelled import Labelled
from tutelage.data.views import Transform, in_order, plain
from tutelage.measure.agreement import agreement
from tutelage.measure.calibration import calibration
from tutelage.measure.confusion import worst_pairs
from tutelage.measure.cost import file_bytes, macs, parameters
from tutelage.measure.disagreements import Example, are_images, disagreements
from tutelage.measure.errors import errors, interval
from tutelage.measure.latency import latency
from tutelage.measure.predict import predict
from tutelage.shapes import Logits

Role: TypeAlias = Literal["teacher", "student", "alone", "member", "baseline"]


class Portrait(TypedDict):
    """What ``results.json`` holds under the same names."""

    networks: list[dict[str, Any]]
    examples: list[Example]


@dataclass(frozen=True, eq=False)
class Sitter:
    """A network to be portrayed: what it is called, and what is already known about it."""

    model: nn.Module
    role: Role
    label: str
    stage: str
    best: Mapping[str, int] | None = None  # {"epoch": …, "errors": …} of the best epoch on the validation set
    validation: Mapping[str, int] | None = None  # {"errors": …, "count": …} of the last one


def portrait(sitters: Mapping[str, Sitter], test: Labelled, *, transform: Transform = plain, each: int = 8) -> Portrait:
    """Every network measured on ``test``, and the most telling samples, in plain numbers that JSON can hold.

    Each network is asked once; latencies are measured together. Agreement is with the first sitter whose role is
    ``teacher`` (``None`` without one, and for the teacher itself). The examples, up to ``each`` of a kind, are of that
    teacher and the first ``student``; there are none where one of them is missing or the inputs are no images.
    Raises ``ValueError`` if there is nobody to portray.
    """
    if not sitters:
        raise ValueError("A portrait needs one network or more; got none.")
    logits = {name: predict(sitter.model, test, transform=transform) for name, sitter in sitters.items()}
    example = next(iter(in_order(test, batch_size=64, transform=transform)(0, 0)))["input"]
    clocks = latency({name: sitter.model for name, sitter in sitters.items()}, example)
    teacher, student = (
        next((logits[name] for name, sitter in sitters.items() if sitter.role == role), None)
        for role in ("teacher", "student")
    )
    networks = [
        {
            "name": name,
            **_described(sitter),
            **_answers(logits[name], teacher, test),
            **_costs(sitter.model, example[:1]),
            "latency_ms": clocks[name],
        }
        for name, sitter in sitters.items()
    ]
    examples: list[Example] = []
    if teacher is not None and student is not None and are_images(test):
        examples = disagreements(teacher, student, test, each=each)
    return Portrait(networks=networks, examples=examples)


def _described(sitter: Sitter) -> dict[str, Any]:
    known = {
        key: None if x is None else dict(x) for key, x in (("best", sitter.best), ("validation", sitter.validation))
    }
    return {"role": sitter.role, "label": sitter.label, "stage": sitter.stage, **known}


def _answers(logits: Logits, teacher: Logits | None, test: Labelled) -> dict[str, Any]:
    wrong = errors(logits, test.targets)
    return {
        "count": len(test),
        "errors": wrong,
        "interval": list(interval(wrong, len(test))),
        "agreement": None if teacher is None or logits is teacher else agreement(logits, teacher),
        "calibration": dict(calibration(logits, test.targets)),
        "confusion": [list(pair) for pair in worst_pairs(logits, test.targets)],
    }


def _costs(model: nn.Module, one_sample: Tensor) -> dict[str, int]:
    return {"parameters": parameters(model), "macs": macs(model, one_sample), "bytes": file_bytes(model)}
