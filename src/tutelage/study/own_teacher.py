"""A teacher that is trained already: found, filled, measured on validation samples, and refused where it does badly."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import Tensor, nn

from tutelage.data.labelled import Labelled
from tutelage.data.views import plain
from tutelage.foreign.forms import only_answers, own_network, wanted_pictures
from tutelage.foreign.log_answers import log_answers
from tutelage.foreign.table_answers import Named, TableOfAnswers, are_probabilities
from tutelage.foreign.table_file import ENDINGS
from tutelage.measures.predict import device_of, evaluating
from tutelage.models.trained import comes_trained
from tutelage.outputs import tensor_in, tensor_output
from tutelage.results import Score
from tutelage.run import Run
from tutelage.stages.storage import Finished
from tutelage.study.answered import answers_of, are_classes
from tutelage.study.diagnosis import Diagnosis, diagnosed
from tutelage.study.evaluated import refuse_nan
from tutelage.study.pictures_tried import Way
from tutelage.study.sets import Sets
from tutelage.study.teacher_settings import OwnTeacherSettings
from tutelage.tasks.binary import BINARY, by_head
from tutelage.tasks.task import Task
from tutelage.teachers.adapted import adapted, renormalised
from tutelage.weights.foreign import load_foreign
from tutelage.weights.heads import rows_of_head

Build = Callable[[], nn.Module]
WORTH = 0.05
"""How much better a change has to make a network that does well already for it to be told."""


def own_teacher(run: Run, data: Sets, asked: OwnTeacherSettings, name: str = "teacher") -> Finished:
    """The teacher that ``asked`` names, with its weights, as a stage of ``run``; nothing is trained.

    It is measured on validation samples first: what it makes of them, and what was done to its weights, is said.
    ``shown_to`` and ``sees`` say how it is asked in a training. Raises ``ValueError`` for a network that is not
    trained, does no better than chance, or clearly worse than ``asked.expect``, with what would help, as far as
    something that is usually wrong was found to be; and as ``own_network`` and ``run.given`` do.
    """
    build, pictures = teacher_build(data, asked, run.progress.note)
    called = asked.teacher if asked.weights is None else f"{asked.teacher} with the weights in {asked.weights}"
    if asked.weights is None and not only_answers(asked.teacher) and not comes_trained(build):
        raise ValueError(
            f"{asked.teacher} is untrained as it is built; give the file of its weights with --weights, or name a "
            "network that comes with them (timm:…, hf:…)."
        )
    try:
        build = as_logits(build, data, pictures, asked, run.progress.note)
        given = run.given(name, build, asked.weights)
    except ValueError as misfit:
        refuse_other_count(misfit, data, asked, pictures, called)
        raise
    seen = shown_to(given.last, with_head(data, given.last))
    for sentence in measured_first(given.last, seen, pictures, asked.expect, called, "--teacher-"):
        run.progress.note(f"{name}: {sentence}")
    return given


def shown_to(network: nn.Module, data: Sets) -> Sets:
    """``data`` as ``network`` sees them: their numbers, if it is a table of answers, else as they are."""
    if not isinstance(network, TableOfAnswers):
        return data
    numbered = {
        part: None if samples is None else replace(samples, inputs=samples.index, others={})
        for part, samples in (("train", data.train), ("validation", data.validation), ("test", data.test))
    }
    return replace(data, test_transform=plain, **numbered)  # type: ignore[arg-type]


def sees(network: nn.Module) -> str:
    """What a batch calls that which ``network`` is shown: ``Teaching(…, teacher_sees=sees(network))``."""
    return "index" if isinstance(network, TableOfAnswers) else "input"


def with_head(data: Sets, network: nn.Module) -> Sets:
    """``data`` with the task that the head of ``network`` is for: two classes may be told apart by one logit."""
    seen = shown_to(network, data)
    with evaluating(network):
        answer = tensor_in(network(seen.example.to(device_of(network))))
    width = answer.shape[1] if answer.ndim > 1 else 1
    return replace(data, task=by_head(data.task, width, len(data.train.classes)))


def num_answers(data: Sets) -> int:
    """How many numbers a network answers a sample with, or a pixel of it, for the task of ``data``."""
    samples = data.train
    classes = len(samples.classes) or (samples.targets.shape[-1] if samples.targets.ndim > 1 else 1)
    return 1 if data.task is BINARY else classes


def teacher_fitted(data: Sets, asked: OwnTeacherSettings) -> Build:
    """How the teacher is built, with what makes its own pictures in front: for whoever builds on it."""
    build, way = teacher_build(data, asked, lambda _: None)
    return fitted(build, data, way)


def teacher_build(data: Sets, asked: OwnTeacherSettings, note: Callable[[str], None]) -> tuple[Build, Way]:
    """How the teacher is built, as it is, and what its own pictures are."""
    table = Path(asked.teacher).suffix.lower() in ENDINGS
    build = own_network(
        asked.teacher,
        asked.weights,
        num_classes=num_answers(data),
        num_channels=0 if table or data.train.inputs.ndim != 4 else data.example.shape[1],
        samples=named_samples(data) if table else None,
    )
    way = Way(asked.teacher_mean, asked.teacher_std, asked.teacher_size)
    if way == Way() and not table and data.train.inputs.ndim == 4:
        wanted = wanted_pictures(asked.teacher, asked.weights)
        way = Way(wanted.mean, wanted.std, wanted.size)
        if way != Way():
            note(f"{asked.teacher} was made for {way.size} pixels, less {way.mean} over {way.std}: shown so")
    return build, way


def fitted(build: Build, data: Sets, way: Way) -> Build:
    """``build``, with what makes its own pictures of those of ``data`` in front."""
    if not (way.mean or way.std or way.size):
        return build
    scale: tuple[float, ...] = ()
    shift: tuple[float, ...] = ()
    if way.mean or way.std:
        channels = data.example.shape[1]
        none = (0.0,) * channels, (1.0,) * channels
        mean, std = data.normalisation if data.normalisation[0] else none
        scale, shift = renormalised(mean, std, way.mean or none[0], way.std or none[1])
    return partial(adapted, build, scale=scale, shift=shift, size=way.size)


def named_samples(data: Sets) -> Named:
    """The names of all samples by index; their numbers, where they have no names."""
    held = [part for part in (data.train, data.validation, data.test, data.unlabelled) if part is not None]
    last = max(int(part.index.max()) for part in held)
    return Named(data.names or tuple(map(str, range(last + 1))), data.train.classes)


def as_logits(build: Build, data: Sets, way: Way, asked: OwnTeacherSettings, note: Callable[[str], None]) -> Build:
    """``fitted``, and followed by a logarithm where its network ends in a softmax; one tensor of what it returns."""
    network = build()
    if isinstance(network, TableOfAnswers):
        refuse_missing_rows(network, data, asked.teacher, note)
        return build
    with evaluating(network):
        adjusted = fitted(lambda: network, data, way)().to(data.example.device)
        answer = adjusted(data.example)
    if not isinstance(answer, Tensor):
        build = partial(tensor_output, build)
    if are_probabilities(tensor_in(answer)) and data.train.classes:
        note(f"{asked.teacher} answers with probabilities: their logarithms are taken as logits")
        build = partial(log_answers, build)
    return fitted(build, data, way)


def measured_first(network: nn.Module, data: Sets, pictures: Way, expect: float, called: str, prefix: str) -> list[str]:
    """What ``network`` makes of the validation samples, in sentences. Raises ``ValueError`` as ``own_teacher``.

    Without a validation set, training samples serve: this is a look at the network, and nothing is chosen by it.
    """
    samples = data.train if data.validation is None else data.validation
    task = data.task
    answers = answers_of(task, network, samples, data.test_transform)
    try:
        refuse_nan(answers)
    except ValueError as error:
        raise ValueError(f"Of {called}, {error}.") from None
    many = are_classes(answers, samples) and answers.shape[1] != len(data.train.classes)
    scores = task.score(answers, samples)
    words = in_words(scores, task, len(samples))
    wanted = below(scores, task, expect)
    by_chance = not many and at_chance(scores, task, samples)
    if by_chance and (surely := where_there_are_more(network, data, scores, samples)):
        by_chance, words = False, f"{words}, too few to tell it from chance; {surely}"
    if many or wanted or by_chance:
        why = diagnosed(network, data, pictures, prefix)
        bound = f"less than the {wanted} that is expected" if wanted else "not clearly better than one constant answer"
        bound = f"{answers.shape[1]} numbers a sample for {len(data.train.classes)} classes" if many else bound
        raise ValueError(f"{called} makes {words}, {bound}. On {why.count} samples: {why}.")
    return [f"{called} as it is, {words}", *better_ways(network, data, pictures, prefix, scores)]


def better_ways(network: nn.Module, data: Sets, pictures: Way, prefix: str, scores: dict[str, Score]) -> list[str]:
    """What would make a network clearly better that is no failure as it is; nothing where there is little to gain."""
    accuracy = scores.get("accuracy")
    if accuracy is not None and accuracy.value >= 100 * (1 - WORTH):
        return []
    why: Diagnosis = diagnosed(network, data, pictures, prefix, thorough=False)
    if not why.causes or (why.in_per_cent and why.causes[0].gain < WORTH):
        return []
    return [f"WARNING: it does worse than it could: {why}"]


def at_chance(scores: dict[str, Score], task: Task, samples: Labelled) -> bool:
    """Whether the worst that the deciding metric may be is no better than one constant answer."""
    metric, score = task.deciding, scores[task.deciding.name]
    worst = score.value if score.interval is None else score.interval[1 if metric.better == "lower" else 0]
    return metric.gain(worst, over=task.constant(samples)) <= 0


def where_there_are_more(network: nn.Module, data: Sets, scores: dict[str, Score], samples: Labelled) -> str:
    """What ``network`` makes of the training samples, where its ``scores`` on ``samples`` beat one constant answer by
    less than so few leave to chance, and those on the training samples by more; else nothing."""
    task, train, metric = data.task, data.train, data.task.deciding
    gain = metric.gain(scores[metric.name].value, over=task.constant(samples))
    if not gain > 0 or train.targets.ndim == 3 or len(train) <= len(samples):  # masks are as large as pictures are kept
        return ""
    known = task.score(answers_of(task, network, train, data.test_transform), train)
    return "" if at_chance(known, task, train) else f"{in_words(known, task, len(train))} that it may have learnt from"


def below(scores: dict[str, Score], task: Task, expect: float) -> str:
    """What is expected, in words, if the network is worse by more than its interval; else nothing.

    By the first metric in per cent of which more is better, else by the one that decides. 0.93 of the former is 93 %.
    """
    if not expect:
        return ""
    metric = next((x for x in task.metrics if x.unit == "%" and x.better == "higher"), task.deciding)
    least = 100 * expect if metric.unit == "%" and expect <= 1 else expect
    score = scores[metric.name]
    best = score.value if score.interval is None else score.interval[0 if metric.better == "lower" else 1]
    return "" if metric.gain(best, over=least) >= 0 else f"{least:g}{' %' if metric.unit == '%' else ''} {metric.name}"


def in_words(scores: dict[str, Score], task: Task, count: int) -> str:
    """All metrics, the first in per cent before the others.

    >>> from tutelage.tasks.classification import CLASSIFICATION
    >>> in_words({"errors": Score(3), "accuracy": Score(97.0)}, CLASSIFICATION, 100)
    '97 % accuracy (3 errors) on 100 samples'
    """
    texts = [f"{scores[x.name].value:.4g}{' %' if x.unit == '%' else ''} {x.name}" for x in task.metrics]
    first = next((n for n, x in enumerate(task.metrics) if x.unit == "%"), 0)
    rest = ", ".join(text for n, text in enumerate(texts) if n != first)
    return f"{texts[first]}{f' ({rest})' if rest else ''} on {count} samples"


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
        f"{called}: the file is of a network with {there} answers, and {asked.teacher} has {here} for the data's "
        f"{len(data.train.classes)} classes{_other_count(data, asked, pictures, there)}."
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
    return f". On {why.count} samples: {why}"


def refuse_missing_rows(network: TableOfAnswers, data: Sets, table: str, note: Callable[[str], None]) -> None:
    """Raise ``ValueError`` where a table lacks samples that are trained or chosen on; say how many others it lacks."""
    answers: Tensor = network.get_buffer("answers")
    for part, samples in (("training", data.train), ("validation", data.validation), ("test", data.test)):
        if samples is None:
            continue
        lacking = samples.index[answers[samples.index.cpu()].isnan().any(1).to(samples.index.device)].tolist()
        if lacking and part == "test":
            note(f"{table} has no row for {len(lacking)} of {len(samples)} test samples")
        elif lacking:
            names = named_samples(data).names
            raise ValueError(
                f"{table} has no row for {len(lacking)} of {len(samples)} {part} samples, "
                f"{', '.join(repr(names[x]) for x in lacking[:3])}{' …' * (len(lacking) > 3)}; add them, or leave the "
                "samples out."
            )
