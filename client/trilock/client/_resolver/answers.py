"""What a process has to tell of what it serves: pure, but for a lock.

Each revision of each alias is acknowledged once, or refused with a reason. What
could not be told yet is told later, the newest only; a server that does not know
the process any more is told everything again.
"""

import os
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from trilock.client.errors import InvalidError
from trilock.client.live import LiveBundle

RENEW: Final = 3.0
"""How often a report is renewed within the time it counts for."""

MAX_REFUSAL: Final = 500

_NAME: Final = re.compile(r"[A-Za-z0-9._:-]{1,95}")


def watcher_name(name: str | None) -> str:
    """Return the name of this process on the roster: *name* and a random id.

    Args:
        name: What to call it, e.g. `delay-api`; by default the machine's name and the
            process id.

    Raises:
        InvalidError: It has other characters than letters, digits and `._:-`.
    """
    if name is None:
        host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:60] or "process"
        name = f"{host}.{os.getpid()}"
    if not _NAME.fullmatch(name):
        raise InvalidError(f"{name!r} is not a name of a process: it must match {_NAME.pattern}")
    return f"{name}.{os.urandom(6).hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is made of one revision of one alias."""

    alias: str
    generation: int
    revision: int
    standby_warm: bool
    refusal: str
    """Why it is not served; empty if it is."""


class Answers:
    """The newest answer for each alias, and which of them are told.

    Args:
        on_new: Called when there is something to tell.
    """

    def __init__(self, *, on_new: Callable[[], None] = lambda: None) -> None:
        self._lock = threading.Lock()
        self._answers: dict[str, Answer] = {}
        self._untold: set[str] = set()
        self._claimed: set[str] = set()
        self.on_new = on_new

    def claim(self, alias: str) -> None:
        """Leave *alias* to `give`: what is heard of it is not acknowledged by itself."""
        with self._lock:
            self._claimed.add(alias)

    def heard(self, live: LiveBundle) -> None:
        """Acknowledge *live*, unless somebody else answers for its alias."""
        with self._lock:
            if live.alias in self._claimed:
                return
        self.give(
            Answer(
                alias=live.alias,
                generation=live.generation,
                revision=live.revision,
                standby_warm=False,
                refusal="",
            )
        )

    def give(self, answer: Answer) -> None:
        """Note *answer*; one that says nothing new is not told again."""
        with self._lock:
            if self._answers.get(answer.alias) == answer:
                return
            self._answers[answer.alias] = answer
            self._untold.add(answer.alias)
        self.on_new()

    def take(self) -> tuple[Answer, ...]:
        """Return what is not told yet, as told from here on; `back` if it was not."""
        with self._lock:
            taken = tuple(self._answers[alias] for alias in sorted(self._untold))
            self._untold.clear()
            return taken

    def back(self, taken: tuple[Answer, ...]) -> None:
        """Note that *taken* did not arrive."""
        with self._lock:
            self._untold.update(answer.alias for answer in taken)

    def tell_all(self) -> None:
        """Tell everything again: the server does not know this process any more."""
        with self._lock:
            self._untold.update(self._answers)

    @property
    def has_news(self) -> bool:
        """Whether there is something that is not told yet."""
        return bool(self._untold)

    @property
    def count(self) -> int:
        """How many aliases there is something to tell of."""
        return len(self._answers)
