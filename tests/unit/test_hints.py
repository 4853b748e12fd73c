"""The two stages of FitNets on a tiny pair."""

from functools import partial

import pytest
import torch
from torchjd.aggregation import UPGrad

from examples import bits, same
from stopping import LEFT, stopping
from tutelage.combine.projector import exact_projector
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.losses.attention import attention_maps
from tutelage.losses.hint import mean_squares
from tutelage.matching.projected import projected
from tutelage.methods.pair import Pair
from tutelage.models.fitnet import thin_deep
from tutelage.models.resnet import resnet8
from tutelage.optimizers.usual import sgd
from tutelage.run import Run
from tutelage.schemes.hints import attended, faded, hint_terms, hinted, regressed
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.study.experiments.hints import depth_of, guidance, in_words, layers_of

pytestmark = pytest.mark.slow

PICTURES = torch.randint(0, 256, (20, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
SMALL = labelled("small", PICTURES, torch.arange(20) % 5, tuple("abcde"))


def upgrad():
    return ResolveConflicts(UPGrad(projector=exact_projector()))


def scaled():
    """Another loss of two layers that owns weights."""
    return projected(mean_squares)


PLAN = Plan(Lesson(SMALL, SMALL, stopping, batch_size=10), partial(sgd, lr=0.05), epochs=2)
TEACHER = partial(resnet8, num_classes=5)
STUDENT = partial(thin_deep, ((4, 4, 4), (6, 6, 6), (8, 8, 8)), 5, hidden=8)
FADING = {"temperature": 3.0, "first": 4.0, "last": 1.0}


def opened(root):
    return Run("lab:fitnets", root=root, device="cpu", exact=True)


def teacher_of(run):
    return run.stage("teacher", TEACHER, partial(supervised, plan=PLAN)).last


def moved(build, finished, seed):
    torch.manual_seed(seed)
    before, after = build().state_dict(), finished.last.state_dict()
    return {key.partition(".")[0] for key in before if not torch.equal(before[key], after[key])}


FIRST_STAGES = {
    "one hint": ({"guided": "layer2", "hint": "layer2"}, {"layer1", "layer2"}),
    "another loss": ({"guided": "layer1", "hint": "layer1", "match": scaled, "weight": 3.0}, {"layer1"}),
    "attention": (
        {"guided": ("layer1", "layer2"), "hint": ("layer1", "layer2"), "match": attended, "weight": 1000.0},
        {"layer1", "layer2"},
    ),
    "several, each with a regressor": (
        {"guided": ("layer1", "layer3"), "hint": ("layer1", "layer3")},
        {"layer1", "layer2", "layer3"},
    ),
}


@pytest.mark.parametrize("combine", [WeightedSum, upgrad])
@pytest.mark.parametrize("case", FIRST_STAGES)
def test_hints_move_what_lies_below_and_nothing_else(tmp_path, case, combine):
    """A student that is thinner and deeper than its teacher: what lies above keeps its bits, as the teacher does."""
    settings, below = FIRST_STAGES[case]
    with opened(tmp_path) as run:
        teacher = teacher_of(run)
        kept = bits(teacher)
        alone = isinstance(settings["guided"], str)  # a single loss leaves a rule nothing to do, and it says so
        rule = {} if alone else {"combine": combine}
        begin = partial(hinted, plan=PLAN, teacher=teacher, **settings, **rule)
        first = run.stage("hints", STUDENT, begin, seed=3)
        second = partial(faded, plan=PLAN, start=first.last, teacher=teacher, combine=combine, **FADING)
        student = run.stage("fitnet", STUDENT, second, seed=4)
    assert moved(STUDENT, first, 3) == below
    assert same(bits(teacher), kept) and all(p.grad is None for p in teacher.parameters())
    assert not torch.equal(student.last.head.weight, first.last.head.weight)
    assert [record["weights"]["student"]["soft"] for record in student.records] == [4 / 9, 2.5 / 9]
    assert depth_of(student.last) == 11 > depth_of(teacher)
    terms = {name for record in first.records for name in record["losses"]["student"]}
    assert terms == ({"hint"} if alone else {"hint1", "hint2"})


def still(build):
    return build().requires_grad_(False)


def test_what_is_not_said_changes_no_key(tmp_path):
    with opened(tmp_path) as run:
        teacher = teacher_of(run)
        fit = partial(hinted, plan=PLAN, teacher=teacher, guided="layer1", hint="layer1")
        keys = [run.stage("hints", TEACHER, partial(fit, **own)) for own in ({}, {"match": regressed})]
    assert same(bits(keys[0].last), bits(keys[1].last)) and keys[0].key != keys[1].key


def test_the_second_stage_begins_where_the_first_one_ended(tmp_path):
    with opened(tmp_path) as run:
        teacher = teacher_of(run)
        begin = partial(hinted, plan=PLAN, teacher=teacher, guided="layer1", hint="layer1")
        end = partial(faded, plan=PLAN, teacher=teacher, **FADING)
        start = run.stage("hints", STUDENT, begin).last
        ends = [run.stage("end", STUDENT, partial(end, start=start), seed=seed) for seed in (1, 2)]
        anew = run.stage("end", STUDENT, partial(end, start=None), seed=1)
    assert same(bits(ends[0].last), bits(ends[1].last)) and not same(bits(ends[0].last), bits(anew.last))


@pytest.mark.parametrize(("stage", "place"), [("hints", 2), ("hints", 4), ("fitnet", 3), ("fitnet", 5)])
def test_interrupted_within_either_stage_it_goes_on_to_the_same_bits(tmp_path, stage, place):
    def fitnet(root):
        with opened(root) as run:
            teacher = teacher_of(run)
            LEFT[:] = [place] if (root.name, stage) == ("broken", "hints") else []
            layers = {"guided": ("layer1", "layer2"), "hint": ("layer1", "layer2")}
            first = run.stage("hints", STUDENT, partial(hinted, plan=PLAN, teacher=teacher, **layers), seed=3)
            LEFT[:] = [place] if (root.name, stage) == ("broken", "fitnet") else []
            second = partial(faded, plan=PLAN, start=first.last, teacher=teacher, **FADING)
            return run.stage("fitnet", STUDENT, second, seed=3)

    expected = fitnet(tmp_path / "straight")
    with pytest.raises(SystemExit):
        fitnet(tmp_path / "broken")
    (tmp_path / "broken").rename(tmp_path / "again")
    assert same(bits(fitnet(tmp_path / "again").last), bits(expected.last))


def test_a_batch_twice_is_the_same_hint_and_channels_twice_are_twice_the_hint():
    objective = hint_terms("x", "y", lambda: regressed().make(torch.Size([2, 4, 6, 6]), torch.Size([2, 3, 6, 6])))
    student, teacher = torch.randn(2, 4, 6, 6), torch.randn(2, 3, 6, 6).relu()

    def loss(s, t):
        return objective({"student": {"x": s}, "teacher": {"y": t}}, ["hint"])["hint"].item()

    assert loss(*(torch.cat([x, x]) for x in (student, teacher))) == pytest.approx(loss(student, teacher), rel=1e-5)
    regressor = objective.terms["hint"].loss.projector[0]
    for p in regressor.parameters():
        p.data = torch.cat([p.data, p.data])
    single = hint_terms("x", "y", lambda: mean_squares)
    double = torch.cat([teacher, teacher], 1)
    assert loss(student, double) == pytest.approx(2 * first_half(objective, student, teacher), rel=1e-5)
    maps = {"student": {"x": torch.cat([teacher + 1] * 2, 1)}, "teacher": {"y": double}}
    assert single(maps, ["hint"])["hint"].item() == pytest.approx(1.0, rel=1e-5)


def first_half(objective, student, teacher):
    """The hint with the first half of the regressor's channels, which are as many as the teacher has."""
    answer = objective.terms["hint"].loss.projector(student)[:, : teacher.shape[1]]
    return ((answer - teacher) ** 2).sum(1).mean().item() / 2


class TestLayers:
    def pair(self, student=(), teacher=()):
        return Pair(TEACHER(), STUDENT(), Lesson(SMALL, batch_size=10), 1, ("", ""), teacher, student)

    def test_the_middle_ones_or_all_of_them_pair_by_pair(self):
        assert layers_of(self.pair(), "middle") == ("layer2", "layer2")
        assert layers_of(self.pair(), "all") == (("layer1", "layer2", "layer3"),) * 2
        assert layers_of(self.pair(("layer1", "layer3"), ("layer2", "layer3")), "middle") == ("layer3", "layer3")
        assert in_words("layer2") == "layer2" and in_words(("a", "b")) == "a, b"

    def test_stage_one_is_a_method_that_can_be_tried(self):
        one = guidance(self.pair(), loss="regressor", layers="middle")
        all_of_them = guidance(self.pair(), loss="attention", layers="all")
        assert one.reads(["hint"]) == {("student", "layer2"), ("teacher", "layer2")}
        assert [term.loss for term in all_of_them.terms.values()] == [attention_maps] * 3
        assert {term.weight for term in all_of_them.terms.values()} == {1000.0} and one.terms["hint"].weight == 1

    @pytest.mark.parametrize(("guided", "hint"), [(("a",), ("a", "b")), ((), ()), ("a", ("a", "b"))])
    def test_a_layer_without_its_hint_is_refused(self, guided, hint):
        with pytest.raises(ValueError, match="Each guided layer of the student has its hint; got"):
            hint_terms(guided, hint)

    @pytest.mark.parametrize(("guided", "hint"), [("layer9", "layer2"), ("layer2", "layer9")])
    def test_a_layer_that_is_not_there_is_refused_before_anything_is_trained(self, tmp_path, guided, hint):
        with opened(tmp_path) as run:
            teacher = teacher_of(run)
            fit = partial(hinted, plan=PLAN, teacher=teacher, guided=guided, hint=hint)
            with pytest.raises(ValueError, match="has no layer 'layer9'"):
                run.stage("hints", STUDENT, fit)

    @pytest.mark.parametrize(
        ("build", "settings", "words"),
        [
            (TEACHER, {}, "The network to start from holds the weights of another architecture"),
            (STUDENT, {"temperature": 0.0}, "A temperature is greater than 0; got 0.0"),
        ],
    )
    def test_a_second_stage_that_cannot_begin_is_refused_in_a_sentence(self, tmp_path, build, settings, words):
        with opened(tmp_path) as run:
            teacher = teacher_of(run)
            first = run.stage(
                "hints", STUDENT, partial(hinted, plan=PLAN, teacher=teacher, guided="layer1", hint="layer1")
            )
            fit = partial(faded, plan=PLAN, start=first.last, teacher=teacher, **{**FADING, **settings})
            with pytest.raises(ValueError, match=words):
                run.stage("fitnet", build, fit)

    def test_a_student_that_is_frozen_is_refused(self, tmp_path):
        with opened(tmp_path) as run:
            fit = partial(hinted, plan=PLAN, teacher=teacher_of(run), guided="layer1", hint="layer1")
            with pytest.raises(ValueError, match="Nothing of the student trains, which hints are to guide"):
                run.stage("hints", partial(still, STUDENT), fit)

    def test_layers_that_no_regressor_fits_are_refused(self, tmp_path):
        with opened(tmp_path) as run:
            fit = partial(hinted, plan=PLAN, teacher=teacher_of(run), guided="layer3", hint="layer1")
            with pytest.raises(ValueError, match="A regressor without padding makes maps smaller"):
                run.stage("hints", STUDENT, fit)
