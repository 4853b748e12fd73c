"""Generations in an experiment: how many, alone and together, in tables, and beside what was published."""

from dataclasses import replace
from functools import partial
from typing import cast

import pytest
import torch
from torch import nn

from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.data.views import normalised, plain
from tutelage.losses.kd import geometric
from tutelage.measures.predict import predict
from tutelage.methods.by_name import method
from tutelage.models.mlp import mlp
from tutelage.optimizers.usual import sgd
from tutelage.recipes.cifar100 import born_again as cifar_born_again
from tutelage.recipes.cifar100 import refinery as cifar_refinery
from tutelage.recipes.generation_claims import accuracies, claim_born_again, claim_refinery, claim_table
from tutelage.recipes.mnist import born_again as mnist_born_again
from tutelage.recipes.mnist import refinery as mnist_refinery
from tutelage.results import Claim, Network, Score
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching
from tutelage.schemes.plan import Plan
from tutelage.stages.storage import Finished
from tutelage.study.experiments import generations as study
from tutelage.study.experiments.generations import (
    best_of,
    generations_of,
    losses_of,
    refuse_blind,
    table_of_controls,
    table_of_generations,
    together,
)
from tutelage.study.sets import Sets
from tutelage.study.settings import Generations
from tutelage.tasks.classification import ACCURACY, ERRORS

pytestmark = pytest.mark.slow

TEST = digits(60, seed=1, name="synthetic/test")
DATA = Sets(TEST, TEST, TEST, test_transform=normalised(plain, (0.3,), (0.2,)))
PLAN = Plan(Lesson(TEST, batch_size=20), partial(sgd, lr=0.1, weight_decay=0.0), 1)
RECIPES = {
    "mnist:born_again": mnist_born_again.born_again_smoke,
    "mnist:refinery": mnist_refinery.refinery_smoke,
    "cifar100:born_again": cifar_born_again.born_again_smoke,
    "cifar100:refinery": cifar_refinery.refinery_smoke,
}


def finished(seed: int, errors: float = 0.0) -> Finished:
    torch.manual_seed(seed)
    model = mlp((784, 12, 10))
    return Finished(f"generation {seed}", "", model, model, [{"validation": {"errors": errors}}], None)


def networks(**accuracy: float) -> dict[str, Network]:
    return {
        name.replace("_", " "): Network(name, "student", "", 60, {"accuracy": Score(x), "errors": Score(100 - x)})
        for name, x in accuracy.items()
    }


# ---- together


def test_together_they_answer_by_the_mean_of_their_probabilities_on_the_images_as_they_are_measured():
    members = [finished(k) for k in range(3)]
    answers = torch.stack([predict(one.last, TEST, transform=DATA.test_transform) for one in members]).softmax(-1)
    for n, score in enumerate(together(members, DATA), 2):
        wrong = int((answers[:n].mean(0).argmax(-1) != TEST.targets).sum())
        assert score["errors"].value == wrong and score["accuracy"].value == pytest.approx(100 - wrong / 0.6, abs=1e-4)
    assert together(members[:1], DATA) == []


class Saying(nn.Module):
    """Answers everything alike."""

    def __init__(self, *answer: float) -> None:
        super().__init__()
        self.answer = torch.tensor(answer)

    def forward(self, x):
        return self.answer.expand(len(x), -1)


def test_the_mean_of_logits_would_be_another_answer():
    sure, unsure = Saying(9.0, 0.0), Saying(0.0, 2.0)  # two of three say 1; by their logits 0 would win
    row = [replace(finished(0), last=model) for model in (sure, unsure, unsure)]
    opinions = torch.stack([one.last(torch.zeros(1, 1)) for one in row]).log_softmax(-1)
    assert geometric(opinions).argmax() == 0
    ones = labelled("ones", torch.zeros(4, 1), torch.ones(4, dtype=torch.int64), ("0", "1"))
    assert together(row, Sets(ones, None, ones))[-1]["errors"].value == 0


# ---- which, and how many


def test_the_best_is_the_first_of_those_with_fewest_errors_on_validation_or_else_the_last():
    row = [finished(1, 5), finished(2, 3), finished(3, 3)]
    assert best_of(row, DATA) is row[1] and best_of(row, replace(DATA, validation=None)) is row[2]


def test_settings_choose_between_so_many_and_as_long_as_they_improve(monkeypatch):
    monkeypatch.setattr(study, "generations", lambda *_, name: [name])
    monkeypatch.setattr(study, "first", lambda row, number: ("first", row, number))
    monkeypatch.setattr(study, "improving", lambda row, plan, than, most: ("improving", row, plan, than, most))
    ask = partial(generations_of, "run", "build", "plan", "teaching", than="teacher", name="BAN")
    assert ask(settings=Generations(most=4)) == ("first", ["BAN"], 4)
    assert ask(settings=Generations(most=4, until="no-better")) == ("improving", ["BAN"], "plan", "teacher", 4)


def test_generations_that_are_to_improve_on_nothing_are_refused_by_the_flag():
    refuse_blind(Generations(), 0, "--images.validation")
    refuse_blind(Generations(until="no-better"), 1, "--images.validation")
    with pytest.raises(ValueError, match=r"--images\.validation must be more than 0 with --generations"):
        refuse_blind(Generations(until="no-better"), 0, "--images.validation")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_refuses_what_cannot_be_before_anything_is_trained(name, tmp_path):
    preset = RECIPES[name]
    held = "digits" if name.startswith("mnist") else "images"
    blind = {held: replace(preset.keywords[held], validation=0)}
    with Run(name, "smoke", root=tmp_path, device="cpu") as run:
        with pytest.raises(ValueError, match=rf"--{held}\.validation must be more than 0"):
            preset(run, generations=Generations(until="no-better"), **blind)
        with pytest.raises(ValueError, match=r"--generations\.most must be more than 0; got 0"):
            preset(run, generations=Generations(most=0))
        with pytest.raises(ValueError, match=r"There is no method 'bann'\. Did you mean"):
            preset(run, **({"controls": ("bann",)} if "born" in name else {"losses": "bann"}))
        words = r"simkd borrows from its teacher, and is not of its kind|method simkd.* cannot be used"
        with pytest.raises(ValueError, match=words):
            preset(run, **({"controls": ("simkd",)} if "born" in name else {"losses": "kd+simkd"}))
    assert not (tmp_path / "stages").exists()


# ---- tables


def test_the_table_of_generations_has_the_first_network_each_generation_and_all_up_to_it():
    found = networks(teacher=80.0, generation_1=82.0, generation_2=81.126)
    scores = [{"accuracy": Score(83.5)}]
    table = table_of_generations(found, "teacher", ["generation 1", "generation 2"], scores, ACCURACY)
    assert table.columns == ("generation", "asked", "who", "accuracy", "gain over teacher")
    assert table.rows == (
        (0, "alone", "teacher", 80.0, 0.0),
        (1, "alone", "generation 1", 82.0, 2.0),
        (2, "alone", "generation 2", 81.13, 1.13),
        (2, "together", "the first 2", 83.5, 3.5),
    )
    assert table.curve is not None and table.paired == ("gain over teacher",)
    assert "negative is worse" in table.note


def test_the_table_of_controls_leaves_out_what_diverged_and_counts_fewer_errors_as_gains():
    found = networks(teacher=80.0, generation_1=82.0)
    words = {"teacher": "labels", "generation 1": "the teacher", "dkpp": "noise"}
    assert table_of_controls("Controls", found, words, ["teacher"], ERRORS).rows == (
        ("teacher", "labels", 20.0, 0.0),
        ("generation 1", "the teacher", 18.0, 2.0),
    )


# ---- claims


class Listening:
    def __init__(self) -> None:
        self.claims: dict[str, Claim] = {}

    def claim(self, claim: Claim) -> None:
        self.claims[claim.name] = claim


def test_born_again_claims_what_holds_for_all_of_the_papers_networks():
    found = networks(teacher=80.0, generation_1=82.0, generation_2=83.0, generation_3=81.0, cwtm=80.5, dkpp=81.0)
    run, scores = Listening(), accuracies(found, [{"accuracy": Score(84.0)}, {"accuracy": Score(82.9)}])
    claim_born_again(cast(Run, run), scores, ["generation 1", "generation 2", "generation 3"], "")
    assert {name: (claim.published, claim.measured) for name, claim in run.claims.items()} == {
        "generation 1 beats its teacher": (0.64, 2.0),
        "generation 1 beats labels weighed by confidence": (0.89, 1.5),
        "generation 1 beats permuted dark knowledge": (0.89, 1.0),
        "permuted dark knowledge beats the teacher": (0.41, 1.0),
        "2 generations together beat the best of them": (1.45, 1.0),
        "3 generations together beat the best of them": (0.91, -0.1),
    }
    assert all(claim.paired and claim.low == 0.01 and "direction" in claim.note for claim in run.claims.values())


def test_one_generation_is_never_together():
    run = Listening()
    claim_born_again(cast(Run, run), accuracies(networks(teacher=80.0, generation_1=82.0), []), ["generation 1"], "")
    assert list(run.claims) == ["generation 1 beats its teacher"]


def test_the_papers_row_is_claimed_by_its_accuracies():
    run = Listening()
    claim_table(cast(Run, run), accuracies(networks(teacher=81.0, generation_4=82.0), []), "too short")
    (claim,) = run.claims.values()
    assert (claim.name, claim.published, claim.measured, claim.low) == ("teacher: accuracy", 81.75, 81.0, 81.25)
    assert claim.reason == "too short" and not claim.paired


def test_the_refinery_claims_directions_and_takes_no_figure_where_none_is_known():
    found = networks(
        baseline=70.0, generation_1=72.0, generation_2=71.0, static_labels=71.5, refined_by_stronger=74.0, stronger=75.0
    )
    run = Listening()
    claim_refinery(cast(Run, run), accuracies(found, []), ["generation 1", "generation 2"], "")
    assert {name: (claim.published, claim.measured) for name, claim in run.claims.items()} == {
        "one refinement beats the labels": (2.04, 2.0),
        "the last generation beats the labels": (3.44, 1.0),
        "a stronger refinery beats one of the same kind": (6.31, 2.0),
        "generation 2 beats the labels": (2.94, 1.0),
        "labels of the view beat static ones": (0.0, 0.5),
    }


def test_no_claim_depends_on_a_choice_among_generations():
    """The best of several beats one control by luck alone, where none is better than it on average."""
    found = accuracies(networks(baseline=70.0, generation_1=69.9, generation_2=70.3, generation_3=69.8), [])
    run = Listening()
    claim_refinery(cast(Run, run), found, ["generation 1", "generation 2", "generation 3"], "")
    chosen = ["one refinement beats the labels", "generation 2 beats the labels", "generation 3 beats the labels",
              "the last generation beats the labels"]  # fmt: skip
    assert {name: claim.measured for name, claim in run.claims.items()} == dict(
        zip(chosen, (-0.1, 0.3, -0.2, -0.2), strict=True)
    )


def test_a_refinery_calls_nobody_a_teacher_who_taught_no_generation(tmp_path):
    with Run("mnist:refinery", "smoke", root=tmp_path, device="cpu") as run:
        mnist_refinery.refinery_smoke(run)
        results = run._results
    roles = {network.name: network.role for network in results.networks}
    assert roles["stronger"] == "other" and roles["baseline"] == "baseline" and "teacher" not in roles.values()
    assert next(network.name for network in results.networks if network.role == "student").startswith("generation")
    (sources,) = [table for table in results.tables if table.title == "Sources of labels"]
    said = {row[0]: row[1] for row in sources.rows}
    assert said["generation 1"] == "the baseline's answer for each view" and "answer" in said["refined by stronger"]
    assert results.headline.count("errors") == 1 and "best on validation" in results.headline


def test_what_is_cited_is_what_the_methods_compute():
    net = mlp((784, 12, 10))
    teaching = Teaching(method("ban"), net, ("net", "net"))
    losses = losses_of([method("ban"), method("dkpp"), method("cwtm")], net, teaching, PLAN)
    assert losses == [
        "tutelage.losses.born_again:confidence_weighted",
        "tutelage.losses.born_again:soft_cross_entropy",
    ]
