"""Networks that torch.compile has made faster: what is tapped still shows, what is trained still learns."""

from functools import partial

import pytest
import torch
from torch.nn.functional import l1_loss

from examples import SGD, cnn, kd, label, mlp, run, vectors
from tutelage.combine.decompose import decomposed, symmetric, weights
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.shared_features import AtFeatures
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.objective import Objective, Term
from tutelage.taps import Tapped
from tutelage.teachers.frozen import frozen
from tutelage.watched import Watched

X = torch.ones(2, 3, 8, 8)


def test_a_compiled_student_learns_the_same():
    compiled, eager = (Learner(mlp(seed=3), Objective(label=label()), SGD) for _ in range(2))
    run(train({"student": compiled}, vectors(), 1, prepare=partial(torch.compile, backend="aot_eager")))
    run(train({"student": eager}, vectors(), 1))
    for p, q in zip(compiled.student.parameters(), eager.student.parameters(), strict=True):
        torch.testing.assert_close(p, q)
    torch._dynamo.reset()


def test_a_compiled_student_learns_the_same_from_one_gradient_a_loss():
    def made() -> Learner:
        rule = Watched(ResolveConflicts(partial(decomposed, by=symmetric)), every=1)
        return Learner(mlp(seed=3), kd(0.5, 0.5), SGD, rule, {"teacher": frozen(mlp(16))})

    compiled, eager = made(), made()
    run(train({"student": compiled}, vectors(), 1, prepare=partial(torch.compile, backend="aot_eager")))
    run(train({"student": eager}, vectors(), 1))
    for p, q in zip(compiled.student.parameters(), eager.student.parameters(), strict=True):
        torch.testing.assert_close(p, q)
    torch._dynamo.reset()


@pytest.mark.parametrize("more", [{}, {"hint": Term(l1_loss, "student.1", "teacher.0:input")}])
def test_features_inside_a_compiled_student_are_refused(more):
    rule = AtFeatures(partial(weights, by=symmetric), "student.1")
    objective = Objective(**kd(0.5, 0.5).terms, **more)
    learner = Learner(mlp(8, seed=3), objective, SGD, rule, {"teacher": frozen(mlp(16))})
    with pytest.raises(ValueError, match="the layers of a compiled student are not on the way to its output"):
        run(train({"student": learner}, vectors(), 1, prepare=partial(torch.compile, backend="aot_eager")))
    torch._dynamo.reset()


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_tapped_network_still_shows(backend):
    tapped = Tapped(cnn(4), ["2", "8:input", "output"])
    compiled = torch.compile(tapped, backend=backend)
    for wanted in ({"2", "8:input", "output"}, {"2"}):
        tapped.wanted = frozenset(wanted)
        assert set(compiled(X)) == wanted == set(compiled(X))
    torch._dynamo.reset()


def test_tapping_a_compiled_network_is_refused_not_ignored():
    compiled = torch.compile(cnn(4), backend="aot_eager")
    compiled(X)
    with pytest.raises(ValueError, match="did not run"):
        Tapped(compiled, ["_orig_mod.2", "output"])(X)
    torch._dynamo.reset()
