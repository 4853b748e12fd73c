"""Texts to learn a language by: cut into windows, in batches of one length, some tokens hidden anew in each epoch."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tutelage.data.batches import Batch, Batches
from tutelage.data.labelled import Labelled
from tutelage.data.length_groups import grouped_batches
from tutelage.data.masked_tokens import masked_tokens
from tutelage.data.wordpiece import END, PAD, START, UNKNOWN, WordPieces

FEWEST = 12
"""Tokens of a text that is learnt from, as published."""
UNKNOWN_AT_MOST = 0.5
"""The share of its tokens below which those that the vocabulary does not know have to stay, as published."""


def text_windows(texts: Sequence[str], pieces: WordPieces, longest: int = 512, fewest: int = FEWEST) -> Tensor:
    """Each text as ``[CLS] … [SEP]``, a long one as several of ``longest`` tokens: int64 (N, T), padded behind.

    Left out are windows of fewer than ``fewest`` tokens, and those of which half or more is unknown. Raises
    ``ValueError`` where nothing is left, with the reason, and for windows without room for a token.

    Sanh et al., "DistilBERT", 2019, arXiv:1910.01108; huggingface/transformers-research-projects.

    >>> from tutelage.data.wordpiece import SPECIAL
    >>> text_windows(["a b a b a"], WordPieces((*SPECIAL, "a", "b")), longest=5, fewest=4).tolist()
    [[2, 5, 6, 5, 3], [2, 6, 5, 3, 0]]
    """
    if longest < 3:
        raise ValueError(f"A window has room for its start, a token and its end, 3 or more; got {longest}.")
    start, end, unknown = (pieces.numbers[x] for x in (START, END, UNKNOWN))
    rows, short, strange = [], 0, 0
    for text in texts:
        ids = pieces.of_text(text)
        for begin in range(0, len(ids), longest - 2):
            window = [start, *ids[begin : begin + longest - 2], end]
            if len(window) < fewest:
                short += 1
            elif window.count(unknown) >= UNKNOWN_AT_MOST * len(window):
                strange += 1
            else:
                rows.append(window)
    if not rows:
        raise ValueError(
            f"No text is left to learn from: of {short + strange} windows {short} have fewer than {fewest} tokens, and "
            f"{strange} are half unknown to the vocabulary; give longer texts, or the vocabulary of their language."
        )
    windows = torch.full((len(rows), max(map(len, rows))), pieces.numbers[PAD])
    for place, row in enumerate(rows):
        windows[place, : len(row)] = torch.tensor(row)
    return windows


def masked_texts(
    data: Labelled,
    weights: Tensor,
    mask_id: int,
    *,
    batch_size: int,
    seed: int = 0,
    padding: int = 0,
    share: float = 0.15,
) -> Batches:
    """Batches of texts (N, T), of one length group each, with tokens hidden as ``masked_tokens`` does.

    A batch has ``input``, the tokens with some of them hidden and without the padding that all end in,
    ``attention_mask``, ``labels`` (what was hidden, −100 elsewhere), and ``index``. Which batch a text is in and what
    of it is hidden follows from ``seed`` and the epoch. Several batches that a step accumulates are one large batch:
    terms that are ``masked`` weigh them by their tokens. Raises ``ValueError`` as
    ``grouped_batches`` and, when a batch is taken, as ``masked_tokens``.
    """
    lengths = (data.inputs != padding).sum(1)
    grouped_batches(lengths, batch_size, seed=seed, epoch=0)  # refuses

    def batches(epoch: int, first: int) -> Iterator[Batch]:
        for places in grouped_batches(lengths, batch_size, seed=seed, epoch=epoch)[first:]:
            places = places.to(data.inputs.device)
            tokens = data.inputs[places][:, : int(lengths[places].max())]
            index, mask = data.index[places], tokens != padding
            hidden, labels = masked_tokens(
                tokens, mask, weights, mask_id, seed=seed, epoch=epoch, index=index, share=share
            )
            yield {"input": hidden, "attention_mask": mask, "labels": labels, "index": index}

    return batches
