"""SimKD: the student borrows the teacher's classifier, and learns nothing but to feed it."""

from collections import OrderedDict
from collections.abc import Callable
from typing import cast

import torch
from torch import Size, Tensor, nn
from torch.nn import functional as F

from tutelage.shapes import Divergence, FeatureMap, at_least_float32, of_one_size

CITATIONS = {
    "fed_features": r"""@inproceedings{chen2022knowledge,
  title     = {Knowledge Distillation with the Reused Teacher Classifier},
  author    = {Chen, Defang and Mei, Jian-Ping and Zhang, Hailin and Wang, Can and Feng, Yan and Chen, Chun},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2022},
  url       = {https://arxiv.org/abs/2203.14001}
}"""
}


def fed_features(student: FeatureMap, teacher: FeatureMap) -> Divergence:
    r"""Mean squared difference of what the classifier is fed, ``mean_nchw (s − t)²``; the larger map is pooled.

    The only loss of SimKD: published weight 1, and 0 for labels and soft targets. The student's side is the output of
    the projector in ``Reused``. Raises ``ValueError`` if anything but the size of the maps differs.

    Chen et al., "Knowledge Distillation with the Reused Teacher Classifier", CVPR 2022, arXiv:2203.14001;
    github.com/DefangChen/SimKD.

    >>> import torch
    >>> fed_features(torch.ones(2, 3, 4, 4), torch.full((2, 3, 8, 8), 3.0))
    tensor(4.)
    """
    if student.shape[:2] != teacher.shape[:2] or student.ndim != 4 or teacher.ndim != 4:
        raise ValueError(
            f"The student's maps must have the samples and channels of the teacher's; got {tuple(student.shape)} and "
            f"{tuple(teacher.shape)}: read the student behind its projector."
        )
    return F.mse_loss(*of_one_size(at_least_float32(student), at_least_float32(teacher)))


class Reused(nn.Module):
    """The student of SimKD: its own ``backbone``, a ``projector``, and the teacher's ``head``, which does not train.

    ``backbone`` returns the last map; ``bottleneck`` makes a projector to the teacher's channels; ``head`` is the
    teacher's classifier on the mean over places. Projector and head stay in the student when it is used, and count as
    its size. The head is shared with the teacher, not copied, and its gradients are switched off.

    >>> import torch
    >>> backbone, head = nn.Conv2d(3, 4, 3), nn.Linear(8, 10)
    >>> student = Reused(backbone, bottleneck(Size([1, 4, 6, 6]), Size([1, 8, 6, 6])), head)
    >>> student(torch.randn(2, 3, 8, 8)).shape, any(p.requires_grad for p in head.parameters())
    (torch.Size([2, 10]), False)
    """

    def __init__(self, backbone: nn.Module, projector: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.projector = projector
        self.head = head.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        features = self.projector(self.backbone(x))
        return cast(Tensor, self.head(features.flatten(2).mean(2)))


def bottleneck(student: Size, teacher: Size, factor: int = 2) -> nn.Module:
    """The published projector for these maps: 1×1, 3×3 and 1×1 convolutions, each with batch norm and a ReLU.

    In between there are ``factor`` times fewer channels than the teacher has: 2 as published, 4 and 8 are smaller.
    A larger map of the student is pooled to the teacher's size in front.
    Raises ``ValueError`` for shapes that are not those of maps, and for a factor that leaves no channel.

    >>> sum(p.numel() for p in bottleneck(Size([1, 64, 8, 8]), Size([1, 256, 8, 8])).parameters())
    189440
    """
    if len(student) != 4 or len(teacher) != 4:
        raise ValueError(
            f"A bottleneck is for maps (samples, channels, H, W); got {tuple(student)} and {tuple(teacher)}."
        )
    if not 1 <= factor <= teacher[1]:
        raise ValueError(f"A factor is from 1 to the teacher's {teacher[1]} channels; got {factor}.")
    between = teacher[1] // factor
    larger = student[2] > teacher[2] or student[3] > teacher[3]
    size = min(student[2], teacher[2]), min(student[3], teacher[3])
    return nn.Sequential(
        *([nn.AdaptiveAvgPool2d(size)] if larger else []),
        *_layer(student[1], between, 1),
        *_layer(between, between, 3),
        *_layer(between, teacher[1], 1),
    )


def borrowing(student: Callable[[], nn.Module], teacher: Callable[[], nn.Module], size: int) -> nn.Module:
    """A student for SimKD: the body of one network, a projector, the head of the other; for images of ``size``.

    Both end in layers called ``pool, flatten, head``, as all networks of this package do; each gets pictures of as many
    channels as its first convolution takes.
    Raises ``ValueError`` for others.
    """
    body, whole = _body(student()), teacher()
    with torch.no_grad():
        shapes = [part.eval()(_example(part, size)).shape for part in (body, _body(whole))]
    return Reused(body.train(), bottleneck(*shapes), whole.get_submodule("head"))


def _body(model: nn.Module) -> nn.Sequential:
    names = [name for name, _ in model.named_children()]
    if not isinstance(model, nn.Sequential) or names[-3:] != ["pool", "flatten", "head"]:
        raise ValueError(
            f"SimKD cuts networks that end in pool, flatten, head; {type(model).__name__} ends in {names[-3:]}."
        )
    return nn.Sequential(OrderedDict(list(model.named_children())[:-3]))


def _example(model: nn.Module, size: int) -> Tensor:
    convolutions = (module.in_channels for module in model.modules() if isinstance(module, nn.Conv2d))
    return torch.zeros(1, next(convolutions, 3), size, size)


def _layer(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
