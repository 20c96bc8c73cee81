"""A PostgreSQL connection whose every wait ends.

The server's own timeouts do not help against a server that was stopped, or a
network that swallows packets: then it is the client that has to stop waiting.
Imported only where PostgreSQL is used, because psycopg is an extra.
"""

import time
from collections.abc import Generator
from typing import Any

import psycopg

_PING_SECONDS = 2.0


class BoundedConnection(psycopg.Connection[Any]):
    """Closes itself when the server does not answer in `seconds`."""

    seconds: float = _PING_SECONDS
    """How long one statement may take; between transactions, only as long as a ping."""

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as in the base class
        """Wait as the base class does, but not for longer than `seconds`."""
        return super().wait(self._bounded(gen), *args, **options)

    def _bounded(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        # The base class wakes the generator every tenth of a second, data or not.
        deadline = time.monotonic() + self.seconds
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if time.monotonic() > deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"no answer within {self.seconds:g} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value


def connect(**options: Any) -> BoundedConnection:  # noqa: ANN401 - psycopg's
    """Return a new connection."""
    return BoundedConnection.connect(**options)
