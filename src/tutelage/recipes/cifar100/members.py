"""Networks of one kind, trained alike but for their seeds, and students of so many of them."""

from functools import partial
from statistics import fmean
from typing import NamedTuple

from tutelage.methods.several import Joint, alone
from tutelage.recipes.cifar100.images import INPUT, plan_for
from tutelage.recipes.cifar100.settings import Images, Members
from tutelage.results import Network
from tutelage.run import Run
from tutelage.study.comparison import BASELINE, Compared, publish_comparison
from tutelage.study.experiments.ensembles import Ways, curve_of, refuse_too_few, refuse_unfit, together, trials_of
from tutelage.study.own.networks import PairOfNetworks, teacher_of
from tutelage.study.sets import Sets
from tutelage.study.settings import NetworkSettings
from tutelage.study.trials import Trial, run_trial, run_trials
from tutelage.tasks.classification import ACCURACY


class Measured(NamedTuple):
    """Networks by their names; accuracies of ensembles, by mean and number; those of each member alone, in order."""

    networks: dict[str, Network]
    ensembles: dict[str, list[float]]
    singles: list[float]

    @property
    def single(self) -> float:
        """Of a single member, on average."""
        return fmean(self.singles)

    def accuracy(self, name: str) -> float:
        return self.networks[name].scores[ACCURACY.name].value


def taught(
    run: Run, data: Sets, members: Members, student: NetworkSettings, images: Images, seed: int, ways: Ways
) -> Measured:
    """Train the members, a student that nobody teaches, and one for each of ``ways``; measure and publish all of it.

    The answers of members are averaged over the first two of them, the first three, … and all.
    """
    refuse_too_few(ways, members.count)
    settings, plan = members.settings(), plan_for(data, student, seed)
    pair = PairOfNetworks(settings[0], student, data)
    used = {way: partial(alone, joint=how) for those in ways.values() for way, (how, _) in those.items()}
    pair.refuse_strangers(run, plan, used)
    names = members.name, student.name
    untrained = [pair.build_teacher().to(data.train.inputs.device) for _ in range(2)]
    by_two: dict[int, dict[str, tuple[Joint, str]]] = {}
    for n, those in ways.items():
        by_two.setdefault(min(n, len(untrained)), {}).update(those)
    refuse_unfit(run, trials_of(pair.build_student, plan, by_two, members=untrained, names=names, layers=student.layers,
                                cache_views=0))  # fmt: skip

    trained = {
        f"member {k}": teacher_of(run, data, one, plan_for(data, one, one.seed), f"member {k}")
        for k, one in enumerate(settings, start=1)
    }
    nets = [one.last for one in trained.values()]
    baseline = run_trial(run, BASELINE, Trial(pair.build_student, plan))
    trials = trials_of(pair.build_student, plan, ways, members=nets, names=names, layers=student.layers,
                       cache_views=images.cache_views)  # fmt: skip
    outcome = run_trials(run, data, trials)

    labels = {name: f"{members.name}, seed {one.seed}" for name, one in zip(trained, settings, strict=True)}
    labels |= {name: f"{student.name}, {name}" for name in (BASELINE, *trials)}
    compared = Compared("Students of several teachers", ACCURACY, trained, baseline, outcome, labels)
    networks = publish_comparison(run, data, compared, INPUT)
    singles = [networks[name].scores[ACCURACY.name].value for name in trained]
    found = Measured(networks, together(nets, data, ACCURACY), singles)
    alike = members.name == student.name
    run.publish(tables=[curve_of(networks, found.ensembles, ways, singles=singles, metric=ACCURACY, alike=alike)])
    return found
