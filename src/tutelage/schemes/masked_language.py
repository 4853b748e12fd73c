"""Encoders that learn a language by its hidden tokens: alone, or from a deeper one whose layers they begin with."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from tutelage.checks import refuse_too_few
from tutelage.combine.base import Combine
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.data.labelled import Labelled
from tutelage.data.length_groups import grouped_batches
from tutelage.data.masked_texts import masked_texts
from tutelage.data.masked_tokens import token_weights
from tutelage.learner import Learner
from tutelage.losses.chunked import chunked
from tutelage.losses.masked import masked
from tutelage.methods.language import IGNORED, LABELS, triple_loss_in_slabs
from tutelage.models.encoder import Encoder
from tutelage.models.masked_language import MaskedLanguageModel
from tutelage.models.shortened import Pick, begin_with_
from tutelage.objective import Objective, Term, Weight
from tutelage.optimizers.clipped import clipped
from tutelage.optimizers.factory import Factory
from tutelage.optimizers.scheduled import scheduled
from tutelage.optimizers.schedules import Schedule, one_cycle
from tutelage.stages.stage import Stage
from tutelage.tasks.language import LANGUAGE
from tutelage.teachers.frozen import frozen

WARMED_UP: Schedule = partial(one_cycle, rise=0.05)
"""Up for a twentieth of the steps, then down to 0, as published."""
LARGEST_STEP = 5.0
"""The norm that gradients are clipped to, as published."""


@dataclass(frozen=True)
class Reading:
    """Texts (N, T) to learn a language by: how many go through at once, how many of these are a step, and how long.

    Tokens are hidden anew in each epoch, rare ones more often, never ``special`` ones, of which the first is padding
    and the last stands for what is hidden. ``validation`` has hidden tokens as they are chosen once, with what they
    were as targets. Raises ``ValueError`` for fewer than 1 epoch, or batch a step.
    """

    train: Labelled
    validation: Labelled | None
    special: tuple[int, ...]
    vocabulary: int
    optimizer: Factory
    epochs: int
    batch_size: int = 32
    accumulate: int = 1
    schedule: Schedule = WARMED_UP
    seed: int = 0

    def __post_init__(self) -> None:
        refuse_too_few(epochs=self.epochs, accumulate=self.accumulate)

    @property
    def steps(self) -> int:
        """Of the whole training."""
        lengths = (self.train.inputs != self.special[0]).sum(1)
        batches = len(grouped_batches(lengths, self.batch_size, seed=self.seed, epoch=0))
        return self.epochs * -(-batches // self.accumulate)

    @property
    def counts(self) -> Tensor:
        """How often each token is in the texts, (V,)."""
        return torch.bincount(self.train.inputs.flatten(), minlength=self.vocabulary)

    @property
    def weights(self) -> Tensor:
        """How much rather one is hidden where it stands, (V,)."""
        return token_weights(self.counts, self.special).to(self.train.inputs.device)

    def teach(self, stage: Stage, learner: Learner) -> None:
        """``learner`` to the end, by steps of bounded size."""
        batches = masked_texts(
            self.train,
            self.weights,
            self.special[-1],
            batch_size=self.batch_size,
            seed=self.seed,
            padding=self.special[0],
        )
        held, model = self.validation, learner.student
        validate = None if held is None else partial(LANGUAGE.validation, model, held)
        settings = {"validate": validate, "better": LANGUAGE.deciding.better, "accumulate": self.accumulate}
        stage.train({"student": learner}, batches, self.epochs, model=model, **settings)  # type: ignore[arg-type]

    @property
    def bounded_optimizer(self) -> Factory:
        return clipped(scheduled(self.optimizer, self.schedule(self.steps)), LARGEST_STEP)


def with_a_head(
    stage: Stage,
    model: nn.Module,
    *,
    reading: Reading,
    encoder: nn.Module,
    combine: Callable[[], Combine] = WeightedSum,
) -> None:
    """Fit the head of ``model`` to what ``encoder`` says of hidden tokens; the encoder stays as it is.

    The head begins as one that takes what the encoder says for the vector of the token, and tokens for as likely as
    they are hidden: of drawn weights it would have that to learn first.
    ``model`` is a ``MaskedLanguageModel`` of the encoder's sizes. Raises ``ValueError`` for others.
    """
    network, own = _language_model(model), _encoder(encoder)
    network.encoder.load_state_dict(own.state_dict())
    with torch.no_grad():
        nn.init.eye_(network.transform.weight)
        network.head.bias.copy_((reading.counts * reading.weights).clamp_min(1).log())
    told = masked(chunked(nn.functional.cross_entropy, network.head), ignore_index=IGNORED)
    objective = Objective(label=Term(told, "student.norm", LABELS, LABELS))
    reading.teach(stage, Learner(network, objective, reading.bounded_optimizer, combine(), trains=_is_of_the_head))


def distilled_language(
    stage: Stage,
    model: nn.Module,
    *,
    reading: Reading,
    teacher: nn.Module,
    pick: Pick | None,
    soft: Weight = 5.0,
    label: Weight = 2.0,
    direction: Weight = 1.0,
    temperature: float = 2.0,
    combine: Callable[[], Combine] = WeightedSum,
) -> None:
    """Fit DistilBERT's triple loss; ``model`` begins with the layers that ``pick`` takes of ``teacher``, and its head.

    Without ``pick`` it begins as it was drawn. Both are a ``MaskedLanguageModel``; raises ``ValueError`` for others.

    Sanh, Debut, Chaumond & Wolf, "DistilBERT", 2019, arXiv:1910.01108.
    """
    student, whole = _language_model(model), _language_model(teacher)
    if pick is not None:
        begin_with_(student.encoder, whole.encoder, pick(whole.encoder.depth, student.encoder.depth))
        own = {name: x for name, x in whole.state_dict().items() if not name.startswith("encoder.")}
        own["head.weight"] = student.encoder.embeddings.tokens.weight
        student.load_state_dict({**student.state_dict(), **own})
    weights = {"soft": soft, "label": label, "direction": direction}
    objective = triple_loss_in_slabs(student, whole, **weights, temperature=temperature)
    learner = Learner(student, objective, reading.bounded_optimizer, combine(), {"teacher": frozen(whole)})
    reading.teach(stage, learner)


def _is_of_the_head(name: str) -> bool:
    return not name.startswith("student.encoder.")


def _language_model(model: nn.Module) -> MaskedLanguageModel:
    if not isinstance(model, MaskedLanguageModel):
        raise ValueError(f"A MaskedLanguageModel tells hidden tokens; got a {type(model).__name__}.")
    return model


def _encoder(network: nn.Module) -> Encoder:
    if not isinstance(network, Encoder):
        raise ValueError(f"An Encoder gets a head; got a {type(network).__name__}.")
    return network
