"""A signal that comes while somebody's code is at work ends the process; it is no failure of that code."""

import signal
from functools import partial

import pytest
from torch import nn

from task_networks import CASES
from tutelage.calls import lookup
from tutelage.keys import called
from tutelage.models.named import Builder, named
from tutelage.own_data.function import read_function
from tutelage.own_data.wanted import Wanted
from tutelage.stages.signals import obey
from tutelage.stopped import Stopped
from tutelage.study.diagnosis.pictures_tried import Way
from tutelage.study.own.teacher_builds import as_logits
from tutelage.study.sets import Sets

MODULE = """
import signal
from torch import nn
from tutelage.stages.signals import obey


def net() -> nn.Module:
    obey(signal.SIGTERM)


def data():
    obey(signal.SIGTERM)
"""


class Net(nn.Module):
    def forward(self, _):
        obey(signal.SIGTERM)


def sets():
    return Sets(*[CASES["classification"].data(8, seed) for seed in (0, 1, 2)])


def built(_path):
    return lookup("of_stopping.net")


PLACES = {
    "a builder": lambda: named("of_stopping:net", 3)(),
    "a builder of a file": lambda: called({"function": "of_stopping:net", "arguments": [], "named": {}}, found=built),
    "an import": partial(lookup, "of_stopping_early.net"),
    "a function of data": lambda: read_function("of_stopping:data", Wanted()),
    "a network": lambda: as_logits(Net, sets(), Way(), "net", None, print),
}


@pytest.mark.parametrize("place", PLACES)
def test_it_ends_the_process_wherever_it_comes(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "of_stopping.py").write_text(MODULE)
    (tmp_path / "of_stopping_early.py").write_text(f"{MODULE}\nobey(signal.SIGTERM)\n")
    with pytest.raises(Stopped) as stopped:
        PLACES[place]()
    assert stopped.value.code == 128 + signal.SIGTERM and isinstance(stopped.value, SystemExit)


def test_code_that_exits_is_a_failure_of_that_code():
    with pytest.raises(ValueError, match="SystemExit: 3"):
        Builder(leaving)()


def leaving() -> nn.Module:
    raise SystemExit(3)
