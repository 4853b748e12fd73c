"""Networks made of finished ones, without training: kept, found again, delivered, and the same bits everywhere."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import tutelage
from examples import SGD, bits, cnn, images, label, same
from tutelage.compress.fold import fold
from tutelage.learner import Learner
from tutelage.objective import Objective
from tutelage.run import Run
from tutelage.stages.storage import Finished

pytestmark = pytest.mark.slow


def net() -> nn.Sequential:
    return cnn(6)


def fit(stage, model, *, teacher=None):
    stage.train(
        {"student": Learner(model, Objective(label=label()), SGD)}, images(), 2 if teacher is None else 1, model=model
    )


def both(stage, models):
    learners = {name: Learner(model, Objective(label=label()), SGD) for name, model in models.items()}
    stage.train(learners, images(), 1, model=models)


def folded(network: nn.Module, size: int = 8) -> nn.Module:
    return fold(network, lambda copy: copy(torch.zeros(2, 3, size, size)))


def narrowed(network: nn.Module, *, share: float) -> nn.Module:
    """Structure that follows from the weights: the head sees the strongest channels alone."""
    head = network[-1]
    kept = head.weight.abs().sum(0).topk(round(share * head.in_features)).indices.sort().values
    new = nn.Linear(len(kept), head.out_features)
    new.weight.data, new.bias.data = head.weight.data[:, kept].clone(), head.bias.data
    network[-1] = nn.Sequential(Chosen(kept), new)
    return network


def noisy(network: nn.Module) -> nn.Module:
    for p in network.parameters():
        p.data += torch.rand_like(p)
    return network


def in_bfloat16(network: nn.Module) -> nn.Module:
    return network.bfloat16()


class Chosen(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.register_buffer("channels", channels)

    def forward(self, x):
        return x[:, self.channels]


def undeclared(network):
    return network


def beside(network: nn.Module, *, teacher: nn.Module) -> nn.Module:
    return network.requires_grad_(teacher.training)


def opened(root, recipe="toy:derived"):
    return Run(recipe, root=root, exact=True, device="cpu")


def answers(model):
    dtype = next(model.parameters()).dtype
    return model.eval()(images()[0]["input"].to(dtype))


def noted(run):
    return json.loads((run.folder / "stages.json").read_text())


STEPS = {
    "folded": [(folded, {})],
    "narrowed": [(narrowed, {"share": 0.5})],
    "noisy": [(noisy, {})],
    "in bfloat16": [(in_bfloat16, {})],
    "narrowed twice, with noise between, then folded": [
        (narrowed, {"share": 0.75}),
        (noisy, {}),
        (folded, {"size": 12}),
    ],
}


def derived(run, steps):
    last = run.stage("student", net, fit)
    chain = [last]
    for number, (function, arguments) in enumerate(steps):
        chain.append(run.derive(f"step {number}", function, of=chain[-1], **arguments))
    return chain


LOADING = """
import sys, tutelage
from safetensors.torch import save_file
from test_derived import answers
for folder in sys.argv[1:]:
    model = tutelage.load(folder, allow=["test_derived"])
    assert not model.training
    save_file({"answers": answers(model).detach()}, f"{folder}/answers")
"""


def test_delivered_it_needs_nothing_but_its_folder_and_answers_the_same_in_another_process(tmp_path):
    expected = {}
    for number, steps in enumerate(STEPS.values()):
        with opened(tmp_path / "runs") as run:
            last = derived(run, steps)[-1]
            run.deliver(last.last, input="float32 (N, 3, 8, 8)")
        expected[run.folder.rename(tmp_path / str(number))] = answers(last.last)
    (tmp_path / "runs").rename(tmp_path / "gone")
    tests = Path(__file__).parent
    path = f"{tests}:{tests.parent}:{Path(tutelage.__file__).parents[1]}"
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", LOADING, *map(str, expected)], check=True, env=environment)
    for folder, answer in expected.items():
        rounding = 1e-5 * answer.abs().max().item()  # the other process may compute with other kernels
        torch.testing.assert_close(load_file(folder / "answers")["answers"], answer, rtol=0, atol=rounding)
        assert {file.suffix for file in folder.iterdir()} == {"", ".json", ".jsonl", ".safetensors"}


@pytest.mark.parametrize("steps", list(STEPS.values()), ids=list(STEPS))
def test_it_is_made_once_for_all_runs_and_comes_back_with_the_same_bits(tmp_path, steps):
    with opened(tmp_path) as one:
        first = derived(one, steps)
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "stages").rglob("*.safetensors")}
    with opened(tmp_path, "toy:again") as two:
        second = derived(two, steps)
    assert files == {file: file.stat().st_mtime_ns for file in (tmp_path / "stages").rglob("*.safetensors")}
    for left, right in zip(first, second, strict=True):
        assert left.key == right.key and same(bits(left.last), bits(right.last))
        assert torch.equal(answers(left.last), answers(right.last))
    kinds = [(stage["kind"], stage["epochs"], stage["seconds"], stage["best_epoch"]) for stage in noted(two)[1:]]
    assert kinds == [("derived", 0, 0.0, None)] * len(steps)
    assert [stage["uses"] for stage in noted(two)[1:]] == [[stage["name"]] for stage in noted(two)[:-1]]


def test_the_network_that_it_is_made_of_stays_as_it_was_whatever_was_done_to_it(tmp_path):
    with opened(tmp_path) as run:
        student = run.stage("student", net, fit)
        before = bits(student.last)
        run.derive("narrowed", narrowed, of=student, share=0.5)
        assert same(bits(student.last), before) and student.last[-1].in_features == 12
        clean = run.derive("folded", folded, of=student)
        with torch.no_grad():
            student.last[0].weight.zero_()
        student.last.train()
        again = run.derive("noisy", noisy, of=run.derive("folded", folded, of=student))
    assert again.best is again.last and again.records == [] and again.best_epoch is None and again.seconds == 0
    with opened(tmp_path, "toy:other") as other:
        fresh = other.derive("noisy", noisy, of=other.derive("folded", folded, of=other.stage("student", net, fit)))
    assert same(bits(fresh.last), bits(again.last)) and clean.key != again.key


def test_function_arguments_source_and_version_make_its_key(tmp_path):
    with opened(tmp_path) as run:
        one, other = run.stage("one", net, fit), run.stage("other", net, fit, seed=1)
        peers = run.peers("peers", {"a": net, "b": net}, both)
        made = [
            run.derive("x", narrowed, of=one, share=0.5),
            run.derive("x", narrowed, of=one, share=0.25),
            run.derive("x", narrowed, of=other, share=0.5),
            run.derive("x", narrowed, of=one, share=0.5, version=2),
            run.derive("x", folded, of=one),
            run.derive("x", folded, of=peers["a"]),
            run.derive("x", folded, of=peers["b"]),
        ]
        renamed = run.derive("y", narrowed, of=one, share=0.5)
    assert len({network.key for network in made}) == len(made) and renamed.key == made[0].key
    assert noted(run)[-3]["uses"] == ["peers"]


def halved() -> nn.Sequential:
    """The architecture of ``narrowed``, with weights of its own."""
    network = net()
    kept = network[-1].in_features // 2
    network[-1] = nn.Sequential(Chosen(torch.arange(kept)), nn.Linear(kept, network[-1].out_features))
    return network


def test_what_another_function_builds_is_delivered_without_what_it_was_made_of(tmp_path):
    with opened(tmp_path / "runs") as run:
        student = run.stage("student", net, fit)
        small = run.derive("small", narrowed, of=student, share=0.5, built_by=halved)
        assert small.key != run.derive("small", narrowed, of=student, share=0.5).key
        run.deliver(small.last)
    assert [stage["uses"] for stage in noted(run)[1:]] == [["student"], ["student"]]
    delivered = run.folder.rename(tmp_path / "delivered")
    assert not list(delivered.glob("source*"))
    assert "narrowed" not in (delivered / "student.json").read_text()
    again = tutelage.load(delivered, allow=["test_derived"])
    assert same(bits(again), bits(small.last)) and torch.equal(answers(again), answers(small.last))


def test_what_builds_another_architecture_is_refused(tmp_path):
    with opened(tmp_path) as run:
        student = run.stage("student", net, fit)
        with pytest.raises(ValueError, match="'student' for 'small' is no network such as its built_by makes"):
            run.derive("small", narrowed, of=student, share=0.5, built_by=net)
    assert [path.name for path in (tmp_path / "stages").iterdir()] == [student.key]


def test_what_learns_from_it_is_keyed_by_it(tmp_path):
    with opened(tmp_path) as run:
        student = run.stage("student", net, fit)
        small = run.derive("small", narrowed, of=student, share=0.5)
        keys = [run.stage("next", net, partial(fit, teacher=x.last)).key for x in (student, small)]
    assert keys[0] != keys[1] and noted(run)[-1]["uses"] == ["small"]


def test_one_that_could_not_be_made_again_is_refused_in_one_sentence(tmp_path):
    with opened(tmp_path) as run:
        student = run.stage("student", net, fit)
        with pytest.raises(ValueError, match=r"undeclared is not declared .*`def undeclared\(…\) -> nn.Module:`"):
            run.derive("x", undeclared, of=student)
        with pytest.raises(ValueError, match="cannot be part of a stage's key"):
            run.derive("x", lambda network: network, of=student)
        with pytest.raises(ValueError, match="'mine' comes from elsewhere"):
            run.derive("x", folded, of=Finished("mine", "0", net(), net(), [], None))
        bound = run.derive("bound", beside, of=student, teacher=student.last)
        with pytest.raises(ValueError, match="only the recipe can make"):
            run.deliver(bound.last)
        assert not (run.folder / "student.json").exists()


def test_a_delivered_description_that_names_other_functions_is_refused(tmp_path):
    with opened(tmp_path) as run:
        run.deliver(derived(run, STEPS["folded"])[-1].last)
    description = json.loads((run.folder / "student.json").read_text())
    (run.folder / "SHA256SUMS").unlink()
    for functions, sentence in (
        ([{"function": "os:system", "arguments": [], "named": {}}], "os:system is not called"),
        ([{"function": "gone:away"}], r"no part of tutelage, .*allow=\['gone', 'test_derived'\]"),
        ([{"function": f"{__name__}:undeclared"}], "not declared to return"),
        ([{"function": f"{__name__}:away"}], "cannot be imported here"),
        ([3], "names a function and its arguments"),
        ("narrowed", "does not say how its network is built"),
        ([], "another architecture"),
    ):
        (run.folder / "student.json").write_text(json.dumps({**description, "functions": functions}))
        with pytest.raises(ValueError, match=sentence):
            tutelage.load(run.folder, allow=[__name__])
    for damaged in ("{}", "[]", "null", '{"functions": []}'):
        (run.folder / "student.json").write_text(damaged)
        with pytest.raises(ValueError, match="does not say how its network is built"):
            tutelage.load(run.folder, allow=[__name__])
