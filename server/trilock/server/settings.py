"""Settings: one TOML file, overridden by the environment, wrong ones refused whole.

Everything is checked before anything is used: a key that is not known, a name
that names nothing, a value of the wrong form. All of it is told at once, with
the place, and never with a value, since a value may be a secret. Relative paths
are relative to the settings file, and absolute from here on.

`TRILOCK_SERVER__LISTEN` overrides `listen` in `[server]`, and so on. Only names
with `__` are settings: TRILOCK_SERVER, TRILOCK_CONFIG and TRILOCK_TOKEN_FILE
belong to the client and the command line.
"""

import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from trilock.server.domain.access import Role, principal_name
from trilock.server.domain.errors import InvalidNameError
from trilock.server.domain.fleet import FleetPolicy, WaitFor
from trilock.server.domain.names import alias_name, model_name
from trilock.server.domain.ports import Freezing
from trilock.server.settings_source import PREFIX, SettingsError, merged_settings

DEFAULT_FILE: Final = Path("trilock.toml")
_SQLITE: Final = "sqlite:///"
_POSTGRESQL: Final = re.compile(r"postgresql(\+psycopg)?://.+")
_CONNECTION: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*:")
_PASSWORD: Final = re.compile(r"(?<=://)([^/@:]*):[^/]*@")
_MANAGED: Final = re.compile(r".+__s[0-9]+(_[0-9a-f]+)?")
"""Names of the Feast projects that trilock makes, one for each feature schema."""
_SECRET_QUERY: Final = re.compile(r"(?i)([?&][^=&]*(?:password|secret|token|key)[^=&]*=)[^&]*")


def redacted(url: str) -> str:
    """Return *url* with every password in it replaced by `***`."""
    return _SECRET_QUERY.sub(r"\1***", _PASSWORD.sub(r"\1:***@", url))


def _wrong(what: str) -> PydanticCustomError:
    # Braces would be read as a template.
    return PydanticCustomError("trilock", "{what}", {"what": what})


def _beside(path: Path, info: ValidationInfo) -> Path:
    """Return *path*, taken from the folder of the settings file."""
    folder: Path = (info.context or {}).get("folder", Path.cwd())
    return folder / path.expanduser()


def _beside_url(url: SecretStr, info: ValidationInfo) -> SecretStr:
    """Return *url*; a relative file in it is taken from the folder of the settings file."""
    text = url.get_secret_value()
    if text.startswith(_SQLITE) and text != _SQLITE:
        file = text.removeprefix(_SQLITE)
        if file.startswith(":memory:"):
            raise _wrong("must be a file, a database in memory is gone with the process")
        return SecretStr(f"{_SQLITE}{_beside(Path(file), info)}")
    return url


def _database_url(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    if not (_POSTGRESQL.fullmatch(text) or (text.startswith(_SQLITE) and text != _SQLITE)):
        raise _wrong("must be sqlite:///FILE or postgresql://USER@HOST/DATABASE")
    return url


def _registry_uri(uri: SecretStr, info: ValidationInfo) -> SecretStr:
    text = uri.get_secret_value()
    if not text:
        raise _wrong("must not be empty")
    return uri if _SCHEME.match(text) else SecretStr(str(_beside(Path(text), info)))


File = Annotated[Path, AfterValidator(_beside)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url), AfterValidator(_beside_url)]
RegistryUri = Annotated[SecretStr, AfterValidator(_beside_url), AfterValidator(_registry_uri)]
Text = Annotated[str, Field(min_length=1, max_length=255)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ServerSettings(_Section):
    """Where the server listens, and how it proves who it is."""

    listen: str = "127.0.0.1:7420"
    tls_cert: File | None = None
    tls_key: File | None = None
    tls_client_ca: File | None = None
    """If set, every client must have a certificate that it signed."""
    grace_seconds: float = Field(default=5.0, ge=0, le=300)
    """How long calls may go on after SIGTERM."""

    @property
    def host(self) -> str:
        """The address without the port."""
        return self.listen.rpartition(":")[0]

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        host = self.host.removeprefix("[").removesuffix("]")
        try:
            return host == "localhost" or ip_address(host).is_loopback
        except ValueError:
            return False

    @field_validator("listen")
    @classmethod
    def _listen_is_an_address(cls, listen: str) -> str:
        host, _, port = listen.rpartition(":")
        bare = ":" not in host or (host.startswith("[") and host.endswith("]"))
        if not (host and bare and port.isascii() and port.isdigit() and int(port) < 1 << 16):
            raise _wrong("must be HOST:PORT, with an IPv6 host in brackets")
        return listen

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "ServerSettings":
        if (self.tls_cert is None) != (self.tls_key is None):
            raise _wrong("tls_cert and tls_key go together")
        if self.tls_client_ca and not self.tls_cert:
            raise _wrong("tls_client_ca needs tls_cert and tls_key")
        if not self.loopback and not self.tls_cert:
            raise _wrong(
                f"listen is {self.listen}, beyond loopback: that needs tls_cert, tls_key "
                "and a token or tls_client_ca"
            )
        return self


class DatabaseSettings(_Section):
    """trilock's own database."""

    url: DatabaseUrl = Field(
        default=SecretStr("sqlite:///.trilock/trilock.db"), validate_default=True
    )


class ServingSettings(_Section):
    """How readers are told of changes."""

    poll_seconds: float = Field(default=2.0, ge=0.05, le=60)
    """How soon a change made by another replica is seen if its announcement was lost."""
    progress_seconds: float = Field(default=15.0, ge=0.05, le=30)
    """How often an idle watcher is told that nothing happened. A client that hears nothing
    for 60 s calls itself STALE, so two of these have room before that."""
    keep_events_hours: int = Field(default=168, ge=24)
    """How long a watcher may be away and still resume without a gap."""


class SinksSettings(_Section):
    """How long it is known what a release wrote."""

    keep_days: float = Field(default=30.0, gt=0, le=36_500)
    """How long after a release has ended its rows in quarantine, the rows that it
    replaced, and its receipt are kept."""

    @property
    def keep_ms(self) -> int:
        """The same in milliseconds."""
        return round(self.keep_days * 86_400_000)


class WatchingSettings(_Section):
    """How often the outside world is looked at."""

    drift_seconds: float = Field(default=5.0, ge=0.05, le=3600)
    """Between two looks for what others changed."""
    readiness_seconds: float = Field(default=30.0, ge=0.05, le=3600)
    """Between two looks at the same rollback target."""
    features_seconds: float = Field(default=60.0, ge=0.05, le=3600)
    """Between two looks at how far what is read is fed."""


class FleetSettings(_Section):
    """Whom an operation waits for once readers were told to switch."""

    wait_for: WaitFor = WaitFor.ALL
    deadline_seconds: float = Field(default=30.0, ge=0, le=3600)
    """How long, before it goes on without those that did not answer."""
    keep_days: int = Field(default=90, ge=1)
    """How long it is known who served which revision."""

    @property
    def policy(self) -> FleetPolicy:
        """Return what the converger needs of it."""
        return FleetPolicy(wait_for=self.wait_for, deadline_seconds=self.deadline_seconds)


class MlflowConnection(_Section):
    """An MLflow tracking server or database."""

    kind: Literal["mlflow"]
    uri: RegistryUri


class FeastConnection(_Section):
    """A Feast registry with its online store."""

    kind: Literal["feast"]
    feature_store_yaml: File


class GitConnection(_Section):
    """A git repository with DVC, on this machine."""

    kind: Literal["git"]
    repository: File
    cache: File | None = None
    """DVC's cache; by default where the repository says."""
    remotes: tuple[File, ...] = ()
    """Folders of DVC remotes that this machine can read."""


class SinkConnection(_Section):
    """A database that models write to."""

    kind: Literal["sink"]
    url: DatabaseUrl


Connection = Annotated[
    MlflowConnection | FeastConnection | GitConnection | SinkConnection,
    Field(discriminator="kind"),
]


def _name(parse: Callable[[str], object], name: str) -> str:
    try:
        parse(name)
    except InvalidNameError as error:
        raise _wrong(str(error)) from error
    return name


AliasKey = Annotated[str, AfterValidator(partial(_name, alias_name))]


class FillSettings(_Section):
    """How the feature projects of one model are filled, compared and retired."""

    chunk_days: float = Field(default=7.0, gt=0, le=3660)
    """Event times that are fed in one go."""
    max_rows: int | None = Field(default=None, ge=1)
    """Entities that one view may have online; a fill stops above it."""
    sample: int = Field(default=100, ge=1, le=100_000)
    """Entities of each view that are compared with their source before a switch."""
    retire_after_days: float = Field(default=14.0, ge=0, le=3660)
    """How long a project is kept that no release needs any more."""


class ModelSettings(_Section):
    """Where the three parts of one model are."""

    mlflow: Text
    registered_model: Text
    feast: Text
    base_project: Text | None = None
    """The Feast project candidates are captured from; by default feature_store.yaml's."""
    mirror_project: Text | None = None
    """A live project that is kept equal to the live bundle; by default none."""
    mirror_alias: AliasKey = "production"
    """The alias whose live bundle that is: two of them would overwrite each other."""
    reads_projects: tuple[Text, ...] = ()
    """Mirror projects of other models that readers of this one read, who do not ask trilock."""
    git: Text
    feature_folder: str = ""
    """The Feast repository's folder in the git repository."""
    freeze: Freezing = Freezing.OFF
    """Whether `feast apply` on the projects that trilock keeps is refused; PostgreSQL only."""
    loads_model: bool = False
    """Whether a rollback target's model is loaded once a day, in a process of its own."""
    max_feature_lag_hours: float | None = Field(default=None, gt=0, le=24 * 366)
    """How far behind a rollback target's features may be and it is still READY; by default
    however far."""
    workspace: File | None = None
    """A folder that the live bundle's outputs are restored into; by default none."""
    workspace_alias: AliasKey = "production"
    """The alias whose live bundle that is."""
    workspace_follows: bool = True
    """Whether it follows every switch; else `trilock pipeline checkout` fills it."""
    drift: Literal["report", "reassert"] = "report"
    """What happens to what others change in the planes. A bundle on hold never stays put back."""
    features: Literal["side_by_side", "in_place"] = "side_by_side"
    """Whether every schema is fed in a project of its own, or one project is swapped."""
    feature_servers: tuple[Annotated[str, Field(pattern=r"^https?://[^@\s]+$")], ...] = ()
    """Feast's own servers of the mirror project: in place they are asked until they follow."""
    fill: FillSettings = FillSettings()

    @model_validator(mode="after")
    def _in_place_needs_a_place(self) -> "ModelSettings":
        if self.features == "in_place" and self.mirror_project is None:
            raise _wrong("features = in_place needs a mirror_project: the one that readers read")
        return self

    @field_validator("feature_folder")
    @classmethod
    def _folder_is_inside(cls, folder: str) -> str:
        if folder.startswith("/") or ".." in folder.split("/"):
            raise _wrong("must be a folder inside the git repository")
        return folder.strip("/")


class TokenSettings(_Section):
    """The right of one principal, by token."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the token's text. The token itself is nowhere on the server."""
    roles: frozenset[Role] = Field(min_length=1)


class CertificateSettings(_Section):
    """The right of one principal, by the common name of its certificate."""

    roles: frozenset[Role] = Field(min_length=1)


def _connection_name(name: str) -> str:
    if not _CONNECTION.fullmatch(name):
        raise _wrong(f"{name!r} is not a name of a connection: it must match {_CONNECTION.pattern}")
    return name


ConnectionName = Annotated[str, AfterValidator(_connection_name)]
ModelKey = Annotated[str, AfterValidator(partial(_name, model_name))]
PrincipalKey = Annotated[str, AfterValidator(partial(_name, principal_name))]


class Settings(_Section):
    """All of them."""

    server: ServerSettings = ServerSettings()
    database: DatabaseSettings
    serving: ServingSettings = ServingSettings()
    sinks: SinksSettings = SinksSettings()
    watching: WatchingSettings = WatchingSettings()
    fleet: FleetSettings = FleetSettings()
    connections: dict[ConnectionName, Connection] = {}
    models: dict[ModelKey, ModelSettings] = {}
    tokens: dict[PrincipalKey, TokenSettings] = {}
    certificates: dict[PrincipalKey, CertificateSettings] = {}

    @field_validator("models", mode="before")
    @classmethod
    def _registered_model_is_the_name(cls, models: Any) -> Any:  # noqa: ANN401 - not validated yet
        if not isinstance(models, dict):
            return models
        return {
            name: {"registered_model": name, **model} if isinstance(model, dict) else model
            for name, model in models.items()
        }

    @model_validator(mode="after")
    def _no_sink_is_the_truth(self) -> "Settings":
        own = self.database.url.get_secret_value()
        for name, connection in self.connections.items():
            if isinstance(connection, SinkConnection) and own.startswith(_SQLITE):
                url = connection.url.get_secret_value()
                if (
                    Path(url.removeprefix(_SQLITE)).resolve()
                    == Path(own.removeprefix(_SQLITE)).resolve()
                ):
                    raise _wrong(f"connections.{name}.url is trilock's own database")
        return self


def settings_file(file: Path | None) -> Path:
    """Return the settings file to use: *file*, else TRILOCK_CONFIG, else ./trilock.toml."""
    return file or Path(os.environ.get("TRILOCK_CONFIG") or DEFAULT_FILE)


def load_settings(file: Path | None = None) -> Settings:
    """Return the settings of *file* and the environment, checked.

    Args:
        file: By default TRILOCK_CONFIG, else ./trilock.toml.

    Raises:
        SettingsError: There is no such file, or something in it or in the
            environment is wrong. Every violation is listed.
    """
    path = settings_file(file)
    merged = merged_settings(path, default=file is None and "TRILOCK_CONFIG" not in os.environ)
    violations: list[tuple[str, str]] = []
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(merged, context={"folder": path.absolute().parent})
    except ValidationError as error:
        violations = [_violation(details) for details in error.errors(include_url=False)]
    violations += [*_references(merged), *_mirrors(merged)]
    if settings is None or violations:
        raise SettingsError(str(path), tuple(violations))
    return settings


def _violation(details: ErrorDetails) -> tuple[str, str]:
    parts = [str(part) for part in details["loc"] if part != "[key]"]
    # pydantic puts the kind of a connection behind its name.
    if parts[:1] == ["connections"] and len(parts) > 3:  # noqa: PLR2004 - connections.NAME.KIND.KEY
        del parts[2]
    place = ".".join(parts)
    variable = PREFIX + "__".join(parts).upper()
    if variable in os.environ:
        place += f" ({variable})"
    match details["type"]:
        case "missing":
            return place, "is required"
        case "extra_forbidden":
            return place, "is not a setting"
        case "union_tag_not_found":
            return f"{place}.kind", "is required: mlflow, feast, git or sink"
        case "union_tag_invalid":
            return f"{place}.kind", "must be mlflow, feast, git or sink"
        case _:
            return place, details["msg"]


def _references(merged: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the connections that models name and that are not there.

    Told of the raw form, so that it is told together with everything else.
    """
    connections, models = merged.get("connections", {}), merged.get("models", {})
    if not (isinstance(connections, dict) and isinstance(models, dict)):
        return []
    kinds = {
        name: connection.get("kind")
        for name, connection in connections.items()
        if isinstance(connection, dict)
    }
    found: list[tuple[str, str]] = []
    for name, model in models.items():
        for kind in ("mlflow", "feast", "git"):
            wanted = model.get(kind) if isinstance(model, dict) else None
            if isinstance(wanted, str) and kinds.get(wanted) != kind:
                known = ", ".join(sorted(key for key in kinds if kinds[key] == kind)) or "none"
                what = f"there is no connection {wanted!r} of kind {kind}; there is: {known}"
                found.append((f"models.{name}.{kind}", what))
    return found


def _mirrors(merged: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the mirror projects that would overwrite something, in the raw form.

    What a Feast project holds that the settings do not name, `trilock doctor` sees.
    """
    models = merged.get("models", {})
    sections = (
        {name: model for name, model in models.items() if isinstance(model, dict)}
        if isinstance(models, dict)
        else {}
    )
    mirrors: dict[tuple[Any, Any], str] = {}
    found: list[tuple[str, str]] = []
    bases = {(model.get("feast"), model.get("base_project")) for model in sections.values()}
    for name, model in sections.items():
        mirror = model.get("mirror_project")
        if not isinstance(mirror, str):
            continue
        place, key = f"models.{name}.mirror_project", (model.get("feast"), mirror)
        if _MANAGED.fullmatch(mirror):
            found.append((place, "must not look like a project that trilock makes, NAME__sNUMBER"))
        if key in bases:
            found.append((place, "is a base_project: it would be overwritten"))
        if key in mirrors:
            found.append((place, f"is the mirror of model {mirrors[key]!r} already"))
        mirrors.setdefault(key, name)
    return found + [
        (f"models.{name}.reads_projects", _unread(project, owner))
        for name, model in sections.items()
        for project in _texts(model.get("reads_projects"))
        if (owner := mirrors.get((model.get("feast"), project))) in {None, name}
    ]


def _texts(value: object) -> list[str]:
    if not isinstance(value, list | tuple):
        return []
    return [item for item in value if isinstance(item, str)]


def _unread(project: str, owner: str | None) -> str:
    if owner is not None:
        return f"{project!r} is this model's own mirror"
    return f"{project!r} is no other model's mirror_project on the same feast connection"
