"""What must hold on an accelerator as it does on the CPU. Deselected where there is none."""

import json
import subprocess
import sys
from copy import deepcopy

import pytest
import torch

from contract.test_losses import LOSSES, Case
from contract.test_recipes import WRITTEN

pytestmark = pytest.mark.gpu


def on_device(x):
    return x.to("cuda", torch.float32) if x.is_floating_point() else x.to("cuda")


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_and_its_gradient_are_the_cpus(loss):
    case = Case(loss)
    there = {name: on_device(x) for name, x in case.arguments.items()}
    moved = case.loss
    if isinstance(case.loss, torch.nn.Module):
        moved = deepcopy(case.loss).to("cuda", torch.float32)
    here = case(student=case.student.requires_grad_())
    (gradient,) = torch.autograd.grad(here, case.student)
    student = there["student"].requires_grad_()
    value = moved(**there)
    (on_card,) = torch.autograd.grad(value, student)
    assert value.item() == pytest.approx(here.item(), rel=1e-4, abs=1e-5)
    assert (on_card.cpu().double() - gradient).norm() <= 1e-3 * gradient.norm() + 1e-6


@pytest.mark.parametrize("recipe", WRITTEN, ids=lambda recipe: recipe.name)
def test_a_recipe_runs_there_and_started_again_finds_its_networks(recipe, tmp_path):
    words = [sys.executable, "-m", "tutelage", "run", recipe.name, "--preset", "smoke", "--device", "cuda"]
    for _ in range(2):
        ended = subprocess.run([*words, "--runs", str(tmp_path)], capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr[-2000:]
    assert "loaded from" in ended.stderr
    (found,) = tmp_path.glob("*/*/results.json")
    assert json.loads(found.read_text())["networks"]
