"""How to use what a run delivered: its files, the lines that load it, what the ONNX file takes and gives."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tutelage import plain_json
from tutelage.printable import in_markdown, printable
from tutelage.renewal import DEPLOYED, DESCRIPTION, WEIGHTS, current, is_deployed
from tutelage.report.groups import Group
from tutelage.report.markdown import fenced, markdown_table
from tutelage.report.numbers import byte_size
from tutelage.trust import NEEDED, OURS, STANDARD

MEANINGS = {
    "student.safetensors": "the weights, for PyTorch with tutelage",
    "student.onnx": "the network by itself, for ONNX Runtime and others",
    "predict.py": "asks student.onnx about a sample",
    "model_card.md": "what it is, takes, gives and costs",
    "samples.safetensors": "test samples on which exports are compared; leave it out when you give the others away",
    "student.int8.onnx": "the same in int8, measured beside it",
    "student.int8.card.md": "what it is, takes, gives and costs in int8",
    "student.int8.predict.py": "asks student.int8.onnx about a picture",
}


@dataclass(frozen=True)
class Usage:
    """What to type: ``files`` (name, size, what for), ``python`` lines, ``shell`` lines.

    ``takes`` says in words what the student takes, ``onnx`` the same of its file.
    """

    files: tuple[tuple[str, str, str], ...]
    python: str
    shell: str
    takes: str
    onnx: str
    folder: str


def usage_of(groups: Sequence[Group]) -> Usage | None:
    """How to use the student of a single run whose folder was read; nothing of several, or where none was delivered."""
    runs = [run for group in groups for run in group.runs]
    folder = runs[0].folder if len(runs) == 1 else None
    if folder is None or not current(folder, DESCRIPTION).is_file() or not current(folder, WEIGHTS).is_file():
        return None
    there = [WEIGHTS, *(name for name in DEPLOYED if is_deployed(current(folder, name)))]
    files = tuple((name, byte_size(current(folder, name).stat().st_size), MEANINGS[name]) for name in there)
    where = _short(folder)
    takes = _input(folder)
    packages = _packages(_said(folder).get("build"))
    python = _python(where, takes, packages)
    scripts = [name for name in ("student.int8.predict.py", "predict.py") if name in there]
    sample = _sample(_said(folder).get("tokenisation"), _said(folder).get("task"))
    lines = [f"python {where}/{name} {sample}" for name in scripts[:1]]
    trusted = f" --allow {' '.join(packages)}" if packages else ""
    lines.append(f"tutelage export {where} --to small.onnx{trusted}")
    onnx = _onnx(folder) if "student.onnx" in there else ""
    said = f"The student takes {takes}."
    if packages:
        said += f" It is built by {' and '.join(packages)}: allow that only if you trust it; it has to be importable."
    return Usage(files, python, "\n".join(lines), said, onnx, where)


def _sample(cut: object, task: object) -> str:
    """What a script is asked about: a picture or, where it says how texts are cut, one or two of them."""
    if not isinstance(cut, dict):
        return "photo.jpg"
    if task == "spans":
        return '"a question?" "a text"'
    return '"a text"' if cut.get("texts") == 1 else '"a text" "another one"'


def _packages(build: object) -> list[str]:
    """The packages whose functions a description calls, other than ours: what a person has to allow."""
    if not isinstance(build, dict):
        return sorted({root for part in build for root in _packages(part)}) if isinstance(build, list) else []
    function = build.get("function")
    root = function.partition(":")[0].partition(".")[0] if isinstance(function, str) else ""
    inner = {name for part in build.values() for name in _packages(part)}
    return sorted(inner | {root} if root.isidentifier() and root not in {OURS, *STANDARD, *NEEDED} else inner)


def _python(where: str, takes: str, packages: Sequence[str]) -> str:
    """Three lines that run as they are where the shape of an input is known; else with a ``batch`` of one's own."""
    shape = re.match(r"(float32|int64) \(N, (\d{1,9}(?:, \d{1,9}){0,3})\)", takes)
    batch = "batch"
    if shape:  # numbers of tokens begin at 1: 0 is padding
        batch = f"torch.zeros(1, {shape[2]})" if shape[1] == "float32" else f"torch.ones(1, {shape[2]}, dtype=int)"
    allow = f", allow={[*packages]}" if packages else ""
    first = f"import {'torch, ' if shape else ''}tutelage"
    return f'{first}\nstudent = tutelage.load("{where}"{allow})\nanswers = student({batch})'


def usage_markdown(usage: Usage) -> list[str]:
    """The same in Markdown."""
    table = markdown_table([("file", False), ("size", True), ("what for", False)], usage.files)
    words = [in_markdown(said) for said in (usage.takes, usage.onnx) if said]
    return ["## How do I use it?", table, fenced(usage.python), fenced(usage.shell), *words]


def _short(folder: Path) -> str:
    """Its path from here; of another place its name alone, which says nothing of a machine."""
    here, place = Path.cwd(), folder.resolve()
    words = place.relative_to(here).as_posix() if place.is_relative_to(here) else place.name
    return printable(words).replace('"', "")


def _input(folder: Path) -> str:
    """What ``student.json`` says of the input, on one line."""
    said = _said(folder)
    words = said.get("input") if isinstance(said.get("input"), str) else "what the network was trained on"
    return " ".join(printable(str(words)).split())


def _onnx(folder: Path) -> str:
    from tutelage.deployment.about import OUTPUTS, read_about  # not for every report

    try:
        what = read_about(_said(folder), str(folder / DESCRIPTION))
    except ValueError:
        return ""
    name, meaning = OUTPUTS[what.task]
    how = what.preprocessing
    if what.tokenisation is not None:
        takes = f"int64 (N, T), T up to {what.tokenisation.longest}"
        return f"student.onnx takes “input_ids” and “attention_mask”: {takes}. It gives “{name}”: {meaning}."
    takes = "float32, what the network sees"
    if how is not None:
        shape = f"(N, {how.channels}, {how.size[0]}, {how.size[1]})"
        takes = f"uint8 {shape}, pixels from 0 to 255; the normalisation is in the file"
    return f"student.onnx takes “input”: {takes}. It gives “{name}”: {meaning}."


def _said(folder: Path) -> dict[str, object]:
    try:
        content = plain_json.read(current(folder, DESCRIPTION))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
