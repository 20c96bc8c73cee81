"""A live project that follows another one, in one transaction where it can be."""

from typing import Final

from sqlalchemy import Connection

from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import PreconditionError
from trilock.server.planes.feast import deploy
from trilock.server.planes.feast.deploy import ANYTHING
from trilock.server.planes.feast.online import SqlOnlineStore, online_views
from trilock.server.planes.feast.registry import RegistrySession
from trilock.server.planes.feast.sql_registry import SqlRegistry
from trilock.server.planes.feast.stores import Stores, again

_COPY_SECONDS: Final = 600.0
"""How long copying one online table may take."""


def mirror(stores: Stores, capture: FeatureCapture, *, source: str, project: str) -> None:
    """Make *project* equal to *source*, values and definitions. See FeatureStore."""
    again(lambda: _mirror(stores, capture, source=source, project=project))


def _mirror(stores: Stores, capture: FeatureCapture, *, source: str, project: str) -> None:
    online = stores.online
    if online is None:
        raise PreconditionError(
            "the online store cannot copy tables: mirroring needs SQLite or PostgreSQL"
        )
    registry = stores.registry
    if isinstance(registry, SqlRegistry) and registry.database is online.database:
        with registry.writing(project, seconds=_COPY_SECONDS) as session:
            marks = deploy.watermarks(session, capture, project=source)
            _copy_tables(session.connection, online, capture, source=source, project=project)
            _redefine(session, capture, marks, project=project)
        return
    # Watermarks are read before and written after the values, so that they
    # never tell of values that are not there.
    with registry.reading() as reader:
        marks = deploy.watermarks(reader, capture, project=source)
    with online.database.begin("write", seconds=_COPY_SECONDS) as connection:
        _copy_tables(connection, online, capture, source=source, project=project)
    with registry.writing(project) as writer:
        _redefine(writer, capture, marks, project=project)


def _copy_tables(
    connection: Connection,
    online: SqlOnlineStore,
    capture: FeatureCapture,
    *,
    source: str,
    project: str,
) -> None:
    views = online_views(capture)
    online.make(connection, project=project, views=views)
    for view in views:
        online.copy(connection, source=source, target=project, view=view.name)


def _redefine(
    session: RegistrySession,
    capture: FeatureCapture,
    marks: deploy.Watermarks,
    *,
    project: str,
) -> None:
    deploy.deploy(session, capture, project=project, expected=ANYTHING)
    deploy.set_watermarks(session, marks, project=project)
