"""What a person writes for a network of their own, in whatever form they have it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from tutelage.calls import call
from tutelage.foreign.exported import exported_program
from tutelage.foreign.libraries import Wanted, hugging_face_network, refuse_unknown_to_timm, timm_network, wanted_by
from tutelage.foreign.onnx_file import onnx_network
from tutelage.foreign.table_answers import Named, table_of_answers
from tutelage.foreign.table_file import ENDINGS
from tutelage.foreign.wanted_file import wanted_by_file
from tutelage.models.named import CHANNELS, CLASSES, named

WEIGHTS = (".pt", ".pth", ".safetensors", ".bin", ".ckpt", ".th", ".tar", ".pkl")
FORMS = (
    "resnet20, my_lab.nets:Net(width=3), timm:resnet18, hf:folder, program.pt2, model.onnx, or a table of answers "
    f"({', '.join(ENDINGS)})"
)


def own_network(
    text: str,
    weights: Path | None = None,
    *,
    num_classes: int,
    num_channels: int = 0,
    samples: Named | None = None,
) -> Callable[[], nn.Module]:
    """The function that builds the network ``text`` speaks of, which a stage's key can name.

    ``text`` is a name of ours or a dotted path with arguments (``resnet20``, ``my_lab.nets:Net(width=3)``), a network
    of timm (``timm:resnet18``) or of transformers (``hf:`` and a name or a folder), a file of ``torch.export.save``
    (``.pt2``), of ONNX (``.onnx``), or a table of answers about ``samples`` (``.parquet``, ``.csv``, ``.tsv``,
    ``.npz``). The last three only answer: no weights go into them, and no layer can be read. Those of timm and
    transformers come with their trained weights, and so with their own classes, unless there are ``weights``.

    Raises ``ValueError`` for text that is none of these; the function that is returned, for what makes no network.
    """
    if only_answers(text):
        return _of_file(Path(text), weights, samples)
    if Path(text).suffix.lower() in WEIGHTS and Path(text).is_file():
        raise ValueError(
            f"{text} holds weights, not how the network is built: name what builds it, such as my_lab.nets:Net, and "
            f"give --weights {text}."
        )
    library, colon, name = text.partition(":")
    if not colon or library not in ("timm", "hf"):
        return named(text, num_classes, num_channels)
    return _of_library(library, name, weights, num_classes, num_channels)


def fresh_network(text: str, *, num_classes: int, num_channels: int = 0) -> Callable[[], nn.Module]:
    """The function that builds a network to be trained, for these classes: a name of ours or a dotted path.

    ``timm:resnet18`` is ``timm.create_model("resnet18")``, untrained unless ``timm:resnet18(pretrained=True)`` says
    otherwise; so it is timm's own function that builds it, and timm that has to be allowed where it is built again.
    Raises as ``named``, and for one of transformers, of which a function of one's own makes a network.
    """
    library, colon, _ = text.partition(":")
    if not colon or library not in ("timm", "hf"):
        return named(text, num_classes, num_channels)
    if library == "hf":
        raise ValueError(
            f"A student is built anew, and {text} comes as it is; name a function of yours that builds it, such as "
            "my_lab.nets:small, which returns a torch.nn.Module."
        )
    head, options = _head_and_options(text)
    refuse_unknown_to_timm(head)
    if num_channels not in (0, 3) and not options.keys() & {*CHANNELS}:
        options = {"in_chans": num_channels, **options}
    words = [repr(head), *(f"{name}={value!r}" for name, value in options.items())]
    return named(f"timm.create_model({', '.join(words)})", num_classes)


def wanted_pictures(text: str, weights: Path | None = None) -> Wanted:
    """What pictures the trained network ``text`` was made for, where its library or its file says so; else nothing."""
    if only_answers(text):
        return Wanted() if Path(text).suffix.lower() in ENDINGS else wanted_by_file(Path(text))
    library, _, name = text.partition(":")
    return wanted_by(library, name.partition("(")[0]) if weights is None and library in ("timm", "hf") else Wanted()


def only_answers(text: str) -> bool:
    """Whether ``text`` names a file that answers, and has no layers and weights to look at."""
    return Path(text).suffix.lower() in (".pt2", ".onnx", *ENDINGS)


def _of_file(file: Path, weights: Path | None, samples: Named | None) -> Callable[[], nn.Module]:
    if weights is not None:
        raise ValueError(f"{file} holds all that it answers with; leave out --weights {weights}.")
    if not file.is_file():
        raise FileNotFoundError(f"There is no file {file}; a network is {FORMS}.")
    match file.suffix.lower():
        case ".pt2":
            return partial(exported_program, file)
        case ".onnx":
            return partial(onnx_network, file)
    if samples is None:
        raise ValueError(f"{file} is a table of answers about named samples, and these have no names.")
    return partial(table_of_answers, file, samples)


def _head_and_options(text: str) -> tuple[str, dict[str, Any]]:
    """``resnet18`` and ``{"drop_rate": 0.1}`` of ``timm:resnet18(drop_rate=0.1)``."""
    library, _, name = text.partition(":")
    head, bracket, arguments = name.partition("(")
    asked = call(f"network({arguments}" if bracket else "network")
    if not head or asked.arguments:
        raise ValueError(f"A network of {library} is named like {library}:resnet18(drop_rate=0.1); got {text}.")
    return head, asked.options


def _of_library(
    library: str, name: str, weights: Path | None, num_classes: int, num_channels: int
) -> Callable[[], nn.Module]:
    head, options = _head_and_options(f"{library}:{name}")
    if library == "timm":
        refuse_unknown_to_timm(head)  # before anybody reads data for it
    if weights is not None:
        classes = "num_classes" if library == "timm" else "num_labels"
        counts = {classes: num_classes} if not options.keys() & {*CLASSES, classes} else {}
        if library == "timm" and num_channels not in (0, 3) and not options.keys() & {*CHANNELS}:
            counts["in_chans"] = num_channels
        options = {**counts, **options}
    make = timm_network if library == "timm" else hugging_face_network
    return partial(make, head, pretrained=weights is None, **options)
