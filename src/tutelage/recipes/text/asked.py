"""Questions about texts: where they come from, the networks that answer them, and what is said of these."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tutelage.data.draws import order
from tutelage.data.questions import Question, drawn_questions, read_questions
from tutelage.data.span_windows import span_windows
from tutelage.data.synthetic_sentences import known_pieces
from tutelage.data.wordpiece import WordPieces
from tutelage.models.span_network import SpanNetwork
from tutelage.recipes.text.settings import Asks
from tutelage.results import Claim, Network
from tutelage.run import Run
from tutelage.study.experiments.sentences import bert_pieces
from tutelage.study.sets import Sets
from tutelage.tasks.spans import EXACT, F1, spans

METHODS = ["tutelage.losses.spans:span_targets"]
SOURCE = "Sanh et al. 2019, arXiv:1910.01108, table 2"
PUBLISHED = {"BERT": (81.2, 88.5), "DistilBERT": (77.7, 85.8), "taught": (79.1, 86.9)}
"""Exact match and F1 on the development set of SQuAD 1.1: the last learnt from a teacher in fine-tuning as well."""


def refuse_no_questions(task: Asks, files: tuple[Path | None, Path | None]) -> None:
    """Raise ``ValueError``, before anything is read, where the files are not those of the task."""
    if task.name == "synthetic" and any(files):
        raise ValueError("Drawn questions come from no file; leave out --questions and --judged-by.")
    if task.name == "squad" and None in files:
        raise ValueError(
            "Questions are needed: give two files in SQuAD's form, to learn from with --questions and to judge by with "
            "--judged-by; or --task.name synthetic."
        )


def sets_of(run: Run, task: Asks, files: tuple[Path | None, Path | None]) -> tuple[Sets, WordPieces]:
    """The windows of all questions, and the vocabulary that cuts them. Which questions choose is drawn by counting."""
    if task.name == "synthetic":
        told, judged, pieces = drawn_questions(240, seed=5), drawn_questions(60, seed=9), known_pieces()
        name = "synthetic questions"
    else:
        assert files[0] is not None and files[1] is not None
        told, judged, pieces = read_questions(files[0]), read_questions(files[1]), bert_pieces(run.data)
        name = files[0].stem
    told = tuple(told[n] for n in order(0, 0, len(told)).tolist())
    held = min(task.validation, max(1, len(told) // 4)) if task.validation else 0
    train = told[held:][: task.train or None]
    every: list[Question] = [*train, *told[:held], *judged]
    sizes = {"longest": task.longest, "stride": task.stride, "longest_question": task.longest_question}
    data, asked = span_windows(name, every, pieces, **sizes)
    bounds = torch.tensor([len(train), len(train) + held])
    part = torch.bucketize(asked.number, bounds, right=True)
    parts = [replace(data[part == n], name=f"{name}/{what}").to(run.device)
             for n, what in enumerate(("train", "validation", "test"))]  # fmt: skip
    return Sets(parts[0], parts[1] if held else None, parts[2], task=spans(asked)), pieces


def answering(_data: Sets) -> Callable[..., nn.Module]:
    """What makes a network of an encoder's sizes that tells where answers begin and end."""
    return SpanNetwork


def in_words(measured: dict[str, Network], layers: int, depth: int) -> str:
    """What a student makes of the questions, beside the teacher and the same one that nobody taught."""
    found = {name: (x.scores[F1.name].value, x.scores[EXACT.name].value) for name, x in measured.items()}
    told = {name: f"F1 {f1:.1f} %, exact {exact:.1f} %" for name, (f1, exact) in found.items()}
    return (
        f"{layers} of {depth} layers, taught: {told['student']}; labels alone: {told['baseline']}. The teacher, with "
        f"all: {told['teacher']}."
    )


def claim_share(run: Run, measured: dict[str, Network], reason: str) -> None:
    """The claim: the share of the teacher's F1 that half of its layers keep, taught in fine-tuning as well."""
    share = 100 * PUBLISHED["taught"][1] / PUBLISHED["BERT"][1]
    whole, student = (measured[name].scores[F1.name].value for name in ("teacher", "student"))
    kept = 100 * student / whole if whole else 0.0
    run.claim(
        Claim("share of the teacher’s F1 that is kept", round(share, 1), kept, "%", SOURCE, low=round(share, 1),
              reason=reason, note="86.9 of 88.5", seeds=1)
    )  # fmt: skip


def facts_of(task: Asks) -> dict[str, Any]:
    """What the delivered student takes, in words."""
    pieces = "drawn words" if task.name == "synthetic" else "BERT's uncased word pieces"
    said = f"int64 (N, {task.longest}), numbers of {pieces}: start, question, end, text, end, and 0 behind it"
    return {"input": said}
