"""The two stages of FitNets on a tiny pair."""

from functools import partial

import torch

from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.models.resnet import resnet8
from tutelage.optimizers.usual import sgd
from tutelage.run import Run
from tutelage.schemes.hints import faded, hinted
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised

PICTURES = torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8)
SMALL = labelled("small", PICTURES, torch.arange(20) % 5, tuple("abcde"))


def test_hints_move_what_lies_below_and_nothing_else(tmp_path):
    plan = Plan(Lesson(SMALL, batch_size=10), partial(sgd, lr=0.05), epochs=1)
    build = partial(resnet8, num_classes=5)
    with Run("lab:fitnets", root=tmp_path, device="cpu", exact=True) as run:
        teacher = run.stage("teacher", build, partial(supervised, plan=plan)).last
        kept = {key: x.clone() for key, x in teacher.state_dict().items()}
        torch.manual_seed(3)
        before = build().state_dict()
        first = run.stage(
            "hints", build, partial(hinted, plan=plan, teacher=teacher, guided="layer2", hint="layer2"), seed=3
        )
        second = partial(faded, plan=plan, start=first.last, teacher=teacher, temperature=3.0, first=4.0, last=1.0)
        student = run.stage("fitnet", build, second, seed=3)
    after = first.last.state_dict()
    moved = {key.partition(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert moved == {"stem", "layer1", "layer2"}
    assert all(torch.equal(x, kept[key]) for key, x in teacher.state_dict().items())
    assert not torch.equal(student.last.head.weight, first.last.head.weight)
    assert student.records[0]["weights"]["student"]["soft"] == 4 / 9
