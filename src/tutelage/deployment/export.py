"""A finished student in another format, or elsewhere: each file is compared with the network before it is kept."""

import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tutelage.checkpoint import load_state, read_json, save_weights
from tutelage.checksums import MANIFEST, listed
from tutelage.delivery import CURE, DESCRIPTION, load
from tutelage.deployment.about import About, Input, read_about
from tutelage.deployment.compared import Checked
from tutelage.deployment.deploy import SAMPLES
from tutelage.deployment.onnx import export_onnx
from tutelage.deployment.program import FACTS, export_program
from tutelage.files import is_runs, refuse_other_kinds
from tutelage.renewal import DEPLOYED, MARK, MARKED, OURS, current, is_deployed

FORMATS: Mapping[str, Callable[..., Checked]] = {".onnx": export_onnx, ".pt2": export_program}
"""Formats in which a network runs without its code, by the file's ending."""
WEIGHTS = ".safetensors"
MADE_UP = 64


def exported(
    source: Path | str,
    to: Path | str,
    *,
    takes: Input | None = None,
    probabilities: bool = False,
    shape: Sequence[int] = (),
    allow: Sequence[str] = (),
    force: bool = False,
) -> Checked | None:
    """The student of the run in ``source`` as the file ``to``, in the format of its ending; nothing else is written.

    ``.onnx`` and ``.pt2`` hold the network and are compared with it; ``.safetensors`` holds weights alone, of which
    there is nothing to compare (``None``). ``takes`` and ``probabilities`` as of ``export_onnx``. They are compared on
    the samples that the run kept; where it kept none, on made-up inputs of the ``shape`` of a sample. ``allow`` as of
    ``load``. A file of somebody else's is only replaced if ``force`` says so, one of a run's own not even then.

    Raises ``FileNotFoundError`` for a folder without a student, or a place that is not there, ``ValueError`` where the
    network cannot be exported, answers differ or the arguments do not fit, ``ImportError`` without the extra.
    """
    source, to = Path(source), Path(to)
    known = (*FORMATS, WEIGHTS)
    if to.is_dir():
        raise ValueError(f"{to} is a folder; name the file, such as {to / 'student_again.onnx'}.")
    if to.suffix not in known:
        raise ValueError(f"A student is exported to a file that ends in {', '.join(known)}; got {to.name!r}.")
    refuse_target(to, force)
    model = load(source, allow=allow)
    if to.suffix == WEIGHTS:
        if takes or probabilities:
            raise ValueError(f"{to} holds weights alone, without inputs or probabilities; leave these flags out.")
        save_weights(to, model)
        return None
    said = read_json(current(source, DESCRIPTION), CURE)
    what = read_about(said, str(current(source, DESCRIPTION)))
    samples, real = kept_samples(source, what, said, shape)
    return FORMATS[to.suffix](model, samples, to, what, takes=takes, probabilities=probabilities, real=real)


def kept_samples(folder: Path, what: About, said: Mapping[str, Any], shape: Sequence[int]) -> tuple[Tensor, bool]:
    """The samples that the run in ``folder`` kept; made-up ones, and ``False``, where it kept none.

    Raises ``ValueError`` where nothing says what shape a sample has.
    """
    kept = current(folder, SAMPLES)
    if is_deployed(kept):
        samples = load_state(kept, CURE)["input"]
        if not isinstance(samples, Tensor) or len(samples) < 2:
            raise ValueError(f"{kept} holds no samples: {CURE}.")
        return samples, True
    random = torch.Generator().manual_seed(0)
    if what.tokenisation is not None:
        sizes = MADE_UP, what.tokenisation.longest
        return torch.randint(1, len(what.tokenisation.pieces), sizes, generator=random), False
    if what.preprocessing is not None:
        wanted = (MADE_UP, what.preprocessing.channels, *what.preprocessing.size)
        return torch.randint(0, 256, wanted, dtype=torch.uint8, generator=random), False
    words = str(said.get("input", ""))
    told = re.search(r"\(N, ([\d, ]+)\)", words)
    if not shape and told:
        shape = [int(n) for n in told[1].split(",")]
    if not shape:
        raise ValueError(f"{folder} does not say what shape a sample has; say it, such as --shape 3 32 32.")
    if "int64" in words:  # of ids: every vocabulary has some, and 0 may be padding
        return torch.randint(1, 3, (MADE_UP, *shape), generator=random), False
    draw = torch.rand if "0 to 1" in words else torch.randn
    return draw((MADE_UP, *shape), generator=random), False


def refuse_target(to: Path, force: bool) -> None:
    """Raise where ``to`` cannot be written, or would take the place of a file that is not an export of ours."""
    if not to.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {to.parent}; make it first, or name another place.")
    refuse_other_kinds(to)
    own = OURS.fullmatch(to.name) or to.name in DEPLOYED or to.name in (listed(to.parent) or {})
    if own and (is_runs(to.parent) or (to.parent / MANIFEST).exists()):
        raise ValueError(f"{to} is a file of the run's own, which its checksums are of; choose another name.")
    if to.exists() and not force and not is_exported(to):
        raise ValueError(
            f"{to} is there already and was not exported by tutelage; choose another name, or add --force."
        )


def is_exported(file: Path) -> bool:
    """Whether an earlier export made ``file``: ours say so where they begin; a ``.pt2`` has a part that does."""
    if file.suffix == ".pt2":
        try:
            with zipfile.ZipFile(file) as archive:
                return any(name.endswith(f"/extra/{FACTS}") for name in archive.namelist())
        except (zipfile.BadZipFile, OSError):
            return False
    with file.open("rb") as opened:
        return MARK in opened.read(MARKED)
