"""Tasks by name: whatever the modules beside this one hold, so that a new task is one new file."""

from importlib import import_module
from pkgutil import iter_modules

import tutelage.tasks
from tutelage.tasks.task import Task


def tasks() -> dict[str, Task]:
    """Every task of this package by its name; those that are made of a data set, such as ``frames``, are not."""
    found = [
        task
        for info in iter_modules(tutelage.tasks.__path__, "tutelage.tasks.")
        if info.name != __name__
        for task in vars(import_module(info.name)).values()
        if isinstance(task, Task)
    ]
    return {task.name: task for task in found}


def task_named(name: str) -> Task:
    """The task called ``name``: classification, binary classification, multi-label, regression, segmentation, ….

    Raises ``ValueError`` with the names for one that does not exist.

    >>> task_named("multi-label").deciding.name
    'mean average precision'
    """
    known = tasks()
    if name not in known:
        raise ValueError(f"There is no task {name!r}; the tasks are {', '.join(sorted(known))}.")
    return known[name]
