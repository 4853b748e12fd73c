"""Who shows the progress of a run: a terminal, a log or nobody."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tutelage.cli.lines import Lines
from tutelage.progress import Progress, Silence


@contextmanager
def shown(*, quiet: bool, verbose: bool) -> Iterator[Progress]:
    """The ``Progress`` that fits standard error: bars on a terminal, lines elsewhere, nothing if ``quiet``."""
    if quiet:
        yield Silence()
    elif not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield Lines(sys.stderr, 0.0 if verbose else 5.0)
    else:
        from tutelage.cli.terminal import Terminal

        terminal = Terminal(sys.stderr, verbose=verbose)
        with terminal.bars:
            yield terminal
