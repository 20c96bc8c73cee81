"""DriftService."""

from trilock.server.domain.names import AliasRef
from trilock.server.domain.operation import Operation
from trilock.server.rpc.convert.operations import operation_to_proto
from trilock.server.rpc.convert.releases import drift_to_proto
from trilock.server.rpc.principals import current_principal
from trilock.server.rpc.service import Context, Service
from trilock.server.rpc.validate import validating
from trilock.server.store.drifts import Drift, list_drifts
from trilock.server.usecases.adopt import adopt
from trilock.server.usecases.describe_operation import describe_operation
from trilock.server.usecases.reassert import reassert
from trilock.v1 import drift_service_pb2, drift_service_pb2_grpc, operation_pb2


class DriftService(Service, drift_service_pb2_grpc.DriftServiceServicer):
    """See drift_service.proto."""

    async def ListDrifts(
        self, request: drift_service_pb2.ListDriftsRequest, _context: Context
    ) -> drift_service_pb2.ListDriftsResponse:
        """See drift_service.proto."""
        with validating() as check:
            alias = check.optional("alias", request.alias, AliasRef.parse)
            page = check.page(request)

        def read() -> list[Drift]:
            with self.runtime.database.read() as session:
                return list_drifts(
                    session,
                    alias=alias,
                    ended=request.show_ended,
                    offset=page.offset,
                    limit=page.limit,
                )

        shown, token = page.cut(await self.threads.quick(read))
        return drift_service_pb2.ListDriftsResponse(
            drifts=[drift_to_proto(drift) for drift in shown], next_page_token=token
        )

    async def Adopt(
        self, request: drift_service_pb2.AdoptRequest, _context: Context
    ) -> drift_service_pb2.AdoptResponse:
        """See drift_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            reason = check.text("reason", request.reason)
            window = check.window("feature_window", request.feature_window, required=False)
            accept_unready = check.text("accept_unready", request.accept_unready)
            request_id = check.request_id(request.request_id)
        adopted = await self.threads.slow(
            adopt,
            self.runtime,
            alias=alias,
            window=window,
            reason=reason,
            accept_unready=accept_unready,
            request_id=request_id,
            validate_only=request.validate_only,
            principal=current_principal().name,
        )
        return drift_service_pb2.AdoptResponse(
            bundle=str(adopted.bundle.ref), operation=await self._told(adopted.operation)
        )

    async def Reassert(
        self, request: drift_service_pb2.ReassertRequest, _context: Context
    ) -> drift_service_pb2.ReassertResponse:
        """See drift_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            reason = check.text("reason", request.reason, required=True)
        drifts = await self.threads.quick(
            reassert,
            self.runtime,
            alias=alias,
            reason=reason,
            principal=current_principal().name,
        )
        return drift_service_pb2.ReassertResponse(
            drifts=[drift_to_proto(drift) for drift in drifts]
        )

    async def _told(self, operation: Operation | None) -> operation_pb2.Operation | None:
        if operation is None:
            return None
        status = await self.threads.quick(describe_operation, self.runtime, operation)
        return operation_to_proto(status)
