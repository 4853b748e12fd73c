"""A trained network that is to become smaller itself: who takes part where no other student is given."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import nn

from tutelage.copies import copy_of, learning
from tutelage.foreign.forms import only_answers
from tutelage.keys import already_imported, described, restored
from tutelage.run import Run
from tutelage.stages.storage import Finished
from tutelage.study.own.participants import Participants
from tutelage.study.own.sets import own_sets
from tutelage.study.own.settings import DataSettings
from tutelage.study.own.teacher import built_teacher
from tutelage.study.own.teacher_builds import refuse_unknown
from tutelage.study.own.teacher_inputs import sees, with_head
from tutelage.study.own.teacher_settings import OwnTeacherSettings
from tutelage.study.own.text_teachers import as_cut
from tutelage.study.sets import Sets


def original_of(run: Run, own: OwnTeacherSettings, where: str, settings: DataSettings) -> Participants:
    """The network that flags name, measured, and the samples: it is its own student before anything is taken out of it.

    Raises ``ValueError`` and ``FileNotFoundError`` for what is not there or does not fit, each in one sentence.
    """
    refuse_only_answers(own.teacher)
    refuse_unknown(own)
    data = own_sets(run.device, where, as_cut(settings, own.teacher, run.progress.note), run.progress.note, run.root)
    if data.tokenisation is not None:
        raise ValueError(
            f"{where} holds texts, and compress makes networks of pictures and numbers smaller; for texts there is "
            "tutelage distill --student half."
        )
    network, build = built_teacher(run, data, own)
    restored(described(build), already_imported)  # what comes out is built by it again
    return as_original(network, build, with_head(data, network.last), own.teacher)


def as_original(network: Finished, build: Callable[[], nn.Module], data: Sets, called: str) -> Participants:
    """The trained ``network``, which ``build`` makes, as teacher and as what becomes smaller."""
    return Participants(data, network, build, build, (called, f"{called}, compressed"), sees(network.last))


def refuse_only_answers(called: str) -> None:
    """Raise ``ValueError`` for a file that only answers: nothing can be taken out of it, and nothing learns in it."""
    if only_answers(called):
        raise ValueError(
            f"{called} only answers, and has no layers to take channels out of; name the network that it was made of, "
            "or make a small one of it with tutelage distill."
        )


def as_it_is(participants: Participants) -> Participants:
    """The same, where a student begins with the weights that the network has: what a pilot trains."""
    return replace(participants, build_student=partial(copied, participants.teacher.last))


def copied(network: nn.Module) -> nn.Module:
    """A copy that can be trained."""
    return learning(copy_of(network))
