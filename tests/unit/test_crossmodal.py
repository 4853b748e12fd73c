"""Transfer from one modality to another: no label is within reach, and no gradient reaches the teacher."""

from dataclasses import replace
from functools import partial
from typing import cast

import pytest
import torch
from torch import nn
from torchjd.aggregation import UPGrad

from examples import bits, same
from stopping import LEFT, stopping
from tutelage.combine.base import Combine
from tutelage.combine.projector import exact_projector
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.data.labelled import Labelled, labelled
from tutelage.data.lesson import Lesson
from tutelage.data.split import held_out
from tutelage.data.transforms import Transform
from tutelage.data.views import CROP_FLIPS, crop_flip, in_order, some_of
from tutelage.learn import train
from tutelage.losses.crd import CRD
from tutelage.methods.by_name import PUBLISHED, expanded, method, methods
from tutelage.methods.check import check_methods
from tutelage.methods.pair import Pair
from tutelage.methods.transfer import as_labels_allow
from tutelage.models.named import known
from tutelage.models.resnet import resnet8
from tutelage.optimizers.usual import sgd
from tutelage.recipes.cifar100.crossmodal import crossmodal_smoke
from tutelage.recipes.cifar100.images import in_both, in_lightness
from tutelage.run import Run
from tutelage.schemes.answers import Conditions
from tutelage.schemes.by_method import Teaching, by_method, prepared
from tutelage.schemes.distill import distilled
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.stages.storage import Finished
from tutelage.study.experiments.transfer import Transfer, _in_words, judged
from tutelage.study.sets import Sets
from tutelage.study.trials import Outcome, Trained, Trial
from tutelage.teachers.frozen import frozen, on
from tutelage.teachers.stores import in_folder

pytestmark = pytest.mark.slow

G = torch.Generator().manual_seed(9)
PICTURES = torch.randint(0, 256, (40, 3, 16, 16), dtype=torch.uint8, generator=G)
WHOLE = labelled("pictures", PICTURES, torch.arange(40) % 5, tuple("abcde"))
REST, FEW = held_out(WHOLE, 10)
TEACHER = partial(resnet8, num_classes=5, num_channels=1)
STUDENT = partial(resnet8, num_classes=5, num_channels=2)
WITHOUT_LABELS = ["kd", "at", "hint_last", "kd+at", "crd"]
NEED_LABELS = ["dkd", "nkd", "wsl"]


def plan_of(data: Labelled, transform: Transform = crop_flip, views: int = CROP_FLIPS, epochs: int = 1) -> Plan:
    lesson = Lesson(data, None, in_both(transform), views, batch_size=10, seed=1)
    return Plan(lesson, partial(sgd, lr=0.05), epochs)


TRANSFER = plan_of(REST.unlabelled())


def opened(root):
    return Run("toy:crossmodal", root=root, exact=True, device="cpu")


def teacher_in(run):
    lesson = Lesson(FEW, None, in_lightness(crop_flip), CROP_FLIPS, batch_size=10)
    return run.stage("teacher", TEACHER, partial(supervised, plan=Plan(lesson, partial(sgd, lr=0.05), 1))).last


def teaching(name, teacher, **changes):
    return Teaching(method(name), teacher, ("resnet8", "resnet8"), teacher_sees="luminance", **changes)


def pair_of(plan=TRANSFER):
    torch.manual_seed(0)
    return Pair(TEACHER(), STUDENT(), plan.lesson, plan.epochs, ("resnet8", "resnet8"), teacher_sees="luminance")


def upgrad() -> Combine:
    return ResolveConflicts(UPGrad(projector=exact_projector()))


def test_a_step_without_labels_reaches_both_embeddings_and_the_student_and_never_the_teacher():
    pair = pair_of()
    before = bits(pair.teacher)
    objective = as_labels_allow(method("crd")(pair), REST.unlabelled())
    assert list(objective.terms) == ["contrast"]
    (crd,) = (module for module in objective.modules() if isinstance(module, CRD))
    learner = TRANSFER.learner(pair.student, objective, {"teacher": frozen(pair.teacher, on("luminance"))})
    started = bits(crd), bits(pair.student)
    training = train({"student": learner}, TRANSFER.lesson.batches(), 1, pause=lambda _clock: True)
    next(iter(training))
    for embed in (crd.embed_student, crd.embed_teacher):
        assert embed.weight.grad is not None and embed.weight.grad.abs().sum() > 0
    body = [p for name, p in pair.student.named_parameters() if not name.startswith("head")]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in body)
    assert all(p.grad is None for p in pair.teacher.parameters()) and same(before, bits(pair.teacher))
    assert not torch.equal(started[0]["embed_teacher.weight"], crd.embed_teacher.weight)
    assert not torch.equal(started[1]["stem.conv.weight"], pair.student.stem.conv.weight)


def test_where_nobody_knows_the_classes_any_other_sample_is_a_negative():
    (crd,) = (x for x in method("crd")(pair_of()).modules() if isinstance(x, CRD))
    assert torch.equal(crd.classes, torch.arange(len(REST))) and crd.negatives == len(REST) - 1
    (known_classes,) = (x for x in method("crd")(pair_of(plan_of(REST))).modules() if isinstance(x, CRD))
    assert known_classes.negatives == len(REST) - int(REST.targets.bincount().max())


@pytest.mark.filterwarnings("ignore:Nothing to merge")  # of one loss
@pytest.mark.parametrize("combine", [WeightedSum, upgrad])
@pytest.mark.parametrize("name", WITHOUT_LABELS)
def test_any_method_transfers_under_any_rule(tmp_path, name, combine):
    with opened(tmp_path) as run:
        teacher = teacher_in(run)
        before = bits(teacher)
        taught = teaching(name, teacher, combine=combine)
        student = run.stage(name, STUDENT, partial(by_method, plan=TRANSFER, teaching=taught))
    assert "label" not in student.records[0]["losses"]["student"] and same(bits(teacher), before)
    torch.manual_seed(0)
    fresh = STUDENT()
    assert not torch.equal(student.last.layer3.block1.conv1.weight, fresh.layer3.block1.conv1.weight)


def test_labels_that_were_shuffled_change_neither_key_nor_bits(tmp_path):
    shuffled = replace(REST, targets=REST.targets.flip(0))
    assert not torch.equal(shuffled.targets, REST.targets)
    with opened(tmp_path / "a") as run, opened(tmp_path / "b") as other:
        made = []
        for at, data in ((run, REST), (other, shuffled)):
            taught = teaching("crd", teacher_in(at))
            made.append(at.stage("crd", STUDENT, partial(by_method, plan=plan_of(data.unlabelled()), teaching=taught)))
    assert made[0].key == made[1].key and same(bits(made[0].last), bits(made[1].last))


def test_the_view_of_the_teacher_is_that_of_the_student():
    batch = next(iter(TRANSFER.lesson.batches()(0, 0)))
    moved = crop_flip(WHOLE.inputs[batch["index"]], batch["view"])
    assert torch.equal(batch["luminance"], in_lightness(lambda x, _v: x)(moved, batch["view"])["input"])


@pytest.mark.parametrize(("views", "cache_views"), [(CROP_FLIPS, 0), (2, 16)])
@pytest.mark.parametrize("name", ["crd", "kd+at"])
def test_stopped_in_the_middle_it_goes_on_to_the_same_bits(tmp_path, name, views, cache_views):
    stops = partial(stopping, transform=crop_flip)
    transform = stops if views == CROP_FLIPS else some_of(stops, (80, 81))
    plan = plan_of(REST.unlabelled(), transform, views, epochs=3)

    def transfer(root):
        with opened(root) as run:
            fit = partial(by_method, plan=plan, teaching=teaching(name, teacher_in(run), cache_views=cache_views))
            return run.stage("student", STUDENT, fit, seed=3)

    straight = transfer(tmp_path / "straight")
    with opened(tmp_path / "broken") as run:
        teacher_in(run)
    LEFT.append(8)
    with pytest.raises(SystemExit):
        transfer(tmp_path / "broken")
    assert not LEFT and list((tmp_path / "broken" / "stages").glob("*/checkpoint*"))
    resumed = transfer(tmp_path / "broken")
    assert resumed.key == straight.key and same(bits(resumed.last), bits(straight.last))


def test_kept_answers_are_the_teachers_about_lightness_in_each_view(tmp_path):
    plan, teacher = plan_of(REST.unlabelled(), some_of(crop_flip, (0, 80, 81)), views=3), TEACHER().eval()
    teacher._tutelage_stage_key = "teacher"
    conditions = Conditions(tmp_path, torch.float32, exact=True)
    _, asked = prepared(STUDENT(), teaching("kd", teacher), plan, conditions, in_folder)
    kept = asked["teacher"]
    live = frozen(teacher, on("luminance"))
    for batch in (batch for epoch in range(4) for batch in plan.lesson.batches()(epoch, 0)):
        scene, wanted = {"batch": batch}, frozenset({"output"})
        answers = live(scene, wanted)["output"].half().float()
        torch.testing.assert_close(kept(scene, wanted)["output"], answers, atol=2e-3, rtol=2e-3)


def test_answers_about_another_input_are_kept_elsewhere(tmp_path):
    """The same network, pictures and views, but another part of them."""
    both = Labelled("x", PICTURES, WHOLE.targets, WHOLE.index, WHOLE.classes, {"other": PICTURES.flip(1)})
    plan = Plan(Lesson(both, transform=crop_flip, num_views=2, batch_size=10), partial(sgd, lr=0.1), 1)
    teacher = resnet8(5).eval()
    teacher._tutelage_stage_key = "teacher"
    conditions = Conditions(tmp_path, torch.float32, exact=True)
    batch = next(iter(plan.lesson.batches()(0, 0)))
    for sees in ("input", "other"):
        taught = Teaching(method("kd"), teacher, ("t", "s"), teacher_sees=sees)
        _, asked = prepared(resnet8(5), taught, plan, conditions, in_folder)
        kept = asked["teacher"]
        live = frozen(teacher, on(sees))({"batch": batch}, frozenset({"output"}))["output"]
        torch.testing.assert_close(kept({"batch": batch}, frozenset({"output"}))["output"], live, atol=2e-3, rtol=2e-3)
    assert len(list((tmp_path / "answers").iterdir())) == 2


@pytest.mark.parametrize("name", [*NEED_LABELS, "kd+dkd"])
def test_methods_that_compare_with_labels_are_refused_in_one_sentence(name):
    words = rf"^The method {name.rpartition('+')[2]}.* cannot .*: The samples of 'pictures' have no labels, and '"
    with pytest.raises(ValueError, match=words) as refused:
        check_methods(pair_of(), {name: method(name)})
    assert "\n" not in str(refused.value)


def test_all_other_published_methods_are_taken_without_labels():
    taken = {*expanded(PUBLISHED), "hint_last"} - {*NEED_LABELS, "simkd"}  # that one has a student of its own
    check_methods(pair_of(), {name: one for name, one in methods().items() if name in taken})
    with_labels = pair_of(plan_of(REST))
    check_methods(with_labels, {name: method(name) for name in NEED_LABELS})


def test_the_labels_of_a_scheme_that_wants_some_are_refused(tmp_path):
    with opened(tmp_path) as run:
        teacher = teacher_in(run)
        fit = partial(distilled, plan=TRANSFER, teacher=teacher, temperature=4.0, label=0.1, soft=0.9)
        with pytest.raises(ValueError, match=r"^The samples of 'pictures' have no labels, and 'label' compares"):
            run.stage("student", STUDENT, fit)


def test_the_refusal_says_that_there_are_no_labels_and_who_needs_none():
    words = "^The method dkd cannot learn from a transfer set without labels: .* such as kd, at, hint_last or crd"
    with pytest.raises(ValueError, match=words):
        check_methods(pair_of(), {"dkd": method("dkd")})


WORDS = r"have no labels|must leave some of 250 images for the transfer|--images\.validation must be more than 0 here"
BLIND = {"images": replace(crossmodal_smoke.keywords["images"], validation=0)}


@pytest.mark.parametrize("changes", [{"methods": ("kd", "dkd")}, {"labelled": 250}, {"labelled": 10_000}, BLIND])
def test_the_recipe_refuses_before_anything_is_trained(tmp_path, changes):
    with Run("cifar100:crossmodal", "smoke", root=tmp_path, device="cpu") as run:
        with pytest.raises(ValueError, match=WORDS):
            crossmodal_smoke(run, **changes)
        assert not (tmp_path / "stages").exists()


@pytest.mark.parametrize("name", ["lenet5", "resnet8(num_channels=1)"])
def test_a_student_of_grey_pictures_is_refused_where_it_sees_colours(tmp_path, name):
    from tutelage.recipes.cifar100.settings import SMOKE

    with Run("cifar100:crossmodal", "smoke", root=tmp_path, device="cpu") as run:
        with pytest.raises(ValueError, match=r"does not answer samples of shape \(2, 32, 32\)"):
            crossmodal_smoke(run, student=replace(SMOKE["student"], name=name))
        assert not (tmp_path / "stages").exists()


def test_grey_pictures_are_refused_where_colours_are_to_be_seen():
    grey = labelled("grey", PICTURES[:, :1], WHOLE.targets)
    with pytest.raises(ValueError, match="grey ones have no colour"):
        next(iter(in_order(grey, batch_size=4, transform=in_both(crop_flip))(0, 0)))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", sorted(name for name, build in known().items() if not isinstance(build, partial)))
def test_every_network_takes_pictures_of_any_number_of_channels(name, channels):
    size = 28 if name == "lenet5" else 32
    with torch.device("meta"):
        network: nn.Module = known()[name](num_channels=channels).eval()
        assert network(torch.empty(2, channels, size, size)).shape[0] == 2


# ---- what students are worth

SETS = Sets(FEW, FEW, FEW)


class Stages:
    """A run in which every stage is done already, and some diverge."""

    def __init__(self, errors, failing=()):
        self.errors, self.failing, self.progress, self.notes = errors, failing, self, []

    def note(self, text):
        self.notes.append(text)

    def stage(self, name, *_, **__):
        if name in self.failing:
            raise FloatingPointError("the loss is not finite")
        torch.manual_seed(0)
        return Finished(name, "", STUDENT(), STUDENT(), [{"validation": {"errors": self.errors.get(name, 5)}}], None)


def transferred(*names):
    plan = plan_of(FEW)
    trained = {x: Trained(Trial(STUDENT, plan), Stages({}).stage(x)) for x in names}
    return Transfer(STUDENT, plan, plan, Outcome(trained, {}), "small")


def test_the_tuned_student_that_is_best_on_validation_leads():
    found, diverged = judged(cast(Run, Stages({"at, tuned": 2, "kd, tuned": 3, "random, tuned": 0})),
                             transferred("kd", "at"), SETS)  # fmt: skip
    assert list(found)[:2] == ["at, tuned", "random, tuned"] and not diverged and len(found) == 6


@pytest.mark.parametrize("failing", ["at, tuned", "at, probe"])
def test_a_student_that_diverges_on_labels_is_told_and_the_others_go_on(failing):
    run = Stages({"at, tuned": 2}, [failing])
    found, diverged = judged(cast(Run, run), transferred("kd", "at"), SETS)
    assert diverged == {failing: "the loss is not finite"} and len(found) == 5 and len(run.notes) == 1
    assert next(iter(found)) == ("kd, tuned" if failing == "at, tuned" else "at, tuned")


def test_where_all_that_was_taught_diverges_the_untaught_student_leads_and_its_own_failure_is_raised():
    found, diverged = judged(cast(Run, Stages({}, ["kd, tuned"])), transferred("kd"), SETS)
    assert next(iter(found)) == "random, tuned" and list(diverged) == ["kd, tuned"]
    with pytest.raises(FloatingPointError):
        judged(cast(Run, Stages({}, ["random, probe"])), transferred("kd"), SETS)


def test_a_diverged_student_has_an_empty_place_in_the_table(tmp_path, monkeypatch):
    real = Run.stage

    def hasty(run, name, *given, **named):
        if name == "kd, tuned":
            raise FloatingPointError("the loss is not finite")
        return real(run, name, *given, **named)

    monkeypatch.setattr(Run, "stage", hasty)
    with Run("cifar100:crossmodal", "smoke", root=tmp_path, device="cpu") as run:
        crossmodal_smoke(run)
        (table,), headline = run._results.tables, run._results.headline
    rows = {row[0]: row for row in table.rows}
    assert rows["kd"][3:5] == (None, None) and None not in rows["kd"][1:3] and None not in rows["crd"][:5]
    assert "kd, tuned diverged: the loss is not finite." in table.note
    assert "taught by crd, the method chosen on validation" in headline


def test_the_headline_speaks_of_the_one_chosen_on_validation_and_of_the_untaught_beside_it():
    figures = {"random, probe": 40.0, "random, tuned": 50.0, "kd, probe": 35.0, "kd, tuned": 49.0, "at, probe": 60.0,
               "at, tuned": 61.0, "all labels": 70.0}  # fmt: skip
    assert _in_words("small", figures, "kd", 20) == (
        "Test accuracy of small, 20 labels; taught by kd, the method chosen on validation: tuned 49.0 %, untaught "
        "50.0 %; under a linear layer 35.0 %, untaught 40.0 %. With all labels 70.0 %."
    )
