"""A small network of a trained one, on data of one's own: planned, trained, measured, beside the same one alone."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tutelage.study.bounds import Above, AtLeast, AtMost, Seed, Share, refuse_nonsense
from tutelage.study.own_settings import DataSettings
from tutelage.study.spread import spread

if TYPE_CHECKING:
    from tutelage.run import Run


@spread("samples", DataSettings)
def distill(
    run: "Run",
    *,
    teacher: str,
    data: str,
    student: str,
    weights: Path | None = None,
    method: str = "auto",
    minutes: Annotated[float, Above(0), AtMost(10_000)] = 30.0,
    epochs: Annotated[int, AtLeast(0), AtMost(10**6)] = 0,
    augment: Literal["none", "light", "strong"] = "light",
    baseline: bool = True,
    dry_run: bool = False,
    expect: Share = 0.0,
    teacher_size: Annotated[int, AtLeast(0), AtMost(1024)] = 0,
    teacher_mean: tuple[Share, ...] = (),
    teacher_std: tuple[Annotated[float, Above(0), AtMost(1)], ...] = (),
    seed: Seed = 0,
    samples: DataSettings,
) -> None:
    """Make a small network of a trained one, on your own data, and measure both and the same small one without it.

    The teacher is measured first, and the run stops if it is no good. A pilot, a tenth of the minutes at most, finds a
    batch that fits, a learning rate and the time of a step; the plan is told before anything is trained. The best epoch
    on validation samples counts, and the test samples are read once, at the end.

    Args:
        teacher: the trained network: resnet56, wrn_40_2, …, or a dotted path such as my_lab.nets.Net(width=2)
        data: where the samples lie: a folder with a folder of pictures for each class, or a table of them
        student: the small network, by such a name; half or quarter of a teacher that is one of ours
        weights: the file with the teacher's trained weights
        method: what the student learns from the teacher: kd, 0.5*kd+at, …; auto is kd, soft targets, and beside it the
            loss of layers that the pilot's validation prefers, if there is one
        minutes: how long all of it takes, within 15 %, if --epochs does not say how long to train
        epochs: how long to train; 0 trains as long as the minutes allow
        augment: how far the student's pictures are changed: not at all, moved and mirrored a little, or much
        baseline: also train the same student without a teacher, as long: was it worth it?
        dry_run: only make the plan, and tell it
        expect: the share that the teacher is known to get right; far below that, the run stops. 0 expects nothing
        teacher_size: pixels a side that the teacher sees; 0 shows it the pictures as the student sees them
        teacher_mean: means of the channels (0 to 1) with which the teacher's pictures are normalised, if otherwise
        teacher_std: their deviations, likewise
        seed: of the student's weights, the order and the views of samples
    """
    from tutelage.study.cast import Asked, cast_of
    from tutelage.study.distillation import distilled
    from tutelage.study.joints import OwnTeacher

    refuse_nonsense(distill, {**locals(), **vars(samples)})
    asked = Asked(method, minutes, epochs, augment, baseline, dry_run, seed)
    own = OwnTeacher(teacher, weights, expect, teacher_size, teacher_mean, teacher_std)
    distilled(run, partial(cast_of, run, own, data, student, samples), asked)
