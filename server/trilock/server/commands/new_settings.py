"""Write settings to begin with, and a token for this machine."""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Final

from trilock.server.domain.errors import AlreadyExistsError, PreconditionError
from trilock.server.settings import DEFAULT_FILE, load_settings
from trilock.server.usecases.manage_tokens import new_secret

PRINCIPAL: Final = "local"
TOKEN: Final = Path(".trilock", "token")
"""Where the client looks for a token by itself, beside the settings."""

_TEMPLATE: Final = """\
# Settings of a trilock server. Paths are relative to this file.
# Every setting can be overridden: TRILOCK_SERVER__LISTEN=127.0.0.1:7421
# `trilock doctor` says what is configured, reachable and wrong.

[server]
listen = "127.0.0.1:7420"
# Beyond loopback, TLS and tokens are required:
# listen = "0.0.0.0:7420"
# tls_cert = "server.pem"
# tls_key = "server.key"
# tls_client_ca = "clients.pem"    # every client must then have a certificate

[database]
url = "sqlite:///.trilock/trilock.db"
# url = "postgresql://trilock@localhost/trilock"    # for several servers

# [serving]
# poll_seconds = 2          # how soon a change made by another server is seen
# progress_seconds = 15     # how often an idle watcher is told that nothing happened
# keep_events_hours = 168   # how long a watcher may be away and resume without a gap

# [sinks]
# keep_days = 30            # how long quarantined rows and receipts of an ended release are kept

# [watching]
# drift_seconds = 5         # how often the planes are looked at for what others changed
# readiness_seconds = 30    # how often every rollback target is looked at

# [fleet]
# wait_for = "all"          # whom an operation waits for: all watchers, a quorum, none
# deadline_seconds = 30     # how long; it then goes on without those that did not answer
# keep_days = 90            # how long it is known who served which revision

# Outside systems, by names of your own. Requests name them, never their addresses.
# [connections.registry]
# kind = "mlflow"
# uri = "http://localhost:5000"

# [connections.features]
# kind = "feast"
# feature_store_yaml = "features/feature_store.yaml"

# [connections.code]
# kind = "git"
# repository = "."
# cache = ".dvc/cache"      # by default where the repository says
# remotes = []              # folders of DVC remotes that this machine can read

# [connections.warehouse]
# kind = "sink"
# url = "postgresql://writer@localhost/sales"

# Models, by their names in trilock.
# [models.delay]
# mlflow = "registry"
# registered_model = "delay"    # in MLflow; by default the same name
# feast = "features"
# base_project = "flights"      # by default the project in feature_store.yaml
# mirror_project = "delay"      # a live Feast project to keep equal; by default none
# mirror_alias = "production"   # the alias that it is kept equal to
# reads_projects = []           # other models' mirrors that readers of this one read
# freeze = "off"                # "on": others' `feast apply` there fails; PostgreSQL only
# loads_model = false           # load a rollback target's model once a day, in a worker
# max_feature_lag_hours = 26    # a rollback target that is fed less is not ready
# workspace = "outputs"         # where the live bundle's outputs are restored; by default nowhere
# workspace_alias = "production"
# workspace_follows = true      # else `trilock pipeline checkout` fills it
# drift = "report"              # or "reassert": what others change is made to agree again
# git = "code"
# feature_folder = "features"   # the Feast repository's folder in the git repository

# Principals. The server knows the SHA-256 of a token only; roles are of
# serve, check, record, rollback, promote, admin. More: `trilock tokens create`.
[tokens.{principal}]
sha256 = "{sha256}"
roles = ["admin"]
"""


def init(folder: Path, *, force: bool) -> list[str]:
    """Write `trilock.toml` and a token that only its owner can read.

    Args:
        folder: Where; made if it is not there.
        force: Whether to write although there are such files. The settings that are
            there are kept as `trilock.toml.old`; the old token is of no use any more.

    Returns:
        What was done, one line each.

    Raises:
        AlreadyExistsError: A file is there; nothing was written.
        PreconditionError: The folder cannot be written to.
        SettingsError: An environment variable makes the new settings wrong.
    """
    settings, token = folder / DEFAULT_FILE, folder / TOKEN
    for path in (settings, token):
        if path.exists() and not force:
            raise AlreadyExistsError(str(path), what="--force replaces it")
    secret, digest = new_secret()
    text = _TEMPLATE.format(principal=PRINCIPAL, sha256=digest)
    unfinished = settings.with_name(f"{settings.name}.part")
    done: list[str] = []
    try:
        token.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # It will hold URLs with passwords.
        _write(unfinished, text, mode=0o600)
        # What cannot be read again is not put in place.
        load_settings(unfinished)
        _write(token.with_name("token.part"), f"{secret}\n", mode=0o600)
        # The token and the database are nobody else's business, git's neither.
        _write(token.with_name(".gitignore"), "*\n", mode=0o644)
        if settings.exists():
            settings.replace(settings.with_name(f"{settings.name}.old"))
            done.append(f"kept the settings that were there as {settings}.old")
        token.with_name("token.part").replace(token)
        unfinished.replace(settings)
    except OSError as error:
        raise PreconditionError(
            f"cannot write to {error.filename or folder}: {error.strerror}", folder=folder
        ) from error
    finally:
        for path in (unfinished, token.with_name("token.part")):
            with contextlib.suppress(OSError):
                path.unlink()
    _require_pair(settings, token)
    return [
        *done,
        f"wrote {settings}: name your MLflow, Feast and git there",
        f"wrote {token}: the token of {PRINCIPAL!r}, who may do everything",
        "next: `trilock doctor`, then `trilock serve`",
    ]


def _write(path: Path, text: str, *, mode: int) -> None:
    path.unlink(missing_ok=True)
    # With its rights from the first byte on: a moment is enough to be read.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _require_pair(settings: Path, token: Path) -> None:
    digest = hashlib.sha256(token.read_text().strip().encode()).hexdigest()
    known = load_settings(settings).tokens.get(PRINCIPAL)
    if known is None or known.sha256 != digest:
        raise PreconditionError(
            f"{token} is not the token in {settings}: is there a TRILOCK_TOKENS__... variable?"
        )
