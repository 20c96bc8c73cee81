"""OperationService."""

import asyncio
from typing import Final

from trilock.server.domain.names import AliasRef, OperationId, operation_id
from trilock.server.rpc.convert.operations import operation_to_proto
from trilock.server.rpc.principals import current_principal
from trilock.server.rpc.service import Context, Service
from trilock.server.rpc.validate import validating
from trilock.server.usecases.cancel_operation import cancel_operation
from trilock.server.usecases.describe_operation import OperationStatus, describe_operation
from trilock.server.usecases.retry_operation import retry_operation
from trilock.v1 import operation_service_pb2, operation_service_pb2_grpc

_WAIT_SECONDS: Final = 30.0
_LONGEST_WAIT_SECONDS: Final = 60.0
_OF_DEADLINE: Final = 0.9
_POLL_SECONDS: Final = 0.5
"""How soon a change made by another replica is seen by who waits."""


class OperationService(Service, operation_service_pb2_grpc.OperationServiceServicer):
    """See operation_service.proto."""

    async def GetOperation(
        self, request: operation_service_pb2.GetOperationRequest, _context: Context
    ) -> operation_service_pb2.GetOperationResponse:
        """See operation_service.proto."""
        with validating() as check:
            operation = check.name("name", request.name, operation_id)
        status, _ = await self.threads.quick(self._look, operation)
        return operation_service_pb2.GetOperationResponse(operation=operation_to_proto(status))

    async def ListOperations(
        self, request: operation_service_pb2.ListOperationsRequest, _context: Context
    ) -> operation_service_pb2.ListOperationsResponse:
        """See operation_service.proto."""
        with validating() as check:
            alias = check.optional("alias", request.alias, AliasRef.parse)
            page = check.page(request)

        def read() -> list[OperationStatus]:
            found = self.runtime.journal.list(
                alias=alias,
                active_only=request.active_only,
                offset=page.offset,
                limit=page.limit,
            )
            return [describe_operation(self.runtime, operation) for operation in found]

        shown, token = page.cut(await self.threads.quick(read))
        return operation_service_pb2.ListOperationsResponse(
            operations=[operation_to_proto(status) for status in shown], next_page_token=token
        )

    async def WaitOperation(
        self, request: operation_service_pb2.WaitOperationRequest, context: Context
    ) -> operation_service_pb2.WaitOperationResponse:
        """See operation_service.proto."""
        with validating() as check:
            operation = check.name("name", request.name, operation_id)
            seen = check.number("seen", request.seen)
            seconds = check.seconds(
                "timeout",
                request.timeout if request.HasField("timeout") else None,
                default=_WAIT_SECONDS,
                most=_LONGEST_WAIT_SECONDS,
            )
        loop = asyncio.get_running_loop()
        remaining = context.time_remaining() or seconds
        until = loop.time() + min(seconds, remaining * _OF_DEADLINE)
        # No thread is held while nothing happens: many may wait for long.
        while True:
            ticket = self.parts.writes.ticket()
            status, version = await self.threads.quick(self._look, operation)
            left = until - loop.time()
            if version != seen or status.operation.done or left <= 0:
                return operation_service_pb2.WaitOperationResponse(
                    operation=operation_to_proto(status), version=version
                )
            await self.parts.writes.wait(ticket, seconds=min(left, _POLL_SECONDS))

    async def CancelOperation(
        self, request: operation_service_pb2.CancelOperationRequest, _context: Context
    ) -> operation_service_pb2.CancelOperationResponse:
        """See operation_service.proto."""
        with validating() as check:
            operation = check.name("name", request.name, operation_id)
            reason = check.text("reason", request.reason)
        await self.threads.quick(
            cancel_operation,
            self.runtime,
            operation,
            reason=reason,
            principal=current_principal().name,
        )
        status, _ = await self.threads.quick(self._look, operation)
        return operation_service_pb2.CancelOperationResponse(operation=operation_to_proto(status))

    async def RetryOperation(
        self, request: operation_service_pb2.RetryOperationRequest, _context: Context
    ) -> operation_service_pb2.RetryOperationResponse:
        """See operation_service.proto."""
        with validating() as check:
            operation = check.name("name", request.name, operation_id)
        await self.threads.quick(
            retry_operation, self.runtime, operation, principal=current_principal().name
        )
        status, _ = await self.threads.quick(self._look, operation)
        return operation_service_pb2.RetryOperationResponse(operation=operation_to_proto(status))

    def _look(self, operation: OperationId) -> tuple[OperationStatus, int]:
        found, version = self.runtime.journal.wait(operation, seen=-1, timeout=0)
        return describe_operation(self.runtime, found), version
