"""Say what is configured, reachable and wrong: one line each, nothing changed."""

import hashlib
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswerError
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trilock.server.commands.new_settings import TOKEN
from trilock.server.domain.errors import NotFoundError, SinkError, TrilockError
from trilock.server.settings import (
    Connection,
    FeastConnection,
    GitConnection,
    MlflowConnection,
    Settings,
    SettingsError,
    SinkConnection,
    load_settings,
    redacted,
    settings_file,
)

_SECONDS: Final = 5.0
_VENDOR_SECONDS: Final = 30.0
"""MLflow and Feast take seconds to import alone."""

_NOTHING: Final = "trilock_doctor"
"""A name of nothing: an outside system that says so has answered."""

_NO_COMMIT: Final = "0" * 40
_SQLITE: Final = "sqlite:///"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What one look found."""

    name: str
    """What was looked at: `settings`, `database`, `connection registry`."""
    ok: bool
    message: str
    """One line: what it is, or what is wrong and what to do."""


def doctor(config: Path | None) -> list[Diagnosis]:
    """Return what was found, in the order in which a server would need it.

    Looks only: no file is made, no schema is changed. What does not answer in time
    is said not to.
    """
    path = settings_file(config)
    try:
        settings = load_settings(config)
    except SettingsError as error:
        return [
            # A violation of the file as a whole has no place in it.
            Diagnosis(
                name="settings", ok=False, message=": ".join(filter(None, (str(path), place, what)))
            )
            for place, what in error.violations
        ]
    names = ", ".join(sorted(settings.models)) or "none yet"
    found = f"{path}: models: {names}"
    looks: list[tuple[str, Callable[[], str], float]] = [
        ("listen", lambda: _listen(settings), _SECONDS),
        ("database", lambda: _database(settings), _SECONDS),
        ("token", lambda: _token(settings, path), _SECONDS),
    ]
    looks += [
        (f"connection {name}", _connection(settings, name, connection), _VENDOR_SECONDS)
        for name, connection in sorted(settings.connections.items())
    ]
    return [
        Diagnosis(name="settings", ok=True, message=found),
        *_all_at_once(looks),
    ]


class _WrongError(Exception):
    """Something is wrong; the message says what to do."""


def _all_at_once(looks: list[tuple[str, Callable[[], str], float]]) -> Iterator[Diagnosis]:
    """Yield what every look found; none of them can hold up the others."""
    running = [(name, _begin(look), seconds) for name, look, seconds in looks]
    for name, look, seconds in running:
        try:
            yield Diagnosis(name=name, ok=True, message=look.result(seconds))
        except NoAnswerError:
            message = f"no answer within {seconds:.0f} s"
            yield Diagnosis(name=name, ok=False, message=message)
        except (_WrongError, TrilockError) as error:
            yield Diagnosis(name=name, ok=False, message=" ".join(str(error).split()))
        except Exception as error:  # noqa: BLE001 - a vendor may raise anything; it is told
            first = (str(error) or "no message").splitlines()[0]
            yield Diagnosis(name=name, ok=False, message=f"{type(error).__name__}: {first}")


def _begin(look: Callable[[], str]) -> Future[str]:
    future: Future[str] = Future()

    def run() -> None:
        try:
            future.set_result(look())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is taken
            future.set_exception(error)

    # A daemon: what hangs must not keep the command from ending.
    threading.Thread(target=run, daemon=True).start()
    return future


def _listen(settings: Settings) -> str:
    server = settings.server
    for path in (server.tls_cert, server.tls_key, server.tls_client_ca):
        if path is not None and not os.access(path, os.R_OK):
            raise _WrongError(f"{path} cannot be read")
    host, _, port = server.listen.rpartition(":")
    how = "TLS" if server.tls_cert else "no TLS, loopback only"
    try:
        with closing(socket.create_connection((host.strip("[]"), int(port)), timeout=1.0)):
            return f"{server.listen} ({how}): a server is there"
    except OSError:
        return f"{server.listen} ({how}): no server is there, `trilock serve` starts one"


def _database(settings: Settings) -> str:
    url = settings.database.url.get_secret_value()
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).is_file():
        return f"{url}: not there yet, the server makes it"
    from trilock.server.store.database import Database  # noqa: PLC0415 - takes 0.2 s
    from trilock.server.store.migrate import require_current  # noqa: PLC0415

    with closing(Database(url)) as database:
        require_current(database)
    return f"{redacted(url)}: reachable, its schema is this trilock's"


def _token(settings: Settings, path: Path) -> str:
    named = os.environ.get("TRILOCK_TOKEN_FILE")
    file = Path(named) if named else path.parent / TOKEN
    if not file.is_file():
        if named:
            raise _WrongError(f"TRILOCK_TOKEN_FILE is {file}, which is not there")
        if not (settings.tokens or settings.certificates):
            raise _WrongError("the settings have no token, nobody can call: run `trilock init`")
        return f"{file} is not there: calls from here need TRILOCK_TOKEN_FILE"
    found = file.stat()
    if stat.S_IMODE(found.st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise _WrongError(f"{file} can be read by others: run `chmod 600 {file}`")
    if found.st_uid != os.getuid():
        raise _WrongError(f"{file} belongs to somebody else")
    digest = hashlib.sha256(file.read_bytes().strip()).hexdigest()
    for principal, token in settings.tokens.items():
        if token.sha256 == digest:
            return f"{file} is the token of {principal!r}: {', '.join(sorted(token.roles))}"
    return f"{file} is not in the settings; the server may know it from `trilock tokens create`"


def _connection(settings: Settings, name: str, connection: Connection) -> Callable[[], str]:
    match connection:
        case MlflowConnection():
            return lambda: _mlflow(settings, name, connection)
        case FeastConnection():
            return lambda: _feast(settings, name, connection)
        case GitConnection():
            return lambda: _git(settings, name, connection)
        case SinkConnection():
            return lambda: _sink(settings, name, connection)


def _mlflow(settings: Settings, name: str, connection: MlflowConnection) -> str:
    uri = connection.uri.get_secret_value()
    # MLflow would make the file.
    _require_sqlite_file(uri)
    models = [model for model in settings.models.values() if model.mlflow == name]
    from trilock.server.planes.mlflow.model_registry import (  # noqa: PLC0415 - takes seconds
        MlflowModelRegistry,
    )

    registry = MlflowModelRegistry(uri)
    missing: list[str] = []
    for model in sorted({model.registered_model for model in models} or {_NOTHING}):
        try:
            registry.alias(model=model, alias=_NOTHING)
        except NotFoundError:
            missing.append(model)
    if models and missing:
        return f"{redacted(uri)}: reachable; it has no registered model {', '.join(missing)} yet"
    return f"{redacted(uri)}: reachable"


def _feast(settings: Settings, name: str, connection: FeastConnection) -> str:
    from trilock.server.planes.feast.feature_store import (  # noqa: PLC0415 - takes seconds
        FeastFeatureStore,
    )

    if not connection.feature_store_yaml.is_file():
        raise _WrongError(f"{connection.feature_store_yaml} is not there")
    with closing(
        FeastFeatureStore(connection.feature_store_yaml, worker_timeout=_VENDOR_SECONDS)
    ) as store:
        projects = {
            model.base_project or store.base_project
            for model in settings.models.values()
            if model.feast == name
        } or {store.base_project}
        for project in sorted(projects):
            try:
                store.capture_project(project=project, service=_NOTHING)
            except NotFoundError:
                continue
    return f"{connection.feature_store_yaml}: reachable, project {', '.join(sorted(projects))}"


def _git(settings: Settings, name: str, connection: GitConnection) -> str:
    from trilock.server.planes.pipeline.git_pipeline import GitPipeline  # noqa: PLC0415 - not needed before

    repository = connection.repository
    if not repository.is_dir():
        raise _WrongError(f"{repository} is not there")
    for place in (connection.cache, *connection.remotes):
        if place is not None and not place.is_dir():
            raise _WrongError(f"{place} is not there")
    pipeline = GitPipeline(repository, cache=connection.cache, remotes=connection.remotes)
    try:
        pipeline.capture(_NO_COMMIT)
    except NotFoundError as error:
        if _NO_COMMIT not in str(error):
            raise
    folders = {model.feature_folder for model in settings.models.values() if model.git == name}
    for folder in sorted(folders):
        if not (repository / folder).is_dir() and not (repository / "HEAD").is_file():
            raise _WrongError(f"{repository} has no folder {folder!r}, a model's feature_folder")
    return f"{repository}: readable"


def _sink(_settings: Settings, _name: str, connection: SinkConnection) -> str:
    from trilock.server.sinks.connect import sink_database  # noqa: PLC0415 - takes 0.1 s

    url = connection.url.get_secret_value()
    _require_sqlite_file(url)
    with suppress(SinkError):  # that it has no such table is an answer
        sink_database(url).inspect(table=_NOTHING, keys=())
    return f"{redacted(url)}: reachable"


def _require_sqlite_file(url: str) -> None:
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).is_file():
        raise _WrongError(f"{url}: the file is not there")
