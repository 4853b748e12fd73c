"""Which layers of the teacher should a layer of the student learn from? Fixed answers, attention, and SemCKD.

All but SemCKD are CE + 100 · MSE of maps. Layers are compared at the smallest map and the greatest width of a range, so
a fixed mapping sees more of an early block than attention over all does; ``proportional_pooled`` is the one from which
attention over all blocks differs in its weights alone. The weight of 100 is that of the hint in later comparisons; none
is published for the proposal.
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from tutelage.losses.hint import mean_squares
from tutelage.matching.attentive import Attentive
from tutelage.matching.fitted import learned_orthogonal, unit_orthogonal
from tutelage.matching.guided import Guided
from tutelage.matching.ranges import Ranges, addresses, every_layer, window
from tutelage.matching.semckd import SemCKD
from tutelage.matching.similarities import (
    Detached,
    QueryKey,
    cosine_similarity,
    inner_product,
    negative_squares,
    scaled_dot,
    single_place,
)
from tutelage.methods.pair import Pair
from tutelage.objective import Objective, Term


def from_first(pair: Pair) -> Objective:
    """The student's first layer learns from the teacher's first block, the second from the second, and so on."""
    students, teachers = pair.blocks()
    return _layers(pair, Attentive(mean_squares, _one_each(students, teachers[: len(students)])))


def proportional(pair: Pair) -> Objective:
    """The m-th of the student's M layers learns from the teacher's block m · N / M of N: what is usually done."""
    return _layers(pair, Attentive(mean_squares, window(*pair.blocks(), reach=0)))


def proportional_pooled(pair: Pair) -> Objective:
    """As proportional, but compared as attention over all blocks compares: at the last block's size and width."""
    students, teachers = pair.blocks()
    ranges = every_layer(students, teachers)
    chosen = window(students, teachers, reach=0)
    similarity = [partial(single_place, place=ranges[name].index(chosen[name][0])) for name in ranges]
    return _layers(pair, Attentive(mean_squares, ranges, similarity=similarity))


def from_last(pair: Pair) -> Objective:
    """The student's last layer learns from the teacher's last block, the one before from the one before it."""
    students, teachers = pair.blocks()
    return _layers(pair, Attentive(mean_squares, _one_each(students, teachers[-len(students) :])))


def mean_of_stage(pair: Pair) -> Objective:
    """The mean of the blocks of the stage that a layer is in proportion to: what guided_stage begins with."""
    ranges = _stages(pair)
    return _layers(pair, Attentive(mean_squares, ranges, similarity=_all_alike))


FIXED = (from_first, proportional, proportional_pooled, from_last, mean_of_stage)
"""The methods whose layers are given; those of all others here are chosen as the student learns."""


def attend_dot(pair: Pair) -> Objective:
    """Attention over all blocks by inner products: the multi-knowledge proposal."""
    return _layers(pair, Attentive(mean_squares, every_layer(*pair.blocks()), similarity=inner_product))


def attend_scaled(pair: Pair) -> Objective:
    """Attention over all blocks by inner products over the root of the width."""
    return _layers(pair, Attentive(mean_squares, every_layer(*pair.blocks()), similarity=scaled_dot))


def attend_cosine(pair: Pair) -> Objective:
    """Attention over all blocks by cosines at temperature 0.1."""
    return _layers(
        pair,
        Attentive(mean_squares, every_layer(*pair.blocks()), similarity=partial(cosine_similarity, temperature=0.1)),
    )


def attend_nearest(pair: Pair) -> Objective:
    """Attention over all blocks by negative squared distances."""
    return _layers(pair, Attentive(mean_squares, every_layer(*pair.blocks()), similarity=negative_squares))


def attend_learned(pair: Pair) -> Objective:
    """Attention over all blocks by learned queries and keys, with teacher projections that learn to turn."""
    ranges = every_layer(*pair.blocks())
    return _layers(pair, Attentive(mean_squares, ranges, similarity=QueryKey(), project=learned_orthogonal))


def attend_detached(pair: Pair) -> Objective:
    """Attention as attend_scaled, but the student is not rewarded for looking at what is easy to repeat."""
    ranges = every_layer(*pair.blocks())
    return _layers(pair, Attentive(mean_squares, ranges, similarity=Detached(scaled_dot)))


def attend_unit(pair: Pair) -> Objective:
    """Attention as attend_scaled, over blocks made equally large, so that none wins by being small."""
    ranges = every_layer(*pair.blocks())
    return _layers(pair, Attentive(mean_squares, ranges, similarity=scaled_dot, project=unit_orthogonal))


def attend_window(pair: Pair) -> Objective:
    """Attention as attend_scaled, over the proportional block and one more on either side."""
    return _layers(pair, Attentive(mean_squares, window(*pair.blocks(), reach=1), similarity=scaled_dot))


def guided(pair: Pair) -> Objective:
    """Over all blocks, each weighed by how well a step towards it agrees with one that the labels want. Ours."""
    return _guided(pair, every_layer(*pair.blocks()))


def guided_stage(pair: Pair) -> Objective:
    """As guided, over the blocks of the stage that a layer of the student is in proportion to. Ours."""
    return _guided(pair, _stages(pair))


def semckd(pair: Pair) -> Objective:
    """As published: CE + KD (T = 4) + 400 SemCKD over the maps. github.com/DefangChen/SemCKD."""
    return Objective(label=pair.labels(), soft=pair.soft(), layers=_calibrated(pair))


def semckd_alone(pair: Pair) -> Objective:
    """CE + 400 SemCKD, without soft targets, as all others here are."""
    return Objective(label=pair.labels(), layers=_calibrated(pair))


def _calibrated(pair: Pair) -> Term:
    ranges = every_layer(*pair.maps())
    return Term(SemCKD(ranges, samples=pair.lesson.batch_size), *addresses(ranges), weight=400.0, across=True)


def _one_each(students: Sequence[str], teachers: Sequence[str]) -> Ranges:
    return {student: [teacher] for student, teacher in zip(students, teachers, strict=True)}


def _guided(pair: Pair, ranges: Ranges) -> Objective:
    label = pair.labels()
    matched = Guided(mean_squares, ranges, guide=label.loss)
    return Objective(label=label, layers=Term(matched, *addresses(ranges), *label.addresses, weight=100.0, across=True))


def _stages(pair: Pair) -> Ranges:
    """Blocks are dealt out in order: the m-th of M layers gets those from (m − 1) · N / M to m · N / M of N."""
    students, teachers = pair.blocks()
    ends = [round(m * len(teachers) / len(students)) for m in range(len(students) + 1)]
    return {name: teachers[a : max(b, a + 1)] for name, a, b in zip(students, ends[:-1], ends[1:], strict=True)}


def _all_alike(_student: Tensor, teachers: Tensor) -> Tensor:
    return torch.zeros_like(teachers[:, :, 0])


def _layers(pair: Pair, matched: Attentive) -> Objective:
    return Objective(label=pair.labels(), layers=Term(matched, *addresses(matched.ranges), weight=100.0))
