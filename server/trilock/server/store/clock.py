"""Time: the database's for leases, this machine's for what people read."""

import time
from datetime import UTC, date, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped
from sqlmodel import Session, select


class db_now_ms(sa.sql.expression.FunctionElement[int]):  # noqa: N801 - reads as an SQL function
    """The database's clock, in ms: replicas' own clocks never decide who holds a lease."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(db_now_ms, "postgresql")
def _postgresql(_element: db_now_ms, _compiler: Any, **_: Any) -> str:  # noqa: ANN401
    # clock_timestamp moves within a transaction, now() does not.
    return "(extract(epoch from clock_timestamp()) * 1000)::bigint"


@compiles(db_now_ms, "sqlite")
def _sqlite(_element: db_now_ms, _compiler: Any, **_: Any) -> str:  # noqa: ANN401
    return "cast((julianday('now') - 2440587.5) * 86400000 as integer)"


LONGEST_WAIT_MS: Final = 10 * 60 * 1000
"""Nothing is ever put off, or held, for longer without a word; most for seconds only."""


def is_ahead(column: Mapped[int]) -> sa.ColumnElement[bool]:
    """Return whether the moment in *column*, until which something waits, is still to come.

    One that is further ahead than anything is ever put off was written before the clock
    was set back: it is past.
    """
    return sa.and_(column >= db_now_ms(), column <= db_now_ms() + LONGEST_WAIT_MS)


def today(session: Session) -> date:
    """Return the day in UTC by the database's clock: waivers expire for all replicas at once."""
    return to_datetime(session.exec(select(db_now_ms())).one()).date()


def now_ms() -> int:
    """Return this machine's time, milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def to_datetime(milliseconds: int) -> datetime:
    """Return the aware UTC time of *milliseconds* since the epoch."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def to_optional_datetime(milliseconds: int | None) -> datetime | None:
    """Return the aware UTC time of *milliseconds*, or None."""
    return None if milliseconds is None else to_datetime(milliseconds)
