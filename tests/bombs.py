"""Files of some kilobytes that would take gigabytes: ``write`` makes them, another process reads them and tells what it
took.

``python bombs.py FOLDER``: a line of JSON for each reader of each file.
"""

import json
import resource
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import torch
from safetensors.torch import save_file

from tutelage.foreign.exported import exported_program
from tutelage.foreign.table_file import read_table
from tutelage.own_data.arrow import read_parquet
from tutelage.own_data.read import read

MANY = 2**31 - 1


def arrays(folder: Path) -> None:
    """Of more numbers than there are bytes, of samples that hold nothing, of text without an end; and in a zip that
    says it unpacks to gigabytes."""
    shapes = {"more": ("<f4", (2**30, 4)), "nothing": ("<f4", (2**40, 0)), "texts": (f"<U{2**28}", (2**10,))}
    for name, (kind, shape) in shapes.items():
        member = BytesIO()
        np.lib.format.write_array_header_1_0(member, {"descr": kind, "fortran_order": False, "shape": shape})
        for says, size in ((name, 0), (f"{name} that are said to be there", 2**34)):
            with zipfile.ZipFile(folder / f"{says}.npz", "w", zipfile.ZIP_DEFLATED) as packed:
                for array in ("x", "y", "x_test", "logits"):
                    info = zipfile.ZipInfo(f"{array}.npy")
                    packed.writestr(info, member.getvalue())
                    info.file_size = size or info.file_size


def tables(folder: Path) -> None:
    """Runs of one value, a long value that is each row's, a row that is a long list, zeros that are packed."""
    zeros, long = np.zeros(10**7, np.int64), pyarrow.array(["a" * 2**20])
    row = pyarrow.ListArray.from_arrays([0, 5 * 10**7], pyarrow.array(np.zeros(5 * 10**7, np.int8)))
    made = {
        "runs": {"x": zeros, "label": zeros},
        "one value": {"x": pyarrow.DictionaryArray.from_arrays(np.zeros(20_000, np.int32), long)},
        "one long row": {"x": row},
        "zeros": {"x": [bytes(2**28)], "label": [1]},
    }
    for name, columns in made.items():
        pyarrow.parquet.write_table(
            pyarrow.table(columns), folder / f"{name}.parquet", compression="zstd", store_schema=False
        )


def saved(folder: Path) -> None:
    """The same in what ``datasets`` saves: nulls take no bytes at all."""
    short = pyarrow.array(["a" * 2**17])
    packed = pyarrow.ipc.IpcWriteOptions(compression="zstd")
    made = {
        "nulls": (pyarrow.nulls(MANY), None),
        "a list of nulls": (pyarrow.ListArray.from_arrays([0, MANY], pyarrow.nulls(MANY)), None),
        "packed": (pyarrow.array([bytes(2**28)]), packed),
        "one value": (pyarrow.DictionaryArray.from_arrays(np.zeros(20_000, np.int8), short), None),
    }
    for name, (column, options) in made.items():
        home = folder / name
        home.mkdir()
        table = pyarrow.table({"x": column, "label": column})
        with pyarrow.ipc.new_stream(str(home / "data.arrow"), table.schema, options=options) as file:
            file.write_table(table)
        (home / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))


def tensors(folder: Path) -> None:
    """Of no bytes, of more than there are, and with a header without an end."""
    save_file({name: torch.empty(2**40, 0) for name in ("x", "y", "x_test")}, folder / "none.safetensors")
    said = json.dumps({"x": {"dtype": "F32", "shape": [2**30, 4], "data_offsets": [0, 2**34]}}).encode()
    for name, length in (("large", len(said)), ("long", 2**40)):
        (folder / f"{name}.safetensors").write_bytes(struct.pack("<Q", length) + said)


class Grown(torch.nn.Module):
    """One step takes gigabytes."""

    def forward(self, x):
        return (x.flatten(1)[:, :1] + torch.zeros(2**33, dtype=torch.float64)).sum(1, keepdim=True)


class Kept(torch.nn.Module):
    """Many steps do, and all are needed at the end."""

    def forward(self, x):
        parts = [x.flatten(1)[:, :1] + torch.full((2**27,), float(n)) for n in range(16)]
        return sum(parts[1:], parts[0]).sum(1, keepdim=True)


def programs(folder: Path) -> None:
    for network in (Grown(), Kept()):
        program = torch.export.export(network, (torch.zeros(1, 3, 2, 2),))
        torch.export.save(program, folder / f"{type(network).__name__}.pt2")
    content = (folder / "Kept.pt2").read_bytes()  # each part is named forty times
    start = content.index(b"PK\x01\x02")
    end = min(x for x in (content.find(b"PK\x06\x06", start), content.rfind(b"PK\x05\x06")) if x > 0)
    with zipfile.ZipFile(folder / "Kept.pt2") as archive:
        count = 40 * len(archive.infolist())
    parts = 40 * content[start:end]
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(parts), start, 0)
    (folder / "overlaid.pt2").write_bytes(content[:start] + parts + tail)


READERS: dict[str, dict[str, Callable[[Path], object]]] = {
    ".npz": {"data": read, "answers": read_table},
    ".parquet": {"data": read_parquet, "answers": read_table},
    ".arrow": {"data": lambda file: read(file.parent)},
    ".safetensors": {"data": read},
    ".pt2": {"network": lambda file: exported_program(file)(torch.zeros(1, 3, 2, 2))},
}


def write(folder: Path) -> None:
    for make in (arrays, tables, saved, tensors, programs):
        make(folder)


def tried(folder: Path) -> Iterator[dict[str, object]]:
    sound = folder / "sound.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"x": [1.0], "label": [1]}), sound)
    read_parquet(sound)  # what the reader itself takes is taken
    for file in sorted(folder.rglob("*.*")):
        for name, load in READERS.get(file.suffix, {}).items() if file != sound else ():
            before, ended, said = _peak(), "answered", ""
            try:
                load(file)
            except BaseException as error:
                ended, said = type(error).__name__, str(error)
            size, took = file.stat().st_size, _peak() - before
            yield {"file": str(file.relative_to(folder)), "reader": name, "size": size, "ended": ended, "said": said,
                   "took": took}  # fmt: skip


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    for line in tried(Path(sys.argv[1])):
        print(json.dumps(line), flush=True)
