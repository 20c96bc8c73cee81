"""ServingService: answered from memory, on the event loop; a bundle by name, from rows."""

from collections.abc import AsyncGenerator
from typing import Final

from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.rpc.service import Context, Service
from trilock.server.rpc.validate import validating
from trilock.server.serving.messages import serving_bundle_message
from trilock.server.usecases.pin_bundle import pin_bundle
from trilock.v1 import serving_service_pb2, serving_service_pb2_grpc

_WAIT_SECONDS: Final = 5.0
_OF_DEADLINE: Final = 0.9
"""The share of a caller's deadline that is waited: the answer has to arrive in time."""


class ServingService(Service, serving_service_pb2_grpc.ServingServiceServicer):
    """See serving_service.proto."""

    async def Resolve(
        self, request: serving_service_pb2.ResolveRequest, context: Context
    ) -> serving_service_pb2.ResolveResponse:
        """See serving_service.proto."""
        if not request.bundle:
            # What nearly everybody asks: a name that is known needs no check of its form.
            known = self.parts.hub.answer(request.alias, min_revision=request.min_revision)
            if known is not None:
                return known
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            min_revision = check.number("min_revision", request.min_revision)
            named = check.optional("bundle", request.bundle, BundleRef.parse)
            check.same_model("bundle", named, alias=alias)
        remaining = context.time_remaining() or _WAIT_SECONDS
        live = await self.parts.hub.resolve(
            str(alias),
            min_revision=min_revision,
            seconds=min(_WAIT_SECONDS, remaining * _OF_DEADLINE),
        )
        if named is None:
            return serving_service_pb2.ResolveResponse(live_bundle=live)
        pinned = await self.threads.quick(pin_bundle, self.runtime, named)
        return serving_service_pb2.ResolveResponse(
            live_bundle=live, pinned=serving_bundle_message(pinned)
        )

    async def Watch(
        self, request: serving_service_pb2.WatchRequest, _context: Context
    ) -> AsyncGenerator[serving_service_pb2.WatchResponse, None]:
        """See serving_service.proto."""
        with validating() as check:
            aliases = check.names("aliases", request.aliases, AliasRef.parse)
            start = check.number("start_revision", request.start_revision)
            generation = check.number("generation", request.generation)
        names = frozenset(str(alias) for alias in aliases)
        async for message in self.parts.hub.watch(names, start=start, generation=generation):
            yield message
