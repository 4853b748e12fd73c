"""Results of benchmarks: a folder for each processor, and a table of what is met that names what there is."""

import json
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn

import tutelage
from tutelage.teachers.frozen import asking

BENCHMARKS = Path(tutelage.__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

goals, measure, met, methods, startup = map(import_module, ("goals", "measure", "met", "methods", "startup"))

KEPT = {file: json.loads(file.read_text("utf-8")) for file in BENCHMARKS.glob("results/*/*.json")}


@pytest.fixture
def on(monkeypatch, tmp_path):
    def processor(name, bfloat16):
        monkeypatch.setattr(measure, "processor", lambda: name)
        monkeypatch.setattr(measure, "has_bfloat16", lambda _: bfloat16)
        return measure.label()

    for module in (measure, met):
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    return processor


def test_every_processor_has_a_folder_of_its_own(on, tmp_path):
    assert on("AMD EPYC", True) == "amd-epyc-bfloat16"
    assert measure.place("step") == tmp_path / "amd-epyc-bfloat16" / "step.json"
    names = [on(name, has) for name in ("AMD EPYC", "Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz") for has in (0, 1)]
    assert len(set(names)) == 4 and names[2] == "intel-xeon-platinum-8370c-no-bfloat16"
    assert on("../../x/y", False) == "x-y-no-bfloat16"


@pytest.mark.parametrize("goal", [x for x in (*goals.GOALS, *goals.PEERS) if x.benchmark], ids=lambda x: x.figure)
def test_every_goal_is_about_a_figure_that_its_benchmark_has(goal):
    files = [result for file, result in KEPT.items() if file.stem == goal.benchmark]
    measured = any(met.figure(result, goal.figure, "tuned") for result in files)
    assert measured or (goal.benchmark == "startup" and goal.figure in startup.COMMANDS)


def test_goals_and_peers_say_where_they_are_from():
    assert all(x.source for x in (*goals.GOALS, *goals.PEERS))


def shown(capsys, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["met.py", *words])
    met.main()
    return capsys.readouterr().out


@pytest.mark.parametrize("processor", sorted({file.parent.name for file in KEPT}))
def test_the_table_counts_every_goal(processor, capsys, monkeypatch):
    lines = shown(capsys, monkeypatch, processor).splitlines()
    (count,) = [line for line in lines if " met, " in line]
    assert sum(int(part.split()[0]) for part in count.split(", ")) == len(goals.GOALS)
    assert sum(line.startswith(x.peer) and x.tuned in line for x in goals.PEERS for line in lines) >= len(goals.PEERS)


def test_what_is_met_is_told_from_what_is_missed(on, capsys, monkeypatch):
    name = on("AMD EPYC", True)
    figure = "KD step / KD step by hand"
    for median, word in ((1.015, "met"), (1.016, "missed")):
        spread = {"cpu": {"median": median, "q1": 1.0, "q3": 1.1}}
        about = {"environment": {"date": "2026-01-02T03"}, "rounds": 12}
        measure.write(measure.place("step"), {**about, "malloc": {"tuned": {"figures": {figure: spread}}}})
        (line,) = [line for line in shown(capsys, monkeypatch, name).splitlines() if f"step          {figure} " in line]
        assert f" {word} " in line and line.endswith("2026-01-02, 12 rounds")


def test_no_results_and_damaged_ones_are_one_sentence(on, capsys, monkeypatch):
    name = on("AMD EPYC", True)
    with pytest.raises(SystemExit):
        shown(capsys, monkeypatch, name)
    assert f"There are no figures of {name}: `make bench` measures them" in capsys.readouterr().err
    for content in ("{", "[]"):
        measure.write(measure.place("step"), {})
        measure.place("step").write_text(content)
        with pytest.raises(SystemExit, match=r"step.json is .*: run its benchmark again"):
            shown(capsys, monkeypatch, name)


def test_a_cached_teacher_is_asked_no_more_once_the_rounds_are_warm(monkeypatch):
    small = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, methods.CLASSES))
    monkeypatch.setattr(methods, "new_student", lambda: small)
    asked = []

    def teacher(_, wanted):
        asked.append(1)
        return {name: torch.zeros(methods.BATCH, methods.CLASSES) for name in wanted}

    loop = methods.fast(methods.remembered(asking(teacher, (), "")))
    for _ in range(methods.WARM_UP):
        next(loop)
    warm = len(asked)
    for _ in range(methods.BATCHES):
        next(loop)
    assert warm == len(asked) == methods.BATCHES
