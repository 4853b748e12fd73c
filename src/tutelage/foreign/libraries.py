"""Networks of timm and of transformers by name, where these are installed: neither comes with an extra of ours."""

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from tutelage.calls import lacking, reason
from tutelage.machine import usable_memory
from tutelage.outputs import TensorOutput
from tutelage.quiet import quiet
from tutelage.trust import Refused, imported

INSTALL = {
    "timm": "pip install timm torchvision torch=={torch} (timm wants the torchvision that fits this torch)",
    "transformers": "pip install transformers torch=={torch} keeps this torch",
}


KEPT = 8
"""A network is kept to be copied where the memory holds it so many times."""
_loaded: dict[str, nn.Module] = {}  # the last one


@dataclass(frozen=True)
class Wanted:
    """What pictures a trained network was made for: pixels a side (0: any), means and deviations of the channels."""

    size: int = 0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


def timm_network(name: str, *, pretrained: bool, **options: Any) -> nn.Module:
    """``timm.create_model(name, pretrained=…)``.

    Raises ``ImportError`` with the install line, ``ValueError`` for a name or arguments that timm does not take, and
    ``FileNotFoundError`` where its weights are neither here nor to be fetched.
    """
    timm = refuse_unknown_to_timm(name)
    network: nn.Module = _made(
        lambda: timm.create_model(name, pretrained=pretrained, **options), f"timm:{name}", pretrained
    )
    return network


def refuse_unknown_to_timm(name: str) -> ModuleType:
    """timm, which has a network called ``name``. Raises as ``timm_network`` where it is not installed, or has none."""
    timm = _library("timm")
    if not name.startswith(("hf-hub:", "hf_hub:", "local-dir:")) and not timm.is_model(name.partition(".")[0]):
        raise ValueError(f"timm {timm.__version__} has no network {name!r}; timm.list_models('*resnet*') lists some.")
    return timm


def hugging_face_network(name: str, *, pretrained: bool, **options: Any) -> nn.Module:
    """The image classifier of transformers called ``name`` (an organisation and a name, or a folder), as logits alone.

    Weights are safetensors, and code of the model's own is not run. One that has all its weights is loaded once and
    copied from then on, where the memory holds both. Raises as ``timm_network``.
    """
    transformers = _library("transformers")
    classifier, config = transformers.AutoModelForImageClassification, transformers.AutoConfig

    def fresh() -> nn.Module:
        made: nn.Module = classifier.from_config(config.from_pretrained(name, trust_remote_code=False, **options))
        return made

    def trained() -> nn.Module:
        known = repr((name, sorted(options.items()), _files_in(Path(name))))
        if known in _loaded:
            return deepcopy(_loaded[known])
        network: nn.Module
        with quiet() if Path(name).is_dir() else nullcontext():  # what is fetched is seen to come
            network, told = classifier.from_pretrained(
                name, use_safetensors=True, trust_remote_code=False, output_loading_info=True, **options
            )
        _loaded.clear()
        drawn = any(told.get(what) for what in ("missing_keys", "mismatched_keys"))  # anew each time that it is built
        if not drawn and KEPT * _bytes_of(network) < usable_memory():
            _loaded[known] = deepcopy(network)
        return network

    return TensorOutput(_made(trained if pretrained else fresh, f"hf:{name}", fetched=True))


def _bytes_of(network: nn.Module) -> int:
    return sum(x.numel() * x.element_size() for x in network.state_dict().values())


def _files_in(folder: Path) -> list[tuple[str, int, int]]:
    """What a folder holds, as far as its names, sizes and times say: a network that was saved anew is another one."""
    found = [(x.name, x.stat()) for x in sorted(folder.iterdir())] if folder.is_dir() else []
    return [(name, about.st_size, about.st_mtime_ns) for name, about in found]


def wanted_by(library: str, name: str) -> Wanted:
    """What pictures the pretrained network ``name`` of ``library`` was made for; as far as it says so."""
    try:
        if library == "timm":
            config = _library("timm").get_pretrained_cfg(name, allow_unregistered=True)
            return Wanted(int(config.input_size[-1]), tuple(config.mean), tuple(config.std)) if config else Wanted()
        file = Path(name) / "preprocessor_config.json"
        if not file.is_file():
            cached = _library("transformers").utils.cached_file(name, "preprocessor_config.json")
            file = Path(str(cached))
        return _of_processor(json.loads(file.read_text(encoding="utf-8")))
    except Exception:  # no more than a help: measuring says whether the pictures suit
        return Wanted()


def _of_processor(content: Mapping[str, Any]) -> Wanted:
    size = content.get("crop_size") if content.get("do_center_crop") else content.get("size")
    if isinstance(size, Mapping):
        size = size.get("height", size.get("shortest_edge", 0))
    normalised = content.get("do_normalize", True)
    mean, std = (tuple(map(float, content.get(key, ()))) if normalised else () for key in ("image_mean", "image_std"))
    return Wanted(int(size or 0), mean, std)


def _library(name: str) -> ModuleType:
    try:
        return imported(name)
    except Refused:
        raise
    except Exception as failure:  # a torchvision of another torch ends in a RuntimeError
        install = INSTALL[name].format(torch=version("torch").partition("+")[0])
        raise ImportError(f"Networks of {name} need it to be installed ({lacking(failure)}): {install}") from None


def _made(make: Callable[[], nn.Module], called: str, fetched: bool) -> nn.Module:
    try:
        return make()
    except Exception as failure:
        if isinstance(failure, OSError) or (fetched and "onnect" in str(failure)):
            words = " ".join(str(failure).split())[:200].rstrip(".")
            raise FileNotFoundError(
                f"{called} is not in this machine's cache or a folder here, and cannot be fetched ({words}); fetch it "
                "where there is a network, and name its folder, or give a file with --weights."
            ) from failure
        raise ValueError(f"{called} makes no network of these arguments: {reason(failure)}.") from failure
