"""What a distillation is going to do: epochs, rates, method, and how long each part takes; kept in a file.

The clock decides in it, so it is made once: whoever asks for the same distillation again reads it, and trains the same
networks to the same bits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter

from tutelage.checkpoint import read_json, write_json
from tutelage.checksums import summed, unsummed
from tutelage.data.lesson import Lesson
from tutelage.files import made_folder
from tutelage.keys import described, key_of
from tutelage.plurals import counted
from tutelage.run import Run
from tutelage.stages.code import code_of
from tutelage.study.budget import Pace, epochs_within, refuse_too_short
from tutelage.study.own.participants import DistillationSettings, Participants
from tutelage.study.planning.handover import load_writers
from tutelage.study.planning.pilot import Found, pilot

PLANS = "plans"
"""The folder beside the stages in which plans lie, each by what it was made for."""
REVISION = 3
"""Raised when the same question would get another plan."""
FILES = 6.0
"""Seconds for what comes out, files that are written and checked, and the page, on a machine that is not slow."""
LATER = {"pilot": 0.0, "under_way": False}
"""What plans did not say at first."""
MANY = 2
"""How many times as many epochs have to fit for a plan of a cold start to be made anew."""
CLOCKED = 3600
"""Samples that each network is shown where its latency is measured."""


@dataclass(frozen=True)
class TimedPlan:
    """What a pilot ``found``, the epochs that follow, and the seconds of what comes before and after the trainings.

    ``pilot`` seconds of those before were its own. While a training is ``under_way`` nobody makes another plan.
    """

    found: Found
    epochs: int
    before: float
    after: float
    pilot: float = 0.0
    under_way: bool = False

    @property
    def seconds(self) -> dict[str, float]:
        """What each part is expected to take."""
        trainings = {name: pace.seconds(self.epochs) for name, pace in self.paces.items()}
        search = {} if self.found.search is None else {"search": self.found.search.seconds(self.found.rounds)}
        before, after = {"reading, the teacher and the pilot": self.before}, {"measuring and files": self.after}
        return {**before, **search, **trainings, **after}

    def keeps_answers(self, lesson: Lesson) -> bool:
        """Whether the teacher's answers are written down: the only training that asks for them asks a second time."""
        return self.found.once and lesson.repeats(self.epochs)

    @property
    def paces(self) -> dict[str, Pace]:
        own = {"student": self.found.taught}
        return own if self.found.alone is None else {**own, "baseline": self.found.alone}


def timed_plan(
    run: Run, participants: Participants, asked: DistillationSettings, *, files: float = 0.0, whole: bool = True
) -> TimedPlan:
    """The plan for what is ``asked`` of ``participants``: the one that was made before, or by a pilot.

    ``files`` are seconds of what else is written at the end, ``whole`` is as ``pilot`` has it. The minutes count from
    when the run was asked for (``run.begun``), the start of a command included. A plan that was made on a cold start is
    made anew where ``MANY`` times its epochs fit now, unless a training by it is under way. Raises ``ValueError`` where
    the minutes do not hold an epoch, and for a plan on disk that is damaged.
    """
    place = place_of(run, participants, asked)
    begun = perf_counter()
    load_writers()
    loading = files + max(FILES, perf_counter() - begun)  # both are Python's work: slow here, slow there
    if place.is_file():
        known = read_plan(place)
        elsewhere = known.pilot + known.seconds.get("search", 0.0) + loading
        left = 60 * asked.minutes - (perf_counter() - run.begun) - elsewhere
        fitting = epochs_within(left - _measuring(participants, known.found), list(known.paces.values()))
        if asked.epochs or known.under_way or fitting < MANY * known.epochs:
            run.progress.note(f"the plan is the one in {place}")
            return known
        run.progress.note(
            f"the plan in {place} was made on a slower start, {counted(known.epochs, 'epoch')} where {fitting} fit "
            "now: it is made anew"
        )
    begun = perf_counter()
    found = pilot(run, participants, asked, whole=whole)
    took, before = perf_counter() - begun, perf_counter() - run.begun
    after = loading + _measuring(participants, found)
    paces = [found.taught, *([] if found.alone is None else [found.alone])]
    epochs, search = asked.epochs, 0.0 if found.search is None else found.search.seconds(found.rounds)
    if not epochs:
        refuse_too_short(asked.minutes, before + search + after, paces)
        epochs = epochs_within(60 * asked.minutes - before - search - after, paces)
    timed = TimedPlan(found, epochs, round(before, 3), round(after, 3), round(took, 3))
    _write(run, place, timed)
    return timed


@contextmanager
def followed(run: Run, participants: Participants, asked: DistillationSettings, timed: TimedPlan) -> Iterator[None]:
    """While it lasts, and until a start of the same that is not stopped has ended, the plan stays what it is."""
    place = place_of(run, participants, asked)
    _write(run, place, replace(timed, under_way=True))
    yield
    _write(run, place, replace(timed, under_way=False))


def _write(run: Run, place: Path, timed: TimedPlan) -> None:
    if run.leads:
        made_folder(place.parent)
        write_json(place, summed(asdict(timed)))


def read_plan(place: Path) -> TimedPlan:
    """The plan in a file. Raises ``ValueError`` for one that is damaged."""
    cure = "remove it, and a new plan is made: its networks are trained anew"
    content = unsummed(read_json(place, cure), place, cure)
    try:
        earlier = {"search": None, "rounds": 0, "once": bool(content["found"]["taught"]["views"])}
        found = {**earlier, **content["found"]}
        told = {name: Pace(**found[name]) for name in ("taught", "alone", "search") if found[name] is not None}
        whole = Found(**{**found, **told})
        content = {**LATER, **content, "found": {**found, **{name: asdict(pace) for name, pace in told.items()}}}
        before, after, own = (float(content[name]) for name in ("before", "after", "pilot"))
        timed = TimedPlan(whole, int(content["epochs"]), before, after, own, bool(content["under_way"]))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{place} is no plan of a distillation ({type(error).__name__}); {cure}.") from None
    if asdict(timed) != content or timed.epochs < 1:
        raise ValueError(f"{place} is no plan of a distillation; {cure}.")
    return timed


def place_of(run: Run, participants: Participants, asked: DistillationSettings) -> Path:
    """The file of the plan for that."""
    data = participants.data
    wanted = replace(asked, dry_run=False)
    key = key_of(
        {
            "asked": described(wanted),
            "student": described(participants.sought.asked if participants.sought else participants.build_student),
            "teacher": described(participants.teacher.last),
            "sees": participants.teacher_sees,
            "data": [described(x) for x in (data.train, data.validation, data.unlabelled)],
            "shown": described(participants.lesson(1, wanted).transform),
            "task": described(data.task),
            "conditions": [str(run.precision), run.exact, run.device.type],
            "revision": REVISION,
            **code_of(participants.sought.build if participants.sought else participants.build_student, data.task),
        }
    )
    return run.root / PLANS / f"{key}.json"


def _measuring(participants: Participants, found: Found) -> float:
    """Seconds of measuring on the test samples and on the clock."""
    data, samples = participants.data, len(participants.data.test) + CLOCKED
    known = 1 if data.validation is None else len(data.validation)
    student = found.taught.validation / known
    teacher = found.asking / found.batch_size
    return samples * (teacher + student * (1 if found.alone is None else 2))
