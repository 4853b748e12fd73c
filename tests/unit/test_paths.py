"""A path may be given as text wherever a user gives one."""

import pytest
import torch

from examples import mlp, same, vectors
from tutelage.checkpoint import load_state, load_weights, read_json, save_state, save_weights, write_json
from tutelage.data.cifar import cifar10, cifar100
from tutelage.data.folder import image_folder
from tutelage.data.image_files import image_files
from tutelage.data.mnist import mnist
from tutelage.data.recordings import fsdd
from tutelage.teachers.cached import cached
from tutelage.teachers.frozen import frozen
from tutelage.teachers.stores import in_folder


def test_what_was_saved_under_a_text_is_found_under_it(tmp_path):
    weights, state, json = (f"{tmp_path}/{name}" for name in ("a.safetensors", "b.safetensors", "c.json"))
    network = mlp(seed=1)
    save_weights(weights, network)
    assert same(load_weights(weights, mlp(seed=2)).state_dict(), network.state_dict())
    save_state(state, {"epoch": 3})
    write_json(json, [1])
    assert load_state(state) == {"epoch": 3} and read_json(json) == [1]


@pytest.mark.parametrize("read", [mnist, cifar10, cifar100, fsdd])
def test_a_folder_that_is_not_there_is_named(read, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nowhere"):
        read(f"{tmp_path}/nowhere")


@pytest.mark.parametrize("read", [image_folder, image_files])
def test_a_folder_of_images_may_be_a_text(read, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nowhere"):
        read(f"{tmp_path}/nowhere", "mine")


def test_a_cache_lies_in_a_folder_given_as_text(tmp_path):
    answer = cached(frozen(mlp()), samples=8, views=1, place=in_folder(f"{tmp_path}/cache", {}))
    batch = {**vectors(1)[0], "index": torch.arange(8), "view": torch.zeros(8, dtype=torch.long)}
    answer({"batch": batch}, frozenset({"output"}))
    assert (tmp_path / "cache" / "cache.json").exists()
