"""An interceptor for blocking gRPC servers."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

import grpc

from trilock.client.identity import Current, Hold


class GrpcIdentity(grpc.ServerInterceptor):
    """Holds one model for each call, and says in the trailing metadata which.

        grpc.server(pool, interceptors=[GrpcIdentity(slot.current)])

    Args:
        current: `slot.current`.
    """

    def __init__(self, current: Current) -> None:
        self._current = current

    # grpc's stubs want this method to be generic over types that only they can name.
    def intercept_service(
        self,
        continuation: Callable[[Any], Any],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:  # noqa: ANN401
        """Put every kind of handler into a context of its own."""
        handler = continuation(handler_call_details)
        return None if handler is None else rewired(handler, self._wrapped)

    def _wrapped(self, behaviour: Callable[..., Any], *, streams: bool) -> Callable[..., Any]:
        return in_context(behaviour, current=self._current, streams=streams)


def rewired(handler: Any, wrap: Callable[..., Callable[..., Any]]) -> Any:  # noqa: ANN401 - see above
    """Return *handler* with its behaviour put through *wrap*, of whichever of the four kinds."""
    ask = "stream" if handler.request_streaming else "unary"
    answer = "stream" if handler.response_streaming else "unary"
    make = getattr(grpc, f"{ask}_{answer}_rpc_method_handler")
    behaviour = getattr(handler, f"{ask}_{answer}")
    wrapped = wrap(behaviour, streams=handler.response_streaming)
    return make(wrapped, handler.request_deserializer, handler.response_serializer)


def in_context(
    behaviour: Callable[..., Any], *, current: Current, streams: bool
) -> Callable[..., Any]:
    """Return *behaviour*, a plain function or generator, with a model held while it runs."""

    def call(request: Any, context: Any) -> Any:  # noqa: ANN401 - see above
        own = copy_context()
        hold = Hold(current)
        own.run(hold.begin)
        context = _saying(context, hold)
        try:
            return own.run(behaviour, request, context)
        finally:
            say(context, hold)

    def stream(request: Any, context: Any) -> Iterator[Any]:  # noqa: ANN401 - see above
        own = copy_context()
        hold = Hold(current)
        own.run(hold.begin)
        context = _saying(context, hold)
        answers = own.run(behaviour, request, context)
        end = object()
        try:
            while (answer := own.run(next, answers, end)) is not end:
                yield answer
        finally:
            say(context, hold)

    return stream if streams else call


def _saying(context: Any, hold: Hold) -> Any:  # noqa: ANN401 - see above
    """Return *context* with what *hold* says among its trailing metadata."""
    if hasattr(context, "trailing_metadata"):
        say(context, hold)
        return context
    context.set_trailing_metadata(tuple(hold.headers().items()))
    return _Saying(context, hold)


class _Saying:
    """The context of a plain function on an asyncio server: it does not tell what was set."""

    def __init__(self, context: Any, hold: Hold) -> None:  # noqa: ANN401 - see above
        self._context = context
        self._own: tuple[Any, ...] = ()
        self._hold = hold

    def trailing_metadata(self) -> tuple[Any, ...]:
        return self._own

    def set_trailing_metadata(self, metadata: Any) -> None:  # noqa: ANN401 - see above
        self._own = tuple(metadata)
        self._context.set_trailing_metadata((*self._own, *self._hold.headers().items()))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - see above
        return getattr(self._context, name)


def say(context: Any, hold: Hold) -> None:  # noqa: ANN401 - blocking or async
    """Have the trailing metadata say what *hold* says, beside what the handler has put there."""
    said = hold.headers()
    there = [pair for pair in context.trailing_metadata() or () if pair[0] not in said]
    if said:
        context.set_trailing_metadata((*there, *said.items()))
