"""Deep mutual learning: networks without a teacher learn the labels, and each what its peers think meanwhile.

Zhang, Xiang, Hospedales & Lu, "Deep mutual learning", 2018, arXiv:1706.00384.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import TypeAlias

import torch
from torch import Tensor, nn

from tutelage.combine.base import Combine
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.keys import described
from tutelage.loop import Turns, alternating
from tutelage.losses.kd import Average, arithmetic, averaged_targets, soft_targets
from tutelage.matching.one_to_one import one_to_one
from tutelage.objective import Loss, Objective, Term, Weight
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Stage

CITATIONS = {
    "mutual": r"""@inproceedings{zhang2018deep,
  title     = {Deep Mutual Learning},
  author    = {Zhang, Ying and Xiang, Tao and Hospedales, Timothy M. and Lu, Huchuan},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2018},
  url       = {https://arxiv.org/abs/1706.00384}
}"""
}

Learn: TypeAlias = Callable[[Sequence[str]], Term]
"""The names of a network's peers -> what it has to get right about them."""
DIVERGENCE = partial(soft_targets, temperature=1.0)


def from_each(peers: Sequence[str], *, loss: Loss = DIVERGENCE, weight: Weight = 1.0, across: bool = False) -> Term:
    """The mean over the K − 1 ``peers`` of ``loss(own output, theirs)``: ``1/(K−1) Σ_j KL(p_j ‖ p_i)`` at T = 1.

    ``across`` is that of the ``Term``, for a loss that relates samples. The authors' code adds the peers up instead.
    """
    theirs = [f"{peer}.output" for peer in peers]
    return Term(one_to_one(loss), ["student.output"] * len(peers), theirs, weight=weight, across=across)


def from_mean(peers: Sequence[str], *, average: Average = arithmetic, weight: Weight = 1.0) -> Term:
    """The divergence from what the ``peers`` say together: ``KL(mean_j p_j ‖ p_i)`` at T = 1, DML_e of the paper.

    Of one peer, it is ``from_each``. The paper finds it worse for more: the mean is less certain than its parts.
    """
    return Term(partial(_of_all, average=average), "student.output", [f"{x}.output" for x in peers], weight=weight)


def mutual(
    stage: Stage,
    models: Mapping[str, nn.Module],
    *,
    plans: Mapping[str, Plan],
    learn: Learn = from_each,
    label: Weight = 1.0,
    turns: Turns = alternating,
    combine: Callable[[], Combine] = WeightedSum,
) -> None:
    """Fit ``label · L(labels) + learn(peers)`` in each of ``models``, all on the same batches; no gradient crosses.

    ``alternating``, as in the paper: each steps before the next one looks at it. ``simultaneous``: all look, then all
    step. The plans, by the networks' names, may differ in optimizer and schedule. Networks that start alike stay alike:
    build each of a seed of its own, as ``models.seeded`` does; of others a warning tells. Raises ``ValueError`` for
    less than two networks, for plans of others or that differ in more, and for answers that cannot be compared.
    """
    plan = _common(models, plans)
    _warn_of_twins(models)
    peers = {me: [peer for peer in models if peer != me] for me in models}
    learners = {
        me: plans[me].learner(
            model, Objective(label=plan.task.labels(label), peers=learn(peers[me])), combine=combine()
        )
        for me, model in models.items()
    }
    validate = {me: check for me, model in models.items() if (check := plan.validation(model)) is not None}
    stage.train(
        learners,
        plan.lesson.batches(plan.epochs),
        plan.epochs,
        model=models,
        validate=validate,
        better=plan.task.deciding.better,
        turns=turns,
    )


def _of_all(student: Tensor, peers: Sequence[Tensor], average: Average) -> Tensor:
    return averaged_targets(student, torch.stack(list(peers)), temperature=1.0, average=average)


def _warn_of_twins(models: Mapping[str, nn.Module]) -> None:
    """One warning of the first two networks whose parameters are the same."""
    for (one, first), (other, second) in combinations(models.items(), 2):
        parameters, others = dict(first.named_parameters()), dict(second.named_parameters())
        same_shapes = {k: x.shape for k, x in parameters.items()} == {k: x.shape for k, x in others.items()}
        if parameters and same_shapes and all(torch.equal(x, others[k]) for k, x in parameters.items()):
            warnings.warn(
                f"The peers {one!r} and {other!r} start from the same weights, and have nothing to tell each other: "
                "build each from a seed of its own, as tutelage.models.seeded.seeded does.",
                stacklevel=3,
            )
            return


def _common(models: Mapping[str, nn.Module], plans: Mapping[str, Plan]) -> Plan:
    """The plan of the first network, which stands for all but their optimizers. Raises ``ValueError`` as ``mutual``."""
    if len(models) < 2:
        raise ValueError(f"Mutual learning takes two networks or more, which teach each other; got {list(models)}.")
    if set(plans) != set(models):
        raise ValueError(f"Each peer has a plan of its name: peers are {sorted(models)}, plans {sorted(plans)}.")
    first, *_ = plans.values()
    for name, plan in plans.items():
        if described(replace(plan, optimizer=first.optimizer, schedule=first.schedule)) != described(first):
            raise ValueError(
                f"Peers see the same batches, for as many epochs and the same task, so that their plans differ in "
                f"optimizer and schedule alone; that of {name!r} differs in more from that of {next(iter(plans))!r}."
            )
    few = first.lesson.train[torch.arange(1, device=first.lesson.train.inputs.device)]
    ask = partial(first.task.predict, data=few, transform=first.lesson.test_transform)
    shapes = {name: tuple(ask(model).shape[1:]) for name, model in models.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"Peers answer the same question, in as many numbers; of a sample, these give {shapes}.")
    return first
