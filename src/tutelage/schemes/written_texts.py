"""Sequence-level distillation: the teacher writes the texts that the student learns from, once and for all."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from tutelage.checkpoint import load_state, save_state
from tutelage.data.beam_search import beam_search
from tutelage.data.labelled import Labelled
from tutelage.files import is_file
from tutelage.keys import STAGE_KEY, described, key_of
from tutelage.measures.bleu import sentence_bleu
from tutelage.measures.predict import device_of
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.stages.stage import Stage
from tutelage.tasks.language import IGNORED

Choose: TypeAlias = Callable[[list[list[int]], list[int]], int]
"""Which of a text's candidates, the likeliest first, is learnt from, given what the data say in their place."""
WRITTEN, TEXTS, CURE = "written", ".safetensors", "delete it to have the texts written anew"
"""The folder that the texts of all stages are kept in, its files, and what helps where one of these is damaged."""
REVISION = 1
"""Of what is kept: raised whenever the same key would hold other texts."""
TOGETHER = 64
"""Beginnings that are gone on with at a time, beams included."""


def likeliest(_candidates: list[list[int]], _reference: list[int]) -> int:
    """The first: sequence-level distillation."""
    return 0


def nearest(candidates: list[list[int]], reference: list[int]) -> int:
    """The one with the highest BLEU with the data's own text, the likelier of equals: sequence-level interpolation."""
    scores = [sentence_bleu(candidate, reference) for candidate in candidates]
    return scores.index(max(scores))


def on_written_texts(
    stage: Stage,
    model: nn.Module,
    *,
    plan: Plan,
    teacher: nn.Module,
    writer: Callable[[nn.Module], nn.Module],
    prompt: int,
    beams: int = 1,
    choose: Choose = likeliest,
    end: int | None = None,
    fit: Callable[..., None] = supervised,
) -> None:
    """``fit`` texts of which ``teacher`` wrote all after the first ``prompt`` tokens, and these alone count.

    Of each of the plan's texts it goes on with the prompt by ``beam_search`` with so many ``beams``, as far as the text
    went, or to ``end``; which of the texts that are found is learnt from, ``choose`` says. They are kept in the folder
    that all stages share: whoever asks for the same finds them. ``fit`` is any scheme that takes a plan: published is
    ``supervised``, the cross entropy; ``by_method`` compares with the teacher's probabilities as well.
    ``writer(teacher)`` gives logits after the last token, (N, 1, V). Texts that are shorter than a prompt are left out.
    Raises ``ValueError`` for prompts that are no part of a text, and where none is left.

    Kim & Rush, "Sequence-Level Knowledge Distillation", EMNLP 2016, arXiv:1606.07947, §3.2 and §3.3.
    """
    length = plan.lesson.train.inputs.shape[1]
    if not 1 <= prompt <= length:
        raise ValueError(f"A prompt has 1 to {length} tokens, as long as a text is; got {prompt}.")
    known = (plan.lesson.train.targets[:, : prompt - 1] != IGNORED).all(1)
    if not bool(known.any()):
        raise ValueError(f"No text has the {prompt} tokens of a prompt; give longer texts, or a shorter prompt.")
    train = plan.lesson.train[known]
    write = partial(written_texts, writer(teacher), prompt=prompt, beams=beams, choose=choose, end=end)
    about = {"prompt": prompt, "beams": beams, "choose": described(choose), "end": end}
    tokens = _kept(stage, teacher, train, about, write)
    target = _counting(tokens, prompt, end)
    texts = replace(train, name=f"{train.name}/written", inputs=tokens[:, :-1], targets=target, sum_of_inputs="")
    fit(stage, model, plan=replace(plan, lesson=replace(plan.lesson, train=texts)))


def written_texts(
    writer: Callable[[Tensor], Tensor], data: Labelled, *, prompt: int, beams: int, choose: Choose, end: int | None
) -> Tensor:
    """The texts of ``data``, windows (N, T) and their targets, as ``writer`` goes on after the prompt: (N, T + 1)."""
    length = data.inputs.shape[1] + 1 - prompt
    rows = []
    for some in torch.arange(len(data), device=data.inputs.device).split(max(1, TOGETHER // beams)):
        found, scores = beam_search(writer, data.inputs[some][:, :prompt], length, beams=beams, end=end)
        references = data.targets[some][:, prompt - 1 :].tolist()
        for texts, likely, reference in zip(found, scores.isfinite().tolist(), references, strict=True):
            candidates = [
                _up_to(end, row) for row, is_one in zip(texts[:, prompt:].tolist(), likely, strict=True) if is_one
            ]
            rows.append(texts[choose(candidates, _up_to(end, [x for x in reference if x != IGNORED]))])
    return torch.stack(rows)


def _counting(tokens: Tensor, prompt: int, end: int | None) -> Tensor:
    """The targets of ``tokens`` (N, T + 1): what was written, to the first ``end`` and no further."""
    target = tokens[:, 1:].clone()
    if end is not None:
        ends = (tokens[:, prompt:] == end).long()
        target[:, prompt - 1 :][ends.cumsum(1) - ends > 0] = IGNORED
    target[:, : prompt - 1] = IGNORED
    return target


def _up_to(end: int | None, row: list[int]) -> list[int]:
    return row[: row.index(end) + 1] if end in row else row


def _kept(
    stage: Stage, teacher: nn.Module, data: Labelled, about: dict[str, object], write: Callable[[Labelled], Tensor]
) -> Tensor:
    """What ``write`` makes of ``data``, or what was kept of it."""
    own = str(getattr(teacher, STAGE_KEY))
    machine = f"torch {torch.__version__} on {device_of(teacher).type}"
    key = {"teacher": own, "data": data.checksum, "machine": machine, "revision": REVISION, **about}
    file: Path = stage.shared / WRITTEN / f"{own.replace('/', '-')}-{key_of(key)}{TEXTS}"
    if not is_file(file, CURE):
        stage.progress.note(f"{stage.name}: its teacher writes {len(data)} texts, which are kept in {file}")
        file.parent.mkdir(parents=True, exist_ok=True)
        save_state(file, {"tokens": write(data).cpu()})
    tokens = load_state(file, CURE).get("tokens")
    if not isinstance(tokens, Tensor) or tokens.shape != (len(data), data.inputs.shape[1] + 1):
        raise ValueError(f"{file} holds no texts of this training; {CURE}.")
    return tokens.to(data.inputs.device)
