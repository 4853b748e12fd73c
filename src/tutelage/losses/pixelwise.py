"""Soft targets of maps: the teacher's class probabilities at each pixel."""

import torch
from torch import Tensor

from tutelage.losses.kd import not_negative, tempered, weighted
from tutelage.losses.masked import mean_over
from tutelage.shapes import Divergence, LogitMap

IGNORED = 255
"""The label of pixels of which nobody knows the class, as in the masks of PASCAL VOC and Cityscapes."""
CITATIONS = {
    "pixelwise_targets": r"""@inproceedings{liu2019structured,
  title     = {Structured Knowledge Distillation for Semantic Segmentation},
  author    = {Liu, Yifan and Chen, Ke and Liu, Chris and Qin, Zengchang and Luo, Zhenbo and Wang, Jingdong},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2019},
  url       = {https://arxiv.org/abs/1903.04197}
}"""
}


def labelled_pixels(
    _student: object = None, _teacher: object = None, target: Tensor | None = None, ignored: int = IGNORED, **_: float
) -> int | None:
    """How many pixels count; ``None`` where there are no labels, and all do."""
    return None if target is None else int((target != ignored).sum())


@mean_over(labelled_pixels)
def pixelwise_targets(
    student: LogitMap, teacher: LogitMap, target: Tensor | None = None, temperature: float = 1.0, ignored: int = IGNORED
) -> Divergence:
    r"""The divergence at a pixel, ``T² · mean_p KL(softmax(t_p/T) ‖ softmax(s_p/T))``, over the classes, dimension 1.

    A sum over classes and a mean over the pixels of the whole batch: it does not grow with the size of a picture.
    Pixels of which ``target`` (N, H, W) is ``ignored`` count neither in the sum nor in the mean; without ``target`` all
    count, and if none does it is 0. Zero iff both give the same probabilities wherever it is counted.

    The paper and its code have ``T = 1``; ``T²`` is that of ``soft_targets``. Raises ``ValueError`` if the shapes
    differ, for what is no map of two classes or more, a target of another size, and a ``T`` outside 1e-18 … 1e18.

    Liu et al., "Structured Knowledge Distillation for Semantic Segmentation", CVPR 2019, arXiv:1903.04197, eq. 1
    (pixel-wise distillation).

    >>> pixelwise_targets(torch.zeros(1, 2, 8, 8), torch.ones(1, 2, 8, 8) * torch.tensor([2.0, 0.0])[:, None, None])
    tensor(0.3278)
    """
    _refuse_other_maps(student, teacher, target)
    log_s, log_t = tempered(student, temperature, 1), tempered(teacher, temperature, 1)
    pixels = weighted(log_t.exp(), log_t - log_s).sum(1)  # (N, H, W)
    if target is None:
        return not_negative(pixels.sum()) * (temperature**2 / max(pixels.numel(), 1))
    counted = target != ignored
    total = not_negative(torch.where(counted, pixels, 0.0).sum())
    return total * temperature**2 / counted.sum().clamp_min(1)


def _refuse_other_maps(student: Tensor, teacher: Tensor, target: Tensor | None) -> None:
    if student.shape != teacher.shape or student.ndim != 4 or student.shape[1] < 2:
        raise ValueError(
            f"Student and teacher must give maps of logits (N, C, H, W) of one size, of two classes or more; "
            f"got {tuple(student.shape)} and {tuple(teacher.shape)}: bring both to the size of the masks, as "
            f"torch.nn.functional.interpolate does in their forward."
        )
    wanted = (len(student), *student.shape[2:])
    if target is not None and tuple(target.shape) != wanted:
        raise ValueError(f"There is a label for each pixel, {wanted}; got {tuple(target.shape)}.")
