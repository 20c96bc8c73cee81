"""All settings, loaded and checked, or refused with every violation at its place."""

import os
from pathlib import Path
from typing import Any, Final

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from trilock.server.settings.connections import Connection, SinkConnection
from trilock.server.settings.models import ModelSettings
from trilock.server.settings.references import mirrors, references
from trilock.server.settings.server import (
    CertificateSettings,
    DatabaseSettings,
    FleetSettings,
    ServerSettings,
    ServingSettings,
    SinksSettings,
    TokenSettings,
    WatchingSettings,
)
from trilock.server.settings.source import PREFIX, SettingsError, merged_settings
from trilock.server.settings.values import (
    SQLITE,
    ConnectionName,
    ModelKey,
    PrincipalKey,
    Section,
    wrong,
)

DEFAULT_FILE: Final = Path("trilock.toml")


class Settings(Section):
    """All of them."""

    server: ServerSettings = ServerSettings()
    database: DatabaseSettings
    serving: ServingSettings = ServingSettings()
    sinks: SinksSettings = SinksSettings()
    watching: WatchingSettings = WatchingSettings()
    fleet: FleetSettings = FleetSettings()
    connections: dict[ConnectionName, Connection] = Field(default_factory=dict)
    models: dict[ModelKey, ModelSettings] = Field(default_factory=dict)
    tokens: dict[PrincipalKey, TokenSettings] = Field(default_factory=dict)
    certificates: dict[PrincipalKey, CertificateSettings] = Field(default_factory=dict)

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
            if isinstance(connection, SinkConnection) and own.startswith(SQLITE):
                url = connection.url.get_secret_value()
                if (
                    Path(url.removeprefix(SQLITE)).resolve()
                    == Path(own.removeprefix(SQLITE)).resolve()
                ):
                    raise wrong(f"connections.{name}.url is trilock's own database")
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
    violations += [*references(merged), *mirrors(merged)]
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
