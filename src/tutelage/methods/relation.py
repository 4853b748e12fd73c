"""Methods that learn how samples stand to each other in the teacher's eyes."""

from tutelage.losses.correlation import correlation_congruence
from tutelage.losses.cosine_table import cosine_table
from tutelage.losses.pkt import pkt as neighbours
from tutelage.losses.rkd import angles, distances
from tutelage.losses.similarity_preserving import similarity_preserving
from tutelage.methods.pair import Pair
from tutelage.objective import Loss, Objective, Term


def rkd(pair: Pair) -> Objective:
    """Distances and angles of embeddings: CE + 25 RKD-D + 50 RKD-A. github.com/HobbitLong/RepDistiller."""
    return Objective(
        label=pair.truth(), distances=_relation(distances, pair, 25.0), angles=_relation(angles, pair, 50.0)
    )


def sp(pair: Pair) -> Objective:
    """Similarity preserving, at the last map: CE + 3000 SP. github.com/HobbitLong/RepDistiller."""
    return Objective(
        label=pair.truth(), similarity=Term(similarity_preserving, *pair.last_maps(), weight=3000.0, across=True)
    )


def cosines(pair: Pair) -> Objective:
    """The table of cosines of embeddings: CE + 10 · its mean squared gap. No weight is published; this one is ours."""
    return Objective(label=pair.truth(), cosines=_relation(cosine_table, pair, 10.0))


def cc(pair: Pair) -> Objective:
    """Correlation congruence of embeddings: CE + 10 · the paper's kernel form. Its weight is ours: see the loss."""
    return Objective(label=pair.truth(), congruence=_relation(correlation_congruence, pair, 10.0))


def pkt(pair: Pair) -> Objective:
    """Probabilities of being neighbours: CE + 30000 PKT of embeddings. github.com/HobbitLong/RepDistiller."""
    return Objective(label=pair.truth(), neighbours=_relation(neighbours, pair, 3e4))


def _relation(loss: Loss, pair: Pair, weight: float) -> Term:
    return Term(loss, *pair.embeddings(), weight=weight, across=True)
