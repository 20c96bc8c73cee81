"""Forks of this process, which must have opened nothing and have no threads."""

import os
import signal
import traceback
from collections.abc import Callable
from typing import Final

LIFE_SECONDS: Final = 90
"""What hangs for so long ends itself, by an alarm that it has set."""


class Child:
    """A fork of this process, which must have opened nothing and have no threads."""

    def __init__(self, target: Callable[[], object]) -> None:
        """Start it.

        Args:
            target: What it does; what it returns, a text or nothing, is `told`.
        """
        self.told = ""
        read, write = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(read)
            code = 1
            try:
                answer = target()
                os.write(write, answer.encode() if isinstance(answer, str) else b"")
                code = 0
            except BaseException:  # noqa: BLE001 - it is told to the parent
                os.write(write, traceback.format_exc(limit=-8).encode())
            finally:
                # Not a step of what the parent does at its own end.
                os._exit(code)
        os.close(write)
        self.pipe = os.fdopen(read)
        """Readable once it has ended."""

    def end(self) -> str | None:
        """Wait until it has ended; return as `in_child` does."""
        with self.pipe:
            self.told = self.pipe.read()
        _, status = os.waitpid(self._pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGKILL:
            return "killed"
        if code == -signal.SIGALRM:
            return f"it hung for {LIFE_SECONDS} s"
        return None if code == 0 else self.told or f"exit code {code}"


def in_child(target: Callable[[], object]) -> str | None:
    """Run *target* in a fork of this process; return how it ended.

    Returns:
        None if it returned, `killed` if it killed itself, else what went wrong.
    """
    child = Child(target)
    return child.end()
