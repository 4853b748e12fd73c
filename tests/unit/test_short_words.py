"""What is shown of networks and data in passing is short, names nobody twice, and speaks of no nothing."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset

from own_pictures import class_folders
from tutelage.api import Distilled
from tutelage.deployment.about import About
from tutelage.deployment.card import Made, model_card
from tutelage.results import Metric, Network, Results, Score
from tutelage.study.own.given_sets import given_sets
from tutelage.study.own.measured import Measured
from tutelage.study.own.sets import own_sets

WIDE = nn.Sequential(*[nn.Linear(9, 9) for _ in range(60)])


def test_what_the_api_returns_is_a_line_when_it_is_printed():
    small = Distilled(WIDE, {"student": {"accuracy": 97.0}}, Path("runs/own-distill/x"), "narrow has 97.0 % accuracy.")
    assert repr(small) == "Distilled('narrow has 97.0 % accuracy.', folder='runs/own-distill/x')"
    scores, units = {"accuracy": Score(97.0, (95.0, 98.0))}, {"accuracy": "%"}
    found = Measured("net", 500, scores, units, 0.1, 0.2, 9, 9, 9, None, None, (3, 32, 32), ("a note " * 50,))
    assert repr(found) == "Measured('net' on 500 samples: accuracy 97 % (95 to 98))"


@pytest.mark.parametrize(
    ("name", "label", "words"),
    [("teacher", "resnet56", "resnet56"), ("big", "resnet56", "big resnet56"), ("teacher", "", "teacher")],
)
def test_a_card_says_once_who_taught(name, label, words):
    results = Results(metrics=(Metric("errors"),), networks=(Network(name, "teacher", label, 200, {}),))
    card = model_card(About("classification", ("ant", "bee"), None, "small"), Made(results), None, {})
    assert f"- Teacher: {words}\n" in card


def test_notes_on_pictures_say_what_is_assumed_and_no_more(tmp_path):
    notes: list[str] = []
    own_sets(torch.device("cpu"), class_folders(tmp_path / "photos", each=20), notes=notes.append)
    assert "decoded pictures take 1 MB of memory" in notes
    assert not any("3 channels" in note or "0.0" in note.partition("measured")[0] for note in notes)


class Named(list):
    """Samples, and what their classes are called."""

    classes = ("ant", "bee")


@pytest.mark.parametrize(
    "behind",
    [lambda x: x, lambda x: Subset(x, range(6)), lambda x: DataLoader(Subset(Subset(x, range(8)), range(6)))],
    ids=["a data set", "a part of it", "a loader of a part of a part"],
)
@pytest.mark.parametrize("which", [0, 2])
def test_classes_go_by_their_names_wherever_these_are_known(behind, which):
    samples = [(torch.zeros(3), n % 2) for n in range(9)]
    parts = [list(samples) for _ in range(3)]
    parts[which] = behind(Named(samples))
    sets = given_sets(tuple(parts))
    assert sets.train.classes == sets.test.classes == ("ant", "bee")
