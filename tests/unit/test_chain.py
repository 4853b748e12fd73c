"""A chain: each network is taught by the one before it, and by nobody else."""

from functools import partial
from itertools import count, islice

import pytest
import torch
from torch import nn

from examples import same
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.models.mlp import mlp
from tutelage.optimizers.usual import sgd
from tutelage.run import Run
from tutelage.schemes.chain import Link, chain
from tutelage.schemes.distill import distilled
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised

PLAN = Plan(Lesson(digits(40, seed=0), digits(20, seed=1), batch_size=20), partial(sgd, lr=0.1, weight_decay=0.0), 1)
SOFT = partial(distilled, plan=PLAN, temperature=4.0, label=0.1, soft=0.9)


def net(width: int) -> nn.Module:
    return mlp((784, width, 10))


def taught(teacher):
    return partial(SOFT, teacher=teacher)


def first_of(run):
    return run.stage("teacher", partial(net, 12), partial(supervised, plan=PLAN)).last


def opened(root):
    return Run("toy:chain", root=root, exact=True, device="cpu")


def links(*widths, **changes):
    return [Link(f"{width} wide", partial(net, width), taught, **changes) for width in widths]


def test_a_chain_of_one_is_plain_distillation(tmp_path):
    with opened(tmp_path) as run:
        teacher = first_of(run)
        (student,) = chain(run, teacher, links(6, seed=3))
        alone = run.stage("alone", partial(net, 6), partial(SOFT, teacher=teacher), seed=3)
    assert student.key == alone.key and same(student.last.state_dict(), alone.last.state_dict())


def test_each_learns_from_the_one_before_it_alone(tmp_path):
    asked = []

    def spied(teacher):
        asked.append(teacher)
        return taught(teacher)

    with opened(tmp_path) as run:
        first = first_of(run)
        made = list(chain(run, first, [link._replace(taught=spied) for link in links(10, 8, 6)]))
    assert asked == [first, made[0].last, made[1].last]
    assert [next(x.last.parameters()).shape[0] for x in made] == [10, 8, 6]


def test_no_teacher_of_a_chain_is_moved_or_gets_a_gradient(tmp_path):
    with opened(tmp_path) as run:
        first = first_of(run)
        before = {name: x.clone() for name, x in first.state_dict().items()}
        made = list(chain(run, first, links(10, 6)))
    assert same(before, first.state_dict())
    assert all(p.grad is None for net in (first, *(x.last for x in made)) for p in net.parameters())


def test_a_beginning_that_two_chains_share_is_trained_once(tmp_path):
    with opened(tmp_path) as run:
        first = first_of(run)
        one, other = (list(chain(run, first, links(10, last))) for last in (6, 4))
    assert one[0].key == other[0].key and one[1].key != other[1].key


def test_links_may_go_on_for_ever(tmp_path):
    with opened(tmp_path) as run:
        endless = (Link(f"generation {k}", partial(net, 8), taught, seed=k) for k in count(1))
        first, second = islice(chain(run, first_of(run), endless), 2)
    assert first.name == "generation 1" and second.name == "generation 2"
    torch.manual_seed(1)
    fresh = net(8)
    assert not any(torch.equal(p, q) for p, q in zip(fresh.parameters(), second.last.parameters(), strict=True))


def test_an_empty_chain_is_refused(tmp_path):
    with opened(tmp_path) as run, pytest.raises(ValueError, match=r"A chain has one student or more; got none\."):
        list(chain(run, net(4), []))
