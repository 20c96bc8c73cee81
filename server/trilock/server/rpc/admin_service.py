"""AdminService."""

from trilock.server.domain.access import Token, principal_name
from trilock.server.rpc.convert.fields import timestamp
from trilock.server.rpc.convert.tokens import token_to_proto
from trilock.server.rpc.principals import current_principal
from trilock.server.rpc.service import Context, Service
from trilock.server.rpc.validate import validating
from trilock.server.store.tokens import list_tokens
from trilock.server.usecases.manage_tokens import create_token, revoke_token
from trilock.v1 import admin_service_pb2, admin_service_pb2_grpc


class AdminService(Service, admin_service_pb2_grpc.AdminServiceServicer):
    """See admin_service.proto."""

    async def GetServerInfo(
        self, _request: admin_service_pb2.GetServerInfoRequest, _context: Context
    ) -> admin_service_pb2.GetServerInfoResponse:
        """See admin_service.proto."""
        parts, principal = self.parts, current_principal()
        snapshot = parts.hub.snapshot
        return admin_service_pb2.GetServerInfoResponse(
            version=parts.version,
            schema=parts.schema,
            database=self.runtime.database.dialect,
            generation=snapshot.generation,
            revision=snapshot.revision,
            models=self.runtime.connections.models(),
            principal=principal.name,
            roles=sorted(principal.roles),
            start_time=timestamp(parts.started),
        )

    async def CreateToken(
        self, request: admin_service_pb2.CreateTokenRequest, _context: Context
    ) -> admin_service_pb2.CreateTokenResponse:
        """See admin_service.proto."""
        with validating() as check:
            principal = check.name("principal", request.principal, principal_name)
            roles = check.roles("roles", request.roles)
        token, secret = await self.threads.quick(
            create_token,
            self.runtime,
            principal=principal,
            roles=roles,
            reserved=self._reserved(),
            creator=current_principal().name,
        )
        await self.threads.quick(self.parts.authenticator.refresh)
        return admin_service_pb2.CreateTokenResponse(token=token_to_proto(token), secret=secret)

    async def ListTokens(
        self, request: admin_service_pb2.ListTokensRequest, _context: Context
    ) -> admin_service_pb2.ListTokensResponse:
        """See admin_service.proto."""
        with validating() as check:
            page = check.page(request)

        def read() -> list[Token]:
            with self.runtime.database.read() as session:
                return list_tokens(session)

        stored = await self.threads.quick(read)
        tokens = sorted(
            (*stored, *self.parts.authenticator.settings_tokens),
            key=lambda token: token.principal,
        )
        shown, page_token = page.of(tokens)
        return admin_service_pb2.ListTokensResponse(
            tokens=[token_to_proto(token) for token in shown], next_page_token=page_token
        )

    async def RevokeToken(
        self, request: admin_service_pb2.RevokeTokenRequest, _context: Context
    ) -> admin_service_pb2.RevokeTokenResponse:
        """See admin_service.proto."""
        with validating() as check:
            principal = check.name("principal", request.principal, principal_name)
        await self.threads.quick(
            revoke_token, self.runtime, principal=principal, reserved=self._reserved()
        )
        await self.threads.quick(self.parts.authenticator.refresh)
        return admin_service_pb2.RevokeTokenResponse()

    def _reserved(self) -> frozenset[str]:
        return frozenset(token.principal for token in self.parts.authenticator.settings_tokens)
