"""An interceptor for gRPC servers on asyncio."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from trilock.client.identity import Current, Hold
from trilock.client.identity.grpc_sync import in_context, rewired, say


class GrpcAioIdentity(grpc.aio.ServerInterceptor):
    """Holds one model for each call, and says in the trailing metadata which.

        grpc.aio.server(interceptors=[GrpcAioIdentity(slot.current)])

    Args:
        current: `slot.current`.
    """

    def __init__(self, current: Current) -> None:
        self._current = current

    # grpc's stubs want this method to be generic over types that only they can name.
    async def intercept_service(
        self,
        continuation: Callable[[Any], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:  # noqa: ANN401
        """Put every kind of handler into a context of its own."""
        handler = await continuation(handler_call_details)
        return None if handler is None else rewired(handler, self._wrapped)

    def _wrapped(self, behaviour: Callable[..., Any], *, streams: bool) -> Callable[..., Any]:
        current = self._current

        # A call is a task, and a task has a context of its own.
        async def call(request: Any, context: Any) -> Any:  # noqa: ANN401 - see above
            with Hold(current) as hold:
                say(context, hold)
                try:
                    return await behaviour(request, context)
                finally:
                    say(context, hold)

        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: ANN401 - see above
            hold = Hold(current)
            hold.begin()
            say(context, hold)
            async for part in behaviour(request, context):
                yield part
            say(context, hold)

        if inspect.iscoroutinefunction(behaviour):
            return call
        if inspect.isasyncgenfunction(behaviour):
            return stream
        # grpc runs plain functions in threads.
        return in_context(behaviour, current=current, streams=streams)
