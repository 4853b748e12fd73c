"""A small network of a trained one, on data of one's own: planned, trained, measured, beside the same one alone."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from tutelage.study.bounds import Above, AtLeast, AtMost, Seed, refuse_nonsense
from tutelage.study.own.settings import DataSettings
from tutelage.study.own.teacher_settings import OwnTeacherSettings
from tutelage.study.spread import spread

if TYPE_CHECKING:
    from tutelage.run import Run


@spread(own=OwnTeacherSettings, samples=DataSettings)
def distill(
    run: "Run",
    *,
    data: str,
    student: str,
    method: str = "auto",
    minutes: Annotated[float, Above(0), AtMost(10_000)] = 30.0,
    epochs: Annotated[int, AtLeast(0), AtMost(10**6)] = 0,
    augment: Literal["none", "light", "strong"] = "light",
    baseline: bool = True,
    dry_run: bool = False,
    seed: Seed = 0,
    own: OwnTeacherSettings,
    samples: DataSettings,
) -> None:
    """Make a small network of a trained one, on your own data, and measure both and the same small one without it.

    The teacher is measured first, and the run stops if it is no good. A pilot, a tenth of the minutes at most, finds a
    batch that fits, a learning rate and the time of a step; the plan is told before anything is trained. The best epoch
    on validation samples counts, and the test samples are read once, at the end.

    Args:
        data: where the samples lie: a folder with a folder of pictures for each class, a table, texts, arrays, or a
            function
        student: the small network: resnet8, a dotted path of yours, timm:NAME; or a budget within which it is sought
            in the teacher: half, quarter, '90 MMACs', '200 kparameters', '5 ms'; of texts: half, quarter, tiny, static
        method: what the student learns from the teacher: kd, 0.5*kd+at, …; auto is kd, soft targets, and beside it the
            loss of layers that the pilot's validation prefers, if there is one
        minutes: how long all of it takes, within 15 %, if --epochs does not say how long to train
        epochs: how long to train; 0 trains as long as the minutes allow
        augment: how far the student's pictures are changed: not at all, moved and mirrored a little, or much
        baseline: also train the same student without a teacher, as long: was it worth it?
        dry_run: only make the plan, and tell it
        seed: of the student's weights, the order and the views of samples
    """
    from tutelage.study.own.participants import DistillationSettings, participants_of
    from tutelage.study.planning.distillation import distilled

    refuse_nonsense(distill, {**locals(), **vars(samples), **vars(own)})
    asked = DistillationSettings(method, minutes, epochs, augment, baseline, dry_run, seed)
    distilled(run, partial(participants_of, run, own, data, student, samples), asked)
