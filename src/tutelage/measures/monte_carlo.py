"""What a random network answers on average: the predictive distribution of one whose weights are uncertain."""

from collections.abc import Callable
from math import log

import torch
from torch import nn

from tutelage.data.batches import input_of, moved, num_samples
from tutelage.data.labelled import Labelled
from tutelage.data.transforms import Show
from tutelage.data.views import in_order, plain
from tutelage.measures.predict import device_of, rows_of
from tutelage.modes import evaluating
from tutelage.shapes import Logits


def monte_carlo(
    model: nn.Module,
    data: Labelled,
    *,
    random: Callable[[nn.Module], bool],
    passes: int = 16,
    seed: int = 0,
    transform: Show = plain,
    batch_size: int = 1000,
) -> Logits:
    r"""The logarithms of mean probabilities, ``log 1/S Σ_s softmax(f_s(x))``, over so many random ``passes``: (N, C).

    All of the model is in eval mode but the modules for which ``random`` holds, which draw anew for each sample: the
    variational layers (``compress.variational.is_variational``), or dropout, ``lambda module: isinstance(module,
    nn.Dropout)``. The random numbers follow from ``seed`` and ``batch_size``, and no other's are used up. As
    ``partial(monte_carlo, random=…)`` it is the ``predict`` of a task of classes: ``replace(task, predict=…)`` judges
    by it.

    Raises ``ValueError`` for no pass, for a network in which nothing is random, and as ``predict`` does.

    Gal & Ghahramani, "Dropout as a Bayesian Approximation", ICML 2016, arXiv:1506.02142.
    """
    if passes < 1:
        raise ValueError(f"A mean over random passes takes 1 or more; got {passes}.")
    drawing = [module for module in model.modules() if random(module)]
    if not drawing:
        raise ValueError(f"Nothing in this {type(model).__name__} is random, so that one pass says all: use predict.")
    device = device_of(model)
    answers = []
    with evaluating(model), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        try:
            for module in drawing:
                module.training = True
            for batch in in_order(data, batch_size=batch_size, transform=transform)(0, 0):
                x = moved(device, input_of(batch))
                rows = [rows_of(model, model(x), num_samples(batch)).log_softmax(-1) for _ in range(passes)]
                answers.append(torch.stack(rows).logsumexp(0) - log(passes))
        finally:
            for module in drawing:
                module.training = False
    if not answers:
        raise ValueError("There is nothing to predict: the set is empty.")
    return torch.cat(answers).to(data.inputs.device)
