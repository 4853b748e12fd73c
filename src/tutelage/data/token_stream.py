"""Windows of tokens out of a corpus that no memory holds, shuffled within a buffer, in batches to be gone back to.

A batch follows from (seed, epoch, its number) and the corpus. Whoever enters an epoch in its middle, as a training does
that goes on, reads and cuts what came before once more, and gets the rest to the bit.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeAlias

import torch
from torch import Tensor

from tutelage.data.batches import Batch, Batches
from tutelage.data.corpus import Texts
from tutelage.data.draws import below, checked_seed, hashed
from tutelage.data.pieces import Pieces, refuse_unknown, row_of
from tutelage.data.token_windows import IGNORED, pieces_of_line

Samples: TypeAlias = Callable[[int], Iterable[Mapping[str, Tensor]]]
"""``samples(epoch)``: those of an epoch in the order of the corpus, tensors by name, without a batch's dimension."""
LOOKED_AT = 64
"""Windows of an epoch that are asked whether the vocabulary knows their tokens."""
_PLACE, _LEFT = 23, 24  # what a number is for; those before have their use


def next_token_stream(texts: Texts, pieces: Pieces, length: int) -> Samples:
    """Windows of ``length`` tokens, ``input`` and ``target`` (length,), as ``token_windows`` makes them of all texts.

    Texts stand one behind the other, each with what ends a text. Every token but the first is the target of the place
    before it, once; behind the last one inputs are padding and targets −100. When windows are taken, raises
    ``ValueError`` for a corpus that does not fill one, and for one that the vocabulary does not know.
    """
    if length < 1:
        raise ValueError(f"A window has 1 token or more; got {length}.")

    def samples(epoch: int) -> Iterator[Mapping[str, Tensor]]:
        held: list[int] = []
        begun = False
        for text in texts(epoch):
            held += pieces_of_line(text, pieces)
            while len(held) > length:
                begun = True
                yield {"input": torch.tensor(held[:length]), "target": torch.tensor(held[1 : length + 1])}
                del held[:length]
        if not begun:
            raise ValueError(
                f"The corpus has {len(held)} tokens, fewer than a window of {length} and the token after it; give "
                "longer texts, or shorter windows."
            )
        if left := len(held) - 1:
            fill = length - left
            yield {
                "input": torch.tensor([*held[:-1], *[pieces.padding] * fill]),
                "target": torch.tensor([*held[1:], *[IGNORED] * fill]),
            }

    return lambda epoch: _known(samples(epoch), pieces)


def text_stream(texts: Texts, pieces: Pieces, longest: int) -> Samples:
    """Each text by itself, ``input`` (longest,): cut to ``longest`` tokens in its frame, with padding behind it.

    Texts of which nothing is left are left out. When texts are taken, raises ``ValueError`` for a corpus without any,
    and for one that the vocabulary does not know.
    """

    def samples(epoch: int) -> Iterator[Mapping[str, Tensor]]:
        begun = False
        for text in texts(epoch):
            if found := pieces.of_text(text):
                begun = True
                row = row_of([found], pieces, longest)
                yield {"input": torch.tensor([*row, *[pieces.padding] * (longest - len(row))])}
        if not begun:
            raise ValueError("The corpus has no text with a word in it; give others.")

    return lambda epoch: _known(samples(epoch), pieces)


def streamed(samples: Samples, *, batch_size: int, buffer: int = 10_000, seed: int = 0) -> Batches:
    """Batches of a stream, shuffled: each sample is drawn from ``buffer`` that are held, and the next takes its place.

    A ``buffer`` of 1 leaves the order as it is. A batch holds what samples hold, stacked, and ``index``, their numbers
    in the stream; the last one of an epoch may be short, and a single sample joins the batch before it. They have no
    ``view``: a corpus may be another one in the next epoch, so that no teacher's answers are kept. Raises
    ``ValueError`` for a size or a buffer below 1, and a negative seed.

    >>> stream = streamed(lambda epoch: [{"input": torch.tensor(n)} for n in range(5)], batch_size=2, buffer=1)
    >>> [batch["index"].tolist() for batch in stream(0, 0)]
    [[0, 1], [2, 3, 4]]
    """
    if batch_size < 1 or buffer < 1:
        raise ValueError(f"Batches and buffers hold 1 sample or more; got {batch_size} and {buffer}.")
    checked_seed(seed)

    def batches(epoch: int, first: int) -> Iterator[Batch]:
        drawn = islice(_shuffled(samples(epoch), buffer, seed, epoch), first * batch_size, None)
        held = list(islice(drawn, batch_size))
        if first and len(held) == 1 and batch_size > 1:
            return  # it has joined the batch before
        while held:
            following = list(islice(drawn, batch_size))
            if len(following) == 1 and batch_size > 1:
                held, following = held + following, []
            yield _stacked(held)
            held = following

    return batches


def _shuffled(
    samples: Iterable[Mapping[str, Tensor]], buffer: int, seed: int, epoch: int
) -> Iterator[tuple[int, Mapping[str, Tensor]]]:
    held: list[tuple[int, Mapping[str, Tensor]]] = []
    for number, sample in enumerate(samples):
        if len(held) < buffer:
            held.append((number, sample))
            continue
        place = int(below(buffer, seed, epoch, _PLACE, number))
        yield held[place]
        held[place] = number, sample
    turns = hashed(seed, epoch, _LEFT, torch.arange(len(held))).argsort(stable=True) if buffer > 1 else [0]
    yield from (held[int(turn)] for turn in turns if held)


def _stacked(held: list[tuple[int, Mapping[str, Tensor]]]) -> Batch:
    names = held[0][1].keys()
    batch = {name: torch.stack([sample[name] for _, sample in held]) for name in names}
    return {**batch, "index": torch.tensor([number for number, _ in held])}


def _known(samples: Iterator[Mapping[str, Tensor]], pieces: Pieces) -> Iterator[Mapping[str, Tensor]]:
    """``samples``, the first of which are looked at before any is given."""
    first = list(islice(samples, LOOKED_AT))
    refuse_unknown(torch.stack([sample["input"] for sample in first]), pieces)
    yield from first
    yield from samples
