"""A model registry in MLflow: every call ends in time, and a write is read back.

MLflow has no compare-and-set, no history and no event for a moved alias; the
caller holds the lock and keeps the history. What a version is, is more than
its number (see ModelVersion). One client per registry, never the global one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from trilock.server.domain.bundle import ModelVersion
from trilock.server.domain.errors import ForeignEditError, NotFoundError, PlaneUnavailableError
from trilock.server.planes.mlflow.errors import one_line
from trilock.server.planes.mlflow.evidence import (
    differences,
    tagged,
    to_model_version,
)
from trilock.server.planes.mlflow.loading import load_in_worker
from trilock.server.planes.mlflow.names import (
    alias_label,
    check_alias,
    check_model,
    check_version,
    version_label,
)
from trilock.server.planes.mlflow.questions import MlflowQuestions
from trilock.server.planes.mlflow.runtime import import_mlflow, new_client
from trilock.server.planes.mlflow.time_limit import OverdueError, TimeLimit, Waiting

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")

_SQLITE: Final = "sqlite:///"
_READS: Final = 6
"""How often an alias is read until it is the same twice."""
_NO_MODEL: Final = "trilock-warms-up"


class MlflowModelRegistry:
    """Implements ModelRegistry. Safe to use from many threads."""

    def __init__(self, uri: str, *, name: str = "MLflow", time_limit: float = 10.0) -> None:
        """Do nothing yet; the client is made on first use.

        Args:
            uri: Of the tracking server, or of its database.
            name: How errors call the registry; they never show the URI.
            time_limit: Seconds for one call of the port, however many requests it takes.
        """
        self._uri = uri
        self._name = name
        self._limit = TimeLimit(seconds=time_limit)
        self._client: MlflowClient | None = None
        self._client_lock = threading.Lock()

    def warm(self) -> None:
        """Do what makes a first call slow: imports, and one request. For a background thread.

        Says nothing when the registry does not answer: the first call that needs it will.
        """
        with suppress(NotFoundError, PlaneUnavailableError):
            self.alias(model=_NO_MODEL, alias="production")

    def capture(self, *, model: str, version: str) -> ModelVersion:
        """See ModelRegistry."""
        check_model(model)
        check_version(version)

        def ask(mlflow: MlflowQuestions) -> ModelVersion:
            captured = to_model_version(mlflow.evidence(model=model, version=version))
            return tagged(captured, mlflow.tags(captured))

        return self._within_time(ask)

    def verify(self, captured: ModelVersion) -> tuple[str, ...]:
        """See ModelRegistry."""
        try:
            found = self._within_time(
                lambda mlflow: mlflow.evidence(model=captured.name, version=captured.version)
            )
        except NotFoundError:
            return differences(captured, None)
        return differences(captured, found)

    def load(self, captured: ModelVersion, *, seconds: float) -> tuple[str, ...]:
        """See ModelRegistry."""
        label = version_label(model=captured.name, version=captured.version)
        why = load_in_worker(
            self._uri, model=captured.name, version=captured.version, seconds=seconds
        )
        return (f"{label} cannot be loaded: {why}",) if why else ()

    def alias(self, *, model: str, alias: str) -> str | None:
        """See ModelRegistry."""
        check_model(model)
        check_alias(alias)
        return self._within_time(lambda mlflow: mlflow.alias(model=model, alias=alias))

    def set_alias(self, *, model: str, alias: str, version: str | None) -> None:
        """See ModelRegistry."""
        check_model(model)
        check_alias(alias)
        if version is not None:
            check_version(version)

        def ask(mlflow: MlflowQuestions) -> str | None:
            # MLflow tells its webhooks of a set that changes nothing.
            if mlflow.alias(model=model, alias=alias) != version:
                mlflow.put_alias(model=model, alias=alias, version=version)
            return self._settled(mlflow, model=model, alias=alias)

        found = self._within_time(ask)
        if found != version:
            raise ForeignEditError(
                resource=f"{alias_label(model=model, alias=alias)} in {self._name}",
                expected=version,
                found=found,
            )

    def _settled(self, mlflow: MlflowQuestions, *, model: str, alias: str) -> str | None:
        """Return what the alias is, twice in a row.

        A write that timed out earlier, ours or another's, may land after this one.
        """
        last = mlflow.alias(model=model, alias=alias)
        for _ in range(_READS - 1):
            found = mlflow.alias(model=model, alias=alias)
            if found == last:
                return found
            last = found
        raise PlaneUnavailableError(
            plane=self._name, what=f"{alias_label(model=model, alias=alias)} keeps changing"
        )

    def _within_time(self, ask: Callable[[MlflowQuestions], T]) -> T:
        import_mlflow()  # outside the limit: it takes seconds, once

        def call(waiting: Waiting) -> T:
            client = self._connected()
            return ask(MlflowQuestions(client, uri=self._uri, plane=self._name, waiting=waiting))

        try:
            return self._limit.call(call)
        except OverdueError:
            raise PlaneUnavailableError(
                plane=self._name, what=f"no answer within {self._limit.seconds:g} s"
            ) from None

    def _connected(self) -> MlflowClient:
        self._check_file()
        with self._client_lock:
            if self._client is None:
                try:
                    self._client = new_client(self._uri)
                except Exception as error:  # a driver's own, an old schema, a wrong scheme
                    raise PlaneUnavailableError(plane=self._name, what=one_line(error)) from error
            return self._client

    def _check_file(self) -> None:
        """MLflow makes an SQLite file that is not there, wherever a wrong path leads."""
        if self._uri.startswith(_SQLITE):
            path = self._uri.removeprefix(_SQLITE).partition("?")[0]
            if not Path(path).is_file():
                raise PlaneUnavailableError(plane=self._name, what="its SQLite file is not there")
