"""All ways down from a teacher to a student: each stage once, each taught by its direct predecessor alone."""

from functools import partial
from itertools import combinations

import pytest
import torch
from torch import nn
from torchjd.aggregation import UPGrad

from examples import bits, same
from tutelage.combine.projector import exact_projector
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.models.mlp import mlp
from tutelage.optimizers.usual import sgd
from tutelage.run import Run
from tutelage.schemes.chain import Link, chain
from tutelage.schemes.distill import distilled
from tutelage.schemes.paths import paths, taught_along_paths, trainings
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised

PLAN = Plan(Lesson(digits(40, seed=0), digits(20, seed=1), batch_size=20), partial(sgd, lr=0.1, weight_decay=0.0), 1)
SIZES = (12, 10, 8, 6)


def upgrad():
    return ResolveConflicts(UPGrad(projector=exact_projector()))


def net(width: int) -> nn.Module:
    return mlp((784, width, 10))


def taught(teacher, combine=WeightedSum):
    return partial(distilled, plan=PLAN, teacher=teacher, temperature=5.0, label=0.6, soft=0.4, combine=combine)


def link(path, **settings):
    return Link(" → ".join(map(str, path)), partial(net, path[-1]), partial(taught, **settings))


def opened(root):
    return Run("toy:paths", root=root, exact=True, device="cpu")


def first_of(run):
    return run.stage("teacher", partial(net, SIZES[0]), partial(supervised, plan=PLAN)).last


@pytest.mark.parametrize("between", range(6))
def test_there_are_two_to_the_power_of_the_sizes_in_between(between):
    sizes = list(range(between + 2, 0, -1))
    ways = paths(sizes)
    assert len({*ways}) == len(ways) == 2 ** (between + 1) - 1
    assert sum(path[-1] == sizes[-1] for path in ways) == 2**between
    assert all(path[0] == sizes[0] and list(path) == sorted(path, reverse=True) for path in ways)
    assert all(len(path) == 2 or path[:-1] in ways[: ways.index(path)] for path in ways)


def test_how_many_trainings_it_takes_is_what_is_trained(tmp_path):
    with opened(tmp_path) as run:
        made = dict(taught_along_paths(run, first_of(run), SIZES, link))
    stages = [path for path in (tmp_path / "stages").iterdir() if path.is_dir()]
    assert len(made) == len({one.key for one in made.values()}) == len(stages) - 1 == 7
    words = "4 paths from 12 to 6: 7 trainings beside the teacher, since what paths share is trained once; apart, 8"
    assert trainings(SIZES) == words
    assert trainings(SIZES[:3]) == "2 paths from 12 to 8: 3 trainings beside the teacher"
    assert trainings(SIZES[:2]) == "1 path from 12 to 10: 1 training beside the teacher"


def test_each_path_is_the_chain_of_its_networks(tmp_path):
    with opened(tmp_path) as run:
        first = first_of(run)
        made = dict(taught_along_paths(run, first, SIZES, link))
        for path in (SIZES, (12, 8, 6), (12, 6)):
            *_, last = chain(run, first, [link(path[: end + 1]) for end in range(1, len(path))])
            assert last.key == made[path].key and same(bits(last.last), bits(made[path].last))


@pytest.mark.parametrize("combine", [WeightedSum, upgrad])
def test_each_network_sees_the_logits_of_its_direct_predecessor_alone(tmp_path, combine):
    asked: dict[str, list[int]] = {}
    current = [""]

    def watched(path):
        made = link(path, combine=combine)

        def spied(teacher):
            current[0] = made.name
            return made.taught(teacher)

        return made._replace(taught=spied)

    def listen(network, size):
        network.register_forward_hook(lambda *_: asked.setdefault(current[0], []).append(size))

    with opened(tmp_path) as run:
        first = first_of(run)
        listen(first, (12,))
        before = {(12,): bits(first)}
        networks = {(12,): first}
        for path, finished in taught_along_paths(run, first, SIZES, watched):
            listen(finished.last, path)
            before[path], networks[path] = bits(finished.last), finished.last
    for path in paths(SIZES):
        assert set(asked[" → ".join(map(str, path))]) == {path[:-1]}
    for path, network in networks.items():
        assert same(bits(network), before[path]) and all(p.grad is None for p in network.parameters())


def test_interrupted_between_two_networks_nothing_is_trained_again(tmp_path):
    with opened(tmp_path) as run:
        ways = taught_along_paths(run, first_of(run), SIZES, link)
        begun = [next(ways) for _ in range(4)]
    with opened(tmp_path) as again:
        notes = []
        again.progress = Noting(notes)
        made = dict(taught_along_paths(again, first_of(again), SIZES, link))
    assert all(same(bits(one.last), bits(made[path].last)) for path, one in begun)
    assert sum("loaded from" in note for note in notes) == 1 + 4 and len(made) == 7


class Noting:
    """Keeps what a run notes."""

    def __init__(self, notes):
        self.notes = notes

    def note(self, text):
        self.notes.append(text)

    def __getattr__(self, _name):
        return lambda *_: None


@pytest.mark.parametrize(("sizes", "words"), [([], r"got \[\]"), ([4], r"two sizes or more; got \[4\]")])
def test_a_path_has_two_ends(sizes, words):
    with pytest.raises(ValueError, match=words):
        paths(sizes)


@pytest.mark.parametrize("sizes", [(4, 4), (5, 4, 3, 4), ("a", "b", "a")])
def test_a_size_that_is_there_twice_is_refused(sizes):
    with pytest.raises(ValueError, match=r"A path passes each size once; .* is there twice"):
        paths(sizes)
    with pytest.raises(ValueError, match="is there twice"):
        next(taught_along_paths(None, torch.nn.Identity(), sizes, link))


def test_all_subsets_are_there():
    assert {path[1:] for path in paths("abcd")} == {c for n in (1, 2, 3) for c in combinations("bcd", n)}
