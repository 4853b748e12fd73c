"""The two stages of FitNets on a tiny pair."""

from functools import partial

import torch

from tutelage.data.labelled import labelled
from tutelage.models.resnet import resnet8
from tutelage.recipes.parts.fitnets import faded, hinted
from tutelage.recipes.parts.photographs import Course, labels_only
from tutelage.recipes.parts.sets import Sets
from tutelage.run import Run

SMALL = labelled(
    "small", torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8), torch.arange(20) % 5, tuple("abcde")
)


def test_hints_move_what_lies_below_and_nothing_else(tmp_path):
    shown, course = Sets(SMALL, None, SMALL), Course(1, 10, 0.05, "one-cycle")
    build = partial(resnet8, num_classes=5)
    how = {"lesson": course.lesson(shown), "optimizer": course.optimizer, "epochs": 1, "schedule": course.schedule}
    with Run("lab:fitnets", root=tmp_path, device="cpu", exact=True) as run:
        teacher = labels_only(run, shown, build, course, "teacher").last
        kept = {key: x.clone() for key, x in teacher.state_dict().items()}
        torch.manual_seed(3)
        before = build().state_dict()
        first = run.stage(
            "hints", build, partial(hinted, teacher=teacher, guided="layer2", hint="layer2", **how), seed=3
        )
        second = partial(faded, start=first.last, teacher=teacher, temperature=3.0, first=4.0, last=1.0, **how)
        student = run.stage("fitnet", build, second, seed=3)
    after = first.last.state_dict()
    moved = {key.partition(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert moved == {"stem", "layer1", "layer2"}
    assert all(torch.equal(x, kept[key]) for key, x in teacher.state_dict().items())
    assert not torch.equal(student.last.head.weight, first.last.head.weight)
    assert student.records[0]["weights"]["student"]["soft"] == 4 / 9
