"""A watch over a process: what is imported, started, written or called while a reader is at work.

An audit hook cannot be taken away again, so a process that is watched is one of its own.
"""

import ctypes
import os
import pickle
import socket
import subprocess
import sys
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path

import tutelage

QUIET = {"antigravity", "this", "webbrowser", "ctypes", "pty", "idlelib", "turtle"}  # of Python's own, never needed
ROOTS = (sys.stdlib_module_names - QUIET) | {
    *["tutelage", "torch", "numpy", "safetensors", "tyro", "rich", "jinja2", "markupsafe", "scipy", "pyarrow", "PIL"],
    *["triton", "pandas", "dateutil", "substrait", "olefile", "sympy", "mpmath"],  # what these look for themselves
}
OURS = ("ctypes.dlopen (None,)", "ctypes.dlsym (<CDLL 'None'", "subprocess.Popen ('git', ['git', '-C', ")
"""What a run does by itself: it asks malloc to keep memory, and git for the commit of our own checkout."""
STARTS = (
    *["subprocess.Popen", "os.exec", "os.system", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty"],
    *["ctypes.dlopen", "ctypes.dlsym", "pickle.find_class"],
)
CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
COMPILERS = ("dataclasses.py", "typing.py", "collections/__init__.py", "jinja2/environment.py", "_bootstrap>", "ast.py")
HOMES = tuple(str(Path(place).resolve()) for place in (sys.prefix, sys.base_prefix, Path(tutelage.__file__).parent))

seen: list[str] = []
place: list[Path] = []  # where the reader that is at work may write; nobody is watched where there is none


def watch(event: str, arguments: tuple) -> None:
    if not place:
        return
    if event == "import" and str(arguments[0]).partition(".")[0] not in ROOTS:
        seen.append(f"import {arguments[0]}")
    elif event == "open" and _writes(arguments[1], arguments[2]):
        _changed(event, arguments[0])
    elif event in CHANGES:
        for path in arguments[:2]:
            _changed(event, path)
    elif event in STARTS or event.startswith(("socket.", "webbrowser.")):
        if not (deed := f"{event} {arguments!r}"[:200]).startswith(OURS):
            seen.append(deed)
    elif event == "exec" and not _is_known(arguments[0].co_filename):
        caller = sys._getframe(1).f_code.co_filename
        if not caller.endswith(COMPILERS) or "_bootstrap" in caller:
            seen.append(f"exec {arguments[0].co_filename} by {caller}")


def _writes(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return any(x in mode for x in "wax+")
    return bool(int(flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))


def _changed(event: str, path: object) -> None:
    if isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path) != os.devnull:
        where = Path(os.path.realpath(os.fsdecode(path)))
        if not where.is_relative_to(place[0].resolve()):
            seen.append(f"{event} {where}")


def _is_known(file: str) -> bool:
    return file.startswith(("<frozen ", *HOMES)) or str(Path(file).resolve()).startswith(HOMES)


@contextmanager
def watched(folder: Path) -> Iterator[list[str]]:
    """What was seen; ``importlib`` tells no hook what it imports, so modules are compared."""
    before = set(sys.modules)
    seen.clear()
    place.append(folder)
    try:
        yield seen
    finally:
        place.clear()
        new = [x for x in set(sys.modules) - before if getattr(sys.modules[x], "__file__", None)]
        seen.extend(f"import {x}" for x in new if x.partition(".")[0] not in ROOTS)


def deeds(folder: Path) -> dict[str, Callable[[], object]]:
    """By the beginning of what is seen of it: what does it."""
    return {
        "import evil_deed": partial(import_module, "evil_deed"),
        "subprocess.Popen": partial(subprocess.run, ["true"]),
        "os.system": partial(os.system, "true"),
        "open": partial((folder.parent / "outside").write_text, "x"),
        "os.mkdir": (folder.parent / "outside_too").mkdir,
        "os.remove": (folder.parent / "outside").unlink,
        "socket": partial(socket.create_connection, ("127.0.0.1", 9), 0.1),
        "ctypes.dlopen": partial(ctypes.CDLL, "evil.so"),
        "pickle.find_class": partial(pickle.loads, b"cos\ngetpid\n."),
        "webbrowser": partial(webbrowser.GenericBrowser("true").open, "file:///"),
        "exec": partial(eval, "1 + 1"),
    }
