"""The sections of the server itself: one class each."""

from ipaddress import ip_address

from pydantic import Field, SecretStr, field_validator, model_validator

from trilock.server.domain.access import Role
from trilock.server.domain.fleet import FleetPolicy, WaitFor
from trilock.server.settings.values import DatabaseUrl, File, Section, wrong


class ServerSettings(Section):
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
            raise wrong("must be HOST:PORT, with an IPv6 host in brackets")
        return listen

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "ServerSettings":
        if (self.tls_cert is None) != (self.tls_key is None):
            raise wrong("tls_cert and tls_key go together")
        if self.tls_client_ca and not self.tls_cert:
            raise wrong("tls_client_ca needs tls_cert and tls_key")
        if not self.loopback and not self.tls_cert:
            raise wrong(
                f"listen is {self.listen}, beyond loopback: that needs tls_cert, tls_key "
                "and a token or tls_client_ca"
            )
        return self


class DatabaseSettings(Section):
    """trilock's own database."""

    url: DatabaseUrl = Field(
        default=SecretStr("sqlite:///.trilock/trilock.db"), validate_default=True
    )


class ServingSettings(Section):
    """How readers are told of changes."""

    poll_seconds: float = Field(default=2.0, ge=0.05, le=60)
    """How soon a change made by another replica is seen if its announcement was lost."""
    progress_seconds: float = Field(default=15.0, ge=0.05, le=30)
    """How often an idle watcher is told that nothing happened. A client that hears nothing
    for 60 s calls itself STALE, so two of these have room before that."""
    keep_events_hours: int = Field(default=168, ge=24)
    """How long a watcher may be away and still resume without a gap."""


class SinksSettings(Section):
    """How long it is known what a release wrote."""

    keep_days: float = Field(default=30.0, gt=0, le=36_500)
    """How long after a release has ended its rows in quarantine, the rows that it
    replaced, and its receipt are kept."""

    @property
    def keep_ms(self) -> int:
        """The same in milliseconds."""
        return round(self.keep_days * 86_400_000)


class WatchingSettings(Section):
    """How often the outside world is looked at."""

    drift_seconds: float = Field(default=5.0, ge=0.05, le=3600)
    """Between two looks for what others changed."""
    readiness_seconds: float = Field(default=30.0, ge=0.05, le=3600)
    """Between two looks at the same rollback target."""
    features_seconds: float = Field(default=60.0, ge=0.05, le=3600)
    """Between two looks at how far what is read is fed."""


class FleetSettings(Section):
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


class TokenSettings(Section):
    """The right of one principal, by token."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of the token's text. The token itself is nowhere on the server."""
    roles: frozenset[Role] = Field(min_length=1)


class CertificateSettings(Section):
    """The right of one principal, by the common name of its certificate."""

    roles: frozenset[Role] = Field(min_length=1)
