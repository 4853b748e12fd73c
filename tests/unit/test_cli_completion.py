"""What Tab offers."""

import subprocess
import sys

import pytest

import fake_recipes
from tutelage.cli.completion import SCRIPTS, candidates, completion
from tutelage.cli.failures import Usage


@pytest.fixture(autouse=True)
def ships_fakes(monkeypatch):
    monkeypatch.setattr("tutelage.cli.recipe.shipped", lambda: {"fake": fake_recipes})
    monkeypatch.setattr("tutelage.cli.find.shipped", lambda: {"fake": fake_recipes})
    monkeypatch.setattr("tutelage.cli.completion.shipped", lambda: {"fake": fake_recipes})


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("tutelage r", ["run", "report"]),
        ("tutelage run ", ["fake:toy", "fake:pair", "fake:failing"]),
        ("tutelage run fake:t", ["fake:toy"]),
        ("tutelage run fake:toy --preset ", ["default", "quick", "paper"]),
        ("tutelage run fake:pair --preset ", ["paper", "smoke"]),
        ("tutelage run fake:pair --student.na", ["--student.name"]),
        ("tutelage sweep fake:pair --student.l", ["--student.layers", "--student.lr"]),
        ("tutelage run fake:pair --student.schedule ", ["steps", "one-cycle", "cosine", "constant"]),
        ("tutelage run fake:pair --teacher.weights ", []),
        ("tutelage run fake:toy --te", ["--temperature", "--teacher", "--tensorboard"]),
        ("tutelage run fake:toy --no-", ["--no-jitter"]),
        ("tutelage sweep fake:toy --jo", ["--jobs"]),
        ("tutelage run fake:toy --runs ", []),
        ("tutelage run nothing:here --", []),
        ("tutelage report runs --o", ["--out", "--open"]),
        ("tutelage report runs --", ["--by", "--out", "--keep", "--open", "--help"]),
        ("tutelage completion b", ["bash"]),
        ("tutelage check photos --s", ["--size", "--std", "--strict", "--split-seed"]),
        ("tutelage check photos --task mu", ["multi-label"]),
    ],
)
def test_tab_offers_what_could_come_next(line, offered):
    assert candidates(line)[: len(offered) or None] == offered


def test_an_unknown_shell_is_refused_with_those_there_are(capsys):
    assert completion(["fish"]) == 0
    assert "complete -c tutelage" in capsys.readouterr().out
    with pytest.raises(Usage, match="bash, zsh, fish"):
        completion(["tcsh"])
    with pytest.raises(Usage, match="Which shell"):
        completion([])


def test_bash_completes_after_the_colon_that_it_splits_words_at():
    script = f"""
        tutelage() {{ "{sys.executable}" -m tutelage "$@"; }}
        {SCRIPTS["bash"]}
        COMP_LINE="tutelage run fake_recipes:toy --tem"; COMP_POINT=${{#COMP_LINE}}; _tutelage; echo "${{COMPREPLY[@]}}"
        tutelage() {{ echo mnist:hinton; echo mnist:unseen; }}
        COMP_LINE="tutelage run mnist:"; COMP_POINT=${{#COMP_LINE}}; _tutelage; echo "${{COMPREPLY[@]}}"
    """
    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, cwd="tests")
    assert said.stdout.split() == ["--temperature", "hinton", "unseen"]
    assert said.stderr == ""
