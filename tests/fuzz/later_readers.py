"""Readers of compressed weights, and of texts and their encoders."""

import gzip
import json
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file

from fuzz.damage import anyhow, rearranged
from fuzz.reader import Reader, same
from onnx_texts import write_encoder
from tutelage.checkpoint import read_json, read_tensors, write_json, write_tensors
from tutelage.compress.architecture import describe, read_back
from tutelage.compress.masks import prune_
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.graph import Closed
from tutelage.data.corpus import lines_of
from tutelage.data.glue import read_glue
from tutelage.data.pieces import token_ids
from tutelage.data.questions import read_questions
from tutelage.data.wordpiece import read_pieces
from tutelage.foreign.bert_files import dequantised_sentences, encoder_in_folder
from tutelage.foreign.onnx_encoder import onnx_sentences
from tutelage.models.encoder import Encoder
from tutelage.models.mlp import mlp
from tutelage.weights.packed_file import save_packed
from tutelage.weights.sparse_file import load_sparse, save_sparse

SIZES = {"layers": 1, "width": 8, "heads": 2, "inner": 12, "vocabulary": 20, "positions": 6}
OWN = ("query", "key", "value", "output")
PARTS = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
NAMES = {
    "embeddings.tokens": "embeddings.word_embeddings",
    "embeddings.positions": "embeddings.position_embeddings",
    "embeddings.types": "embeddings.token_type_embeddings",
    "embeddings.norm": "embeddings.LayerNorm",
    "layer1.attention_norm": "encoder.layer.0.attention.output.LayerNorm",
    "layer1.widen": "encoder.layer.0.intermediate.dense",
    "layer1.narrow": "encoder.layer.0.output.dense",
    "layer1.norm": "encoder.layer.0.output.LayerNorm",
    **{f"layer1.attention.{x}": f"encoder.layer.0.{y}" for x, y in zip(OWN, PARTS, strict=True)},
}  # fmt: skip
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "man", "##s", "is", "sing", "##ing", "."]
TOKENS = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]])


def written(save: Any, folder: Path) -> None:
    """Weights of which most are 0, and the others of few values."""
    torch.manual_seed(0)
    model = prune_(mlp((40, 30, 3)), 0.8)
    for p in model.parameters():
        p.data = (8 * p.data).round() / 8
    save(folder / "w.safetensors", model)


def in_tensors(content: bytes, random: Random) -> bytes:
    """What a file of tensors holds, or says about them, damaged under a checksum that fits."""
    with TemporaryDirectory() as place:
        file = Path(place, "x.safetensors")
        file.write_bytes(content)
        tensors, about = read_tensors(file, "")
        if random.random() < 0.4:
            about = json.loads(rearranged(json.dumps(about).encode(), random))
        else:
            name = random.choice(sorted(tensors))
            x = tensors[name].contiguous()
            damaged = anyhow(x.flatten().view(torch.uint8).numpy().tobytes(), random)
            size = x.element_size()
            tensors[name] = torch.frombuffer(bytearray(damaged[: len(damaged) // size * size] or size), dtype=x.dtype)
            if tensors[name].numel() == x.numel():
                tensors[name] = tensors[name].view(x.shape)
        write_tensors(file, tensors, about)
        return file.read_bytes()


def loaded(folder: Path) -> Any:
    state = load_sparse(folder / "w.safetensors", mlp((40, 30, 3))).state_dict()
    return {name: x.numpy().tobytes() for name, x in state.items()}


def narrow(folder: Path) -> None:
    channels = channels_of(mlp((12, 10, 3)), torch.zeros(1, 12))
    write_json(folder / "architecture.json", describe(channels, Closed({"output": torch.arange(10) < 4})))


def narrowed(folder: Path) -> Any:
    channels = channels_of(mlp((12, 10, 3)), torch.zeros(1, 12))
    return {name: x.tolist() for name, x in read_back(channels, read_json(folder / "architecture.json")).inputs.items()}


def vocabulary(folder: Path) -> None:
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")


def cut(folder: Path) -> Any:
    return token_ids(["a man is singing.", "mans"], read_pieces(folder / "vocab.txt"), 8).tolist()


def pairs(folder: Path) -> None:
    rows = ["index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore"]
    rows += [f"{n}\tg\tf\t2012\t{n}\ts\ts\ta man\ta man sings\t{n / 2}" for n in range(6)]
    (folder / "train.tsv").write_text("\n".join(rows) + "\n")


def paired(folder: Path) -> Any:
    found = read_glue(folder / "train.tsv", "STS-B", "train")
    return found.firsts, found.seconds, found.targets.tolist()


def questions(folder: Path) -> None:
    answers = [{"text": "man", "answer_start": 2}]
    asked = [{"id": "1", "question": "who?", "answers": answers}, {"id": "2", "question": "?", "is_impossible": True}]
    paragraphs = [{"context": "a man is singing", "qas": asked}]
    write_json(folder / "train.json", {"version": "2.0", "data": [{"paragraphs": paragraphs}]})


def answers(folder: Path) -> Any:
    return [(x.question, x.context, x.answers) for x in read_questions(folder / "train.json")]


def corpus(folder: Path) -> None:
    (folder / "lines.txt.gz").write_bytes(gzip.compress(b"a man is singing.\nmans\n" * 9, mtime=0))


def lines(folder: Path) -> Any:
    return list(lines_of(folder / "lines.txt.gz")(0))


def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder(**SIZES, types=2).eval()


def in_folder(folder: Path) -> None:
    state = {f"{NAMES[n.rpartition('.')[0]]}.{n.rpartition('.')[2]}": x for n, x in encoder().state_dict().items()}
    save_file(state, folder / "model.safetensors")
    write_json(folder / "config.json", {"model_type": "bert", "pad_token_id": 0, "num_attention_heads": 2})


def asked(read: Any, folder: Path) -> list[int]:
    with torch.no_grad():
        return list(read(folder)(TOKENS).shape)


def of_file(read: Any, folder: Path) -> list[int]:
    return asked(lambda folder: read(folder / "x.onnx"), folder)


LATER = (
    Reader("sparse weights", partial(written, save_sparse), loaded, same, in_tensors),
    Reader("packed weights", partial(written, save_packed), loaded, same, in_tensors),
    Reader("architecture of what is left", narrow, narrowed),
    Reader("vocabulary", vocabulary, cut),
    Reader("pairs of sentences", pairs, paired),
    Reader("questions", questions, answers),
    Reader("lines of a corpus", corpus, lines),
    Reader("folder of an encoder", in_folder, partial(asked, encoder_in_folder)),
    Reader(
        "encoder in x.onnx",
        lambda folder: write_encoder(encoder(), folder / "x.onnx") and None,
        partial(of_file, onnx_sentences),
    ),
    Reader(
        "layers in x.onnx",
        lambda folder: write_encoder(encoder(), folder / "x.onnx", "int8, multiplied") and None,
        partial(of_file, dequantised_sentences),
    ),
)
