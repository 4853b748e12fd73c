"""Files from the network: continued where they stopped, verified, and put in place in one move."""

import errno
import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from tutelage import plain_json
from tutelage.data.digests import LARGEST, Check

if sys.platform != "win32":
    import fcntl

_BLOCK = 1 << 18  # bytes
_WORTH_ANOTHER_TRY = {408, 425, 429, 500, 502, 503, 504}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR}


class _Interrupted(Exception):
    """The transfer stopped; trying the same address again may help."""


class _Refused(Exception):
    """This address will not give the file."""


def fetch(
    urls: Sequence[str], to: Path, *, check: Check, attempts: int = 4, patience: float = 1.0, timeout: float = 30.0
) -> Path:
    """``to``, fetched from the first of ``urls`` (http or https) that gives a file which passes ``check``.

    What has come lies beside it as ``.part`` and is continued, in this call and in later ones, if the address still
    has the same file; ``to`` appears only whole and verified. An address is given up after ``attempts`` in a row
    without a new byte; between them pass ``patience`` seconds, doubling. A server silent for ``timeout`` seconds
    counts as down. One process at a time fetches into a folder; a second one waits and finds the file.

    Raises ``OSError`` if no address gives the file, the disk is full or the folder cannot be written, and
    ``ValueError`` if it is another file: both say what each address answered.
    """
    if other := [url for url in urls if not url.startswith(("https://", "http://"))]:
        raise ValueError(f"Files are fetched by http or https; {other[0]!r} is neither.")
    part = to.with_name(f"{to.name}.part")
    with _sentences(to):
        to.parent.mkdir(parents=True, exist_ok=True)
        with _alone(to.parent):
            if not to.exists():  # another process may just have finished it
                _fill(part, urls, check, attempts, patience, timeout)
                with part.open("rb+") as file:
                    os.fsync(file.fileno())
                part.replace(to)
                _note(part).unlink(missing_ok=True)
    return to


def _fill(part: Path, urls: Sequence[str], check: Check, attempts: int, patience: float, timeout: float) -> None:
    """Make ``part`` the whole, verified file, or raise with the reason of each address."""
    reasons, wrong = [], False
    begun = _read_note(part).get("url")
    for url in sorted(urls, key=lambda url: url != begun):  # first the one that gave what we have
        try:
            continued = _have(part, url) > 0
            _follow(url, part, attempts, patience, timeout)
            if continued and not _passes(check, part):  # its beginning may be of another file: once more from the start
                part.unlink()
                _follow(url, part, attempts, patience, timeout)
            check(part)
            return
        except (_Interrupted, _Refused) as error:
            reasons.append(f"{url}: {error}")
        except ValueError as error:
            part.unlink()
            wrong = True
            reasons.append(f"{url} sent another file: {error}")
    to = part.with_suffix("")
    message = f"Could not fetch {to}: {'; '.join(reasons)}. Check the network, or put the file there yourself."
    raise (ValueError if wrong else ConnectionError)(message)


def _follow(url: str, part: Path, attempts: int, patience: float, timeout: float) -> None:
    """Fetch from ``url`` to the end, trying again while it helps."""
    failures = 0
    while True:
        before = _have(part, url)
        try:
            return _transfer(url, part, timeout)
        except _Interrupted as interruption:
            failures = 1 if _have(part, url) > before else failures + 1
            if failures >= attempts:
                raise _Interrupted(f"{interruption}, tried {attempts} times") from None
            time.sleep(patience * 2 ** (failures - 1))


def _transfer(url: str, part: Path, timeout: float) -> None:
    """One request for what is missing, written down as it comes."""
    have = _have(part, url)
    headers = {"Accept-Encoding": "identity", "User-Agent": "tutelage"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if validator := _read_note(part).get("validator"):
            headers["If-Range"] = validator  # if the file has changed meanwhile, the whole of it comes
    answer = _opened(urllib.request.Request(url, headers=headers), timeout)
    if answer is None:
        return  # nothing beyond what we have
    with answer:
        continues = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        have = have if continues else 0
        _note(part).write_text(json.dumps({"url": url, "validator": _validator(answer)}), encoding="utf-8")
        received = _copy(answer, part, "ab" if continues else "wb", LARGEST - have)
        length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and received < int(length[:20]):
        raise _Interrupted(f"the connection ended after {have + received} of {have + int(length[:20])} bytes")


def _opened(request: urllib.request.Request, timeout: float) -> HTTPResponse | None:
    """The server's answer; None if it has no bytes after those we have."""
    try:
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=timeout)
        return answer
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and request.has_header("Range"):
            return None
        again = error.code in _WORTH_ANOTHER_TRY
        raise (_Interrupted if again else _Refused)(f"the server answers {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        unknown = isinstance(error.reason, socket.gaierror)
        raise (_Refused if unknown else _Interrupted)(f"the server cannot be reached ({error.reason})") from None
    except (OSError, HTTPException) as error:
        raise _Interrupted(f"the server hung up ({error})") from None


def _copy(answer: HTTPResponse, part: Path, mode: str, most: int) -> int:
    """Write all that arrives; the number of bytes. Raises ``ValueError`` for more than ``most``."""
    received = 0
    with part.open(mode) as file:
        while True:
            try:
                block = answer.read1(_BLOCK)
            except (OSError, HTTPException) as error:
                raise _Interrupted(f"the connection broke ({error})") from None
            if not block:
                return received
            received += len(block)
            if received > most:
                raise ValueError(f"it has more than {LARGEST} bytes")
            file.write(block)
            file.flush()


def _validator(answer: HTTPResponse) -> str:
    """What tells the server which version of its file we began; a weak ETag (``W/…``) does not identify bytes."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else str(answer.headers.get("Last-Modified", ""))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process fetches into ``folder`` (on Windows there is no such lock)."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def _sentences(to: Path) -> Iterator[None]:
    """The sentences for a disk that does not take the file."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise OSError(f"The disk is full: {to} could not be fetched whole; make room and start again.") from None
        if error.errno in _CLOSED:
            raise PermissionError(f"{to.parent} cannot be written ({error.strerror}); choose another folder.") from None
        raise


def _passes(check: Check, path: Path) -> bool:
    try:
        check(path)
    except ValueError:
        return False
    return True


def _have(part: Path, url: str) -> int:
    """How many bytes of what ``url`` gives are there already."""
    return part.stat().st_size if part.exists() and _read_note(part).get("url") == url else 0


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_note(part: Path) -> dict[str, str]:
    """What the ``.part`` is of; nothing where that cannot be read, and then the file is fetched from its start."""
    try:
        content = plain_json.read(_note(part))
    except (OSError, ValueError):
        return {}
    return {key: str(value) for key, value in content.items()} if isinstance(content, dict) else {}
