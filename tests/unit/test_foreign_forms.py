"""Networks in the forms that people have them: measured, cached, taught from and resumed like any other."""

import json
import sys
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from examples import SGD
from stripes import sets
from tutelage.data.lesson import Lesson
from tutelage.data.views import plain
from tutelage.deployment.about import About
from tutelage.deployment.network import as_seen
from tutelage.deployment.onnx import export_onnx as write_onnx
from tutelage.deployment.program import export_program as write_program
from tutelage.foreign.exported import ExportedProgram, exported_program
from tutelage.foreign.forms import fresh_network, only_answers, own_network, wanted_pictures
from tutelage.foreign.libraries import Wanted
from tutelage.foreign.onnx_file import OnnxNetwork, onnx_network
from tutelage.foreign.table_answers import Named, TableOfAnswers
from tutelage.keys import described
from tutelage.methods.check import check_methods
from tutelage.methods.relation import rkd
from tutelage.methods.response import kd
from tutelage.own_data.preprocessing import Preprocessing
from tutelage.progress import Silence
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching, by_method, pair_of
from tutelage.schemes.plan import Plan
from tutelage.study.diagnosis.answered import answers_of
from tutelage.study.own.teacher import own_teacher
from tutelage.study.own.teacher_builds import teacher_fitted
from tutelage.study.own.teacher_inputs import sees, shown_to
from tutelage.study.own.teacher_settings import OwnTeacherSettings

pytestmark = pytest.mark.slow

CLASSES = ("orange", "green", "purple")


def easy(count):
    """Pictures of which the colour alone is asked."""
    data = sets(count=count)
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    parts = {name: replace(part, targets=part.targets % 3, classes=CLASSES) for name, part in parts.items()}
    return replace(data, **parts)


class Notes(Silence):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


class Colours(nn.Module):
    """Right by construction, without training: the class is the place of a picture's mean colour and stripes."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3, eps=1e-12)
        self.head = nn.Linear(3, 3)

    def forward(self, x):
        return self.head(self.norm(x).mean((2, 3)))


def colours() -> nn.Module:
    """Fitted in one step: least squares of the classes on mean colours."""
    torch.manual_seed(0)
    network, data = Colours().eval(), easy(200)
    x = data.test_transform(data.train.inputs, data.train.index * 0).mean((2, 3))
    x = torch.cat([x / (1 + network.norm.eps) ** 0.5, torch.ones(len(x), 1)], 1).double()
    wanted = 8 * nn.functional.one_hot(data.train.targets, 3).double()
    fit = torch.linalg.lstsq(x, wanted).solution.float()
    network.head.weight.data, network.head.bias.data = fit[:3].T.clone(), fit[3].clone()
    return network


def student() -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(48, 3))


def export_onnx(network, path, batch=None, shape=(3, 16, 16), axes=(2, 3)):
    """A model file, written without torch's exporter: one matrix product of the mean colours."""
    weight, bias = (x.detach().numpy() for x in (network.head.weight.T.contiguous(), network.head.bias))
    make, numbers = onnx.helper, onnx.numpy_helper.from_array
    graph = make.make_graph(
        [
            make.make_node("ReduceMean", ["x", "axes"], ["m"], keepdims=0),
            make.make_node("Gemm", ["m", "w", "b"], ["y"]),
        ],
        "net",
        [make.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [batch or "n", *shape])],
        [make.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [batch or "n", 3])],
        [numbers(weight, "w"), numbers(bias, "b"), numbers(np.array(axes), "axes")],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)
    return path


def export_program(network, path, batch=2):
    free = {"dynamic_shapes": ({0: torch.export.Dim("n", min=1, max=4096)},)} if batch is None else {}
    with torch.no_grad():
        torch.export.save(torch.export.export(network, (torch.zeros(batch or 3, 3, 16, 16),), **free), path)
    return path


def table(path, data, answers, names=None, columns=CLASSES, key="name"):
    lines = [",".join([key, *columns])]
    lines += [",".join([name, *(f"{x:.6f}" for x in row)]) for name, row in zip(names or data.names, answers.tolist(),
                                                                              strict=True)]  # fmt: skip
    path.write_text("\n".join(lines))
    return path


def all_answers(network, data):
    parts = (data.train, data.validation, data.test)
    return torch.cat([answers_of(data.task, network, part, data.test_transform) for part in parts])


def made(form, folder, data):
    network = colours()
    if form.startswith("onnx"):
        return export_onnx(network, folder / "net.onnx", 3 if "fixed" in form else None)
    if form.startswith("pt2"):
        return export_program(network, folder / "net.pt2", 3 if "fixed" in form else None)
    return table(folder / "answers.csv", data, all_answers(network, data))


FORMS = ("onnx", "onnx fixed", "pt2", "pt2 fixed", "table")


@pytest.mark.parametrize("form", FORMS)
def test_what_only_answers_is_measured_kept_taught_from_and_resumed(form, tmp_path):
    data = easy(40)
    file = made(form, tmp_path, data)

    def distilled():
        notes = Notes()
        with Run("toy:own", root=tmp_path / "runs", device="cpu", exact=True, progress=notes) as run:
            teacher = own_teacher(run, data, OwnTeacherSettings(teacher=str(file)))
            lesson = Lesson(data.train, data.validation, plain, 1, 16, test_transform=data.test_transform)
            plan = Plan(lesson, SGD, 1)
            teaching = Teaching(kd, teacher.last, ("teacher", "student"), teacher_sees=sees(teacher.last))
            small = run.stage("student", student, partial(by_method, plan=plan, teaching=teaching))
        return teacher, small, notes.notes, run.folder

    teacher, small, notes, folder = distilled()
    right = all_answers(colours(), data)
    seen = shown_to(teacher.last, data)
    found = torch.cat([answers_of(seen.task, teacher.last, part, seen.test_transform)
                       for part in (seen.train, seen.validation, seen.test)])  # fmt: skip
    assert torch.allclose(found, right, atol=2e-5)
    assert any("% accuracy" in note for note in notes)
    assert list((tmp_path / "runs").rglob("answers/**/*.safetensors")) or list((tmp_path / "runs").glob("*"))
    again, same, notes, _ = distilled()
    assert any("loaded from" in note for note in notes) and again.key == teacher.key and same.key == small.key
    assert all(torch.equal(a, b) for a, b in zip(same.last.parameters(), small.last.parameters(), strict=True))
    assert json.loads((folder / "stages.json").read_text())[0]["kind"] == "given"


def test_another_file_is_another_teacher(tmp_path):
    data, keys = easy(count=40), []
    for n in range(2):
        network = colours()
        network.head.bias.data += n * torch.arange(3) / 1000
        file = export_onnx(network, tmp_path / "net.onnx")
        with Run("toy:own", root=tmp_path / "runs", device="cpu", exact=True) as run:
            keys.append(own_teacher(run, data, OwnTeacherSettings(teacher=str(file))).key)
    assert keys[0] != keys[1]


@pytest.mark.parametrize("form", ["onnx", "pt2"])
def test_a_method_that_wants_a_layer_of_it_is_refused(form, tmp_path):
    data = easy(40)
    network = own_network(str(made(form, tmp_path, data)), num_classes=3)()
    plan = Plan(Lesson(data.train, None, data.test_transform, 1, 16), SGD, 1)
    with pytest.raises(ValueError, match="The method rkd cannot be used on these networks: "):
        check_methods(pair_of(student(), Teaching(rkd, network, ("a", "b")), plan), {"rkd": rkd})


def test_one_text_says_each_form(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine_here.py").write_text("from torch import nn\n\nclass Net(nn.Linear):\n    def __init__(self, width=2):\n"
                                    "        super().__init__(width, 3)\n")  # fmt: skip
    assert own_network("mine_here:Net(width=5)", num_classes=3)().in_features == 5
    assert own_network("mine_here.Net", num_classes=3)().in_features == 2
    assert own_network("resnet8", num_classes=4, num_channels=1)()(torch.zeros(1, 1, 32, 32)).shape == (1, 4)
    assert only_answers("a/b.onnx") and not only_answers("resnet8")
    torch.save({}, "w.pt")
    for text, said in (("w.pt", "holds weights, not how the network is built"), ("none.onnx", "There is no file"),
                       ("timm:", "named like timm:resnet18")):  # fmt: skip
        with pytest.raises((ValueError, FileNotFoundError), match=said):
            own_network(text, num_classes=3)
    export_onnx(colours(), "net.onnx")
    with pytest.raises(ValueError, match=r"leave out --weights w\.pt"):
        own_network("net.onnx", Path("w.pt"), num_classes=3)
    with pytest.raises(ValueError, match="about named samples"):
        Path("t.csv").write_text("a")
        own_network("t.csv", num_classes=3)


@pytest.mark.parametrize("text", ["timm:resnet18", "hf:folder"])
def test_a_library_that_is_not_installed_is_told_with_the_line_that_installs_it(text):
    with pytest.raises(ImportError, match=r"pip install t\w+ .*torch=="):
        own_network(text, num_classes=3)()


class Made(nn.Linear):
    """What the stand-in makes."""


def create_model(model_name: str, pretrained: bool = False, **options: object) -> nn.Module:
    made = Made(2, options["num_classes"])
    made.asked = (model_name, pretrained, options)
    return made


@pytest.fixture
def timm(monkeypatch):
    """A module that is called so, with the two functions that are asked."""
    module = ModuleType("timm")
    module.create_model, module.is_model, module.__version__ = create_model, lambda name: name == "resnet18", "1.0"
    monkeypatch.setitem(sys.modules, "timm", module)
    monkeypatch.setattr(create_model, "__module__", "timm")


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize(
    ("text", "channels", "wanted"),
    [
        ("timm:resnet18", 3, (False, {"num_classes": 5})),
        ("timm:resnet18", 1, (False, {"num_classes": 5, "in_chans": 1})),
        ("timm:resnet18(in_chans=2)", 1, (False, {"num_classes": 5, "in_chans": 2})),
        ("timm:resnet18(pretrained=True, drop_rate=0.1)", 3, (True, {"num_classes": 5, "drop_rate": 0.1})),
    ],
)
def test_a_student_of_timm_is_built_anew_by_a_function_of_its_own_library(text, channels, wanted):
    build = fresh_network(text, num_classes=5, num_channels=channels)
    assert build().asked == ("resnet18", *wanted)
    assert described(build)["function"] == "timm:create_model"  # so that timm is what has to be allowed


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize(
    ("text", "said"),
    [("timm:resnet8", "timm 1.0 has no network 'resnet8'"), ("hf:folder", "name a function of yours that builds it")],
)
def test_a_student_that_no_library_builds_is_refused_before_it_is_built(text, said):
    with pytest.raises(ValueError, match=said):
        fresh_network(text, num_classes=5)


# ---- nothing in such a file runs


def test_an_exported_program_with_a_pickle_is_refused_and_so_are_operations_that_do_not_compute(tmp_path):
    path = export_program(colours(), tmp_path / "net.pt2")
    changes = {
        "pickled": (b'"use_pickle": false', b'"use_pickle": true ', "as a pickle, which may be code"),
        "reads": (b"torch.ops.aten.linear.default", b"torch.ops.aten.from_file.names", "uses the operation"),
        "imports": (b"torch.ops.aten.linear.default", b"os.system.aten.linear.default", "uses the operation"),
        "dunder": (b"torch.ops.aten.linear.default", b"torch.ops.aten.__class__.init1", "uses the operation"),
    }
    for name, (old, new, said) in changes.items():
        other = tmp_path / f"{name}.pt2"
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
            for member in source.namelist():
                target.writestr(member, source.read(member).replace(old, new))
        with pytest.raises(ValueError, match=said):
            exported_program(other)


def test_damaged_and_other_files_are_one_sentence(tmp_path):
    whole = export_program(colours(), tmp_path / "net.pt2").read_bytes()
    (tmp_path / "cut.pt2").write_bytes(whole[:-300])
    (tmp_path / "text.pt2").write_text("hello")
    (tmp_path / "text.onnx").write_text("hello")
    (tmp_path / "empty.onnx").write_bytes(b"")
    for name in ("cut.pt2", "text.pt2"):
        with pytest.raises(ValueError, match=rf"{name} (is no exported program that can be read|holds none)"):
            exported_program(tmp_path / name)
    for name in ("text.onnx", "empty.onnx"):
        with pytest.raises(ValueError, match=name):
            onnx_network(tmp_path / name)


@pytest.mark.parametrize("word", [b"in_words", b"out_words", b"size_word"])
def test_an_onnx_file_whose_names_are_no_text_is_refused(tmp_path, word):
    make = onnx.helper
    ends = [
        make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["size_word", 3])
        for name in ("in_words", "out_words")
    ]
    graph = make.make_graph([make.make_node("Relu", ["in_words"], ["out_words"])], "g", ends[:1], ends[1:])
    model = make.make_model(graph, ir_version=10, opset_imports=[make.make_opsetid("", 17)])
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString().replace(word, b"\xff" + word[1:]))
    with pytest.raises(ValueError, match=r"net.onnx (names an input or output in bytes|is no ONNX model|is not run)"):
        onnx_network(tmp_path / "net.onnx")


def test_an_onnx_file_reads_nothing_outside_its_folder_and_loads_no_library(tmp_path):
    path = export_onnx(colours(), tmp_path / "net.onnx")
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for place in ("../secret.bin", "/etc/hostname"):
        del tensor.external_data[:]
        tensor.external_data.add(key="location", value=place)
        (tmp_path / "inside").mkdir(exist_ok=True)
        (tmp_path / "secret.bin").write_bytes(b"0" * 144)
        (tmp_path / "inside" / "bad.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(ValueError, match=r"bad\.onnx is no ONNX model that can be read whole"):
            onnx_network(tmp_path / "inside" / "bad.onnx")
    model = onnx.load(path)
    model.graph.node[1].domain = "my.library"
    onnx.save(model, tmp_path / "custom.onnx")
    with pytest.raises(ValueError, match=r"operators of 'my\.library', which are in a library"):
        onnx_network(tmp_path / "custom.onnx")


def test_data_beside_an_onnx_file_are_kept_with_it(tmp_path):
    model = onnx.load(export_onnx(colours(), tmp_path / "net.onnx"))
    onnx.save(model, tmp_path / "big.onnx", save_as_external_data=True, location="big.bin", size_threshold=0)
    network, x = onnx_network(tmp_path / "big.onnx"), torch.rand(2, 3, 16, 16)
    (tmp_path / "big.bin").unlink()
    assert torch.allclose(network(x), onnx_network(tmp_path / "net.onnx")(x), atol=1e-6)


def test_channels_last_models_are_shown_channels_last_and_others_sizes_are_refused(tmp_path):
    network = OnnxNetwork(onnx_network(export_onnx(colours(), tmp_path / "a.onnx")).content)
    with pytest.raises(ValueError, match=r"takes samples of shape \(3, 16, 16\); got \(3, 8, 8\)"):
        network(torch.zeros(1, 3, 8, 8))
    last = onnx_network(export_onnx(colours(), tmp_path / "b.onnx", shape=(16, 16, 3), axes=(1, 2)))
    x = torch.rand(2, 3, 16, 16)
    assert torch.allclose(last(x), network(x), atol=1e-6)
    with pytest.raises(ValueError, match="got"):
        last(torch.zeros(1, 1, 16, 16))
    assert isinstance(exported_program(export_program(colours(), tmp_path / "c.pt2")), ExportedProgram)


# ---- tables


def answered(tmp_path, data, **kinds):
    file = table(tmp_path / "t.csv", data, **kinds)
    return own_network(str(file), num_classes=3, samples=Named(data.names, CLASSES))()


def test_columns_are_joined_by_the_names_of_classes_and_probabilities_become_logits(tmp_path):
    data = easy(10)
    answers = all_answers(colours(), data)
    order = torch.tensor([2, 0, 1])
    moved = answered(tmp_path, data, answers=answers[:, order], columns=[CLASSES[x] for x in order])
    assert isinstance(moved, TableOfAnswers) and torch.allclose(moved.answers, answers, atol=1e-5)
    shares = answered(tmp_path, data, answers=answers.softmax(1))
    assert torch.allclose(shares.answers.softmax(1), answers.softmax(1), atol=1e-4)
    assert (shares.answers <= 1e-4).all()
    with pytest.raises(ValueError, match="no column for 1 of 3 classes: 'purple'"):
        answered(tmp_path, data, answers=answers, columns=[*CLASSES[:-1], "blue"])


def test_rows_are_found_by_as_much_of_the_path_as_it_takes(tmp_path):
    data = easy(10)
    answers = all_answers(colours(), data)
    order = torch.randperm(30).tolist()
    names = [f"/home/me/pictures/{data.names[x]}" for x in order]
    found = answered(tmp_path, data, answers=answers[order], names=names)
    assert torch.allclose(found.answers, answers, atol=1e-5)
    with pytest.raises(ValueError, match="more than one row for 'a'"):
        answered(tmp_path, data, answers=answers[:2], names=["a", "a"])
    with pytest.raises(ValueError, match="no row for any of 30 samples"):
        answered(tmp_path, data, answers=answers[:2], names=["a", "b"])


def test_missing_rows_are_refused_where_they_are_learnt_from_and_said_where_not(tmp_path):
    data = easy(40)
    answers = all_answers(colours(), data)
    for kept, said in ((range(1, 120), "1 of 40 training samples, 'train/0.png'"), (range(118), None)):
        kept = list(kept)
        names = [data.names[x] for x in kept]
        file, notes = table(tmp_path / "t.csv", data, answers[kept], names), Notes()
        with Run("toy:own", root=tmp_path / "runs", device="cpu", exact=True, progress=notes) as run:
            if said:
                with pytest.raises(ValueError, match=said):
                    own_teacher(run, data, OwnTeacherSettings(teacher=str(file)))
            else:
                own_teacher(run, data, OwnTeacherSettings(teacher=str(file)))
                assert any("no row for 2 of 40 test samples" in note for note in notes.notes)


def test_arrays_and_parquet_hold_tables_too(tmp_path):
    data = easy(10)
    answers = all_answers(colours(), data)
    np.savez(tmp_path / "t.npz", logits=answers.numpy(), names=np.array(data.names))
    pq = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    pq.write_table(arrow.table({"file": list(data.names), "logits": answers.tolist()}), tmp_path / "t.parquet")
    for name in ("t.npz", "t.parquet"):
        found = own_network(str(tmp_path / name), num_classes=3, samples=Named(data.names, CLASSES))()
        assert torch.allclose(found.answers, answers, atol=1e-5)
    np.savez(tmp_path / "bad.npz", logits=np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"bad\.npz is no table of answers that can be read"):
        own_network(str(tmp_path / "bad.npz"), num_classes=3, samples=Named(data.names, CLASSES))()
    with pytest.raises(ValueError, match="asked with the index"):
        found(torch.zeros(2, 3))


# ---- what they were made for


@pytest.mark.parametrize("takes", ["pixels", "unit", "normalised"])
@pytest.mark.parametrize("write", [write_onnx, write_program])
def test_a_file_of_our_own_is_shown_the_pictures_that_it_takes(write, takes, tmp_path):
    """However the data are normalised."""
    network, levels = colours().eval(), torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8)
    own = Preprocessing(3, (16, 16), 0, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25))
    file = tmp_path / ("net.onnx" if write is write_onnx else "net.pt2")
    write(network, levels, file, About("classification", CLASSES, own), takes=takes)
    data = replace(easy(4), normalisation=((0.1, 0.2, 0.3), (0.5, 0.6, 0.7)))
    built = teacher_fitted(data, OwnTeacherSettings(teacher=str(file)))()
    mean, std = data.normalisation
    with torch.no_grad():
        answers = built(as_seen(levels, replace(own, mean=mean, std=std)))
        assert torch.allclose(answers, network(as_seen(levels, own)), atol=2e-3, rtol=1e-3)


def test_what_a_file_does_not_say_is_not_made_up(tmp_path):
    assert wanted_pictures(str(export_onnx(colours(), tmp_path / "a.onnx"))) == Wanted(16)
    (tmp_path / "b.onnx").write_bytes(b"no model")
    (tmp_path / "b.pt2").write_bytes(b"no program")
    for name in ("b.onnx", "b.pt2", "answers.csv"):
        assert wanted_pictures(str(tmp_path / name)) == Wanted()
