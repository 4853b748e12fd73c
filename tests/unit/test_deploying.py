"""The files that a run leaves of its student, the script that runs it without torch, and its export again."""

import re
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image, ImageOps
from torch import nn

import tutelage
from exporting import COLOUR, PETS, of_a_stage, pictures, small
from tutelage.checkpoint import load_state, seal
from tutelage.checksums import MANIFEST
from tutelage.cli.command import main
from tutelage.deployment import deploy as deployment
from tutelage.deployment.about import About
from tutelage.deployment.card import Made, model_card
from tutelage.deployment.compared import Checked
from tutelage.deployment.deploy import SAMPLES, deploy, fewer
from tutelage.deployment.export import exported
from tutelage.deployment.network import as_seen
from tutelage.deployment.onnx import export_onnx
from tutelage.deployment.script import class_list, script
from tutelage.own_data.preprocessing import Preprocessing
from tutelage.renewal import ours
from tutelage.results import Arguments, Latency, Metric, Network, Results, Score

pytestmark = pytest.mark.slow
GREY = Preprocessing(1, (20, 24), 0, (0.2,), (0.7,))
FILES = {"student.safetensors", "student.json", "student.onnx", "predict.py", "model_card.md", "samples.safetensors"}


def made():
    latency = {"1": Latency(1.5, 1.25, 1.75, 2)}
    student = Network("small", "student", "resnet8", 500, {"accuracy": Score(91.25, (88.5, 93.5))}, parameters=1234,
                      macs=99, bytes=5000, latency_ms=latency)  # fmt: skip
    teacher = Network("big", "teacher", "a | b", 500, {"accuracy": Score(94.0)})
    results = Results("Small has 91 %.", (Metric("accuracy", "%", "higher"),), networks=(teacher, student),
                      methods=("tutelage.methods.response:kd",), data={"pets test": "abc"})  # fmt: skip
    request = Arguments("distill", "", "tutelage distill --data pets", {}, {})
    return Made(results, request, {"processor": "A <b>processor</b>", "torch": "2.13.0", "tutelage": "0.1.0"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as a run leaves it, with its checksums."""
    folder = tmp_path_factory.mktemp("run")
    deployed = deploy(folder, of_a_stage(), pictures(70), PETS, made())
    assert {x.name for x in deployed.files} == {x.name for x in folder.iterdir()} == FILES and not deployed.notes
    seal(folder, {name: folder / name for name in ours(folder)})
    return folder


class TestFolder:
    def test_the_student_comes_back_and_the_file_answers_as_it_does(self, folder):
        model, samples = tutelage.load(folder), load_state(folder / SAMPLES)["input"]
        assert torch.equal(samples, pictures(70)[:64])  # of which later exports are compared with
        session = onnxruntime.InferenceSession(folder / "student.onnx", providers=["CPUExecutionProvider"])
        answers = torch.from_numpy(session.run(["logits"], {"input": samples.numpy()})[0])
        assert torch.allclose(answers, model(as_seen(samples, COLOUR)).detach(), atol=1e-4)

    @pytest.mark.parametrize("name", sorted(FILES))
    def test_every_file_is_covered_by_the_checksums(self, folder, name, capsys):
        assert name in (folder / MANIFEST).read_text()
        assert main(["verify", str(folder)]) == 0 and "whole       student" in capsys.readouterr().out
        whole = (folder / name).read_bytes()
        try:
            (folder / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
            assert main(["verify", str(folder)]) == 3 and name in capsys.readouterr().out
        finally:
            (folder / name).write_bytes(whole)

    @pytest.mark.parametrize("to", ["again.onnx", "again.pt2", "again.safetensors"])
    def test_it_is_exported_again_on_the_samples_that_it_kept(self, folder, tmp_path, to):
        checked = exported(folder, tmp_path / to)
        assert [x.name for x in tmp_path.iterdir()] == [to]
        assert checked is None if to.endswith("safetensors") else checked.real and checked.takes == "pixels"
        if to == "again.onnx":
            assert (tmp_path / to).read_bytes() == (folder / "student.onnx").read_bytes()
        exported(folder, tmp_path / to)  # ours, which is replaced

    def test_nothing_of_anybody_elses_and_nothing_of_a_runs_own_is_replaced(self, folder, tmp_path):
        for name in ("mine.onnx", "mine.pt2", "mine.safetensors"):
            (tmp_path / name).write_bytes(b"mine")
            with pytest.raises(ValueError, match=r"was not exported by tutelage; .* --force"):
                exported(folder, tmp_path / name)
            assert (tmp_path / name).read_bytes() == b"mine"
        exported(folder, tmp_path / "mine.safetensors", force=True)
        assert (tmp_path / "mine.safetensors").stat().st_size > 4
        with pytest.raises(ValueError, match="file of the run's own"):
            exported(folder, folder / "student.onnx", force=True)
        with pytest.raises(FileNotFoundError, match="There is no folder"):
            exported(folder, tmp_path / "gone" / "x.onnx")
        with pytest.raises(ValueError, match=r"ends in \.onnx, \.pt2, \.safetensors"):
            exported(folder, tmp_path / "x.tflite")
        with pytest.raises(ValueError, match="weights alone"):
            exported(folder, tmp_path / "x.safetensors", probabilities=True)
        with pytest.raises(FileNotFoundError, match="holds no finished student"):
            exported(tmp_path, tmp_path / "x.onnx")


class TestNotes:
    def test_without_the_extra_all_else_is_written_and_the_card_says_so(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "onnxscript", None)
        deployed = deploy(tmp_path, of_a_stage(), pictures(), PETS, made())
        assert {x.name for x in tmp_path.iterdir()} == FILES - {"student.onnx", "predict.py"}
        assert deployed.onnx is None and "pip install 'tutelage[onnx]'" in deployed.notes[0]
        assert "pip install" in (tmp_path / "model_card.md").read_text()
        tutelage.load(tmp_path)

    def test_a_network_that_fails_in_words_of_its_own_is_a_note_and_no_older_file_stays(self, tmp_path, monkeypatch):
        def fails(*_, **__):
            raise RuntimeError("a kernel\nwith a trace")

        (tmp_path / "student.onnx").write_bytes(b"\x08\n\x12\x08tutelage of other weights")
        monkeypatch.setattr(deployment, "export_onnx", fails)
        notes = deploy(tmp_path, of_a_stage(), pictures(), PETS, made()).notes
        assert notes == ("student.onnx was not written: RuntimeError: a kernel",)
        assert not (tmp_path / "student.onnx").exists()

    def test_files_of_the_users_own_stay(self, tmp_path, monkeypatch):
        monkeypatch.setattr(deployment, "export_onnx", lambda *_, **__: None)
        (tmp_path / "predict.py").write_text("print('mine')")
        (tmp_path / "again").mkdir()
        (tmp_path / "model_card.md").write_text("mine")
        deployed = deploy(tmp_path / "again", of_a_stage(), pictures(), PETS, made())  # as a run that is started again
        assert [note.split()[0] for note in deployed.notes] == ["predict.py", "model_card.md"]
        assert not (tmp_path / "again" / "model_card.md").exists() and "predict.py" not in ours(tmp_path)

    def test_few_samples_are_kept_and_fewer_of_large_ones(self):
        assert len(fewer(torch.zeros(100, 3))) == 64
        assert len(fewer(torch.zeros(1, 1).expand(100, 2**21))) == 2


def alone(tmp_path):
    """A folder with onnxruntime, numpy, pillow and what these need: nothing else can be imported from it."""
    place = tmp_path / "site"
    place.mkdir()
    for name in ("onnxruntime", "numpy", "PIL", "google", "flatbuffers", "packaging"):
        package = Path(next(iter(find_spec(name).submodule_search_locations)))
        (place / name).symlink_to(package)
        for libraries in package.parent.glob(f"{name.lower().replace('pil', 'pillow')}.libs"):
            (place / libraries.name).symlink_to(libraries)
    return place


def said(path, picture, site):
    code = (
        f"import sys; sys.path.append({str(site)!r}); sys.argv = ['predict.py', {str(picture)!r}]\n"
        f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')\n"
        "assert not {'torch', 'tutelage', 'scipy', 'onnx'} & {x.partition('.')[0] for x in sys.modules}"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def seen(picture, how):
    """What our own reading of pictures makes of a file: uint8 (1, C, H, W)."""
    image = ImageOps.exif_transpose(Image.open(picture)).convert("L" if how.channels == 1 else "RGB")
    (height, width), resize = how.size, how.resize
    if resize:  # the middle of the whole, once its shorter side is ``resize``
        assert min(image.size) < 2 * resize  # so that a JPEG is decoded whole
        long = resize * max(image.size) // min(image.size)
        near, far = ((place * max(image.size) / long) for place in ((long - resize) // 2, (long + resize) // 2))
        box = (near, 0, far, image.height) if image.width > image.height else (0, near, image.width, far)
        image = image.resize((resize, resize), Image.Resampling.BILINEAR, box=box)
        left, top = (resize - width) // 2, (resize - height) // 2
        image = image.crop((left, top, left + width, top + height))
    elif image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(image).copy()).reshape(1, height, width, how.channels).permute(0, 3, 1, 2)


def photograph(path, size=(61, 47)):
    """A picture that lies on its side, as its EXIF data say."""
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(values).save(path, exif=exif, quality=95)
    return path


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return alone(tmp_path_factory.mktemp("site"))


class TestScript:
    def test_without_torch_it_says_what_the_student_says_of_a_photograph(self, folder, site, tmp_path):
        picture = photograph(tmp_path / "photo.jpg")
        share = tutelage.load(folder)(as_seen(seen(picture, COLOUR), COLOUR)).detach().softmax(1)[0]
        lines = [f"{share[place]:6.1%}  {PETS.classes[place]}" for place in share.argsort(descending=True)]
        assert said(folder / "predict.py", picture, site).splitlines() == lines

    @pytest.mark.parametrize("task", ["multi-label", "regression", "segmentation", "classification"])
    def test_every_task_has_its_answer_in_words(self, site, tmp_path, task):
        what = About(task, ("a", "b", "c"), GREY)
        model = small(3, 1)
        if task == "segmentation":
            model = nn.Conv2d(1, 3, 3, padding=1).eval()
        if task == "classification":  # one logit for two classes
            what, model = About(task, ("no", "yes"), GREY), small(1, 1)
        checked = export_onnx(model, pictures(size=(1, 20, 24)), tmp_path / "student.onnx", what)
        (tmp_path / "predict.py").write_text(script(what, checked.answer[0]), encoding="utf-8")
        picture = tmp_path / "ramp.png"
        Image.fromarray((np.arange(30 * 40, dtype=np.uint16) * 50).reshape(30, 40)).save(picture)  # 16 bits
        words = said(tmp_path / "predict.py", picture, site)
        eight = tmp_path / "eight.png"
        Image.fromarray(((np.asarray(Image.open(picture)).astype(int) + 128) // 257).astype(np.uint8)).save(eight)
        answer = model(as_seen(seen(eight, GREY), GREY)).detach()[0]
        if task == "multi-label":
            assert [line.split()[1:] for line in words.splitlines()] == [
                ["yes" if answer[place] >= 0 else "no", what.classes[place]]
                for place in answer.argsort(descending=True)
            ]
        elif task == "regression":
            found = [float(line.partition(": ")[2]) for line in words.splitlines()]
            assert found == pytest.approx(answer.tolist(), rel=1e-3)
        elif task == "segmentation":
            mask = torch.from_numpy(np.asarray(Image.open(tmp_path / "ramp.predicted.png")).copy())
            assert (mask == answer.argmax(0)).float().mean() > 0.99
        else:
            assert words.splitlines()[0].split()[1] == what.classes[int(answer[0] >= 0)]

    def test_names_of_classes_are_texts_whatever_stands_in_them(self):
        names = ("'); import os; os.system('x') #", "a\nb", "{0}", "\u202e")
        source = script(About("classification", names, COLOUR), 4)
        scope = {}
        exec(re.search(r"^CLASSES = .*?\]$", source, re.MULTILINE | re.DOTALL)[0], scope)
        assert scope["CLASSES"] == [
            names[0],
            "a b",
            "{0}",
            "\ufffd",
        ]  # on one line of a terminal, and nothing turned round
        compile(source, "predict.py", "exec")
        assert class_list(("a",), 3) == "['0', '1', '2']"

    def test_it_is_for_pictures(self):
        with pytest.raises(ValueError, match="about pictures"):
            script(About(), 3)


class TestCard:
    checked = Checked(Path("student.onnx"), 1000, 1e-7, "pixels", "logits", (3, 32, 32), "uint8", (3,))

    def test_it_says_what_was_measured_and_leaves_open_what_is_not_known(self):
        card = model_card(PETS, made(), self.checked, {"student.onnx": 1000})
        for words in (
            *["Small has 91 %", "uint8 (N, 3, 32, 32)", "shorter side scaled to 36", "middle 32 × 32"],
            *["cat, dog", "| small | student | 91.25 (88.5 to 93.5) | 500 |", "| big | teacher | 94 | 500 |"],
            *["1.5 (1.25 to 1.75)", "2 threads", "1,234", "`tutelage distill --data pets`", "Teacher: big a \\| b"],
            *["torch 2.13.0", "pets test", "## Licence", "To be filled in", "| `student.onnx` | 1,000 |"],
        ):
            assert words in card, words
        one = model_card(PETS, made(), replace(self.checked, answer=(1,)), {})
        assert "`logits`: one number, of which a sigmoid makes the probability of the second class." in one
        bare = model_card(About(), Made(), None, {})
        assert not {"## Evaluation", "## Size and speed", "## How it was made"} & set(bare.splitlines())
        assert bare.count("To be filled in") == 3

    def test_its_header_is_yaml_that_a_hub_reads(self):
        _, header, _ = model_card(PETS, made(), self.checked, {}).split("---\n", 2)
        lines = [line for line in header.splitlines() if not line.startswith("#")]
        assert all(re.fullmatch(r"[a-z_]+:( [\w-]+)?|- (\"[^\"]*\"|[\w-]+)", line) for line in lines), lines
        assert "pipeline_tag: image-classification" in lines and "library_name: tutelage" in lines

    def test_texts_of_others_are_text(self):
        hostile = About("classification", ("<script>", "a|b", "[x](http://y)"), COLOUR, "# not a heading")
        card = model_card(hostile, made(), self.checked, {}, ["a note | <img>"])
        assert "<script" not in card and "<img" not in card and "<b>" not in card
        assert "a\\|b" in card and "\\[x\\]" in card and "# \\# not a heading" in card
