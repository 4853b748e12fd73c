"""``tutelage run``: one recipe, from its flags to its report."""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING, Any

from tutelage.cli.conclude import conclude
from tutelage.cli.display import shown
from tutelage.cli.events import Events
from tutelage.cli.failures import DONE, HUNG_UP, TERMINATED, Usage
from tutelage.cli.find import first_recipe
from tutelage.cli.processes import end_with_the_sweep
from tutelage.cli.request import Request, understood
from tutelage.cli.started import when_asked
from tutelage.printable import printable
from tutelage.progress import Progress
from tutelage.results import Arguments
from tutelage.stages.signals import obey, stopping
from tutelage.study.dotted import flattened
from tutelage.trust import restricted

if TYPE_CHECKING:
    from tutelage.run import Run  # torch, which --help does without


def run(words: Sequence[str], called: str = "tutelage run {}") -> int:
    """Run a recipe, or go on with it: the same command started again continues where it stopped.

    The recipe's own flags come first in its help, those of every run after them. Explicit flags win over --from, and
    --from over --preset. What a run leaves in its folder: arguments, environment, log, networks, results, report.
    """
    begun = when_asked()
    end_with_the_sweep()
    path, rest = first_recipe(words, "run")
    request = replace(understood(path, rest, called=called), called=called)
    with resumable(request.command):
        work = perform(request, begun)
        folder = work.folder
        if not work.leads:  # under torchrun, rank 0 tells of it
            return DONE
        if work.plan:
            print(printable(work.plan))
            return DONE
        asked = perf_counter()
        try:
            conclude([folder])
        except ImportError as extra:  # the run is done and its numbers are there; only the page is not
            print(f"tutelage: no report.html: {extra}, then `tutelage report {folder}`", file=sys.stderr)
        if request.common.profile:
            from tutelage.cli.profile import tell_profile

            tell_profile(folder, perf_counter() - asked)
    return DONE


def perform(request: Request, begun: float) -> "Run":
    """Do what was asked for at ``begun``, as ``perf_counter`` counts, and return the run that did."""
    common = request.common
    from tutelage.machine import tune_allocator

    tune_allocator()
    use(common.threads)
    with ExitStack() as stack:
        progress = stack.enter_context(shown(quiet=common.quiet, verbose=common.verbose))
        work = opened(request, progress)
        work.begun = begun
        profile = None
        if common.profile:
            from tutelage.cli.profile import profile_of

            profile = stack.enter_context(profile_of(work, begun))
        stack.enter_context(work)
        if common.tensorboard and work.leads:
            work.progress = stack.enter_context(closing(Events(work.log, work.folder, progress)))
        if common.trace and work.leads:
            from tutelage.cli.trace import Trace

            work.progress = stack.enter_context(closing(Trace(work.folder, work.progress)))
        stack.enter_context(restricted(common.allow))
        if profile is not None:
            profile.started()
        request.experiment(work, **request.arguments)
        if common.data is not None and not work.data_was_read:
            progress.note(f"{request.recipe.name} has not read --data {common.data}: its data come from elsewhere.")
    return work


def use(threads: int | None) -> None:
    """Set the number of threads, if one is given."""
    import torch

    if threads is not None:
        torch.set_num_threads(threads)


def opened(request: Request, progress: Progress) -> "Run":
    """The run behind the request, not yet entered. Raises ``ValueError`` for a device that does not compute here."""
    from tutelage.run import Run

    common = request.common
    arguments, defaults = flattened(request.arguments), flattened(request.defaults)
    return Run(
        Arguments(request.recipe.name, request.preset, request.elsewhere, arguments, defaults),
        root=common.runs,
        folder=common.folder,
        data=common.data,
        exact=common.exact,
        device=common.device,
        progress=progress,
    )


@contextmanager
def resumable(command: str, again: Callable[..., Any] | signal.Handlers = signal.SIG_DFL) -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP raise, so that all is left in order, and say how to go on; the second does ``again``.

    While a stage trains it takes the signals itself, to stop after a whole step.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, again)
        obey(number)

    before = {number: signal.signal(number, stop) for number in stopping()}
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, KeyboardInterrupt) or end.code in (TERMINATED, HUNG_UP):
            print(f"tutelage: stopped; nothing is lost. Go on with: {command}", file=sys.stderr)
            raise
        raise Usage(f"the recipe called exit({end.code!r}) before its run was done; let it return.") from end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
