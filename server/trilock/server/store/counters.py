"""Numbers that only grow: the store's revision, and numbers of bundles and releases."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, select

from trilock.server.domain.errors import NotFoundError
from trilock.server.domain.names import AliasName, AliasRef, ModelName
from trilock.server.store.clock import now_ms
from trilock.server.store.database import allots_revision
from trilock.server.store.insert import insert_if_absent, insert_rows
from trilock.server.store.lookup import find_row
from trilock.server.store.notices import announce
from trilock.server.store.plane_states import set_behind
from trilock.server.store.tables import CounterRow, EventRow, LiveTable, StoreRow

_STORE: Final = 1
_COUNTERS: Final = CounterRow.metadata.tables["counter"]
_STORES: Final = StoreRow.metadata.tables["store"]

# Made once: it is part of every pivot.
_ALLOT: Final = (
    sa.update(_STORES)
    .where(_STORES.c.id == _STORE)
    .values(revision=_STORES.c.revision + 1)
    .returning(_STORES.c.revision)
)


def next_number(session: Session, name: str) -> int:
    """Return the next number of the series *name*, from 1; never given twice.

    A number taken by a transaction that rolls back is given again; one taken by
    an operation that turns back is not.
    """
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    first = dialect.insert(_COUNTERS).values(name=name, value=1)
    statement = first.on_conflict_do_update(
        index_elements=[_COUNTERS.c.name], set_={"value": _COUNTERS.c.value + 1}
    )
    return int(session.connection().execute(statement.returning(_COUNTERS.c.value)).scalar_one())


def generation(session: Session) -> int:
    """Return the store's generation."""
    return _store(session).generation


def revision(session: Session) -> int:
    """Return the newest revision."""
    return _store(session).revision


def _store(session: Session) -> StoreRow:
    row = find_row(session, StoreRow, id=_STORE)
    if row is None:
        raise ValueError("no generation was begun")
    return row


def allot_revision(session: Session) -> int:
    """Return a new revision. Call it last: it takes the row that orders all changes.

    One counter row, not a sequence: with a sequence a reader can see 2 before 1
    (DESIGN section 9).
    """
    # What was changed so far first: its rows come before this one.
    session.flush()
    allots_revision(session)
    return int(session.connection().execute(_ALLOT).scalar_one())


def append_event(
    session: Session, *, at: int, kind: str, model: str, alias: str, payload: dict[str, object]
) -> None:
    """Append the event of revision *at*; it is announced to other replicas with the commit."""
    event = EventRow(
        revision=at, at_ms=now_ms(), kind=kind, model=model, alias=alias, payload=payload
    )
    insert_rows(session, [event])
    announce(session)


def mark_restored(session: Session) -> None:
    """Have the next server begin a new generation: the database is a copy that was put back.

    Raises:
        NotFoundError: No server was ever started on it.
    """
    store = session.get(StoreRow, _STORE)
    if store is None:
        raise NotFoundError("a generation", hint="no server was ever started on this database")
    store.restored = True
    session.add(store)


def begin_generation(session: Session) -> int:
    """Make the store row if it is missing, and begin a new generation after a restore.

    The planes have followed what came after the copy: every one is driven again.

    Returns:
        The generation: the time at which this history began, in ms, so that it is
        greater than that of any copy made before.
    """
    insert_if_absent(session, StoreRow, id=_STORE, generation=now_ms(), revision=0, restored=False)
    store = session.exec(select(StoreRow).where(StoreRow.id == _STORE).with_for_update()).one()
    if store.restored:
        store.generation = max(store.generation + 1, now_ms())
        store.restored = False
        for model, alias in session.exec(select(LiveTable.model, LiveTable.alias)).all():
            set_behind(session, AliasRef(ModelName(model), AliasName(alias)))
    session.add(store)
    session.flush()
    return store.generation
