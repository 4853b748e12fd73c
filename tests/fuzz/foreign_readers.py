"""Readers of what people bring, and of what a distillation leaves: networks, answers, plans, decoded pictures."""

from functools import cache, partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy
import pyarrow
import pyarrow.parquet
import torch
from torch import nn

from fuzz.damage import in_zip
from fuzz.reader import Reader, same
from tutelage.checkpoint import read_json, save_state, write_json
from tutelage.checksums import summed
from tutelage.deployment.about import read_about
from tutelage.deployment.export import kept_samples
from tutelage.foreign.exported import exported_program
from tutelage.foreign.onnx_file import onnx_network
from tutelage.foreign.table_file import read_table
from tutelage.own_data.decode import Decoded
from tutelage.own_data.decoded_file import Kept, describe, opened_pictures, sum_of_pictures
from tutelage.own_data.read import read
from tutelage.study.planning.timed_plan import read_plan

ANSWERS = numpy.random.default_rng(0).normal(size=(6, 3)).astype(numpy.float32)
NAMES = [f"a/{n}.png" for n in range(6)]


@cache
def exported() -> bytes:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)).eval()
    size = {0: torch.export.Dim("batch")}
    program = torch.export.export(network, (torch.zeros(2, 3, 6, 6),), dynamic_shapes=(size,))
    with TemporaryDirectory() as place:
        torch.export.save(program, Path(place, "x.pt2"))
        return Path(place, "x.pt2").read_bytes()


def onnx_file(folder: Path) -> None:
    onnx = import_module("onnx")
    of, numbers = onnx.helper, numpy.random.default_rng(0).normal(size=(12, 3)).astype(numpy.float32)
    shapes = [of.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
              for name, shape in (("input", ["n", 3, 2, 2]), ("logits", ["n", 3]))]  # fmt: skip
    nodes = [of.make_node("Flatten", ["input"], ["flat"]), of.make_node("MatMul", ["flat", "w"], ["logits"])]
    graph = of.make_graph(nodes, "x", shapes[:1], shapes[1:], [onnx.numpy_helper.from_array(numbers, "w")])
    onnx.save(of.make_model(graph, opset_imports=[of.make_opsetid("", 18)], ir_version=9), folder / "x.onnx")


def answered(load: Any, name: str, side: int, folder: Path) -> list[int]:
    with torch.no_grad():
        answer = load(folder / name)(torch.zeros(2, 3, side, side))
    return list(answer.shape)


def table(name: str, folder: Path) -> None:
    columns = {"name": NAMES, **{f"class {k}": ANSWERS[:, k].tolist() for k in range(3)}}
    if name.endswith("npz"):
        numpy.savez(folder / name, logits=ANSWERS, names=numpy.array(NAMES))
    elif name.endswith("parquet"):
        pyarrow.parquet.write_table(pyarrow.table(columns), folder / name)
    else:
        lines = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
        (folder / name).write_text("\n".join([",".join(columns), *lines]))


def table_answer(name: str, folder: Path) -> list[int]:
    return list(read_table(folder / name).answers.shape)


def plan(folder: Path) -> None:
    from dataclasses import asdict

    from tutelage.study.budget import Pace
    from tutelage.study.planning.pilot import Found
    from tutelage.study.planning.timed_plan import TimedPlan

    found = Found(32, "nesterov", 0.1, 0.2, "kd", "why", 0.1, 1000, Pace(1, 0.1, 0.2), None)
    write_json(folder / "plan.json", summed(asdict(TimedPlan(found, 3, 1.0, 2.0))))


def decoded(folder: Path) -> None:
    pictures = torch.arange(3 * 3 * 4 * 4).to(torch.uint8).view(3, 3, 4, 4)
    path = folder / "decoded-00000000000000000000.uint8"
    pictures.numpy().tofile(path)
    rows = [Decoded(bytes([n] * 16)) for n in range(3)]
    describe(path, Kept(pictures, [*rows, Decoded(broken="is not there")], sum_of_pictures(pictures)))


def decoded_answer(folder: Path) -> Any:
    found = opened_pictures(folder / "decoded-00000000000000000000.uint8")
    return None if found is None else (found.pictures.tolist(), found.rows)


def whole_or_none(answer: Any, sound: Any, _folder: Path) -> bool:
    return answer is None or bool(answer == sound)


def facts(folder: Path) -> None:
    how = {"channels": 3, "size": [4, 4], "resize": 5, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.3]}
    content = {"name": "net", "task": "classification", "classes": ["a", "b"], "preprocessing": how}
    write_json(folder / "student.json", content)


def facts_answer(folder: Path) -> Any:
    about = read_about(read_json(folder / "student.json"), str(folder / "student.json"))
    return len(about.classes)


def samples(folder: Path) -> None:
    facts(folder)
    save_state(folder / "samples.safetensors", {"input": torch.zeros(4, 3, 4, 4, dtype=torch.uint8)})


def samples_answer(folder: Path) -> Any:
    said = {"classes": ["a", "b"], "preprocessing": {"channels": 3, "size": [4, 4]}}
    found, real = kept_samples(folder, read_about(said, "x"), said, ())
    return found.tolist() if real else None


def arrays(folder: Path) -> None:
    from safetensors.torch import save_file

    inputs = torch.arange(8 * 3 * 4 * 4).to(torch.uint8).view(8, 3, 4, 4)
    save_file({"images": inputs, "labels": torch.arange(8) % 2}, folder / "data.safetensors")


FOREIGN = (
    Reader(
        "exported program",
        lambda folder: (folder / "x.pt2").write_bytes(exported()) and None,
        partial(answered, exported_program, "x.pt2", 6),
        inside=in_zip,
    ),
    Reader("onnx", onnx_file, partial(answered, onnx_network, "x.onnx", 2)),
    *(
        Reader(f"answers in {name}", partial(table, name), partial(table_answer, name), inside=inside)
        for name, inside in (("x.csv", None), ("x.parquet", None), ("x.npz", in_zip))
    ),
    Reader("plan", plan, lambda folder: repr(read_plan(folder / "plan.json")), same),
    Reader("decoded pictures", decoded, decoded_answer, whole_or_none),
    Reader("facts of a student", facts, facts_answer, fixed=()),
    Reader("kept samples", samples, samples_answer, whole_or_none, fixed=("student.json",)),
    Reader("own safetensors", arrays, lambda folder: len(read(folder / "data.safetensors").parts["train"])),
)
