"""Gives hostile files to every reader there is, and prints what was imported, started, written or called meanwhile.

Run as a program of its own, ``python hostile_files.py FOLDER``. The first lines of what it prints are about deeds that
are done on purpose: whoever reads them knows that the watch sees.
"""

import io
import json
import os
import pickle
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy
import torch
import torch._dynamo  # which a training imports, and which brings what no hook should be asked about
from torch import nn

import report_sample
import tutelage
from examples import SGD, label, vectors
from tutelage.checkpoint import load_state, load_weights, save_state, save_weights
from tutelage.checksums import summed
from tutelage.cli.command import main
from tutelage.cli.completion import candidates
from tutelage.data.cifar import cifar10
from tutelage.data.corpus import lines_of
from tutelage.data.folder import image_folder
from tutelage.data.glue import glue
from tutelage.data.image_files import image_files
from tutelage.data.mnist import CHECKSUMS, mnist
from tutelage.data.questions import read_questions
from tutelage.data.recordings import fsdd
from tutelage.data.safe_pickle import unpickled
from tutelage.data.tokenizer_file import read_vocabulary
from tutelage.data.wordpiece import read_pieces
from tutelage.foreign.bert_files import dequantised_sentences, encoder_in_folder
from tutelage.foreign.exported import exported_program
from tutelage.foreign.onnx_file import onnx_network
from tutelage.foreign.onnx_weights import onnx_weights
from tutelage.foreign.span_networks import spans_in_folder
from tutelage.foreign.table_file import read_table
from tutelage.foreign.text_folders import texts_in_folder
from tutelage.keys import described
from tutelage.learner import Learner
from tutelage.models.mlp import mlp
from tutelage.objective import Objective
from tutelage.own_data.check import look
from tutelage.own_data.read import read
from tutelage.report.shares import PROFILE, read_profile
from tutelage.run import Run
from tutelage.study.planning.timed_plan import read_plan
from tutelage.teachers.cached import cached
from tutelage.teachers.stores import in_folder
from tutelage.weights.foreign import load_foreign
from tutelage.weights.sparse_file import load_sparse
from watch import deeds, watch, watched

FOREIGN = ("run", "mnist:hinton", "--preset", "smoke")


class Evil:
    """What runs a command when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


def evil_module(folder: Path, name: str) -> None:
    """A module, in ``folder``, that runs a command when it is imported."""
    (folder / f"{name}.py").write_text(
        f"import os; os.system('touch {folder}/{name}.ran')\nfrom torch import nn\n"
        "def net() -> nn.Module: return nn.Linear(2, 2)\n"
    )


def weights(folder: Path) -> dict[str, Path]:
    """Files in the place of weights, each with a command in it."""
    evil, files = Evil(folder / "pwned"), {}
    for protocol in (0, 2, 4):
        files[f"pickle {protocol}"] = folder / f"p{protocol}.pth"
        files[f"pickle {protocol}"].write_bytes(pickle.dumps({"fc.weight": evil}, protocol))
    torch.save({"state_dict": {"fc.weight": evil}}, folder / "zip.pth")
    torch.save({"fc.weight": evil}, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    with zipfile.ZipFile(folder / "script.pt", "w") as archive:
        for name, content in {
            "constants.pkl": pickle.dumps((evil,)), "data.pkl": pickle.dumps(evil), "version": b"3\n",
            "code/__torch__.py": b"import os\nos.system('touch pwned')\n", "../../escaped": b"x",
        }.items():  # fmt: skip
            archive.writestr(f"script/{name}", content)
    header = json.dumps({"__metadata__": {"state": '{"__import__(\'os\').system(\'x\')": 1}'}, "../../x": {
        "dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()  # fmt: skip
    (folder / "names.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    (folder / "pickle.safetensors").write_bytes(pickle.dumps(evil))
    tar(folder / "tar.pth", pickle.dumps(evil))
    found = ("zip.pth", "legacy.pth", "script.pt", "names.safetensors", "pickle.safetensors", "tar.pth")
    return files | {name: folder / name for name in found}


def tar(path: Path, content: bytes, mode: str = "w") -> None:
    """An archive whose members lie outside of it, and one that is a link out."""
    with tarfile.open(path, mode) as archive:
        for name in ("../../escaped", "/tmp/escaped", "cifar-10-batches-py/data_batch_1", "cifar-10-batches-py/x"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("cifar-10-batches-py/data_batch_2")
        link.type, link.linkname = tarfile.SYMTYPE, "../../../etc/passwd"
        archive.addfile(link)


def fit(stage, model, content):
    stage.checkpoint.write_bytes(content)
    learner = Learner(model, Objective(label=label()), SGD)
    stage.train({"student": learner}, vectors(), 1, model=model)


def readers(root: Path) -> Iterator[tuple[str, Path, Callable[[], object]]]:
    """Name, the folder that it may write into, and what reads a hostile file."""
    for kind, file in weights(fresh(root / "weights")).items():
        content = file.read_bytes()
        yield f"load_foreign: {kind}", file.parent, partial(load_foreign, file, nn.Linear(2, 2))
        yield f"load_weights: {kind}", file.parent, partial(load_weights, file, nn.Linear(2, 2))
        yield f"load_state: {kind}", file.parent, partial(load_state, file)
        yield f"load_sparse: {kind}", file.parent, partial(load_sparse, file, nn.Linear(2, 2))
        student = fresh(root / f"student-{file.name}")
        (student / "student.json").write_text(json.dumps({"build": described(partial(mlp, (2, 2)))}))
        (student / "student.safetensors").write_bytes(content)
        yield f"load: {kind}", student, partial(tutelage.load, student)
        if kind in ("pickle 2", "zip.pth", "names.safetensors"):
            folder = fresh(root / f"run-{file.name}")
            yield f"run.given: {kind}", folder, partial(take, folder, file)
            yield f"a finished stage: {kind}", folder, partial(load_again, folder, content)
            yield f"a checkpoint: {kind}", folder, partial(go_on, folder, content)
    yield from students(root)
    yield from runs(root)
    yield from commands(root)
    yield from data(root)
    yield from brought(root)


def students(root: Path) -> Iterator[tuple[str, Path, Callable[[], object]]]:
    paths = ["os:system", "antigravity:fly", "evil_gift:net", "students.gift3.evil_gift:net", "tutelage.delivery:load"]
    for number, path in enumerate(paths):
        folder = fresh(root / "students" / f"gift{number}")
        evil_module(folder, "evil_gift")
        save_weights(folder / "student.safetensors", nn.Linear(2, 2))
        arguments = [f"touch {folder}/pwned"]
        content = {"build": {"function": path, "arguments": arguments, "named": {}}}
        (folder / "student.json").write_text(json.dumps(content))
        for allow in ([], ["evil_gift", "students"]):
            read = partial(on_path, [folder, root], partial(tutelage.load, ".", allow=allow))
            yield f"load: {path}, allowed {allow}", folder, partial(standing_in, folder, read)


def runs(root: Path) -> Iterator[tuple[str, Path, Callable[[], object]]]:
    folder = report_sample.make(fresh(root / "run"))
    for name in ("jinja2", "markupsafe", "scipy", "yaml", "evil_gift", "conftest", "sitecustomize"):
        evil_module(folder, name)
    named = ["os:system", "evil_gift:net", "antigravity:x", "../evil_gift:net", "tutelage.losses.kd:soft_targets"]
    report_sample.edited(folder, lambda x: x.update(methods=named))
    report_sample.edited(folder, lambda x: x.update(recipe="evil_gift:net", command="x; touch pwned"), "arguments")
    yield "report", folder, partial(standing_in, folder, partial(main, ["report", "."]))
    yield (
        "report: its report.json",
        folder,
        partial(main, ["report", str(folder / "report.json"), "--out", str(folder)]),
    )
    yield "report --keep", folder, partial(main, ["report", str(folder), "--keep", str(folder / "kept")])
    escape = report_sample.make(fresh(root / "escape"))
    report_sample.edited(escape, lambda x: x.update(recipe="../../../escaped", preset="../x"), "arguments")
    words = ["report", str(escape), "--keep", str(escape / "kept")]
    yield "report --keep: a path for a recipe", escape, partial(main, words)


def commands(root: Path) -> Iterator[tuple[str, Path, Callable[[], object]]]:
    folder = fresh(root / "commands")
    evil_module(folder, "evil_gift")
    for number, arguments in enumerate(
        [
            {"teacher.name": f"os.system('touch {folder}/pwned')"},
            {"student.name": "evil_gift.net"},
            {"methods": ["kd", "evil_gift:net"]},
            {"methods": ["0.5*kd + os:system"]},
            {"methods": ["kd", "--folder=/tmp/escaped"]},
        ]
    ):
        file = folder / f"{number}.json"
        file.write_text(json.dumps({"recipe": "cifar100:compare", "preset": "smoke", "arguments": arguments}))
        words = ["run", "cifar100:compare", "--from", str(file), "--runs", str(folder / "runs"), "--quiet"]
        yield f"--from: {arguments}", folder, partial(standing_in, folder, partial(main, words))
    foreign = report_sample.make(fresh(root / "foreign"))
    yield "--folder", foreign, partial(main, [*FOREIGN, "--folder", str(foreign), "--runs", str(foreign / "runs")])
    for words in (["ls", "os"], ["ls", "antigravity"], ["run", "this:x"], ["run", "../evil_gift:x"]):
        yield " ".join(words), folder, partial(standing_in, folder, partial(main, words))
    yield "completion", folder, partial(candidates, "tutelage run antigravity:fly --")
    evil, file = Evil(folder / "pwned"), folder / "teacher.pth"
    torch.save(evil, file)
    words = ["run", "cifar100:compare", "--preset", "smoke", "--teacher.weights", str(file)]
    yield "--teacher.weights", folder, partial(main, [*words, "--runs", str(folder / "runs"), "--quiet"])


def data(root: Path) -> Iterator[tuple[str, Path, Callable[[], object]]]:
    folder = fresh(root / "data")
    evil = pickle.dumps({b"data": Evil(folder / "pwned"), b"labels": [0]})
    yield "a pickle of CIFAR", folder, partial(unpickled, evil, folder / "data_batch_1")
    for name, mode in (("cifar-10-python.tar.gz", "w:gz"), ("cifar-10-python.tar", "w")):
        place = fresh(folder / name.replace(".", "_"))
        tar(place / name, evil, mode)
        yield name, place, partial(cifar10, place, download=False)
    unpacked = fresh(folder / "cifar-10-batches-py")
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        (unpacked / name).write_bytes(evil)
    yield "cifar-10-batches-py", folder, partial(cifar10, folder, download=False)
    table = fresh(folder / "table")
    for part in ("train", "test"):
        extension_type(table / f"{part}.parquet", pickle.dumps(Evil(folder / "pwned")))
    yield "a parquet file with a pickled type", table, partial(cifar10, table, download=False)
    idx = fresh(folder / "mnist")
    for name in CHECKSUMS:
        (idx / f"{name}.gz").write_bytes(evil)
    yield "idx", idx, partial(mnist, idx, download=False)
    for number, names in enumerate((("0_ann_0.wav", "../../escaped"), ("../../escaped/0_ann_0.wav", "/tmp/escaped"))):
        speech = fresh(folder / f"speech{number}")
        with zipfile.ZipFile(speech / "recordings.zip", "w") as archive:
            for name in names:
                archive.writestr(name, evil)
        yield f"recordings: {names}", speech, partial(fsdd, speech, download=False)
    pictures = fresh(folder / "pictures")
    fresh(pictures / "cat")
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) (w) file\n%%EOF\n"
    for name, content in {"eps.png": postscript, "wmf.bmp": b"\xd7\xcd\xc6\x9a" + bytes(60), "p.jpg": evil}.items():
        (pictures / "cat" / name).write_bytes(content)
    yield "pictures", pictures, partial(image_folder, pictures, "pictures")
    yield "pictures, streamed", pictures, partial(image_files, pictures, "pictures")
    own = fresh(folder / "own")
    numpy.savez(own / "x.npz", x=numpy.zeros((2, 2)), y=numpy.array([Evil(folder / "pwned")] * 2, dtype=object))
    (own / "x.csv").write_text("file,label\n../../escaped.png,a\nx.png,b\n")
    (own / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../../escaped.arrow"}]}))
    for place in (own / "x.npz", own / "x.csv", own, table / "train.parquet"):
        yield f"own data: {place.name}", own, partial(read, place)
    yield "own pictures", pictures, partial(look, pictures)
    answers = fresh(folder / "answers")
    yield "answers", answers, partial(asked, answers, evil)


def lines_in(file: Path) -> list[str]:
    return list(lines_of(file)(0))


def brought(root: Path) -> Iterator[tuple[str, Path, Callable[[], object]]]:
    """What people bring for a distillation, and what one leaves: networks, answers, plans, students to be exported."""
    for kind, file in weights(fresh(root / "brought")).items():
        for name, ending, load in (
            ("exported", "pt2", exported_program),
            ("onnx", "onnx", onnx_network),
            ("answers", "npz", read_table),
            ("encoder", "onnx", onnx_weights),
            ("vocabulary", "txt", read_pieces),
            ("tokenizer", "json", read_vocabulary),
            ("questions", "json", read_questions),
            ("corpus", "txt", lines_in),
        ):
            place = fresh(root / f"{name}-{file.name}")
            (place / f"x.{ending}").write_bytes(file.read_bytes())
            yield f"{name}: {kind}", place, partial(load, place / f"x.{ending}")
        saved = fresh(root / f"saved-{file.name}")
        said = {"model_type": "bert", "num_attention_heads": 2, "auto_map": {"AutoModel": "evil_deed.Evil"}}
        (saved / "config.json").write_text(json.dumps(said))
        (saved / "pytorch_model.bin").write_bytes(file.read_bytes())
        yield f"encoder in a folder: {kind}", saved, partial(encoder_in_folder, saved)
        yield f"texts in a folder: {kind}", saved, partial(texts_in_folder, str(saved), 0, 3, vectors=False)
        yield f"spans in a folder: {kind}", saved, partial(spans_in_folder, str(saved), 0, 3)
        parts = fresh(root / f"parts-{file.name}")
        (parts / "config.json").write_text(json.dumps(said))
        (parts / "x.bin").write_bytes(file.read_bytes())
        (parts / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": {"a": "x.bin"}}))
        yield f"weights in several files: {kind}", parts, partial(encoder_in_folder, parts)
        texts = fresh(root / f"texts-{file.name}" / "glue" / "RTE")
        (texts / "train.tsv").write_bytes(file.read_bytes())
        yield f"glue: {kind}", texts, partial(glue, "RTE", "train", texts.parents[1])
        arrays = fresh(root / f"arrays-{file.name}")
        (arrays / "x.safetensors").write_bytes(file.read_bytes())
        yield f"arrays: {kind}", arrays, partial(read, arrays / "x.safetensors")
        student = fresh(root / f"export-{file.name}")
        build = {"build": described(partial(mlp, (2, 2))), "classes": ["'); import os; os.system('touch pwned') #"] * 2}
        (student / "student.json").write_text(json.dumps({**build, "input": "float32 (N, 2)"}))
        save_weights(student / "student.safetensors", mlp((2, 2)))
        (student / "samples.safetensors").write_bytes(b"tutelage" + file.read_bytes())
        words = ["export", str(student), "--to", str(student / "x.onnx")]
        yield f"export: {kind}", student, partial(main, words)
    yield from programs(fresh(root / "programs"))
    plans = fresh(root / "plans-of" / "plans")
    for name, content in {"a" * 16: {"found": "__import__('os')"}, "b" * 16: ["os:system"], "c" * 16: {}}.items():
        (plans / f"{name}.json").write_text(json.dumps(content))
        yield f"plan: {content}", plans, partial(read_plan, plans / f"{name}.json")
    for name, content in {"spoilt": {"seconds": {"__import__('os')": 1.0}}, "none": ["os:system"]}.items():
        profiled = fresh(root / f"profile-{name}")
        (profiled / PROFILE).write_text(json.dumps(summed(content) if isinstance(content, dict) else content))
        yield f"profile: {content}", profiled, partial(read_profile, profiled)
    decoded = fresh(root / "decoded")
    (decoded / f"decoded-{'0' * 20}.uint8").symlink_to("/etc/passwd")
    (decoded / f"decoded-{'0' * 20}.json").write_text('{"shape": [1099511627776, 3, 999999, 999999], "sha256": ""}')
    for folder in (plans.parent, decoded):
        yield f"verify: {folder.name}", folder, partial(main, ["verify", str(folder)])


def programs(folder: Path) -> Iterator[tuple[str, Path, Callable[[], object]]]:
    """ONNX files that lead elsewhere or ask for a library, and exported programs that call what does not compute."""
    onnx = import_module("onnx")
    of, floats = onnx.helper, onnx.TensorProto.FLOAT
    ends = [of.make_tensor_value_info(name, floats, ["n", 2]) for name in "xy"]
    outside = onnx.TensorProto(name="w", data_type=floats, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
    for number, (operator, domain, where) in enumerate(
        [
            ("Add", "", "../../stranger"),
            ("Add", "", "/etc/passwd"),
            ("Evil", "evil_gift", ""),
            ("PyOp", "com.microsoft", ""),
        ]
    ):
        tensor = onnx.numpy_helper.from_array(numpy.zeros(2, numpy.float32), "w") if not where else outside
        del tensor.external_data[:]
        if where:
            tensor.external_data.add(key="location", value=where)
        graph = of.make_graph(
            [of.make_node(operator, ["x", "w"], ["y"], domain=domain)], "g", ends[:1], ends[1:], [tensor]
        )
        model = of.make_model(graph, opset_imports=[of.make_opsetid(x, 18 if not x else 1) for x in {"", domain}])
        (folder / f"{number}.onnx").write_bytes(model.SerializeToString())
        for name, load in (("onnx", onnx_network), ("encoder", dequantised_sentences)):
            yield f"{name}: {operator} {domain} {where}", folder, partial(load, folder / f"{number}.onnx")
    for number, target in enumerate(
        ("os.system", "torch.ops.aten.from_file.default", "torch.ops.evil_gift.net.default")
    ):
        argument = {"name": "input", "kind": 1, "arg": {"as_string": f"touch {folder}/pwned"}}
        node = {"target": target, "inputs": [argument], "outputs": [{"as_tensor": {"name": "y"}}]}
        graph = {"nodes": [node], "inputs": [], "outputs": [{"as_tensor": {"name": "y"}}], "tensor_values": {}}
        content = json.dumps({"graph_module": {"graph": graph, "signature": {"input_specs": []}}})
        with zipfile.ZipFile(folder / f"{number}.pt2", "w") as archive:
            for name, text in {
                "models/model.json": content, "data/weights/model_weights_config.json": '{"config": {}}',
                "data/constants/model_constants_config.json": '{"config": {}}', "../../escaped": "x",
            }.items():  # fmt: skip
                archive.writestr(f"x/{name}", text)
        yield f"exported: {target}", folder, partial(exported_program, folder / f"{number}.pt2")


def extension_type(path: Path, content: bytes) -> None:
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    field = pyarrow.field(
        "img", pyarrow.binary(),
        metadata={"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": content},
    )  # fmt: skip
    schema = pyarrow.schema([field, pyarrow.field("label", pyarrow.int64())], {"pandas": b'{"x": "os.system"}'})
    parquet.write_table(pyarrow.table([[b"x"], [1]], schema=schema), path)


def fresh(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def standing_in(folder: Path, read: Callable[[], object]) -> object:
    before = Path.cwd()
    os.chdir(folder)
    try:
        return read()
    finally:
        os.chdir(before)


def on_path(folders: list[Path], read: Callable[[], object]) -> object:
    """With folders of a stranger on the path, as they are on an interactive Python's."""
    sys.path[:0] = map(str, folders)
    try:
        return read()
    finally:
        del sys.path[: len(folders)]


def take(folder: Path, file: Path) -> None:
    with Run("toy:given", root=folder, device="cpu") as run:
        run.given("teacher", partial(mlp, (2, 2)), file)


def load_again(folder: Path, content: bytes) -> None:
    """A run whose stage finds ``content`` in the place of its weights."""
    with Run("toy:finished", root=folder, device="cpu", exact=True) as run:
        build = partial(mlp, (2, 2))
        save_weights(folder / "plain.safetensors", build())
        made = run.given("plain", build, folder / "plain.safetensors")
        (folder / "stages" / made.key / "last.safetensors").write_bytes(content)
        run.given("again", build, folder / "plain.safetensors")


def go_on(folder: Path, content: bytes) -> None:
    """A run whose training finds ``content`` in the place of its checkpoint."""
    with Run("toy:checkpoint", root=folder, device="cpu", exact=True) as run:
        run.stage("student", partial(mlp, (8, 5)), partial(fit, content=content))


def asked(folder: Path, content: bytes) -> None:
    """A cache whose rows and description are somebody's."""
    store = partial(in_folder, folder, {"weights": "a", "data": "b", "transform": "c"})
    batch = {"input": torch.zeros(2, 2), "index": torch.arange(2), "view": torch.zeros(2, dtype=torch.long)}
    for _ in range(2):
        teacher = cached(_ask, samples=4, views=1, place=store())
        teacher({"batch": batch}, frozenset({"output"}))
        for file in [x for x in folder.rglob("*") if x.is_file()]:
            with suppress(OSError):
                file.write_bytes(b'{"address": "../../x", "row": [1]}' if file.suffix == ".json" else content)


def _ask(scene, _wanted):
    return {"output": scene["batch"]["input"] + 1.0}


def ended(read: Callable[[], object]) -> tuple[str, str]:
    """What the reader said or raised."""
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            result = read()
    except (Exception, SystemExit) as failure:
        return type(failure).__name__, str(failure)
    return str(result) if isinstance(result, int) else "read", said.getvalue()


def begin(root: Path) -> None:
    """Import what is imported when it is needed, so that what comes after it shows."""
    for module in ("pyarrow.parquet", "PIL.Image", "jinja2", "scipy.stats", "rich.console", "onnx", "onnxruntime"):
        import_module(module)
    import_module("PIL.Image").preinit()
    main(["report", str(report_sample.make(fresh(root / "plain")))])
    save_state(root / "state.safetensors", {"x": torch.zeros(1)})


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    root = fresh(Path(sys.argv[1]))
    with redirect_stdout(io.StringIO()):
        begin(root)
    cases = list(readers(root))
    sys.addaudithook(watch)
    evil_module(root, "evil_deed")
    sys.path.append(str(root))
    for name, deed in deeds(fresh(root / "deeds")).items():
        with watched(root / "deeds") as events, suppress(OSError):
            deed()
        print(json.dumps({"deed": name, "seen": list(events)}), flush=True)
    sys.path.remove(str(root))
    sys.modules.pop("evil_deed")
    for name, folder, read in cases:
        with watched(folder) as events:
            how, said = ended(read)
        print(json.dumps({"reader": name, "ended": how, "said": said, "seen": list(events)}), flush=True)
