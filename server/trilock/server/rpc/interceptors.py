"""What every call of trilock's own services goes through: errors, then principals.

Calls of other services (health, reflection) pass untouched.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final, NoReturn, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from trilock.server.domain.access import Principal
from trilock.server.domain.errors import InvalidRequestError, TrilockError
from trilock.server.rpc.errors import code_of, status_of, trailers_of
from trilock.server.rpc.principals import ROLES, Authenticator, act_as

_log = logging.getLogger(__name__)

OWN: Final = "/trilock."
"""How the methods of trilock's own services begin."""

# Text, since grpc's classes are generic in the stubs only.
Details: TypeAlias = "grpc.HandlerCallDetails"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Continuation: TypeAlias = "Callable[[Details], Awaitable[Handler | None]]"
Unary: TypeAlias = "Callable[[Any, Context], Awaitable[Any]]"
Stream: TypeAlias = "Callable[[Any, Context], AsyncGenerator[Any, None]]"
Parse = Callable[[bytes], Any]


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Turns every exception into a status: ours as they say, all others as INTERNAL.

    It parses the request too, so that bytes that are no request are
    INVALID_ARGUMENT; gRPC itself would call them a defect of the server. Being
    around every call of ours, it knows when none is running.
    """

    def __init__(self) -> None:
        # gRPC asks anew for every call; the answer is always the same.
        self._handlers: dict[str, Handler] = {}
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def idle(self) -> None:
        """Return when no call of trilock's own services is running."""
        await self._idle.wait()

    def enter(self) -> None:
        """Count one more call that is running."""
        self._running += 1
        self._idle.clear()

    def leave(self) -> None:
        """Count one less."""
        self._running -= 1
        if not self._running:
            self._idle.set()

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: Details
    ) -> Handler | None:
        """See grpc.aio.ServerInterceptor."""
        method = handler_call_details.method
        known = self._handlers.get(method)
        if known is not None:
            return known
        handler = await continuation(handler_call_details)
        if handler is None or not method.startswith(OWN):
            return handler
        parse = handler.request_deserializer
        assert parse is not None  # noqa: S101 - generated code always sets it
        wrap = _translating_stream if handler.response_streaming else _translating
        behavior = wrap(_behavior(handler), parse=parse, method=method, calls=self)
        self._handlers[method] = made = _like(handler, behavior, parse=None)
        return made


class PrincipalInterceptor(grpc.aio.ServerInterceptor):
    """Lets a call through if its principal has the role that the method needs."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: Details
    ) -> Handler | None:
        """See grpc.aio.ServerInterceptor."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(OWN):
            return handler
        role = ROLES[method]

        def admit(context: Context) -> Principal:
            principal = self._authenticator.authenticate(context)
            principal.require(role)
            return principal

        behavior = _behavior(handler)
        wrapped = (
            _admitting_stream(behavior, admit=admit, authenticator=self._authenticator)
            if handler.response_streaming
            else _admitting(behavior, admit=admit)
        )
        return _like(handler, wrapped, parse=handler.request_deserializer)


# The stubs of grpc know handlers that block only, hence Any on the way in and out.


def _behavior(handler: Handler) -> Any:  # noqa: ANN401
    return handler.unary_stream if handler.response_streaming else handler.unary_unary


def _like(handler: Handler, behavior: Any, *, parse: Parse | None) -> Handler:  # noqa: ANN401
    """Return a handler as *handler* is, but for its behavior and its parser."""
    make = (
        grpc.unary_stream_rpc_method_handler
        if handler.response_streaming
        else grpc.unary_unary_rpc_method_handler
    )
    made: Handler = make(behavior, parse, handler.response_serializer)
    return made


def _admitting(behavior: Unary, *, admit: Callable[[Context], Principal]) -> Unary:
    async def call(request: Any, context: Context) -> Any:  # noqa: ANN401 - any message
        act_as(admit(context))
        return await behavior(request, context)

    return call


def _admitting_stream(
    behavior: Stream, *, admit: Callable[[Context], Principal], authenticator: Authenticator
) -> Stream:
    async def call(request: Any, context: Context) -> AsyncGenerator[Any, None]:  # noqa: ANN401
        admitted = authenticator.edition
        act_as(admit(context))
        async with contextlib.aclosing(behavior(request, context)) as messages:
            async for message in messages:
                if admitted != authenticator.edition:
                    # A token that was revoked meanwhile gets nothing more.
                    admitted = authenticator.edition
                    admit(context)
                yield message

    return call


def _translating(behavior: Unary, *, parse: Parse, method: str, calls: ErrorInterceptor) -> Unary:
    async def call(raw: bytes, context: Context) -> Any:  # noqa: ANN401 - any message
        calls.enter()
        try:
            return await behavior(_parsed(parse, raw), context)
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a status
            await _abort(context, error, method=method)
        finally:
            calls.leave()

    return call


def _translating_stream(
    behavior: Stream, *, parse: Parse, method: str, calls: ErrorInterceptor
) -> Stream:
    # The body of a generator runs while it is iterated, so the try has to be
    # around the iteration; around the call it would catch nothing.
    async def call(raw: bytes, context: Context) -> AsyncGenerator[Any, None]:
        calls.enter()
        try:
            async with contextlib.aclosing(behavior(_parsed(parse, raw), context)) as messages:
                async for message in messages:
                    yield message
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a status
            await _abort(context, error, method=method)
        finally:
            calls.leave()

    return call


def _parsed(parse: Parse, raw: bytes) -> Any:  # noqa: ANN401 - any message
    try:
        return parse(raw)
    except DecodeError as error:
        what = "cannot be parsed: not this message, or text that is not UTF-8"
        raise InvalidRequestError([("request", what)]) from error


async def _abort(context: Context, error: Exception, *, method: str) -> NoReturn:
    if not isinstance(error, TrilockError):
        number = uuid.uuid4().hex[:8]
        _log.error("%s failed, error %s", method, number, exc_info=error)
        error = TrilockError(
            f"a defect of trilock: the server's log tells more, under {number}", error=number
        )
    status = status_of(error)
    await context.abort(code_of(error), status.message, trailers_of(status))
