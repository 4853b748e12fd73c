"""A trained network made smaller or faster itself, on data of one's own: int8, fewer channels, or both."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from tutelage.study.bounds import Above, AtLeast, AtMost, Seed, refuse_nonsense
from tutelage.study.own.settings import DataSettings
from tutelage.study.own.teacher_settings import OwnTeacherSettings
from tutelage.study.spread import spread

if TYPE_CHECKING:
    from tutelage.run import Run


@spread(own=OwnTeacherSettings, samples=DataSettings)
def compress(
    run: "Run",
    *,
    data: str,
    target: str,
    may_lose: Annotated[float, AtLeast(0), AtMost(100)] = 1.0,
    minutes: Annotated[float, Above(0), AtMost(10_000)] = 30.0,
    epochs: Annotated[int, AtLeast(0), AtMost(10**6)] = 0,
    augment: Literal["none", "light", "strong"] = "light",
    dry_run: bool = False,
    seed: Seed = 0,
    own: OwnTeacherSettings,
    samples: DataSettings,
) -> None:
    """Make a trained network itself smaller or faster, on your own data, and measure what that cost.

    What int8 and pruning cost is tried first, in validation figures, bytes and milliseconds of real files. What
    reaches the target at the least loss is told as a plan. Then a little is pruned and recovers, taught by what the
    network was, until so much is left; the test samples are read once, at the end.

    Args:
        data: where the samples lie: a folder with a folder of pictures for each class, a table, arrays, or a function
        target: how small or how fast: 4x smaller, 1 MB (of the file), 2x faster, 3 ms (a sample in ONNX Runtime), 90
            MMACs, 0.3M parameters, quarter (of the MACs)
        may_lose: points of the figure that people ask for, on validation samples, that it may lose (of one that is no
            percentage, per cent of it)
        minutes: how long all of it takes, within 15 %, if --epochs does not say how long to train
        epochs: how long to train; 0 trains as long as the minutes allow; int8 alone trains nothing
        augment: how far the pictures are changed in training: not at all, moved and mirrored a little, or much
        dry_run: only try the tools, make the plan, and tell it
        seed: of the order and the views of samples
    """
    from tutelage.study.own.original import original_of
    from tutelage.study.own.participants import DistillationSettings
    from tutelage.study.planning.compression import CompressionSettings, compressed

    refuse_nonsense(compress, {**locals(), **vars(samples), **vars(own)})
    learning = DistillationSettings("kd", minutes, epochs, augment, False, dry_run, seed)
    compressed(run, partial(original_of, run, own, data, samples), CompressionSettings(target, may_lose, learning))
