"""Match how near any two samples are by a Gaussian kernel, of which the first powers are kept."""

from math import exp, factorial

from torch import Tensor
from torch.nn import functional as F

from tutelage.limits import refuse_outside
from tutelage.losses.cosine_table import cosines
from tutelage.losses.similarity_preserving import as_rows
from tutelage.shapes import Embedding, Relational

CITATIONS = {
    "correlation_congruence": r"""@inproceedings{peng2019correlation,
  title     = {Correlation Congruence for Knowledge Distillation},
  author    = {Peng, Baoyun and Jin, Xiao and Liu, Jiaheng and Zhou, Shunfeng and Wu, Yichao and Liu, Yu and
               Li, Dongsheng and Zhang, Zhaoning},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  year      = {2019},
  url       = {https://arxiv.org/abs/1904.01802}
}"""
}

SHARPEST = 20
"""Its ``e^(−2γ)``, squared, is a float32 still."""


def correlation_congruence(
    student: Embedding, teacher: Embedding, sharpness: float = 0.4, order: int = 2
) -> Relational:
    r"""``mean_nm (k(s_n, s_m) − k(t_n, t_m))²`` with ``k(x, y) = e^(−2γ) Σ_{p ≤ P} (2γ)^p/p! cos(x, y)^p``.

    The Gaussian kernel ``exp(−γ ‖x − y‖²)`` of features made length 1, its Taylor series cut after ``order`` ``P``;
    ``sharpness`` is ``γ``. The widths may differ.
    Raises ``ValueError`` for an order outside 1 … 100, a sharpness outside 1e-6 … 20 (where the kernel is flat, or all
    0), one sample, or if the batches differ.

    Peng et al., "Correlation Congruence for Knowledge Distillation", 2019, arXiv:1904.01802, §3. The loss that
    RepDistiller calls CC (weight 0.02) is another: it multiplies the gaps of neighbours in the batch, so that the
    order of the batch counts and both networks must be of one width. Its weight does not carry over.

    >>> import torch
    >>> correlation_congruence(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0], [1.0]]))
    tensor(0.1266)
    """
    if order < 1:
        raise ValueError(f"The order of a correlation is at least 1, or all samples are alike; got {order}.")
    refuse_outside("The order of a correlation", order, 1, 100)
    refuse_outside("The sharpness of a correlation", sharpness, 1e-6, SHARPEST)
    rows_s, rows_t = as_rows(student, teacher)
    return F.mse_loss(_kernel(cosines(rows_s), sharpness, order), _kernel(cosines(rows_t), sharpness, order))


def _kernel(cosine: Tensor, sharpness: float, order: int) -> Tensor:
    sharp, total = 2 * sharpness, cosine.new_zeros(())
    for p in reversed(range(order + 1)):
        total = total * cosine + sharp**p / factorial(p)
    return exp(-sharp) * total
