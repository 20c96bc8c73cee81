"""Connections whose errors are the domain's."""

from collections.abc import Iterator
from contextlib import contextmanager

from trilock.client.sinks.layout import LayoutVersionError
from trilock.client.sinks.session import ConflictError, LostError, RefusedError, Session
from trilock.server.domain.errors import PlaneUnavailableError, SinkError
from trilock.server.sinks.catalog import Catalog


@contextmanager
def session_of(catalog: Catalog, sink: str) -> Iterator[Session]:
    """Open a connection for *sink*, and close it.

    Raises:
        SinkError: The database refused a statement.
        PlaneUnavailableError: It does not answer.
    """
    try:
        session = catalog.connect()
        try:
            yield session
        finally:
            session.close()
    except RefusedError as error:
        raise SinkError(sink=sink, problems=[str(error)]) from error
    except (LostError, ConflictError) as error:
        raise PlaneUnavailableError(plane=catalog.plane, what=str(error)) from error
    except LayoutVersionError as error:
        raise SinkError(sink=sink, problems=[str(error)]) from error
