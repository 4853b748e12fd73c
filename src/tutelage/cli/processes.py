"""Several commands at once: their lines are passed on with a label, and stopping us stops them in order."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

LIFE = "TUTELAGE_SWEEP_LIFE"
"""The environment variable that tells a child which descriptor of its own ends when its sweep does."""


def end_with_the_sweep() -> None:
    """Stop this process, as SIGTERM does, when the sweep that started it is gone, however that ended."""
    said = os.environ.pop(LIFE, "")
    if not said:
        return
    life = int(said)
    os.set_inheritable(life, False)

    def wait() -> None:
        os.read(life, 1)  # nobody ever writes
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def _alive() -> Iterator[int]:
    """A descriptor to read from, which ends with this process: the system closes all that a killed one had open."""
    life, ours = os.pipe()
    try:
        yield life
    finally:
        os.close(life)
        os.close(ours)


@dataclass
class Child:
    """A command, and how it went: ``code`` is ``None`` until it has ended."""

    label: str
    words: list[str]
    code: int | None = None
    last: str = ""  # the last line it said: for a failure, the sentence about it
    process: "subprocess.Popen[str] | None" = field(default=None, repr=False)

    def follow(self, speak: threading.Lock, life: int) -> None:
        """Run to the end, passing on every line. The descriptor ``life`` ends when we do."""
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", LIFE: str(life)}
        self.process = subprocess.Popen(
            self.words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
            pass_fds=[life],
            process_group=0,  # Ctrl-C in the terminal reaches us alone, and we pass it on once
        )
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.last = line.rstrip() or self.last
                with speak:
                    print(f"[{self.label}] {line.rstrip()}", flush=True)
        code = self.process.wait()
        self.code = code if code >= 0 else 128 - code  # as a shell counts signals


class Crew:
    """Runs ``children``, at most ``jobs`` at a time."""

    def __init__(self, children: Sequence[Child], jobs: int) -> None:
        self.children, self.jobs = children, jobs
        self.stopping = False
        self.speak = threading.Lock()

    def work(self) -> None:
        """Return when all have ended. Whatever interrupts it is passed on to them first; a second time kills them."""
        with _alive() as life, ThreadPoolExecutor(self.jobs) as pool:
            futures = [pool.submit(self._one, child, life) for child in self.children]
            try:
                wait(futures)
            except (KeyboardInterrupt, SystemExit) as end:
                self.stopping = True
                self._send(signal.SIGINT if isinstance(end, KeyboardInterrupt) else signal.SIGTERM)
                self._wait_for_the_last(futures)
                raise
        for future in futures:
            future.result()

    def _one(self, child: Child, life: int) -> None:
        if not self.stopping:
            child.follow(self.speak, life)

    def _wait_for_the_last(self, futures: "Sequence[Future[None]]") -> None:
        try:
            wait(futures)
        except (KeyboardInterrupt, SystemExit):
            self._send(signal.SIGKILL)
            wait(futures)

    def _send(self, number: signal.Signals) -> None:
        for child in self.children:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(number)
