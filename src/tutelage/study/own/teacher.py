"""A teacher that is trained already: found, filled, measured on validation samples, and refused where it does badly."""

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from tutelage.foreign.forms import only_answers
from tutelage.plurals import counted
from tutelage.profiling import clocked
from tutelage.run import Run
from tutelage.stages.storage import Finished
from tutelage.study.diagnosis.causes import diagnosed
from tutelage.study.diagnosis.measured_first import measured_first
from tutelage.study.diagnosis.pictures_tried import Way
from tutelage.study.own.teacher_builds import as_logits, fitted, refuse_untrained, teacher_build
from tutelage.study.own.teacher_inputs import shown_to, with_head
from tutelage.study.own.teacher_settings import OwnTeacherSettings
from tutelage.study.sets import Sets
from tutelage.weights.foreign import load_foreign
from tutelage.weights.heads import rows_of_head


def own_teacher(run: Run, data: Sets, asked: OwnTeacherSettings, name: str = "teacher") -> Finished:
    """The teacher of ``built_teacher``, for whoever builds none of its kind."""
    return built_teacher(run, data, asked, name)[0]


@clocked("measures")
def built_teacher(
    run: Run, data: Sets, asked: OwnTeacherSettings, name: str = "teacher"
) -> tuple[Finished, Callable[[], nn.Module]]:
    """The teacher that ``asked`` names, with its weights, as a stage of ``run``, and how it is built; untrained here.

    It is measured on validation samples first: what it makes of them, and what was done to its weights, is said.
    ``shown_to`` and ``sees`` say how it is asked in a training. Raises ``ValueError`` for a network that is not
    trained, does no better than chance, or clearly worse than ``asked.expect``, with what would help, as far as
    something that is usually wrong was found to be; and as ``own_network`` and ``run.given`` do.
    """
    build, pictures = teacher_build(data, asked, run.progress.note)
    called = asked.teacher if asked.weights is None else f"{asked.teacher} with the weights in {asked.weights}"
    refuse_untrained(asked, build)
    try:
        build = as_logits(
            build, data, pictures, asked.teacher, asked.weights, run.progress.note, said=asked.teacher_answers
        )
        given = run.given(name, build, asked.weights)
    except ValueError as misfit:
        refuse_other_count(misfit, data, asked, pictures, called)
        raise
    if data.task.of_teacher:
        run.progress.note(f"{name}: what {called} answers is what is learnt and judged by")
        return given, build
    seen = shown_to(given.last, with_head(data, given.last))
    for sentence in measured_first(given.last, seen, pictures, asked.expect, called, "--teacher-"):
        run.progress.note(f"{name}: {sentence}")
    return given, build


def refuse_other_count(misfit: ValueError, data: Sets, asked: OwnTeacherSettings, pictures: Way, called: str) -> None:
    """Raise ``ValueError`` where the weights are of the same network for another number of classes, with the reason."""
    if asked.weights is None or not asked.weights.is_file() or only_answers(asked.teacher):
        return
    try:
        build, _ = teacher_build(data, asked, lambda _: None)
        rows = rows_of_head(asked.weights, build())
    except ValueError:
        return
    if rows is None:
        return
    there, here = rows
    raise ValueError(
        f"{called}: the file is of a network with {counted(there, 'answer')}, and {asked.teacher} has {here} for the "
        f"data's "
        f"{counted(len(data.train.classes), 'class')}{_other_count(data, asked, pictures, there)}."
    ) from misfit


def _other_count(data: Sets, asked: OwnTeacherSettings, pictures: Way, there: int) -> str:
    """What the network makes of the samples with as many answers as its weights have, where it can be built so."""
    wider = replace(data, train=replace(data.train, classes=tuple(map(str, range(there)))))
    if there < len(data.train.classes) or asked.weights is None:
        return ": one of the two lacks classes"
    try:
        build, way = teacher_build(wider, asked, lambda _: None)
        network = fitted(build, data, way)()
        load_foreign(asked.weights, network)
    except ValueError:
        return ""
    why = diagnosed(network.to(data.train.inputs.device), data, pictures, "--teacher-")
    return f". On {counted(why.count, 'sample')}: {why}"
