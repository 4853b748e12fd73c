"""Match the direction of the features, whatever their length."""

from tutelage.losses.similarity_preserving import directions, near_one
from tutelage.shapes import Divergence, Embedding, at_least_float32

SANH = r"""@article{sanh2019distilbert,
  title   = {{DistilBERT}, a distilled version of {BERT}: smaller, faster, cheaper and lighter},
  author  = {Sanh, Victor and Debut, Lysandre and Chaumond, Julien and Wolf, Thomas},
  journal = {arXiv preprint arXiv:1910.01108},
  year    = {2019},
  url     = {https://arxiv.org/abs/1910.01108}
}"""
CITATIONS = {"cosine_distance": SANH}


def cosine_distance(student: Embedding, teacher: Embedding) -> Divergence:
    r"""``mean_n (1 − cos(s_n, t_n))`` of the vectors in the last dimension: from 0 to 2.

    Computed as half the squared distance of the two directions, which loses nothing where they nearly agree. The mean
    is over everything but the last dimension: samples, and tokens where there are such. A vector of zeros has no
    direction and counts ½. Raises ``ValueError`` if the shapes differ: a narrower student goes through
    ``tutelage.matching.projected`` first.

    Sanh, Debut, Chaumond & Wolf, "DistilBERT", 2019, arXiv:1910.01108, §3, on the last hidden states; published weight
    1 beside 5 for the soft targets and 2 for the labels.

    >>> import torch
    >>> cosine_distance(torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([[2.0, 0.0], [1.0, -1.0]]))
    tensor(0.5000)
    """
    if student.shape != teacher.shape:
        raise ValueError(
            f"Student's and teacher's features must have one shape; got {tuple(student.shape)} and "
            f"{tuple(teacher.shape)}: project the student's (tutelage.matching.projected)."
        )
    of_student, of_teacher = (directions(near_one(at_least_float32(x), -1)) for x in (student, teacher))
    return (of_student - of_teacher).square().sum(-1).mean() / 2
