"""Data of the user's own as the sets of an experiment: read, split, decoded once, their normalisation measured."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from tutelage.data.augment import middle
from tutelage.data.labelled import UNLABELLED, Labelled
from tutelage.data.transforms import Transform
from tutelage.data.views import normalised, plain
from tutelage.own_data.prepared import How, Prepared, Ready, decoded_parts
from tutelage.own_data.preprocessing import Preprocessing
from tutelage.own_data.read import read
from tutelage.own_data.source import Part, Samples, Source
from tutelage.own_data.split import set_apart
from tutelage.own_data.tree import read_pictures
from tutelage.own_data.wanted import Wanted
from tutelage.plurals import counted
from tutelage.profiling import clocked
from tutelage.study.own.normalisation import seen_as
from tutelage.study.own.settings import DataSettings
from tutelage.study.sets import Sets
from tutelage.tasks.by_name import task_named
from tutelage.tasks.spans import spans
from tutelage.tasks.task import Task
from tutelage.tasks.texts import of_texts

DECODED = "decoded"
"""The folder, beside a root's stages, for pictures that do not fit the memory once they are decoded."""


def wanted_of(settings: DataSettings) -> Wanted:
    """What settings say about how data are read."""
    return Wanted(settings.task, settings.path_column, settings.label_columns, settings.strict, settings.text_columns)


def how_of(settings: DataSettings, home: Path | None = None) -> How:
    """What settings say about how pictures are decoded and texts are cut; large sets are kept in ``home``."""
    cut = settings.vocabulary, settings.longest
    return How(settings.size, settings.channels, settings.strict, settings.workers, home, *cut)


@clocked("data")
def own_sets(
    device: torch.device | str,
    where: str | Path,
    settings: DataSettings | None = None,
    notes: Callable[[str], object] = lambda _: None,
    root: Path | None = None,
) -> Sets:
    """The data at ``where`` (``own_data.read.read``) as sets on ``device``; what was done is said to ``notes``.

    Parts that the data lack are set apart from the training part: ``settings.validation`` and ``settings.test`` of it,
    each class its share. Without a test part and with a share of 0, the validation part is what is measured. Pictures
    are kept as uint8, a little larger than what a network sees where they differ in size: ``test_transform`` shows the
    middle, normalised; training wants ``augmentation(level, sets.preprocessing.size, …)``. Sets of pictures that do not
    fit the memory are decoded into a file below ``root`` once, and mapped. Texts are tokens, int64 (N, T), cut as
    ``sets.tokenisation`` says. Numbers stay as they are, as float32, unless a mean and a deviation are given.

    Raises ``ValueError``, ``FileNotFoundError``, ``ImportError`` or ``OSError`` in a sentence, as ``read`` and
    ``decoded_parts`` do; ``ValueError`` for means and deviations of another number than channels.
    """
    settings = settings or DataSettings()
    source = with_unlabelled(read(where, wanted_of(settings)), settings.unlabelled)
    source = set_apart(source, {"test": settings.test, "validation": settings.validation}, settings.split_seed)
    ready = decoded_parts(source, how_of(settings, root / DECODED if root is not None else None))
    said = [*source.notes, *ready.notes]
    classes, parts = _classes(source, ready.parts, said)
    seen, parts = seen_as(settings, ready.geometry, parts, said)
    preprocessing = seen.preprocessing
    sets = _labelled(source.name, classes, parts, preprocessing)
    if "test" not in sets and "validation" not in sets:
        raise ValueError(
            "There is nothing to measure on: --validation and --test are 0, and the data have no such part."
        )
    if "test" not in sets:
        said.append("there is no test part: what choices are made on is also what is measured")
    for sentence in said:
        notes(" ".join(sentence.split()))  # names of files may have several lines
    show: Transform = plain
    if preprocessing is not None:
        show = normalised(partial(middle, size=preprocessing.size), preprocessing.mean, preprocessing.std)
    names = [name for part in parts.values() for name in part.names]
    moved = {part: data.to(device) for part, data in sets.items()}
    return Sets(
        moved["train"],
        moved.get("validation"),
        moved["test" if "test" in moved else "validation"],
        test_transform=show,
        task=_task(source, ready),
        normalisation=seen.normalisation,
        seen=seen.words,
        preprocessing=preprocessing,
        unlabelled=moved.get("unlabelled"),
        names=tuple(names),
        tokenisation=ready.tokenisation,
        asked=ready.asked,
    )


def _task(source: Source, ready: Ready) -> Task:
    task = spans(ready.asked) if ready.asked is not None else task_named(source.task)
    return task if ready.tokenisation is None else of_texts(task, ready.tokenisation.padding)


def with_unlabelled(source: Source, where: str) -> Source:
    """``source`` and further samples without labels: a folder of pictures or, where it holds texts, a file of texts.

    Raises ``ValueError`` where there can be none, and as ``read_pictures`` and ``read``.
    """
    if not where:
        return source
    train = source.parts["train"]
    if isinstance(train.inputs, Tensor) or source.task in ("embeddings", "spans"):
        what = "numbers" if isinstance(train.inputs, Tensor) else "texts without labels already"
        what = "questions" if source.task == "spans" else what
        raise ValueError(f"--unlabelled is for pictures and texts, and {source.name} holds {what}; leave it out.")
    if train.texts:
        samples, said = _unlabelled_texts(where, len(train.texts[0]))
    else:
        samples, said = read_pictures(Path(where))
    parts = {**source.parts, "unlabelled": samples}
    what = "text" if train.texts else "picture"
    said = [f"{counted(len(samples), what)} without labels taken from {where}", *said]
    return Source(source.name, source.task, source.classes, parts, (*source.notes, *said))


def _unlabelled_texts(where: str, texts: int) -> tuple[Samples, list[str]]:
    """The texts of all parts there, whatever labels they have."""
    found = list(read(where, Wanted("embeddings")).parts.values())
    rows = tuple(row for samples in found for row in samples.texts)
    if any(len(row) != texts for row in rows[:1]):
        raise ValueError(f"{where} has {counted(len(rows[0]), 'text')} a row, and the labelled samples {texts}.")
    names = tuple(f"unlabelled/{name}" for samples in found for name in samples.names)
    return Samples(names, rows, torch.zeros(len(rows), 0)), []


def _classes(
    source: Source, parts: Mapping[Part, Prepared], notes: list[str]
) -> tuple[tuple[str, ...], Mapping[Part, Prepared]]:
    """The classes, those of masks by their numbers; masks of 0 and 255 alone become 0 and 1."""
    if source.task != "segmentation":
        return source.classes, parts
    levels = sorted({int(x) for name, part in parts.items() if name != "unlabelled" for x in part.targets.unique()})
    if levels == [0, UNLABELLED]:
        notes.append("masks are 0 and 255 alone: 255 is the class 1")
        parts = {
            name: Prepared(part.inputs, (part.targets > 0).to(part.targets.dtype), part.names, part.checksum)
            for name, part in parts.items()
        }
        return ("background", "object"), parts
    highest = max((level for level in levels if level != UNLABELLED), default=0)
    if highest == 0:
        raise ValueError(f"{source.name} has masks of one class alone; segmentation needs two or more.")
    if 2 * len(found := [level for level in levels if level != UNLABELLED]) <= highest:
        few = ", ".join(map(str, found[:8])) + " …" * (len(found) > 8)
        notes.append(f"masks hold the numbers {few} alone, and are taken for numbers of {highest + 1} classes")
    if UNLABELLED in levels:
        notes.append("where a mask is 255 the class is not known, and nothing is learnt")
    return tuple(map(str, range(highest + 1))), parts


def _labelled(
    name: str, classes: tuple[str, ...], parts: Mapping[Part, Prepared], preprocessing: Preprocessing | None
) -> dict[Part, Labelled]:
    """A set for each part, numbered one after the other; masks to be measured on are cut to what a network sees."""
    sets: dict[Part, Labelled] = {}
    first = 0
    for part, found in parts.items():
        index = torch.arange(first, first + len(found.names))
        first += len(index)
        inputs, targets, checksum = found.inputs, found.targets, found.checksum
        if targets.ndim == 3 and preprocessing is not None and part != "train":
            targets = middle(targets, index, preprocessing.size).contiguous()
        labels = classes if 0 not in targets.shape[1:] else ()
        sets[part] = Labelled(f"{name} {part}", inputs, targets, index, labels, sum_of_inputs=checksum)
    return sets
