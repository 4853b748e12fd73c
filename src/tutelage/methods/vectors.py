"""Methods that learn what a teacher's vectors point at, whatever their length."""

from tutelage.losses.cosine_distance import cosine_distance
from tutelage.matching.projected import projected
from tutelage.methods.pair import Pair
from tutelage.objective import Objective, Term


def direction(pair: Pair) -> Objective:
    """Directions of embeddings: CE + (1 − cos), weighed as in DistilBERT (Sanh et al. 2019, arXiv:1910.01108).

    A student of another width goes through a linear map. Where the answers are vectors, it is theirs, beside the mean
    squares of their differences.
    """
    alike = pair.task.of_teacher or len({*pair.widths()}) == 1
    loss = cosine_distance if alike else projected(cosine_distance)
    return Objective(label=pair.truth(), direction=Term(loss, *pair.embeddings()))
