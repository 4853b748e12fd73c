"""``tutelage export``: a finished student as a file that runs elsewhere."""

import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from tutelage.cli.common import Switch
from tutelage.cli.failures import DONE, Usage
from tutelage.cli.flags import flags_of_bundle, refuse_unknown, typed
from tutelage.printable import printable
from tutelage.study.bounds import Above, AtLeast, AtMost, refuse_fields
from tutelage.trust import NotAllowedError


@dataclass(frozen=True, kw_only=True)
class Exporting:
    """What is exported, where to, and what the file takes and gives."""

    run: Annotated[
        Positional[tuple[Path, ...]],
        arg(metavar="RUN", help_behavior_hint="", help="The folder of a run that ended."),
    ] = ()
    to: Annotated[
        Path | None,
        arg(metavar="FILE", help_behavior_hint="", help="Ends in .onnx, .pt2 (torch alone) or .safetensors (weights)."),
    ] = None
    input: Annotated[
        Literal["auto", "pixels", "unit", "normalised"],
        arg(
            help_behavior_hint="",
            help="What the file takes: pixels (uint8, 0 to 255; for pictures if not given), unit (0 to 1), or "
            "normalised, as the network sees them.",
        ),
    ] = "auto"
    probabilities: Annotated[
        Switch, arg(help_behavior_hint="", help="Give probabilities instead of logits: the softmax is in the file.")
    ] = False
    shape: Annotated[
        tuple[Annotated[int, Above(0), AtMost(2**20)], ...],
        arg(metavar="N …", help_behavior_hint="", help="Of a sample, such as 3 32 32, where the run does not say it."),
    ] = ()
    precision: Annotated[
        Literal["float32", "int8", "int8-dynamic", "int8-weights", "int4-weights"],
        arg(
            help_behavior_hint="",
            help="int8 computes in 8 bits, with ranges that training samples show; int8-dynamic does in linear layers "
            "alone, int8-weights and int4-weights keep the weights of these so. Measured on the run's data.",
        ),
    ] = "float32"
    calibration: Annotated[
        int | None,
        Above(0),
        AtMost(10**6),
        arg(metavar="N", help_behavior_hint="", help="Training samples that show the ranges for int8: 256."),
    ] = None
    observer: Annotated[
        Literal["minmax", "entropy", "percentile"] | None,
        arg(help_behavior_hint="", help="What a range is: all that occurs (minmax, if not given), or less."),
    ] = None
    may_lose: Annotated[
        float | None,
        AtLeast(0),
        AtMost(100),
        arg(metavar="P", help_behavior_hint="", help="Points that a quantised file may lose and is kept: 1."),
    ] = None
    data: Annotated[
        str,
        arg(metavar="DIR", help_behavior_hint="", help="The run's data, for a quantised file, if they lie elsewhere."),
    ] = ""
    allow: Annotated[
        tuple[str, ...],
        arg(metavar="PACKAGE …", help_behavior_hint="", help="Trust these packages to build the network."),
    ] = ()
    force: Annotated[Switch, arg(help_behavior_hint="", help="Replace a file that tutelage did not export.")] = False


def export(words: Sequence[str]) -> int:
    """Write a run's student as one file that runs elsewhere: ONNX, an exported program of torch's, or weights.

    What the file answers is compared with the network on samples that the run kept, 1, 2, 7 and 64 at a time; where
    they differ there is no file. Nothing else is written.

    A quantised file (--precision) is measured instead, beside float32, on the test samples of the run: it has a model
    card, and a script for pictures, beside it; one that loses more than it may is not written.
    """
    refuse_unknown(words, flags_of_bundle(Exporting), "tutelage export")
    asked = typed(Exporting, words, prog="tutelage export", description=inspect.getdoc(export) or "")
    if len(asked.run) != 1 or asked.to is None:
        raise Usage("what, and where to? tutelage export RUN --to small.onnx, RUN is the folder of a run that ended.")
    refuse_fields(asked)
    _reach(asked.allow)
    try:
        said = _float32(asked.run[0], asked.to, asked) if asked.precision == "float32" else _quantised(asked)
    except NotAllowedError as refusal:
        why, packages, _ = refusal.args
        raise Usage(f"{why}; if you trust it, add --allow {' '.join(packages)}.") from None
    print(said)
    return DONE


def _float32(run: Path, to: Path, asked: Exporting) -> str:
    from tutelage.deployment.export import exported

    if idle := [flag for flag, value in _of_quantised(asked).items() if value not in (None, "")]:
        raise Usage(f"--{idle[0].replace('_', '-')} is for a quantised file; add --precision int8.")
    checked = exported(
        run,
        to,
        takes=None if asked.input == "auto" else asked.input,
        probabilities=asked.probabilities,
        shape=asked.shape,
        allow=asked.allow,
        force=asked.force,
    )
    return checked.in_words() if checked is not None else f"{to}: {to.stat().st_size:,} bytes of weights"


def _quantised(asked: Exporting) -> str:
    from tutelage.study.planning.quantised import quantised

    if asked.shape:
        raise Usage("--shape is for made-up inputs; a quantised file is measured on the run's data.")
    assert asked.to is not None
    assert asked.precision != "float32"
    given = {name: value for name, value in _of_quantised(asked).items() if value is not None}
    made = quantised(
        asked.run[0],
        asked.to,
        precision=asked.precision,
        takes=None if asked.input == "auto" else asked.input,
        probabilities=asked.probabilities,
        allow=asked.allow,
        force=asked.force,
        **given,
    )
    notes = [f"- {note}" for note in made.notes]
    return "\n".join(map(printable, [made.sentence, f"Written: {', '.join(map(str, made.files))}", *notes]))


def _of_quantised(asked: Exporting) -> dict[str, Any]:
    """What the flags say that are about quantised files alone."""
    return {name: getattr(asked, name) for name in ("calibration", "observer", "may_lose", "data")}


def _reach(packages: Sequence[str]) -> None:
    """Put the current directory last on the path where one of these lies there, as ``distill`` found it there."""
    here = str(Path.cwd())
    if here not in sys.path and any(PathFinder.find_spec(name, [here]) for name in packages if name.isidentifier()):
        sys.path.append(here)
