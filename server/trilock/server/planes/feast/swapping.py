"""Tables of one project that are swapped by renaming, and what is remembered of it.

What is remembered stands in one row a project, in a table beside the swapped
ones and written in their transaction: which tables are in it cannot be seen
from definitions, which anybody can apply. A row also keeps which views a job
was feeding at that moment (it goes on, by name, into the new tables) and how
the project was fed when its values were last seen right.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import PreconditionError
from trilock.server.planes.feast import deploy, protos
from trilock.server.planes.feast.definitions import Key, definition_digest, keys
from trilock.server.planes.feast.deploy import ANYTHING, Watermarks
from trilock.server.planes.feast.online import OnlineView, SqlOnlineStore
from trilock.server.planes.feast.registry import RegistrySession

_TABLE: Final = "trilock_in_place"

_MATERIALIZING: Final = 3
"""`FeatureViewState.MATERIALIZING`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swapped:
    """What is remembered of one project."""

    holds: str
    left: str
    settled: bool
    at: datetime
    busy: tuple[str, ...]
    """Views that a job was feeding when they were swapped in."""
    fed: Mapping[str, Any]
    """How each view was fed then."""
    verified: Mapping[str, Any] | None
    """How each view was fed when its values were last seen right; None for never since."""


def read_swapped(connection: Connection, online: SqlOnlineStore, *, project: str) -> Swapped | None:
    """Return what is remembered of *project*."""
    if not online.has_table(connection, _TABLE):
        return None
    row = connection.execute(
        text(f"SELECT state FROM {online.quoted(_TABLE)} WHERE project = :project"),  # noqa: S608 - a name of ours
        {"project": project},
    ).scalar()
    if row is None:
        return None
    state = json.loads(row)
    return Swapped(
        holds=state["holds"],
        left=state["left"],
        settled=state["settled"],
        at=datetime.fromisoformat(state["at"]),
        busy=tuple(state["busy"]),
        fed=state["fed"],
        verified=state["verified"],
    )


def write_swapped(
    connection: Connection, online: SqlOnlineStore, swapped: Swapped, *, project: str
) -> None:
    """Remember *swapped* of *project*."""
    name = online.quoted(_TABLE)
    if not online.has_table(connection, _TABLE):
        connection.exec_driver_sql(
            f"CREATE TABLE {name} (project VARCHAR(255) PRIMARY KEY, state TEXT NOT NULL)"
        )
    state = {
        "holds": swapped.holds,
        "left": swapped.left,
        "settled": swapped.settled,
        "at": swapped.at.isoformat(),
        "busy": list(swapped.busy),
        "fed": swapped.fed,
        "verified": swapped.verified,
    }
    values = {"project": project, "state": json.dumps(state)}
    connection.execute(text(f"DELETE FROM {name} WHERE project = :project"), values)  # noqa: S608 - ours
    connection.execute(text(f"INSERT INTO {name} VALUES (:project, :state)"), values)  # noqa: S608 - ours


def move_tables(
    connection: Connection,
    online: SqlOnlineStore,
    *,
    views: Iterable[OnlineView],
    leaves: Iterable[OnlineView],
    source: str,
    project: str,
    busy: tuple[str, ...],
) -> None:
    """Rename the tables of *source* into *project*, and what was there out of it.

    Does nothing if they are there already.

    Raises:
        PreconditionError: A table of *source* is not there.
    """
    before = read_swapped(connection, online, project=project)
    if before is not None and before.holds == source:
        return
    names = [view.name for view in views]
    missing = online.lacking(connection, source, names)
    if missing:
        raise PreconditionError(
            f"{source} has no online table for {', '.join(missing)}: there is nothing to swap in",
            project=source,
        )
    out = f"{project}__before" if before is None else before.holds
    leaving = sorted({*names, *(view.name for view in leaves)})
    online.rename(
        connection,
        [
            *((name, project, out) for name in leaving),
            *((name, source, project) for name in names),
        ],
    )
    swapped = Swapped(
        holds=source,
        left=out,
        settled=False,
        at=datetime.now(UTC),
        busy=busy,
        fed={},
        verified=None,
    )
    write_swapped(connection, online, swapped, project=project)


def settle_definitions(
    session: RegistrySession,
    capture: FeatureCapture,
    *,
    source: str,
    project: str,
    leaves: FeatureCapture | None,
    left: str,
) -> None:
    """Have definitions and watermarks follow the tables. Idempotent.

    Watermarks go where their values went: kept in place, the old ones would keep
    the new values from ever being fed.

    Raises:
        ForeignEditError: *source* is not defined as captured.
    """
    staged = deploy.watermarks(session, capture, project=source)
    defined = definition_digest(session.read(project, only=keys(capture)))
    if defined == capture.definition_digest and not any(staged.values()):
        return
    parked = marks_of(session, leaves, project=project)
    deploy.deploy(session, capture, project=project, expected=ANYTHING)
    deploy.set_watermarks(session, staged, project=project)
    deploy.set_watermarks(session, dict.fromkeys(staged, ()), project=source)
    deploy.set_watermarks(session, parked, project=left)


def marks_of(
    session: RegistrySession, capture: FeatureCapture | None, *, project: str
) -> Watermarks:
    """Return how far the views of *capture* are fed in *project*, however they are defined."""
    if capture is None:
        return {}
    rows = session.read(project, only=keys(capture))
    return {key: deploy.fed(key, row) for key, row in rows.items() if deploy.is_fed(key)}


def fed_text(marks: Watermarks) -> dict[str, Any]:
    """Return *marks* as JSON values."""
    return {
        f"{kind} {name}": [[start.isoformat(), end.isoformat()] for start, end in intervals]
        for (kind, name), intervals in sorted(marks.items())
    }


def trusted(swapped: Swapped) -> Watermarks:
    """Return how the project was fed when it was last vouched for, else when it was swapped in."""
    known = swapped.fed if swapped.verified is None else swapped.verified
    return {
        (kind, name): tuple(
            (datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in intervals
        )
        for key, intervals in known.items()
        for kind, _, name in [key.partition(" ")]
    }


def busy_views(session: RegistrySession, *, project: str, only: Iterable[Key]) -> tuple[str, ...]:
    """Return the views of *project* that Feast says a job feeds now."""
    return tuple(
        sorted(
            key[1]
            for key, row in session.read(project, only=tuple(only)).items()
            if deploy.is_fed(key) and protos.parse(key[0], row).meta.state == _MATERIALIZING
        )
    )


def with_fed(swapped: Swapped, marks: Watermarks) -> Swapped:
    """Return *swapped* once the definitions have followed."""
    return replace(swapped, settled=True, fed=fed_text(marks))
