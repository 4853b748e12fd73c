"""``tutelage COMMAND``: which command, and what a failure of it means."""

import importlib.metadata
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TypeAlias

from tutelage.cli.failures import (
    DONE,
    EXIT_CODES,
    FILES,
    INTERRUPTED,
    UNEXPECTED,
    Usage,
    did_you_mean,
    exit_code,
    refuse_no_text,
    sentence,
)
from tutelage.cli.output import steady_output, widened
from tutelage.cli.started import start_with_the_process
from tutelage.printable import printable

Command: TypeAlias = Callable[[Sequence[str]], int]

COMMANDS = {
    "ls": ("[MODULE …]", "list the recipes with their presets"),
    "distill": ("--teacher T --weights FILE --data DIR --student S", "make a small network of yours, on your data"),
    "compress": (
        "--teacher T --weights FILE --data DIR --target '4x smaller'",
        "make a network of yours itself smaller",
    ),
    "run": ("RECIPE [--preset P] [flags]", "run one experiment, or continue it"),
    "sweep": ("RECIPE --flag V V … [--jobs N] [--plan]", "run every combination of the given values"),
    "measure": ("--model NET [--weights F] --data DIR", "what a trained network is on your data"),
    "report": ("RUNS … [--by FLAG …]", "write the report of one run, or of many"),
    "check": ("WHERE [flags]", "look at data of your own: counts, sizes, broken pictures, the same ones twice"),
    "export": ("RUN --to FILE", "write a run's student as one file that runs elsewhere"),
    "verify": ("FOLDER …", "check runs, stages, caches and students against their checksums"),
    "completion": ("bash|zsh|fish", "print the script that completes commands and flags"),
}
"""Command -> what comes after it, and what it does. ``tutelage.cli.<command>`` holds the function."""


FLAGGED = ("check", "compress", "distill", "export", "measure", "report")
"""Commands that explain their flags themselves, as these do not depend on a recipe."""


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words say and return the exit code; every failure becomes one sentence on standard error."""
    if words is None:
        start_with_the_process()
    words = list(sys.argv[1:] if words is None else words)
    widened()
    with steady_output() as lost:
        code = _code_of(words)
        if code == DONE and (reason := lost()):
            print(f"tutelage: standard output was not written ({reason}); all else is done.", file=sys.stderr)
            code = FILES
    return code


def _code_of(words: Sequence[str]) -> int:
    wordy = "--traceback" in words or os.environ.get("TUTELAGE_TRACEBACK", "0") not in ("", "0")
    try:
        return dispatch([word for word in words if word != "--traceback"])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else DONE if end.code is None else UNEXPECTED
    except BaseException as failure:
        code = exit_code(failure, spoken=_modules_in(words))
        if wordy or code == UNEXPECTED:
            print(printable(traceback.format_exc()), end="", file=sys.stderr)
        if code not in (INTERRUPTED, UNEXPECTED):
            print(f"tutelage: {sentence(failure)}", file=sys.stderr)
        return code


def dispatch(words: Sequence[str]) -> int:
    """Call the command that the first word names."""
    refuse_no_text(words)
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return DONE
    if words[0] in ("-V", "--version", "version"):
        print(version())
        return DONE
    name, *rest = words
    if name not in COMMANDS:
        raise Usage(f"there is no command {name!r}{did_you_mean(name, COMMANDS) or '.'} `tutelage --help` lists all.")
    command = command_named(name)
    if rest[:1] in (["-h"], ["--help"]) and name not in FLAGGED:
        print(f"usage: tutelage {name} {COMMANDS[name][0]}\n\n{inspect.getdoc(command)}\n\n{EXIT_CODES}")
        return DONE
    return command(rest)


def command_named(name: str) -> Command:
    found: Command = getattr(import_module(f"tutelage.cli.{name}"), name)
    return found


def overview() -> str:
    """The help of the command as a whole."""
    usage = [f"  tutelage {name} {arguments}" for name, (arguments, _) in COMMANDS.items()]
    width = max(map(len, usage)) + 2
    lines = [f"{line:{width}}{does}" for line, (_, does) in zip(usage, COMMANDS.values(), strict=True)]
    return "\n".join(
        [
            "Turn a big trained network into a small, fast one, and show what that cost.",
            "",
            *lines,
            "",
            "`tutelage run RECIPE --help` explains the flags of a recipe, `tutelage --version` says what is installed,",
            "--traceback (or TUTELAGE_TRACEBACK=1) shows where an error comes from.",
            "",
            EXIT_CODES,
        ]
    )


def version() -> str:
    """Versions from the packages' metadata: nothing is imported for it."""
    known = {name: importlib.metadata.version(name) for name in ("tutelage", "torch")}
    return f"tutelage {known['tutelage']} (Python {sys.version.split()[0]}, torch {known['torch']})"


def _modules_in(words: Sequence[str]) -> list[str]:
    """Modules of the user that the command line names: their ``ValueError`` is a sentence, too."""
    return [word.partition(":")[0] for word in words if ":" in word]
