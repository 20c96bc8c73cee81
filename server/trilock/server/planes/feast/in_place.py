"""The one project that readers read, in place: what it holds, and how that is changed."""

import threading
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.ports import InPlace
from trilock.server.planes.feast import deploy
from trilock.server.planes.feast.database import LockedError, LostRaceError, be_impatient
from trilock.server.planes.feast.definitions import keys
from trilock.server.planes.feast.online import online_views
from trilock.server.planes.feast.sql_registry import SqlSession
from trilock.server.planes.feast.stores import Stores, again
from trilock.server.planes.feast.swapping import (
    busy_views,
    fed_text,
    marks_of,
    move_tables,
    read_swapped,
    settle_definitions,
    trusted,
    with_fed,
    write_swapped,
)

_SWAP_TRIES: Final = 20
_SWAP_PAUSE: Final = 0.05
_pause: Final = threading.Event()
"""Never set: its wait is a pause between two tries for a lock."""


class Place:
    """What a FeatureStore does in place: tables are swapped by name, and vouched for."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def look(self, capture: FeatureCapture, *, project: str) -> InPlace | None:
        """See FeatureStore."""
        online = self._stores.require_tables("in place")
        if not online.database.exists:
            return None
        with online.database.begin("read") as connection:
            swapped = read_swapped(connection, online, project=project)
        if swapped is None:
            return None
        with self._stores.registry.reading() as session:
            fed = fed_text(marks_of(session, capture, project=project))
        return InPlace(
            holds=swapped.holds,
            left=swapped.left,
            settled=swapped.settled,
            swapped=swapped.at,
            busy=swapped.busy,
            waiting=bool(swapped.busy) and fed == swapped.fed,
            verified=swapped.verified == fed,
        )

    def swap(
        self,
        capture: FeatureCapture,
        *,
        source: str,
        project: str,
        leaves: FeatureCapture | None,
    ) -> None:
        """See FeatureStore."""
        for _ in range(_SWAP_TRIES - 1):
            try:
                return self._swap(capture, source=source, project=project, leaves=leaves)
            except (LockedError, LostRaceError):
                _pause.wait(_SWAP_PAUSE)
        return self._swap(capture, source=source, project=project, leaves=leaves)

    def _swap(
        self,
        capture: FeatureCapture,
        *,
        source: str,
        project: str,
        leaves: FeatureCapture | None,
    ) -> None:
        online = self._stores.require_tables("in place")

        def move(connection: Connection, busy: tuple[str, ...]) -> str:
            be_impatient(connection)
            move_tables(
                connection,
                online,
                views=online_views(capture),
                leaves=() if leaves is None else online_views(leaves),
                source=source,
                project=project,
                busy=busy,
            )
            swapped = read_swapped(connection, online, project=project)
            assert swapped is not None, "it was just written"  # noqa: S101 - for the type
            return swapped.left

        def settle(connection: Connection, marks: deploy.Watermarks) -> None:
            swapped = read_swapped(connection, online, project=project)
            if swapped is not None and not swapped.settled:
                write_swapped(connection, online, with_fed(swapped, marks), project=project)

        with self._stores.registry.writing(project) as session:
            if isinstance(session, SqlSession):
                be_impatient(session.connection)
            deploy.require_captured(session, capture, project=source)
            busy = busy_views(session, project=project, only=keys(leaves or capture))
            shared = isinstance(session, SqlSession) and self._stores.shares(session)
            if isinstance(session, SqlSession) and shared:
                left = move(session.connection, busy)
            else:
                with online.database.begin("write") as connection:
                    left = move(connection, busy)
            settle_definitions(
                session, capture, source=source, project=project, leaves=leaves, left=left
            )
            marks = marks_of(session, capture, project=project)
            if isinstance(session, SqlSession) and shared:
                settle(session.connection, marks)
        if not shared:
            with online.database.begin("write") as connection:
                settle(connection, marks)

    def distrust(self, capture: FeatureCapture, *, project: str) -> None:
        """See FeatureStore."""
        online = self._stores.require_tables("in place")
        with online.database.begin("read") as connection:
            swapped = read_swapped(connection, online, project=project)
        if swapped is None:
            return

        def set_back() -> None:
            with self._stores.registry.writing(project) as session:
                deploy.require_captured(session, capture, project=project)
                deploy.set_watermarks(session, trusted(swapped), project=project)

        again(set_back)

    def vouch(self, capture: FeatureCapture, *, project: str) -> None:
        """See FeatureStore."""
        online = self._stores.require_tables("in place")
        with self._stores.registry.reading() as session:
            fed = fed_text(marks_of(session, capture, project=project))
        with online.database.begin("write") as connection:
            swapped = read_swapped(connection, online, project=project)
            if swapped is not None:
                vouched = replace(swapped, busy=(), verified=fed)
                write_swapped(connection, online, vouched, project=project)
