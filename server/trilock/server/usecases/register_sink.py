"""Check a downstream table, and record it as a sink."""

from trilock.server.convergence.projections.sinks import Sinks
from trilock.server.domain.names import SinkRef
from trilock.server.domain.sink import Sink
from trilock.server.store.clock import now_ms, to_datetime
from trilock.server.store.plane_states import set_behind
from trilock.server.store.releases import list_live
from trilock.server.store.sinks import record_sink
from trilock.server.usecases.runtime import Runtime


def register_sink(
    runtime: Runtime,
    *,
    sink: SinkRef,
    connection: str,
    table: str,
    keys: tuple[str, ...],
    validate_only: bool,
    principal: str,
) -> Sink:
    """Check *table* and record it; the same again takes its columns as they are now.

    Writers of the releases that are live already are let in as soon as the
    sink's fences have followed.

    Raises:
        UnknownConnectionError: The settings have no such model or connection.
        SinkError: The table cannot be a sink; all problems are listed.
        AlreadyExistsError: The name is taken by another table.
        PlaneUnavailableError: The database does not answer.
    """
    runtime.require_model(sink.model)
    columns = runtime.connections.sink_database(connection).inspect(table=table, keys=keys)
    if validate_only:
        return Sink(
            ref=sink,
            connection=connection,
            table=table,
            keys=keys,
            columns=columns,
            created=to_datetime(now_ms()),
            creator=principal,
        )
    with runtime.database.write() as session:
        recorded = record_sink(
            session,
            sink,
            connection=connection,
            table=table,
            keys=keys,
            columns=columns,
            creator=principal,
        )
        for live in list_live(session, model=sink.model):
            set_behind(session, live.alias, planes=[Sinks.name])
    return recorded
