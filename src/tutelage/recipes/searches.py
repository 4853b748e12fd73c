"""What of a search for a student matters, whatever the networks: the searches that are compared, and what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tutelage.run import Run
from tutelage.study.experiments.one_cost import distilled
from tutelage.study.experiments.searches import Searched, errors_by, parts_by
from tutelage.study.settings import SearchSettings


def by_losses(gates: SearchSettings) -> dict[str, SearchSettings]:
    """By the divergence from the teacher (KD) or the labels (NP), with gates that save more closed sooner or all alike.

    >>> list(by_losses(SearchSettings()))
    ['KD, α', 'KD, all alike', 'NP, α', 'NP, all alike']
    """
    alike = replace(gates, scaled_by="nothing")
    return {
        f"{what}, {scaled}": replace(settings, minimises=minimises)
        for what, minimises in (("KD", "divergence"), ("NP", "labels"))
        for scaled, settings in (("α", replace(gates, scaled_by="cost")), ("all alike", alike))
    }


def by_kl0(gates: SearchSettings, kl0: Sequence[float]) -> dict[str, SearchSettings]:
    """Each sample's divergence held at each of these values.

    >>> list(by_kl0(SearchSettings(), [0.0, 0.05]))
    ['KL₀ = 0', 'KL₀ = 0.05']
    """
    return {f"KL₀ = {x:g}": replace(gates, minimises="held", kl0=x) for x in kl0}


def by_strength(gates: SearchSettings, strengths: Sequence[float]) -> dict[str, SearchSettings]:
    """A penalty of each of these strengths.

    >>> list(by_strength(SearchSettings(), [0.003, 0.01]))
    ['λ₂ = 0.003', 'λ₂ = 0.01']
    """
    return {f"λ₂ = {x:g}": replace(gates, strength=x) for x in strengths}


def tell_losses(run: Run, students: Searched) -> None:
    """The figures of each search, and what each left of the parts of its teacher."""
    said = ", ".join(f"{name} {students.told(distilled(name))}" for name in students.found)
    run.publish(
        tables=[errors_by(students, "search", str), *parts_by(students, "search")],
        headline=f"Test {students.metric.name} of students, distilled, by what the search minimises: {said}.",
    )


def tell_kl0(run: Run, students: Searched, held: Mapping[str, float]) -> None:
    """The figures of searches by the divergences at which they were ``held``."""
    said = ", ".join(f"{students.told(distilled(name))} at {x:g}" for name, x in held.items())
    run.publish(
        tables=[errors_by(students, "KL₀", held.__getitem__, is_number=True)],
        headline=f"Test {students.metric.name} of distilled students by the divergence of their search: {said}.",
    )


def tell_strength(run: Run, students: Searched, strengths: Mapping[str, float]) -> None:
    """The figures of searches by the strengths of their penalties."""
    epochs = ", ".join(f"{students.found[name].epochs} at {x:g}" for name, x in strengths.items())
    said = ", ".join(f"{students.told(distilled(name))} at {x:g}" for name, x in strengths.items())
    run.publish(
        tables=[errors_by(students, "λ₂", strengths.__getitem__, is_number=True, log_x=True)],
        headline=f"Epochs of the search by the strength of its penalty: {epochs}. Test {students.metric.name} of its "
        f"distilled student: {said}.",
    )
