"""A teacher of texts that has learnt something, as people have one: a folder of transformers, with its vocabulary."""

from functools import cache
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from bert_folders import save_classifier
from onnx_texts import write_encoder
from span_teachers import write_finder, write_questions
from text_files import CLASSES, labelled, write_lines, write_pairs, write_table, write_vocabulary
from tutelage.data.pieces import token_ids
from tutelage.data.synthetic_sentences import known_pieces
from tutelage.models.text_classifier import text_classifier


@cache
def trained(family="bert"):
    """A classifier of two layers that tells the classes of ``text_files`` apart."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        activation, types = ("tanh", 2) if family == "bert" else ("relu", 0)
        sizes = {"layers": 2, "width": 32, "heads": 2, "inner": 48, "vocabulary": len(known_pieces()), "positions": 16}
        network = text_classifier(2, **sizes, types=types, separator=3, activation=activation)
        texts, labels = labelled(400, seed=8)
        tokens, targets = token_ids(texts, known_pieces()), torch.tensor([CLASSES.index(x) for x in labels])
        optimizer = torch.optim.AdamW(network.parameters(), lr=6e-3)
        for step in range(60):
            rows = torch.arange(32 * step, 32 * (step + 1)) % len(texts)
            optimizer.zero_grad()
            cross_entropy(network(tokens[rows]), targets[rows]).backward()
            optimizer.step()
    return network.eval()


def write_folder(folder="teacher", family="bert"):
    """Its folder, a vocabulary beside it, and the network itself."""
    save_classifier(trained(family), Path(folder), family)
    write_vocabulary(f"{folder}/vocab.txt")
    return trained(family)


def write_all(place):
    """``texts.tsv``, ``pairs.tsv``, ``lines.txt`` and ``questions.json``; the folders ``teacher`` and ``finder``; the
    encoder of the first in ``onnx/model.onnx``."""
    write_table(place / "texts.tsv")
    write_pairs(place / "pairs.tsv")
    write_lines(place / "lines.txt")
    write_finder(place / "finder")
    write_questions(place / "questions.json")
    network = write_folder(place / "teacher")
    (place / "onnx").mkdir()
    write_encoder(network.encoder, place / "onnx" / "model.onnx")
    write_vocabulary(place / "onnx" / "vocab.txt")
