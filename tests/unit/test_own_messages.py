"""What the commands for one's own data say, and that their advice works."""

import json
import re
import shlex
import sys

import pytest
from torch import nn

from tutelage.checkpoint import save_weights
from tutelage.cli.command import main
from tutelage.cli.request import understood
from tutelage.cli.run import run
from tutelage.study.budget import Pace, epochs_within, refuse_too_short

WORDS = ["--teacher", "lenet5", "--data", "photos", "--student", "resnet8", "--epochs", "3"]


def test_a_stopped_distillation_goes_on_by_the_command_that_was_typed(monkeypatch, capsys):
    def stopped(_request, _begun):
        raise KeyboardInterrupt

    monkeypatch.setattr("tutelage.cli.run.perform", stopped)
    assert main(["distill", *WORDS]) == 130
    told = capsys.readouterr().err.partition("Go on with: ")[2].strip()
    assert told.startswith("tutelage distill --")
    assert sorted(shlex.split(told)) == sorted(["tutelage", "distill", *WORDS])
    assert understood("own:distill", shlex.split(told)[2:]) == understood("own:distill", WORDS)
    with pytest.raises(KeyboardInterrupt):
        run(["own:distill", *WORDS])
    assert "Go on with: tutelage run own:distill" in capsys.readouterr().err


@pytest.mark.parametrize("elsewhere", [0.5, 3.7, 40.0, 900.0])
@pytest.mark.parametrize("step", [0.001, 0.3])
def test_the_minutes_that_are_advised_are_enough_and_not_many_more(elsewhere, step):
    paces = [Pace(8, step, 0.1), Pace(8, step, 0.1)]
    with pytest.raises(ValueError, match="give --minutes") as refusal:
        refuse_too_short(1e-4, elsewhere, paces)
    advised = float(re.search(r"give --minutes ([\d.]+) or more", str(refusal.value))[1])
    pilot = 0.1 * 60 * advised  # of more minutes it takes more
    refuse_too_short(advised, elsewhere + pilot, paces)
    assert epochs_within(60 * advised - elsewhere - pilot, paces) >= 1
    least = (elsewhere + sum(pace.seconds(1) for pace in paces)) / 60
    assert advised <= max(0.1, 1.5 * least + 1)


def test_an_export_of_a_builder_that_is_not_trusted_names_its_own_flag(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_of_export.py").write_text(
        "from torch import nn\ndef net() -> nn.Module:\n    return nn.Linear(3, 2)"
    )
    folder = tmp_path / "run"
    folder.mkdir()
    save_weights(folder / "student.safetensors", nn.Linear(3, 2))
    build = {"function": "own_of_export:net", "arguments": [], "named": {}}
    (folder / "student.json").write_text(json.dumps({"build": build}))
    line = ["export", "run", "--to", "small.safetensors"]
    assert main(line) == 2
    said = capsys.readouterr().err
    assert "tutelage.load" not in said and said.count("\n") == 1 and "own_of_export" not in sys.modules
    advice = re.search(r"add (--allow [\w ]+)\.", said)[1].split()
    assert main([*line, *advice]) == 0
    sys.modules.pop("own_of_export")
