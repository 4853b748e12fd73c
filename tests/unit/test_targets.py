"""Targets of other kinds than one class a sample, and what is said of forms that are none."""

import pytest
import torch

from tutelage.data.labelled import labelled

INPUTS = torch.zeros(4, 2)


@pytest.mark.parametrize(
    "targets",
    [
        torch.tensor([0, 1, 1, 0]),
        torch.rand(4, 2),
        torch.full((4, 3, 3), 255),
        torch.ones(4, 3, 3, dtype=torch.uint8),
        torch.zeros(4, 0),
    ],
    ids=["classes", "a number a name", "masks", "masks of bytes", "nothing known"],
)
def test_targets_of_every_kind_are_held(targets):
    classes = ("a", "b") if targets.numel() else ()
    data = labelled("mine", INPUTS, targets, classes)
    assert torch.equal(data[torch.tensor([1, 0])].targets, targets[[1, 0]])


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        (torch.rand(4, 3), r"one number for each of its 2 names, \[4, 2\]; they are \[4, 3\]"),
        (torch.full((4, 2), torch.nan), "finite numbers"),
        (torch.full((4, 3, 3), 2), "0 to 1, one for each class; 2 is among them"),
        (torch.tensor([1, 2, 2, 1]), r"2 is among them \(they are counted from 0: subtract 1\)"),
        (torch.zeros(4, 1, dtype=torch.int64), r"write targets\.squeeze\(1\)\.$"),
        (torch.zeros(4, dtype=torch.int32), r"write targets\.long\(\)\.$"),
        (torch.eye(2).repeat(2, 1).long(), r"write targets\.argmax\(1\)\.$"),
    ],
)
def test_other_forms_are_refused_with_what_makes_targets_of_them(targets, sentence):
    with pytest.raises(ValueError, match=sentence):
        labelled("mine", INPUTS, targets, ("a", "b"))
