"""In what runs differ: the flags that make a setting, and whether settings can be ranked at all."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from tutelage.report.read import FinishedRun

PRESET = "preset"
SAMPLES = "test samples"
Usual: TypeAlias = Mapping[tuple[str, str], Any]
"""Preset and flag -> the default there."""
OTHER_SAMPLES = "these runs were measured on different test samples"
OTHER_STUDENTS = "their students are different networks"


def settings_of(runs: Sequence[FinishedRun], by: Sequence[str] = ()) -> tuple[str, ...]:
    """By what the runs are grouped: the flags in ``by``, or all that differ but the seed.

    Of several presets the name stands for their flags; beside it are those that depart from their preset. Lists that
    chose which students a run trains (``methods``) are left out: students are told apart by name. Where nothing else
    tells them apart, runs on other test samples are a setting of their own. Raises ``ValueError`` if a run has no flag
    that ``by`` names.
    """
    for run, flag in ((run, flag) for run in runs for flag in by):
        if flag not in (PRESET, *run.request.arguments):
            raise ValueError(f"{run.request.recipe} has no flag {flag!r}; it has {sorted(run.request.arguments)}.")
    flags, usual = tuple(by) or _differing(runs), usual_of(runs)
    by_flags: dict[str, set[tuple[str, ...]]] = {}
    for run in runs:
        by_flags.setdefault(repr([setting(run, flag, usual) for flag in flags]), set()).add(run.test_samples)
    return (*flags, SAMPLES) if any(len(samples) > 1 for samples in by_flags.values()) else flags


def _differing(runs: Sequence[FinishedRun]) -> tuple[str, ...]:
    flags = differing_flags(runs)
    if len({student_names(run) for run in runs}) > 1:
        flags = tuple(flag for flag in flags if not _is_choice(runs, flag))
    if len({run.request.preset for run in runs}) > 1:
        departing = tuple(flag for flag in flags if any(departs(run, flag) for run in runs))
        return (PRESET, *departing)
    return flags


def _is_choice(runs: Sequence[FinishedRun], flag: str) -> bool:
    values = [run.request.arguments.get(flag) for run in runs]
    return "." not in flag and all(isinstance(v, list) and all(isinstance(x, str) for x in v) for v in values)


def departs(run: FinishedRun, flag: str) -> bool:
    """Whether the flag is not what the run's preset has."""
    return bool(run.request.arguments.get(flag) != run.request.defaults.get(flag))


def usual_of(runs: Sequence[FinishedRun]) -> Usual:
    """What flags are if nobody gives them: also for a run that was made before there were such flags."""
    return {(run.request.preset, flag): value for run in runs for flag, value in run.request.defaults.items()}


def setting(run: FinishedRun, name: str, usual: Usual) -> Any:
    """The run's value of a flag, or what else tells settings apart; of a flag that it has not, what is ``usual``."""
    arguments = run.request.arguments
    if name in arguments:
        return arguments[name]
    if name == PRESET:
        return run.request.preset
    if name == SAMPLES:
        return ", ".join(one[:12] for one in run.test_samples)
    return usual.get((run.request.preset, name))


def differing_flags(runs: Sequence[FinishedRun], but: Sequence[str] = ("seed",)) -> tuple[str, ...]:
    """The flags, ``but`` for these, that have more than one value among the runs."""
    flags, usual = (
        dict.fromkeys(flag for run in runs for flag in run.request.arguments if flag not in but),
        usual_of(runs),
    )
    return tuple(flag for flag in flags if len({repr(setting(run, flag, usual)) for run in runs}) > 1)


def student_names(run: FinishedRun) -> frozenset[str]:
    """The names of the run's students."""
    return frozenset(network.name for network in run.results.networks if network.role == "student")


def delivered(run: FinishedRun) -> str | None:
    """The name of the network that the run is about: its first student, or else its first network."""
    networks = run.results.networks
    student = next((network for network in networks if network.role == "student"), None)
    return student.name if student else networks[0].name if networks else None


def why_unranked(runs: Sequence[FinishedRun]) -> str:
    """Why no setting of these runs is better than another; empty where they can be compared."""
    if len({run.test_samples for run in runs}) > 1:
        return OTHER_SAMPLES
    return OTHER_STUDENTS if len({name for run in runs if (name := delivered(run))}) > 1 else ""
