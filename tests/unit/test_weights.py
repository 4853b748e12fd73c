"""Weights arrive whole and bit for bit from whatever file holds them, or not at all; nothing in a file ever runs."""

import json
import os
import pickle
import socket
import subprocess
import sys
import tarfile
import zipfile
from collections import OrderedDict
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from examples import bits, cnn, mlp, same
from tutelage.checkpoint import file_hash, load_weights, save_weights
from tutelage.weights.foreign import load_foreign
from tutelage.weights.in_parts import weights_hash

pytestmark = pytest.mark.slow

KEYS = ["state_dict", "model", "model_state_dict", "net", "network", "ema", "model_ema", "weights", "params", "teacher"]
KEYS += ["student", "module", "generator", "state_dict_ema", "model.best"]
PREFIXES = ["module.", "_orig_mod.", "model.", "net.", "backbone.", "encoder.", "my_own."]
FORMATS = ["zip", "legacy", "safetensors"]


def named(**parts):
    return nn.Sequential(OrderedDict(parts))


def classifier(width=4, seed=0):
    net = cnn(width, seed)
    return named(features=net[:6], pool=net[6:8], fc=net[8])


jitted = partial(torch.compile, backend="eager")


def write(path, content, kind="zip"):
    if kind == "safetensors":
        save_file({name: x.detach().clone().contiguous() for name, x in content.items()}, path)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    return path


def loaded(path, build=classifier):
    net = build(seed=1)
    return bits(net), load_foreign(path, net)


def prefixed(state, prefix):
    return {prefix + name: x for name, x in state.items()}


@st.composite
def networks(draw):
    """The seeded builder of a random small network: dense or convolutional, nested, with and without BatchNorm."""
    widths = draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    norm, nest = draw(st.booleans()), draw(st.integers(0, 2))
    dtype = draw(st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.float16]))

    def build(seed=0):
        torch.manual_seed(seed)
        blocks = [
            named(conv=nn.Conv2d(a, b, 1), **({"bn": nn.BatchNorm2d(b)} if norm else {})) for a, b in pairwise(widths)
        ]
        net = named(**{f"layer{i}": block for i, block in enumerate(blocks)}, fc=nn.Linear(widths[-1], 3))
        for x in net.buffers():
            x.random_(1, 100)
        for _ in range(nest):
            net = named(trunk=net, head=nn.Linear(2, 2))
        return net.to(dtype)

    return build


@settings(max_examples=60, deadline=None)
@given(
    build=networks(),
    keys=st.lists(st.sampled_from(KEYS), max_size=3),
    prefixes=st.lists(st.sampled_from(PREFIXES), max_size=3),
    kind=st.sampled_from(FORMATS),
    wrap=st.sampled_from([lambda net: net, nn.DataParallel, lambda net: named(model=net)]),
)
def test_any_network_comes_back_to_the_bit_from_any_wrapper_prefix_and_format(
    tmp_path_factory, build, keys, prefixes, kind, wrap
):
    state = build().state_dict()
    content = prefixed(state, "".join(prefixes))
    for key in keys if kind != "safetensors" else ():
        content = {"epoch": 3, key: content, "optimizer": {"state": {0: {"momentum_buffer": torch.ones(3)}}}}
    path = write(tmp_path_factory.mktemp("w") / "net.any", content, kind)
    net = build(seed=1)
    load_foreign(path, wrap(net))
    assert same(net.state_dict(), state)


@settings(max_examples=40, deadline=None)
@given(build=networks(), there=st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]))
def test_values_are_converted_as_torch_converts_them(tmp_path_factory, build, there):
    state = {k: x.to(there) if x.is_floating_point() else x for k, x in build().state_dict().items()}
    net = build(seed=1)
    load_foreign(write(tmp_path_factory.mktemp("w") / "net.pt", state), net)
    assert same(net.state_dict(), {k: state[k].to(x.dtype) for k, x in net.state_dict().items()})


@settings(max_examples=40, deadline=None)
@given(build=networks(), data=st.data())
def test_whatever_is_changed_about_the_names_or_shapes_the_model_is_left_as_it_was(tmp_path_factory, build, data):
    state = dict(build().state_dict())
    name = data.draw(st.sampled_from([name for name in state if "num_batches" not in name]))
    match data.draw(st.sampled_from(["missing", "shape", "extra"])):
        case "missing":
            del state[name]
        case "shape":
            state[name] = torch.ones(7, 7, 7)
        case "extra":
            state[f"{name}_2"] = torch.ones(1)
    prefix = data.draw(st.sampled_from(["", *PREFIXES]))
    path = write(tmp_path_factory.mktemp("w") / "net.pt", prefixed(state, prefix))
    net = build(seed=1)
    before = bits(net)
    with pytest.raises(ValueError, match=rf"another architecture(.|\n)*{name}"):
        load_foreign(path, net)
    assert same(bits(net), before)


STATE = classifier().state_dict()
PLAIN = {name: x for name, x in STATE.items() if "num_batches" not in name}


@pytest.mark.parametrize(
    ("content", "sentences"),
    [
        (STATE, []),
        ({"state_dict": prefixed(STATE, "module."), "epoch": 3, "optimizer": {}},
         ["took the weights under 'state_dict'", f"dropped the prefix 'module.' of {len(STATE)} names",
          "ignored 'epoch', 'optimizer'"]),
        (PLAIN, ["num_batches_tracked is missing for 2 layers: set to 0"]),
        ({k: x.half() for k, x in PLAIN.items()},
         ["converted 14 tensors from float16 to float32", "num_batches_tracked is missing for 2 layers: set to 0"]),
        ({"ema": classifier(seed=3).state_dict(), "net": STATE},
         ["took the weights under 'net'", "did not take those under 'ema', which fit as well"]),
        ({"ema": STATE, "model": {"other": torch.ones(1)}}, ["took the weights under 'ema'", "ignored 'model'"]),
        ({"modelEma": STATE}, ["took the weights under 'modelEma'"]),
        ({k.replace("features.", "features.module."): x for k, x in STATE.items()},
         ["dropped 'module.' of 14 names below 'features'"]),
        ({k if k.startswith("fc") else f"backbone.{k}": x for k, x in STATE.items()},
         ["dropped the prefix 'backbone.' of 14 names"]),
        (prefixed(STATE, "model.") | {"criterion.weight": torch.ones(2)},
         ["dropped the prefix 'model.' of 16 names", "ignored 'criterion.weight'"]),
        (prefixed(STATE, "online_model.") | prefixed(classifier(seed=3).state_dict(), "ema_model."),
         ["did not take those under 'ema_model', which fit as well", "dropped the prefix 'online_model.' of 16 names"]),
        (torch.optim.swa_utils.AveragedModel(classifier()).state_dict(),
         ["dropped the prefix 'module.' of 16 names", "ignored 'n_averaged'"]),
        ({"net": {"features": classifier().features.state_dict(), "fc": classifier().fc.state_dict()}, "best": 0.9},
         ["took the weights under 'net.features', 'net.fc'", "added the prefix 'features.' to 14 names",
          "added the prefix 'fc.' to 2 names", "ignored 'best'"]),
        ([{"epoch": 3}, STATE], ["took the weights under '1'", "ignored '0'"]),
    ],
)  # fmt: skip
def test_what_was_done_is_said_and_nothing_else(tmp_path, content, sentences):
    state, said = loaded(write(tmp_path / "net.pth", content))
    net = classifier(seed=1)
    load_foreign(tmp_path / "net.pth", net)
    assert said == sentences
    halves = any("float16" in sentence for sentence in sentences)
    for name, x in net.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(x, STATE[name].half().float() if halves else STATE[name]), name
    assert not same(state, bits(net))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_compiled_network_and_the_plain_one_take_each_others_files(tmp_path, kind):
    plain, compiled = classifier(), jitted(classifier(seed=2))
    plain.features = jitted(plain.features)
    for there in (plain, compiled):
        write(tmp_path / "net.pt", there.state_dict(), kind)
        for here in (classifier(seed=5), jitted(classifier(seed=6))):
            load_foreign(tmp_path / "net.pt", here)
            assert all(torch.equal(x, y) for x, y in zip(here.parameters(), there.parameters(), strict=True))


def test_our_own_files_of_compiled_networks_have_plain_names_and_old_ones_are_read_as_well(tmp_path):
    compiled = jitted(classifier(seed=2))
    save_weights(tmp_path / "new", compiled)
    save_file({name: x.clone() for name, x in compiled.state_dict().items()}, tmp_path / "old")
    for file in ("new", "old"):
        for here in (classifier(seed=5), jitted(classifier(seed=6))):
            load_weights(tmp_path / file, here)
            assert same(bits(here), bits(compiled) if hasattr(here, "_orig_mod") else bits(compiled._orig_mod))
    load_foreign(tmp_path / "new", here := classifier(seed=7))
    assert same(bits(here), bits(compiled._orig_mod))


class Module(nn.Module):
    """A child called as DataParallel calls its own."""

    def __init__(self, seed=0):
        super().__init__()
        self.module, self.extra = mlp(seed=seed), nn.Linear(2, 2)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.module.", "model."])
def test_a_child_that_has_a_wrappers_name_stays(tmp_path, prefix):
    there, here = Module(), Module(seed=1)
    load_foreign(write(tmp_path / "net.pt", prefixed(there.state_dict(), prefix)), here)
    assert same(bits(there), bits(here))


def tied(seed=0):
    net = named(embed=mlp(8, seed)[0], body=nn.Linear(8, 8), head=nn.Linear(8, 8))
    net.head.weight = net.embed.weight
    return net


@pytest.mark.parametrize("absent", ["head.weight", "embed.weight", None])
def test_tied_weights_are_stored_once_or_twice_but_not_with_two_values(tmp_path, absent):
    state = {name: x for name, x in tied().state_dict().items() if name != absent}
    load_foreign(write(tmp_path / "net.pt", state), net := tied(seed=1))
    assert same(bits(net), bits(tied())) and net.head.weight is net.embed.weight
    save_weights(tmp_path / "own", tied(seed=3))
    load_foreign(tmp_path / "own", net)
    assert torch.equal(net.embed.weight, tied(seed=3).embed.weight)
    with pytest.raises(ValueError, match=r"'embed\.weight', 'head\.weight', which are one tensor"):
        load_foreign(write(tmp_path / "net.pt", tied().state_dict() | {"head.weight": torch.ones(8, 8)}), net)


def test_layouts_parameters_and_old_scalars_are_taken(tmp_path):
    state = {k: nn.Parameter(x) if x.is_floating_point() else x.reshape(1) for k, x in STATE.items()}
    state["fc.weight"] = torch.stack([STATE["fc.weight"]] * 2, dim=-1)[..., 0]  # not contiguous
    write(tmp_path / "net.pt", OrderedDict(state))
    for here in (classifier(seed=1), classifier(seed=1).to(memory_format=torch.channels_last)):
        strides = [x.stride() for x in here.parameters()]
        assert load_foreign(tmp_path / "net.pt", here) == []
        assert same(bits(here), STATE) and [x.stride() for x in here.parameters()] == strides
        assert all(x.requires_grad for x in here.parameters())


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_tensors_of_another_processor_come_to_this_one(tmp_path, kind, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda _: "cuda:0")
        write(tmp_path / "net.pth.tar", {"net": STATE}, kind)
    assert b"cuda:0" in (tmp_path / "net.pth.tar").read_bytes()
    net = classifier(seed=1)
    load_foreign(tmp_path / "net.pth.tar", net)
    assert same(bits(net), STATE)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("ending", ["pth", "pt", "th", "bin", "ckpt", "safetensors", "tar", ""])
def test_the_ending_of_a_name_means_nothing(tmp_path, kind, ending):
    load_foreign(str(write(tmp_path / f"net.{ending}", STATE, kind)), net := classifier(seed=1))
    assert same(bits(net), STATE)


def test_up_to_ten_of_each_misfit_are_listed_with_both_shapes(tmp_path):
    here = named(
        **{f"a{i:02}": nn.Linear(1, 1, bias=False) for i in range(12)}, same=nn.Linear(2, 2), wide=nn.Linear(2, 3)
    )
    there = named(
        **{f"b{i:02}": nn.Linear(1, 1, bias=False) for i in range(12)}, same=nn.Linear(2, 2), wide=nn.Linear(2, 4)
    )
    with pytest.raises(ValueError, match="another architecture") as error:
        load_foreign(write(tmp_path / "net.pt", {"model": there.state_dict()}), here)
    first, missing, extra, shapes = str(error.value).splitlines()
    assert first.endswith("holds the weights of another architecture than this Sequential, and nothing was loaded:")
    assert missing.startswith("12 missing: 'a00.weight', ") and missing.endswith("'a09.weight' and 2 more;")
    assert extra.startswith("12 too many: 'model.b00.weight', ") and extra.endswith(" and 2 more;")
    assert shapes.startswith("2 of another shape: 'wide.weight' is (4, 2) there and (3, 2) here, ")


@pytest.mark.parametrize(
    ("there", "here"),
    [
        (lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)), lambda: nn.Sequential(nn.Linear(4, 4))),
        (lambda: nn.Sequential(nn.Linear(4, 4)), lambda: nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))),
        (lambda: named(b=nn.Linear(4, 4), c=nn.Linear(4, 4)), lambda: named(a=nn.Linear(4, 4), b=nn.Linear(4, 4))),
    ],
)
def test_equal_shapes_alone_make_no_layer_of_another(tmp_path, there, here):
    with pytest.raises(ValueError, match="another architecture"):
        load_foreign(write(tmp_path / "net.pt", there().state_dict()), here())


TWINS = {"student": STATE, "teacher": classifier(seed=3).state_dict()}


@pytest.mark.parametrize(
    ("content", "places"),
    [
        (TWINS, "'student', 'teacher'"),
        ({"state_dict": TWINS}, "'state_dict.student', 'state_dict.teacher'"),
        (prefixed(TWINS["student"], "student.") | prefixed(TWINS["teacher"], "teacher."), "'student', 'teacher'"),
        (list(TWINS.values()), "'0', '1'"),
        ({"student": prefixed(STATE, "module."), "teacher": prefixed(TWINS["teacher"], "backbone.")},
         "'student.module', 'teacher.backbone'"),
    ],
)  # fmt: skip
def test_two_sets_of_weights_are_not_chosen_from_where_no_rule_says_which(tmp_path, content, places):
    net = classifier(seed=1)
    before = bits(net)
    with pytest.raises(ValueError, match=f"more than once, under {places}"):
        load_foreign(write(tmp_path / "net.pt", content), net)
    assert same(before, bits(net))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [(torch.int8, 3), (torch.complex64, 1), (torch.float64, 1e300), (torch.bool, 1)],
)
def test_values_that_a_weight_cannot_take_are_refused_and_counters_of_any_type_are_taken(tmp_path, dtype, value):
    state = {k: torch.full(x.shape, value, dtype=dtype) if k == "fc.bias" else x for k, x in STATE.items()}
    net = classifier(seed=1)
    before = bits(net)
    with pytest.raises(ValueError, match=r"'fc\.bias' is \w+ there and float32 here"):
        load_foreign(write(tmp_path / "net.pt", state), net)
    assert same(before, bits(net))
    state = {k: torch.tensor(70_000).to(torch.float16) if "num_b" in k else x for k, x in STATE.items()}
    assert loaded(write(tmp_path / "net.pt", state))[1] == ["num_batches_tracked is missing for 2 layers: set to 0"]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", ["fc.bias", "features.1.running_var"])
def test_values_that_are_no_finite_numbers_are_refused_by_name_and_count(tmp_path, name, value, kind):
    state = {k: x.clone() for k, x in STATE.items()}
    state[name][:2] = value
    net = classifier(seed=1)
    before = bits(net)
    with pytest.raises(ValueError, match=rf"net\.pt holds .* infinite, in '{name}' \(2 of {state[name].numel()}\): "):
        load_foreign(write(tmp_path / "net.pt", state, kind), net)
    assert same(before, bits(net))


class Causal(nn.Linear):
    def __init__(self, seed=0):
        torch.manual_seed(seed)
        super().__init__(3, 3)
        self.register_buffer("mask", torch.full((3, 3), -torch.inf).triu(1))


def test_a_mask_that_is_infinite_in_the_network_too_is_taken(tmp_path):
    net = Causal(seed=1)
    load_foreign(write(tmp_path / "net.pt", Causal().state_dict()), net)
    assert same(bits(net), bits(Causal()))


class Namespace:
    epochs = 3


MIXED = {
    "module": (lambda: classifier(), {}),
    "wrapped module": (lambda: {"epoch": 1, "model": classifier()}, {}),
    "parallel module": (lambda: nn.DataParallel(classifier()), {}),
    "numpy scalar": (lambda: {"state_dict": STATE, "best": np.float64(0.5)}, {}),
    "numpy arrays": (lambda: {name: x.numpy() for name, x in STATE.items()}, {}),
    "arguments": (lambda: OrderedDict(model=STATE, args=Namespace()), {}),
    "newer protocol": (lambda: {"state_dict": STATE}, {"pickle_protocol": 4}),
}


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle"])
@pytest.mark.parametrize("mixture", MIXED)
def test_a_pickle_of_more_than_weights_is_refused_with_a_line_that_makes_weights_of_it(tmp_path, mixture, kind):
    content, options = MIXED[mixture]
    if kind == "pickle":
        (tmp_path / "it's.pth").write_bytes(pickle.dumps(content(), options.get("pickle_protocol", 2)))
    else:
        torch.save(content(), tmp_path / "it's.pth", _use_new_zipfile_serialization=kind == "zip", **options)
    with pytest.raises(ValueError, match=r"(?s)it's\.pth is a pickle .*was not opened.*only if you trust") as error:
        loaded(tmp_path / "it's.pth")
    exec(str(error.value).splitlines()[1])
    load_foreign(tmp_path / "it's_weights.pth", net := classifier(seed=1))
    assert same(bits(net), STATE)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_an_archive_of_torchscript_is_refused_with_a_line_that_makes_weights_of_it(tmp_path):
    torch.jit.save(torch.jit.trace(classifier().eval(), torch.ones(2, 3, 8, 8)), tmp_path / "net.pt")
    with pytest.raises(ValueError, match=r"net\.pt is a TorchScript archive") as error:
        loaded(tmp_path / "net.pt")
    exec(str(error.value).splitlines()[1])
    assert load_foreign(tmp_path / "net_weights.pth", classifier(seed=1)) == []


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/notes.txt", "notes")


def tarred(path):
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("notes.txt"))


def arrays(path):
    with path.open("wb") as file:
        np.savez(file, x=np.ones(3))


NO_WEIGHTS = {
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "web page": (lambda path: path.write_bytes(b"\n<!DOCTYPE html><html>404</html>"), "is a web page"),
    "text": (lambda path: path.write_text("state_dict: ä"), "is a text file"),
    "pointer": (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid 1\n"), "git lfs pull"),
    "noise": (lambda path: path.write_bytes(bytes(range(256))), "is damaged, or nothing"),
    "gzip": (lambda path: path.write_bytes(b"\x1f\x8b\x08\x00" * 9), "is packed with gzip"),
    "zip": (zipped, "is a zip archive"),
    "arrays": (arrays, "holds arrays of NumPy"),
    "tar": (tarred, "is a tar archive"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "tensor": (lambda path: torch.save(torch.ones(3), path), "no tensors by name"),
    "list": (lambda path: torch.save([torch.ones(3)], path), "no tensors by name"),
    "records": (lambda path: torch.save({"epoch": 3}, path), "no tensors by name"),
    "nothing": (lambda path: torch.save({}, path), "no tensors by name"),
}


@pytest.mark.parametrize("kind", NO_WEIGHTS)
def test_what_holds_no_weights_is_refused_in_one_sentence_that_names_it(tmp_path, kind):
    make, words = NO_WEIGHTS[kind]
    make(tmp_path / "net.pth")
    with pytest.raises(ValueError, match=rf"^\S+net\.pth [^\n]*{words}[^\n]*\.$"):
        loaded(tmp_path / "net.pth")


def in_parts(folder, kind, state=STATE):
    """An index of two files, as large networks are saved."""
    names, ending = list(state), "safetensors" if kind == "safetensors" else "bin"
    held = {f"part-{n}-of-2.{ending}": names[n::2] for n in range(2)}
    for file, own in held.items():
        write(folder / file, {name: state[name] for name in own}, kind)
    index = folder / f"model.{ending}.index.json"
    index.write_text(json.dumps({"weight_map": {name: file for file, own in held.items() for name in own}}))
    return index


@pytest.mark.parametrize("kind", FORMATS)
def test_an_index_stands_for_the_files_that_it_names_and_is_known_by_what_they_hold(tmp_path, kind):
    net, index = classifier(seed=1), in_parts(tmp_path, kind)
    assert load_foreign(index, net) == [] and same(bits(net), dict(STATE))
    said, before = index.read_bytes(), weights_hash(index)
    in_parts(tmp_path, kind, TWINS["teacher"])
    assert index.read_bytes() == said and weights_hash(index) != before
    next(tmp_path.glob("part-1-*")).unlink()
    with pytest.raises(FileNotFoundError, match=r"has no part-1-of-2\.\w+, which model"):
        load_foreign(index, net)


@pytest.mark.parametrize("named", [{}, {"w": "../net.pt"}, {"w": "other.index.json"}, [1]])
def test_an_index_leads_to_no_other_place(tmp_path, named):
    (tmp_path / "model.index.json").write_text(json.dumps({"weight_map": named}))
    with pytest.raises(ValueError, match=r"does not say which files beside it hold the weights"):
        load_foreign(tmp_path / "model.index.json", classifier())


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file .*net\.pth"):
        loaded(tmp_path / "net.pth")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_short_anywhere_is_refused_by_name(tmp_path, kind):
    whole = write(tmp_path / "net.pth", STATE, kind).read_bytes()
    for keep in sorted({0, 1, 3, 7, 9, 40, *range(0, len(whole), len(whole) // 23), len(whole) - 1}):
        (tmp_path / "net.pth").write_bytes(whole[:keep])
        with pytest.raises(ValueError, match=r"^\S+net\.pth (?!.*start this part again)"):
            loaded(tmp_path / "net.pth")


def test_of_a_damaged_file_of_safetensors_nobody_is_told_to_remove_it_or_that_it_is_a_pickle(tmp_path):
    for length in (0x80, 0x91):  # the first byte of a pickle, and any
        (tmp_path / "net.safetensors").write_bytes(length.to_bytes(8, "little") + b'{"a": 1' + b" " * 150)
        with pytest.raises(
            ValueError, match=r"net\.safetensors is damaged or cut short \(.+\); fetch or save it anew\.$"
        ):
            loaded(tmp_path / "net.safetensors")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_with_a_changed_byte_is_refused_by_name_or_loads_whole(tmp_path, kind):
    whole = write(tmp_path / "net.pth", STATE, kind).read_bytes()
    for place in range(0, len(whole), len(whole) // 97):
        (tmp_path / "net.pth").write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        net = classifier(seed=1)
        before = bits(net)
        try:
            load_foreign(tmp_path / "net.pth", net)
        except ValueError as error:
            assert "net.pth" in str(error) and same(before, bits(net))
        else:
            assert kind != "zip" or same(STATE, bits(net)), "an archive has checksums"


def test_an_archive_that_was_saved_without_checksums_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        write(tmp_path / "net.pth", STATE)
    finally:
        torch.serialization.set_crc32_options(True)
    load_foreign(tmp_path / "net.pth", net := classifier(seed=1))
    assert same(STATE, bits(net))


class Payload:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *arguments, state=None):
        self.content = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.content


PAYLOADS = {
    "system": lambda: Payload(os.system, "true"),
    "process": lambda: Payload(subprocess.Popen, ["true"]),
    "eval": lambda: Payload(eval, "__import__('os').getcwd()"),
    "exec": lambda: Payload(exec, "import antigravity"),
    "import": lambda: Payload(__import__, "antigravity"),
    "open": lambda: Payload(open, "written", "w"),
    "touch": lambda: Payload(Path.touch, Path("written")),
    "socket": lambda: Payload(socket.create_connection, ("localhost", 1)),
    "nested load": lambda: Payload(torch.load, "other.pth"),
    "getattr": lambda: Payload(getattr, Path, "unlink"),
    "hub": lambda: Payload(torch.hub.load, "a/b", "c"),
    "memory": lambda: Payload(bytearray, 1 << 60),
    "methods": lambda: Payload(OrderedDict, state={"items": 3, "keys": 3, "get": 3}),
}
RECORDED = ("import", "exec", "compile", "subprocess", "os.", "socket", "ctypes", "shutil", "pickle.find_class")
events: list[str] | None = None


def record(event, arguments):
    if events is not None and (
        event.startswith(RECORDED) or (event == "open" and not str(arguments[1]).startswith("r"))
    ):
        events.append(f"{event} {arguments}")


sys.addaudithook(record)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "pickle of today"])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_that_a_file_says_is_ever_run(tmp_path, payload, kind, monkeypatch):
    global events
    monkeypatch.chdir(tmp_path)
    for at, content in enumerate([PAYLOADS[payload](), {"model": STATE, "x": PAYLOADS[payload]()}]):
        path = tmp_path / f"net{at}.pth"
        if kind.startswith("pickle"):
            path.write_bytes(pickle.dumps(content, 2 if kind == "pickle" else None))
        else:
            write(path, content, kind)
        for warm in (write(tmp_path / "warm.pth", {"model": STATE}, kind if kind in FORMATS else "zip"), path):
            net = classifier(seed=1)  # torch imports parts of itself when it first loads
            events = []
            try:
                load_foreign(warm, net)
            except ValueError:
                assert warm is path
            finally:
                heard, events = events, None
        assert heard == [] and sorted(tmp_path.glob("writ*")) == []


@pytest.mark.parametrize("make", [lambda x: x.update(me=x), lambda x: x.update(a=[x, {"b": (x, x)}])])
def test_a_mapping_inside_of_itself_ends(tmp_path, make):
    content = {"model": dict(STATE)}
    make(content)
    assert "took the weights under 'model'" in loaded(write(tmp_path / "net.pth", content))[1]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: nn.Sequential(nn.LazyLinear(3)), "no shape before a first batch: '0.weight'"),
        (lambda: nn.Linear(2, 2, device="meta"), "on meta hold no values: 'weight'"),
    ],
)
def test_a_model_without_weights_of_its_own_is_refused(tmp_path, build, words):
    with pytest.raises(ValueError, match=words):
        load_foreign(write(tmp_path / "net.pth", STATE), build())


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    assert file_hash(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert file_hash(write(tmp_path / "a", STATE)) != file_hash(str(write(tmp_path / "b", STATE, "legacy")))
