"""What a process leaves behind when it is killed now: everything that lasts, as one value.

Two sites with equal remains are one crash. A killed process leaves files and the
databases of a server, nothing else: its memory, locks and sessions are gone. So
whoever starts after it finds the same, and cannot tell them apart.
"""

import hashlib
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

import psycopg

from tests.support.real_world import Site


class Remains(AbstractContextManager["Remains"]):
    """Looks at one world, which nobody else writes to."""

    def __init__(self, site: Site) -> None:
        """Open nothing yet."""
        self._folder = site.folder
        self._url = None if site.feast_url is None else site.store_url
        self._server: psycopg.Connection[tuple[str]] | None = None

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
                content = file.read_bytes()
                found.update(f"{file} {len(content)} ".encode() + content)
        if self._server is None:
            return found.hexdigest(), ""
        row = self._server.execute("SELECT pg_current_snapshot()::text").fetchone()
        assert row is not None
        return found.hexdigest(), row[0]
