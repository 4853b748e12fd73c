"""A run under ``torchrun``: one folder, one writer, and the weights of one process with the whole batches."""

import json
import multiprocessing
import os
import signal
import socket
import sys
from functools import partial

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import cross_entropy

import tutelage
from examples import bits, same
from tutelage.learner import Learner
from tutelage.losses.kd import soft_targets
from tutelage.objective import Objective, Term
from tutelage.progress import Silence
from tutelage.results import Claim
from tutelage.run import Run
from tutelage.teachers.frozen import frozen

EPOCHS, STEPS = 3, 6


class Ear(Silence):
    def __init__(self):
        self.heard = []

    def stage(self, name, epochs, done):
        self.heard.append((name, epochs, done))

    def note(self, text):
        self.heard.append(text)


def net(width: int, *, random: bool) -> nn.Module:
    between = [nn.BatchNorm1d(width), nn.Dropout(0.3)] if random else []
    return nn.Sequential(nn.Linear(8, width), *between, nn.Tanh(), nn.Linear(width, 5)).double()


def halved(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        network[-1].weight.mul_(0.5)
    return network


def batches(epoch, first, *, stop):
    """Each rank's share of the same batches; ``stop`` are the epoch, step and rank of a signal, and whose it is."""
    here, of = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    g = torch.Generator().manual_seed(epoch)
    for step in range(STEPS):
        x = torch.randn(12, 8, generator=g, dtype=torch.float64)
        target = torch.randint(5, (12,), generator=g)
        if step >= first:
            if (epoch, step, here) in stop and step > 0:  # the rehearsal asks for the first batch too
                os.kill(os.getpid(), signal.SIGTERM)
            yield {"input": x.chunk(of)[here], "target": target.chunk(of)[here]}


def loss_of(model):
    g = torch.Generator().manual_seed(99)
    with torch.no_grad():
        model.eval()
        x = torch.randn(20, 8, generator=g, dtype=torch.float64)
        return {"loss": cross_entropy(model(x), torch.randint(5, (20,), generator=g))}


STOP: list[tuple[int, int, int]] = []


def fit(stage, model, *, teacher=None):
    terms, teachers = {"label": Term(cross_entropy, "student.output", "batch.target")}, {}
    if teacher is not None:
        terms["soft"] = Term(soft_targets, "student.output", "teacher.output", weight=2.0)
        teachers = {"teacher": frozen(teacher)}
    learner = Learner(model, Objective(**terms), partial(torch.optim.SGD, lr=0.05, momentum=0.9), teachers=teachers)
    source = partial(batches, stop=tuple(STOP))
    stage.train({"student": learner}, source, EPOCHS, model=model, validate=partial(loss_of, model))


def recipe(run, random):
    teacher = run.stage("teacher", partial(net, 16, random=random), fit, seed=1)
    student = run.stage("student", partial(net, 4, random=random), partial(fit, teacher=teacher.best), seed=2)
    half = run.derive("half", halved, of=student)
    run.claim(Claim("errors", published=0, measured=1, unit="errors", source="nobody", high=5))
    run.deliver(half.last)
    return {"teacher": teacher.last, "best": teacher.best, "student": student.last, "half": half.last}


def go(root, random=False, ear=None, save_every=0.0):
    torch.set_num_threads(1)
    with Run("toy:ranks", root=root, exact=True, device="cpu", progress=ear) as run:
        run.save_every = save_every
        return {name: bits(network) for name, network in recipe(run, random).items()}


def on_rank(rank, port, root, out, job, *arguments):
    """``job`` as ``torchrun`` would start it; what became of it, what it heard and what it wrote, into ``out``."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "RANK": str(rank)}
    written, ear = set(), Ear()

    def watch(event, about):
        opened = event == "open" and about[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if opened or event in ("os.mkdir", "os.remove", "os.rename", "os.rmdir"):
            written.add(str(about[0]))

    sys.addaudithook(watch)
    try:
        end = job(root, *arguments, ear=ear)
    except (Exception, SystemExit) as error:
        end = f"{type(error).__name__}: {error}"
    own = sorted(path for path in written if path.startswith(str(root)))
    torch.save((end, ear.heard, own, dist.is_initialized()), f"{out}.{rank}")


def together(tmp_path, root, job, *arguments):
    """What became of it on both ranks."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tutelage.run", "torch._dynamo"])  # the latter is imported by the first step
    out = tmp_path / "out"
    ranks = [context.Process(target=on_rank, args=(rank, port, root, out, job, *arguments)) for rank in (0, 1)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(300)
    assert [process.exitcode for process in ranks] == [0, 0]
    return [torch.load(f"{out}.{rank}", weights_only=True) for rank in (0, 1)]


def lines_of(root):
    (log,) = root.rglob("log.jsonl")
    return [json.loads(line) for line in log.read_text().splitlines()]


def no_clock(records):
    return [{name: x for name, x in record.items() if name != "seconds"} for record in records]


def test_two_ranks_leave_what_one_process_with_the_whole_batches_leaves_and_only_one_of_them_writes(tmp_path):
    one = go(tmp_path / "one")
    (left, heard, written, _), (right, silence, untouched, grouped) = together(tmp_path, tmp_path / "two", go)
    for name, weights in one.items():
        assert same(left[name], right[name])
        for key, x in weights.items():
            torch.testing.assert_close(left[name][key], x, rtol=1e-9, atol=1e-12)
    assert written and untouched == [] and silence == [] and not grouped
    assert ("teacher", EPOCHS, 0) in heard and ("student", EPOCHS, 0) in heard
    lines, expected = lines_of(tmp_path / "two"), lines_of(tmp_path / "one")
    assert [(x["stage"], x["epoch"], x["step"], x["best"]) for x in lines] == [
        (x["stage"], x["epoch"], x["step"], x["best"]) for x in expected
    ]
    (folder,) = (tmp_path / "two" / "toy-ranks").iterdir()
    assert len(json.loads((folder / "results.json").read_text())["claims"]) == 1
    assert same(bits(tutelage.load(folder, allow=[__name__])), left["half"])
    again = together(tmp_path, tmp_path / "two", go)
    assert all(same(again[rank][0][name], weights) for rank in (0, 1) for name, weights in left.items())
    assert sum("loaded from" in note for note in again[0][1]) == 3 and again[1][2] == []


def interrupted(root, stop, ear):
    STOP[:] = stop
    return go(root, True, ear)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_to_either_rank_stops_both_after_the_same_step_and_they_go_on_to_the_same_bits(tmp_path, rank):
    straight = together(tmp_path, tmp_path / "straight", go, True)
    stopped = together(tmp_path, tmp_path / "broken", interrupted, [(1, 3, rank)])
    assert [end for end, *_ in stopped] == ["Stopped: 143"] * 2 and stopped[1][2] == []
    (resumed, heard, *_), (other, _, untouched, _) = together(tmp_path, tmp_path / "broken", go, True)
    assert ("teacher", EPOCHS, 1) in heard and untouched == []
    for name, weights in straight[0][0].items():
        assert same(resumed[name], weights) and same(other[name], weights)
    assert no_clock(lines_of(tmp_path / "broken")) == no_clock(lines_of(tmp_path / "straight"))


def refusing(root, ear):
    with Run("toy:ranks", root=root, exact=True, device="cpu", progress=ear):
        raise ValueError("the temperature must be above 0")


def failing(root, where, ear):
    with Run("toy:ranks", root=root, exact=True, device="cpu", progress=ear) as run:
        run.stage("teacher", partial(net, 4, random=False), partial(failing_fit, where=where))


def failing_fit(stage, model, *, where):
    if dist.get_rank() == where:
        raise ZeroDivisionError("a bug")
    fit(stage, model)


@pytest.mark.parametrize("where", [0, 1])
def test_a_failure_on_one_rank_ends_the_other_too(tmp_path, where):
    ends = [end for end, *_ in together(tmp_path, tmp_path / "root", failing, where)]
    assert ends[where] == "ZeroDivisionError: a bug" and isinstance(ends[1 - where], str)


def test_a_folder_that_rank_0_may_not_use_is_refused_on_all(tmp_path):
    with Run("toy:ranks", root=tmp_path / "root", exact=True, device="cpu"):
        ends = [end for end, *_ in together(tmp_path, tmp_path / "root", go)]
    assert ends[0].startswith("BlockingIOError") and "in use by process" in ends[1]


def test_a_refused_run_of_two_ranks_leaves_nothing(tmp_path):
    ends = together(tmp_path, tmp_path / "root", refusing)
    assert [end for end, *_ in ends] == ["ValueError: the temperature must be above 0"] * 2
    assert not (tmp_path / "root").exists()
