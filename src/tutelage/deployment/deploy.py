"""The files that a run leaves of its student: one call that never loses a training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from tutelage.checkpoint import save_state, save_weights
from tutelage.delivery import DESCRIPTION, WEIGHTS, deliver, is_rebuildable
from tutelage.deployment.about import About
from tutelage.deployment.card import CARD, Made, model_card
from tutelage.deployment.compared import Checked
from tutelage.deployment.onnx import export_onnx
from tutelage.deployment.script import SCRIPT, script
from tutelage.deployment.span_script import span_script
from tutelage.deployment.text_script import text_script
from tutelage.files import write_text
from tutelage.renewal import AGAIN, STUDENTS, is_deployed

MODEL, SAMPLES = "student.onnx", "samples.safetensors"
assert {MODEL, SAMPLES, SCRIPT, CARD} == {*STUDENTS}
MOST, HEAVIEST = 64, 2**24
"""How many samples are kept for later comparisons, and their bytes."""


@dataclass(frozen=True)
class Deployed:
    """What was written: ``files`` in the folder, ``onnx`` if there is one, and ``notes`` on what could not be."""

    files: tuple[Path, ...]
    onnx: Checked | None
    notes: tuple[str, ...] = ()


def deploy(
    folder: Path,
    student: nn.Module,
    samples: Tensor,
    about: About,
    made: Made,
    facts: Mapping[str, object] | None = None,
) -> Deployed:
    """Keep ``student`` in a run's ``folder`` (``run.place``), in every form it has.

    ``student.safetensors`` and ``student.json`` (with ``facts``) for ``tutelage.load``; ``samples.safetensors``, the
    first of ``samples``, which later exports are compared on; ``student.onnx``; for pictures and texts ``predict.py``;
    ``model_card.md``. What the ONNX file cannot be is a note: a network that has no one path, or a missing extra.
    A file of the user's own that has one of these names stays, which is a note, too.

    ``samples``, 2 or more of the test part, are uint8 pictures, or what the network sees where these are no pictures.
    Raises as ``delivery.deliver``, and ``OSError`` in one sentence where the folder cannot be written to.
    """
    words = {"input": about.input_words} if about.input_words else {}
    others = strangers(folder)
    notes = [f"{name} was not written, for a file of that name is not tutelage's" for name in others]
    if is_rebuildable(student):
        deliver(folder, student, {**words, **(facts or {}), **about.facts()})
    else:
        save_weights(folder / WEIGHTS, student)
        notes.append(f"{WEIGHTS} holds its weights alone, for nobody else knows how it is built")
    free = [name for name in STUDENTS if name not in others]
    for name in free:
        (folder / name).unlink(missing_ok=True)  # of other weights
    kept = fewer(samples)
    if SAMPLES in free:
        save_state(folder / SAMPLES, {"input": kept.cpu()})
    checked = None
    if MODEL in free:
        try:
            checked = export_onnx(student, kept, folder / MODEL, about)
        except OSError:
            raise
        except Exception as error:  # whatever somebody's network does that is exported
            notes.append(f"{MODEL} was not written: {_reason(error)}")
    if SCRIPT in free and checked is not None and (about.preprocessing or about.tokenisation):
        of_texts = span_script if about.task == "spans" else text_script
        write = script if about.tokenisation is None else of_texts
        write_text(folder / SCRIPT, write(about, checked.answer[0] if checked.answer else 1, MODEL))
    if CARD in free:
        sizes = {file.name: file.stat().st_size for file in _there(folder, free)}
        write_text(folder / CARD, model_card(about, made, checked, sizes, notes))
    return Deployed(tuple(_there(folder, free)), checked, tuple(notes))


def _there(folder: Path, names: Sequence[str]) -> list[Path]:
    return [folder / name for name in (WEIGHTS, DESCRIPTION, *names) if (folder / name).is_file()]


def strangers(folder: Path, names: Sequence[str] = STUDENTS) -> list[str]:
    """The names of these files that somebody else's have in a run's folder: they stay as they are."""
    home = folder.parent if folder.name == AGAIN else folder
    return [name for name in names if (home / name).exists() and not is_deployed(home / name)]


def fewer(samples: Tensor) -> Tensor:
    """At most ``MOST`` of them, and ``HEAVIEST`` bytes, but 2."""
    size = max(1, samples[:1].numel() * samples.element_size())
    return samples[: max(2, min(MOST, HEAVIEST // size))]


def _reason(error: Exception) -> str:
    said = str(error).partition("\n")[0].rstrip(".")
    return said if isinstance(error, ValueError | ImportError) else f"{type(error).__name__}: {said}"
