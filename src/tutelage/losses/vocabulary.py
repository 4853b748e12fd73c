"""Two vocabularies: refused where they differ, cut to what they share where one is only padded."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from torch import Tensor

CITATIONS: dict[str, str] = {}  # what is lifted says where it comes from


def shared_tokens(student: Mapping[str, int], teacher: Mapping[str, int]) -> int:
    """How many logits student and teacher share, from the tokens of their tokenizers and the number of each.

    These are what ``tokenizer.get_vocab()`` returns. Networks may have more logits than there are tokens, padded to a
    round number, each to its own: ``of_vocabulary(loss, shared_tokens(…))`` compares what there is.

    Raises ``ValueError`` where the two do not have the same tokens under the same numbers: their logits cannot be
    compared one by one, whatever their number is.

    >>> shared_tokens({"a": 0, "b": 1}, {"b": 1, "a": 0})
    2
    """
    if not student or not teacher:
        raise ValueError("A vocabulary has tokens and their numbers, as tokenizer.get_vocab() does; got none.")
    differ = [token for token in {**teacher, **student} if student.get(token) != teacher.get(token)]
    if differ:
        token = min(differ, key=lambda token: student.get(token, teacher.get(token, 0)))
        numbers = (repr(token), student.get(token, "no number"), teacher.get(token, "no number"))
        raise ValueError(
            f"Student and teacher have different vocabularies ({len(student)} and {len(teacher)} tokens, {len(differ)} "
            f"of which differ; {numbers[0]} is {numbers[1]} in one and {numbers[2]} in the other), so that their "
            f"logits are not of the same tokens: choose networks with one tokenizer, or compare sorted probabilities, "
            f"as losses.universal_logits does."
        )
    return max(student.values()) + 1


def of_vocabulary(loss: Callable[..., Tensor], num_tokens: int) -> Callable[..., Tensor]:
    """``loss`` of the first ``num_tokens`` logits of student and teacher, where either has more that stand for nothing.

    As if these were ruled out: their values count nothing and get no gradient. Classes stand last. Raises
    ``ValueError`` for fewer than 2 tokens and, when called, where a network has fewer logits.

    >>> import torch
    >>> from tutelage.losses.kd import soft_targets
    >>> of_vocabulary(soft_targets, 2)(torch.tensor([[1.0, 0.0, 9.0]]), torch.tensor([[2.0, 1.0]]))
    tensor(0.)
    """
    if num_tokens < 2:
        raise ValueError(f"A vocabulary has two tokens or more; got {num_tokens}.")

    @wraps(loss)  # whose arguments they are still
    def call(student: Tensor, teacher: Tensor, *others: Any, **named: Any) -> Tensor:
        if min(student.shape[-1], teacher.shape[-1]) < num_tokens:
            raise ValueError(
                f"Student and teacher must have a logit for each of {num_tokens} tokens; got {student.shape[-1]} and "
                f"{teacher.shape[-1]}: a network with fewer has another vocabulary."
            )
        return loss(student[..., :num_tokens], teacher[..., :num_tokens], *others, **named)

    return call
