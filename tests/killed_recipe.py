"""A small recipe with everything that a resumed run could forget, and what it takes to kill it and to compare it.

``python killed_recipe.py ROOT`` runs it; ``killed(…)`` starts it until it ends, and kills it at given moments.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from outcome import outcome as outcome
from tutelage.data.labelled import labelled
from tutelage.data.views import views
from tutelage.keys import STAGE_KEY
from tutelage.learner import Learner
from tutelage.losses.kd import soft_targets
from tutelage.objective import Objective, Term
from tutelage.optimizers.clipped import clipped
from tutelage.optimizers.ema import averaged, ema
from tutelage.optimizers.max_norm import max_norm
from tutelage.optimizers.scheduled import scheduled
from tutelage.results import Arguments, Claim, Table
from tutelage.run import Run
from tutelage.teachers.cached import cached, only_unseen
from tutelage.teachers.frozen import frozen
from tutelage.teachers.stores import in_folder

G = torch.Generator().manual_seed(4)
DATA = labelled("blobs", torch.randn(170, 8, generator=G), torch.randint(5, (170,), generator=G))
HELD = labelled("held", torch.randn(50, 8, generator=G), torch.randint(5, (50,), generator=G))
EPOCHS, VIEWS = 4, 3
PAUSE = 0.0  # seconds before each batch, if more than a recipe was told: no part of its arguments


def net(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(8, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, width), nn.ReLU(),
        nn.Linear(width, 5),
    )  # fmt: skip


def shake(x, view):
    return x + 0.1 * view[:, None].sin()


def slowly(source, pause):
    """The same batches, each a little later, so that there is time to be killed."""

    def batches(epoch, first):
        for batch in source(epoch, first):
            time.sleep(max(pause, PAUSE))
            yield batch

    return batches


def wide(name):
    return name.endswith("weight")


def falling(step):
    return 1 / (1 + 0.01 * step)


def optimizer(named, *, kept=None):
    sgd = partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True)
    made = ema(max_norm(clipped(scheduled(sgd, falling), 1.0), 1.5, wide), 0.9)(named)
    if kept is not None:
        kept.append(made)
    return made


def figures(model, kept):
    """A validation that draws numbers, leaves the network in eval mode and reads an average of the weights."""
    torch.rand(3)
    model.eval()
    with torch.no_grad():
        loss = cross_entropy(model(HELD.inputs), HELD.targets)
    average = sum(x.double().square().sum() for x in averaged(kept[0]).values())
    return {"loss": loss, "average": average}


def remembered(stage, teacher, data):
    """What the teacher said about each view, in a folder that all runs of the root share."""
    key = {"teacher": getattr(teacher, STAGE_KEY), "data": data.checksum}
    place = in_folder(stage.shared / "answers" / key["teacher"].replace("/", "-"), key)
    return cached(frozen(teacher), samples=len(data), views=VIEWS, place=place, choose=only_unseen)


def fit(stage, model, *, data, pause, epochs, teacher=None):
    label = Term(cross_entropy, "student.output", "batch.target")
    terms, teachers = {"label": label}, {}
    if teacher is not None:
        terms["soft"] = Term(soft_targets, "student.output", "teacher.output", weight=lambda clock: 0.3 * clock.epoch)
        teachers = {"teacher": remembered(stage, teacher, data)}
    kept = []
    learner = Learner(model, Objective(**terms), partial(optimizer, kept=kept), teachers=teachers)
    source = slowly(views(data, shake, num_views=VIEWS, batch_size=8, seed=3), pause)  # 22 batches, the last one of 2
    validate = partial(figures, model, kept)
    stage.train({"student": learner}, source, epochs, model=model, validate=validate, accumulate=2)


def narrower(network: nn.Module, units: int) -> nn.Module:
    """A network derived from a trained one: its last hidden layer without all units but the first."""
    before, after = network[4], network[6]
    network[4], network[6] = nn.Linear(before.in_features, units), nn.Linear(units, after.out_features)
    with torch.no_grad():
        network[4].weight.copy_(before.weight[:units])
        network[4].bias.copy_(before.bias[:units])
        network[6].weight.copy_(after.weight[:, :units])
        network[6].bias.copy_(after.bias)
    return network


def recipe(run, *, pause: float = 0.0, epochs: int = EPOCHS, width: int = 12) -> None:
    """A teacher, a student that it teaches from a cache, and a smaller network derived from the student.

    Args:
        pause: seconds before each batch
        epochs: of either training
        width: of the student
    """
    known = partial(fit, data=DATA, pause=pause, epochs=epochs)
    teacher = run.stage("teacher", partial(net, 24), known, seed=1)
    student = run.stage("student", partial(net, width), partial(known, teacher=teacher.best), seed=2)
    small = run.derive("small", narrower, of=student, units=8)
    with torch.no_grad():
        logits = small.last.eval()(HELD.inputs)
    errors = int((logits.argmax(1) != HELD.targets).sum())
    table = Table("errors", ("errors", "sum of the logits"), ((errors, float(logits.sum())),))
    run.publish(headline=f"{errors} errors", tables=[table])
    run.claim(Claim("errors", published=0, measured=errors, unit="errors", source="nobody", high=50))
    run.deliver(small.last)


def go(root: Path, pause: float = 0.006, save_every: float = 0.02) -> Path:
    """Run the recipe under ``root``, or go on with it; the folder of the run."""
    torch.set_num_threads(1)
    request = Arguments("killed", preset="", command="", arguments={"pause": pause}, defaults={})
    with Run(request, root=root, exact=True, device="cpu") as run:
        run.save_every = save_every
        recipe(run, pause=pause)
    return run.folder


class Started:
    """The recipe in a process of its own."""

    def __init__(self, pid: int, wait: Callable[[], int]) -> None:
        self.pid, self.wait = pid, wait


@contextmanager
def afresh(root: Path) -> Iterator[Started]:
    """Started as a user would: a new interpreter, which takes seconds to import torch."""
    with subprocess.Popen([sys.executable, __file__, str(root)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield Started(process.pid, process.wait)


@contextmanager
def forked(root: Path) -> Iterator[Started]:
    """Forked from a process that has imported everything and done nothing: as good as new, within milliseconds."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["killed_recipe", "torch._dynamo"])  # the latter is imported by the first step
    here, there = server.Pipe(duplex=False)
    process = server.Process(target=_in_child, args=(root, there))
    process.start()
    there.close()
    assert here.recv() == "ready"

    def wait() -> int:
        process.join(60)
        assert process.exitcode is not None
        return process.exitcode

    yield Started(process.pid, wait)
    wait()
    process.close()
    here.close()


def _in_child(root, there):
    there.send("ready")
    try:
        go(root)
    except KeyboardInterrupt:  # an interpreter that stops so says 130 to its shell
        raise SystemExit(128 + signal.SIGINT) from None


def killed(root: Path, moments: Iterable[float], start=forked) -> int:
    """Start the recipe again and again, SIGKILL it so many seconds after each start, let it end; how often it died."""
    died = 0
    for moment in moments:
        with start(root) as process:
            time.sleep(moment)
            with suppress(ProcessLookupError):  # it may have ended
                os.kill(process.pid, signal.SIGKILL)
            died += process.wait() == -signal.SIGKILL
    with start(root) as process:
        assert process.wait() == 0
    return died


if __name__ == "__main__":
    from killed_recipe import go as go_on  # by its own name: the functions' names are part of the stages' keys

    print("ready", flush=True)
    go_on(Path(sys.argv[1]))
