"""Every reader of the package that opens files which somebody else may have written."""

import io
import json
import pickle
import tarfile
import wave
import zipfile
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import torch
from PIL import Image
from rich.console import Console
from torch import nn

import report_sample
from fuzz.damage import in_gzip, in_png, in_zip
from fuzz.foreign_readers import FOREIGN
from fuzz.later_readers import LATER
from fuzz.reader import Reader, same
from tutelage.checkpoint import load_state, load_weights, read_json, save_state, save_weights, write_json
from tutelage.cli.failures import Usage
from tutelage.cli.request import understood
from tutelage.data.cifar import cifar10
from tutelage.data.cifar_editions import CIFAR10
from tutelage.data.cifar_parquet import from_parquet
from tutelage.data.decoding import decoded
from tutelage.data.folder import image_folder
from tutelage.data.idx import read_idx
from tutelage.data.recordings import contents_of, recordings_of
from tutelage.data.waves import read_wave
from tutelage.delivery import load
from tutelage.models.mlp import mlp
from tutelage.own_data.prepared import How, decoded_parts
from tutelage.own_data.read import read
from tutelage.printable import printable_in
from tutelage.report.finished import read_finished
from tutelage.report.groups import group_runs
from tutelage.report.markdown import markdown
from tutelage.report.page import page_html, publish_page
from tutelage.report.read import read_run
from tutelage.report.record import record_text, report_record
from tutelage.report.story import story_of
from tutelage.report.terminal import print_story
from tutelage.stages.storage import BestSoFar, finished, keep
from tutelage.teachers.cached import cached
from tutelage.teachers.stores import in_folder
from tutelage.weights.foreign import load_foreign

PIXELS = numpy.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=numpy.uint8)
BUILD = {"function": "tutelage.models.mlp:mlp", "arguments": [], "named": {"widths": [3, 4, 2]}}
IDX = b"\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x03" + bytes(range(12))


def small_run(folder: Path) -> None:
    report_sample.edited(report_sample.make(folder, epochs=3), shorten)


def older_run(folder: Path) -> None:
    report_sample.edited(report_sample.make_older(folder, epochs=3), shorten)


def shorten(results: dict[str, Any]) -> None:
    """Of everything a few."""
    results["tables"][0]["rows"] = results["tables"][0]["rows"][:4]
    for name, most in (("networks", 3), ("examples", 2), ("claims", 3)):
        results[name] = results[name][:most]


def run_parts(folder: Path) -> Any:
    return read_run(folder).parts


def as_written(parts: Any, _sound: Any, folder: Path) -> bool:
    """The values that Python's own reader finds, as printable text; numbers that are none are left out of the log."""
    for name in ("arguments", "environment", "stages", "results"):
        written = json.loads((folder / f"{name}.json").read_text("utf-8-sig"))
        if name == "results" and "metrics" not in written:
            return True  # of an earlier version: renewed
        if not _equal(parts[name], printable_in(written)):
            return False
    log = folder / "log.jsonl"
    lines = log.read_bytes().decode("utf-8-sig").splitlines() if log.is_file() else []
    return len([line for line in lines if line.strip()]) == len(parts["log"])


def _equal(x: Any, y: Any) -> bool:
    return json.dumps(x, sort_keys=True) == json.dumps(y, sort_keys=True)


def whole_report(folder: Path) -> int:
    runs = [read_run(folder)]
    groups = group_runs(runs)
    story = story_of(groups)
    print_story(story, Console(file=io.StringIO(), width=100))
    record_text(report_record(story, groups))
    page_html(groups, story)
    return len(markdown(story).encode())


def record(folder: Path) -> None:
    with TemporaryDirectory() as elsewhere:
        small_run(Path(elsewhere) / "run")
        groups = group_runs([read_run(Path(elsewhere) / "run")])
    publish_page(groups, story_of(groups), folder)
    for file in folder.glob("report.[!j]*"):
        file.unlink()


def record_parts(folder: Path) -> list[Any]:
    return [run.parts for run in read_finished(folder / "report.json")]


def asked(folder: Path) -> None:
    write_json(
        folder / "asked.json",
        {"recipe": "mnist:hinton", "preset": "quick", "arguments": {"seed": 3, "teacher.epochs": 7}},
    )


def answered(folder: Path) -> Any:
    try:
        return understood("mnist:hinton", ["--from", str(folder / "asked.json")]).arguments
    except Usage as refusal:  # of the command line, with exit code 2
        raise ValueError(refusal) from None


def plain(folder: Path) -> None:
    write_json(folder / "plain.json", {"a": [1, 2.5, None, True, "é"], "b": {"c": {}, "d": [[1], []]}})


def plain_as_written(answer: Any, _sound: Any, folder: Path) -> bool:
    return _equal(answer, json.loads((folder / "plain.json").read_text("utf-8-sig")))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def state() -> dict[str, Any]:
    return {"model": network().state_dict(), "epoch": 3, "order": [1, (2, None)], "rate": {0: 0.1, 1: float("inf")}}


def hashed(x: Any) -> Any:
    """``x`` with tensors as what can be compared."""
    if isinstance(x, torch.Tensor):
        return str(x.dtype), tuple(x.shape), x.contiguous().flatten().view(torch.uint8).numpy().tobytes()
    if isinstance(x, dict):
        return {key: hashed(y) for key, y in x.items()}
    return [hashed(y) for y in x] if isinstance(x, list | tuple) else repr(x)


def loaded_weights(folder: Path) -> Any:
    return hashed(dict(load_weights(folder / "weights.safetensors", network()).state_dict()))


def loaded_foreign(name: str, folder: Path) -> Any:
    model = network()
    load_foreign(folder / name, model)
    return hashed(dict(model.state_dict()))


def of_safetensors(answer: Any, _sound: Any, folder: Path) -> bool:
    """Each tensor is one that the file's header describes, byte for byte, where no type was converted."""
    content = next(folder.glob("*.safetensors")).read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    spans = [x["data_offsets"] for key, x in header.items() if key != "__metadata__"]
    held = {content[end + start : end + stop] for start, stop in spans}
    kinds = {x["dtype"] for key, x in header.items() if key != "__metadata__"}
    return kinds > {"F32", "I64"} or all(values in held for _, _, values in answer.values())


def saved(folder: Path, **options: Any) -> None:
    torch.save({"state_dict": network().state_dict(), "epoch": 3}, folder / "weights.pth", **options)


def idx(folder: Path) -> None:
    import gzip

    (folder / "plain").write_bytes(IDX)
    (folder / "packed.gz").write_bytes(gzip.compress(IDX, mtime=0))


def idx_answer(folder: Path) -> Any:
    checksum = sha256(IDX).hexdigest()
    return [read_idx(folder / name, 3, checksum).tolist() for name in ("plain", "packed.gz")]


@cache
def encoded(form: str, size: int = 32, number: int = 0, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS[number, :size]).save(file, form, **options)
    return file.getvalue()


def picture(name: str, form: str, folder: Path, **options: Any) -> None:
    (folder / name).write_bytes(encoded(form, **options))


def picture_answer(folder: Path) -> Any:
    (file,) = folder.iterdir()
    return hashed(decoded(file))


def of_some_size(answer: Any, _sound: Any, _folder: Path) -> bool:
    kind, shape, values = answer
    return kind == "torch.uint8" and shape[0] == 3 and len(values) == 3 * shape[1] * shape[2]


def pictures(folder: Path) -> None:
    for number, (name, form) in enumerate(
        (("a/1.png", "PNG"), ("a/2.bmp", "BMP"), ("b/3.jpg", "JPEG"), ("b/4.webp", "WEBP"))
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(encoded(form, number=number))


def folder_answer(folder: Path) -> int:
    data = image_folder(folder, "mine")
    assert data.inputs.shape == (4, 3, 32, 32) and data.targets.tolist() == [0, 0, 1, 1]
    return len(data.checksum)


def parquet(folder: Path, **options: Any) -> None:
    images = [{"bytes": encoded("PNG", number=i), "path": None} for i in range(4)]
    table = pyarrow.table({"img": images, "label": [0, 1, 2, 9]})
    pyarrow.parquet.write_table(table, folder / "train.parquet", **options)


def parquet_answer(folder: Path) -> Any:
    data = from_parquet(folder / "train.parquet", CIFAR10, "mine")
    assert data.inputs.shape[1:] == (3, 32, 32) and len(data) < 1000
    return hashed([data.inputs, data.targets])


def batch(numbers: range) -> bytes:
    pixels = PIXELS[numbers.start : numbers.stop].transpose(0, 3, 1, 2).reshape(len(numbers), 3072)
    return pickle.dumps(
        {b"data": pixels, b"labels": [i % 10 for i in numbers], b"filenames": [b"x.png"] * len(numbers)}, 2
    )


def batches() -> dict[str, bytes]:
    return {name: batch(range(2 * i, 2 * i + 2)) for i, name in enumerate((*CIFAR10.train, *CIFAR10.test))}


def unpacked(folder: Path) -> None:
    for name, content in batches().items():
        (folder / name).write_bytes(content)


def archive(folder: Path) -> None:
    with tarfile.open(folder / CIFAR10.archive, "w:gz", compresslevel=1) as packed:
        for name, content in batches().items():
            member = tarfile.TarInfo(f"{CIFAR10.folder}/{name}")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))


def cifar_answer(folder: Path) -> Any:
    return [hashed([part.inputs, part.targets]) for part in cifar10(folder, download=False)]


def sound_of(number: int) -> bytes:
    """A recording of a tenth of a second."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, 8000, 0, "NONE", ""))
        written.writeframes(PIXELS[number].tobytes()[:1600])
    return file.getvalue()


def heard(folder: Path) -> Any:
    return hashed(read_wave((folder / "x.wav").read_bytes(), f"{folder}/x.wav"))


def as_long_as_it_says(answer: Any, _sound: Any, folder: Path) -> bool:
    """The samples are bytes of the file, in a row; which ones, no checksum says."""
    kind, (count,), values = answer
    return kind == "torch.int16" and len(values) == 2 * count and values in (folder / "x.wav").read_bytes()


def spoken(folder: Path, packing: int) -> None:
    with zipfile.ZipFile(folder / "recordings.zip", "w", packing) as archive:
        for number, name in enumerate(("0_ann_0.wav", "deep/folder/0_bob_0.wav", "7_ann_12.wav")):
            archive.writestr(zipfile.ZipInfo(name), sound_of(number), packing)
        archive.writestr(zipfile.ZipInfo("README.md"), "not a recording", packing)


def spoken_answer(folder: Path) -> Any:
    path = folder / "recordings.zip"
    return [hashed(list(recording)) for recording in recordings_of(contents_of(path), path)]


def student(folder: Path) -> None:
    torch.manual_seed(0)
    save_weights(folder / "student.safetensors", mlp((3, 4, 2)))
    write_json(folder / "student.json", {"build": BUILD, "classes": ["a", "b"]})


def student_answer(folder: Path) -> Any:
    return hashed(dict(load(folder).state_dict()))


def stage(folder: Path) -> None:
    records = [
        {"epoch": i, "seconds": 1.0, "losses": {"student": {"label": 0.3}}, "validation": {"errors": 3}, "best": i == 1}
        for i in (1, 2)
    ]
    best = BestSoFar(1, 3.0, {name: x + 1 for name, x in network().state_dict().items()})
    keep(folder, {"": network()}, {"": best}, {"name": "student", "made": {}, "records": records, "notes": ["a note"]})


def stage_answer(folder: Path) -> Any:
    (found,) = finished(folder, "student", {"": network}).values()
    return found.best_epoch, hashed(found.records), hashed([dict(x.state_dict()) for x in (found.last, found.best)])


def ask(scene: Any, _wanted: Any) -> Any:
    return {"output": scene["batch"]["index"][:, None].expand(-1, 5) + 1.0}


def answers(teacher: Any, folder: Path) -> Any:
    place = in_folder(folder, {"weights": "a" * 64, "data": "digits"})
    index = torch.arange(8)
    scene = {"batch": {"input": index, "index": index, "view": index * 0}}
    return hashed(cached(teacher, samples=8, views=1, place=place)(scene, frozenset({"output"})))


def own_table(folder: Path) -> None:
    rows = [f"{n}.png,{'ab'[n % 2]}" for n in range(4)]
    (folder / "data.csv").write_text("\n".join(["file,label", *rows]))


def own_parquet(folder: Path) -> None:
    images = [{"bytes": encoded("PNG", number=i), "path": None} for i in range(6)]
    pyarrow.parquet.write_table(pyarrow.table({"image": images, "label": ["a", "b"] * 3}), folder / "data.parquet")


def own_npz(folder: Path) -> None:
    numpy.savez_compressed(folder / "data.npz", x=PIXELS[:8], y=numpy.arange(8) % 2)


def own_arrow(folder: Path) -> None:
    held = pyarrow.table({"image": [encoded("PNG", number=i) for i in range(6)], "label": ["a", "b"] * 3})
    with pyarrow.ipc.new_stream(str(folder / "data.arrow"), held.schema) as file:
        file.write_table(held)
    write_json(folder / "state.json", {"_data_files": [{"filename": "data.arrow"}]})


def own_answer(name: str, folder: Path) -> int:
    """Read, decoded and all: what is broken is left out, or refused."""
    return len(decoded_parts(read(folder / name), How(workers=1)).parts["train"].names)


def own_source(name: str, folder: Path) -> int:
    return len(read(folder / name).parts["train"])


RUNS = (
    Reader("run", small_run, run_parts, as_written),
    Reader("run of an earlier version", older_run, run_parts, as_written),
    Reader("report of a run", small_run, whole_report),
    Reader("report.json", record, record_parts),
    Reader("--from", asked, answered),
    Reader("json", plain, lambda folder: read_json(folder / "plain.json"), plain_as_written),
)
STORED = (
    Reader(
        "state",
        lambda folder: save_state(folder / "x.safetensors", state()),
        lambda folder: hashed(load_state(folder / "x.safetensors")),
    ),
    Reader(
        "own weights",
        lambda folder: save_weights(folder / "weights.safetensors", network()),
        loaded_weights,
        of_safetensors,
    ),
    Reader("student", student, student_answer),
    Reader("stage", stage, stage_answer),
    Reader("cache", partial(answers, ask), partial(answers, None), fixed=("lock",)),
)
WEIGHTS = (
    Reader(
        "safetensors",
        lambda folder: save_weights(folder / "w.safetensors", network()),
        partial(loaded_foreign, "w.safetensors"),
        of_safetensors,
    ),
    Reader("torch.save", saved, partial(loaded_foreign, "weights.pth"), same, in_zip),
    Reader(
        "torch.save before 1.6",
        partial(saved, _use_new_zipfile_serialization=False),
        partial(loaded_foreign, "weights.pth"),
    ),
)
DATA = (
    Reader("idx", idx, idx_answer, same, in_gzip),
    Reader("parquet", parquet, parquet_answer),
    Reader("parquet, packed", partial(parquet, compression="zstd", use_dictionary=False), parquet_answer),
    Reader("archive of CIFAR", archive, cifar_answer, same, in_gzip),
    Reader("pickles of CIFAR", unpacked, cifar_answer),
    Reader("png", partial(picture, "x.png", "PNG"), picture_answer, same, in_png),
    Reader("jpeg", partial(picture, "x.jpg", "JPEG", quality=80), picture_answer, of_some_size),
    Reader("progressive jpeg", partial(picture, "x.jpg", "JPEG", progressive=True), picture_answer, of_some_size),
    Reader("webp", partial(picture, "x.webp", "WEBP"), picture_answer, of_some_size),
    Reader("bmp", partial(picture, "x.bmp", "BMP"), picture_answer, of_some_size),
    Reader("gif", partial(picture, "x.gif", "GIF"), picture_answer, of_some_size),
    Reader("tiff", partial(picture, "x.tif", "TIFF"), picture_answer, of_some_size),
    Reader(
        "tiff, packed",
        partial(picture, "x.tif", "TIFF", compression="tiff_adobe_deflate"),
        picture_answer,
        of_some_size,
    ),
    Reader("own table", own_table, partial(own_source, "data.csv")),
    Reader("own parquet", own_parquet, partial(own_answer, "data.parquet")),
    Reader("own arrays", own_npz, partial(own_answer, "data.npz"), inside=in_zip),
    Reader("own arrow", own_arrow, partial(own_answer, ".")),
    Reader("folder of images", pictures, folder_answer),
    Reader("wav", lambda folder: (folder / "x.wav").write_bytes(sound_of(0)) and None, heard, as_long_as_it_says),
    Reader("zip of recordings", partial(spoken, packing=zipfile.ZIP_DEFLATED), spoken_answer, same, in_zip),
    Reader("zip of recordings, stored", partial(spoken, packing=zipfile.ZIP_STORED), spoken_answer, same, in_zip),
)
READERS = (*RUNS, *STORED, *WEIGHTS, *DATA, *FOREIGN, *LATER)
