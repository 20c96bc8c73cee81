"""`<table>_live`: the table as it will be once the live release is finalized.

A view over the table and the staging tables of the epochs that are open. Which of
them it shows is a row (`shown`) and the fence rows, so a swap changes no definition:
the pivot's followers show the new epoch, a close hides one in the moment it closes,
and a finalize moves rows from one branch of the view to the other unseen. The
definition changes when an epoch's tables are made, which is before the pivot, and
when they are dropped.
"""

# What is formatted into statements is identifiers, quoted by the dialect, and text
# quoted by `_literal`.
# ruff: noqa: S608

from collections.abc import Sequence
from typing import Final

from trilock.client.sinks.layout import EpochState, ImageMode, Relation, Shape
from trilock.client.sinks.session import Dialect, Session
from trilock.client.sinks.statements import Fragments
from trilock.server.sinks.catalog import Catalog, Table

SUFFIX: Final = "_live"
_MAX_IDENTIFIER: Final = 63


def view_of(table: Relation) -> Relation:
    """Return where the view of *table* is."""
    return Relation(schema=table.schema, name=table.name + SUFFIX)


def problems_of_view(catalog: Catalog, session: Session, table: Table, *, sink: str) -> list[str]:
    """Return why the table can have no view."""
    view = view_of(table.relation)
    if len(view.name.encode()) > _MAX_IDENTIFIER:
        return [f"the name of its live view, {view.name!r}, is too long"]
    found = catalog.view_owner(session, view)
    if found is None and catalog.exists(session, view):
        return [f"{view.name!r}, where its live view goes, is something of yours"]
    if found not in {None, sink}:
        return [f"{view.name!r} is the live view of {found} already"]
    return []


def make_view(catalog: Catalog, session: Session, table: Table, *, sink: str) -> None:
    """Make the view of *table*, over every epoch that is open. In a transaction. Idempotent."""
    open_epochs = _open_epochs(session, sink)
    columns = [column.name for column in table.columns]
    query = _query(session.dialect, table.relation, columns, sink=sink, epochs=open_epochs)
    catalog.make_view(
        session, view_of(table.relation), query, columns=columns, sink=sink, table=table.relation
    )


def drop_view(catalog: Catalog, session: Session, table: Relation, *, sink: str) -> None:
    """Drop the view of *table*, if it is *sink*'s. In a transaction. Idempotent."""
    if catalog.view_owner(session, view_of(table)) == sink:
        catalog.drop_view(session, view_of(table))


def forget_epoch(catalog: Catalog, session: Session, shape: Shape, *, sink: str) -> None:
    """Leave out of the view, if there is one, what is closed: its tables can be dropped then."""
    if catalog.view_owner(session, view_of(shape.table)) != sink:
        return
    table = catalog.find(session, table=_spelled(shape.table), keys=shape.keys)
    if table is None:
        catalog.drop_view(session, view_of(shape.table))
    else:
        make_view(catalog, session, table, sink=sink)


def show(session: Session, *, sink: str, epoch: int) -> None:
    """Have the view show what *epoch* stages, and nothing else's. In a transaction."""
    param, shown = session.dialect.param, session.dialect.own("shown")
    session.execute(
        f"INSERT INTO {shown} (sink, epoch) VALUES ({param('sink')}, {param('epoch')}) "
        "ON CONFLICT (sink) DO UPDATE SET epoch = excluded.epoch",
        {"sink": sink, "epoch": epoch},
    )


def shown(session: Session, *, sink: str) -> int | None:
    """Return the epoch that is shown while it is staged; None if there was none yet."""
    dialect = session.dialect
    found = session.rows(
        f"SELECT epoch FROM {dialect.own('shown')} WHERE sink = {dialect.param('sink')}",
        {"sink": sink},
    )
    return found[0][0] if found else None


def _open_epochs(session: Session, sink: str) -> list[tuple[int, Shape]]:
    dialect = session.dialect
    found = session.rows(
        f"SELECT epoch, shape FROM {dialect.own('fence')} WHERE sink = {dialect.param('sink')} "
        f"AND shape IS NOT NULL AND state IN ('{EpochState.STAGED}', '{EpochState.MERGING}') "
        "ORDER BY epoch",
        {"sink": sink},
    )
    return [(epoch, Shape.from_json(shape)) for epoch, shape in found]


def _query(
    dialect: Dialect,
    table: Relation,
    columns: Sequence[str],
    *,
    sink: str,
    epochs: Sequence[tuple[int, Shape]],
) -> str:
    def names(alias: str) -> str:
        return ", ".join(f"{alias}.{dialect.quote(name)}" for name in columns)

    hidden, overlays = [], []
    for epoch, shape in epochs:
        f = Fragments(dialect, shape)
        # Asked once for the statement, not for each row.
        is_shown = (
            f"FROM {dialect.own('fence')} f JOIN {dialect.own('shown')} v "
            f"ON v.sink = f.sink AND v.epoch = f.epoch WHERE f.sink = {_literal(dialect, sink)} "
            f"AND f.epoch = {epoch} "
            f"AND f.state IN ('{EpochState.STAGED}', '{EpochState.MERGING}')"
        )
        merged = f"(SELECT f.merged_through {is_shown})"
        if shape.image is None:
            overlays.append(f"SELECT {names('s')} FROM {f.staging} s WHERE {merged} = 0")
            continue
        # Nothing is larger than NULL: without a row that is shown, nothing is staged.
        staged = f"b.{f.mode} = '{ImageMode.STAGED}' AND b.{f.seq} > {merged}"
        overlays.append(
            f"SELECT {names('s')} FROM {f.staging} s JOIN {f.image} b ON {f.on('s', 'b')} "
            f"WHERE {staged}"
        )
        hidden.append(
            f"NOT (EXISTS (SELECT 1 {is_shown}) "
            f"AND EXISTS (SELECT 1 FROM {f.image} b WHERE {f.on('b', 't')} AND {staged}))"
        )
    where = f" WHERE {' AND '.join(hidden)}" if hidden else ""
    base = f"SELECT {names('t')} FROM {dialect.relation(table)} t{where}"
    return " UNION ALL ".join([base, *overlays])


def _spelled(relation: Relation) -> str:
    return relation.name if relation.schema is None else f"{relation.schema}.{relation.name}"


def _literal(dialect: Dialect, text: str) -> str:
    # Quoted as an identifier is, a percent sign comes out as the dialect's driver needs it.
    return "'" + dialect.quote(text)[1:-1].replace('""', '"').replace("'", "''") + "'"
