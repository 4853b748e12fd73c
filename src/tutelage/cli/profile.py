"""``--profile``: where a run's time went, kept in its folder and told at its end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tutelage.checkpoint import write_json
from tutelage.checksums import summed
from tutelage.files import is_runs
from tutelage.profiling import Profile, profiled
from tutelage.renewal import RESULTS
from tutelage.report.shares import PROFILE, read_profile, shares_in_words
from tutelage.run import Run


@contextmanager
def profile_of(run: Run, begun: float) -> Iterator[Profile]:
    """The profile of ``run`` from ``begun`` on, with what earlier processes spent on it.

    A finished run that is started again is profiled anew, and keeps its earlier profile until it ends.
    """
    again = (run.folder / RESULTS).exists()
    keep = partial(write_profile, run.folder)
    before = {} if again else read_profile(run.folder)
    profile = Profile(begun, before, keep=(lambda _seconds: None) if again else keep)
    try:
        with profiled(profile):
            yield profile
    except BaseException:
        if profile.has_started and not again and run.leads:
            keep(profile.seconds)
        raise
    if run.leads:
        keep(profile.seconds)


def write_profile(folder: Path, seconds: Mapping[str, float]) -> None:
    """Put a profile into the folder of a run, if it still is one: one that did nothing has left none."""
    if is_runs(folder):
        rounded = {part: round(value, 3) for part, value in seconds.items()}
        write_json(folder / PROFILE, summed({"seconds": rounded}))


def tell_profile(folder: Path, reported: float) -> None:
    """Add what the report took, which no page can say of itself, and print the whole table."""
    seconds = read_profile(folder)
    write_profile(folder, {**seconds, "report": seconds.get("report", 0.0) + reported})
    print(shares_in_words(read_profile(folder)))
