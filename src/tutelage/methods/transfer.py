"""Methods where nobody knows the labels, as in the transfer to another modality: all that they learn beside these."""

from tutelage.data.labelled import Labelled
from tutelage.losses.hint import mean_squares, normed_regressor
from tutelage.matching.projected import projected
from tutelage.methods.pair import Pair
from tutelage.objective import Objective, Term


class NoLabelsError(ValueError):
    """What is to be learnt compares with labels, and the samples have none."""


def hint_last(pair: Pair) -> Objective:
    """A hint at the last map, so that all below the student's head learns: CE + 100 · MSE.

    The method called hint is at the middle map: without labels nothing would learn above it. The published code leaves
    the place to an option. github.com/HobbitLong/RepDistiller.
    """
    loss = projected(mean_squares, normed_regressor)
    return Objective(label=pair.labels(), hint=Term(loss, *pair.last_maps(), weight=100.0))


def as_labels_allow(objective: Objective, data: Labelled) -> Objective:
    """``objective`` itself where ``data`` has labels, else without its term ``label``, if that reads them.

    Raises ``NoLabelsError``, where it has none, for other terms that read them and for an objective without any.
    """
    if data.has_targets:
        return objective
    told = ("batch", "target")
    rest = {x: term for x, term in objective.terms.items() if x != "label" or told not in objective.reads([x])}
    if not rest:
        refuse_unlabelled(objective, data)
    refuse_unlabelled(without := Objective(**rest), data)
    return without


def refuse_unlabelled(objective: Objective, data: Labelled) -> None:
    """Raise ``NoLabelsError`` for terms that compare with labels where ``data`` has none."""
    readers = [name for name in objective.terms if ("batch", "target") in objective.reads([name])]
    if readers and not data.has_targets:
        raise NoLabelsError(
            f"The samples of {data.name!r} have no labels, and {', '.join(map(repr, readers))} compares with them; "
            "choose what learns from a teacher alone, such as kd, at, hint_last or crd."
        )
