"""The tables. Rows stay in store/ and operations/; everybody else sees domain values.

Times are milliseconds since the epoch, UTC, so that both databases order and
compare them alike. Migrations are the schema's history; a test holds the two
equal.
"""

from typing import Any, Final, Optional

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

JSON: Final = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def _json(*, nullable: bool = False) -> Any:  # noqa: ANN401 - SQLModel's Field is Any
    return Field(default=None, sa_column=sa.Column(JSON, nullable=nullable))


def _big(**kwargs: Any) -> Any:  # noqa: ANN401 - SQLModel's Field is Any
    return Field(sa_type=sa.BigInteger, **kwargs)


class StoreRow(SQLModel, table=True):
    """Exactly one row: what orders all changes."""

    __tablename__ = "store"

    id: int = Field(primary_key=True)
    generation: int = _big()
    revision: int = _big()
    restored: bool
    """Set in a backup; the server that starts on it begins a new generation."""


class ProgramRow(SQLModel, table=True):
    """A program that works on this schema, by the schema that it was made for.

    Written by migrations only. A release that expands the schema keeps the row of
    the one before it, whose servers may go on while they are replaced.
    """

    __tablename__ = "program"

    schema_: str = Field(primary_key=True, max_length=32, sa_column_kwargs={"name": "schema"})


class CounterRow(SQLModel, table=True):
    """The last number given to a bundle or release of a model, or version of a service."""

    __tablename__ = "counter"

    name: str = Field(primary_key=True, max_length=255)
    value: int = _big()


class EventRow(SQLModel, table=True):
    """One change of the truth: what watchers and history are told."""

    __tablename__ = "event"

    revision: int = _big(primary_key=True)
    at_ms: int = _big()
    kind: str = Field(max_length=32)
    model: str = Field(max_length=63, index=True)
    alias: str = Field(max_length=63)
    payload: dict[str, Any] = _json()


class BlobRow(SQLModel, table=True):
    """Captured bytes, by their SHA-256."""

    __tablename__ = "blob"

    digest: str = Field(primary_key=True, max_length=64)
    content: bytes


class FeatureSchemaRow(SQLModel, table=True):
    """A captured feature schema; its objects' bytes are blobs."""

    __tablename__ = "feature_schema"

    service: str = Field(primary_key=True, max_length=128)
    version: int = Field(primary_key=True)
    source_project: str = Field(max_length=255)
    source_revision: Optional[str] = Field(default=None, max_length=40)  # noqa: UP045 - SQLModel
    contract_digest: str = Field(max_length=64)
    semantics_digest: str = Field(max_length=64)
    docs_digest: str = Field(max_length=64)
    definition_digest: str = Field(max_length=64, index=True)
    objects: list[list[str]] = _json()
    """[[kind, name, blob digest], ...], sorted."""
    feast_version: str = Field(max_length=32)
    python_version: str = Field(max_length=16)
    created_ms: int = _big()
    creator: str = Field(max_length=128)


class BundleRow(SQLModel, table=True):
    """A recorded bundle. Never updated, never deleted."""

    __tablename__ = "bundle"
    __table_args__ = (sa.UniqueConstraint("model", "digest"),)

    model: str = Field(primary_key=True, max_length=63)
    number: int = Field(primary_key=True)
    digest: str = Field(max_length=64)
    model_version: dict[str, Any] = _json()
    service: str = Field(max_length=128)
    schema_version: int
    pipeline_commit: dict[str, Any] = _json()
    serving_config: dict[str, Any] = _json()
    report: dict[str, Any] = _json()
    created_ms: int = _big()
    creator: str = Field(max_length=128)


class HoldRow(SQLModel, table=True):
    """A bundle that must not be promoted, or an alias to which nothing must."""

    __tablename__ = "hold"

    model: str = Field(primary_key=True, max_length=63)
    alias: str = Field(primary_key=True, max_length=63)
    """"" for the hold of a bundle."""
    number: int = Field(primary_key=True)
    """0 for the hold of an alias."""
    reason: str
    principal: str = Field(max_length=128)
    created_ms: int = _big()
    expires_ms: Optional[int] = _big(default=None, nullable=True)  # noqa: UP045


class DriftRow(SQLModel, table=True):
    """Something foreign in a plane: found by somebody who looked, until it was gone."""

    __tablename__ = "drift"
    __table_args__ = (sa.Index("ix_drift_alias", "model", "alias", "ended_ms"),)

    revision: int = _big(primary_key=True)
    """Of the event that tells of it."""
    model: str = Field(max_length=63)
    alias: str = Field(max_length=63)
    plane: str = Field(max_length=64)
    resource: str
    wanted: str
    found: str
    changes: list[str] = _json()
    held: Optional[int] = None  # noqa: UP045
    """The bundle on hold that was put back, if it is one."""
    reasserted: bool
    """Whether the plane is driven to the live row again."""
    since_ms: int = _big()
    ended_ms: Optional[int] = _big(default=None, nullable=True)  # noqa: UP045


class PolicyRow(SQLModel, table=True):
    """A policy of an alias, from a revision on. Appended; the newest one counts."""

    __tablename__ = "policy"

    model: str = Field(primary_key=True, max_length=63)
    alias: str = Field(primary_key=True, max_length=63)
    revision: int = _big(primary_key=True)
    policy: dict[str, Any] = _json()
    set_ms: int = _big()
    cause: dict[str, Any] = _json()


class WaiverRow(SQLModel, table=True):
    """A recorded waiver. Never deleted; only its end is written later."""

    __tablename__ = "waiver"

    model: str = Field(primary_key=True, max_length=63)
    number: int = Field(primary_key=True)
    alias: str = Field(max_length=63)
    """Empty for every alias of the model."""
    rule: str = Field(max_length=16)
    path: str
    owner: str
    reason: str
    expires: str = Field(max_length=10)
    """The last day it is good for, ISO 8601."""
    created_ms: int = _big()
    creator: str = Field(max_length=128)
    ended_ms: Optional[int] = _big(default=None, nullable=True)  # noqa: UP045
    ended_by: Optional[dict[str, Any]] = _json(nullable=True)  # noqa: UP045


class ReleaseRow(SQLModel, table=True):
    """The time one bundle is live on one alias. Appended; only its end is written later."""

    __tablename__ = "release"
    __table_args__ = (sa.Index("ix_release_alias", "model", "alias", "number"),)

    model: str = Field(primary_key=True, max_length=63)
    number: int = Field(primary_key=True)
    epoch: int = _big()
    alias: str = Field(max_length=63)
    bundle: int
    kind: str = Field(max_length=16)
    state: str = Field(max_length=16)
    target: Optional[int] = None  # noqa: UP045 - SQLModel reads annotations at run time
    leaves: Optional[int] = None  # noqa: UP045
    feature_project: str = Field(default="", max_length=255)
    """Where its features are read; "" for its schema's own project."""
    leaves_bundle: Optional[int] = None  # noqa: UP045
    restores: Optional[int] = None  # noqa: UP045
    revision: int = _big()
    started_ms: int = _big()
    ended_ms: Optional[int] = _big(default=None, nullable=True)  # noqa: UP045
    cause: dict[str, Any] = _json()
    trial: bool = False
    """Whether it is, or was to its end, on trial only: it never was live."""
    acknowledged_ms: Optional[int] = _big(default=None, nullable=True)  # noqa: UP045
    """From its pivot to the last acknowledgement of a watcher that was there then."""
    acknowledged: int = 0
    """How many of those have."""
    ended_by: Optional[dict[str, Any]] = _json(nullable=True)  # noqa: UP045
    pauses: list[dict[str, Any]] = _json()
    """Of its soak, oldest first."""


class LiveTable(SQLModel, table=True):
    """The live row of each alias: the pivot changes it, nothing else is asked."""

    __tablename__ = "live"

    model: str = Field(primary_key=True, max_length=63)
    alias: str = Field(primary_key=True, max_length=63)
    release: int
    epoch: int = _big()
    state: str = Field(max_length=16)
    bundle: int
    target: Optional[int] = None  # noqa: UP045
    revision: int = _big()
    switched_revision: int = _big()
    switched_ms: int = _big(default=0)
    """When, by the database's clock: the fleet's answers are timed against it."""
    cause: dict[str, Any] = _json()
    """Of the last change."""
    converged_revision: int = _big(default=0)
    """`revision` when all planes were last seen equal to the row; the converger's."""
    canary: Optional[int] = None  # noqa: UP045
    """Number of the release that `canary_percent` of the requests go to."""
    canary_percent: int = 0
    shadow: Optional[int] = None  # noqa: UP045
    """Number of the release that gets a copy of the requests."""
    demand: int = _big(default=0)
    """How often the planes were set behind: what was seen before the last time is old."""


class PlaneStateRow(SQLModel, table=True):
    """How far one plane has followed the live row of one alias."""

    __tablename__ = "plane_state"

    model: str = Field(primary_key=True, max_length=63)
    alias: str = Field(primary_key=True, max_length=63)
    plane: str = Field(primary_key=True, max_length=64)
    converged_revision: int = _big()
    """`revision` of the live row that the plane was last seen equal to; see plane_states."""
    wanted: str
    found: str
    attempts: int
    error: str
    failing_ms: Optional[int] = _big(default=None, nullable=True)  # noqa: UP045
    """Since when it fails; None if it does not."""
    not_before_ms: int = _big()


class FeatureStateRow(SQLModel, table=True):
    """The last look at the Feast project that one release of an alias reads."""

    __tablename__ = "feature_state"

    model: str = Field(primary_key=True, max_length=63)
    alias: str = Field(primary_key=True, max_length=63)
    release: int = Field(primary_key=True)
    project: str = Field(max_length=255)
    rows: Optional[int] = _big(default=None, nullable=True)  # noqa: UP045
    fed_until_ms: Optional[int] = _big(default=None, nullable=True)  # noqa: UP045
    cold: list[str] = _json()
    error: str
    checked_ms: int = _big()


class ReadinessRow(SQLModel, table=True):
    """The last look at the rollback target of one alias."""

    __tablename__ = "readiness"

    model: str = Field(primary_key=True, max_length=63)
    alias: str = Field(primary_key=True, max_length=63)
    release: int
    state: str = Field(max_length=16)
    problems: list[str] = _json()
    checked_ms: int = _big()


class FallbackRow(SQLModel, table=True):
    """Where a rollback of an alias goes when none of its releases can be restored."""

    __tablename__ = "fallback"

    model: str = Field(primary_key=True, max_length=63)
    alias: str = Field(primary_key=True, max_length=63)
    bundle: int
    cause: dict[str, Any] = _json()
    recorded_ms: int = _big()
    state: str = Field(max_length=16)
    problems: list[str] = _json()
    checked_ms: int = _big()


class SinkRow(SQLModel, table=True):
    """A registered sink."""

    __tablename__ = "sink"

    model: str = Field(primary_key=True, max_length=63)
    sink: str = Field(primary_key=True, max_length=40)
    connection: str = Field(max_length=128)
    table: str = Field(max_length=255)
    keys: list[str] = _json()
    columns: list[dict[str, Any]] = _json()
    live_view: bool
    created_ms: int = _big()
    creator: str = Field(max_length=128)
    altered_ms: Optional[int] = _big(default=None, nullable=True)  # noqa: UP045
    alterer: Optional[str] = Field(default=None, max_length=128)  # noqa: UP045


class ReleaseSinkRow(SQLModel, table=True):
    """What became of one release's writes to one sink."""

    __tablename__ = "release_sink"

    model: str = Field(primary_key=True, max_length=63)
    number: int = Field(primary_key=True)
    sink: str = Field(primary_key=True, max_length=40)
    state: str = Field(max_length=16)
    counts: dict[str, Any] = _json()
    purged_ms: Optional[int] = _big(default=None, nullable=True)  # noqa: UP045


class TokenRow(SQLModel, table=True):
    """A token, stored hashed."""

    __tablename__ = "token"

    principal: str = Field(primary_key=True, max_length=128)
    sha256: str = Field(max_length=64, unique=True)
    roles: list[str] = _json()
    created_ms: int = _big()
    creator: str = Field(max_length=128)


class RequestRow(SQLModel, table=True):
    """A request id that was used, and for what: claimed by every kind of change."""

    __tablename__ = "request"

    request_id: str = Field(primary_key=True, max_length=128)
    request_hash: str = Field(max_length=64)
    created_ms: int = _big()


class OperationRow(SQLModel, table=True):
    """A durable run of a plan."""

    __tablename__ = "operation"
    __table_args__ = (
        sa.CheckConstraint(
            "state in ('RUNNING','COMPENSATING','CONVERGING',"
            "'SUCCEEDED','COMPENSATED','SUPERSEDED')",
            name="ck_operation_state",
        ),
    )

    id: str = Field(primary_key=True, max_length=32)
    request_id: str = Field(max_length=128, unique=True)
    request_hash: str = Field(max_length=64)
    kind: str = Field(max_length=16)
    model: str = Field(max_length=63, index=True)
    alias: str = Field(max_length=63)
    release: Optional[int] = None  # noqa: UP045
    plan: dict[str, Any] = _json()
    plan_version: int
    """Version of the plan's form; a server does not claim what it does not know."""
    scopes: list[str] = _json()
    """Scopes that it must still own to pass its pivot."""
    state: str = Field(max_length=16, index=True)
    pivot_revision: Optional[int] = _big(default=None, nullable=True)  # noqa: UP045
    cause: dict[str, Any] = _json()
    error_reason: str = Field(default="", max_length=64)
    error_message: str = ""
    abort_at_ms: Optional[int] = _big(default=None, nullable=True)  # noqa: UP045
    """From then on it turns back, unless it is past its pivot: cancel and deadline alike."""
    not_before_ms: int = _big(default=0)
    version: int = _big(default=0)
    """Grows with every change, for those who wait."""
    created_ms: int = _big()
    ended_ms: Optional[int] = _big(default=None, nullable=True)  # noqa: UP045


class OperationStepRow(SQLModel, table=True):
    """One step of an operation, as the journal knows it."""

    __tablename__ = "operation_step"
    __table_args__ = (
        sa.CheckConstraint(
            "state in ('PENDING','STARTED','DONE','UNDONE')", name="ck_operation_step_state"
        ),
    )

    operation: str = Field(primary_key=True, max_length=32, foreign_key="operation.id")
    position: int = Field(primary_key=True)
    step: str = Field(max_length=64)
    state: str = Field(max_length=16)
    attempts: int = 0
    before: Optional[Any] = _json(nullable=True)  # noqa: UP045
    result: Optional[Any] = _json(nullable=True)  # noqa: UP045
    error: str = ""
    progress: str = ""
    """What it told last, while it was at work."""
    started_ms: Optional[int] = _big(default=None, nullable=True)  # noqa: UP045
    ended_ms: Optional[int] = _big(default=None, nullable=True)  # noqa: UP045


class OperationEventRow(SQLModel, table=True):
    """What happened to an operation, in order; written with what it tells of."""

    __tablename__ = "operation_event"

    id: Optional[int] = Field(  # noqa: UP045
        default=None,
        sa_column=sa.Column(sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    )
    operation: str = Field(max_length=32, foreign_key="operation.id", index=True)
    at_ms: int = _big()
    epoch: int = _big()
    owner: str = Field(max_length=64)
    kind: str = Field(max_length=32)
    detail: Optional[dict[str, Any]] = _json(nullable=True)  # noqa: UP045


class LockRow(SQLModel, table=True):
    """A scope that one operation keeps others out of."""

    __tablename__ = "lock"

    scope: str = Field(primary_key=True, max_length=255)
    operation: str = Field(max_length=32, foreign_key="operation.id", index=True)


class LeaseRow(SQLModel, table=True):
    """Who drives an operation, or the convergence of one plane of an alias, and until when."""

    __tablename__ = "lease"

    scope: str = Field(primary_key=True, max_length=255)
    """`operations/{id}` or `models/{model}/aliases/{alias}/planes/{plane}`."""
    owner: str = Field(max_length=64)
    epoch: int = _big()
    """The fencing token: grows with every claim; every write of the holder names it."""
    until_ms: int = _big()
    """By the database's clock."""


class WatcherRow(SQLModel, table=True):
    """One process that reports what it serves."""

    __tablename__ = "watcher"

    watcher: str = Field(primary_key=True, max_length=128)
    principal: str = Field(max_length=128)
    joined_ms: int = _big()
    reported_ms: int = _big()
    expires_ms: int = _big(index=True)
    """By the database's clock, as all times of the roster."""


class WatchedRow(SQLModel, table=True):
    """What one watcher makes of one alias."""

    __tablename__ = "watched"

    model: str = Field(primary_key=True, max_length=63)
    alias: str = Field(primary_key=True, max_length=63)
    watcher: str = Field(
        primary_key=True, max_length=128, foreign_key="watcher.watcher", index=True
    )
    generation: int = _big()
    revision: int = _big()
    """The newest acknowledged; 0 for none."""
    acknowledged_ms: Optional[int] = _big(default=None, nullable=True)  # noqa: UP045
    refused_revision: int = _big()
    refusal: str
    standby_warm: bool


class AcknowledgementRow(SQLModel, table=True):
    """Who answered to a revision when: kept when the watcher is long gone."""

    __tablename__ = "acknowledgement"

    revision: int = _big(primary_key=True)
    generation: int = _big(primary_key=True)
    watcher: str = Field(primary_key=True, max_length=128)
    model: str = Field(max_length=63)
    alias: str = Field(max_length=63)
    principal: str = Field(max_length=128)
    refusal: str
    at_ms: int = _big(index=True)
