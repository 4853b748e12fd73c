"""What recipes say of ensembles and their students: accuracies together, the gain that is kept, and what is claimed."""

from functools import partial

import pytest
import torch
from torch import nn

from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.data.views import plain
from tutelage.keys import STAGE_KEY
from tutelage.losses.kd import arithmetic, geometric
from tutelage.measures.ensemble import ensemble_errors
from tutelage.methods.by_name import joint
from tutelage.models.mlp import mlp
from tutelage.optimizers.usual import sgd
from tutelage.recipes.cifar100.crd_ensemble import SOFT, claim_contrast, crd_ensemble
from tutelage.recipes.cifar100.ensemble import claim_ensemble, ensemble
from tutelage.recipes.cifar100.members import Measured
from tutelage.recipes.cifar100.settings import Images, Members
from tutelage.results import Network, Score
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.study.experiments.ensembles import curve_of, refuse_too_few, refuse_unfit, student_of, together, trials_of
from tutelage.study.sets import Sets
from tutelage.study.settings import NetworkSettings
from tutelage.tasks.classification import ACCURACY

TEST = digits(60, seed=1, name="synthetic/test")
HOW = (joint("arithmetic"), "several teachers")


def network(name, accuracy):
    score = Score(accuracy, (accuracy - 1, accuracy + 1))
    return Network(name=name, role="student", label=name, count=100, scores={"accuracy": score})


def measured(accuracies, whole=(60.0, 64.0), singles=(60.0, 60.0)):
    networks = {name: network(name, value) for name, value in accuracies.items()}
    return Measured(networks, {"arithmetic": list(whole), "geometric": list(whole)}, list(singles))


class Claims:
    """A run that remembers what is claimed."""

    def __init__(self):
        self.made = {}

    def claim(self, claim):
        self.made[claim.name] = claim


def test_the_first_members_answer_together_as_the_test_set_looks():
    nets = [mlp((784, 12, 10)).eval() for _ in range(3)]
    sets = Sets(TEST, None, TEST, test_transform=negative)
    found = together(nets, sets, ACCURACY)
    shown = [net(negative(TEST.inputs, None).float() / 255) for net in nets]
    for number in range(1, 4):
        mean = torch.stack([logits.softmax(-1) for logits in shown[:number]]).mean(0)
        right = (mean.argmax(1) == TEST.targets).float().mean().item()
        assert found["arithmetic"][number - 1] == pytest.approx(100 * right, abs=1e-3)
        logits = torch.stack(shown[:number]).mean(0)
        right = (logits.argmax(1) == TEST.targets).float().mean().item()
        assert found["geometric"][number - 1] == pytest.approx(100 * right, abs=1e-3)
    plainly = together(nets, Sets(TEST, None, TEST), ACCURACY)["arithmetic"][-1]
    assert plainly == pytest.approx(100 * (1 - ensemble_errors(nets, TEST, arithmetic) / 60), abs=1e-3)


def negative(images, _view):
    return 255 - images


def test_every_way_has_a_trial_with_so_many_of_the_first_members():
    members = [named(k) for k in range(3)]
    trials = trials_of(nn.Identity, None, {1: {"kd": HOW}, 3: {"kd": HOW, "crd": HOW}}, members=members,
                       names=("m", "s"), layers=("layer1",), cache_views=7)  # fmt: skip
    assert list(trials) == ["kd from 1", "kd from 3", "crd from 3"]
    (trial,) = trials["crd from 3"]
    assert trial.teaching.teachers == tuple(members) and trial.teaching.names == ("m", "m", "m", "s")
    assert trial.teaching.student_layers == ("layer1",) and trial.teaching.cache_views == 7
    assert trials["kd from 1"][0].teaching.teachers == (members[0],)


def named(k):
    net = nn.Linear(1, 1)
    setattr(net, STAGE_KEY, f"{k:016x}")
    return net


def test_the_curve_has_ensembles_and_students_and_leaves_out_what_diverged():
    found = measured({"kd from 1": 60.5, "kd from 2": 62.0})
    table = curve_of(found.networks, found.ensembles, {1: {"kd": HOW}, 2: {"kd": HOW, "crd": HOW}},
                     singles=[60.0, 60.0], metric=ACCURACY, alike=True)  # fmt: skip
    assert table.rows == (
        (1, "together, arithmetic mean", 60.0, 0.0, None),
        (2, "together, arithmetic mean", 64.0, 4.0, None),
        (1, "together, geometric mean", 60.0, 0.0, None),
        (2, "together, geometric mean", 64.0, 4.0, None),
        (1, "one student, kd", 60.5, 0.5, None),
        (2, "one student, kd", 62.0, 2.0, 0.5),
    )
    other = curve_of(
        found.networks, found.ensembles, {2: {"kd": HOW}}, singles=[60.0, 60.0], metric=ACCURACY, alike=False
    )
    assert other.rows[-1] == (2, "one student, kd", 62.0, 2.0, None)


def test_members_are_compared_with_the_mean_of_themselves_and_not_of_later_ones():
    """Members of 58, 62 and 70 %: the gain of the first two together is over 60 %."""
    found = measured({"kd from 2": 62.0}, whole=(58.0, 64.0, 69.0), singles=(58.0, 62.0, 70.0))
    table = curve_of(found.networks, {"arithmetic": found.ensembles["arithmetic"]}, {2: {"kd": HOW}},
                     singles=found.singles, metric=ACCURACY, alike=True)  # fmt: skip
    assert [row[3] for row in table.rows] == [0.0, 4.0, 5.67, 2.0] and table.rows[-1][4] == 0.5
    assert "mean of 3: 63.33" in table.note
    run, kd = Claims(), measured({"arithmetic from 2": 62.0}, (58.0, 64.0, 69.0), (58.0, 62.0, 70.0))
    claim_ensemble(run, kd, ("arithmetic",), 2, True, "", "")
    assert [claim.measured for claim in run.made.values()] == [4.0, 0.5]


def test_where_an_ensemble_is_no_better_there_is_no_share():
    found = measured({"kd from 2": 62.0}, whole=(60.0, 60.0))
    table = curve_of(found.networks, found.ensembles, {2: {"kd": HOW}}, singles=[60.0, 60.0], metric=ACCURACY,
                     alike=True)  # fmt: skip
    assert table.rows[-1] == (2, "one student, kd", 62.0, 2.0, None)


def test_an_ensemble_is_claimed_to_help_and_its_student_to_keep_most():
    run = Claims()
    found = measured({"arithmetic from 2": 63.0, "adaptive from 2": 63.4, "confident from 2": 62.5})
    claim_ensemble(run, found, ("arithmetic", "adaptive", "confident"), 2, True, "figures no", "")
    together, share, adaptive, confident = run.made.values()
    assert together.measured == 4.0 and together.low == 0.01 and together.reason == "" and together.paired
    assert share.measured == 0.75 and share.published == 0.86 and share.reason == "figures no"
    assert (adaptive.measured, confident.measured) == (0.4, -0.5)


def test_nothing_is_claimed_of_students_that_diverged_or_that_are_of_another_kind():
    run = Claims()
    claim_ensemble(run, measured({}), ("arithmetic", "adaptive"), 2, True, "", "")
    assert len(run.made) == 1
    run = Claims()
    claim_ensemble(run, measured({"arithmetic from 2": 63.0}), ("arithmetic",), 2, False, "", "")
    assert not any("keeps" in name for name in run.made)


def test_a_contrast_is_claimed_to_make_fewer_errors_and_as_few_as_published_from_eight():
    run = Claims()
    found = measured({student_of(SOFT, 1): 70.0, "crd from 1": 70.5, student_of(SOFT, 8): 71.0, "crd from 8": 71.9})
    claim_contrast(run, found, ("crd", "at"), (8, 1), "resnet20", "", "other nets")
    one, eight, errors = run.made.values()
    assert (one.measured, eight.measured) == (0.5, 0.9) and one.reason == "other nets"
    assert errors.published == 28.3 and errors.measured == 28.1 and errors.high == 28.9 and errors.reason == ""
    assert errors.interval == pytest.approx((27.1, 29.1))
    run = Claims()
    claim_contrast(run, found, ("crd",), (8,), "resnet8", "", "")
    assert not any("errors" in name and "resnet8" in name for name in run.made)


def test_more_members_than_there_are_are_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(ValueError, match=r"cannot learn from 4 of 3 members: raise --members\.count"):
        refuse_too_few({1: {}, 4: {}}, 3)
    drawn, few = Images(name="synthetic", validation=50), Members(name="resnet8", count=2)
    for recipe in (ensemble, crd_ensemble):
        with (
            Run("lab:few", root=tmp_path, device="cpu") as run,
            pytest.raises(ValueError, match="cannot learn from 3 of 2 members"),
        ):
            recipe(run, numbers=(1, 3), members=few, images=drawn)
    assert not (tmp_path / "stages").exists()


def test_a_step_is_tried_of_every_student_before_anything_is_trained(tmp_path):
    """Of two members in turn, such as fit one by one and not together."""
    nets = [mlp((784, 6, 10)), mlp((784, 6, 7))]
    plan = Plan(Lesson(TEST, batch_size=20), partial(sgd, lr=0.1), 1)
    build = partial(mlp, (784, 4, 10))

    def trials(how, members):
        return trials_of(build, plan, {2: {"it": (how, "several teachers")}}, members=members, names=("m", "s"),
                         cache_views=0)  # fmt: skip

    state = torch.get_rng_state()
    with Run("lab:few", root=tmp_path, device="cpu") as run:
        refuse_unfit(run, trials(joint("confident"), [nets[0]] * 2))
        with pytest.raises(ValueError, match=r"^The student it from 2 cannot learn from such members: .*classes; got"):
            refuse_unfit(run, trials(joint("confident"), nets))
        with pytest.raises(ValueError, match=r"^The student it from 2 cannot learn from such members: .*no such key"):
            refuse_unfit(run, trials(failing, [nets[0]] * 2))
    assert torch.equal(state, torch.get_rng_state()) and not (tmp_path / "stages").exists()


def failing(_pairs):
    raise KeyError("no such key")


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("confidant", "Did you mean 'confident'"),
        ("adaptve", "Did you mean 'adaptive'"),
        ("geometrc", "Did you mean 'geometric'"),
        ("arithmetic+kd", "for one teacher or for a sum"),
    ],
)
def test_a_misspelt_target_is_found_before_anything_is_trained(tmp_path, word, hint):
    drawn = Images(name="synthetic", validation=50)
    words = f"There is no method .*{hint}"
    with Run("lab:few", root=tmp_path, device="cpu") as run, pytest.raises(ValueError, match=words):
        ensemble(run, targets=(word,), images=drawn)


def test_members_differ_in_their_seeds_alone_and_share_none_with_a_student():
    one, other = Members(count=2).settings(), Members(count=2, seed=1).settings()
    assert [x.seed for x in (*one, *other)] == [101, 102, 201, 202]
    assert {x.name for x in one} == {"resnet20"} and one[0].training is one[1].training


def test_the_averages_of_ensembles_are_those_of_the_targets():
    assert [mean.__name__ for mean in (arithmetic, geometric)] == list(
        together([mlp((784, 4, 10))], Sets(TEST, None, TEST, test_transform=plain), ACCURACY)
    )


@pytest.mark.parametrize(
    ("whole", "words"), [(62.0, "It keeps 0.50 of the gain."), (60.0, "the members together were no better than")]
)
def test_the_headline_says_why_there_is_no_share_of_a_gain(tmp_path, monkeypatch, whole, words):
    network = Network("arithmetic from 2", "student", "", 60, {"accuracy": Score(61.0)})
    found = Measured({network.name: network}, {"arithmetic": [60.0, whole]}, [59.0, 61.0])
    monkeypatch.setattr("tutelage.recipes.cifar100.members.taught", lambda *_: found)
    alike = Members(count=2, name="resnet8"), NetworkSettings(name="resnet8")
    with Run("lab:few", root=tmp_path, device="cpu") as run:
        ensemble(run, targets=("arithmetic",), numbers=(2,), members=alike[0], student=alike[1],
                 images=Images(name="synthetic", validation=50))  # fmt: skip
        headline = run._results.headline
    assert words in headline and headline.count("accuracy") == 1
    assert headline.startswith("Test accuracy of a single resnet8: 60.0 %; 2 together: ")
