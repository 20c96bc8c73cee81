"""SinkService."""

from trilock.server.domain.names import SinkRef, model_name
from trilock.server.domain.sink import Sink
from trilock.server.rpc.convert import sink_to_proto
from trilock.server.rpc.principals import current_principal
from trilock.server.rpc.service import Context, Service
from trilock.server.rpc.validate import TABLE, validating
from trilock.server.store.sinks import get_sink, list_sinks
from trilock.server.usecases.register_sink import register_sink
from trilock.v1 import sink_service_pb2, sink_service_pb2_grpc


class SinkService(Service, sink_service_pb2_grpc.SinkServiceServicer):
    """See sink_service.proto."""

    async def RegisterSink(
        self, request: sink_service_pb2.RegisterSinkRequest, _context: Context
    ) -> sink_service_pb2.RegisterSinkResponse:
        """See sink_service.proto."""
        with validating() as check:
            ref = check.name("name", request.name, SinkRef.parse)
            connection = check.text("connection", request.connection, required=True, limit=63)
            table = check.token("table", request.table, TABLE)
            keys = check.columns("keys", request.keys)
        sink = await self.threads.slow(
            register_sink,
            self.runtime,
            sink=ref,
            connection=connection,
            table=table,
            keys=keys,
            validate_only=request.validate_only,
            principal=current_principal().name,
        )
        return sink_service_pb2.RegisterSinkResponse(sink=sink_to_proto(sink))

    async def GetSink(
        self, request: sink_service_pb2.GetSinkRequest, _context: Context
    ) -> sink_service_pb2.GetSinkResponse:
        """See sink_service.proto."""
        with validating() as check:
            ref = check.name("name", request.name, SinkRef.parse)

        def read() -> Sink:
            with self.runtime.database.read() as session:
                return get_sink(session, ref)

        return sink_service_pb2.GetSinkResponse(sink=sink_to_proto(await self.threads.quick(read)))

    async def ListSinks(
        self, request: sink_service_pb2.ListSinksRequest, _context: Context
    ) -> sink_service_pb2.ListSinksResponse:
        """See sink_service.proto."""
        with validating() as check:
            model = check.optional("model", request.model, model_name)
            page = check.page(request)

        def read() -> list[Sink]:
            with self.runtime.database.read() as session:
                return list_sinks(session, model=model)

        shown, token = page.of(await self.threads.quick(read))
        return sink_service_pb2.ListSinksResponse(
            sinks=[sink_to_proto(sink) for sink in shown], next_page_token=token
        )
