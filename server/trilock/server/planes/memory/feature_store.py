"""A FeatureStore in memory, for tests and rehearsals.

Definitions are real Feast protos, compared, deployed and watermarked by the
same pure code as in the real store; registry, online tables, sources and git
are dictionaries. What others do to a feature store (apply, commit, write to a
source, read online) are methods here, below the port's own.
"""

import copy
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict

from trilock.compat import RawObject
from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import (
    NotFoundError,
    NotReadyError,
    PlaneUnavailableError,
    PreconditionError,
)
from trilock.server.domain.ports import (
    NO_BOUNDS,
    Comparison,
    FillBounds,
    InPlace,
    Progress,
    ViewState,
    Window,
)
from trilock.server.planes.feast import definitions, deploy, protos
from trilock.server.planes.feast.comparing import comparison_window, judge
from trilock.server.planes.feast.definitions import Key, definition_digest, keys
from trilock.server.planes.feast.deploy import ANYTHING
from trilock.server.planes.feast.differences import differences
from trilock.server.planes.feast.filling import spans
from trilock.server.planes.feast.online import online_views
from trilock.server.planes.feast.registry import Version, number_versions
from trilock.server.planes.feast.swapping import (
    Swapped,
    fed_text,
    marks_of,
    settle_definitions,
    trusted,
    with_fed,
)
from trilock.server.planes.feast.tokens import token

Values = Mapping[str, object]
"""Feature values by name."""


@dataclass(slots=True)
class _Project:
    objects: dict[Key, bytes] = field(default_factory=dict)
    history: list[Version] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    entity: str
    at: datetime
    values: Values


class _Session:
    """Implements RegistrySession on a copy of the projects."""

    def __init__(self, projects: dict[str, _Project]) -> None:
        self._projects = projects

    def projects(self) -> tuple[str, ...]:
        """See RegistrySession."""
        return tuple(sorted(self._projects))

    def read(self, project: str, *, only: Collection[Key] | None = None) -> dict[Key, bytes]:
        """See RegistrySession."""
        objects = self._projects[project].objects if project in self._projects else {}
        return {key: proto for key, proto in objects.items() if only is None or key in only}

    def remove(self, project: str, keys: Collection[Key]) -> None:
        """See RegistrySession."""
        stored = self._projects.get(project, _Project())
        for key in keys:
            stored.objects.pop(key, None)
        if not stored.objects:
            self._projects.pop(project, None)

    def write(self, project: str, messages: Mapping[Key, Any]) -> None:
        """See RegistrySession."""
        if not messages:
            return
        stored = self._projects.setdefault(project, _Project())
        stored.history += number_versions(messages, history=stored.history)
        for key, message in messages.items():
            stored.objects[key] = message.SerializeToString()


class MemoryFeatureStore:
    """Implements FeatureStore."""

    def __init__(self, *, base_project: str = "base") -> None:
        self.base_project = base_project
        """The project that commits are captured for."""
        self.available = True
        """False: every call ends in PlaneUnavailableError."""
        self._lock = threading.RLock()
        self._frozen: dict[str, dict[str, str]] = {}
        self._projects: dict[str, _Project] = {}
        self._online: dict[tuple[str, str], dict[str, dict[str, object]]] = {}
        self._sources: dict[str, list[_Row]] = {}
        self.broken_views: set[str] = set()
        """Views whose sources cannot be read."""
        self.busy_views: tuple[str, ...] = ()
        """Views that a job is feeding."""
        self._swapped: dict[str, Swapped] = {}
        self.readers: dict[str, str] = {}
        """What is wrong with each reader."""
        self._commits: dict[tuple[str, str], dict[Key, bytes]] = {}

    # What others do.

    def apply(self, project: str, objects: Iterable[RawObject]) -> None:
        """Define *objects* in *project*, as `feast apply` would."""
        with self._transaction() as session:
            session.write(project, {(raw.kind, raw.name): _message(raw) for raw in objects})

    def commit(self, revision: str, *, folder: str, objects: Iterable[RawObject]) -> None:
        """Make commit *revision*, in which the feature repository in *folder* has *objects*."""
        self._commits[revision, folder] = {
            (raw.kind, raw.name): _message(raw).SerializeToString() for raw in objects
        }

    def observe(self, source: str, *, entity: str, at: datetime, values: Values) -> None:
        """Add a row to the file *source*, a path as views name it."""
        self._sources.setdefault(source, []).append(_Row(entity=entity, at=at, values=values))

    def push(self, project: str, view: str, *, entity: str, values: Values) -> None:
        """Write one entity's values to an online table."""
        self._online.setdefault((project, view), {}).setdefault(entity, {}).update(values)

    def end_job(self, project: str, view: str, *, until: datetime) -> None:
        """End a job that fed *view*, as Feast does: it adds to whatever is defined now."""
        with self._transaction() as session:
            key = ("feature_view", view)
            message = protos.parse(key[0], session.read(project)[key])
            interval = message.meta.materialization_intervals.add()
            interval.start_time.FromDatetime(until)
            interval.end_time.FromDatetime(until)
            session.write(project, {key: message})

    def served(self, project: str, service: str, *, entity: str) -> dict[str, object]:
        """Return the stored features of *service*, as read online in *project*."""
        stored = self._projects[project].objects
        message = protos.parse("feature_service", stored["feature_service", service])
        values: dict[str, object] = {}
        for projection in message.spec.features:
            table = self._online.get((project, projection.feature_view_name))
            if table is not None:
                row = table.get(entity, {})
                values |= {
                    column.name: row.get(column.name) for column in projection.feature_columns
                }
        return values

    # The port.

    def capture_project(self, *, project: str, service: str) -> FeatureCapture:
        """See FeatureStore."""
        with self._transaction() as session:
            if project not in session.projects():
                known = ", ".join(session.projects()) or "none"
                raise NotFoundError(f"Feast project {project!r}", hint=f"there is: {known}")
            return definitions.make_capture(
                session.read(project), service=service, project=project, revision=None
            )

    def capture_repository(
        self, *, repository: Path, revision: str, folder: str, service: str
    ) -> FeatureCapture:
        """See FeatureStore."""
        if not any(known == revision for known, _ in self._commits):
            raise NotFoundError(f"commit {revision} in {repository.name!r}")
        if (revision, folder) not in self._commits:
            raise NotFoundError(f"folder {folder!r} at commit {revision}")
        return definitions.make_capture(
            self._commits[revision, folder],
            service=service,
            project=self.base_project,
            revision=revision,
        )

    def describe(self, capture: FeatureCapture) -> tuple[RawObject, ...]:
        """See FeatureStore."""
        return definitions.describe(capture)

    def definition(self, capture: FeatureCapture, *, project: str) -> str | None:
        """See FeatureStore."""
        with self._transaction() as session:
            return definition_digest(session.read(project, only=keys(capture)))

    def freeze(self, *, owner: str, projects: Mapping[str, str]) -> None:
        """See FeatureStore."""
        with self._transaction():
            self._frozen[owner] = dict(projects)

    def frozen(self, *, owner: str) -> Mapping[str, str]:
        """See FeatureStore."""
        with self._transaction():
            return dict(self._frozen.get(owner, {}))

    def token(self, *, project: str) -> str:
        """See FeatureStore."""
        with self._transaction() as session:
            return token(session, project)

    def differences(self, capture: FeatureCapture, *, project: str) -> tuple[str, ...]:
        """See FeatureStore."""
        with self._transaction() as session:
            return differences(capture, session.read(project, only=keys(capture)))

    def deploy(self, capture: FeatureCapture, *, project: str, expected: str | None) -> None:
        """See FeatureStore."""
        with self._transaction() as session:
            deploy.deploy(session, capture, project=project, expected=expected)
            self._make_tables(capture, project=project)

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
        problems: list[str] = []
        for view in online_views(capture):
            if view.cold:
                progress(f"{view.name}: {view.cold}")
            if not view.feedable:
                continue
            if view.name in self.broken_views:
                problems.append(f"{view.name}: its source cannot be read")
                progress(problems[-1])
                continue
            key = (view.kind, view.name)
            with self._transaction() as session:
                fed = deploy.watermarks(session, capture, project=project).get(key, ())
            for start, end in spans(window, fed=fed, chunk=bounds.chunk, resume=resume):
                part = Window(start=start, end=end)
                progress(f"{view.name}: materializing")
                with self._transaction() as session:
                    self._feed(session.read(project)[key], key, project=project, window=part)
                    deploy.add_watermark(session, capture, project=project, key=key, window=part)
                progress(f"{view.name}: fed until {end.isoformat()}")
                rows = len(self._online[project, view.name])
                if bounds.max_rows is not None and rows > bounds.max_rows:
                    raise PreconditionError(
                        f"view {view.name} of {project} has {rows} entities online, more than "
                        f"max_rows = {bounds.max_rows}"
                    )
        if problems:
            raise NotReadyError(resource=f"Feast project {project}", problems=problems)
        return self.views(capture, project=project)

    def compare(
        self, capture: FeatureCapture, *, project: str, window: Window, sample: int
    ) -> tuple[Comparison, ...]:
        """See FeatureStore."""
        with self._transaction() as session:
            rows = session.read(project)
        found: list[Comparison] = []
        for view, state in zip(
            online_views(capture), self.views(capture, project=project), strict=True
        ):
            told = None
            if view.comparable:
                row = rows[view.kind, view.name]
                wanted = self._latest(row, comparison_window(state, window=window))
                online = self._online.get((project, view.name), {})
                sampled = sorted(wanted)[:sample]
                told = {
                    "offline": len(wanted),
                    "sampled": len(sampled),
                    "differences": [
                        f"{entity}: {name} is {online.get(entity, {}).get(name)} online, "
                        f"{value} in its source"
                        for entity in sampled
                        for name, value in wanted[entity].items()
                        if online.get(entity, {}).get(name) != value
                    ],
                }
            found.append(judge(view, state, told, window=window))
        return tuple(found)

    def in_place(self, capture: FeatureCapture, *, project: str) -> InPlace | None:
        """See FeatureStore."""
        with self._transaction() as session:
            swapped = self._swapped.get(project)
            if swapped is None:
                return None
            fed = fed_text(marks_of(session, capture, project=project))
        return InPlace(
            holds=swapped.holds,
            left=swapped.left,
            settled=True,
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
        with self._transaction() as session:
            deploy.require_captured(session, capture, project=source)
            before = self._swapped.get(project)
            out = f"{project}__before" if before is None else before.holds
            if before is None or before.holds != source:
                views = [view.name for view in online_views(capture)]
                if any((source, view) not in self._online for view in views):
                    raise PreconditionError(f"{source} has no online table: nothing to swap in")
                gone = [] if leaves is None else [view.name for view in online_views(leaves)]
                for view in {*views, *gone}:
                    if (project, view) in self._online:
                        self._online[out, view] = self._online.pop((project, view))
                for view in views:
                    self._online[project, view] = self._online.pop((source, view))
                before = Swapped(
                    holds=source,
                    left=out,
                    settled=True,
                    at=datetime.now(UTC),
                    busy=self.busy_views,
                    fed={},
                    verified=None,
                )
            settle_definitions(
                session, capture, source=source, project=project, leaves=leaves, left=before.left
            )
            marks = marks_of(session, capture, project=project)
            self._swapped[project] = before if before.fed else with_fed(before, marks)

    def ask_reader(self, url: str, *, comparisons: Sequence[Comparison]) -> str:
        """See FeatureStore."""
        del comparisons
        return self.readers.get(url, "")

    def distrust(self, capture: FeatureCapture, *, project: str) -> None:
        """See FeatureStore."""
        with self._transaction() as session:
            if project in self._swapped:
                deploy.require_captured(session, capture, project=project)
                marks = trusted(self._swapped[project])
                deploy.set_watermarks(session, marks, project=project)

    def vouch(self, capture: FeatureCapture, *, project: str) -> None:
        """See FeatureStore."""
        with self._transaction() as session:
            fed = fed_text(marks_of(session, capture, project=project))
            self._swapped[project] = replace(self._swapped[project], busy=(), verified=fed)

    def retire(self, capture: FeatureCapture, *, project: str) -> tuple[str, ...]:
        """See FeatureStore."""
        with self._transaction() as session:
            kept = deploy.remove(session, capture, project=project)
            for view in online_views(capture):
                self._online.pop((project, view.name), None)
            return kept

    def views(
        self, capture: FeatureCapture, *, project: str, count: bool = True
    ) -> tuple[ViewState, ...]:
        """See FeatureStore."""
        with self._transaction() as session:
            rows = session.read(project)
        return tuple(
            deploy.view_state(
                view,
                row=rows.get((view.kind, view.name)),
                rows=len(self._online.get((project, view.name), {})) if count else None,
            )
            for view in online_views(capture)
        )

    def mirror(self, capture: FeatureCapture, *, source: str, project: str) -> None:
        """See FeatureStore."""
        with self._transaction() as session:
            marks = deploy.watermarks(session, capture, project=source)
            for view in online_views(capture):
                table = self._online.get((source, view.name), {})
                self._online[project, view.name] = copy.deepcopy(table)
            deploy.deploy(session, capture, project=project, expected=ANYTHING)
            deploy.set_watermarks(session, marks, project=project)

    @contextmanager
    def _transaction(self) -> Iterator[_Session]:
        with self._lock:
            if not self.available:
                raise PlaneUnavailableError(plane="the Feast registry", what="it was switched off")
            projects = copy.deepcopy(self._projects)
            yield _Session(projects)
            self._projects = projects

    def _make_tables(self, capture: FeatureCapture, *, project: str) -> None:
        for view in online_views(capture):
            self._online.setdefault((project, view.name), {})

    def _feed(self, proto: bytes, key: Key, *, project: str, window: Window) -> None:
        if key[0] == "on_demand_feature_view":
            return  # Nothing here runs a transformation.
        table = self._online.setdefault((project, key[1]), {})
        table |= self._latest(proto, window)

    def _latest(self, proto: bytes, window: Window) -> dict[str, dict[str, object]]:
        spec = protos.parse("feature_view", proto).spec
        names = {feature.name for feature in spec.features}
        rows = self._sources.get(spec.batch_source.file_options.uri, [])
        return {
            row.entity: {name: value for name, value in row.values.items() if name in names}
            for row in sorted(rows, key=lambda row: row.at)
            if window.start <= row.at < window.end
        }


def _message(raw: RawObject) -> Any:  # noqa: ANN401 - a Feast message
    return ParseDict(dict(raw.definition), protos.kinds()[raw.kind].message())
