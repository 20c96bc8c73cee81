"""Check a downstream table, and record it as a sink."""

from dataclasses import replace

from trilock.client.sinks.layout import RELEASE_COLUMN
from trilock.server.convergence.projections.sinks import Sinks
from trilock.server.domain.names import SinkRef
from trilock.server.domain.sink import Sink
from trilock.server.store.clock import now_ms, to_datetime
from trilock.server.store.plane_states import set_behind
from trilock.server.store.releases import list_live
from trilock.server.store.sinks import record_sink, require_same_table
from trilock.server.usecases.runtime import Runtime


def register_sink(
    runtime: Runtime,
    *,
    sink: SinkRef,
    connection: str,
    table: str,
    keys: tuple[str, ...],
    live_view: bool = False,
    add_release_column: bool = False,
    validate_only: bool,
    principal: str,
) -> Sink:
    """Check *table* and record it; the same again takes its columns as they are now.

    Writers of the releases that are live already are let in as soon as the
    sink's fences have followed.

    Args:
        runtime: What use cases work on.
        sink: Its name.
        connection: Name of a connection in the settings.
        table: `table` or `schema.table`.
        keys: None for an append-only table.
        live_view: Whether to keep a view `<table>_live`; False drops one that was kept.
        add_release_column: Whether to add the column that an append-only table needs to
            be undone, if it has none.
        validate_only: Check, and change nothing.
        principal: Who registers it.

    Raises:
        UnknownConnectionError: The settings have no such model or connection.
        SinkError: The table cannot be a sink; all problems are listed.
        AlreadyExistsError: The name is taken by another table.
        PlaneUnavailableError: The database does not answer.
    """
    runtime.require_model(sink.model)
    database = runtime.connections.sink_database(connection)
    columns = database.inspect(table=table, keys=keys)
    wanted = Sink(
        ref=sink,
        connection=connection,
        table=table,
        keys=keys,
        columns=columns,
        live_view=live_view,
        created=to_datetime(now_ms()),
        creator=principal,
    )
    if validate_only:
        return wanted
    if add_release_column and RELEASE_COLUMN not in {column.name for column in columns}:
        database.add_release_column(table=table, keys=keys)
        wanted = replace(wanted, columns=database.inspect(table=table, keys=keys))
    with runtime.database.read() as session:
        # A name that is taken is refused before anything is made for it.
        require_same_table(session, wanted)
    database.set_live_view(wanted)
    with runtime.database.write() as session:
        recorded = record_sink(
            session,
            sink,
            connection=connection,
            table=table,
            keys=keys,
            columns=wanted.columns,
            live_view=live_view,
            creator=principal,
        )
        for live in list_live(session, model=sink.model):
            set_behind(session, live.alias, planes=[Sinks.name])
    return recorded
