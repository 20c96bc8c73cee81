"""Feast as a FeatureStore: definitions by SQL, values by Feast in a worker.

The server never imports Feast. Definitions are raw protos, moved in single
transactions; whatever runs the user's code happens in a worker process on a
throwaway copy of the registry, so that only the code below writes the real one.
"""

import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import URL, Connection

from trilock.compat import RawObject
from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import NotFoundError, NotReadyError, PreconditionError
from trilock.server.domain.ports import (
    NO_BOUNDS,
    Comparison,
    FillBounds,
    InPlace,
    Progress,
    ViewState,
    Window,
)
from trilock.server.planes.feast import definitions, deploy, freeze, reader
from trilock.server.planes.feast.comparing import comparison_window, judge
from trilock.server.planes.feast.config import (
    FeastConfig,
    FileRegistryConfig,
    OtherOnlineConfig,
    PostgresOnlineConfig,
    SqlRegistryConfig,
    read_config,
)
from trilock.server.planes.feast.database import (
    Database,
    LockedError,
    LostRaceError,
    be_impatient,
)
from trilock.server.planes.feast.definitions import Key, definition_digest, keys
from trilock.server.planes.feast.deploy import ANYTHING, Expected
from trilock.server.planes.feast.differences import differences
from trilock.server.planes.feast.file_registry import FileRegistry
from trilock.server.planes.feast.filling import Interval, spans
from trilock.server.planes.feast.online import PLANE, OnlineView, SqlOnlineStore, online_views
from trilock.server.planes.feast.process import Message, Worker, WorkerProcess
from trilock.server.planes.feast.registry import RegistrySession
from trilock.server.planes.feast.repository import capture_commit
from trilock.server.planes.feast.sql_registry import SqlRegistry, SqlSession, throwaway_registry
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
from trilock.server.planes.feast.tokens import token

_COPY_SECONDS: Final = 600.0
"""How long copying one online table may take."""

_T = TypeVar("_T")

_SWAP_TRIES: Final = 20
_SWAP_PAUSE: Final = 0.05
_pause: Final = threading.Event()
"""Never set: its wait is a pause between two tries for a lock."""

_TRIES: Final = 3
"""A transaction that lost a race is run again, from what is there then."""


class FeastFeatureStore:
    """Implements FeatureStore for the registry and online store of one `feature_store.yaml`."""

    def __init__(
        self, feature_store_yaml: Path, *, worker_timeout: float, worker: Worker | None = None
    ) -> None:
        self._config = read_config(feature_store_yaml)
        self._worker = worker or WorkerProcess(timeout=worker_timeout)
        self._registry = _registry(self._config)
        self._online = _online_store(self._config, registry=self._registry)

    @property
    def base_project(self) -> str:
        """The project that `feature_store.yaml` names."""
        return self._config.project

    def close(self) -> None:
        """Close the connections to the databases."""
        self._registry.close()
        if self._online is not None:
            self._online.database.close()

    def capture_project(self, *, project: str, service: str) -> FeatureCapture:
        """See FeatureStore."""
        with self._registry.reading() as session:
            projects = session.projects()
            objects = session.read(project)
        if not objects and project not in projects:
            raise NotFoundError(
                f"Feast project {project!r}", hint=f"there is: {', '.join(projects) or 'none'}"
            )
        return definitions.make_capture(objects, service=service, project=project, revision=None)

    def capture_repository(
        self, *, repository: Path, revision: str, folder: str, service: str
    ) -> FeatureCapture:
        """See FeatureStore."""
        return capture_commit(
            self._worker,
            self._config,
            repository=repository,
            revision=revision,
            folder=folder,
            service=service,
        )

    def describe(self, capture: FeatureCapture) -> tuple[RawObject, ...]:
        """See FeatureStore."""
        return definitions.describe(capture)

    def definition(self, capture: FeatureCapture, *, project: str) -> str | None:
        """See FeatureStore."""
        with self._registry.reading() as session:
            return definition_digest(session.read(project, only=keys(capture)))

    def freeze(self, *, owner: str, projects: Mapping[str, str]) -> None:
        """See FeatureStore."""
        with self._postgres().begin("write") as connection:
            freeze.freeze(connection, owner=owner, projects=projects)

    def frozen(self, *, owner: str) -> Mapping[str, str]:
        """See FeatureStore."""
        with self._postgres().begin("read") as connection:
            return freeze.frozen(connection, owner=owner)

    def _postgres(self) -> Database:
        registry = self._registry
        if not isinstance(registry, SqlRegistry) or not registry.database.is_postgres:
            raise PreconditionError("only the projects of a registry on PostgreSQL can be frozen")
        return registry.database

    def token(self, *, project: str) -> str:
        """See FeatureStore."""
        with self._registry.reading() as session:
            return token(session, project)

    def differences(self, capture: FeatureCapture, *, project: str) -> tuple[str, ...]:
        """See FeatureStore."""
        with self._registry.reading() as session:
            return differences(capture, session.read(project, only=keys(capture)))

    def deploy(self, capture: FeatureCapture, *, project: str, expected: str | None) -> None:
        """See FeatureStore."""
        views = online_views(capture)
        _again(lambda: self._deploy(capture, views, project=project, expected=expected))
        if isinstance(self._config.online, OtherOnlineConfig):
            self._run("make_tables", capture, project=project, tell=_ignore)

    def _deploy(
        self,
        capture: FeatureCapture,
        views: tuple[OnlineView, ...],
        *,
        project: str,
        expected: Expected,
    ) -> None:
        with self._registry.writing(project) as session:
            deploy.deploy(session, capture, project=project, expected=expected)
            # Before the definitions are committed: who sees a view finds its table.
            self._make_tables(session, views, project=project)

    def fill(
        self,
        capture: FeatureCapture,
        *,
        project: str,
        window: Window,
        progress: Progress,
        bounds: FillBounds = NO_BOUNDS,
        resume: bool = False,
    ) -> tuple[ViewState, ...]:
        """See FeatureStore."""
        views = {view.name: view for view in online_views(capture)}
        wanted: dict[str, list[tuple[str, str]]] = {}
        for view, parts in self._parts(
            capture, project=project, window=window, chunk=bounds.chunk, resume=resume
        ):
            if parts:
                wanted[view.name] = [(start.isoformat(), end.isoformat()) for start, end in parts]
            else:
                progress(f"{view.name}: {view.cold or 'fed already'}")
        problems: list[str] = []

        def tell(message: Message) -> None:
            if "progress" in message:
                progress(str(message["progress"]))
            if "failed" in message:
                problems.append(f"{message['failed']}: {message['why']}")
                progress(problems[-1])
            if "done" in message:
                view = views[str(message["done"])]
                part = Window(
                    start=datetime.fromisoformat(str(message["start"])),
                    end=datetime.fromisoformat(str(message["end"])),
                )
                self._record_fed(capture, project=project, key=(view.kind, view.name), window=part)
                progress(f"{view.name}: fed until {part.end.isoformat()}")
                if bounds.max_rows is not None:
                    self._require_few(view, project=project, most=bounds.max_rows)

        if wanted:
            self._run("materialize", capture, project=project, tell=tell, views=wanted)
        if problems:
            raise NotReadyError(resource=f"Feast project {project}", problems=problems)
        return self.views(capture, project=project)

    def _parts(
        self,
        capture: FeatureCapture,
        *,
        project: str,
        window: Window,
        chunk: timedelta,
        resume: bool,
    ) -> Iterator[tuple[OnlineView, list[Interval]]]:
        with self._registry.reading() as session:
            fed = deploy.watermarks(session, capture, project=project)
        for view in online_views(capture):
            known = fed.get((view.kind, view.name))
            if not view.feedable:
                yield view, []
            elif known is None:
                # Nothing tells how far it is: older times might go over newer ones.
                yield view, [(window.start, window.end)]
            else:
                yield view, spans(window, fed=known, chunk=chunk, resume=resume)

    def _require_few(self, view: OnlineView, *, project: str, most: int) -> None:
        rows = None if self._online is None else self._online.rows(project=project, views=[view])
        if rows is not None and rows[view.name] > most:
            raise PreconditionError(
                f"view {view.name} of {project} has {rows[view.name]} entities online, more than "
                f"max_rows = {most}: fill a shorter window, or raise it",
                project=project,
            )

    def _record_fed(
        self, capture: FeatureCapture, *, project: str, key: Key, window: Window
    ) -> None:
        def record() -> None:
            with self._registry.writing(project) as session:
                deploy.add_watermark(session, capture, project=project, key=key, window=window)

        _again(record)

    def compare(
        self, capture: FeatureCapture, *, project: str, window: Window, sample: int
    ) -> tuple[Comparison, ...]:
        """See FeatureStore."""
        for _ in range(_TRIES):
            before = self.views(capture, project=project)
            found = self._compare(capture, before, project=project, window=window, sample=sample)
            if self.views(capture, project=project) == before:
                break  # Else somebody fed it meanwhile: two different moments were compared.
        return found

    def _compare(
        self,
        capture: FeatureCapture,
        states: tuple[ViewState, ...],
        *,
        project: str,
        window: Window,
        sample: int,
    ) -> tuple[Comparison, ...]:
        views = {view.name: view for view in online_views(capture)}
        wanted = {
            state.view: comparison_window(state, window=window)
            for state in states
            if views[state.view].comparable
        }
        told: dict[str, Message] = {}
        if wanted:
            self._run(
                "compare",
                capture,
                project=project,
                tell=lambda message: told.update({str(message["compared"]): message}),
                views={
                    name: (span.start.isoformat(), span.end.isoformat())
                    for name, span in wanted.items()
                },
                sample=sample,
            )
        return tuple(
            judge(views[state.view], state, told.get(state.view), window=window) for state in states
        )

    def in_place(self, capture: FeatureCapture, *, project: str) -> InPlace | None:
        """See FeatureStore."""
        online = self._require_tables("in place")
        if not online.database.exists:
            return None
        with online.database.begin("read") as connection:
            swapped = read_swapped(connection, online, project=project)
        if swapped is None:
            return None
        with self._registry.reading() as session:
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
        online = self._require_tables("in place")

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

        with self._registry.writing(project) as session:
            if isinstance(session, SqlSession):
                be_impatient(session.connection)
            deploy.require_captured(session, capture, project=source)
            busy = busy_views(session, project=project, only=keys(leaves or capture))
            shared = isinstance(session, SqlSession) and self._shares(session)
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

    def ask_reader(self, url: str, *, comparisons: Sequence[Comparison]) -> str:
        """See FeatureStore."""
        return reader.ask(url, comparisons=comparisons)

    def distrust(self, capture: FeatureCapture, *, project: str) -> None:
        """See FeatureStore."""
        online = self._require_tables("in place")
        with online.database.begin("read") as connection:
            swapped = read_swapped(connection, online, project=project)
        if swapped is None:
            return

        def set_back() -> None:
            with self._registry.writing(project) as session:
                deploy.require_captured(session, capture, project=project)
                deploy.set_watermarks(session, trusted(swapped), project=project)

        _again(set_back)

    def vouch(self, capture: FeatureCapture, *, project: str) -> None:
        """See FeatureStore."""
        online = self._require_tables("in place")
        with self._registry.reading() as session:
            fed = fed_text(marks_of(session, capture, project=project))
        with online.database.begin("write") as connection:
            swapped = read_swapped(connection, online, project=project)
            if swapped is not None:
                vouched = replace(swapped, busy=(), verified=fed)
                write_swapped(connection, online, vouched, project=project)

    def _require_tables(self, what: str) -> SqlOnlineStore:
        if self._online is None:
            raise PreconditionError(
                f"the online store has no tables to rename: {what} needs SQLite or PostgreSQL"
            )
        return self._online

    def retire(self, capture: FeatureCapture, *, project: str) -> tuple[str, ...]:
        """See FeatureStore."""
        views = online_views(capture)

        def remove() -> tuple[str, ...]:
            with self._registry.writing(project) as session:
                kept = deploy.remove(session, capture, project=project)
                if isinstance(session, SqlSession) and self._shares(session):
                    assert self._online is not None  # noqa: S101 - it shares the database
                    self._online.drop(session.connection, project=project, views=views)
                    return kept
            # Definitions first: a table without one is no trap, a watermark without its table is.
            if self._online is not None and self._online.database.exists:
                with self._online.database.begin("write") as connection:
                    self._online.drop(connection, project=project, views=views)
            return kept

        kept = _again(remove)
        if isinstance(self._config.online, OtherOnlineConfig):
            return (*kept, f"{self._config.online.type}: its values, which only Feast can remove")
        return kept

    def _shares(self, session: SqlSession) -> bool:
        return self._online is not None and session.database is self._online.database

    def views(
        self, capture: FeatureCapture, *, project: str, count: bool = True
    ) -> tuple[ViewState, ...]:
        """See FeatureStore."""
        views = online_views(capture)
        with self._registry.reading() as session:
            rows = session.read(project, only=[(view.kind, view.name) for view in views])
        online = self._online
        counts = {} if online is None or not count else online.rows(project=project, views=views)
        return tuple(
            deploy.view_state(
                view, row=rows.get((view.kind, view.name)), rows=counts.get(view.name)
            )
            for view in views
        )

    def mirror(self, capture: FeatureCapture, *, source: str, project: str) -> None:
        """See FeatureStore."""
        _again(lambda: self._mirror(capture, source=source, project=project))

    def _mirror(self, capture: FeatureCapture, *, source: str, project: str) -> None:
        online = self._online
        if online is None:
            raise PreconditionError(
                "the online store cannot copy tables: mirroring needs SQLite or PostgreSQL"
            )
        registry = self._registry
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

    def _run(
        self,
        job: str,
        capture: FeatureCapture,
        *,
        project: str,
        tell: Callable[[Message], None],
        **details: object,
    ) -> None:
        """Run *job* on a throwaway registry in which *project* is defined as captured."""
        with (
            tempfile.TemporaryDirectory(prefix="trilock-feast-") as scratch,
            closing(throwaway_registry(Path(scratch))) as registry,
        ):
            with registry.writing(project) as session:
                deploy.deploy(session, capture, project=project, expected=None)
            request = {
                "job": job,
                "base": str(self._config.folder),
                "settings": dict(self._config.settings),
                "registry": {"registry_type": "sql", "path": registry.url},
                "project": project,
            }
            self._worker.run({**request, **details}, tell=tell)

    def _make_tables(
        self, session: RegistrySession, views: tuple[OnlineView, ...], *, project: str
    ) -> None:
        """Make missing online tables, in the session's own transaction if it can be."""
        online = self._online
        if online is None:
            return
        if isinstance(session, SqlSession) and self._shares(session):
            online.make(session.connection, project=project, views=views)
            return
        if not online.misses(project=project, views=views):
            return  # Without the lock of a writer, who may be feeding for minutes.
        with online.database.begin("write") as connection:
            online.make(connection, project=project, views=views)


def _registry(config: FeastConfig) -> SqlRegistry | FileRegistry:
    match config.registry:
        case SqlRegistryConfig():
            return SqlRegistry(config.registry)
        case FileRegistryConfig():
            return FileRegistry(config.registry)


def _online_store(
    config: FeastConfig, *, registry: SqlRegistry | FileRegistry
) -> SqlOnlineStore | None:
    online = config.online
    if online is None or isinstance(online, OtherOnlineConfig):
        return None
    if isinstance(online, PostgresOnlineConfig):
        database = Database(online.url, plane=PLANE, connect_options=online.connect_options)
    else:
        url = URL.create("sqlite", database=str(online.path))
        database = Database(url, plane=PLANE)
    if isinstance(registry, SqlRegistry) and registry.database.identity == database.identity:
        # One database: one connection, so that one transaction can change both.
        database = registry.database
    return SqlOnlineStore(online, database=database)


def _redefine(
    session: RegistrySession,
    capture: FeatureCapture,
    marks: deploy.Watermarks,
    *,
    project: str,
) -> None:
    deploy.deploy(session, capture, project=project, expected=ANYTHING)
    deploy.set_watermarks(session, marks, project=project)


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


def _again(work: Callable[[], _T]) -> _T:
    for _ in range(_TRIES - 1):
        try:
            return work()
        except LostRaceError:
            continue
    return work()


def _ignore(message: Message) -> None:
    del message
