"""Pictures, a network of one's own and its weights, for commands that take them."""

import shutil

import pytest

from picture_folders import away, write_all


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """Pictures, a module of networks, and a trained teacher's weights, for all tests."""
    folder = tmp_path_factory.mktemp("written")
    write_all(folder)
    return folder


@pytest.fixture
def place(tmp_path, written, monkeypatch):
    """A current directory with a copy of all that."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    with away(monkeypatch, tmp_path):
        yield tmp_path


@pytest.fixture
def without_onnx(monkeypatch):
    """A student as a file for ONNX Runtime takes seconds, and few tests look at it."""
    monkeypatch.setattr("tutelage.deployment.deploy.export_onnx", _left_out)


def _left_out(*_, **__):
    raise ValueError("left out in this test")
