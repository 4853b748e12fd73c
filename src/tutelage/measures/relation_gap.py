"""How differently two networks see which samples are alike: of an untrained student, a guess of what it will learn."""

import torch
from torch import Tensor, nn

from tutelage.losses.similarity_preserving import similarity_preserving
from tutelage.models.outline import outline
from tutelage.taps import Tapped

CITATIONS = {
    "relation_gap": r"""@inproceedings{dong2023diswot,
  title     = {DisWOT: Student Architecture Search for Distillation WithOut Training},
  author    = {Dong, Peijie and Li, Lujun and Wei, Zimian},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2023},
  url       = {https://arxiv.org/abs/2303.15678}
}"""
}


@torch.no_grad()
def relation_gap(student: nn.Module, teacher: nn.Module, samples: Tensor) -> float:
    """``‖R(S Sᵀ) − R(T Tᵀ)‖² / N²`` of what the last layers are fed: ``losses.similarity_preserving``. Less is better.

    The relations between ``samples`` of the DisWOT score; its other half, of class activation maps, is not there. The
    student is taken as it is built, its norms with the statistics of these samples; the teacher is in eval mode. Modes
    and statistics are as before afterwards. Raises ``ValueError`` for fewer than two samples, and for networks that do
    not end in a linear layer.

    Dong, Li & Wei, "DisWOT: Student Architecture Search for Distillation WithOut Training", CVPR 2023,
    arXiv:2303.15678, §3.2.
    """
    return float(similarity_preserving(_fed(student, samples, trains=True), _fed(teacher, samples, trains=False)))


def _fed(network: nn.Module, samples: Tensor, trains: bool) -> Tensor:
    """What the last layer is fed."""
    address = outline(network, samples[:2]).embedding
    held = {name: x.clone() for name, x in network.state_dict().items()}
    modes = [(module, module.training) for module in network.modules()]
    tapped = Tapped(network, [address])
    try:
        tapped.train(trains)
        answer: Tensor = tapped(samples)[address]
        return answer
    finally:
        tapped.untap()
        for module, mode in modes:
            module.training = mode
        network.load_state_dict(held)
