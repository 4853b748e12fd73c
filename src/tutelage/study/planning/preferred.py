"""Which method a student is taught by where nobody says: soft targets, or a loss of layers beside them that helps."""

from math import inf
from time import perf_counter

from tutelage.measures.chance import noise_of
from tutelage.methods.by_name import method as method_named
from tutelage.methods.check import check_methods
from tutelage.optimizers.scheduled import scheduled
from tutelage.optimizers.schedules import one_cycle
from tutelage.results import Score
from tutelage.schemes.by_method import pair_of
from tutelage.schemes.plan import Plan
from tutelage.study.planning.clocks import step_time
from tutelage.study.planning.short_training import train_briefly
from tutelage.study.planning.short_trials import ShortTrials

LAYERS = ("srrl", "sp", "at")
"""Losses of layers that did well in ``results/``; each is tried beside soft targets."""
FEWEST_TRIED = 60
"""Steps from which on a short training says anything about a method."""
NO_TIME = "there is no time to try losses of layers"


def preferred(trials: ShortTrials, soft: str, lr: float, step: float, end: float) -> tuple[str, str, float]:
    """``soft``, or the sum of it and a loss of layers whose short training is clearly better on validation.

    All are trained equally long on the clock, from the same weights at the same rate, until about ``end``. Clearly:
    by more than what the choice of the validation samples leaves of such a difference. Also says why, and the
    seconds of a step.
    """
    names = [name for name in (f"{soft}+{layers}" for layers in LAYERS) if _fits(trials, name)]
    data = trials.participants.data
    if data.validation is None or not names:
        lacks = "no validation samples" if data.validation is None else "no layers of the two can be compared"
        return soft, lacks, step
    if end - perf_counter() < FEWEST_TRIED * step * (len(names) + 1):
        return soft, NO_TIME, step
    seconds = {soft: step} | {name: step_time(trials, name, end, lr / 10) for name in names}
    share = (end - perf_counter()) / len(seconds)
    if share < FEWEST_TRIED * max(seconds.values()):
        return soft, NO_TIME, step
    planned = trials.asked.epochs * trials.participants.lesson(trials.batch_size, trials.asked).steps or inf
    scores = {name: _score(trials, name, lr, int(min(share / each, planned))) for name, each in seconds.items()}
    metric = data.task.deciding
    ahead = {name: metric.gain(scores[name].value, over=scores[soft].value) for name in names if name in scores}
    best = max(ahead, key=lambda name: ahead[name], default=soft)
    if best in ahead and ahead[best] > noise_of(scores[best], scores[soft], len(data.validation)):
        words = f"{scores[best].value:g} {metric.name} on validation after a short training, {soft} alone"
        return best, f"{words} {scores[soft].value:g}", seconds[best]
    return soft, f"no loss of layers ({', '.join(names)}) was clearly better in a short training", step


def _fits(trials: ShortTrials, method: str) -> bool:
    how, participants = method_named(method), trials.participants
    plan = Plan(participants.lesson(trials.batch_size, trials.asked), trials.factory(1.0), 1)
    student = trials.run.laid_out(participants.student_of(how)())
    try:
        check_methods(pair_of(student, participants.teaching(how, 0), plan), {method: how})
    except ValueError:
        return False
    return True


def _score(trials: ShortTrials, method: str, lr: float, steps: int) -> Score:
    factory = scheduled(trials.factory(lr), one_cycle(steps))
    trial, data = trials.trial(method), trials.participants.data
    model = train_briefly(trials.run, trial, factory, steps).model
    assert data.validation is not None
    return data.task.judge(model, data.validation, data.test_transform).scores[data.task.deciding.name]
