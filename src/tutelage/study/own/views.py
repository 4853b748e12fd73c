"""How a person's own pictures are shown in training: augmented, and normalised as those that are measured."""

from tutelage.data.augment import ENDLESS, Level, augmentation, shows
from tutelage.data.transforms import Show
from tutelage.data.views import normalised, plain
from tutelage.plurals import counted
from tutelage.study.sets import Sets


def views_in_words(count: int) -> str:
    """How often a sample looks otherwise.

    >>> views_in_words(1), views_in_words(16), views_in_words(2**31)
    ('each as it is', '16 views of each picture', 'each picture in another view every time')
    """
    if count >= ENDLESS:
        return "each picture in another view every time"
    return f"{counted(count, 'view')} of each picture" if count > 1 else "each as it is"


def own_views(data: Sets, level: Level, views: int = 0, seed: int = 0) -> tuple[Show, int, str]:
    """What ``views`` takes for training on ``data``, the number of views, and the same in words.

    Masks are shown in the same part as their pictures. Inputs that are no pictures are shown as they are, in one view;
    those that a transform of somebody's own shows, as it does. Pictures may be in tensors, (N, 1 or 3, H, W).

    >>> import torch
    >>> from tutelage.data.labelled import labelled
    >>> rows = labelled("mine", torch.rand(4, 3), torch.tensor([0, 1, 0, 1]), ("a", "b"))
    >>> own_views(Sets(rows, None, rows), "light")[1:]
    (1, 'no augmentation: inputs are no pictures')
    """
    seen, masks = data.preprocessing, data.train.targets.ndim == 3
    if seen is not None:
        made = augmentation(level, seen.size, seen.channels, views, seed, masks)
        return shows(made, masks, normalised(made.pictures, seen.mean, seen.std)), made.views, made.words
    shape, theirs = data.train.inputs.shape[1:], data.test_transform is not plain
    if theirs or len(shape) != 3 or shape[0] not in (1, 3):
        why = "the data have a transform of their own" if theirs else "inputs are no pictures"
        return data.test_transform, 1, "no augmentation" + ("" if level == "none" else f": {why}")
    made = augmentation(level, (shape[1], shape[2]), shape[0], views, seed, masks)
    return shows(made, masks), made.views, made.words
