"""The tasks of GLUE as they are scored: Matthews' correlation, accuracy with F1, rank correlation, accuracy.

Wang et al., "GLUE", 2018, arXiv:1804.07461, §3.
"""

from dataclasses import replace
from statistics import NormalDist

import torch
from torch import Tensor

from tutelage.data.labelled import Labelled
from tutelage.measures.correlation import interval_of_spearman, pearson, spearman
from tutelage.measures.f_score import f1_scores
from tutelage.measures.matthews import matthews
from tutelage.results import Metric, Score
from tutelage.tasks.classification import ACCURACY, CLASSIFICATION, errors_and_accuracy
from tutelage.tasks.regression import REGRESSION
from tutelage.tasks.similarity import PEARSON, SPEARMAN, of_nobody
from tutelage.tasks.task import Task

MATTHEWS = Metric("Matthews", "%", "higher")
F1 = Metric("F1", "%", "higher")
DRAWS = 200
"""Times that the samples are drawn again, to see what their choice makes of a correlation."""
Z = NormalDist().inv_cdf(0.975)


def glue_task(name: str) -> Task:
    """The task called ``name``, whose first metric is the one that decides. Raises ``ValueError`` for none of GLUE.

    >>> glue_task("CoLA").deciding.name, glue_task("STS-B").deciding.name, glue_task("RTE").deciding.name
    ('Matthews', 'Spearman', 'accuracy')
    """
    plain = replace(CLASSIFICATION, metrics=(ACCURACY,), score=accuracy_alone, constant=accuracy_of_one_class)
    tasks = {
        "CoLA": replace(plain, metrics=(MATTHEWS, ACCURACY), score=matthews_and_accuracy, constant=of_nobody),
        "MRPC": replace(plain, metrics=(ACCURACY, F1), score=accuracy_and_f1),
        "STS-B": replace(REGRESSION, metrics=(SPEARMAN, PEARSON), score=correlations, constant=of_nobody),
        **dict.fromkeys(("SST-2", "RTE", "WNLI"), plain),
    }
    if name not in tasks:
        raise ValueError(f"There is no task {name!r} of GLUE here; the tasks are {', '.join(tasks)}.")
    return replace(tasks[name], name=name)


def accuracy_alone(logits: Tensor, data: Labelled) -> dict[str, Score]:
    """The share (%) of samples that are told right, with its 95 % interval."""
    return {ACCURACY.name: errors_and_accuracy(logits, data)[ACCURACY.name]}


def accuracy_of_one_class(data: Labelled) -> float:
    """That of the best network that gives every sample the same class, in %."""
    return 100 * int(data.targets.bincount().max()) / len(data)


def accuracy_and_f1(logits: Tensor, data: Labelled) -> dict[str, Score]:
    """``accuracy_alone``, and the F1 of the second class; 0 where nobody is of it."""
    holds = logits.argmax(-1, keepdim=True) == 1
    micro, _ = f1_scores(holds, data.targets.unsqueeze(1).to(holds.device))
    return {**accuracy_alone(logits, data), F1.name: Score(100 * micro.nan_to_num(0).item())}


def matthews_and_accuracy(logits: Tensor, data: Labelled) -> dict[str, Score]:
    """Matthews' correlation (%), with the interval of its value in samples that are drawn again, and the accuracy."""
    said, targets = logits.argmax(-1).cpu(), data.targets.cpu()
    value = 100 * matthews(said, targets)
    g = torch.Generator().manual_seed(0)
    again = [torch.randint(len(said), (len(said),), generator=g) for _ in range(DRAWS)]
    spread = torch.tensor([100 * matthews(said[x], targets[x]) for x in again], dtype=torch.float64)
    reach = Z * spread.std().item()
    return {
        MATTHEWS.name: Score(value, (max(-100.0, value - reach), min(100.0, value + reach))),
        **accuracy_alone(logits, data),
    }


def correlations(answers: Tensor, data: Labelled) -> dict[str, Score]:
    """Spearman's correlation with its 95 % interval, and Pearson's, in %, of one number a sample."""
    said, targets = answers.flatten(), data.targets.flatten().to(answers.device)
    value = spearman(said, targets)
    low, high = interval_of_spearman(value, len(data))
    return {
        SPEARMAN.name: Score(100 * value, (100 * low, 100 * high)),
        PEARSON.name: Score(100 * pearson(said, targets)),
    }
