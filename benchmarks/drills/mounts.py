"""Small and read-only file systems, in a private mount namespace that ends with us."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRIVATE = "TUTELAGE_DRILL_MOUNTS"
"""In the environment: ``yes`` once we are in a namespace of our own, ``no`` where there can be none."""


def enter_private_mounts() -> None:
    """Start this program again in a mount namespace of its own, as root there, where the system lets us."""
    if PRIVATE in os.environ:
        return
    own = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else [])]
    probe = [*own, "sh", "-c", 'd=$(mktemp -d) && mount -t tmpfs none "$d" && umount "$d"; c=$?; rmdir "$d"; exit $c']
    able = shutil.which("unshare") and not subprocess.run(probe, capture_output=True, check=False).returncode
    os.environ[PRIVATE] = "yes" if able else "no"
    if able:
        os.execvp(own[0], [*own, sys.executable, *sys.argv])


def can_mount() -> bool:
    return os.environ.get(PRIVATE) == "yes"


@contextmanager
def small(folder: Path, options: str) -> Iterator[None]:
    """A file system in memory at ``folder``, of a size that ``options`` say: ``size=64k,nr_inodes=20``."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def change(folder: Path, options: str) -> None:
    """The file system at ``folder`` under other options: ``ro``, or another size."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)
