"""Several commands at once: their lines are passed on with a label, and stopping us stops them in order."""

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field


@dataclass
class Child:
    """A command, and how it went: ``code`` is ``None`` until it has ended."""

    label: str
    words: list[str]
    code: int | None = None
    last: str = ""  # the last line it said: for a failure, the sentence about it
    process: "subprocess.Popen[str] | None" = field(default=None, repr=False)

    def follow(self, speak: threading.Lock) -> None:
        """Run to the end, passing on every line."""
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            self.words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
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
        with ThreadPoolExecutor(self.jobs) as pool:
            futures = [pool.submit(self._one, child) for child in self.children]
            try:
                wait(futures)
            except (KeyboardInterrupt, SystemExit) as end:
                self.stopping = True
                self._send(signal.SIGINT if isinstance(end, KeyboardInterrupt) else signal.SIGTERM)
                self._wait_for_the_last(futures)
                raise
        for future in futures:
            future.result()

    def _one(self, child: Child) -> None:
        if not self.stopping:
            child.follow(self.speak)

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
