"""How long operations of a kind took here, so that people know what to expect."""

import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlmodel import Session, col, select

from trilock.server.domain.names import AliasRef
from trilock.server.domain.operation import OperationKind, OperationState
from trilock.server.operations.joined import JOINED
from trilock.server.operations.records import steps_of
from trilock.server.store.tables import OperationRow, OperationStepRow

_RUNS: Final = 10
"""How many of the newest runs are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Medians over past runs, in seconds since the operation was started."""

    runs: int
    switched: float
    done: float
    steps: Mapping[str, float]
    """How long each step took, from its first begin to its end."""


def pace_of(session: Session, alias: AliasRef, *, kind: OperationKind) -> Pace | None:
    """Return how long operations of *kind* take on *alias*; None if none was ever done there."""
    query = (
        select(OperationRow)
        .where(
            OperationRow.model == alias.model,
            OperationRow.alias == alias.alias,
            OperationRow.kind == kind.value,
            OperationRow.state == OperationState.SUCCEEDED.value,
            # It came with another one's pivot: how long that took is no pace of its own.
            OperationRow.request_hash != JOINED,
        )
        .order_by(col(OperationRow.created_ms).desc(), col(OperationRow.id).desc())
        .limit(_RUNS)
    )
    rows = session.exec(query).all()
    if not rows:
        return None
    steps = steps_of(session, [row.id for row in rows])
    took: dict[str, list[float]] = defaultdict(list)
    for of_row in steps.values():
        for step in of_row:
            took[step.step].append(_seconds(step.started_ms, step.ended_ms))
    return Pace(
        runs=len(rows),
        switched=statistics.median(_switched(row, steps[row.id]) for row in rows),
        done=statistics.median(_seconds(row.created_ms, row.ended_ms) for row in rows),
        steps={step: statistics.median(times) for step, times in took.items()},
    )


def _switched(row: OperationRow, steps: list[OperationStepRow]) -> float:
    # The pivot is the last step of every plan.
    return _seconds(row.created_ms, steps[-1].ended_ms if steps else None)


def _seconds(begun_ms: int | None, ended_ms: int | None) -> float:
    # A clock that was set back between the two tells nothing.
    return 0.0 if begun_ms is None or ended_ms is None else max(0, ended_ms - begun_ms) / 1000
