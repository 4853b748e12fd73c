"""Two momenta: the task's gradient and the distillation's each have a memory of their own."""

from collections.abc import Collection
from functools import reduce
from operator import add

from torch import Tensor

from tutelage.combine.base import Combine, Parameters
from tutelage.combine.rows import Rows, put
from tutelage.objective import Losses, Scene

CITATIONS = {
    "DOT": r"""@inproceedings{zhao2023dot,
  title     = {{DOT}: A Distillation-Oriented Trainer},
  author    = {Zhao, Borui and Cui, Quan and Song, Renjie and Liang, Jiajun},
  booktitle = {Proceedings of the IEEE/CVF International Conference on Computer Vision},
  year      = {2023},
  url       = {https://arxiv.org/abs/2307.08436}
}""",
}
TASK, DISTILLATION = "task", "distillation"


class DOT(Combine):
    r"""``v_task ← (μ − Δ) v_task + g_task + λθ``, ``v_kd ← (μ + Δ) v_kd + g_kd``; ``.grad`` is ``v_task + v_kd``.

    ``task`` names the losses of the task, such as ``["label"]``; all others are distillation. μ is ``momentum``, Δ
    ``delta`` and λ ``weight_decay``, which goes with the task alone. A parameter that only one of the two reaches in a
    step, such as a projector, has the mean momentum μ there, and the decay. For SGD *without* momentum or weight decay:
    the velocities are here, so the optimizer only multiplies by the learning rate, as ``θ ← θ − lr (v_task + v_kd)``.
    Two backward passes a step, and two velocities a weight. Δ = 0 is SGD with momentum.

    Raises ``ValueError`` for no task, and unless ``0 ≤ μ − |Δ|`` and ``μ + |Δ| < 1`` and λ ≥ 0.

    Zhao, Cui, Song & Liang, "DOT: a distillation-oriented trainer", 2023, arXiv:2307.08436: μ = 0.9, Δ = 0.075 on
    CIFAR-100 and Tiny-ImageNet, 0.09 on ImageNet. The official code (megvii-research/mdistiller) leaves the decay out
    of the first step of parameters that distillation alone reaches; here it is in every step.
    """

    owns_momentum = True

    def __init__(
        self, task: Collection[str], momentum: float = 0.9, delta: float = 0.075, weight_decay: float = 0.0
    ) -> None:
        super().__init__()
        if isinstance(task, str) or not task:
            raise ValueError(f"The losses of the task are one or more names, such as ['label']; got {task!r}.")
        if not (momentum - abs(delta) >= 0 and momentum + abs(delta) < 1 and weight_decay >= 0):
            raise ValueError(
                "Both momenta, momentum − delta and momentum + delta, are at least 0 and below 1, and weight decay is "
                f"at least 0; got momentum={momentum}, delta={delta}, weight_decay={weight_decay}."
            )
        self.task, self.weight_decay = frozenset(task), weight_decay
        self.momentum, self.delta = momentum, delta
        self._rows = Rows()
        self._velocities: dict[str, dict[str, Tensor]] = {TASK: {}, DISTILLATION: {}}

    def names(self) -> set[str]:
        return set(self.task)

    def add(self, losses: Losses, scene: Scene, parameters: Parameters) -> None:  # noqa: ARG002
        sides: dict[str, list[Tensor]] = {}
        for name, loss in losses.items():
            sides.setdefault(TASK if name in self.task else DISTILLATION, []).append(loss)
        self._rows.add({side: reduce(add, several) for side, several in sides.items()}, parameters)

    def settle(self, parameters: Parameters) -> None:
        rows = self._rows.take()
        for name, p in parameters.items():
            sides = [side for side, row in rows.items() if name in row]
            if not sides:
                continue
            for side in sides:
                delta = 0.0 if len(sides) == 1 else -self.delta if side == TASK else self.delta
                gradient = rows[side][name]
                if self.weight_decay and (side == TASK or len(sides) == 1):
                    gradient = gradient.add(p.detach(), alpha=self.weight_decay)
                velocity = self._velocities[side].get(name)
                if velocity is not None:
                    gradient = velocity.to(p).mul_(self.momentum + delta).add_(gradient)
                self._velocities[side][name] = gradient
            put(reduce(add, (self._velocities[side][name] for side in sides)), p)

    def get_extra_state(self) -> dict[str, dict[str, Tensor]]:
        return {side: dict(velocities) for side, velocities in self._velocities.items()}

    def set_extra_state(self, state: dict[str, dict[str, Tensor]]) -> None:
        self._velocities = {side: {name: v.clone() for name, v in state[side].items()} for side in (TASK, DISTILLATION)}
