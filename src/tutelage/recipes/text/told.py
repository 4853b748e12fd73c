"""Language models that tell the next token: the text, the networks, what they learn by, and what is said of them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import log
from typing import Any

import torch

from tutelage.data.lesson import Lesson
from tutelage.data.synthetic_sentences import known_pieces, spoken
from tutelage.data.wikitext import wikitext2
from tutelage.data.wordpiece import WordPieces
from tutelage.losses.jensen_shannon import jensen_shannon
from tutelage.losses.kd import soft_targets
from tutelage.losses.reverse_kl import reverse_kl
from tutelage.methods.language import policy_gradient, tokens_in_slabs
from tutelage.models.causal_language import CausalLanguageModel, MixedWriter, Writer
from tutelage.objective import Loss
from tutelage.recipes.text.settings import Teller, Told
from tutelage.results import Network, Table
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching, by_method
from tutelage.schemes.own_texts import on_own_texts
from tutelage.schemes.plan import Plan
from tutelage.schemes.written_texts import nearest, on_written_texts
from tutelage.stages.storage import Finished
from tutelage.study.experiments.language import Lines, next_token_sets
from tutelage.study.experiments.sentences import bert_pieces
from tutelage.study.memory import refuse_too_large
from tutelage.study.sets import Sets
from tutelage.study.training import plan_of
from tutelage.tasks.language import LANGUAGE, PERPLEXITY

METHODS = [
    f"tutelage.losses.{x}" for x in ("kd:soft_targets", "reverse_kl:reverse_kl", "jensen_shannon:jensen_shannon")
]
WORDS = {
    "forward": "the divergence from the teacher",
    "reverse": "the reverse divergence",
    "jensen-shannon": "the divergence from a mixture of both",
    "on-policy": "the same, in part on texts of its own",
    "policy": "the reverse divergence of texts of its own",
    "sequence": "texts that the teacher writes",
    "interpolated": "of these, the nearest to the data's",
}
HELP = 0.2
"""The teacher's share in what a student writes, as published for policy gradients."""
DROPOUT = 0.1
"""Of the teacher, which sees the text more often than the students."""


def sets_of(run: Run, text: Told) -> tuple[Sets, WordPieces]:
    """The windows of ``text``, and the vocabulary that cuts them."""
    lines, pieces = _synthetic() if text.name == "synthetic" else _wikitext2(run)
    sizes = {"size": text.pieces, "most": text.train, "validation": text.validation, "longest": text.longest}
    return next_token_sets(run, lines, pieces, **sizes)


def build(one: Teller, pieces: int, longest: int) -> Callable[..., CausalLanguageModel]:
    """What makes a network of the sizes in ``one``."""
    sizes = {"layers": one.layers, "width": one.width, "heads": one.heads, "inner": 4 * one.width}
    return partial(CausalLanguageModel, **sizes, vocabulary=pieces, positions=longest)


def refuse_unfit(data: Sets, networks: Mapping[str, tuple[Callable[..., CausalLanguageModel], Teller]]) -> None:
    """Raise ``ValueError``, before anything is trained, for sizes that make no network, or one too large to train."""
    for name, (make, one) in networks.items():
        with torch.device("meta"):
            make()
        refuse_too_large(name, make, data, one.training.batch_size)


def refuse_long_prompt(prompt: int, longest: int) -> None:
    """Raise ``ValueError`` for a prompt that leaves nothing to write."""
    if prompt > longest:
        raise ValueError(f"--prompt must be at most {longest}, the tokens of a window; got {prompt}.")


def plan_for(data: Sets, one: Teller, seed: int) -> Plan:
    """How a network learns from the windows as they are."""
    lesson = Lesson(data.train, data.validation, batch_size=one.training.batch_size, seed=seed)
    return plan_of(lesson, one.training, LANGUAGE)


def ways(
    teacher: Finished, beta: float, *, prompt: int, share: float, beams: int, seed: int
) -> dict[str, Callable[..., None]]:
    """How a student learns from ``teacher``: by each divergence, of all tokens of the text; on its own texts; or on
    those that the teacher writes.

    The teacher is asked in each step, as its answers to a text fill no cache.
    """
    losses: dict[str, Loss] = {
        "forward": partial(soft_targets, temperature=1.0),
        "reverse": reverse_kl,
        "jensen-shannon": partial(jensen_shannon, beta=beta),
    }
    teachings = {
        name: Teaching(partial(tokens_in_slabs, loss=loss), teacher.last, ("teacher", "student"), cache_views=0)
        for name, loss in losses.items()
    }
    own = partial(on_own_texts, teaching=teachings["jensen-shannon"], writer=Writer, prompt=prompt)
    writes = partial(on_written_texts, teacher=teacher.last, writer=Writer, prompt=prompt, beams=beams)
    mixed = partial(MixedWriter, teacher=teacher.last, share=HELP)
    judged = Teaching(partial(policy_gradient, share=HELP), teacher.last, ("teacher", "student"), cache_views=0)
    return {
        "policy": partial(on_own_texts, teaching=judged, writer=mixed, prompt=prompt, share=1.0, seed=seed),
        "sequence": writes,
        "interpolated": partial(writes, choose=nearest),
        **{name: partial(by_method, teaching=one) for name, one in teachings.items()},
        "on-policy": partial(own, share=share, seed=seed),
    }


def perplexities(measured: Mapping[str, Network], students: Sequence[str]) -> Table:
    """Each network's perplexity, and how much of what lies between the untaught student and the teacher is made up."""
    values = {name: network.scores[PERPLEXITY.name].value for name, network in measured.items()}
    nats = {name: log(value) for name, value in values.items()}
    gap = nats["alone"] - nats["teacher"]
    rows = []
    for name in ("alone", *students, "teacher"):
        made_up = round(100 * (nats["alone"] - nats[name]) / gap, 1) if gap > 0 else None
        rows.append((name, round(values[name], 2), round(nats[name], 4), made_up))
    return Table(
        title="Perplexities of the test part",
        columns=("network", "perplexity", "nats a token", "of the gap to the teacher, %"),
        rows=tuple(rows),
        note="Of the pieces of one vocabulary, headings left out: these figures compare with each other, and with no "
        "others. The gap is that of nats a token.",
    )


def in_words(measured: Mapping[str, Network], students: Sequence[str]) -> str:
    """What each student tells the test part by, beside the teacher."""
    values = {name: network.scores[PERPLEXITY.name].value for name, network in measured.items()}
    each = "; ".join(f"{name}, {values[name]:.1f}" for name in students)
    return (
        f"Perplexity of the test part: the teacher {values['teacher']:.1f}; a student that learns from the text alone, "
        f"{values['alone']:.1f}; from the teacher, by {each}."
    )


def facts_of(pieces: WordPieces, longest: int) -> dict[str, Any]:
    """What the delivered student takes, in words, and its vocabulary."""
    said = f"int64 (N, {longest}), numbers of its own {len(pieces)} pieces, from the beginning of a text on"
    return {"input": said, "pieces": list(pieces.pieces)}


def _wikitext2(run: Run) -> tuple[Lines, WordPieces]:
    train, valid, test = (wikitext2(part, run.data) for part in ("train", "valid", "test"))
    return Lines("wikitext2", train, valid, test), bert_pieces(run.data)


def _synthetic() -> tuple[Lines, WordPieces]:
    return Lines("synthetic", spoken(300), spoken(60, seed=5), spoken(60, seed=9)), known_pieces()
