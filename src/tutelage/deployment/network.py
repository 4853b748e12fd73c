"""What is exported: the network by itself, with what stands before it and behind it in the file."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from tutelage.compress.compact import compacted, emptied
from tutelage.compress.variational import is_variational
from tutelage.copies import copy_of
from tutelage.deployment.about import OUTPUTS, About, Input
from tutelage.models.sentences import trimmed
from tutelage.modes import evaluating
from tutelage.outputs import in_words, tensor_in
from tutelage.own_data.preprocessing import Preprocessing

IDS = (torch.int32, torch.int64)
"""What rows of a table are numbered in: networks compute with none of these."""


class Exported(nn.Module):
    """``model`` behind what makes its input of what the file takes, and before what makes probabilities of it."""

    mean: Tensor | None
    std: Tensor | None

    def __init__(self, model: nn.Module, about: About, takes: Input, probabilities: bool) -> None:
        super().__init__()
        self.model = model
        self.scale = 255.0 if takes == "pixels" else 1.0
        self.is_normalised = takes in ("normalised", "tokens")
        self.behind = about.task if probabilities else ""
        self.padding = about.tokenisation.padding if about.task == "spans" and about.tokenisation is not None else None
        how = None if self.is_normalised else about.preprocessing
        for name, numbers in zip(("mean", "std"), moments_of(how), strict=True):
            self.register_buffer(name, numbers)

    def forward(self, input: Tensor) -> Tensor:  # the file's input is called so
        x = input if self.is_normalised else normalised(input, self.scale, self.mean, self.std)
        answer = tensor_in(self.model(x))
        if self.padding is not None:  # what is said of padding depends on what else is in the batch
            return answer.masked_fill((x == self.padding).unsqueeze(2), 0)
        if not self.behind:
            return answer
        return torch.sigmoid(answer) if _is_of_one(self.behind, answer) else torch.softmax(answer, 1)


class OfIdsAndMask(nn.Module):
    """``network``, of tokens with ``padding`` behind them, for whoever has ids and a mask: as encoders are exported."""

    def __init__(self, network: nn.Module, padding: int) -> None:
        super().__init__()
        self.network = network
        self.padding = padding

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:  # the file's inputs are called so
        answer: Tensor = self.network(input_ids.masked_fill(attention_mask == 0, self.padding))
        return answer


def ids_and_mask(tokens: Tensor, padding: int) -> tuple[Tensor, Tensor]:
    """Tokens (N, T), without the padding behind all of them, as ids and mask, int64 both.

    >>> ids_and_mask(torch.tensor([[5, 6, 0, 0], [5, 0, 0, 0]]), 0)[1].tolist()
    [[1, 1], [1, 0]]
    """
    ids = trimmed(tokens, padding)
    return ids.contiguous(), (ids != padding).long()


def as_wide(answer: Tensor, tokens: Tensor, about: About) -> Tensor:
    """What a file ``answer``s to ids and mask of ``tokens``; with zeros for those that were left out behind all texts,
    where the answer is one for each token."""
    lacking = tokens.shape[1] - answer.shape[1] if about.task == "spans" else 0
    return pad(answer, (0, 0, 0, lacking)) if lacking else answer


def plain_copy(model: nn.Module) -> nn.Module:
    """A copy of ``model`` on the CPU, in float32 and eval mode, laid out and compiled in no way of its own.

    Of a variational network it has the posterior's means, so that no file decides anew what of them is 0. The model
    itself stays as it is. Raises ``ValueError`` for TorchScript, which exporters cannot follow, and as ``compacted``.
    """
    plain = getattr(model, "_orig_mod", model)
    if script := next((x for x in plain.modules() if isinstance(x, torch.jit.ScriptModule)), None):
        name = getattr(script, "original_name", type(script).__name__)
        raise ValueError(
            f"{name} is TorchScript, which no file is made of; give the network that it was scripted or traced from."
        )
    copy = copy_of(plain)
    if any(map(is_variational, copy.modules())):
        copy = compacted(copy, may_be_empty=emptied(copy))
    return copy.to("cpu").float().to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload, no-any-return]


def output_name(about: About, probabilities: bool) -> str:
    """What the file's output is called. Raises ``ValueError`` for probabilities of numbers."""
    if probabilities and about.task in ("regression", "embeddings", "spans"):
        raise ValueError(
            f"Of {about.task} the answers are numbers, of which there are no probabilities; leave --probabilities out."
        )
    return "probabilities" if probabilities else OUTPUTS[about.task][0]


def moments_of(how: Preprocessing | None, device: torch.device | None = None) -> tuple[Tensor | None, Tensor | None]:
    """Mean and deviation of the channels, (C, 1, 1) each; nothing where pictures are not normalised."""
    if how is None or not how.mean:
        return None, None
    mean, std = (torch.tensor(numbers, device=device).view(-1, 1, 1) for numbers in (how.mean, how.std))
    return mean, std


def normalised(pictures: Tensor, scale: float, mean: Tensor | None, std: Tensor | None) -> Tensor:
    """``(x / scale − mean) / std`` in float32."""
    x = pictures.to(torch.float32) / scale
    return x if mean is None or std is None else (x - mean) / std


def as_seen(pictures: Tensor, how: Preprocessing) -> Tensor:
    """Pictures (N, C, H, W), uint8, as the network sees them: float32, ``(x / 255 − mean) / std``."""
    return normalised(pictures, 255, *moments_of(how, pictures.device))


def as_taken(samples: Tensor, about: About, takes: Input) -> Tensor:
    """``samples``, uint8 pictures or what the network sees, as the file takes them.

    Raises ``ValueError`` where these do not go together.
    """
    pictures = about.preprocessing
    if about.tokenisation is not None:
        if takes != "tokens":
            raise ValueError(f"What its network sees are texts: files take them as tokens, not as {takes}.")
        return samples.to("cpu", torch.int64)
    if pictures is None:
        if takes != "normalised":
            raise ValueError(f"What its network sees is no picture: files take it as normalised, not as {takes}.")
        return samples.to("cpu", torch.int64 if samples.dtype in IDS else torch.float32)
    wanted = (pictures.channels, *pictures.size)
    if samples.dtype != torch.uint8 or tuple(samples.shape[1:]) != wanted:
        raise ValueError(
            f"Samples of pictures are uint8 (N, {', '.join(map(str, wanted))}), as they are before any normalisation; "
            f"got {str(samples.dtype)[6:]} {tuple(samples.shape)}."
        )
    samples = samples.cpu().contiguous()
    if takes == "pixels":
        return samples
    return samples.to(torch.float32) / 255 if takes == "unit" else as_seen(samples, pictures)


def answers(network: nn.Module, samples: Tensor) -> Tensor:
    """What ``network`` answers to all of ``samples``. Raises ``ValueError`` for less than a row for each."""
    with evaluating(network):
        said: Any = network(samples)
    if not isinstance(said, Tensor) or said.ndim < 1 or len(said) != len(samples):
        got = tuple(said.shape) if isinstance(said, Tensor) else in_words(said)
        raise ValueError(
            f"A network that is exported answers with a row for each sample; to {len(samples)} came {got}."
        )
    return said


def _is_of_one(task: str, answer: Tensor) -> bool:
    """Whether each number is about one class alone: several may hold, or there is one logit for two classes."""
    return task == "multi-label" or answer.shape[1] == 1
