"""SinkService."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Final

from trilock.server.domain.names import ReleaseRef, SinkRef, model_name
from trilock.server.domain.sink import Sink
from trilock.server.rpc.convert.sinks import sink_to_proto
from trilock.server.rpc.principals import current_principal
from trilock.server.rpc.receipts import purged_to_proto, receipt_to_proto, row_to_json, row_to_proto
from trilock.server.rpc.service import Context, Service
from trilock.server.rpc.validate import MAX_TABLE, validating
from trilock.server.store.sinks import get_sink, list_sinks
from trilock.server.usecases.purge_receipts import purge_receipts
from trilock.server.usecases.register_sink import register_sink
from trilock.server.usecases.sink_receipts import (
    get_receipts,
    list_quarantined_rows,
    list_receipt_rows,
)
from trilock.v1 import receipt_pb2, sink_service_pb2, sink_service_pb2_grpc

_CENTURY_SECONDS: Final = 100 * 366 * 86_400.0


class SinkService(Service, sink_service_pb2_grpc.SinkServiceServicer):
    """See sink_service.proto."""

    async def RegisterSink(
        self, request: sink_service_pb2.RegisterSinkRequest, _context: Context
    ) -> sink_service_pb2.RegisterSinkResponse:
        """See sink_service.proto."""
        with validating() as check:
            ref = check.name("name", request.name, SinkRef.parse)
            connection = check.text("connection", request.connection, required=True, limit=63)
            table = check.text("table", request.table, required=True, limit=MAX_TABLE)
            keys = check.columns("keys", request.keys)
        sink = await self.threads.slow(
            register_sink,
            self.runtime,
            sink=ref,
            connection=connection,
            table=table,
            keys=keys,
            live_view=request.live_view,
            add_release_column=request.add_release_column,
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

    async def GetReceipt(
        self, request: sink_service_pb2.GetReceiptRequest, _context: Context
    ) -> sink_service_pb2.GetReceiptResponse:
        """See sink_service.proto."""
        with validating() as check:
            release = check.name("release", request.release, ReleaseRef.parse)
            sink = check.optional("sink", request.sink, SinkRef.parse)
        receipts = await self.threads.slow(get_receipts, self.runtime, release=release, sink=sink)
        return sink_service_pb2.GetReceiptResponse(
            receipts=[receipt_to_proto(receipt) for receipt in receipts]
        )

    async def ListReceiptRows(
        self, request: sink_service_pb2.ListReceiptRowsRequest, _context: Context
    ) -> AsyncGenerator[sink_service_pb2.ListReceiptRowsResponse, None]:
        """See sink_service.proto."""
        with validating() as check:
            release = check.name("release", request.release, ReleaseRef.parse)
            sink = check.name("sink", request.sink, SinkRef.parse)

        def read() -> Iterator[receipt_pb2.ReceiptRow]:
            # Made into messages there as well: the event loop has others to answer.
            return map(row_to_proto, list_receipt_rows(self.runtime, release=release, sink=sink))

        async with aclosing(self.threads.stream(read)) as rows:
            async for some in rows:
                yield sink_service_pb2.ListReceiptRowsResponse(rows=some)

    async def ListQuarantinedRows(
        self, request: sink_service_pb2.ListQuarantinedRowsRequest, _context: Context
    ) -> AsyncGenerator[sink_service_pb2.ListQuarantinedRowsResponse, None]:
        """See sink_service.proto."""
        with validating() as check:
            release = check.name("release", request.release, ReleaseRef.parse)
            sink = check.name("sink", request.sink, SinkRef.parse)

        def read() -> Iterator[str]:
            return map(row_to_json, list_quarantined_rows(self.runtime, release=release, sink=sink))

        async with aclosing(self.threads.stream(read)) as rows:
            async for some in rows:
                yield sink_service_pb2.ListQuarantinedRowsResponse(rows=some)

    async def PurgeReceipts(
        self, request: sink_service_pb2.PurgeReceiptsRequest, _context: Context
    ) -> sink_service_pb2.PurgeReceiptsResponse:
        """See sink_service.proto."""
        with validating() as check:
            model = check.optional("model", request.model, model_name)
            release = check.optional("release", request.release, ReleaseRef.parse)
            given = request.older_than if request.HasField("older_than") else None
            kept = self.parts.keep_receipts_ms / 1000
            older_than = check.seconds("older_than", given, default=kept, most=_CENTURY_SECONDS)
        purged = await self.threads.slow(
            purge_receipts,
            self.runtime,
            model=model,
            release=release,
            older_than_ms=round(older_than * 1000),
            validate_only=request.validate_only,
        )
        return sink_service_pb2.PurgeReceiptsResponse(
            purged=[purged_to_proto(each) for each in purged]
        )
