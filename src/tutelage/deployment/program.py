"""A student as an exported program (``.pt2``), which torch alone reads, compared with the network before it is kept."""

import json
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

from tutelage.deployment.about import About, Input
from tutelage.deployment.compared import Checked, checked
from tutelage.deployment.network import (
    Exported,
    OfIdsAndMask,
    as_taken,
    as_wide,
    ids_and_mask,
    output_name,
    plain_copy,
)
from tutelage.deployment.traced import traced, traced_texts
from tutelage.files import atomically
from tutelage.quiet import quiet

FACTS = "tutelage.json"
"""The part of the archive in which the task, the classes and the preprocessing stand."""


def export_program(
    model: nn.Module,
    samples: Tensor,
    path: Path | str,
    about: About,
    *,
    takes: Input | None = None,
    probabilities: bool = False,
    real: bool = True,
) -> Checked:
    """``model`` as an exported program: ``torch.export.load(path).module()(batch)``, for batches of any size; of
    texts ``(input_ids, attention_mask)``, int64.

    Arguments as of ``export_onnx``. Raises ``ValueError`` for a network that cannot be exported and for answers that
    differ, ``OSError`` in one sentence where the file cannot be written.
    """
    takes, path = takes or about.input, Path(path)
    output, inputs = output_name(about, probabilities), as_taken(samples, about, takes)
    network = Exported(plain_copy(model), about, takes, probabilities).eval()
    name = type(getattr(model, "_orig_mod", model)).__name__
    if (texts := about.tokenisation) is not None:
        program = traced_texts(OfIdsAndMask(network, texts.padding).eval(), texts.longest, name)
    else:
        program = traced(network, inputs, name)
    facts = {**about.facts(), "input": takes, "output": output, "tutelage": version("tutelage")}
    with atomically(path) as temporary:
        with quiet():
            torch.export.save(program, temporary, extra_files={FACTS: json.dumps(facts, ensure_ascii=False)})
            again = torch.export.load(temporary).module()
        size = temporary.stat().st_size
        asked = again if texts is None else lambda x: as_wide(again(*ids_and_mask(x, texts.padding)), x, about)
        return checked(network, asked, inputs, path, size, takes=takes, output=output, real=real)
