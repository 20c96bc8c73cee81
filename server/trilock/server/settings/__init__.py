"""Settings: one TOML file, overridden by the environment, wrong ones refused whole.

Everything is checked before anything is used: a key that is not known, a name
that names nothing, a value of the wrong form. All of it is told at once, with
the place, and never with a value, since a value may be a secret. Relative paths
are relative to the settings file, and absolute from here on.

`TRILOCK_SERVER__LISTEN` overrides `listen` in `[server]`, and so on. Only names
with `__` are settings: TRILOCK_SERVER, TRILOCK_CONFIG and TRILOCK_TOKEN_FILE
belong to the client and the command line.
"""

from trilock.server.settings.connections import (
    Connection,
    FeastConnection,
    GitConnection,
    MlflowConnection,
    SinkConnection,
)
from trilock.server.settings.models import FillSettings, ModelSettings
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
from trilock.server.settings.settings import DEFAULT_FILE, Settings, load_settings, settings_file
from trilock.server.settings.source import SettingsError
from trilock.server.settings.values import redacted

__all__ = [
    "DEFAULT_FILE",
    "CertificateSettings",
    "Connection",
    "DatabaseSettings",
    "FeastConnection",
    "FillSettings",
    "FleetSettings",
    "GitConnection",
    "MlflowConnection",
    "ModelSettings",
    "ServerSettings",
    "ServingSettings",
    "Settings",
    "SettingsError",
    "SinkConnection",
    "SinksSettings",
    "TokenSettings",
    "WatchingSettings",
    "load_settings",
    "redacted",
    "settings_file",
]
