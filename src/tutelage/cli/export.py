"""``tutelage export``: a finished student as a file that runs elsewhere."""

import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from tutelage.cli.common import Switch
from tutelage.cli.failures import DONE, Usage
from tutelage.cli.flags import flags_of_bundle, refuse_unknown, typed
from tutelage.study.bounds import Above, AtMost
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
    allow: Annotated[
        tuple[str, ...],
        arg(metavar="PACKAGE …", help_behavior_hint="", help="Trust these packages to build the network."),
    ] = ()
    force: Annotated[Switch, arg(help_behavior_hint="", help="Replace a file that tutelage did not export.")] = False


def export(words: Sequence[str]) -> int:
    """Write a run's student as one file that runs elsewhere: ONNX, an exported program of torch's, or weights.

    What the file answers is compared with the network on samples that the run kept, 1, 2, 7 and 64 at a time; where
    they differ there is no file. Nothing else is written.
    """
    refuse_unknown(words, flags_of_bundle(Exporting), "tutelage export")
    asked = typed(Exporting, words, prog="tutelage export", description=inspect.getdoc(export) or "")
    if len(asked.run) != 1 or asked.to is None:
        raise Usage("what, and where to? tutelage export RUN --to small.onnx, RUN is the folder of a run that ended.")
    from tutelage.deployment.export import exported

    _reach(asked.allow)
    try:
        checked = exported(
            asked.run[0],
            asked.to,
            takes=None if asked.input == "auto" else asked.input,
            probabilities=asked.probabilities,
            shape=asked.shape,
            allow=asked.allow,
            force=asked.force,
        )
    except NotAllowedError as refusal:
        why, packages, _ = refusal.args
        raise Usage(f"{why}; if you trust it, add --allow {' '.join(packages)}.") from None
    print(checked.in_words() if checked is not None else f"{asked.to}: {asked.to.stat().st_size:,} bytes of weights")
    return DONE


def _reach(packages: Sequence[str]) -> None:
    """Put the current directory last on the path where one of these lies there, as ``distill`` found it there."""
    here = str(Path.cwd())
    if here not in sys.path and any(PathFinder.find_spec(name, [here]) for name in packages if name.isidentifier()):
        sys.path.append(here)
