"""A student that is sought within its teacher: the steps of its search."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tutelage.compress.budget import budget
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.study.budget import Pace
from tutelage.study.own.sought import LONGEST, LOOKS, SHARE, Sought, cautious, pace_of
from tutelage.study.planning.plan_in_words import search_in_words
from tutelage.tasks.classification import CLASSIFICATION


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e8])
def test_no_gradient_moves_the_weights_by_more_than_a_step(size):
    model = nn.Linear(5, 3, bias=False).double()
    nn.init.zeros_(model.weight)  # nothing decays
    optimizer = cautious([*model.named_parameters()], lr=0.02)
    model.weight.grad = torch.full_like(model.weight, size)
    optimizer.step()
    moved = float(model.weight.detach().norm())
    longest = 0.02 * 1.9 * min(LONGEST, size * 15**0.5)  # Nesterov's first step is (1 + momentum) of the gradient
    assert moved == pytest.approx(longest, rel=1e-6)


@pytest.mark.parametrize("looking", [0.0, 0.5, 2.0])
def test_a_search_ends_in_its_part_of_the_time_with_all_that_a_clock_measures(looking):
    sought = Sought(budget("5 ms"), nn.Identity, 9.0, 5.0, looking=looking)
    pace, rounds = pace_of(sought, Lesson(digits(640, seed=0), batch_size=32), 0.1, 10.0)
    assert rounds > 1 and pace.seconds(rounds) <= SHARE * 600
    assert pace.seconds(rounds) > (rounds + LOOKS) * looking


@pytest.mark.parametrize(("method", "anew"), [("kd", False), ("simkd", True)])
def test_a_plan_says_whose_weights_begin_anew(method, anew):
    """SimKD puts a projector and the teacher's classifier behind what was found."""
    people = SimpleNamespace(
        sought=Sought(budget("quarter"), nn.Identity, 4.0, 1.0, looking=0.0),
        names=("net", "quarter of net"),
        lesson=lambda *_: Lesson(digits(64, seed=0), batch_size=32),
        task=CLASSIFICATION,
        build_student=nn.Identity,
        student_of=lambda how: nn.Flatten if how.__name__ == "simkd" else nn.Identity,
    )
    found = SimpleNamespace(search=Pace(2, 0.1, 0.1), rounds=3, batch_size=32, method=method)
    (told,) = search_in_words(people, None, found)
    assert "what is left begins with the weights that it then has" in told
    assert told.endswith("simkd makes a student of its own from it, which begins anew") == anew
