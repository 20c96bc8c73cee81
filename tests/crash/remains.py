"""What a process leaves behind when it is killed now: everything that lasts, as one value.

Two sites with equal remains are one crash. A killed process leaves files and the
databases of a server, nothing else: its memory, locks and sessions are gone. So
whoever starts after it finds the same, and cannot tell them apart.
"""

import hashlib
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psycopg

from tests.support.real_world import Site

_TICK_NS: Final = 50_000_000
"""More than the clock of a file system goes on by at once."""


class Remains(AbstractContextManager["Remains"]):
    """Looks at one world, which nobody else writes to."""

    def __init__(self, site: Site) -> None:
        """Open nothing yet."""
        self._folder = site.folder
        self._url = None if site.feast_url is None else site.store_url
        self._server: psycopg.Connection[tuple[str]] | None = None
        self._digests: dict[Path, tuple[tuple[int, int], bytes]] = {}
        """Of files that did not change since: what they were like, and their digest."""

    def __enter__(self) -> Self:
        """Connect to the server, if there is one."""
        if self._url is not None:
            self._server = psycopg.connect(self._url, autocommit=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        if self._server is not None:
            self._server.close()

    def look(self) -> tuple[str, str]:
        """Return what would be left: the files' bytes, and the server's transactions.

        Every transaction of the server that writes has a number. Which of them have ended is
        all that can differ there: the others are rolled back when their session is gone.
        """
        found = hashlib.blake2b()
        for file in sorted(self._folder.rglob("*")):
            # SQLite makes the index of a log anew when nobody has it open.
            if file.is_file() and not file.name.endswith("-shm"):
                found.update(f"{file} ".encode() + self._digest(file))
        if self._server is None:
            return found.hexdigest(), ""
        row = self._server.execute("SELECT pg_current_snapshot()::text").fetchone()
        assert row is not None
        return found.hexdigest(), row[0]

    def _digest(self, file: Path) -> bytes:
        known = file.stat()
        like = known.st_mtime_ns, known.st_size
        if file in self._digests and self._digests[file][0] == like:
            return self._digests[file][1]
        digest = hashlib.blake2b(file.read_bytes()).digest()
        # What was written just now may be written again by the same clock.
        if time.time_ns() - known.st_mtime_ns > _TICK_NS:
            self._digests[file] = like, digest
        return digest
