"""Every published method on one tiny pair: it learns, it reads what it says, and methods add up."""

import sys
from dataclasses import replace
from functools import partial

import pytest
import torch

from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.simkd import borrowing
from tutelage.methods.by_name import PUBLISHED as FAMILIES
from tutelage.methods.by_name import expanded, family, method, methods
from tutelage.methods.cited import losses_in
from tutelage.methods.pair import Pair
from tutelage.methods.sums import added, stronger
from tutelage.models.resnet import resnet8
from tutelage.optimizers.factory import Named
from tutelage.recipes.cifar100 import published
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.study.costs import stepping
from tutelage.study.trials import Trial
from tutelage.tasks.regression import REGRESSION
from tutelage.teachers.frozen import frozen

SMALL = labelled(
    "small", torch.randint(0, 256, (40, 3, 16, 16), dtype=torch.uint8), torch.arange(40) % 5, tuple("abcde")
)
PUBLISHED_TERMS = {
    "kd",
    "dkd",
    "hint",
    "at",
    "sp",
    "rkd",
    "pkt",
    "crd",
    "vid",
    "ofd",
    "review",
    "dist",
    "simkd",
    "srrl",
}


def pair(name="", epochs=240, named=("resnet56", "resnet20")) -> Pair:
    torch.manual_seed(0)
    teacher, student = resnet8(num_classes=5), resnet8(num_classes=5)
    if name == "simkd":
        student = borrowing(lambda: student_of_five(), lambda: teacher, 16)
    return Pair(teacher.eval(), student, Lesson(SMALL, batch_size=10), epochs, named)


def student_of_five():
    return resnet8(num_classes=5)


def weights_of(name, **options):
    from tutelage.objective import Clock

    return method(name)(pair(name, **options)).weights(Clock(0, 0, 0.0))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(methods()))
def test_a_step_of_every_method_moves_the_student_and_leaves_the_teacher(name):
    given = pair(name)
    before = {key: x.clone() for key, x in given.student.state_dict().items()}
    kept = {key: x.clone() for key, x in given.teacher.state_dict().items()}
    objective = method(name)(given)
    learner = Learner(
        given.student,
        objective,
        lambda named: torch.optim.SGD(named, lr=0.01),
        teachers={"teacher": frozen(given.teacher)},
    )
    (epoch,) = train({"student": learner}, given.lesson.batches(), 1)
    assert all(torch.tensor(list(epoch.losses["student"].values())).isfinite())
    moved = [key for key, x in given.student.state_dict().items() if not torch.equal(x, before[key])]
    assert any("layer1" in key for key in moved)
    assert all(torch.equal(x, kept[key]) for key, x in given.teacher.state_dict().items())
    assert losses_in(objective)


def test_the_families_are_the_files():
    known = {name: family(function) for name, function in methods().items()}
    assert known.keys() >= PUBLISHED_TERMS
    assert expanded(["feature"]) == [name for name, where in known.items() if where == "feature"]
    assert (
        expanded(["all"]) == [name for name, where in known.items() if where in FAMILIES]
        and expanded(["kd", "all"])[0] == "kd"
    )
    assert expanded(["kd", "kd", "0.5*kd+at"]) == ["kd", "0.5*kd+at"]


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("kd", {}, {"label": 0.1, "soft": 0.9}),
        ("at", {}, {"label": 1.0, "attention": 1000.0}),
        ("hint", {}, {"label": 1.0, "hint": 100.0}),
        ("sp", {}, {"label": 1.0, "similarity": 3000.0}),
        ("rkd", {}, {"label": 1.0, "distances": 25.0, "angles": 50.0}),
        ("pkt", {}, {"label": 1.0, "neighbours": 3e4}),
        ("direction", {}, {"label": 1.0, "direction": 1.0}),
        ("crd", {}, {"label": 1.0, "contrast": 0.8}),
        ("crd_kd", {}, {"label": 1.0, "soft": 1.0, "contrast": 0.8}),
        ("standardized", {}, {"label": 0.1, "standardized": 9.0}),
        ("review", {}, {"label": 1.0, "review": 0.6 / 20}),
        ("review", {"named": ("resnet110", "resnet32")}, {"label": 1.0, "review": 1 / 20}),
        ("review", {"named": ("resnet32x4", "shufflenet_v2"), "epochs": 12}, {"label": 1.0, "review": 8.0}),
        ("dkd", {}, {"label": 1.0, "decoupled": 1 / 20}),
        ("simkd", {}, {"fed": 1.0}),
    ],
)
def test_weights_are_the_published_ones(name, options, expected):
    assert weights_of(name, **options) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("named", "beta"),
    [(("resnet56", "resnet20"), 2), (("wrn_40_2", "wrn_16_2"), 6), (("vgg13", "vgg8"), 6),
     (("resnet32x4", "resnet8x4"), 8),
     (("vgg13", "mobilenet_v2"), 8)],
)  # fmt: skip
def test_the_weight_of_other_classes_depends_on_the_pair(named, beta):
    assert method("dkd")(pair(named=named)).terms["decoupled"].loss.keywords["others_weight"] == beta


def test_methods_add_up_to_one_objective_with_one_label():
    assert weights_of("0.5*kd + at + 2*kd") == pytest.approx(
        {"label": 1.0, "soft": 0.45, "attention": 1000.0, "soft_3": 1.8}
    )


def test_strength_is_of_all_but_the_label():
    from tutelage.objective import Clock

    published = method("dkd")(pair())
    for _ in range(2):
        objective = stronger(published, 3.0)
        assert objective.weights(Clock(9, 0, 0.0)) == pytest.approx({"label": 1.0, "decoupled": 1.5})
    assert published.weights(Clock(9, 0, 0.0)) == pytest.approx({"label": 1.0, "decoupled": 0.5})


def test_the_label_of_every_method_is_the_tasks_own():
    regression = replace(pair(), task=REGRESSION)
    for name in sorted(PUBLISHED_TERMS - {"simkd"}):
        terms = method(name)(regression).terms
        assert "label" not in terms or terms["label"].loss is REGRESSION.labels().loss, name
    assert method("kd+at")(regression).terms["label"].loss is REGRESSION.labels().loss


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("kdd", "There is no method 'kdd'. Did you mean 'kd' or "),
        ("respons", "Did you mean 'response'"),
        ("KD", "There is no method 'KD'. Did you mean 'kd'"),
        ("adaptive", r"There is no method 'adaptive' for one teacher or for a sum: alone, as joint\('adaptive'\)"),
        ("kd+geometric", r"There is no method 'geometric' for one teacher or for a sum"),
        ("nope", r"There is no method 'nope'\. The methods are crd, .*kd, dkd, .*semckd"),
        ("tutelage.losses.kd:soft_targets", r"soft_targets takes \(student, teacher, .*\): a loss, which"),
        ("x*kd", "'x' is not a number"),
        ("nan*kd", "is a finite number, 0 or more; got nan in 'nan\\*kd'"),
        ("at + -1*kd", "is a finite number, 0 or more; got -1"),
        ("1e400*kd", "is a finite number, 0 or more; got 1e400"),
        ("kd + 1e308*at", r"is 0 or from 1e-06 to 1e\+06; got 1e308 in '1e308\*at'"),
        ("1e-320*kd", "is 0 or from 1e-06"),
        ("0*kd + -0.0*at", "here every factor is 0"),
        ("*kd", "'' is not a number"),
        ("2*3*kd", r"'2\*3' is not a number"),
        ("kd+", "There is no method ''"),
        ("nowhere.lab:mine", "cannot be imported: there is no module 'nowhere' here"),
        ("tutelage.methods.response:absent", "has no 'absent'"),
        ("torch:pi", "is a float; a method is a function"),
        (":mine", "goes by its path"),
        ("my lab:mine", "goes by its path"),
    ],
)
def test_a_method_that_nobody_knows_is_refused_in_one_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        method(text)


def test_a_method_of_ones_own_is_found_by_its_path():
    assert method("tutelage.methods.response:kd") is methods()["kd"]


def test_a_method_of_ones_own_is_looked_for_in_the_current_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "lab_of_methods.py").write_text("from tutelage.methods.response import kd as mine", encoding="utf-8")
    assert method("lab_of_methods:mine") is methods()["kd"]
    del sys.modules["lab_of_methods"]


def test_every_published_cell_belongs_to_a_method():
    names = {"teacher", "baseline", *methods()}
    assert all(column.keys() <= names for column in published.COLUMNS.values())
    assert published.gains("resnet20", "resnet8") == published.gains("resnet56", "resnet20")
    assert published.gains("vgg13", "mobilenet_v2")["at"] == -5.2


def test_simkd_cuts_only_networks_it_knows_how_to_cut():
    with pytest.raises(ValueError, match="pool, flatten, head"):
        borrowing(lambda: torch.nn.Sequential(torch.nn.Linear(2, 2)), student_of_five, 16)


def hasty(named: Named) -> torch.optim.Optimizer:
    return torch.optim.SGD(named, lr=1e9, momentum=0.9, weight_decay=1.0)


def test_a_step_that_is_timed_moves_nothing_and_so_cannot_diverge(tmp_path):
    student = student_of_five()
    before = {name: p.clone() for name, p in student.named_parameters()}
    trial = Trial(lambda: student, Plan(Lesson(SMALL, batch_size=10), hasty, epochs=1))
    with Run("lab:timed", root=tmp_path, device="cpu", exact=True) as run:
        step = stepping(run, trial)
        for _ in range(3):
            step()
    assert all(torch.equal(p, before[name]) for name, p in student.named_parameters())


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), -1, "1", None])
@pytest.mark.parametrize("name", ["kd", "dkd"])  # a weight that is a number, and one that follows the clock
def test_a_strength_is_refused_as_the_weight_of_a_term(name, strength):
    for refused in (partial(stronger, method(name)(pair(name))), lambda x: added([method(name)], [x])):
        with pytest.raises(ValueError, match="The weight of a term is a finite number, 0 or more; got "):
            refused(strength)
