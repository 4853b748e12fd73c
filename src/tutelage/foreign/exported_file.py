"""What is in a file of ``torch.export.save``, read without ``torch.export.load``, which unpickles and evaluates text.

The archive holds tensors as plain bytes, and the operations as JSON: schema version 8 of torch 2.13, in its
``torch/_export/serde/schema.py``. Nothing else of it is looked at: the pickled sample inputs are never opened.
"""

import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import torch
from torch import Tensor

DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
"""By the numbers that the schema gives them."""
LARGEST = 2**28
"""Bytes of the JSON part; those of networks of today take some millions."""
SPREAD = 2**20
"""Numbers that a tensor may have which is stored as fewer, one for all."""


@dataclass(frozen=True, eq=False)
class Program:
    """The operations of an exported program in their order, the tensors that it holds, and what goes in and out.

    ``inputs`` are names; ``sizes`` those of each input, 0 where the size is free. ``answer`` is the place in
    ``outputs`` of what is called ``logits``, else of the first. ``num_weights`` counts what was trained, tied tensors
    once.
    """

    nodes: tuple[Mapping[str, Any], ...]
    tensors: Mapping[str, Tensor]
    inputs: tuple[str, ...]
    sizes: tuple[tuple[int, ...], ...]
    dtypes: tuple[torch.dtype | None, ...]
    outputs: tuple[Mapping[str, Any], ...]
    answer: int = 0
    num_weights: int = 0

    @cached_property
    def no_longer(self) -> tuple[tuple[str, ...], ...]:
        """For each operation the names that nothing after it asks for."""
        last = dict.fromkeys(self.tensors, -1)
        for place, node in enumerate(self.nodes):
            last |= dict.fromkeys(_names_in([*(x["arg"] for x in node["inputs"]), node["outputs"]]), place)
        kept = {*_names_in(self.outputs)}
        gone: list[list[str]] = [[] for _ in self.nodes]
        for name, place in last.items():
            if place >= 0 and name not in kept:
                gone[place].append(name)
        return tuple(map(tuple, gone))


def read_program(content: bytes, where: str) -> Program:
    """The program in ``content``, called ``where`` in errors.

    Raises ``ValueError``, beginning with ``where``, for anything else, for a file that is damaged, of before torch 2.9,
    with compiled code, or with tensors that are pickled.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > len(content):
                raise ValueError("its parts are larger than it is")
            return _program(archive, where)
    except RefusedProgramError:
        raise
    except Exception as error:  # what is damaged may end in any
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{where} is no exported program that can be read ({reason}); export it again.") from None


def _names_in(part: Any) -> Iterator[str]:
    """Of all values that a part of the file speaks of."""
    if isinstance(part, Mapping):
        yield from (x for key, x in part.items() if key in ("name", "as_name") and isinstance(x, str))
    if isinstance(part, Mapping | list | tuple):
        for inner in part.values() if isinstance(part, Mapping) else part:
            yield from _names_in(inner)


class RefusedProgramError(ValueError):
    """What is in the file is known, and not taken."""


def _program(archive: zipfile.ZipFile, where: str) -> Program:
    members = {member.filename.partition("/")[2]: member for member in archive.infolist()}
    if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
        raise RefusedProgramError(f"{where} is packed, which torch.export.save never does; save the program with it.")
    models = [name for name in members if name.startswith("models/") and name.endswith(".json")]
    if len(models) != 1:
        found = "compiled code, which would be run" if any("aotinductor" in x for x in members) else "none, or several"
        raise RefusedProgramError(
            f"{where} holds {found}, where one program is wanted; write it with "
            "torch.export.save(torch.export.export(network.eval(), (example,)), path), torch 2.9 or later."
        )
    name = models[0].removeprefix("models/").removesuffix(".json")
    graph_module = _json(archive, members, models[0])["graph_module"]
    graph, specs = graph_module["graph"], graph_module["signature"]["input_specs"]
    stored = {
        part: _tensors(archive, members, f"data/{part}/", f"{name}_{part}_config.json", where)
        for part in ("weights", "constants")
    }
    tensors, inputs, trained = dict[str, Tensor](), [], dict[tuple[int, int], int]()
    for (kind, spec), argument in zip((next(iter(x.items())) for x in specs), graph["inputs"], strict=True):
        called = _name(argument)
        if kind == "user_input":
            inputs.append(called)
        elif kind in ("parameter", "buffer", "tensor_constant"):
            key = spec[f"{kind}_name"]
            tensors[called] = x = stored["weights"][key] if key in stored["weights"] else stored["constants"][key]
            if kind == "parameter":
                trained[x.data_ptr(), x.numel()] = x.numel()
        else:
            raise RefusedProgramError(f"{where} takes a {kind} as input, and only tensors are taken.")
    values = [graph["tensor_values"].get(x, {}) for x in inputs]
    sizes = tuple(tuple(x.get("as_int", 0) for x in value.get("sizes", ())) for value in values)
    dtypes = tuple(DTYPES.get(value.get("dtype", 0)) for value in values)
    outputs, names = tuple(graph["outputs"]), _names_of_outputs(graph_module)
    answer = names.index("logits") if "logits" in names and len(names) == len(outputs) else 0
    return Program(tuple(graph["nodes"]), tensors, tuple(inputs), sizes, dtypes, outputs, answer, sum(trained.values()))


def _names_of_outputs(graph_module: Mapping[str, Any]) -> list[Any]:
    """The keys of the dictionary that the network returned; none where it returned something else."""
    try:
        tree = json.loads(graph_module["module_call_graph"][0]["signature"]["out_spec"])[1]
        names = json.loads(tree["context"])
    except (KeyError, IndexError, TypeError, ValueError):
        return []
    return names if isinstance(names, list) else []


def _tensors(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], folder: str, config: str, where: str
) -> dict[str, Tensor]:
    """Those of ``folder``; several may be views of one file."""
    if f"{folder}{config}" not in members:
        raise RefusedProgramError(
            f"{where} was written by an older torch, as pickles, which are not opened; "
            "load it there and save it with torch 2.9 or later."
        )
    described = _json(archive, members, f"{folder}{config}")["config"]
    flat: dict[tuple[str, torch.dtype], Tensor] = {}
    tensors = {}
    for name, entry in described.items():
        if entry["use_pickle"] or entry["tensor_meta"] is None:
            raise RefusedProgramError(
                f"{where} holds {name!r} as a pickle, which may be code: it was not opened; "
                "export the network with plain tensors as its weights."
            )
        meta, member = entry["tensor_meta"], f"{folder}{entry['path_name']}"
        dtype = DTYPES[meta["dtype"]]
        size, stride = ([x["as_int"] for x in meta[what]] for what in ("sizes", "strides"))
        if math.prod(size) == 0:
            tensors[name] = torch.empty(size, dtype=dtype)
            continue
        if (member, dtype) not in flat:
            flat[member, dtype] = torch.frombuffer(bytearray(archive.read(members[member])), dtype=dtype)
        whole = flat[member, dtype]
        start = meta["storage_offset"]["as_int"]
        last = start + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if (
            min([*size, *stride, start], default=0) < 0
            or last >= whole.numel()
            or math.prod(size) > max(whole.numel(), SPREAD)
        ):
            raise ValueError(f"the sizes of {name!r} are beyond what is stored")
        tensors[name] = whole.as_strided(size, stride, start)
    return tensors


def _json(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], name: str) -> Any:
    if members[name].file_size > LARGEST:
        raise ValueError(f"{name} in it takes {members[name].file_size} bytes")
    return json.loads(archive.read(members[name]))


def _name(argument: Mapping[str, Any]) -> str:
    (kind, value), *_ = argument.items()
    return str(value["as_name"] if kind.startswith("as_sym") else value["name"] if kind == "as_tensor" else kind)
