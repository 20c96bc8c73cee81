"""An interceptor for blocking gRPC servers."""

from __future__ import annotations  # grpc's classes are generic in the stubs only

from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

import grpc

from trilock.client.identity import Current, hold


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
        said, _ = own.run(hold, current)
        context = _saying(context, said)
        try:
            return own.run(behaviour, request, context)
        finally:
            say(context, said)

    def stream(request: Any, context: Any) -> Iterator[Any]:  # noqa: ANN401 - see above
        own = copy_context()
        said, _ = own.run(hold, current)
        context = _saying(context, said)
        answers = own.run(behaviour, request, context)
        end = object()
        try:
            while (answer := own.run(next, answers, end)) is not end:
                yield answer
        finally:
            say(context, said)

    return stream if streams else call


def _saying(context: Any, said: dict[str, str]) -> Any:  # noqa: ANN401 - see above
    """Return *context* with *said* among its trailing metadata."""
    if hasattr(context, "trailing_metadata"):
        say(context, said)
        return context
    context.set_trailing_metadata(tuple(said.items()))
    return _Saying(context, said)


class _Saying:
    """The context of a plain function on an asyncio server: it does not tell what was set."""

    def __init__(self, context: Any, said: dict[str, str]) -> None:  # noqa: ANN401 - see above
        self._context = context
        self._said = tuple(said.items())

    def trailing_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._said

    def set_trailing_metadata(self, metadata: Any) -> None:  # noqa: ANN401 - see above
        self._context.set_trailing_metadata((*metadata, *self._said))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - see above
        return getattr(self._context, name)


def say(context: Any, said: dict[str, str]) -> None:  # noqa: ANN401 - blocking or async
    """Add *said* to the trailing metadata, whatever the handler has put there itself."""
    there = tuple(context.trailing_metadata() or ())
    known = {name for name, _ in there}
    missing = tuple(pair for pair in said.items() if pair[0] not in known)
    if missing:
        context.set_trailing_metadata((*there, *missing))
