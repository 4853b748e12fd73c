"""How soft the targets should be, by the width of the student."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from tutelage.recipes.mnist.settings import (
    DIGITS,
    DRAWN,
    PAPER,
    QUICK_TEACHER,
    TAUGHT,
    TEACHER,
    Digits,
    Net,
    Units,
    with_training,
)
from tutelage.study.bounds import Distinct, NotEmpty, Seed, Share, Temperature, refuse_nonsense
from tutelage.study.settings import TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

__all__ = ["PAPER"]


def temperature(
    run: "Run",
    *,
    units: Annotated[tuple[Units, ...], NotEmpty(), Distinct()] = (30, 300, 800),
    temperatures: Annotated[tuple[Temperature, ...], NotEmpty(), Distinct()] = (1.0, 2.0, 2.5, 4.0, 8.0, 20.0),
    label: Share = 0.1,
    teacher: Net = TEACHER,
    student: TrainingSettings = TAUGHT,
    digits: Digits = DIGITS,
    seed: Seed = 0,
) -> None:
    """How soft should the targets be? Students of three widths, distilled on MNIST at six temperatures.

    In the paper all temperatures above 8 do about the same for 300 units a layer or more, while 30 units want a
    temperature between 2.5 and 4.

    Args:
        units: widths of the students' two hidden layers
        temperatures: softness of the targets
        label: weight of the true labels in the student's loss; the soft targets weigh the rest
        seed: of weights, order, views and dropout
    """
    from tutelage.recipes.mnist import nets
    from tutelage.results import Curve, Table
    from tutelage.study.claims import cannot_decide
    from tutelage.study.evaluated import Evaluated

    refuse_nonsense(temperature, locals())
    reason = cannot_decide(run, temperature, locals())
    data = nets.digits_of(run, digits)
    nets.refuse_too_large(data, teacher, *(Net(units=width, training=student) for width in units))
    large = nets.train_teacher(run, data, teacher, seed)
    networks = {"teacher": Evaluated("teacher", f"{nets.wide(teacher.units)}, dropout, jittered", large)}
    for width in units:
        for t in temperatures:
            name, net = f"{width} units, T = {t:g}", Net(units=width, training=student)
            small = nets.train_student(run, data, net, seed, name, nets.taught_by(large.last, t, label))
            networks[name] = Evaluated("student", f"{nets.wide(width)} at T = {t:g}", small)
    errors = nets.errors_of(nets.publish_nets(run, data, networks, "soft_targets"))

    rows = {width: {t: errors[f"{width} units, T = {t:g}"] for t in temperatures} for width in units}
    run.publish(
        tables=[
            Table(
                title="Test errors by width and temperature",
                columns=("units", "T", "errors"),
                rows=tuple((width, t, n) for width, row in rows.items() for t, n in row.items()),
                note=f"of {len(data.test)} test images",
                curve=Curve("T", "errors", "units", log_x=True),
            )
        ],
        headline=" ".join(_best_of(width, row) for width, row in rows.items()),
    )
    widest = max(units)
    best = min(temperatures, key=rows[widest].__getitem__)
    run.deliver(networks[f"{widest} units, T = {best:g}"].finished.last, classes=data.test.classes, input=nets.INPUT)
    if not data.synthetic:  # synthetic digits say nothing about what was published for MNIST
        claim_temperatures(run, rows, reason)


temperature_smoke = partial(
    temperature,
    units=(8, 300),
    temperatures=(1.0, 4.0, 8.0, 20.0),
    teacher=with_training(replace(TEACHER, units=32), epochs=1),
    student=replace(TAUGHT, epochs=1),
    digits=DRAWN,
)
temperature_quick = partial(
    temperature,
    units=(30, 300),
    temperatures=(1.0, 4.0, 20.0),
    teacher=QUICK_TEACHER,
    student=replace(TAUGHT, epochs=5),
)


def claim_temperatures(run: "Run", rows: dict[int, dict[float, int]], reason: str) -> None:
    """What the paper says in words: hot targets are alike for wide nets, and narrow ones want 2.5 to 4."""
    from tutelage.results import Claim

    claim = partial(Claim, unit="standard errors", source=PAPER, reason=reason)
    note = "the paper gives no figures; up to two standard errors apart counts as the same"
    for width in (w for w in rows if w >= 300):
        hot = [n for t, n in rows[width].items() if t >= 8]
        if len(hot) > 1:
            name = f"{width} units: every temperature of 8 and more does about the same"
            run.claim(claim(name, 0, _gap(max(hot), min(hot)), high=2, note=note))
    note = "the paper gives no figures; from two standard errors apart counts as better"
    for width in (w for w in rows if w < 100):
        inside = [n for t, n in rows[width].items() if 2.5 <= t <= 4]
        outside = [n for t, n in rows[width].items() if not 2.5 <= t <= 4]
        if inside and outside:
            name = f"{width} units: a temperature of 2.5 to 4 is significantly better than lower or higher ones"
            run.claim(claim(name, 2, _gap(min(outside), min(inside)), low=2, note=note))


def _best_of(width: int, errors: dict[float, int]) -> str:
    best, worst = min(errors, key=errors.__getitem__), max(errors, key=errors.__getitem__)
    return f"{width} units: best at T = {best:g} ({errors[best]} errors), worst at T = {worst:g} ({errors[worst]})."


def _gap(more: float, fewer: float) -> float:
    """How many standard errors of their difference lie between two counts of errors, taken as Poisson counts."""
    return float(round((more - fewer) / max(more + fewer, 1) ** 0.5, 2))
