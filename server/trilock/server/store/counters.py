"""Numbers that only grow: the store's revision, and numbers of bundles and releases."""

from sqlmodel import Session, select

from trilock.server.domain.names import AliasName, AliasRef, ModelName
from trilock.server.store.clock import now_ms
from trilock.server.store.database import allots_revision
from trilock.server.store.insert import insert_if_absent
from trilock.server.store.notices import announce
from trilock.server.store.plane_states import set_behind
from trilock.server.store.tables import CounterRow, EventRow, LiveTable, StoreRow

_STORE = 1


def next_number(session: Session, name: str) -> int:
    """Return the next number of the series *name*, from 1; never given twice.

    A number taken by a transaction that rolls back is given again; one taken by
    an operation that turns back is not.
    """
    insert_if_absent(session, CounterRow, name=name, value=0)
    row = session.exec(select(CounterRow).where(CounterRow.name == name).with_for_update()).one()
    row.value += 1
    session.add(row)
    session.flush()
    return row.value


def generation(session: Session) -> int:
    """Return the store's generation."""
    return session.exec(select(StoreRow).where(StoreRow.id == _STORE)).one().generation


def revision(session: Session) -> int:
    """Return the newest revision."""
    return session.exec(select(StoreRow).where(StoreRow.id == _STORE)).one().revision


def allot_revision(session: Session) -> int:
    """Return a new revision. Call it last: it takes the row that orders all changes.

    One counter row, not a sequence: with a sequence a reader can see 2 before 1
    (DESIGN section 9).
    """
    store = session.exec(select(StoreRow).where(StoreRow.id == _STORE).with_for_update()).one()
    store.revision += 1
    session.add(store)
    session.flush()
    allots_revision(session)
    return store.revision


def append_event(
    session: Session, *, at: int, kind: str, model: str, alias: str, payload: dict[str, object]
) -> None:
    """Append the event of revision *at*; it is announced to other replicas with the commit."""
    session.add(
        EventRow(revision=at, at_ms=now_ms(), kind=kind, model=model, alias=alias, payload=payload)
    )
    announce(session)


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
