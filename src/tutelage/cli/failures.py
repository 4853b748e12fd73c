"""What a failure means: an exit code, and for everything that is not our own mistake one sentence."""

import difflib
import dis
import errno
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType

from tutelage.printable import printable

DONE, UNEXPECTED, USAGE, FILES, STOPPED, HUNG_UP, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 4, 129, 130, 143

EXIT_CODES = """\
exit codes:
    0  done
    1  something unexpected, with its traceback: please report it
    2  usage: an unknown command, recipe or flag, or a value that makes no sense
    3  data or files: missing, damaged, not ours, not writable, in use, disk full, an extra not installed
    4  the training stopped: a loss or a gradient was not finite, or the memory was used up
  129  the terminal went away (SIGHUP): the same command continues
  130  interrupted (Ctrl-C): the same command continues
  143  terminated (SIGTERM): the same command continues"""

_SYSTEM = {
    errno.ENOSPC: "the disk is full; free some space and start the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and start the same command again",
    errno.EACCES: "no permission to read or write it; change its permissions, or use another place",
    errno.EROFS: "the file system is read-only; use another place",
    errno.ELOOP: "a link on the way there leads to itself; remove it, or use another place",
    errno.EEXIST: "something is there that is no folder; move it away, or use another place",
    errno.ENOTDIR: "something on the way there is no folder; move it away, or use another place",
    errno.EISDIR: "a folder is there where a file belongs; move it away, or use another place",
}


class Usage(ValueError):
    """The command line asks for something that does not exist or makes no sense."""


def exit_code(failure: BaseException, *, spoken: Collection[str] = ()) -> int:
    """What the process should end with.

    A ``ValueError`` is the user's where the sentence was written for users: by a ``raise`` of this package, or of a
    package in ``spoken`` (the user's own recipe). The same error out of torch, numpy or ``int("x")`` is a programmer's.
    A sentence about a file begins with its path.
    """
    if isinstance(failure, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(failure, Usage):
        return USAGE
    if isinstance(failure, FloatingPointError) or is_lack_of_memory(failure):
        return STOPPED
    if isinstance(failure, OSError):
        return FILES
    module = raised_in(failure.__traceback__)
    if module.split(".")[0] not in {"tutelage", *(name.split(".")[0] for name in spoken)}:
        return UNEXPECTED
    extra = isinstance(failure, ImportError) and "pip install" in str(failure)
    if extra or (isinstance(failure, ValueError) and begins_with_a_path(str(failure))):
        return FILES
    return USAGE if isinstance(failure, ValueError) else UNEXPECTED


def begins_with_a_path(said: str) -> bool:
    """Whether a sentence is about a file: it begins with one that is there, or that would lie in a folder that is.

    >>> begins_with_a_path(f"{__file__} is damaged."), begins_with_a_path("temperature must be above 0; got 0.")
    (True, False)
    """
    ends = [place for place, letter in enumerate(said) if letter in " \n:;,(" or place == len(said) - 1]
    return any(said[:end] == "." or _leads_to_a_file(Path(said[:end])) for end in ends if end)


def _leads_to_a_file(path: Path) -> bool:
    places = [path, *path.parents]
    return any(place != Path(place.anchor) and os.path.lexists(place) for place in places)


def raised_in(traceback: TracebackType | None) -> str:
    """The module whose ``raise`` it was, ``""`` for an error that no Python code raised on purpose."""
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    frame = traceback.tb_frame
    on_purpose = frame.f_code.co_code[traceback.tb_lasti] == dis.opmap["RAISE_VARARGS"]
    return str(frame.f_globals.get("__name__", "")) if on_purpose else ""


def sentence(failure: BaseException) -> str:
    """The failure in words, on one line.

    >>> sentence(OSError(errno.ENOSPC, "No space left on device", "runs/log.jsonl"))
    'runs/log.jsonl: the disk is full; free some space and start the same command again'
    >>> sentence(ValueError("Temperature must be above 0."))
    'Temperature must be above 0.'
    """
    if is_lack_of_memory(failure):
        return "The memory is used up: choose a smaller batch or network."
    if isinstance(failure, OSError) and failure.errno is not None:
        said = _SYSTEM.get(failure.errno, failure.strerror or str(failure))
        return printable(f"{_short(str(failure.filename))}: {said}" if failure.filename is not None else said)
    return printable(" ".join(map(_short, str(failure).split()))) or type(failure).__name__


def is_lack_of_memory(failure: BaseException) -> bool:
    """Whether Python, an accelerator or torch's allocator got no more; the last raises a mere ``RuntimeError``."""
    named = type(failure).__name__ == "OutOfMemoryError"  # torch's own, which is not imported here
    return named or isinstance(failure, MemoryError) or "DefaultCPUAllocator: " in str(failure)


def _short(word: str) -> str:
    """A word that nobody would read to its end, without its middle."""
    return word if len(word) <= 300 else f"{word[:100]}…{word[-50:]}"


def refuse_no_text(words: Iterable[str]) -> None:
    """Raise ``Usage`` for a word that can be neither the name of a file nor written to one."""
    for word in words:
        if "\0" in word or word.encode("utf-8", "replace").decode() != word:
            raise Usage(f"A word of a command is text in UTF-8 without a zero byte; got {word!r}.")


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """``"; did you mean 'report'?"`` or, where nothing is near, nothing.

    >>> did_you_mean("reprot", ["run", "report"])
    "; did you mean 'report'?"
    """
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
