"""Feeding a project as time goes on: from where it is, and so that others know of it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from sqlmodel import Session, col, select

from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.ports import FeatureStore, Window
from trilock.server.planning.feature_window import default_window
from trilock.server.store.clock import is_ahead
from trilock.server.store.database import Database
from trilock.server.store.tables import LeaseRow
from trilock.server.workers.lease import Leases

_SCOPE: Final = "filling/"


@contextmanager
def filling(database: Database, project: str) -> Iterator[None]:
    """Let others know that *project* is being fed, while the block runs."""
    leases = Leases(database, owner=f"fill-{uuid.uuid4().hex[:8]}")
    with database.write() as session:
        lease = leases.claim(session, f"{_SCOPE}{project}/{leases.owner}")
    assert lease is not None, "nobody else has a scope with this name"  # noqa: S101 - for the type
    try:
        with leases.kept(lease):
            yield
    finally:
        with database.write() as session:
            leases.drop(session, lease)


def is_being_filled(session: Session, project: str) -> bool:
    """Return whether trilock feeds *project* now."""
    scope = f"{_SCOPE}{project}/"
    held = select(LeaseRow.scope).where(
        col(LeaseRow.scope).startswith(scope, autoescape=True),
        is_ahead(col(LeaseRow.until_ms)),
    )
    return session.exec(held).first() is not None


def since_last(features: FeatureStore, capture: FeatureCapture, *, project: str) -> Window:
    """Return the window from where the view that is furthest behind was last filled."""
    default = default_window(features.describe(capture))
    fed = [
        view.fed_until or default.start
        for view in features.views(capture, project=project, count=False)
        if view.feedable
    ]
    return Window(start=min([*fed, default.end - timedelta(microseconds=1)]), end=default.end)
