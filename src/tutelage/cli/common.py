"""The flags that every run has, whatever the recipe."""

import os
from dataclasses import dataclass, field, fields, make_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from tyro.conf import Fixed, FlagCreatePairsOff, Suppress, arg

from tutelage.study.bounds import Above, AtMost

Switch: TypeAlias = FlagCreatePairsOff[bool]
"""Only ever turned on: ``--exact`` needs no ``--no-exact``."""
Processes: TypeAlias = Annotated[int, Above(0), AtMost(1024)]
"""So many at once, or threads: more are never faster, and a system may not start them."""


YIELDING = ("data",)
"""Flags of every run that a recipe's own of the same name takes the place of: it then says itself what that is."""
PRESET = "Start from these defaults; --help then shows them."


def _root() -> Path:
    return Path(os.environ.get("TUTELAGE_RUNS") or "runs")  # set to nothing is not set


@dataclass(frozen=True, kw_only=True)
class Common:
    """The flags of every run."""

    preset: Annotated[str | None, arg(metavar="P", help_behavior_hint="", help=PRESET)] = None
    from_: Annotated[
        str | None,
        arg(
            name="from",
            metavar="FILE",
            help_behavior_hint="",
            help="Start from the arguments in this file: a run's arguments.json, or {flag: value}.",
        ),
    ] = None
    allow: Annotated[
        tuple[str, ...],
        arg(
            metavar="PACKAGE …",
            help_behavior_hint="",
            help="Trust these packages: names may lead to them and to tutelage, and nowhere else.",
        ),
    ] = ()
    runs: Annotated[Path, arg(metavar="ROOT", help="Where run folders are made (or TUTELAGE_RUNS).")] = field(
        default_factory=_root
    )
    folder: Annotated[
        Path | None,
        arg(metavar="DIR", help_behavior_hint="", help="This run's folder, instead of one named after its arguments."),
    ] = None
    data: Annotated[
        Path | None, arg(metavar="DIR", help_behavior_hint="", help="Where data sets lie (or TUTELAGE_DATA).")
    ] = None
    exact: Annotated[Switch, arg(help_behavior_hint="", help="Float32, without folding or a change of layout.")] = False
    device: Annotated[
        str | None,
        arg(metavar="D", help_behavior_hint="", help="cpu, cuda, cuda:1, mps; the best there is if not given."),
    ] = None
    threads: Annotated[
        Processes | None,
        arg(metavar="N", help_behavior_hint="", help="Threads of this process; torch's choice if not given."),
    ] = None
    quiet: Annotated[Switch, arg(help_behavior_hint="", help="Say nothing but the result.")] = False
    verbose: Annotated[Switch, arg(help_behavior_hint="", help="A line for every epoch, with every term.")] = False
    tensorboard: Annotated[
        Switch, arg(help_behavior_hint="", help="Also write TensorBoard event files into the run folder.")
    ] = False
    profile: Annotated[
        Switch, arg(help_behavior_hint="", help="Say at the end where the time went, by parts of the work.")
    ] = False
    trace: Annotated[
        Switch, arg(help_behavior_hint="", help="Also write what torch's profiler sees of ten steps of each training.")
    ] = False
    traceback: Annotated[
        Switch, arg(help_behavior_hint="", help="Show where an error comes from (or TUTELAGE_TRACEBACK=1).")
    ] = False


@cache
def with_presets(presets: tuple[str, ...], bundle: type[Common]) -> type[Common]:
    """``bundle``, whose help names these presets."""
    told = arg(metavar="|".join(presets), help_behavior_hint="", help=PRESET)
    own: list[tuple[str, Any, Any]] = [("preset", Annotated[str | None, told], None)]
    return make_dataclass(
        bundle.__name__, own, bases=(bundle,), frozen=True, kw_only=True, namespace={"__doc__": bundle.__doc__}
    )


@cache
def without(taken: tuple[str, ...], bundle: type[Common]) -> type[Common]:
    """``bundle`` without those flags that yield to the recipe's own flags of the names ``taken``; their values stay."""
    yielding = [field for field in fields(bundle) if field.name in YIELDING and field.name in taken]
    if not yielding:
        return bundle
    own: list[tuple[str, Any, Any]] = [(x.name, Annotated[None, Fixed, Suppress], None) for x in yielding]
    return make_dataclass(
        bundle.__name__, own, bases=(bundle,), frozen=True, kw_only=True, namespace={"__doc__": bundle.__doc__}
    )
