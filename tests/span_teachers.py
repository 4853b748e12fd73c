"""A teacher that finds answers in texts, as people have one: a folder of transformers, and a file in SQuAD's form."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch

from bert_folders import save_finder
from text_files import write_vocabulary
from tutelage.data.questions import drawn_questions
from tutelage.data.span_windows import span_windows
from tutelage.data.synthetic_sentences import known_pieces
from tutelage.models.span_network import SpanNetwork
from tutelage.tasks.spans import span_loss

SIZES = {"layers": 2, "width": 64, "heads": 2, "inner": 48, "vocabulary": len(known_pieces()), "positions": 24}


def found_words(count, seed):
    """Questions that a small network learns in seconds: where in a text the word stands that is asked about."""
    return tuple(replace(one, answers=((one.question, begin),)) for one in drawn_questions(count, seed)
                 for begin in [f" {one.context} ".index(f" {one.question} ")])  # fmt: skip


@cache
def trained(family="bert"):
    """A finder of two layers that knows ``found_words``."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SpanNetwork(**SIZES, types=2 if family == "bert" else 0, separator=3)
        questions = found_words(1200, seed=11)
        data, _ = span_windows("drawn", questions, known_pieces(), longest=24, stride=8, longest_question=6)
        optimizer = torch.optim.AdamW(network.parameters(), lr=6e-3)
        for step in range(120):
            rows = torch.arange(64 * step, 64 * (step + 1)) % len(data)
            optimizer.zero_grad()
            span_loss(network(data.inputs[rows]), data.targets[rows]).backward()
            optimizer.step()
    return network.eval()


def write_finder(folder="teacher", family="bert"):
    """Its folder, a vocabulary beside it, and the network itself."""
    save_finder(trained(family), Path(folder), family)
    write_vocabulary(f"{folder}/vocab.txt")
    return trained(family)


def write_questions(file="questions.json", count=120, seed=0, none=0):
    """So many of ``found_words``, of which the last ``none`` have no answer, as version 2.0 says it."""
    paragraphs = []
    for number, one in enumerate(found_words(count, seed)):
        silent = number >= count - none
        answers = [] if silent else [{"text": text, "answer_start": begin} for text, begin in one.answers]
        asked = {"id": f"q{number}", "question": "kuz" if silent else one.question, "answers": answers}
        asked |= {"is_impossible": silent} if none else {}
        paragraphs.append({"context": one.context, "qas": [asked]})
    said = {"version": "2.0" if none else "1.1", "data": [{"title": "drawn", "paragraphs": paragraphs}]}
    Path(file).write_text(json.dumps(said))
