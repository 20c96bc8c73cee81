"""Crashes that are found by running: at every site, every BEGIN and every COMMIT."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, event

from trilock.server.store.database import Database

NEVER: Final = 0


class Crash(BaseException):
    """The process dies here. Not an Exception: nothing may catch it and clean up."""


class Bomb:
    """Counts the sites that this thread comes to; goes off at one of them."""

    def __init__(self, site: int = NEVER) -> None:
        self._site = site
        self._thread = threading.get_ident()
        self.seen: list[str] = []
        self.then: Callable[[str], None] = lambda _: None
        """Called at every site that was survived."""

    def __call__(self, name: str) -> None:
        if threading.get_ident() != self._thread:
            return
        self.seen.append(name)
        if len(self.seen) == self._site:
            self.go_off()
        self.then(name)

    def go_off(self) -> None:
        raise Crash(self.seen[-1])

    @contextmanager
    def wired(self, database: Database) -> Iterator[None]:
        """Make every write to *database* three sites: begun, committing, committed."""
        listeners = (("begin", self._begin), ("commit", self._commit))
        for name, listener in listeners:
            event.listen(database.engine, name, listener)
        database.after_write(self._committed)
        try:
            yield
        finally:
            for name, listener in listeners:
                event.remove(database.engine, name, listener)
            database._after_write.remove(self._committed)

    def _begin(self, connection: Connection) -> None:
        if not connection.get_execution_options().get("readonly"):
            self("begin")

    def _commit(self, _: Connection) -> None:
        self("commit")

    def _committed(self) -> None:
        self("committed")
