"""Feast's file registry: for development, with one writer.

trilock writes it whole, under a lock of its own and with an atomic rename, and
looks whether the file is still what was read. Feast knows neither lock nor
rename: a `feast apply` at the same moment can lose either's changes.
"""

import fcntl
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import DecodeError

from trilock.server.domain.errors import PlaneUnavailableError
from trilock.server.planes.feast import protos
from trilock.server.planes.feast.config import FileRegistryConfig
from trilock.server.planes.feast.database import LostRaceError
from trilock.server.planes.feast.definitions import Key
from trilock.server.planes.feast.registry import (
    PLANE,
    EmptySession,
    RegistrySession,
    Version,
    number_versions,
)

_FIELDS: Final = {
    "entity": "entities",
    "data_source": "data_sources",
    "feature_view": "feature_views",
    "stream_feature_view": "stream_feature_views",
    "on_demand_feature_view": "on_demand_feature_views",
    "label_view": "label_views",
    "feature_service": "feature_services",
}
_LOCK_SECONDS: Final = 2.0
_LOCK_POLL_SECONDS: Final = 0.05


class FileSession:
    """Implements RegistrySession on a registry that was read into memory."""

    def __init__(self, registry: Any) -> None:  # noqa: ANN401 - a Feast message
        self._registry = registry
        self.changed = False

    def projects(self) -> tuple[str, ...]:
        """See RegistrySession."""
        return tuple(sorted(str(project.spec.name) for project in self._registry.projects))

    def read(self, project: str, *, only: Collection[Key] | None = None) -> dict[Key, bytes]:
        """See RegistrySession."""
        return {
            # Feast writes the whole file anew at every change: maps have no order of their own.
            (kind, _head(message).name): message.SerializeToString(deterministic=True)
            for kind, field in _FIELDS.items()
            for message in getattr(self._registry, field)
            if _head(message).project == project
            and (only is None or (kind, _head(message).name) in only)
        }

    def write(self, project: str, messages: Mapping[Key, Any]) -> None:
        """See RegistrySession."""
        if not messages:
            return
        self.changed = True
        self._ensure_project(project)
        self._extend_history(project, messages)
        for (kind, name), message in messages.items():
            # The only thing in a file that says whose an object is.
            _head(message).project = project
            stored = getattr(self._registry, _FIELDS[kind])
            for other in stored:
                if (_head(other).project, _head(other).name) == (project, name):
                    other.CopyFrom(message)
                    break
            else:
                stored.add().CopyFrom(message)

    def remove(self, project: str, keys: Collection[Key]) -> None:
        """See RegistrySession."""
        if project not in self.projects():
            return
        self.changed = True
        for kind, field in _FIELDS.items():
            condemned = {name for wanted, name in keys if wanted == kind}
            _delete(getattr(self._registry, field), partial(_is_one, project, condemned))
        names = {name for _, name in keys}
        _delete(
            self._registry.feature_view_version_history.records,
            lambda record: record.project_id == project and record.feature_view_name in names,
        )
        if not self.read(project):
            _delete(self._registry.projects, lambda message: message.spec.name == project)

    def _ensure_project(self, project: str) -> None:
        if project in self.projects():
            return
        added = self._registry.projects.add()
        added.spec.name = project
        added.meta.created_timestamp.GetCurrentTime()
        added.meta.last_updated_timestamp.GetCurrentTime()

    def _extend_history(self, project: str, messages: Mapping[Key, Any]) -> None:
        records = self._registry.feature_view_version_history.records
        history = [
            Version(
                kind=record.feature_view_type,
                name=record.feature_view_name,
                number=record.version_number,
                proto=record.feature_view_proto,
            )
            for record in records
            if record.project_id == project
        ]
        for version in number_versions(messages, history=history):
            record = records.add(
                feature_view_name=version.name,
                project_id=project,
                version_number=version.number,
                feature_view_type=version.kind,
                feature_view_proto=version.proto,
                description="deployed by trilock",
                version_id=str(uuid.uuid4()),
            )
            record.created_timestamp.GetCurrentTime()


def _is_one(project: str, names: Collection[str], message: Any) -> bool:  # noqa: ANN401 - a Feast message
    return _head(message).project == project and _head(message).name in names


def _delete(stored: Any, condemned: Callable[[Any], bool]) -> None:  # noqa: ANN401 - Feast messages
    for index in reversed(range(len(stored))):
        if condemned(stored[index]):
            del stored[index]


class FileRegistry:
    """A registry in one local file."""

    def __init__(self, config: FileRegistryConfig) -> None:
        self._path = config.path

    @contextmanager
    def reading(self) -> Iterator[RegistrySession]:
        """See Registry."""
        content = self._content()
        yield EmptySession() if content is None else FileSession(_parse(content))

    @contextmanager
    def writing(self, project: str) -> Iterator[RegistrySession]:
        """See Registry."""
        del project  # The file is locked for all of them.
        self._path.parent.mkdir(exist_ok=True)  # as Feast does
        with self._locked():
            content = self._content()
            registry = _parse(content or b"")
            session = FileSession(registry)
            yield session
            if session.changed:
                registry.version_id = str(uuid.uuid4())
                registry.last_updated.GetCurrentTime()
                registry.registry_schema_version = registry.registry_schema_version or "1"
                self._replace(registry.SerializeToString(), content=content)

    def close(self) -> None:
        """See Registry."""

    def _content(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise PlaneUnavailableError(plane=PLANE, what=str(error)) from error

    def _replace(self, new: bytes, *, content: bytes | None) -> None:
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f"{self._path.name}.")
        scratch = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(new)
                out.flush()
                os.fsync(out.fileno())
            if self._content() != content:
                raise LostRaceError(plane=PLANE, what="somebody else wrote the file")
            scratch.replace(self._path)
        finally:
            scratch.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._path.with_name(f"{self._path.name}.lock").open("w") as lock:
            deadline = time.monotonic() + _LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise PlaneUnavailableError(
                            plane=PLANE, what="another trilock has it locked"
                        ) from None
                    time.sleep(_LOCK_POLL_SECONDS)
            yield


def _parse(content: bytes) -> Any:  # noqa: ANN401 - a Feast message
    registry = protos.message_class("Registry_pb2", "Registry")()
    try:
        registry.ParseFromString(content)
    except DecodeError as error:
        # Feast writes in place, so a reader may see the first half.
        raise PlaneUnavailableError(
            plane=PLANE, what="the file is being written, or is no registry"
        ) from error
    return registry


def _head(message: Any) -> Any:  # noqa: ANN401 - a Feast message
    """Return the part that has name and project."""
    return message.spec if "spec" in message.DESCRIPTOR.fields_by_name else message
