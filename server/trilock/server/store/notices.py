"""On PostgreSQL every change of the truth is announced, so that other replicas look at once.

Only saves time: an announcement carries nothing, may be lost, and everybody looks
again after a while anyway. On SQLite there is one process, and nobody to tell.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from trilock.server.store.database import Database

_CHANNEL: Final = "trilock"
_LOOK_SECONDS: Final = 0.5
"""How often the listening thread looks whether it is to stop."""
_AGAIN_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


def announce(session: Session) -> None:
    """Tell all replicas when the transaction commits, and only then."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(sa.select(sa.func.pg_notify(_CHANNEL, "")))


class Listener:
    """A thread with a connection of its own, which calls *nudge* at every announcement."""

    def __init__(self, database: Database, nudge: Callable[[], None]) -> None:
        """Do nothing yet.

        Args:
            database: On PostgreSQL.
            nudge: Called from the thread; also after every gap in which one may have been lost.
        """
        self._url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._nudge = nudge
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self.listening = threading.Event()
        """Whether an announcement that is made now will be heard."""

    def start(self) -> None:
        """Start listening."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Stop listening; return whether *timeout* was enough."""
        self._stopping.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        # Imported here: a server on SQLite need not have psycopg.
        import psycopg  # noqa: PLC0415

        while not self._stopping.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, connect_timeout=3) as connection:
                    connection.execute(f"LISTEN {_CHANNEL}")
                    self.listening.set()
                    self._nudge()
                    while not self._stopping.is_set():
                        for _ in connection.notifies(timeout=_LOOK_SECONDS, stop_after=1):
                            self._nudge()
            except psycopg.Error as error:
                _log.warning("cannot hear of other replicas' changes, looking often: %s", error)
            self.listening.clear()
            self._stopping.wait(_AGAIN_SECONDS)
