"""Rules of torchjd by name, and what is said where it, or a solver, is missing."""

import ast
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
import torchjd.aggregation
from torchjd import aggregation

import tutelage
from tutelage.combine.decompose import decomposed, symmetric
from tutelage.combine.granularity import each_tensor
from tutelage.combine.projector import exact_projector
from tutelage.combine.published import aggregator, resolved_by, weighting

ROWS = torch.tensor([[1.0, 0.0, 1.0], [-2.0, 1.0, 0.0], [0.0, -1.0, 0.7]])
NAMES = ["AlignedMTL", "ConFIG", "DualProj", "GradVac", "IMTLG", "MGDA", "Mean", "PCGrad", "Sum", "UPGrad"]


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_is_got_by_its_name_without_further_libraries(name):
    rule = aggregator(name)
    assert isinstance(rule, getattr(aggregation, name)) and rule(ROWS).isfinite().all()


@pytest.mark.parametrize("name", ["AlignedMTL", "DualProj", "IMTLG", "MGDA", "Mean", "UPGrad"])
def test_a_weighting_is_its_rule_on_the_gramian(name):
    torch.testing.assert_close(weighting(name)(ROWS @ ROWS.mT) @ ROWS, aggregator(name)(ROWS))


def test_our_projector_is_given_where_one_is_taken_and_another_may_be():
    other = exact_projector()
    assert aggregator("UPGrad", projector=other).gramian_weighting.projector is other


def test_pairwise_projection_draws_what_torchjd_draws():
    torch.manual_seed(7)
    theirs = [aggregator("PCGrad")(ROWS) for _ in range(8)]
    torch.manual_seed(7)
    for expected in theirs:
        torch.testing.assert_close(decomposed(ROWS, symmetric), expected)


def test_an_unknown_name_is_refused_with_those_that_exist():
    with pytest.raises(ValueError, match=r"torchjd has no 'PCGrab' among its aggregators; it has .*PCGrad"):
        aggregator("PCGrab")
    with pytest.raises(ValueError, match="torchjd has no 'ConFIG' among its weightings; it has"):
        weighting("ConFIG")


@pytest.mark.parametrize("name", ["Aggregator", "WeightedAggregator", "Weighting", "UPGradWeighting", "__all__", ""])
def test_what_torchjd_has_but_is_no_rule_is_refused_with_the_rules(name):
    with pytest.raises(ValueError, match=rf"no {name!r} among its aggregators; it has (?!.*Weight)(?!Aggregator)\w+"):
        aggregator(name)


@pytest.mark.parametrize("name", ["", "Constant()", "ConFIG"])
def test_what_is_no_weighting_is_refused_with_the_weightings(name):
    with pytest.raises(ValueError, match="among its weightings; it has") as refused:
        weighting(name)
    for other in str(refused.value).partition("it has ")[2].removesuffix(".").split(", "):
        assert hasattr(torchjd.aggregation, f"{other}Weighting")


WRONG = [
    ("Krum", {"n_byzantine": 1}, False),
    ("Krum", {"n_byzantine": 0, "n_selected": 4}, True),
    ("TrimmedMean", {"trim_number": 2}, False),
    ("Constant", {"weights": torch.ones(2)}, True),
]


@pytest.mark.parametrize(("name", "settings", "summed"), WRONG)
def test_a_rule_for_another_number_of_losses_says_which_there_are(name, settings, summed):
    p, rule = torch.ones(3, requires_grad=True), resolved_by(name, summed=summed, per=each_tensor, **settings)
    rule.add({term: row @ p for term, row in zip("abc", ROWS, strict=True)}, {}, {"p": p})
    called = rf"{name}\(.*\) does not merge the gradients of 3 losses, \['a', 'b', 'c'\] that reach 'p': "
    with pytest.raises(ValueError, match=called):
        rule.settle({"p": p})


def test_settings_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="CAGrad takes c, norm_eps: missing a required argument: 'c'"):
        aggregator("CAGrad")
    with pytest.raises(ValueError, match="takes pref_vector, projector: got an unexpected keyword argument 'c'"):
        aggregator("UPGrad", c=0.5)


@pytest.mark.parametrize(("name", "settings"), [("CAGrad", {"c": 0.5}), ("NashMTL", {"n_tasks": 3})])
def test_a_solver_that_is_missing_is_named_with_its_install_line(name, settings, monkeypatch):
    monkeypatch.setattr("torchjd._mixins.find_spec", lambda x: None if x in ("cvxpy", "ecos", "clarabel") else x)
    with pytest.raises(ImportError, match=rf"{name} needs a solver .* pip install 'torchjd\["):
        aggregator(name, **settings)


@pytest.mark.parametrize("make", [exact_projector, partial(aggregator, "MGDA"), partial(weighting, "MGDA")])
def test_where_torchjd_is_missing_the_install_line_is_given(make, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchjd"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"need an extra: pip install 'tutelage\[conflicts\]'"):
        make()


def test_no_module_of_ours_needs_torchjd_to_be_imported():
    for file in (Path(tutelage.__file__).parent / "combine").rglob("*.py"):
        body = ast.parse(file.read_text()).body
        found = {x.module for x in body if isinstance(x, ast.ImportFrom)} | {
            name.name for x in body if isinstance(x, ast.Import) for name in x.names
        }
        assert not any((name or "").startswith("torchjd") for name in found), file.name
