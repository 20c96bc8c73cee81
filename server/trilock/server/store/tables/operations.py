"""The journal: operations, their steps, locks and leases."""

from typing import Any, Optional

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from trilock.server.store.tables.columns import big, json_column


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
    plan: dict[str, Any] = json_column()
    plan_version: int
    """Version of the plan's form; a server does not claim what it does not know."""
    scopes: list[str] = json_column()
    """Scopes that it must still own to pass its pivot."""
    state: str = Field(max_length=16, index=True)
    pivot_revision: Optional[int] = big(default=None, nullable=True)  # noqa: UP045
    cause: dict[str, Any] = json_column()
    error_reason: str = Field(default="", max_length=64)
    error_message: str = ""
    abort_at_ms: Optional[int] = big(default=None, nullable=True)  # noqa: UP045
    """From then on it turns back, unless it is past its pivot: cancel and deadline alike."""
    not_before_ms: int = big(default=0)
    version: int = big(default=0)
    """Grows with every change, for those who wait."""
    created_ms: int = big()
    ended_ms: Optional[int] = big(default=None, nullable=True)  # noqa: UP045


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
    before: Optional[Any] = json_column(nullable=True)  # noqa: UP045
    result: Optional[Any] = json_column(nullable=True)  # noqa: UP045
    error: str = ""
    progress: str = ""
    """What it told last, while it was at work."""
    started_ms: Optional[int] = big(default=None, nullable=True)  # noqa: UP045
    ended_ms: Optional[int] = big(default=None, nullable=True)  # noqa: UP045


class OperationEventRow(SQLModel, table=True):
    """What happened to an operation, in order; written with what it tells of."""

    __tablename__ = "operation_event"

    id: Optional[int] = Field(  # noqa: UP045
        default=None,
        sa_column=sa.Column(sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    )
    operation: str = Field(max_length=32, foreign_key="operation.id", index=True)
    at_ms: int = big()
    epoch: int = big()
    owner: str = Field(max_length=64)
    kind: str = Field(max_length=32)
    detail: Optional[dict[str, Any]] = json_column(nullable=True)  # noqa: UP045


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
    epoch: int = big()
    """The fencing token: grows with every claim; every write of the holder names it."""
    until_ms: int = big()
    """By the database's clock."""
