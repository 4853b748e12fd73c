"""Experiments: networks that are measured whatever they do, teachers that are given, trials that diverge."""

import json
import math
from dataclasses import replace
from functools import partial
from shutil import copyfile
from typing import cast

import pytest
import torch
from torch import nn

from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.data.views import normalised, plain
from tutelage.keys import key_of
from tutelage.measures.disagreements import KINDS
from tutelage.measures.errors import errors
from tutelage.measures.predict import predict
from tutelage.methods.by_name import method
from tutelage.models.mlp import mlp
from tutelage.optimizers.usual import nesterov
from tutelage.progress import Silence
from tutelage.report.groups import group_runs
from tutelage.report.page import page_html
from tutelage.report.read import read_run
from tutelage.report.story import story_of
from tutelage.results import Arguments, Claim, Network, Score
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.stages.storage import Finished
from tutelage.study.claims import cannot_decide
from tutelage.study.comparison import BASELINE, Compared, best_in_words, publish_comparison
from tutelage.study.costs import costs_of
from tutelage.study.diagnosis.measured_first import measured_first
from tutelage.study.diagnosis.pictures_tried import Way
from tutelage.study.evaluated import Evaluated, evaluate, publish_networks, validated
from tutelage.study.own.networks import PairOfNetworks, teacher_builder, teacher_of
from tutelage.study.sets import Sets, parted
from tutelage.study.settings import NetworkSettings, TeacherSettings, TrainingSettings
from tutelage.study.trials import Outcome, Trial, run_trial, run_trials
from tutelage.tasks.classification import ERRORS
from tutelage.tasks.regression import REGRESSION

pytestmark = pytest.mark.slow

TRAIN, TEST = digits(200, seed=0), digits(60, seed=1, name="synthetic/test")
DATA = Sets(TRAIN, TEST, TEST)
MLP = TeacherSettings(name="tutelage.models.mlp.mlp((784, 32, 10))")


def finished(model: nn.Module, name: str = "net", records: list | None = None, best: int | None = None) -> Finished:
    return Finished(name, "0" * 16, model, model, records or [], best)


def plan(epochs: int = 1, lr: float = 0.05) -> Plan:
    return Plan(Lesson(TRAIN, TEST, batch_size=50), partial(nesterov, lr=lr), epochs)


def undeclared(num_classes: int):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, num_classes))


def test_a_student_that_could_not_be_loaded_again_is_refused_before_anything_is_trained():
    unsaid, taught = f"{__name__}.undeclared", {"kd": method("kd")}
    with pytest.raises(ValueError, match=r"undeclared is not declared .* or call it in a function"):
        PairOfNetworks(MLP, NetworkSettings(name=unsaid), DATA).refuse_strangers(cast(Run, None), plan(), taught)
    student = NetworkSettings(name=MLP.name)
    teacher = PairOfNetworks(TeacherSettings(name=unsaid), student, DATA)
    teacher.refuse_strangers(cast(Run, None), plan(), taught)  # which nobody delivers


class Moody(nn.Module):
    """A network that looks at its values, and so cannot be asked without any."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp((784, 10))

    def forward(self, x):
        if not torch.isfinite(x).all() or len(x) == 1:
            raise RuntimeError("not this batch")
        return self.net(x)


class TestEvaluated:
    def networks(self, *roles, models=None):
        nets = models or [mlp((784, 8, 10)) for _ in roles]
        return {
            role: Evaluated(role, f"the {role}", finished(net, role)) for role, net in zip(roles, nets, strict=True)
        }

    def test_says_of_every_network_what_the_report_asks(self):
        networks = self.networks("teacher", "student", "baseline")
        measured, examples = evaluate(networks, DATA)
        assert [network.name for network in measured] == list(networks)
        for network in measured:
            model = networks[network.name].finished.last
            wrong = errors(predict(model, TEST), TEST.targets)
            assert network.scores["errors"].value == wrong and network.count == 60
            assert network.scores["accuracy"].value == pytest.approx(100 * (1 - wrong / 60), abs=1e-3)
            assert network.macs == 784 * 8 + 80 and network.best is None and network.notes == ()
            assert network.latency_ms is not None and network.latency_ms.keys() == {"1", "64"}
        assert [network.agreement is None for network in measured] == [True, False, False]
        assert examples and examples[0].kind in KINDS

    def test_has_no_examples_without_a_teacher_or_a_student(self):
        assert evaluate(self.networks("student", "baseline"), DATA)[1] == []

    def test_of_nobody_is_refused(self):
        with pytest.raises(ValueError, match="one network or more to measure; got none"):
            evaluate({}, DATA)

    def test_what_cannot_be_measured_is_noted_and_loses_nothing(self):
        networks = self.networks("teacher", "student", models=[mlp((784, 10)), Moody()])
        teacher, student = evaluate(networks, DATA)[0]
        assert student.macs is None and student.scores["errors"].value >= 0
        assert any(note.startswith("macs not measured") for note in student.notes)
        assert any(note.startswith("latency not measured") for note in teacher.notes)
        assert teacher.macs == 7840

    def test_the_best_epoch_is_the_last_one_or_is_asked_itself(self):
        first, second = mlp((784, 10)), mlp((784, 10))
        records = [{"validation": {"errors": 1, "count": 60}}, {"validation": {"errors": 2, "count": 60}}]
        one = Finished("net", "0" * 16, first, second, records, 1)
        (network,), _ = evaluate({"net": Evaluated("student", "", one)}, DATA)
        assert network.best is not None and network.best.epoch == 1
        assert network.best.scores["errors"] == errors(predict(second, TEST), TEST.targets)
        assert network.validation == {"errors": 2, "count": 60}

    @pytest.mark.parametrize("nonsense", [math.nan, math.inf, -math.inf])
    def test_a_validation_that_is_no_number_is_left_out_and_never_the_better_one(self, nonsense):
        sane, lost = (
            Finished("net", "0" * 16, mlp((784, 10)), mlp((784, 10)), [{"validation": {"errors": figure}}], None)
            for figure in (50, nonsense)
        )
        (network,), _ = evaluate({"net": Evaluated("student", "", lost)}, DATA)
        assert network.validation is None
        data = replace(DATA, validation=TEST)
        assert validated(sane, data) < validated(lost, data) == math.inf


class Lost(nn.Module):
    """A network of numbers that are none, from the sample called ``first`` on."""

    def __init__(self, value=math.nan, of=1):
        super().__init__()
        self.net, self.value, self.of = nn.Linear(784, 1), value, of

    def forward(self, x):
        answers = self.net(x.flatten(1))
        answers.view(-1)[: self.of] = self.value
        return answers


class TestNoNumbers:
    NUMBERS = labelled("numbers", TEST.inputs, TEST.targets[:, None].float())

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e38])
    def test_scores_that_are_no_numbers_are_left_out_said_and_read_again(self, value, tmp_path):
        data = Sets(self.NUMBERS, None, self.NUMBERS, task=REGRESSION)
        nets = {"teacher": Lost(0.0), "student": Lost(value), "baseline": Lost(value, of=60)}
        cast = {role: Evaluated(role, role, finished(net, role)) for role, net in nets.items()}
        with Run("lab:lost", root=tmp_path, device="cpu", exact=True) as run:
            publish_networks(run, data, cast, ())
        networks = {one.name: one for one in read_run(run.folder).results.networks}
        assert networks["teacher"].scores.keys() == {"mean squared error", "R²"}
        lost = [networks[name] for name in ("student", "baseline")]
        if value != 1e38:  # whose square is still a number in double precision
            assert all(not one.scores for one in lost)
            assert [note for one in lost for note in one.notes if "not finite" in note] == [
                f"no mean squared error and no R²: {count} of 60 answers not finite" for count in (1, 60)
            ]
        groups = group_runs([read_run(run.folder)])
        assert "student" in page_html(groups, story_of(groups))

    def test_a_network_or_a_claim_that_is_no_number_is_refused(self):
        with pytest.raises(ValueError, match=r"Scores are finite numbers; \['errors'\] of 'x' are not"):
            Network("x", "student", "", 1, {"errors": Score(math.nan)})
        with pytest.raises(ValueError, match="a finite figure"):
            Claim("x", 1.0, math.nan, "", "", high=2.0)

    def test_a_comparison_goes_on_without_them(self):
        known, lost = (Network(x, "student", "", 9, scores) for x, scores in (("a", {"errors": Score(3.0)}), ("b", {})))
        compared = Compared("Methods", ERRORS, {}, None, Outcome({"a": None, "b": None}, {}))
        words = best_in_words(compared, {"a": known, "b": lost, BASELINE: known, "teacher": known}, "large", "small")
        assert "a has 3" in words


class TestParted:
    @pytest.mark.parametrize(("asked", "kept"), [(5, 5), (15, 15), (16, 15), (1000, 15)])
    def test_a_small_set_gives_up_a_quarter_and_says_so(self, asked, kept):
        run = Quiet()
        data = parted(run, TEST, TEST, asked)
        assert len(data.validation) == kept and len(data.train) == len(TEST) - kept
        assert run.notes == (
            [] if asked == kept else ["15 samples are kept for validation, a quarter of the training samples"]
        )

    def test_only_so_many_are_trained_on_the_same_ones_whatever_is_set_apart(self):
        some = parted(Quiet(), TEST, TEST, 10, 20)
        assert len(some.train) == 20 and len(some.validation) == 10
        assert not set(some.train.index.tolist()) & set(some.validation.index.tolist())
        assert set(some.train.index.tolist()) <= set(parted(Quiet(), TEST, TEST, 10, 30).train.index.tolist())
        assert parted(Quiet(), TEST, TEST, 10, 10**6).train.checksum == parted(Quiet(), TEST, TEST, 10).train.checksum

    @pytest.mark.parametrize("numbers", [(-1, 0), (0, -1)])
    def test_numbers_below_zero_are_refused(self, numbers):
        with pytest.raises(ValueError, match="takes a number of training samples, 0 or more; got -1"):
            parted(Quiet(), TEST, TEST, *numbers)


class Quiet:
    """A run of which only what it notes is kept."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.progress = self
        self.device = torch.device("cpu")

    def note(self, text: str) -> None:
        self.notes.append(text)


class Noting(Silence):
    def __init__(self, kept):
        self.note = kept.note


class TestGivenTeacher:
    def test_that_only_guesses_is_refused_before_anything_is_trained(self):
        said = (
            r"mine\.pth makes .* errors\) on 60 samples, not clearly better than one constant answer.* it is untrained"
        )
        with pytest.raises(ValueError, match=said):
            measured_first(mlp((784, 10)), DATA, Way(), 0.0, "mine.pth", "--teacher.")

    @pytest.fixture
    def weights(self, tmp_path):
        """Files of a trained network: as others keep it, the same again, and with other numbers."""
        with Run("lab:teacher", root=tmp_path / "first", device="cpu", exact=True) as run:
            net = teacher_of(run, DATA, MLP, plan(8)).last
        state = net.state_dict()
        torch.save(
            {"state_dict": {f"module.{name}": x for name, x in state.items()}, "epoch": 8}, tmp_path / "mine.pth"
        )
        copyfile(tmp_path / "mine.pth", tmp_path / "same.pth")
        torch.save({name: 1.01 * x for name, x in state.items()}, tmp_path / "other.pth")
        return net

    def test_that_knows_something_teaches_as_it_is(self, weights, tmp_path):
        with Run("lab:given", root=tmp_path / "runs", device="cpu", exact=True) as run:
            given = teacher_of(run, DATA, replace(MLP, weights=tmp_path / "mine.pth"), plan(8))
        (stage,) = json.loads((run.folder / "stages.json").read_text())
        assert stage["kind"] == "given" and stage["epochs"] == 0 and given.records == []
        assert torch.equal(predict(given.last, TEST), predict(weights, TEST))

    @pytest.mark.usefixtures("weights")
    def test_another_file_makes_other_students_and_another_name_does_not(self, tmp_path):
        keys = {}
        for name in ("mine", "same", "other"):
            with Run(f"lab:{name}", root=tmp_path / "runs", device="cpu", exact=True) as run:
                teacher = teacher_of(run, DATA, replace(MLP, weights=tmp_path / f"{name}.pth"), plan(8))
                teaching = Teaching(method("kd"), teacher.last, ("mlp", "mlp"))
                keys[name] = run_trial(run, "kd", Trial(partial(mlp, (784, 8, 10)), plan(), teaching)).finished.key
        assert keys["mine"] == keys["same"] != keys["other"]

    @pytest.mark.parametrize(("asked", "said"), [({}, 0), ({"teacher.epochs": 3, "teacher.views": 2, "seed": 1}, 1)])
    def test_settings_of_its_training_that_were_asked_for_are_said_to_have_no_effect(self, asked, said, tmp_path):
        torch.save(mlp((784, 10)).state_dict(), tmp_path / "mine.pth")
        defaults = {"teacher.epochs": 240, "teacher.views": 0, "student.epochs": 240, "seed": 0}
        request = Arguments("lab:given", "", "", defaults | asked, defaults)
        notes = Quiet()
        with Run(request, root=tmp_path / "runs", device="cpu", progress=Noting(notes)) as run:
            settings = replace(MLP, name="tutelage.models.mlp.mlp((784, 10))", weights=tmp_path / "mine.pth")
            with pytest.raises(ValueError, match="clearly better"):
                teacher_of(run, DATA, settings, plan())
        sentence = "teacher: --teacher.epochs, --teacher.views has no effect beside given weights: nothing is trained"
        assert [note for note in notes.notes if "no effect" in note] == [sentence] * said

    def test_of_other_pictures_is_another_teacher(self):
        data = replace(DATA, normalisation=((0.0,), (1.0,)))
        other = replace(MLP, mean=(0.5,), std=(0.5,), size=14, name="tutelage.models.mlp.mlp((196, 32, 10))")
        builds = [teacher_builder(one, data) for one in (MLP, other)]
        assert key_of(builds[0]) != key_of(builds[1])
        assert builds[1]()(data.example).shape == (2, 10)


class TestKeptAnswers:
    def folders(self, root, **changes):
        """How many folders of answers there are, after an experiment with these changes has been made too."""
        exact, lesson = changes.pop("exact", True), Lesson(TRAIN, TEST, batch_size=50)
        with Run(f"lab:{changes}", root=root, device="cpu", exact=exact) as run:
            run.precision = changes.pop("precision", torch.float32)
            teacher = run.stage("teacher", partial(mlp, (784, 32, 10)), partial(supervised, plan=plan(4)))
            own = replace(plan(), lesson=replace(lesson, **changes))
            run_trial(
                run, "kd", Trial(partial(mlp, (784, 16, 10)), own, Teaching(method("kd"), teacher.last, ("", "")))
            )
        return len(list((root / "answers").iterdir()))

    def test_are_shared_by_those_who_would_get_the_same_ones_alone(self, tmp_path):
        assert self.folders(tmp_path) == 1
        assert self.folders(tmp_path, batch_size=40) == 1
        assert self.folders(tmp_path, transform=normalised(plain, (0.5,), (0.5,))) == 2
        assert self.folders(tmp_path, precision=torch.bfloat16) == 3
        assert self.folders(tmp_path, exact=False) == 4

    def test_measuring_costs_adds_none(self, tmp_path):
        with Run("lab:costs", root=tmp_path, device="cpu", exact=True) as run:
            run.precision = torch.bfloat16
            teacher = run.stage("teacher", partial(mlp, (784, 32, 10)), partial(supervised, plan=plan(4)))
            trial = Trial(partial(mlp, (784, 16, 10)), plan(), Teaching(method("kd"), teacher.last, ("", "")))
            run_trial(run, "kd", trial)
            (folder,) = (tmp_path / "answers").iterdir()
            before = {file: file.read_bytes() for file in folder.iterdir()}
            costs, _ = costs_of(run, {"kd": trial})
            assert costs and list((tmp_path / "answers").iterdir()) == [folder]
            assert {file: file.read_bytes() for file in folder.iterdir()} == before


class TestTrials:
    def test_one_that_diverges_is_a_result_and_the_others_go_on(self, tmp_path):
        build = partial(mlp, (784, 16, 10))
        with Run("lab:trials", root=tmp_path, device="cpu") as run:
            teacher = run.stage("teacher", partial(mlp, (784, 32, 10)), partial(supervised, plan=plan(4)))
            teaching = Teaching(method("kd"), teacher.last, ("mlp", "mlp"))
            baseline = run_trial(run, BASELINE, Trial(build, plan()))
            trials = {
                "kd": [Trial(build, plan(), teaching, "response")],
                "wild": [Trial(build, plan(lr=1e30), teaching, "response")],
            }
            outcome = run_trials(run, DATA, trials)
            assert list(outcome.students) == ["kd"] and "not finite" in outcome.diverged["wild"]
            compared = Compared("Trials", ERRORS, {"teacher": teacher}, baseline, outcome)
            networks = publish_comparison(run, DATA, compared, "float32 (N, 784)")
            words = best_in_words(compared, networks, "large", "small")
        (table,) = json.loads((run.folder / "results.json").read_text())["tables"]
        columns, rows = table["columns"], table["rows"]
        assert {len(row) for row in rows} == {len(columns)} and columns[-1] == "remark"
        assert [row[0] for row in rows] == [BASELINE, "kd", "wild"]
        assert rows[2][1] == "diverged" and "not finite" in rows[2][-1]
        assert all(cell is None for cell in rows[2][2:-1])
        gains = columns.index(f"over {BASELINE}")
        assert rows[0][gains] == 0
        assert rows[1][gains] == networks[BASELINE].scores["errors"].value - networks["kd"].scores["errors"].value
        assert words.startswith("small alone: ") and "By kd" in words

    def test_of_several_strengths_the_best_on_validation_is_reported(self, tmp_path):
        build = partial(mlp, (784, 16, 10))
        with Run("lab:strengths", root=tmp_path, device="cpu") as run:
            teacher = run.stage("teacher", partial(mlp, (784, 32, 10)), partial(supervised, plan=plan(4)))
            some = [
                Trial(build, plan(), Teaching(method("kd"), teacher.last, ("a", "b"), strength), "response")
                for strength in (1.0, 0.001)
            ]
            student = run_trials(run, DATA, {"kd": some}).students["kd"]
        assert student.finished.name in ("kd × 1", "kd × 0.001")


NARROW = NetworkSettings(name="narrow")


def small_recipe(run, *, methods=("all",), student=NARROW, temperature=4.0, seed=0):
    """What decides in the end is with what a recipe was called."""
    return cannot_decide(run, small_recipe, locals(), free=("methods", "student.name"))


@pytest.mark.parametrize(
    ("preset", "arguments", "reason"),
    [
        ("cpu", {}, "the paper preset decides"),
        ("", {}, "the paper preset decides"),
        ("paper", {}, ""),
        ("paper", {"seed": 7, "methods": ("kd",), "student": NetworkSettings(name="other")}, ""),
        ("paper", {"temperature": 1.0}, "--temperature"),
        ("paper", {"student": replace(NARROW, views=3)}, "--student.views"),
        ("paper", {"student": replace(NARROW, training=TrainingSettings(epochs=3))}, "--student.epochs"),
    ],
)
def test_a_run_decides_only_if_the_recipe_did_what_the_paper_did(preset, arguments, reason, tmp_path):
    run = Run(Arguments("lab:small", preset, "", {"seed": 0}, {"seed": 0}), root=tmp_path, device="cpu")
    assert small_recipe(run, **arguments).endswith(reason)
    if not reason:
        assert small_recipe(run, **arguments) == ""


def recipe_with_presets(run, *, temperature=4.0, epochs=240, seed=0):
    return cannot_decide(run, recipe_with_presets, locals(), deciding={"small": partial(recipe_with_presets, epochs=9)})


@pytest.mark.parametrize(
    ("preset", "arguments", "reason"),
    [
        ("paper", {}, ""),
        ("small", {"epochs": 9, "seed": 3}, ""),
        ("small", {"epochs": 240}, "the presets paper and small decide, without --epochs"),
        ("small", {"epochs": 9, "temperature": 1.0}, "the presets paper and small decide, without --temperature"),
        ("paper", {"epochs": 9}, "the presets paper and small decide, without --epochs"),
        ("cpu", {}, "the presets paper and small decide"),
    ],
)
def test_other_presets_decide_where_they_are_said_to_be_long_enough(preset, arguments, reason, tmp_path):
    run = Run(Arguments("lab:presets", preset, "", {"seed": 0}, {"seed": 0}), root=tmp_path, device="cpu")
    assert recipe_with_presets(run, **arguments) == reason


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((80, 95, 99), "1 of 3 methods beats small alone, most of all kd with 80."),
        ((50, 60, 150), "2 of 3 methods beat small alone, most of all kd with 50."),
        ((95, 99, 105), "None of 3 methods beats small alone by more than chance; kd has 95."),
    ],
)
def test_only_what_chance_does_not_explain_counts_as_beaten(values, words):
    def network(name, value):
        return Network(name, "student", "", 1000, {"errors": Score(value, (value - 9, value + 9))})

    networks = {name: network(name, value) for name, value in zip(("kd", "at", "sp"), values, strict=True)}
    outcome = Outcome(dict.fromkeys(networks), {})
    compared = Compared("Methods", ERRORS, {}, None, outcome)
    networks |= {BASELINE: network(BASELINE, 100), "teacher": network("teacher", 30)}
    assert best_in_words(compared, networks, "large", "small").endswith(words)
