"""The user's `feature_store.yaml`, as far as trilock has to know it.

Read as Feast reads it: environment variables expanded, relative paths taken
from the file's own folder, Feast's defaults for what is not there. Everything
else in it reaches Feast itself, in a worker, as it is.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import yaml
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from trilock.server.domain.errors import PreconditionError

_log = logging.getLogger(__name__)

_DIALECTS: Final = {"postgresql": "postgresql", "sqlite": "sqlite"}


_CACHE_SECONDS: Final = 600
"""Feast's own default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlRegistryConfig:
    """A registry in a SQL database."""

    url: URL
    """Printing it hides the password."""
    engine_options: Mapping[str, Any] = field(repr=False)
    keeps_metadata: bool
    """False: the user had Feast purge its table `feast_metadata`."""
    makes_tables: bool
    """False: the user makes the registry's tables (`schema_mode`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRegistryConfig:
    """A registry in one local file."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteOnlineConfig:
    """An online store in one SQLite file."""

    path: Path
    numbers: bool
    """Tables have the column `value_num`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresOnlineConfig:
    """An online store in PostgreSQL."""

    url: URL
    """Printing it hides the password."""
    connect_options: Mapping[str, Any] = field(repr=False)
    schema: str
    user: str
    numbers: bool
    vectors: bool
    """Vectors have a type of their own (pgvector)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherOnlineConfig:
    """An online store that only Feast itself can speak to."""

    type: str


RegistryConfig = SqlRegistryConfig | FileRegistryConfig
OnlineConfig = SqliteOnlineConfig | PostgresOnlineConfig | OtherOnlineConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class FeastConfig:
    """One `feature_store.yaml`."""

    file: Path
    project: str
    """The base project."""
    registry: RegistryConfig
    online: OnlineConfig | None
    """None: the file says `online_store: null`."""
    registry_cache: timedelta | None
    """How long readers go on with the definitions that they have; None for good."""
    settings: Mapping[str, Any] = field(repr=False)
    """All of the file, for Feast; there are passwords in it."""

    @property
    def folder(self) -> Path:
        """Where relative paths start."""
        return self.file.parent


def read_config(file: Path) -> FeastConfig:
    """Return what *file* says.

    Raises:
        PreconditionError: It cannot be read, or names something that trilock cannot work with.
    """
    file = file.absolute()
    document = read_settings(file)
    return FeastConfig(
        file=file,
        project=document["project"],
        registry=_registry(document.get("registry", "data/registry.db"), file=file),
        online=_online(document.get("online_store", {}), file=file),
        registry_cache=_registry_cache(document.get("registry")),
        settings=document,
    )


def read_settings(file: Path) -> dict[str, Any]:
    """Return all of *file*, which names a project; what it says of stores is not looked at.

    Raises:
        PreconditionError: It cannot be read, or names no project.
    """
    try:
        document = yaml.safe_load(os.path.expandvars(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise PreconditionError(f"{file.name} cannot be read: {error}", file=file) from error
    except yaml.YAMLError as error:
        # The error quotes lines of the file, and there are passwords in it.
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        raise PreconditionError(f"{file.name} is not YAML{where}", file=file) from None
    if not isinstance(document, dict) or not isinstance(document.get("project"), str):
        raise PreconditionError(f"{file.name} names no project", file=file)
    return document


def _registry(entry: object, *, file: Path) -> RegistryConfig:
    options: dict[str, Any] = {"path": entry} if isinstance(entry, str) else _mapping(entry, file)
    if options.get("enable_online_feature_view_versioning"):
        raise PreconditionError(
            f"{file.name} sets enable_online_feature_view_versioning: services then read the "
            "tables of other versions than they name; switch it off",
            file=file,
        )
    kind = options.get("registry_type", "file")
    path = str(options.get("path", ""))
    if kind == "file" and "://" not in path:
        _log.warning(
            "%s: a file registry loses concurrent writes; it is for development only", file.name
        )
        return FileRegistryConfig(path=file.parent / path)
    if kind != "sql":
        raise PreconditionError(
            f"{file.name} names a registry of type {kind!r} that trilock cannot write in one "
            "transaction; use registry_type: sql",
            file=file,
        )
    return SqlRegistryConfig(
        url=_url(path, file=file),
        engine_options=dict(options.get("sqlalchemy_config_kwargs") or {}),
        keeps_metadata=not options.get("purge_feast_metadata", False),
        makes_tables=options.get("schema_mode", "auto") == "auto",
    )


def _registry_cache(entry: object) -> timedelta | None:
    given = entry.get("cache_ttl_seconds") if isinstance(entry, dict) else None
    seconds = given if isinstance(given, int) else _CACHE_SECONDS
    return timedelta(seconds=seconds) if seconds > 0 else None


def _url(text: str, *, file: Path) -> URL:
    try:
        url = make_url(text)
    except ArgumentError:
        raise PreconditionError(
            f"{file.name}: the registry's path is no URL of a database", file=file
        ) from None
    backend = url.get_backend_name()
    if backend not in _DIALECTS:
        raise PreconditionError(
            f"{file.name}: a registry in {backend} is not supported; "
            "use postgresql+psycopg or sqlite",
            file=file,
        )
    if backend == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    return url.set(database=str(file.parent / url.database)) if url.database else url


def _online(entry: object, *, file: Path) -> OnlineConfig | None:
    if entry is None or (isinstance(entry, str) and entry.lower() in {"null", "none"}):
        return None
    options: dict[str, Any] = {"type": entry} if isinstance(entry, str) else _mapping(entry, file)
    numbers = bool(options.get("enable_openai_compatible_store", False))
    match options.get("type", "sqlite"):
        case "sqlite" | "feast.infra.online_stores.sqlite.SqliteOnlineStore":
            path = file.parent / str(options.get("path", "data/online.db"))
            return SqliteOnlineConfig(path=path, numbers=numbers)
        case "postgres":
            return _postgres(options, numbers=numbers)
        case other:
            return OtherOnlineConfig(type=str(other))


def _postgres(options: Mapping[str, Any], *, numbers: bool) -> PostgresOnlineConfig:
    user = str(options.get("user", ""))
    schema = str(options.get("db_schema", "public") or user).strip()
    connect = {
        "sslmode": options.get("sslmode", "require"),
        "sslkey": options.get("sslkey_path"),
        "sslcert": options.get("sslcert_path"),
        "sslrootcert": options.get("sslrootcert_path"),
    }
    return PostgresOnlineConfig(
        url=URL.create(
            "postgresql+psycopg",
            username=user,
            password=str(options.get("password", "")),
            host=str(options.get("host", "")),
            port=int(options.get("port", 5432)),
            database=str(options.get("database", "")),
        ),
        connect_options={key: value for key, value in connect.items() if value is not None},
        schema=schema,
        user=user,
        numbers=numbers,
        vectors=bool(options.get("vector_enabled", False)),
    )


def _mapping(entry: object, file: Path) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise PreconditionError(
            f"{file.name}: expected a mapping, found {type(entry).__name__}", file=file
        )
    return {str(key): value for key, value in entry.items()}
