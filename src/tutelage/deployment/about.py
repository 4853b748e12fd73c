"""What a file says of a student besides its weights: the task, the classes, and how a picture becomes its input."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, TypeAlias, get_args

from tutelage.own_data.preprocessing import Preprocessing
from tutelage.own_data.source import TASKS, TaskName
from tutelage.own_data.tokenisation import Tokenisation, read_tokenisation
from tutelage.printable import printable

Input: TypeAlias = Literal["pixels", "unit", "normalised", "tokens"]
"""What a file takes: uint8 0 to 255, float32 0 to 1, float32 as the network itself sees them, or int64 tokens."""
INPUTS: tuple[Input, ...] = get_args(Input)
OUTPUTS: Mapping[TaskName, tuple[str, str]] = {
    "classification": ("logits", "a softmax over the classes makes probabilities of them"),
    "multi-label": ("logits", "a sigmoid makes a probability of each"),
    "segmentation": ("logits", "a softmax over the classes, at each pixel, makes probabilities of them"),
    "regression": ("values", "the numbers that are predicted"),
    "spans": ("logits", "for each token, how far an answer begins with it, and how far it ends there"),
    "embeddings": ("embeddings", "a vector for each text; the cosine of two says how alike the texts are"),
}
"""The name of the output, and what it is."""
OF_ONE_LOGIT = "one number, of which a sigmoid makes the probability of the second class"
"""What it is where two classes are told apart by it."""
LONGEST_SIDE, MOST_CLASSES = 2**14, 2**20


@dataclass(frozen=True)
class About:
    """A student's ``task`` and ``classes`` (of labels, or of columns), its architecture's ``name``, what it sees.

    Without ``preprocessing`` its inputs are no pictures, without ``tokenisation`` no texts, and files take what the
    network sees: ``seen`` says what was done to the numbers of the data, where anything was.
    """

    task: TaskName = "classification"
    classes: tuple[str, ...] = ()
    preprocessing: Preprocessing | None = None
    name: str = "student"
    tokenisation: Tokenisation | None = None
    seen: str = ""

    def facts(self) -> dict[str, object]:
        """For ``student.json``, and the metadata of a file."""
        kept = {} if self.preprocessing is None else {"preprocessing": self.preprocessing.as_json()}
        kept |= {} if self.tokenisation is None else {"tokenisation": self.tokenisation.as_json()}
        return {"name": self.name, "task": self.task, "classes": list(self.classes), **kept}

    def is_of_one_logit(self, outputs: int) -> bool:
        """Whether a network with so many numbers a sample tells two classes apart by one."""
        return self.task == "classification" and outputs == 1

    @property
    def input_words(self) -> str:
        """What the network itself sees, for whoever calls it in PyTorch; nothing is known of other numbers."""
        if (how := self.tokenisation) is not None:
            return (
                f"int64 (N, {how.longest}): numbers of pieces, {how.words}, at most so many, {how.padding} behind them"
            )
        if self.preprocessing is None:
            return f"float32: {self.seen}" if self.seen else ""
        shown = self.preprocessing
        shape = ", ".join(map(str, (shown.channels, *shown.size)))
        mean, std = ("[" + ", ".join(f"{x:.4g}" for x in each) + "]" for each in (shown.mean, shown.std))
        scaled = f"(x / 255 - {mean}) / {std}, a number a channel" if shown.mean else "x / 255"
        return f"float32 (N, {shape}): {scaled}"

    @property
    def input(self) -> Input:
        """What its files take unless something else is asked for: a picture as it is, where its inputs are pictures.

        Whoever forgets a mean, or divides by 255 once too often, gets worse answers without a word. Pixels as uint8
        leave nothing to forget: the normalisation is in the file, and a runtime refuses any other type.
        """
        if self.tokenisation is not None:
            return "tokens"
        return "normalised" if self.preprocessing is None else "pixels"


def read_about(facts: Any, where: str) -> About:
    """What ``student.json`` says, which may be somebody else's. Raises ``ValueError``, beginning with ``where``."""
    facts = facts if isinstance(facts, Mapping) else {}
    task, classes = facts.get("task", "classification"), facts.get("classes", [])
    name = facts.get("name", "student")
    if task not in TASKS:
        raise ValueError(f"{where} names a task {task!r}; known are {', '.join(TASKS)}.")
    if not _is_list_of(str, classes) or len(classes) > MOST_CLASSES or not isinstance(name, str):
        raise ValueError(f"{where} does not list its classes as texts; restore it from a copy.")
    preprocessing = facts.get("preprocessing")
    pictures = None if preprocessing is None else _preprocessing(preprocessing, where)
    cut = facts.get("tokenisation")
    texts = None if cut is None else read_tokenisation(cut, where)
    return About(task, tuple(map(printable, classes)), pictures, printable(name), texts)


def _preprocessing(said: Any, where: str) -> Preprocessing:
    said = said if isinstance(said, Mapping) else {}
    channels, size, resize = said.get("channels"), said.get("size"), said.get("resize", 0)
    mean, std = said.get("mean", []), said.get("std", [])
    sides = [*size, resize] if _is_list_of(int, size) and len(size) == 2 else [0, 0, resize]
    sound = channels in (1, 3) and all(type(x) is int and 0 <= x <= LONGEST_SIDE for x in sides) and min(sides[:2]) > 0
    numbers = all(_is_list_of((int, float), x) and len(x) in (0, channels) for x in (mean, std))
    if not sound or not numbers or len(mean) != len(std) or not all(isfinite(x) for x in mean) or not all(_above(std)):
        raise ValueError(
            f"{where} does not say how a picture becomes an input (preprocessing); restore it from a copy."
        )
    return Preprocessing(channels, (size[0], size[1]), resize, tuple(map(float, mean)), tuple(map(float, std)))


def _is_list_of(kind: type | tuple[type, ...], values: Any) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(x, kind) and not isinstance(x, bool) for x in values)


def _above(std: Any) -> list[bool]:
    return [isfinite(x) and x > 0 for x in std]
