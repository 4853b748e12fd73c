"""A teacher of another vocabulary: the probabilities alone, largest first, whatever tokens they are of."""

from torch import Tensor
from torch.nn import functional as F

from tutelage.losses.kd import class_dim, tempered
from tutelage.shapes import Divergence, Logits

CITATIONS = {
    "universal_logits": r"""@article{boizard2025towards,
  title   = {Towards Cross-Tokenizer Distillation: the Universal Logit Distillation Loss for {LLMs}},
  author  = {Boizard, Nicolas and El Haddad, Kevin and Hudelot, C{\'e}line and Colombo, Pierre},
  journal = {Transactions on Machine Learning Research},
  year    = {2025},
  url     = {https://arxiv.org/abs/2402.12030}
}"""
}


def universal_logits(student: Logits, teacher: Logits, dim: int | None = None) -> Divergence:
    r"""``mean_n Σ_i |p_n(i) − q_n(i)|`` of the i-th largest probabilities of teacher and student, from 0 to 2.

    The Wasserstein distance where every token is as far from every other. The two may have any numbers of classes,
    ``dim`` being theirs as in ``soft_targets``; the smaller number is filled up with probabilities of 0. **It does not
    see which token is which**: it stands beside the loss of the labels, never alone. Row ``n`` is one position of a
    text in both: where two tokenizers cut it into different numbers of tokens, both are cut to the smaller number, as
    published. Raises ``ValueError`` where the positions are not as many, and for a single class.

    Boizard et al., "Towards Cross-Tokenizer Distillation: the Universal Logit Distillation Loss for LLMs", TMLR 2025,
    arXiv:2402.12030; published weight 1.5 beside the label loss of weight 1.

    >>> import torch
    >>> universal_logits(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0, 2.0]]))
    tensor(0.8250)
    """
    rows = [x.movedim(class_dim(x, x, dim), -1) for x in (student, teacher)]
    _refuse_other_positions(*rows)
    largest = [tempered(x, 1.0, -1).exp().sort(-1, descending=True).values for x in rows]
    classes = max(x.shape[-1] for x in largest)
    filled_s, filled_t = (F.pad(x, (0, classes - x.shape[-1])) for x in largest)
    return (filled_s - filled_t).abs().sum(-1).mean()


def _refuse_other_positions(student: Tensor, teacher: Tensor) -> None:
    if student.shape[:-1] != teacher.shape[:-1]:
        raise ValueError(
            f"Student and teacher must give logits for as many positions, whatever their vocabularies; got "
            f"{tuple(student.shape)} and {tuple(teacher.shape)}: cut both to the smaller number of tokens."
        )
