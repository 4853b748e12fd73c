"""A teacher of texts: how they are cut for it, how it is built, and how long and of which pieces they may be."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import nn

from tutelage.data.pieces import separator
from tutelage.data.tokenizer_file import read_vocabulary
from tutelage.foreign.span_networks import spans_in_folder, spans_in_onnx
from tutelage.foreign.table_answers import Named
from tutelage.foreign.text_folders import texts_in_folder
from tutelage.foreign.text_networks import longest_of, text_network, texts_in_onnx, vocabulary_of
from tutelage.foreign.transformers_folders import TransformersNetwork
from tutelage.keys import Build
from tutelage.models.encoder import Encoder
from tutelage.study.own.settings import DataSettings
from tutelage.study.own.teacher_settings import OwnTeacherSettings
from tutelage.study.sets import Sets


def as_cut(settings: DataSettings, teacher: str, note: Callable[[str], object]) -> DataSettings:
    """``settings`` with the vocabulary that lies beside the ``teacher``, and no longer texts than its files say."""
    longest = longest_of(teacher) or settings.longest
    if longest < settings.longest:
        note(f"{teacher} takes texts of at most {longest} tokens: longer ones are cut to that")
    vocabulary = settings.vocabulary or vocabulary_of(teacher)
    return replace(settings, vocabulary=vocabulary, longest=min(longest, settings.longest))


def text_teacher(data: Sets, asked: OwnTeacherSettings, num_answers: int, samples: Named | None) -> Build:
    """How a teacher of texts is built; ``samples`` are what a table of answers is about.

    Raises ``ValueError`` where another vocabulary than that of ``data`` is its own.
    """
    how = data.tokenisation
    assert how is not None
    own = vocabulary_of(asked.teacher)
    if own is not None and read_vocabulary(own) != how.pieces:
        raise ValueError(
            f"{own} is the vocabulary of {asked.teacher}, and texts were cut by another one: its numbers mean other "
            "pieces; leave out --vocabulary."
        )
    if data.asked is not None and samples is not None:
        raise ValueError(
            f"{asked.teacher} is a table of answers, of which there is none for each token; name a network that finds "
            "answers in texts, such as hf:folder."
        )
    vectors = data.task.of_teacher
    readers = partial(texts_in_folder, vectors=vectors), partial(texts_in_onnx, vectors=vectors)
    return text_network(
        asked.teacher,
        asked.weights,
        *((spans_in_folder, spans_in_onnx) if data.asked is not None else readers),
        num_answers=num_answers,
        special=(how.padding, separator(how.pieces) if how.pieces.tells_seconds else -1),
        samples=samples,
    )


def refuse_smaller_vocabulary(network: nn.Module, data: Sets, called: str) -> None:
    """Raise ``ValueError`` for a network that has not a vector for each piece that texts are cut into."""
    encoders = [x for x in network.modules() if isinstance(x, Encoder)]
    tables = [x.sizes["vocabulary"] for x in encoders]
    tables += [x.vocabulary for x in network.modules() if isinstance(x, TransformersNetwork) and x.vocabulary]
    if data.tokenisation is None or not tables:
        return
    known, pieces = tables[0], len(data.tokenisation.pieces)
    if known < pieces:
        raise ValueError(
            f"{called} knows {known:,} pieces, and the vocabulary has {pieces:,}: it is of another network; name the "
            "one that this was trained with."
        )
    if encoders and (most := encoders[0].positions) < data.example.shape[1]:
        raise ValueError(
            f"{called} takes texts of at most {most} tokens, and there are some of {data.example.shape[1]}; say "
            f"--longest {most}, and they are cut."
        )


def as_long_as(network: nn.Module, data: Sets) -> Sets:
    """``data`` of which it is said that texts are as long as ``network`` takes them, where that is less."""
    places = [x.positions for x in network.modules() if isinstance(x, Encoder)]
    if data.tokenisation is None or not places or min(places) >= data.tokenisation.longest:
        return data
    return replace(data, tokenisation=replace(data.tokenisation, longest=min(places)))
