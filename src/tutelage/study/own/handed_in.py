"""Networks and data that somebody hands in from Python, as objects or by name: who they are, and how they are built."""

from pathlib import Path

from torch import nn

from tutelage.foreign.log_answers import Said
from tutelage.keys import Build, described, key_of
from tutelage.run import Run
from tutelage.stages.storage import Finished
from tutelage.study.diagnosis.measured_first import measured_first
from tutelage.study.diagnosis.pictures_tried import Way
from tutelage.study.own.given_sets import on_device
from tutelage.study.own.instances import build_of, instance_of, stage_of
from tutelage.study.own.networks import refuse_stranger
from tutelage.study.own.sets import own_sets
from tutelage.study.own.settings import DataSettings
from tutelage.study.own.teacher import built_teacher
from tutelage.study.own.teacher_builds import as_logits
from tutelage.study.own.teacher_inputs import with_head
from tutelage.study.own.teacher_settings import OwnTeacherSettings
from tutelage.study.own.text_teachers import as_cut
from tutelage.study.sets import Sets


def trained_network(
    run: Run,
    network: nn.Module | str,
    data: str | Path | Sets,
    weights: Path | str | None,
    answers: Said,
    settings: DataSettings,
) -> tuple[Sets, Finished, Build]:
    """The samples, the network as a stage of ``run``, measured on validation samples first, and how it is built.

    Raises as ``own_teacher`` and ``own_sets``.
    """
    if isinstance(network, str):
        settings = as_cut(settings, network, run.progress.note)
    sets = on_device(data, run.device) if isinstance(data, Sets) else None
    sets = sets or own_sets(run.device, str(data), settings, run.progress.note, run.root)
    if isinstance(network, str):
        trained, build = built_teacher(run, sets, own_of(network, weights, answers))
        return with_head(sets, trained.last), trained, build
    instance = instance_of(network)
    called = instance.kind.__name__
    build = as_logits(build_of(instance), sets, Way(), called, None, run.progress.note, said=answers)
    asked = run.laid_out(build())
    sets = with_head(sets, asked)
    refuse_stranger(called, asked, sets)
    trained = stage_of(run, instance, build)
    if sets.task.of_teacher:
        return sets, trained, build
    for sentence in measured_first(trained.last, sets, Way(), 0.0, called, "--teacher-"):
        run.progress.note(f"teacher: {sentence}")
    return sets, trained, build


def own_of(network: str, weights: Path | str | None, answers: Said) -> OwnTeacherSettings:
    """What a person says of a network by name."""
    file = None if weights is None else Path(weights)
    return OwnTeacherSettings(teacher=network, weights=file, teacher_answers=answers)


def word_of(network: nn.Module | str) -> str:
    """What the run is told of a network."""
    return network if isinstance(network, str) else str(instance_of(network))


def where_of(data: str | Path | Sets) -> str:
    """What the run is told of the data: other ones in memory, in any of their parts, are another run's."""
    if not isinstance(data, Sets):
        return str(data)
    parts = (data.train, data.validation, data.test, data.unlabelled)
    shown = [described(x) for x in (data.test_transform, data.task, data.normalisation)]
    sums = [None if part is None else part.checksum for part in parts]
    return f"{data.train.name} {key_of([sums, shown])[:8]}"
