"""Look at what is live, its target and its trials read: how far it is fed, whose values it has.

Two things happen to features that no pivot tells of. They age: that is kept for
`status`. And a job that nobody knew of writes to the project that is kept equal
to the live bundle; it cannot be seen to run, but it leaves a watermark that is
not the one we know. That has the project driven again, which compares values.
"""

import logging

from trilock.server.convergence.projections.feature_mirror import FeatureMirror
from trilock.server.domain.errors import TrilockError
from trilock.server.domain.names import ReleaseRef
from trilock.server.domain.ports import Connections, ViewState
from trilock.server.domain.release import LiveRow
from trilock.server.store.bundles import get_bundle
from trilock.server.store.database import Database
from trilock.server.store.feature_states import keep_feature_states, put_feature_state
from trilock.server.store.leading import held_in_place
from trilock.server.store.plane_states import list_plane_states, set_behind
from trilock.server.store.releases import get_live, get_release, list_live
from trilock.server.watching.regular import Regular

_log = logging.getLogger(__name__)


class FeatureWatcher(Regular):
    """A thread that looks at feature projects."""

    def __init__(self, database: Database, connections: Connections, *, interval: float) -> None:
        """Do nothing yet.

        Args:
            database: Where live rows are read and findings kept.
            connections: What is looked at.
            interval: Seconds between two looks at the same project.
        """
        self._database = database
        self._connections = connections
        self._mirror = FeatureMirror(database, connections)
        super().__init__(
            "feature watcher",
            self.look,
            every=interval,
            first=interval,
            unknown="features are not known",
        )

    def look(self) -> None:
        """Look once at every project."""
        with self._database.read() as session:
            lives = list_live(session)
        for live in lives:
            for release in live.needed:
                self._look_at(live, release)
            with self._database.write() as session:
                keep_feature_states(session, live.alias, releases=live.needed)
            self._look_at_mirror(live)

    def _look_at(self, live: LiveRow, release: ReleaseRef) -> None:
        with self._database.read() as session:
            schema = get_bundle(session, get_release(session, release).bundle).feature_schema
        project, error = schema.project, ""
        views: tuple[ViewState, ...] = ()
        try:
            planes = self._connections.planes(live.alias.model)
            project = planes.home(schema)
            views = planes.features.views(schema.capture, project=project)
        except TrilockError as trouble:
            error = str(trouble)
        with self._database.write() as session:
            put_feature_state(
                session, live.alias, release, project=project, views=views, error=error
            )

    def _look_at_mirror(self, live: LiveRow) -> None:
        if not self._connections.has_mirror(live.alias):
            return
        with self._database.read() as session:
            # What an operation leads with is its own to drive, before its pivot.
            led = held_in_place(session, live) != live.bundle
            agrees = not led and any(
                plane.converged
                for plane in list_plane_states(session, live)
                if plane.plane == self._mirror.name
            )
        try:
            if not agrees or self._mirror.observe(live) == self._mirror.wanted(live):
                return
        except TrilockError as error:
            _log.warning("the features that %s serves are not known: %s", live.alias, error)
            return
        with self._database.write() as session:
            now = get_live(session, live.alias)
            if now is not None and now.switched_revision == live.switched_revision:
                _log.warning("%s is not fed as it was: it is compared again", live.alias)
                set_behind(session, live.alias, planes=[self._mirror.name], rewrite=True)
