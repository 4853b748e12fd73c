"""What the recipes of texts ask of a student, its losses and the sentences."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias

from tyro.conf import arg

from tutelage.study.bounds import (
    Above,
    AtLeast,
    AtMost,
    Count,
    Distinct,
    Epochs,
    NotEmpty,
    Number,
    Rate,
    Temperature,
    Weight,
)
from tutelage.study.settings import TrainingSettings

PLAIN = TrainingSettings(epochs=4, batch_size=128, lr=1e-3, schedule="one-cycle", optimizer="adam", weight_decay=0.0)
FINE = replace(PLAIN, epochs=3, batch_size=32, lr=5e-5)
TELLS = replace(PLAIN, batch_size=32)
GENTLE, LONGER, FASTER = replace(PLAIN, lr=1e-4), replace(PLAIN, epochs=8), replace(PLAIN, epochs=8, lr=0.01)

Layers: TypeAlias = Annotated[int, Above(0), AtMost(48)]
"""How many layers there are."""
Width: TypeAlias = Annotated[int, Above(0), AtMost(4096)]
"""Numbers of a vector."""
GlueName: TypeAlias = Literal["CoLA", "SST-2", "MRPC", "STS-B", "RTE", "WNLI", "synthetic"]
Begins: TypeAlias = Literal["spread", "second", "first", "last", "random", "nothing"]
Compared: TypeAlias = Literal["squares", "cosines", "distances"]
Pieces: TypeAlias = Annotated[int, AtLeast(100), AtMost(10**6)]
"""How many pieces a vocabulary has."""


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """The tasks of GLUE that networks are judged by."""

    names: Annotated[tuple[GlueName, ...], NotEmpty(), Distinct()] = ("MRPC", "RTE", "CoLA", "STS-B", "SST-2")
    """which, judged on their dev sets; or drawn pairs for a run of seconds"""
    train: Number = 0
    """how many sentences or pairs of each are trained on, the same ones in every run; 0 takes them all"""
    validation: Number = 300
    """of the training set, how many choose an epoch, a quarter at most; 0 trains on all of them"""
    longest: Annotated[int, AtLeast(8), AtMost(512)] = 128
    """tokens of a sentence or pair; a longer one is cut"""


@dataclass(frozen=True, kw_only=True)
class Read:
    """A text of which hidden tokens are to be told."""

    name: Literal["wikitext2", "synthetic"] = "wikitext2"
    """WikiText-2 without its sentences in which a word is struck out, or drawn sentences for a run of seconds"""
    train: Number = 0
    """how many windows are trained on, the same ones in every run; 0 takes them all"""
    validation: Number = 200
    """windows of its validation part by which each epoch is judged; 0 takes none"""
    judged: Annotated[int, Above(0), AtMost(10**6)] = 500
    """windows of its test part that networks are judged by at the end, or as many as there are"""
    longest: Annotated[int, AtLeast(12), AtMost(512)] = 128
    """tokens of a window"""


@dataclass(frozen=True, kw_only=True)
class Reads:
    """How a network reads the text."""

    epochs: Epochs = 3
    """how long it is trained"""
    batch_size: Count = 32
    """windows that go through it at once"""
    accumulate: Annotated[int, Above(0), AtMost(10_000)] = 1
    """how many of these are a step: with many it is that of one large batch"""
    lr: Rate = 5e-4
    """highest learning rate: it rises for a twentieth of the steps, then falls to 0"""


@dataclass(frozen=True, kw_only=True)
class Distilled:
    """A student of fewer layers, where it begins, and how much each of three losses counts."""

    layers: Layers = 3
    """how many layers it has"""
    begins: Begins = "spread"
    """which layers of the teacher it begins with: from the first to the last in equal steps, every second, the first,
    the last, any; or nothing"""
    soft: Weight = 5.0
    """weight of the divergence from the teacher's soft answers, of all tokens"""
    label: Weight = 2.0
    """weight of the tokens that were hidden"""
    direction: Weight = 1.0
    """weight of the cosine distance from the teacher's hidden states, of all tokens"""
    temperature: Temperature = 2.0
    """softness of the teacher's answers"""
    reads: Annotated[Reads, arg(name="")] = Reads()
    """how it reads"""


@dataclass(frozen=True, kw_only=True)
class Given:
    """The sentences of the task."""

    name: GlueName = "MRPC"
    """which task of GLUE, judged on its dev set; or drawn pairs for a run of seconds"""
    train: Number = 0
    """how many sentences or pairs are trained on, the same ones in every run; 0 takes them all"""
    validation: Number = 300
    """of the training set, how many choose an epoch, a quarter at most; 0 trains on all of them"""
    longest: Annotated[int, AtLeast(8), AtMost(512)] = 128
    """tokens of a sentence or pair; a longer one is cut"""


@dataclass(frozen=True, kw_only=True)
class Asks:
    """Questions about texts, and how these are cut."""

    name: Literal["squad", "synthetic"] = "squad"
    """those of two files in SQuAD's form, or drawn ones for a run of seconds"""
    train: Number = 0
    """how many questions are trained on, the same ones in every run; 0 takes them all"""
    validation: Number = 500
    """questions of the first file that choose an epoch, a quarter at most; 0 trains on all of them"""
    longest: Annotated[int, AtLeast(16), AtMost(512)] = 384
    """tokens of a question with a part of its text"""
    stride: Annotated[int, Above(0), AtMost(512)] = 128
    """tokens from where one part of a text begins to where the next does"""
    longest_question: Annotated[int, Above(0), AtMost(256)] = 64
    """tokens of a question; a longer one is cut"""


@dataclass(frozen=True, kw_only=True)
class Deep:
    """A student that has some of the teacher's layers, and how it is trained."""

    layers: Layers = 3
    """how many of the teacher's layers it begins with, from the first to the last in equal steps"""
    training: Annotated[TrainingSettings, arg(name="")] = GENTLE
    """how it is trained"""


@dataclass(frozen=True, kw_only=True)
class Half:
    """A student that begins with some layers of the pretrained encoder, and how it is trained."""

    layers: Layers = 3
    """how many, from the first to the last in equal steps"""
    training: Annotated[TrainingSettings, arg(name="")] = FINE
    """how it is trained"""


@dataclass(frozen=True, kw_only=True)
class Small:
    """A small transformer that begins from nothing, and how it is trained."""

    layers: Layers = 4
    """how many layers it has"""
    width: Width = 128
    """numbers of a vector, of which a layer has four times as many inside"""
    heads: Annotated[int, Above(0), AtMost(64)] = 4
    """heads of attention, which divide the width"""
    pieces: Pieces = 8000
    """pieces of its own vocabulary, the most frequent of the teacher's; all of them where it has no more"""
    training: Annotated[TrainingSettings, arg(name="")] = LONGER
    """how it is trained"""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of vectors, one a token, whose mean is a sentence's, and how it is trained."""

    width: Width = 64
    """numbers of a vector"""
    pieces: Pieces = 7000
    """pieces of its own vocabulary, the most frequent of the teacher's; all of them where it has no more"""
    training: Annotated[TrainingSettings, arg(name="")] = FASTER
    """how it is trained"""


@dataclass(frozen=True, kw_only=True)
class Alike:
    """How a student's vectors are compared with the teacher's: which of three losses, and how much each counts."""

    losses: Annotated[tuple[Compared, ...], NotEmpty(), Distinct()] = ("squares", "cosines", "distances")
    """which of the three"""
    squares: Weight = 1.0
    """mean squared difference from the teacher's vectors, behind a linear map where the widths differ"""
    cosines: Weight = 10.0
    """mean squared gap of the cosines of all pairs in a batch"""
    distances: Weight = 1.0
    """Huber's loss of the distances of all pairs in a batch, relative to their mean"""


@dataclass(frozen=True, kw_only=True)
class Texts:
    """The sentences: to train on without labels, and pairs to judge by."""

    name: Literal["glue", "synthetic"] = "glue"
    """sentences of WikiText-2 and of GLUE, judged on STS-B; or drawn ones for a run of seconds"""
    train: Number = 0
    """how many sentences are trained on, the same ones in every run; 0 takes them all"""
    validation: Number = 1000
    """pairs of STS-B's training set that choose an epoch; 0 takes none, and there is no best epoch"""
    longest: Annotated[int, AtLeast(8), AtMost(512)] = 64
    """tokens of a sentence; a longer one is cut"""


@dataclass(frozen=True, kw_only=True)
class Told:
    """A text of which each next token is to be told."""

    name: Literal["wikitext2", "synthetic"] = "wikitext2"
    """WikiText-2, or drawn sentences for a run of seconds"""
    pieces: Pieces = 8000
    """pieces of its vocabulary, the most frequent ones of BERT's; all of them where it has no more"""
    train: Number = 0
    """how many windows are trained on, the same ones in every run; 0 takes them all"""
    validation: Number = 500
    """windows of its validation part that choose an epoch; 0 takes none, and there is no best epoch"""
    longest: Annotated[int, AtLeast(8), AtMost(512)] = 128
    """tokens of a window"""


@dataclass(frozen=True, kw_only=True)
class Teller:
    """A transformer that tells the next token, and how it is trained."""

    layers: Layers = 2
    """how many layers it has"""
    width: Width = 128
    """numbers of a vector, of which a layer has four times as many inside"""
    heads: Annotated[int, Above(0), AtMost(64)] = 4
    """heads of attention, which divide the width"""
    training: Annotated[TrainingSettings, arg(name="")] = TELLS
    """how it is trained"""


DEEP, SMALL, TABLE, ALIKE, TEXTS = Deep(), Small(), Table(), Alike(), Texts()
DRAWN = Texts(name="synthetic", validation=100, longest=16)


def with_training(one: "Deep | Small | Table", **changes: object) -> "Deep | Small | Table":
    """``one`` with other settings of its training."""
    return replace(one, training=replace(one.training, **changes))  # type: ignore[arg-type]  # the fields' own types
