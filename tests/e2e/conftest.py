"""Pictures, a network of one's own and its weights, for commands that take them."""

import shutil

import pytest

from picture_folders import away, write_all
from text_teachers import write_all as write_texts
from tutelage.measures.latency import latency

CLOCKED = ("study.evaluated", "study.own.measured", "study.planning.side_by_side", "study.experiments.sparse_tables")


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """Pictures, a module of networks, and a trained teacher's weights, for all tests."""
    folder = tmp_path_factory.mktemp("written")
    write_all(folder)
    return folder


def twice(*arguments, **settings):
    return latency(*arguments, **(settings | {"rounds": 2, "warm_up": 0}))


@pytest.fixture(autouse=True, scope="module")
def few_rounds():
    """Clocks are read twice instead of fifty times, in this process: what they say is what no test looks at."""
    with pytest.MonkeyPatch.context() as patch:
        for module in CLOCKED:
            patch.setattr(f"tutelage.{module}.latency", twice)
        patch.setattr("tutelage.study.costs._rounds", lambda _step: 1)
        yield


@pytest.fixture
def place(tmp_path, written, monkeypatch):
    """A current directory with a copy of all that."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    with away(monkeypatch, tmp_path):
        yield tmp_path


@pytest.fixture(scope="session")
def written_texts(tmp_path_factory):
    """Texts with and without labels, and a folder and a file of networks that know them, for all tests."""
    folder = tmp_path_factory.mktemp("texts")
    write_texts(folder)
    return folder


@pytest.fixture
def texts(tmp_path, written_texts, monkeypatch):
    """A current directory with a copy of all that."""
    shutil.copytree(written_texts, tmp_path, dirs_exist_ok=True)
    with away(monkeypatch, tmp_path):
        yield tmp_path


@pytest.fixture
def without_onnx(monkeypatch):
    """A student as a file for ONNX Runtime takes seconds, and few tests look at it."""
    monkeypatch.setattr("tutelage.deployment.deploy.export_onnx", _left_out)


def _left_out(*_, **__):
    raise ValueError("left out in this test")
