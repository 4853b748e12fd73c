"""A file is whole or absent, what comes back is what went in, and nothing that is not ours is ever opened."""

import json
import os
import pickle
import resource
import signal

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from examples import bits, cnn, mlp, same
from tutelage import checkpoint
from tutelage.checkpoint import (
    load_state,
    load_weights,
    read_json,
    save_state,
    save_weights,
    write_json,
)
from tutelage.files import remove_leftovers

STATE = {
    "float": torch.randn(3, dtype=torch.float64),
    "bytes": torch.arange(5, dtype=torch.uint8),
    "empty": [torch.zeros(0), torch.zeros(0, 3)],
    "scalar": torch.tensor(0.1, dtype=torch.bfloat16),
    3: {"nested": (1, 0.1, None, True, "ä"), "size": torch.Size([2, 3])},
    "extremes": [1e-300, 0.1 + 0.2, float("inf"), -0.0, 2**70],
}


def equal(x, y):
    if isinstance(x, torch.Tensor):
        return isinstance(y, torch.Tensor) and x.dtype == y.dtype and torch.equal(x, y)
    if isinstance(x, dict):
        return list(x) == list(y) and all(equal(x[k], y[k]) for k in x)
    if isinstance(x, list | tuple):
        return isinstance(y, tuple if isinstance(x, tuple) else list) and all(map(equal, x, y))
    return type(x) is type(y) and repr(x) == repr(y)


def test_what_went_in_comes_back_types_and_bits(tmp_path):
    save_state(tmp_path / "state", STATE)
    assert equal(STATE, load_state(tmp_path / "state"))


def test_shared_memory_is_stored_once_and_views_of_it_come_back_whole(tmp_path):
    whole = torch.arange(1000.0)
    save_state(tmp_path / "twice", {"a": whole, "b": whole})
    assert (tmp_path / "twice").stat().st_size < 2 * whole.nbytes
    state = {"whole": whole, "part": whole[:10], "shaped": whole.view(10, 100), "turned": whole.view(10, 100).mT}
    save_state(tmp_path / "views", state)
    assert equal({k: x.contiguous() for k, x in state.items()}, load_state(tmp_path / "views"))


@pytest.mark.parametrize("length", range(8, 272, 8))
def test_no_length_of_its_header_makes_a_file_look_like_a_pickle(tmp_path, length):
    """The first byte of a safetensors file is 0x80, a pickle's, in one of 32."""
    save_state(tmp_path / "state", {"x": torch.ones(1), "filler": "f" * length})
    assert load_state(tmp_path / "state")["filler"] == "f" * length


class Malicious:
    def __reduce__(self):
        return os._exit, (3,)


@pytest.mark.parametrize("kind", ["pickle", "torch", "zip"])
def test_a_pickle_is_refused_unopened(tmp_path, kind):
    path = tmp_path / "student.safetensors"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Malicious()))
    else:
        torch.save(Malicious(), path, _use_new_zipfile_serialization=kind == "zip")
    for read in (load_state, lambda file: load_weights(file, mlp())):
        with pytest.raises(ValueError, match=r"student\.safetensors is a pickle"):
            read(path)


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_file_that_is_cut_short_is_refused_by_name(tmp_path, keep):
    path = tmp_path / "state.safetensors"
    save_state(path, STATE)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"state\.safetensors is damaged or cut short"):
        load_state(path)


def test_other_tensors_are_no_checkpoint_and_no_file_is_none(tmp_path):
    save_file({"x": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="no training state"):
        load_state(tmp_path / "other.safetensors")
    with pytest.raises(FileNotFoundError, match="There is no file"):
        load_state(tmp_path / "absent")
    (tmp_path / "bad.json").write_text('{"a": ')
    with pytest.raises(ValueError, match=r"bad\.json is not readable as JSON"):
        read_json(tmp_path / "bad.json")


def test_what_no_checkpoint_can_hold_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="got a object"):
        save_state(tmp_path / "state", {"x": object()})
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"x": object()})
    assert list(tmp_path.iterdir()) == []


def tied():
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    net[1].weight = net[0].weight
    return net


@pytest.mark.parametrize(
    "build", [mlp, tied, lambda: cnn(4).to(memory_format=torch.channels_last), lambda: mlp().double()]
)
def test_weights_come_back_and_tied_ones_are_stored_once_and_stay_tied(tmp_path, build):
    net, other = build(), build()
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
    save_weights(tmp_path / "w", net)
    assert load_weights(tmp_path / "w", other) is other and same(bits(net), bits(other))
    assert len(list(other.parameters())) == len(list(net.parameters()))
    assert [p.stride() for p in other.parameters()] == [p.stride() for p in net.parameters()]


def test_weights_come_back_into_a_network_that_has_no_shapes_yet(tmp_path):
    def build():
        return nn.Sequential(nn.LazyConv1d(3, 2), nn.Flatten(), nn.LazyLinear(4))

    trained, x = build(), torch.rand(2, 5, 6)
    trained(x)
    save_weights(tmp_path / "net", trained)
    assert torch.equal(load_weights(tmp_path / "net", build())(x), trained(x))


@pytest.mark.parametrize(
    ("there", "here", "gap"),
    [
        (lambda: mlp(8), lambda: mlp(9), r"'0\.weight' is \(8, 8\) there and \(9, 8\) here"),
        (lambda: mlp(8)[:1], lambda: mlp(8), r"it lacks '2\.(weight|bias)'"),
        (lambda: mlp(8), lambda: mlp(8)[:1], r"it has '2\.(weight|bias)', which the model does not"),
    ],
)
def test_weights_of_another_architecture_are_refused(tmp_path, there, here, gap):
    save_weights(tmp_path / "w", there())
    with pytest.raises(ValueError, match=f"another architecture.*{gap}"):
        load_weights(tmp_path / "w", here())


@pytest.fixture
def full_disk():
    """No file may grow beyond 20 kB: a real error of the operating system, in the middle of writing."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("full_disk")
def test_a_disk_that_fills_up_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "state"
    save_state(path, STATE)
    with pytest.raises(OSError, match="The disk is full"):
        save_state(path, {"x": torch.zeros(100_000)})
    write_json(tmp_path / "x.json", [1])
    with pytest.raises(OSError, match="The disk is full"):
        write_json(tmp_path / "x.json", ["x" * 100_000])
    assert equal(STATE, load_state(path)) and read_json(tmp_path / "x.json") == [1]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state", "x.json"]


@pytest.mark.parametrize(
    ("number", "sentence"), [(28, "The disk is full"), (122, "The disk is full"), (5, "was not written")]
)
def test_what_safetensors_says_of_the_disk_is_said_in_our_words(tmp_path, monkeypatch, number, sentence):
    def fail(*_):
        raise SafetensorError(f"Error while serializing: I/O error: … (os error {number})")

    monkeypatch.setattr(checkpoint, "save_file", fail)
    with pytest.raises(OSError, match=sentence):
        save_state(tmp_path / "state", STATE)


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match="choose another folder"):
        write_json(tmp_path / "file" / "x.json", 1)


def test_what_killed_processes_left_half_written_is_swept_and_nothing_else(tmp_path):
    theirs = [".backup.1", ".hidden", ".notes.2024", ".tmpbV1AMW", ".tutelage-unfinished-file", "lock", "peer"]
    for name in theirs[:-1]:
        (tmp_path / name).write_text("")
    for folder in (tmp_path, tmp_path / "peer"):
        folder.mkdir(exist_ok=True)
        (folder / ".tutelage-unfinished-abc").mkdir()
        (folder / ".tutelage-unfinished-abc" / ".tmpbV1AMW").write_text("")
    remove_leftovers(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == theirs and not list((tmp_path / "peer").iterdir())


def test_files_are_plain_json_and_plain_safetensors(tmp_path):
    write_json(tmp_path / "x.json", {"ä": 0.1})
    assert json.loads((tmp_path / "x.json").read_text("utf-8")) == {"ä": 0.1}


def test_weights_can_be_read_by_whoever_the_umask_lets(tmp_path):
    before = os.umask(0o022)
    try:
        save_weights(tmp_path / "net.safetensors", nn.Linear(2, 2))
    finally:
        os.umask(before)
    assert (tmp_path / "net.safetensors").stat().st_mode & 0o777 == 0o644
