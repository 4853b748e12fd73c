"""``tutelage measure``: what a trained network is on somebody's data."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import getdoc
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

from tutelage.cli.common import Processes, Switch
from tutelage.cli.failures import DONE, Usage
from tutelage.cli.flags import flags_of_settings, parse
from tutelage.plurals import counted
from tutelage.printable import printable
from tutelage.study.bounds import refuse_fields
from tutelage.study.own.settings import DataSettings


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """Which network, which data, and how the figures are told."""

    model: Annotated[
        str,
        arg(
            metavar="NET",
            help_behavior_hint="",
            help="The network: my_lab.nets:Net(width=3), resnet56, timm:resnet18, hf:folder, a .pt2 or .onnx file, "
            "or a table of its answers.",
        ),
    ] = ""
    weights: Annotated[
        Path | None,
        arg(metavar="FILE", help_behavior_hint="", help="Its weights: safetensors, or what torch.save wrote."),
    ] = None
    data: Annotated[str, arg(metavar="DIR", help_behavior_hint="", help="A folder of pictures, a table, arrays.")] = ""
    expect: Annotated[
        float,
        arg(metavar="A", help_behavior_hint="", help="Stop, and say why, if it is clearly less accurate: 0.93 or 93."),
    ] = 0.0
    answers: Annotated[
        Literal["auto", "logits", "softmax", "sigmoid"],
        arg(help_behavior_hint="", help="What it answers with; auto finds out."),
    ] = "auto"
    device: Annotated[
        str | None,
        arg(metavar="D", help_behavior_hint="", help="cpu, cuda, cuda:1, mps; the best there is if not given."),
    ] = None
    threads: Annotated[
        Processes | None, arg(metavar="N", help_behavior_hint="", help="Threads of this process; torch's if not given.")
    ] = None
    json: Annotated[Switch, arg(help_behavior_hint="", help="Print JSON.")] = False
    traceback: Annotated[Switch, arg(help_behavior_hint="", help="Show where an error comes from.")] = False


def measure(words: Sequence[str]) -> int:
    """Measure a trained network on your data: how often it is right, its size, its speed, its memory.

    The test part is measured, with 95 % intervals. What would make it clearly better (channels in another order,
    another normalisation or size, classes sorted otherwise) is looked for on the validation part and said. Nothing is
    written.
    """
    said, asked = parse(
        flags_of_settings(DataSettings), Measuring, words, prog="tutelage measure", description=getdoc(measure) or ""
    )
    if not asked.model or not asked.data:
        raise Usage("which network, on which data? tutelage measure --model my_lab.nets:Net --weights F --data DIR.")
    settings = DataSettings(**said)
    refuse_fields(settings)
    refuse_fields(asked)
    if not 0 <= asked.expect <= 100:
        raise Usage(f"--expect must be between 0 and 100, 0.93 or 93; got {asked.expect:g}.")
    from tutelage.study.own.measured import measured_network

    if asked.threads is not None:
        import torch

        torch.set_num_threads(asked.threads)
    found = measured_network(
        asked.model,
        asked.data,
        weights=asked.weights,
        samples=settings,
        expect=asked.expect,
        answers=asked.answers,
        device=asked.device,
    )
    if asked.json:
        print(json.dumps(found.as_json(), indent=2))
        return DONE
    title = f"{found.name} on {counted(found.count, 'sample')}"
    (_table if sys.stdout.isatty() else _lines)(title, found.rows())
    for note in found.notes:
        print(printable(f"- {note}"))
    return DONE


def _lines(title: str, rows: Sequence[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    print(printable(title))
    for name, figure in rows:
        print(printable(f"{name:<{width}}  {figure}"))


def _table(title: str, rows: Sequence[tuple[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table: Any = Table(title=printable(title), show_header=False, title_justify="left")
    for row in rows:
        table.add_row(*map(printable, row))
    Console().print(table)
